"""Chunks as they are read: bounded, byte for byte, and their entries whole or not at all."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import DATA, MAX_RAW, NO_DIGEST, Chunk, Header, Joined
from hoopgw.record.entries import Kind
from tests.record.chains_for_tests import Maker

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def holding(body: bytes, raw: int) -> Chunk:
    return Chunk(Header(DATA, b"1" * 16, 0, NO_DIGEST, 1, 1, 0, 0, 1, 1, raw, len(body)), body)


class Bounds(SynchronousTestCase):
    """must-survive 25, 54: a body that would become more than its header says takes no memory."""

    def refused(self, chunk: Chunk) -> None:
        tracemalloc.start()
        try:
            self.assertRaises(MalformedFrame, chunk.raw)
            self.assertLess(tracemalloc.get_traced_memory()[1], 1 << 20)
        finally:
            tracemalloc.stop()

    def test_a_bomb(self) -> None:
        """A frame that says a gigabyte, whatever its header says."""
        stream = zstandard.ZstdCompressor().compressobj(size=1 << 30)
        piece = bytes(1 << 20)
        bomb = b"".join([*(stream.compress(piece) for _ in range(1 << 10)), stream.flush()])
        for raw in (0, 100, MAX_RAW, MAX_RAW + 1, (1 << 30)):
            self.refused(holding(bomb, raw))

    def test_a_bomb_that_says_nothing(self) -> None:
        """A frame without its size."""
        stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
        self.refused(holding(stream.compress(bytes(1 << 26)) + stream.flush(), 100))

    def test_bytes_behind(self) -> None:
        """A second frame, or anything else, behind the first: nothing may lie in a chunk unread."""
        frame = zstandard.compress(b"x" * 10)
        self.assertEqual(holding(frame, 10).raw(), b"x" * 10)
        for more in (frame, b"\0", b"hidden"):
            self.refused(holding(frame + more, 10))


class Stored(SynchronousTestCase):
    def test_damage_stays(self) -> None:
        """What was read is written again byte for byte, damaged or not: an export hides nothing."""
        chunk = Maker(KEY, "s_one", b"1" * 16).ask(1)
        self.assertTrue(chunk.whole)
        for flipped in (replace(chunk, body=b"?" + chunk.body[1:]), replace(chunk, check=bytes(8))):
            self.assertFalse(flipped.whole)
            self.assertTrue(flipped.stored().endswith(flipped.body + flipped.check))


class Pieces(SynchronousTestCase):
    def joined(self, *numbers: int, most: int | None = None) -> list[tuple[bytes, int]]:
        maker, joined = Maker(KEY, "s_one", b"1" * 16), Joined(most)
        maker.pieces(Kind.TO_CLIENT, [(number, b"%d" % number) for number in numbers])
        maker.data((Kind.TO_CLIENT, b"next"))
        return [(entry.payload, entry.missing) for chunk in maker.chunks for entry in joined.of(chunk.raw())]

    def test_whole(self) -> None:
        """Pieces in order are one entry."""
        self.assertEqual(self.joined(0, 1, 2), [(b"012", 0), (b"next", 0)])

    def test_a_piece_is_missing(self) -> None:
        """Of an entry with a hole nothing is shown: its halves would be taken for what was sent."""
        for numbers in ((0, 2, 3), (1, 2, 3), (0, 1, 1), (2,), (0, 0)):
            self.assertEqual(self.joined(*numbers), [(b"next", 0)], numbers)

    def test_most(self) -> None:
        """So many bytes are kept, and the others counted."""
        self.assertEqual(self.joined(0, 1, 2, 3, 4, most=2), [(b"01", 3), (b"ne", 2)])
