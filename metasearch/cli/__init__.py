"""The command line. Heavy imports stand inside the commands, so that help comes at once."""

from metasearch.cli.app import app, main

__all__ = ["app", "main"]
