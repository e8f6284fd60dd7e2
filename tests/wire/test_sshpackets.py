"""SSH binary packets: whatever the cut, what was sealed opens; what was changed does not."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.wire.sshmessages import MAX_MESSAGE, framed, message_ends
from hoopgw.wire.sshpackets import MAX_CLEAR, MAX_PACKET, SMALL, GcmOpener, GcmSealer, Nonces, Opener, Sealer

KEY, IV = b"k" * 32, b"i" * 4 + b"\xff" * 8  # the counter passes 2^64 with the second packet
MESSAGES = st.lists(st.binary(min_size=1, max_size=300), max_size=8)


def opened(opener: Opener, data: bytes, lowest: int = 80, most: int = 1000) -> tuple[list[bytes], bytes]:
    """(the messages that are whole, the rest), `most` packets at a time."""
    found: list[bytes] = []
    here = 0
    while True:
        before = opener.sequence
        run, here, alone = opener.open_run(data, here, lowest, most)
        assert opener.sequence - before <= most
        start = 0
        for end in message_ends(run, 0):
            found.append(run[start + 4 : end])
            start = end
        if alone:
            assert alone[0] < lowest
            found.append(alone)
        elif opener.sequence - before < most:
            return found, data[here:]


class Numbers(SynchronousTestCase):
    def test_counter(self) -> None:
        """RFC 5647, 7.1: unsigned, and what follows its end is 0."""
        for first, second in ((0, 1), ((1 << 63) - 1, 1 << 63), ((1 << 64) - 1, 0)):
            nonces = Nonces(b"salt" + first.to_bytes(8, "big"))
            self.assertEqual(
                [nonces.next() for _ in range(2)], [b"salt" + n.to_bytes(8, "big") for n in (first, second)]
            )


class Packets(SynchronousTestCase):
    @given(MESSAGES, st.booleans(), st.sampled_from((0, 80, 128, 256)), st.integers(1, 9), st.data())
    def test_any_cut(self, messages: list[bytes], keyed: bool, lowest: int, most: int, data: st.DataObject) -> None:
        """Any cut of the stream gives the same messages, sealed one by one or as a run, opened so or so."""
        opener = GcmOpener(KEY, IV) if keyed else Opener()
        sealer = GcmSealer(KEY, IV) if keyed else Sealer()
        half = len(messages) // 2
        stream = b"".join(map(sealer.seal, messages[:half]))
        stream += sealer.seal_run(b"".join(map(framed, messages[half:])))
        cut = data.draw(st.integers(0, len(stream)))
        first, rest = opened(opener, stream[:cut], lowest, most)
        second, left = opened(opener, rest + stream[cut:], lowest)
        self.assertEqual((first + second, left), (messages, b""))

    def test_every_size(self) -> None:
        """Small ones and large ones, alone and in runs; the numbers of packets go on."""
        messages = [b"\x5e" + b"x" * (size - 1) for size in (1, *range(SMALL - 24, SMALL + 9), 5000, MAX_MESSAGE)]
        for opener, sealer in ((GcmOpener(KEY, IV), GcmSealer(KEY, IV)), (Opener(), Sealer())):
            sent = messages if isinstance(opener, GcmOpener) else messages[:-1]
            stream = b"".join(map(sealer.seal, sent)) + sealer.seal_run(b"".join(map(framed, sent)))
            self.assertEqual(opened(opener, stream), (sent * 2, b""))
            self.assertEqual((opener.sequence, sealer.sequence), (2 * len(sent), 2 * len(sent)))

    def test_a_low_number_ends_a_run(self) -> None:
        """It is in none: what concerns the transport never goes on among messages of channels."""
        stream = b"".join(map(Sealer().seal, (b"\x5ea", b"\x50", b"\x02b", b"\x5ec")))
        run, here, alone = Opener().open_run(stream, 0, 80, 9)
        self.assertEqual((run, alone), (framed(b"\x5ea") + framed(b"\x50"), b"\x02b"))
        self.assertEqual(Opener().open_run(stream, here, 80, 9), (framed(b"\x5ec"), len(stream), b""))

    @given(st.binary(max_size=200), st.booleans())
    def test_junk(self, data: bytes, keyed: bool) -> None:
        """must-survive 25: junk raises only WireError."""
        with contextlib.suppress(WireError):
            opened(GcmOpener(KEY, IV) if keyed else Opener(), data)

    def test_lengths(self) -> None:
        """must-survive 25: a length is looked at before anything is waited for."""
        for opener, most in ((Opener(), MAX_CLEAR), (GcmOpener(KEY, IV), MAX_PACKET)):
            for length in (0, 4, 13, most + 16, 2**32 - 1):
                self.assertRaises(MalformedFrame, opener.packet_end, length.to_bytes(4, "big"), 0)

    @given(st.integers(0, 35), st.integers(1, 255))
    def test_changed(self, at: int, bit: int) -> None:
        """One changed byte, the length included, and nothing is opened."""
        packet = bytearray(GcmSealer(KEY, IV).seal(b"hello, target"))
        packet[at] ^= bit
        try:
            found, _ = opened(GcmOpener(KEY, IV), bytes(packet))
        except MalformedFrame:
            return
        self.assertEqual(found, [])

    def test_changed_behind_a_good_one(self) -> None:
        """Nothing of the packet before it is opened again, whatever their size."""
        for size in (20, SMALL + 100):
            sealer, opener = GcmSealer(KEY, IV), GcmOpener(KEY, IV)
            packets = [bytearray(sealer.seal(b"\x5e" * size)) for _ in range(2)]
            packets[1][-1] ^= 1
            self.assertEqual(opener.open(bytes(packets[0]), 0, len(packets[0])), b"\x5e" * size)
            self.assertRaises(MalformedFrame, opener.open, bytes(packets[1]), 0, len(packets[1]))

    def test_padding(self) -> None:
        """A packet that is all padding, or has less than four bytes of it, is none."""
        for packet in (b"\x0b" + b"x" * 11, b"\x03" + b"x" * 11, b"\xff" + b"x" * 11):
            self.assertRaises(MalformedFrame, Opener().open, b"\0\0\0\x0c" + packet, 0, 16)
