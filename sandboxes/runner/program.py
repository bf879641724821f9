"""The process in which a candidate's code runs: takes calls, answers with values.

From the first call on, this process is the candidate's: it can change everything here, and
so lie about what its functions return. It cannot do more. How the process ends, how long
it takes and what it uses is seen from outside.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import gc
import importlib
import importlib.machinery
import io
import os
import random
import sys
import traceback
from typing import Any, NoReturn

from metasearch.sandboxes import wire
from metasearch.sandboxes.runner import files
from metasearch.sandboxes.runner.channel import Channel

QUESTIONS, ANSWERS = 3, 4
"""File descriptors of the pipes on which calls come and values go."""

_PUBLIC = os.path.join(os.path.dirname(__file__), "public")
"""The folder of what candidates may import."""
_FRAME_OVERHEAD = 4096
"""wire's own part of a frame is allowed on top of what a value may take."""
_MAX_TRACEBACK = 6000
_MAX_FRAMES = 12


def prepare(folder: str) -> None:
    """What can be done before the fork: standard streams, and how modules are found."""
    loader = (importlib.machinery.SourceFileLoader, importlib.machinery.SOURCE_SUFFIXES)
    extension = (
        importlib.machinery.ExtensionFileLoader,
        importlib.machinery.EXTENSION_SUFFIXES,
    )
    finder = importlib.machinery.FileFinder(folder, extension, loader)
    sys.path_importer_cache[folder] = finder
    sys.path.insert(0, folder)
    sys.path.append(_PUBLIC)
    importlib.import_module("metasearch_runner")
    sys.dont_write_bytecode = True
    sys.stdin = io.TextIOWrapper(io.FileIO(0, "r", closefd=False), encoding="utf-8")
    sys.stdout = _text(1)
    sys.stderr = _text(2)
    faulthandler.enable(2, all_threads=False)
    # Chance starts from one fixed state in every sandbox, so that a program that never
    # seeds its generators still gives the same result in the same campaign.
    if "numpy" in sys.modules:
        importlib.import_module("numpy.random").seed(0)


def serve(folder: str, output: int) -> NoReturn:
    """Answer calls until the pipe closes.

    Args:
        folder: Absolute path of the working folder, where the candidate's modules are.
        output: Most bytes of one answer.
    """
    random.seed(0)  # Here, because a fork seeds this one anew.
    gc.enable()
    channel = Channel(QUESTIONS, ANSWERS, output + _FRAME_OVERHEAD)
    public: Any = importlib.import_module("metasearch_runner")
    public._send = channel.ask
    while (call := channel.next_call()) is not None:
        channel.answer(_answer(call, folder, output))
    os._exit(0)


def _text(descriptor: int) -> io.TextIOWrapper:
    """A standard stream that keeps what was printed before a crash."""
    raw = io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False))
    return io.TextIOWrapper(raw, "utf-8", errors="backslashreplace", line_buffering=True)


def _answer(request: dict[str, Any], folder: str, output: int) -> bytes:
    number = request["call"]
    try:
        files.write(folder, request["files"])
    except OSError as error:
        return wire.encode({"call": number, "unwritten": f"its files cannot be written: {error}"})
    try:
        function = _find(request["function"])
        value = function(*request["args"], **request["kwargs"])
        return wire.encode({"call": number, "value": value}, output + _FRAME_OVERHEAD)
    except wire.FrameTooLarge as error:
        return wire.encode({"call": number, "too_large": _clip(error)})
    except wire.WireError as error:
        return wire.encode({"call": number, "unsendable": _clip(error)})
    except MemoryError as error:
        return wire.encode({"call": number, "no_memory": _describe(error, folder)})
    except BaseException as error:
        return wire.encode({"call": number, "raised": _describe(error, folder)})
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()


def _find(name: str) -> Any:
    module, _, path = name.partition(":")
    return functools.reduce(getattr, path.split("."), importlib.import_module(module))


def _clip(error: BaseException) -> str:
    return str(error)[:_MAX_TRACEBACK]


def _describe(error: BaseException, folder: str) -> str:
    """The traceback as the candidate's author knows it: its own files only, bounded."""
    try:
        report = traceback.TracebackException.from_exception(error, limit=-200)
        _own_frames(report, folder + os.sep, 0)
        text = "".join(report.format(chain=True)).strip()
    except BaseException as problem:
        # An exception may lie about itself in its own methods.
        text = f"{type(error).__name__} (which could not be shown: {type(problem).__name__})"
    if len(text) > _MAX_TRACEBACK:
        half = _MAX_TRACEBACK // 2
        text = f"{text[:half]}\n[...]\n{text[-half:]}"
    return text


def _own_frames(report: traceback.TracebackException, root: str, depth: int) -> None:
    own = [frame for frame in report.stack if frame.filename.startswith(root)]
    for frame in own:
        frame.filename = frame.filename.removeprefix(root)
    report.stack[:] = own[-_MAX_FRAMES:]
    if report.exc_type is not None and isinstance(getattr(report, "filename", None), str):
        report.filename = report.filename.removeprefix(root)  # of a SyntaxError
    for chained in (report.__cause__, report.__context__):
        if chained is not None and depth < 8:
            _own_frames(chained, root, depth + 1)
