"""Which paths a program's files may have.

Apart from the programs themselves because sandboxes check paths too, in processes that do
without pydantic.
"""

from __future__ import annotations

from pathlib import PurePosixPath


def check_path(path: str) -> str:
    """A program file's path, if it is relative, normalised and stays inside the program.

    Raises:
        ValueError: If it is empty, absolute, has ``..``, a backslash, a control character
            or a lone surrogate, which no file name can hold.
    """
    parts = PurePosixPath(path).parts
    if (
        not parts
        or path.startswith("/")
        or "\\" in path
        or ".." in parts
        or str(PurePosixPath(path)) != path
        or any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in path)
    ):
        raise ValueError(f"{path!r} is not a plain relative path like 'solver/core.py'")
    return path
