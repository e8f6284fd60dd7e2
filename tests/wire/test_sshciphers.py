"""SSH packets by AES-CTR with a MAC, and by ChaCha20-Poly1305: what was sealed opens, what was changed does not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.wire.sshciphers import ChaChaOpener, ChaChaSealer, CtrOpener, CtrSealer
from hoopgw.wire.sshmessages import framed
from hoopgw.wire.sshpackets import MAX_PACKET, Opener, Sealer
from tests.wire.test_sshpackets import MESSAGES, opened

KEY = bytes(range(128))
PAIRS: dict[str, Callable[[], tuple[Opener, Sealer]]] = {
    "chacha": lambda: (ChaChaOpener(KEY[:64]), ChaChaSealer(KEY[:64])),
    "sha256": lambda: (CtrOpener(KEY[:16], KEY, KEY, "sha256"), CtrSealer(KEY[:16], KEY, KEY, "sha256")),
    "sha512": lambda: (CtrOpener(KEY[:32], KEY, KEY, "sha512"), CtrSealer(KEY[:32], KEY, KEY, "sha512")),
}
# computed by hand from RFC 8439's blocks, with the nonce and the counter of 64 bits that OpenSSH has
KNOWN = "a39afca22e4315434e832a5e7e6dcb7518cd34ab63ba0beb90129e5d"
NAMES = st.sampled_from(sorted(PAIRS))


class Ciphers(SynchronousTestCase):
    @given(NAMES, MESSAGES, st.sampled_from((0, 1, 0xFFFFFFFE, 0xFFFFFFFF)), st.data())
    def test_any_cut(self, name: str, messages: list[bytes], first: int, data: st.DataObject) -> None:
        """Any cut of the stream gives the same messages, wherever the counting stands: 32 bits of it count."""
        opener, sealer = PAIRS[name]()
        opener.sequence, sealer.sequence = first, first + (1 << 32)
        half = len(messages) // 2
        stream = b"".join(map(sealer.seal, messages[:half]))
        stream += sealer.seal_run(b"".join(map(framed, messages[half:])))
        cut = data.draw(st.integers(0, len(stream)))
        first_part, rest = opened(opener, stream[:cut])
        second_part, left = opened(opener, rest + stream[cut:])
        self.assertEqual((first_part + second_part, left), (messages, b""))
        self.assertEqual((opener.sequence - first, sealer.sequence - opener.sequence), (len(messages), 1 << 32))

    @given(NAMES, st.binary(max_size=200))
    def test_junk(self, name: str, data: bytes) -> None:
        """must-survive 25: junk raises only WireError."""
        opener, _ = PAIRS[name]()
        with contextlib.suppress(WireError):
            opened(opener, data)

    def test_lengths(self) -> None:
        """must-survive 25: a length is looked at before anything is waited for."""
        opener, _ = PAIRS["sha256"]()
        for length in (0, 4, 15, 17, MAX_PACKET + 16, 2**32 - 1):
            self.assertRaises(MalformedFrame, opener.packet_end, length.to_bytes(4, "big"), 0)
        for length in (0, 4, 7, 12, MAX_PACKET + 8, 2**32 - 1):
            opener, sealer = PAIRS["chacha"]()
            assert isinstance(sealer, ChaChaSealer)
            field = sealer._keys.length(length.to_bytes(4, "big"), 0)
            self.assertRaises(MalformedFrame, opener.packet_end, field, 0)

    @given(NAMES, st.integers(0, 35), st.integers(1, 255))
    def test_changed(self, name: str, at: int, bit: int) -> None:
        """One changed byte, the length included, and nothing is opened."""
        opener, sealer = PAIRS[name]()
        packet = bytearray(sealer.seal(b"hello, target"))
        packet[at] ^= bit
        try:
            found, _ = opened(opener, bytes(packet))
        except MalformedFrame:
            return
        self.assertEqual(found, [])

    def test_moved(self) -> None:
        """A packet that was left out, or comes twice, is seen with the next one."""
        for name, pair in PAIRS.items():
            opener, sealer = pair()
            one, two = sealer.seal(b"one"), sealer.seal(b"two")
            with self.assertRaises(MalformedFrame, msg=name):
                opened(opener, two)
            opener, _ = pair()
            with self.assertRaises(MalformedFrame, msg=name):
                opened(opener, one + one)

    def test_known(self) -> None:
        """ChaCha20-Poly1305 as OpenSSH has it: the first half of the key is the payload's, the nonce is big-endian."""
        opener, sealer = PAIRS["chacha"]()
        sealer.sequence = 7
        self.assertEqual(
            sealer.seal(b"\x05").hex(),
            KNOWN,
        )
        opener.sequence = 7
        self.assertEqual(opened(opener, bytes.fromhex(KNOWN)), ([b"\x05"], b""))
