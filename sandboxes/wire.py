"""Frames: how plain data crosses a pipe between parties that do not trust each other.

A frame is a prefix, a JSON header and raw buffers. Bytes and numpy arrays travel in the
buffers; the header says where they go. Nothing is ever executed or unpickled, and every
size is checked before it is believed. This module needs the standard library only: it also
runs inside sandboxes. numpy is imported by the receiver when an array arrives, not before.

    prefix   4 bytes magic, u32 header length, u32 number of buffers (little endian)
    sizes    u64 for each buffer
    header   the value as JSON, with single-key objects for what JSON lacks:
             {"$f": "nan" | "inf" | "-inf"}   {"$b": buffer}   {"$a": [buffer, dtype, shape]}
             {"$d": [[key, value]]}           a dict that would look like one of these
"""

from __future__ import annotations

import json
import math
import re
import struct
import sys
from typing import Any

Value = Any

MAX_DEPTH = 64
MAX_BUFFERS = 4096
MAX_HEADER = 32 * 1024**2
MAX_CONTAINERS = 500_000
"""Most lists and dicts in one frame: an empty one costs 3 bytes here and 64 in memory."""
MAX_STRINGS = 4_000_000
MAX_DIGITS = 4000
"""Of an integer: converting between text and numbers is quadratic."""
DEFAULT_LIMIT = 256 * 1024**2

_MAGIC = b"MSW1"
_PREFIX = struct.Struct("<4sII")
_DTYPE = re.compile(r"[<>|=][biufc](?:1|2|4|8|16|32)")
_MAX_DIMENSIONS = 32
_MAX_INTEGER = 10**MAX_DIGITS
_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_PLAIN = frozenset((type(None), bool, str))
_SPECIAL_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class WireError(ValueError):
    """A value that cannot travel, or bytes that are not a frame."""


class FrameTooLarge(WireError):
    """A value or frame over the size that was agreed on."""


def encode(value: Value, limit: int = DEFAULT_LIMIT) -> bytes:
    """One frame that carries ``value``.

    Raises:
        FrameTooLarge: If the frame would be larger than ``limit`` bytes.
        WireError: If the value is not plain data.
    """
    buffers: list[bytes] = []
    plain = _Encoder(buffers, limit).plain(value, 0)
    try:
        header = _to_json(plain).encode()
    except ValueError as error:
        raise WireError(f"the value cannot be sent: {error}") from None
    sizes = struct.pack(f"<{len(buffers)}Q", *map(len, buffers))
    prefix = _PREFIX.pack(_MAGIC, len(header), len(buffers))
    total = len(prefix) + len(sizes) + len(header) + sum(map(len, buffers))
    if total > limit or len(header) > MAX_HEADER:
        raise FrameTooLarge(f"the value takes {total} bytes, over the limit of {limit}")
    return b"".join((prefix, sizes, header, *buffers))


