"""Files of recordings that are damaged: what is behind the damage is found, and what is not a chunk is named."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.chunks import Chunk, Damage
from hoopgw.store.recordings import Recordings, damages, read_chunks, session_id
from tests.record.chains_for_tests import HEADER, session

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
ONE, TWO = b"1" * 16, b"2" * 16
LENGTHS = range(112, HEADER)  # in a header: where the chunk ends is what they say


class Reading(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        ones, twos = session(KEY, session_id(ONE), ONE).chunks, session(KEY, session_id(TWO), TWO).chunks
        self.chunks = [chunk for pair in zip(ones, twos, strict=True) for chunk in pair]
        self.starts = [0]
        for chunk in self.chunks:
            self.starts.append(self.starts[-1] + len(chunk.stored()))
        self.whole = b"".join(chunk.stored() for chunk in self.chunks)

    def read(self, data: bytes) -> list[Chunk | Damage]:
        self.path.write_bytes(data)
        with self.path.open("rb") as file:
            found = list(read_chunks(file))
        self.assertEqual(list(damages(self.path)), [each for each in found if isinstance(each, Damage)])
        return found

    def test_untouched(self) -> None:
        """Chunks, and nothing else."""
        self.assertEqual(self.read(self.whole), self.chunks)

    def test_any_byte_of_a_header(self) -> None:
        """must-survive 61: a chunk whose header is damaged, its lengths too, hides no other session's, nor its own."""
        start, end = self.starts[4], self.starts[5]
        for at in range(HEADER):
            data = bytearray(self.whole)
            data[start + at] ^= 0x40
            found = self.read(bytes(data))
            self.assertEqual([*found[:4], *found[5:]], [*self.chunks[:4], *self.chunks[5:]], at)
            if at < 6 or at in LENGTHS:
                self.assertIn(found[4], (Damage(start, end - start),) if at < 6 else (found[4],))
            if isinstance(found[4], Chunk):
                self.assertFalse(found[4].whole)

    def test_bytes_lost_and_put_in(self) -> None:
        """A stretch that is gone, zeroed or put in is one damage; what lies around it is found."""
        a, b = self.starts[4] + 10, self.starts[6] + 30
        for data in (self.whole[:a] + self.whole[b:], self.whole[:a] + bytes(b - a) + self.whole[b:]):
            found = self.read(data)
            self.assertEqual([each for each in found if isinstance(each, Chunk)], [*self.chunks[:4], *self.chunks[7:]])
            self.assertEqual(sum(isinstance(each, Damage) for each in found), 1)
        put_in = self.whole[: self.starts[4]] + b"HGC1 junk" + self.whole[self.starts[4] :]
        self.assertEqual(self.read(put_in), [*self.chunks[:4], Damage(self.starts[4], 9), *self.chunks[4:]])

    def test_torn(self) -> None:
        """The beginning of a chunk at the end is a tear; anything else there is damage."""
        last = self.starts[-2]
        for end in range(last + 1, self.starts[-1]):
            self.assertEqual(self.read(self.whole[:end])[-1], Damage(last, end - last, torn=True))
        self.assertEqual(self.read(self.whole + b"junk")[-1], Damage(len(self.whole), 4))
        self.assertEqual(self.read(self.whole + bytes(500))[-1], Damage(len(self.whole), 500))

    @given(st.binary(max_size=400))
    @settings(deadline=None, max_examples=50)
    def test_junk(self, junk: bytes) -> None:
        """Whatever the bytes are, each of them is in a chunk or in a damage."""
        found = self.read(junk)
        size = sum(each.size if isinstance(each, Damage) else len(each.stored()) for each in found)
        self.assertEqual(size, len(junk))

    def test_other_sessions_of_a_segment(self) -> None:
        """Damage to one session's chunk in a segment leaves the other session's chain whole."""
        recordings = Recordings(self.path)
        (self.path / "segments").mkdir(parents=True)
        data = bytearray(self.whole)
        data[self.starts[4] : self.starts[4] + 8] = bytes(8)
        (self.path / "segments" / "00000001.hgs").write_bytes(data)
        self.assertEqual(list(recordings.chunks(TWO)), self.chunks[1::2])
        self.assertEqual([chunk.header.number for chunk in recordings.chunks(ONE)], [0, 1, *range(3, 15)])
