"""Blocks of header fields, beside the library hpack; and what no peer may send."""

from __future__ import annotations

import contextlib

import hpack
from hpack.exceptions import HPACKError
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import WireError
from hoopgw.wire.hpack import MAX_ENTRY, MAX_NUMBER, Decoder, Encoder, number, string
from hoopgw.wire.httphead import MAX_HEAD

Fields = list[tuple[bytes, bytes]]

_NAMES = st.sampled_from(
    (b":status", b":path", b"date", b"etag", b"cookie", b"authorization", b"x-a", b"x-b", b"content-length", b"accept")
)
_VALUES = st.sampled_from((b"", b"200", b"/", b"x" * 700, b"x" * 1500)) | st.binary(max_size=30)
_HEADS = st.lists(st.lists(st.tuples(_NAMES, _VALUES), max_size=8), max_size=8)
_SIZES = st.lists(st.sampled_from((0, 40, 100, 900, 4096)), max_size=3)


def raw(decoder: hpack.Decoder, block: bytes) -> Fields:
    return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]


class Beside(SynchronousTestCase):
    @given(_HEADS, st.booleans())
    def test_what_others_write(self, heads: list[Fields], huffman: bool) -> None:
        """Heads that hpack encodes read the same here, each once more as well."""
        encoder, decoder = hpack.Encoder(), Decoder(4096)
        for head in heads:
            for _ in range(2):
                self.assertEqual(decoder.decode(encoder.encode(head, huffman=huffman)).fields, head)

    @given(st.lists(st.tuples(st.lists(st.tuples(_NAMES, _VALUES), max_size=8), _SIZES), max_size=8))
    @settings(max_examples=200)
    def test_what_others_read(self, steps: list[tuple[Fields, list[int]]]) -> None:
        """Heads that are encoded here read the same in hpack, while it changes the size of its table."""
        encoder, decoder = Encoder(4096), hpack.Decoder()
        for head, sizes in steps:
            for size in sizes:
                encoder.resize(size)
                decoder.max_allowed_table_size = size
            for _ in range(3):
                self.assertEqual(raw(decoder, encoder.encode(head)), head)

    @given(st.lists(st.lists(st.integers(0, 255) | st.sampled_from((0x20, 0x40, 0x82, 0xBE, 0)), max_size=20)))
    @settings(max_examples=300)
    def test_junk(self, blocks: list[list[int]]) -> None:
        """Junk raises only WireError; what is read from it hpack reads too."""
        decoder, other = Decoder(4096), hpack.Decoder()
        with contextlib.suppress(WireError):
            for block in blocks:
                found = decoder.decode(bytes(block)).fields
                try:
                    self.assertEqual(raw(other, bytes(block)), found)
                except HPACKError as error:
                    self.fail(f"hpack refuses {bytes(block)!r}: {error}")


class Known(SynchronousTestCase):
    def test_read_once(self) -> None:
        """A block that came before is not read again, until the table is another."""
        decoder = Decoder(4096)
        first = decoder.decode(b"\x40\x01a\x01b")
        again = decoder.decode(b"\xbe\x82")
        self.assertIs(decoder.decode(b"\xbe\x82"), again)
        self.assertEqual((first.fields, again.fields), ([(b"a", b"b")], [(b"a", b"b"), (b":method", b"GET")]))
        decoder.decode(b"\x40\x01a\x01c")
        self.assertEqual(decoder.decode(b"\xbe\x82").fields, [(b"a", b"c"), (b":method", b"GET")])

    def test_written_once(self) -> None:
        """The same list gives the same block while the table is as it was; behind another size it says so first."""
        encoder, decoder = Encoder(4096), hpack.Decoder()
        head = [(b":status", b"200"), (b"date", b"today")]
        first, second, third = (encoder.encode(head) for _ in range(3))
        self.assertEqual((len(second), second is third), (2, True))
        encoder.resize(0)
        last = encoder.encode(head)
        for block in (first, second, third, last):
            self.assertEqual(raw(decoder, block), head)
        self.assertEqual(last[:1], b"\x20")


class Bounds(SynchronousTestCase):
    def test_secrets_stay_out_of_the_table(self) -> None:
        """Whoever shares the connection finds none by the lengths of what is sent; and no proxy may keep them."""
        encoder = Encoder(4096)
        head = [(b"authorization", b"Bearer x"), (b"proxy-authorization", b"y"), (b"cookie", b"a=1")]
        first = encoder.encode(head)
        self.assertEqual(encoder.encode(list(head)), first)
        found = list(hpack.Decoder().decode(first, raw=True))
        self.assertEqual([field.indexable for field in found], [False, False, False])

    def test_large_fields_stay_out_too(self) -> None:
        """They would push out all others."""
        encoder, head = Encoder(4096), [(b"x", b"1" * MAX_ENTRY)]
        self.assertEqual(len(encoder.encode(head)), len(encoder.encode(list(head))))

    def test_numbers(self) -> None:
        """Of five bytes behind the first at most; what is larger than any head is refused before it is a length."""
        for value in (0, 126, 127, 128, 300, MAX_HEAD, MAX_NUMBER):
            self.assertEqual(number(value, 127, 0), bytes(hpack.hpack.encode_integer(value, 7)))
        for wrong in (b"\xff\xff\xff\xff\xff\xff\x01", b"\xff" * 40, b"\xff\x80\x80\x80\x80\x80\x00", b"\x00\x7f"):
            self.assertRaises(WireError, Decoder(4096).decode, wrong)
        self.assertRaises(WireError, Decoder(4096).decode, b"\x00" + number(MAX_NUMBER + 200, 127, 0) + b"a")

    def test_what_is_cut_off(self) -> None:
        """Every begin of a block that ends inside a field."""
        block = b"\x40" + string(b"name") + string(b"value")
        for end in range(1, len(block)):
            self.assertRaises(WireError, Decoder(4096).decode, block[:end])

    def test_sizes_of_the_table(self) -> None:
        """Only at the begin, two at most, and none above what was agreed on."""
        for wrong in (b"\x82\x20", b"\x20\x20\x20\x82", b"\x3f\xe2\x1f"):
            self.assertRaises(WireError, Decoder(4096).decode, wrong)
        self.assertEqual(Decoder(4096).decode(b"\x20\x3f\xe1\x1f\x82").fields, [(b":method", b"GET")])

    def test_a_bomb(self) -> None:
        """CVE-2016-6581: an entry that is named again and again is no large head."""
        decoder = Decoder(4096)
        decoder.decode(b"\x40" + string(b"x") + string(b"1" * 3000))
        self.assertRaises(WireError, decoder.decode, b"\xbe" * 30)
