"""Many streams over one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from metasearch.sandboxes import bundle
from metasearch.sandboxes.bundle import Unbundler, pieces


@given(
    some.lists(some.tuples(some.integers(0, bundle.CONTENT), some.binary(max_size=200_000))),
    some.integers(1, 100_000),
)
def test_streams_arrive_in_order_however_they_are_cut(
    sent: list[tuple[int, bytes]], cut: int
) -> None:
    data = b"".join(pieces(stream, content) for stream, content in sent)
    unbundler = Unbundler()
    found = [
        piece
        for start in range(0, len(data), cut)
        for piece in unbundler.feed(data[start : start + cut])
    ]
    assert all(len(piece) <= bundle.CHUNK for _, piece in found)
    for stream in range(bundle.CONTENT + 1):
        wanted = b"".join(content for number, content in sent if number == stream)
        assert b"".join(piece for number, piece in found if number == stream) == wanted
    # No bytes at all end a stream, and so must arrive as a piece of their own.
    assert [s for s, piece in found if not piece] == [s for s, content in sent if not content]


@pytest.mark.parametrize(
    "data",
    [b"hello world", b"\x08\x00\x00\x00\x00", b"\x00\xff\xff\xff\xff", b"\x00\x01\x00\x01\x00"],
)
def test_what_is_no_piece_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no piece"):
        Unbundler().feed(data)
