"""What programs inside sandboxes may import: of our folders only this one is on their path."""
