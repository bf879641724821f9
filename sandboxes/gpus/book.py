"""Who has which part of which GPU, over all engines of this machine.

A device is a file of 840 bytes in a folder that all engines share (840 so that halves,
thirds, ... eighths of it are whole). To have a quarter of the device is to hold a lock on
210 of the bytes. The kernel lets go of the locks when their holder dies, however it dies,
so that nothing has to be cleaned up and no one has to be believed.

The file's content is one number: the memory that was in use when nobody had a part of the
device. It is removed when the last part is returned in order, so that a content without any
lock tells of a holder that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from metasearch.errors import PrerequisiteError

UNITS = 840
"""Of every device."""

_FLOCK = struct.Struct("hhqqi4x")
_MAX_CONTENT = 4000


def units_of(gpus: float) -> int:
    """How many units of each of its devices somebody needs who asks for so many GPUs."""
    return UNITS if gpus >= 1 else max(1, round(gpus * UNITS))


def machine_folder() -> Path:
    """The folder that all engines of this machine share, whoever runs them."""
    locks = Path("/run/lock")
    writable = locks.is_dir() and locks.stat().st_mode & stat.S_IWOTH
    return (locks if writable else Path("/tmp")) / "metasearch-gpus"  # noqa: S108


class Booking:
    """Units of one device, had until :meth:`close` or the end of the process."""

    def __init__(self, descriptor: int, units: int) -> None:
        self.units = units
        self._descriptor = descriptor

    def close(self) -> None:
        """Give them back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Book:
    """The book of one machine.

    Args:
        folder: Where it is kept; :func:`machine_folder` if not given. Made if need be.

    Raises:
        PrerequisiteError: The folder cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or machine_folder()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            status = self.folder.lstat()
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError("it is no folder")
            if status.st_uid == os.geteuid():
                self.folder.chmod(0o1777)
        except OSError as error:
            raise PrerequisiteError(
                f"The book of GPU leases cannot be kept in {self.folder}: {error}"
            ) from None

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else books within this block. Never waits: the other may be stopped."""
        descriptor = self._open("booking")
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def book(self, uuid: str, units: int) -> Booking | None:
        """So many units of a device; nothing if they are not free. Only when :meth:`alone`."""
        descriptor = self._open(uuid)
        missing = units
        try:
            for start, length in _gaps(_locked(descriptor)):
                take = min(missing, length)
                _set_lock(descriptor, start, take)
                missing -= take
                if missing == 0:
                    return Booking(descriptor, units)
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def taken(self, uuid: str) -> int:
        """How many units of a device somebody has."""
        descriptor = self._open(uuid)
        try:
            return sum(length for _, length in _locked(descriptor))
        finally:
            os.close(descriptor)

    def idle_memory(self, uuid: str) -> int | None:
        """Bytes that were in use before the first of those who now have parts of a device."""
        text = self._read(uuid)
        return int(text) if text.isdigit() else None

    def keep_idle_memory(self, uuid: str, memory: int | None) -> None:
        """Write it down when the first one comes; strike it out when the last one goes."""
        self._write(uuid, "" if memory is None else str(memory))

    def quarantine(self, uuid: str, reason: str) -> None:
        """Keep a device from everybody, until a person removes the note or the machine starts."""
        self._write(f"{uuid}.quarantine", reason)

    def quarantined(self, uuid: str) -> str:
        """Why a device is kept from everybody; nothing if it is not."""
        return self._read(f"{uuid}.quarantine")

    def note(self, uuid: str) -> Path:
        """The file that keeps a device in quarantine."""
        return self._path(f"{uuid}.quarantine")

    def _path(self, name: str) -> Path:
        return self.folder / re.sub(r"[^A-Za-z0-9.-]", "_", name)

    def _open(self, name: str) -> int:
        path, flags = self._path(name), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        with contextlib.suppress(FileNotFoundError):
            # Without O_CREAT, which a shared folder refuses for files of other users.
            return os.open(path, flags)
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        os.fchmod(descriptor, 0o666)
        return descriptor

    def _read(self, name: str) -> str:
        if not self._path(name).exists():
            return ""
        descriptor = self._open(name)
        try:
            return os.pread(descriptor, _MAX_CONTENT, 0).decode("utf-8", "replace")
        finally:
            os.close(descriptor)

    def _write(self, name: str, text: str) -> None:
        descriptor = self._open(name)
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode()[:_MAX_CONTENT], 0)
        finally:
            os.close(descriptor)


def _set_lock(descriptor: int, start: int, length: int) -> None:
    """Lock bytes for this opening of the file; other openings, also ours, are kept out."""
    request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, request)


def _locked(descriptor: int, start: int = 0, end: int = UNITS) -> list[tuple[int, int]]:
    """What other openings of the file have locked: (start, length), in order."""
    if start >= end:
        return []
    request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, end - start, 0)
    kind, _, found, length, _ = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, request))
    if kind == fcntl.F_UNLCK:
        return []
    # The kernel names any one of the locks, not the first one.
    first, last = max(found, start), min(found + length, end)
    before, after = _locked(descriptor, start, first), _locked(descriptor, last, end)
    return [*before, (first, last - first), *after]


def _gaps(locked: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    place = 0
    for start, length in [*locked, (UNITS, 0)]:
        if start > place:
            yield place, start - place
        place = start + length
