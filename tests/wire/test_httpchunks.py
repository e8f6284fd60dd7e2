"""Chunked bodies, over any cut."""

from __future__ import annotations

import contextlib
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.wire.httpchunks import MAX_TRAILERS, Chunks

REFUSED = {
    "an extension": b"5;a=b\r\nhello\r\n0\r\n\r\n",
    "a lone semicolon": b"5;\r\nhello\r\n0\r\n\r\n",
    "an extension that ends in LF": b"5;\nhello\r\n0\r\n\r\n",
    "a blank behind the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "a blank before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "a prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "an underscore": b"1_0\r\nhello\r\n0\r\n\r\n",
    "a size that overflows": b"fffffffffffffffff\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a size that ends in LF": b"5\nhello\r\n0\r\n\r\n",
    "a size that ends in CR": b"5\rhello\r\n0\r\n\r\n",
    "data that end in LF": b"5\r\nhello\n0\r\n\r\n",
    "more data than said": b"5\r\nhello!\r\n0\r\n\r\n",
    "a trailer that frames": b"0\r\nContent-Length: 5\r\n\r\n",
    "a trailer that folds": b"0\r\nX: 1\r\n 2\r\n\r\n",
    "a trailer that authenticates": b"0\r\nAuthorization: Basic x\r\n\r\n",
    "a trailer without a colon": b"0\r\nX\r\n\r\n",
    "a long trailer": b"0\r\nX: " + b"x" * MAX_TRAILERS + b"\r\n\r\n",
    "long trailers": b"0\r\n" + (b"X: " + b"x" * 1000 + b"\r\n") * 20 + b"\r\n",
    "many trailers": b"0\r\n" + b"X: 1\r\n" * 100 + b"\r\n",
}


def fed(pieces: list[bytes]) -> tuple[bytes, list[tuple[bytes, bytes]], bytes, bool]:
    """(content, trailers, what comes behind, whether it ended)"""
    chunks, content, behind = Chunks(), list[bytes](), b""
    for piece in pieces:
        behind += piece[chunks.take(piece, 0, content) :]
    return b"".join(content), chunks.trailers, behind, chunks.ended


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(ends)]


class Bodies(SynchronousTestCase):
    @settings(deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.booleans(), st.lists(st.integers(0, 400)))
    def test_any_cut(self, parts: list[bytes], trailer: bool, places: list[int]) -> None:
        """However it is cut, a body ends at the same place and holds the same."""
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        data = chunks + b"0\r\n" + (b"X-Sum: 1\r\n" if trailer else b"") + b"\r\nbehind"
        expected = b"".join(parts), [(b"x-sum", b"1")] if trailer else [], b"behind", True
        self.assertEqual(fed(cut(data, places)), expected)

    def test_ambiguous_chunks_are_refused(self) -> None:
        """Whatever two parsers could read differently is an error, whole or byte by byte."""
        for name, data in REFUSED.items():
            for pieces in ([data], [data[here : here + 1] for here in range(len(data))]):
                with self.assertRaises(MalformedFrame, msg=name):
                    fed(pieces)

    def test_a_size_is_refused_when_it_is_seen(self) -> None:
        """What can be no size is not waited for: the bytes before it would hang."""
        with self.assertRaises(MalformedFrame):
            Chunks().take(b"5;", 0)

    @settings(deadline=None)
    @given(st.lists(st.sampled_from(list(REFUSED.values())) | st.binary(max_size=30)))
    def test_junk_raises_only_wire_errors(self, pieces: list[bytes]) -> None:
        """No bytes make it raise anything else."""
        with contextlib.suppress(WireError):
            fed(pieces)
