"""Scripts that measure what the documentation claims, each against a stated limit."""
