"""HPACK's Huffman code, beside the library hpack's."""

from __future__ import annotations

from hpack.exceptions import HPACKDecodingError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import WireError
from hoopgw.wire.hpack_huffman import unpacked

_PACKER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


class Code(SynchronousTestCase):
    def test_every_byte(self) -> None:
        """Each byte alone and beside each other one."""
        for one in range(256):
            self.assertEqual(unpacked(_PACKER.encode(bytes((one,)))), bytes((one,)))
            text = bytes(byte for other in range(256) for byte in (one, other))
            self.assertEqual(unpacked(_PACKER.encode(text)), text)

    @given(st.binary(max_size=60))
    def test_there_and_back(self, text: bytes) -> None:
        """What the other packs is unpacked here."""
        self.assertEqual(unpacked(_PACKER.encode(text)), text)

    @given(st.binary(max_size=12) | st.lists(st.sampled_from((0, 0xFF, 0xFE, 0x7F, 0xF8))).map(bytes))
    def test_junk(self, data: bytes) -> None:
        """Both refuse the same: the end's symbol, padding that is not its begin or is a whole byte."""
        try:
            theirs: bytes | None = decode_huffman(data)
        except HPACKDecodingError:
            theirs = None
        try:
            ours: bytes | None = unpacked(data)
        except WireError:
            ours = None
        self.assertEqual(ours, theirs)

    def test_padding(self) -> None:
        """A byte of ones more, zeros, and the end's symbol itself are refused."""
        for data in (b"\xff", b"\x18", b"\xff\xff\xff\xff", _PACKER.encode(b"a") + b"\xff"):
            self.assertRaises(WireError, unpacked, data)
