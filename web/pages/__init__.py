"""The pages, each with a real address that holds all that it shows."""
