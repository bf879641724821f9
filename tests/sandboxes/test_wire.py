"""Frames: everything that goes in comes out, and nothing that arrives does harm."""

from __future__ import annotations

import contextlib
import json
import math
import struct
import time
from enum import IntEnum, StrEnum
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from metasearch.sandboxes import wire

numbers = st.one_of(
    st_numpy.integer_dtypes(endianness="?"),
    st_numpy.unsigned_integer_dtypes(endianness="?"),
    st_numpy.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    st_numpy.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    st_numpy.boolean_dtypes(),
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.binary(),
    st_numpy.arrays(numbers, st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0)),
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["$b", "$a"]), inner)
    ),
    max_leaves=20,
)


def frame(header: bytes, *buffers: bytes) -> bytes:
    """A frame put together by hand."""
    sizes = struct.pack(f"<{len(buffers)}Q", *map(len, buffers))
    start = struct.pack("<4sII", b"MSW1", len(header), len(buffers))
    return start + sizes + header + b"".join(buffers)


def read(data: bytes, limit: int = 1 << 24) -> list[Any]:
    return wire.FrameReader(limit).feed(data)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, numpy.ndarray):
        return bool(
            isinstance(b, numpy.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


@given(values)
def test_values_come_back_the_same(value: Any) -> None:
    (back,) = read(wire.encode(value))
    assert same(value, back)


@given(st.lists(values, max_size=3), st.integers(1, 50))
def test_frames_may_arrive_in_pieces(sent: list[Any], size: int) -> None:
    data = b"".join(map(wire.encode, sent))
    reader = wire.FrameReader()
    got = [value for at in range(0, len(data), size) for value in reader.feed(data[at : at + size])]
    assert same(sent, got)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_one_kind_of_error(data: bytes) -> None:
    for attempt in (data, b"MSW1" + data, frame(data), frame(b'{"$b":0}', data)):
        with contextlib.suppress(wire.WireError):
            read(attempt)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["$b", "$a", "$f", "$d", "$x", "v", "w"]), inner)
        | st.tuples(inner, st.sampled_from(["<f8", "|O", "<i4", "|V8", "<U4", "<M8"]), inner).map(
            lambda parts: {"$a": list(parts)}
        )
    ),
    max_leaves=30,
)


@given(json_values, st.lists(st.binary(max_size=64), max_size=3))
@settings(max_examples=300)
def test_any_header_is_a_value_or_one_kind_of_error(header: Any, buffers: list[bytes]) -> None:
    with contextlib.suppress(wire.WireError):
        read(frame(json.dumps(header).encode(), *buffers))


@given(values, st.data())
def test_a_damaged_frame_is_a_value_or_one_kind_of_error(value: Any, data: st.DataObject) -> None:
    good = bytearray(wire.encode(value))
    good[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(wire.WireError):
        read(bytes(good))


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 1_000_000,
        b"[" * 500 + b"]" * 500,
        b"[" + b"[]," * 1_000_000 + b"[]]",
        b"9" * 1_000_000,
        b'"' * 9_000_000,
        b"NaN",
        b"Infinity",
        b"1e99}",
        b"\xff\xfe",
        b'{"$b":0}',
        b'{"$b":true}',
        b'{"$b":-1}',
        b'{"$f":"1"}',
        b'{"$d":[["a"]]}',
        b'{"$new":1}',
        b"",
    ],
)
def test_hostile_headers_are_refused_quickly(header: bytes) -> None:
    began = time.perf_counter()
    with pytest.raises(wire.WireError):
        read(frame(header))
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    "array",
    [
        b'[0,"|O",[1]]',
        b'[0,"<f8",[2]]',
        b'[0,"<f8",[-1]]',
        b'[0,"<f8",[1.0]]',
        b'[0,"<f8",[true]]',
        b'[0,"<f8","1"]',
        b'[0,"|V8",[1]]',
        b'[0,"<U2",[1]]',
        b'[0,"<M8",[1]]',
        b'[0,"(2,)<f4",[1]]',
        b'[0,"<f8,<f8",[1]]',
        b'[0,"<i16",[1]]',
        b'[1,"<f8",[1]]',
        b'[0,"<f8",[99999999999999,0,99999999]]',
    ],
)
def test_hostile_arrays_are_refused(array: bytes) -> None:
    with pytest.raises(wire.WireError):
        read(frame(b'{"$a":%b}' % array, bytes(8)))


def test_a_buffer_is_used_exactly_once() -> None:
    with pytest.raises(wire.WireError):
        read(frame(b'[{"$b":0},{"$b":0}]', b"x"))
    with pytest.raises(wire.WireError):
        read(frame(b"1", b"x"))


def test_sizes_are_not_believed() -> None:
    with pytest.raises(wire.FrameTooLarge):
        read(struct.pack("<4sII", b"MSW1", 2**31, 0))
    with pytest.raises(wire.FrameTooLarge):
        read(struct.pack("<4sIIQ", b"MSW1", 2, 1, 2**63))
    with pytest.raises(wire.WireError):
        read(struct.pack("<4sII", b"MSW1", 2, 2**31))
    with pytest.raises(wire.FrameTooLarge):
        read(wire.encode("x" * 1000), limit=1000)


@pytest.mark.parametrize(
    "value",
    [
        {1},
        object(),
        {1: 2},
        1j,
        pytest.param(10**5000, id="integer of 5000 digits"),
        numpy.array([None]),
        numpy.zeros(2, [("a", "i4")]),
        numpy.array(["text"]),
        numpy.datetime64("2020-01-01"),
        len,
    ],
)
def test_what_is_not_plain_data_is_refused(value: Any) -> None:
    with pytest.raises(wire.WireError):
        wire.encode([value])


def test_cycles_and_depth_are_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(wire.WireError):
        wire.encode(cycle)
    deep: Any = 0
    for _ in range(wire.MAX_DEPTH):
        deep = [deep]
    assert read(wire.encode(deep)) == [deep]
    with pytest.raises(wire.WireError):
        wire.encode([deep])


def test_too_large_is_said_before_it_is_built() -> None:
    with pytest.raises(wire.FrameTooLarge):
        wire.encode(numpy.zeros(10_000), limit=1000)
    with pytest.raises(wire.FrameTooLarge):
        wire.encode(["x" * 2000], limit=1000)
    assert read(wire.encode(["x" * 500], limit=1000)) == [["x" * 500]]


def test_relatives_of_plain_types_travel_as_them() -> None:
    class Colour(StrEnum):
        RED = "red"

    class Level(IntEnum):
        LOW = 1

    sent = [(1, 2), Colour.RED, Level.LOW, numpy.float64(0.5), numpy.int8(3), numpy.bool_(True)]
    (back,) = read(wire.encode([*sent, bytearray(b"x"), memoryview(b"y")]))
    assert back == [[1, 2], "red", 1, 0.5, 3, True, b"x", b"y"]
    assert [type(item) for item in back[1:6]] == [str, int, float, int, bool]
