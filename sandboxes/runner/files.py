"""Files of the working folder, whatever a candidate has put on the way to them."""

from __future__ import annotations

import contextlib
import errno
import os


def write(folder: str, files: dict[str, bytes]) -> None:
    """Put files below a folder; what is in their place goes away.

    Raises:
        OSError: If there is no room, or a file stands where a folder should be.
    """
    for path, content in files.items():
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        # Buffered: on a disk that is nearly full, a plain write stops in the middle and is fine.
        with os.fdopen(_open_beneath(folder, path, flags, make=True), "wb") as file:
            file.write(content)


def open_to_read(folder: str, path: str) -> int:
    """A descriptor of whatever is at a path below a folder, if no link is on the way.

    Raises:
        OSError: If there is nothing, or a link.
    """
    return _open_beneath(folder, path, os.O_RDONLY, make=False)


def _open_beneath(root: str, path: str, flags: int, *, make: bool) -> int:
    """Open a file below a folder without following any link on the way."""
    *folders, name = path.split("/")
    if any(part in ("", ".", "..") for part in (*folders, name)):
        raise OSError(errno.EINVAL, "is not a plain relative path")
    folder_flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    here = os.open(root, folder_flags)
    try:
        for folder in folders:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, 0o700, dir_fd=here)
            below = os.open(folder, folder_flags, dir_fd=here)
            os.close(here)
            here = below
        if make:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=here)
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=here)
    finally:
        os.close(here)
