"""hoopgw.wire.codings"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.codings import GRACE, Decoding

ENCODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"x-gzip": lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:]),
    b"deflate": zlib.compress,
    b"br": lambda data: bytes(brotli.compress(data, quality=1)),
    b"zstd": lambda data: zstandard.compress(data[:5]) + zstandard.compress(data[5:]),
}


def decoded(data: bytes, *codings: bytes, cuts: tuple[int, ...] = ()) -> bytes:
    decoding = Decoding(codings)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found = b"".join(decoding.feed(data[a:b]) for a, b in pairwise(edges))
    decoding.finish()
    return found


class Decode(SynchronousTestCase):
    @given(st.binary(max_size=3000), st.sampled_from(sorted(ENCODERS)), st.lists(st.integers(0, 4000), max_size=4))
    def test_any_cut_gives_the_same(self, data: bytes, coding: bytes, cuts: list[int]) -> None:
        """What was encoded."""
        self.assertEqual(decoded(ENCODERS[coding](data), coding, cuts=tuple(cuts)), data)

    def test_raw_deflate_is_read_as_well(self) -> None:
        """RFC 9110, 8.4.1.2: some servers leave zlib's frame out."""
        raw = zlib.compressobj(wbits=-15)
        self.assertEqual(decoded(raw.compress(b"x" * 50) + raw.flush(), b"deflate"), b"x" * 50)

    def test_codings_on_one_another(self) -> None:
        """In the order in which they were applied."""
        self.assertEqual(decoded(brotli.compress(gzip.compress(b"abc")), b"gzip", b"br"), b"abc")
        self.assertRaises(Unmaskable, Decoding, (b"gzip",) * 4)
        self.assertRaises(Unmaskable, Decoding, (b"compress",))

    def test_what_is_cut_or_not_of_the_coding_is_refused(self) -> None:
        """At the latest at its end."""
        for coding, encode in ENCODERS.items():
            data = encode(b"some text that is long enough to be cut in its middle")
            self.assertRaises(Unmaskable, decoded, data[:-1], coding)
            self.assertRaises(Unmaskable, decoded, b"this is plain text" * 9, coding)
            self.assertRaises(Unmaskable, decoded, data + b"junk, and more of it" * 20, coding)

    def test_a_bomb_is_refused(self) -> None:
        """Before it has taken more memory than a few megabytes."""
        zeros = bytes(GRACE * 4)
        twice = gzip.compress(gzip.compress(zeros))
        for data, codings in (
            (gzip.compress(zeros), (b"gzip",)),
            (brotli.compress(zeros, quality=5), (b"br",)),
            (zstandard.compress(zeros), (b"zstd",)),
            (twice, (b"gzip", b"gzip")),
        ):
            self.assertRaises(Unmaskable, decoded, data, *codings)

    @given(st.binary(max_size=200), st.sampled_from(sorted(ENCODERS)))
    def test_junk_is_refused_and_nothing_else(self, data: bytes, coding: bytes) -> None:
        """Unmaskable is all that it raises."""
        try:
            decoded(data, coding)
        except Unmaskable:
            return
