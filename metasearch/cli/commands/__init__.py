"""What each command takes; the modules beside this folder hold what it does.

A module here is a ``typer.Typer`` named ``commands``, which ``app.py`` adds. It imports
nothing heavy before one of its commands runs.
"""