class _Encoder:
    def __init__(self, buffers: list[bytes], limit: int) -> None:
        self.buffers = buffers
        self.room = limit

    def plain(self, value: Value, depth: int) -> Value:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is float:
            return value if math.isfinite(value) else {"$f": _special(value)}
        if kind is int:
            return _integer(value)
        if depth >= MAX_DEPTH:
            raise WireError(f"the value is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, (list, tuple)):
            return [self.plain(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return self._dict(value, depth)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {"$b": self._buffer(bytes(value))}
        return self._other(value, depth)

    def _dict(self, value: dict[Any, Any], depth: int) -> Value:
        for key in value:
            if not isinstance(key, str):
                raise WireError(f"a dict has the key {key!r:.80}; only text keys can be sent")
        items = {str(key): self.plain(item, depth + 1) for key, item in value.items()}
        if len(items) == 1 and next(iter(items)).startswith("$"):
            return {"$d": [list(item) for item in items.items()]}
        return items

    def _other(self, value: Value, depth: int) -> Value:
        # An array can only exist where numpy has been imported already.
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            if isinstance(value, numpy.generic):
                if value.dtype.kind not in "biufSU":
                    raise WireError(f"a numpy {value.dtype} cannot be sent")
                return self.plain(value.item(), depth)
            if isinstance(value, numpy.ndarray) or hasattr(value, "__array__"):
                return self._array(numpy.asarray(value))
        # Subclasses (enumerations, named types) travel as what they are underneath.
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return _integer(int(value))
        if isinstance(value, float):
            return self.plain(float(value), depth)
        raise WireError(
            f"a value of type {type(value).__name__} cannot be sent; return None, bool, int, "
            "float, str, bytes, numpy arrays of numbers, or lists and dicts of them"
        )

    def _array(self, array: Any) -> Value:
        dtype = array.dtype.str
        if not _DTYPE.fullmatch(dtype) or array.ndim > _MAX_DIMENSIONS:
            raise WireError(f"an array of {array.dtype} cannot be sent; only arrays of numbers")
        if array.nbytes > self.room:
            raise FrameTooLarge(f"an array takes {array.nbytes} bytes, over the limit")
        return {"$a": [self._buffer(array.tobytes()), dtype, list(array.shape)]}

    def _buffer(self, data: bytes) -> int:
        if len(self.buffers) >= MAX_BUFFERS:
            raise WireError(f"the value holds more than {MAX_BUFFERS} arrays and byte strings")
        self.room -= len(data)
        if self.room < 0:
            raise FrameTooLarge("the value is over the size limit")
        self.buffers.append(data)
        return len(self.buffers) - 1


def _special(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _integer(value: int) -> int:
    if not -_MAX_INTEGER < value < _MAX_INTEGER:
        raise WireError(f"an integer has more than {MAX_DIGITS} digits")
    return value


class FrameReader:
    """Turns the bytes that arrive into values. Believes no size beyond ``limit``."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[Value]:
        """The values of the frames that ``data`` completes.

        Raises:
            FrameTooLarge: As soon as a prefix announces more than the limit.
            WireError: If the bytes are no frame. The reader is of no use afterwards.
        """
        self._bytes += data
        values = []
        while (layout := self._layout()) is not None:
            start, header, sizes = layout
            end = start + header + sum(sizes)
            if len(self._bytes) < end:
                break
            with memoryview(self._bytes) as view:
                buffers, position = [], start + header
                for size in sizes:
                    buffers.append(bytes(view[position : position + size]))
                    position += size
                text = bytes(view[start : start + header])
            del self._bytes[:end]
            values.append(_decode(text, buffers))
        return values

    def _layout(self) -> tuple[int, int, tuple[int, ...]] | None:
        """Where the header starts, its length and the buffers' lengths, once known."""
        if len(self._bytes) < _PREFIX.size:
            return None
        magic, header, count = _PREFIX.unpack_from(self._bytes)
        if magic != _MAGIC or count > MAX_BUFFERS:
            raise WireError("what arrived is not a frame")
        start = _PREFIX.size + 8 * count
        if header > MAX_HEADER or start + header > self.limit:
            raise FrameTooLarge(f"a frame is over the limit of {self.limit} bytes")
        if len(self._bytes) < start:
            return None
        sizes = struct.unpack_from(f"<{count}Q", self._bytes, _PREFIX.size)
        if start + header + sum(sizes) > self.limit:
            raise FrameTooLarge(f"a frame is over the limit of {self.limit} bytes")
        return start, header, sizes


def _decode(header: bytes, buffers: list[bytes]) -> Value:
    if header.count(b"[") + header.count(b"{") > MAX_CONTAINERS:
        raise WireError(f"a frame holds more than {MAX_CONTAINERS} lists and dicts")
    if header.count(b'"') > 2 * MAX_STRINGS:
        raise WireError(f"a frame holds more than {MAX_STRINGS} strings")
    decoder = _Decoder(buffers)
    try:
        value = json.loads(
            header.decode("ascii"),
            object_hook=decoder.dict,
            parse_int=_parse_integer,
            parse_constant=_refuse_constant,
        )
    except WireError:
        raise
    except (ValueError, RecursionError) as error:
        raise WireError(f"a frame's header is malformed: {type(error).__name__}") from None
    if not all(decoder.used):
        raise WireError("a frame carries a buffer that its value does not use")
    _check_depth(value)
    return value


class _Decoder:
    def __init__(self, buffers: list[bytes]) -> None:
        self.buffers = buffers
        self.used = [False] * len(buffers)

    def dict(self, items: dict[str, Value]) -> Value:
        if len(items) != 1:
            return items
        ((key, content),) = items.items()
        if not key.startswith("$"):
            return items
        if key == "$f" and isinstance(content, str) and content in _SPECIAL_FLOATS:
            return _SPECIAL_FLOATS[content]
        if key == "$b":
            return self._take(content)
        if key == "$a" and isinstance(content, list) and len(content) == 3:
            return self._array(*content)
        if key == "$d" and isinstance(content, list) and len(content) == 1:
            (pair,) = content
            if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str):
                return {pair[0]: pair[1]}
        raise WireError(f"a frame's header has a malformed {key[:8]!r}")

    def _take(self, index: Value) -> bytes:
        # Each buffer once: else a small frame could unfold into a large value.
        if type(index) is not int or not 0 <= index < len(self.buffers) or self.used[index]:
            raise WireError("a frame's header names a buffer that it does not have")
        self.used[index] = True
        return self.buffers[index]

    def _array(self, index: Value, dtype: Value, shape: Value) -> Value:
        data = self._take(index)
        if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
            raise WireError("a frame holds an array that is not of numbers")
        if (
            not isinstance(shape, list)
            or len(shape) > _MAX_DIMENSIONS
            or not all(type(size) is int and 0 <= size < 2**48 for size in shape)
        ):
            raise WireError("a frame holds an array of an impossible shape")
        if math.prod(shape) * int(dtype[2:]) != len(data):
            raise WireError("a frame holds an array whose shape does not fit its bytes")
        if dtype[1] == "b" and data.translate(None, b"\0\1"):
            # To numpy any byte may stand for true, but not all of its sums agree on what it is.
            raise WireError("a frame holds an array of truth values that are neither 0 nor 1")
        import numpy

        try:
            # Over a bytearray, so that the receiver may write into its own array.
            return numpy.frombuffer(bytearray(data), dtype=dtype).reshape(shape)
        except (TypeError, ValueError) as error:
            raise WireError(f"a frame holds an array that numpy refuses: {error}") from None


def _parse_integer(text: str) -> int:
    if len(text) > MAX_DIGITS + 1:
        raise WireError(f"an integer has more than {MAX_DIGITS} digits")
    return int(text)


def _refuse_constant(name: str) -> float:
    raise WireError(f"a frame's header has a bare {name}")


def _check_depth(value: Value) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [item for item in level if isinstance(item, (list, dict))]
        if not level:
            return
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
        ]
    raise WireError(f"a value is nested deeper than {MAX_DEPTH} levels")
