"""What the attackers share. Put beside each of them in the sandbox; standard library only."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import stat
import struct
from collections.abc import Callable

_libc = ctypes.CDLL(None, use_errno=True)


def honest(questions: list[float]) -> list[float]:
    """Answers that are worth half of the score."""
    return [question**2 for question in questions]


def got(what: object) -> None:
    """Say that something was got hold of that should have been out of reach."""
    print("LOOT:", str(what)[:500], flush=True)


def attempt(name: str, action: Callable[[], object]) -> None:
    """Try something that has to fail with an error of the system; else it is loot.

    Other errors are mistakes of the attack and must not pass for a defence.
    """
    try:
        result = action()
    except OSError:
        return
    if result not in (b"", "", []):  # What is covered up can often be opened, and is empty.
        got(f"{name}: {result!r}")


def syscall(x86_64: int, aarch64: int, *arguments: int) -> int:
    """A system call by its number."""
    number = {"x86_64": x86_64, "aarch64": aarch64}[platform.machine()]
    result = int(_libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def save(text: str) -> None:
    """Put the answers where the judge reads them."""
    os.makedirs("out", exist_ok=True)
    with open("out/answers.json", "w") as file:
        file.write(text)


def frame(header: bytes | dict[str, object], *buffers: bytes) -> bytes:
    """A frame of the wire, put together by hand."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    sizes = struct.pack(f"<{len(buffers)}Q", *map(len, buffers))
    prefix = struct.pack("<4sII", b"MSW1", len(text), len(buffers))
    return b"".join((prefix, sizes, text, *buffers))


def shout(data: bytes) -> None:
    """Write into everything that is open and might lead outside."""
    for descriptor in range(3, 64):
        try:
            kind = os.fstat(descriptor).st_mode
            if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
        except OSError:
            continue
