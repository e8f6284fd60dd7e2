"""WebSocket frames: whatever the cut, the same messages; what RFC 6455 forbids is refused."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, ProtocolViolation, WireError
from hoopgw.wire import websocket as ws
from hoopgw.wire.websocket import FrameReader, Piece, frame

KEY = b"\x01\x80\xff\x33"
CONTROL = st.tuples(st.sampled_from([ws.PING, ws.PONG]), st.binary(max_size=ws.MAX_CONTROL))
MESSAGE = st.tuples(st.sampled_from([ws.TEXT, ws.BINARY]), st.lists(st.binary(max_size=70_000), min_size=1, max_size=4))
Shown = tuple[int, bytes]


def joined(pieces: list[Piece]) -> list[Shown]:
    """(kind, payload) of each message that ended, in the order of their ends."""
    found: list[Shown] = []
    kept = b""
    for piece in pieces:
        if piece.kind >= ws.CLOSE:
            found.append((piece.kind, piece.data))
            continue
        kept = piece.data if piece.first else kept + piece.data
        if piece.last:
            found.append((piece.kind, kept))
    return found


def read(stream: bytes, from_client: bool = True, squeezing: bool = False) -> list[Shown]:
    return joined(FrameReader(from_client, squeezing).read(stream))


class Frames(SynchronousTestCase):
    @given(st.lists(st.one_of(CONTROL, MESSAGE), max_size=5), st.booleans(), st.data())
    def test_any_cut(self, told: list[tuple[int, bytes | list[bytes]]], client: bool, data: st.DataObject) -> None:
        """Any cut of the stream gives the same messages, in fragments or not, with a ping between these."""
        key = KEY if client else b""
        stream, expected = b"", []
        for kind, payload in told:
            if isinstance(payload, bytes):
                stream += frame(kind, payload, key)
                expected.append((kind, payload))
                continue
            for number, part in enumerate(payload):
                last = number == len(payload) - 1
                stream += frame(kind if not number else ws.CONTINUATION, part, key, last)
                if not last:
                    stream += frame(ws.PING, b"between", key)
                    expected.append((ws.PING, b"between"))
            expected.append((kind, b"".join(payload)))
        places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
        reader = FrameReader(client, False)
        pieces: list[Piece] = []
        for begin, end in zip([0, *places], [*places, len(stream)], strict=True):
            pieces += reader.read(stream[begin:end])
        self.assertEqual(joined(pieces), expected)

    @given(st.binary(max_size=300), st.booleans(), st.booleans())
    def test_junk(self, data: bytes, client: bool, squeezing: bool) -> None:
        """Junk raises only WireError, and the same one in any cut."""

        def verdict(pieces: list[bytes]) -> tuple[list[Shown], str]:
            reader, found = FrameReader(client, squeezing), []
            try:
                for piece in pieces:
                    found += reader.read(piece)
            except WireError as error:
                return [], str(error)
            return joined(found), ""

        self.assertEqual(verdict([data]), verdict([data[i : i + 1] for i in range(len(data))]))

    def test_lengths(self) -> None:
        """Autobahn 1: payloads about each border of the length's width, in text and in binary."""
        for kind in (ws.TEXT, ws.BINARY):
            for size in (0, 1, 125, 126, 127, 128, 65535, 65536, 1 << 20):
                self.assertEqual(read(frame(kind, b"*" * size, KEY)), [(kind, b"*" * size)])

    def test_a_length_in_more_bytes_than_it_needs(self) -> None:
        """RFC 6455, 5.2: the minimal number of bytes; two parsers could differ about others.  Nor has any 64 bits."""
        for head in (b"\x82\x7e\x00\x7d", b"\x82\x7f" + (65535).to_bytes(8, "big"), b"\x82\x7f\x80" + b"\0" * 7):
            self.assertRaises(MalformedFrame, read, head, False)

    def test_reserved_bits(self) -> None:
        """Autobahn 3: RSV bits; RSV1 only where compression was agreed on, on the first frame of a data message."""
        for bits in (0x10, 0x20, 0x30, 0x40, 0x70):
            for kind in (ws.TEXT, ws.BINARY, ws.PING, ws.CLOSE):
                self.assertRaises(MalformedFrame, read, bytes((0x80 | bits | kind, 0)), False)
        for head in (bytes((0xC0 | ws.PING, 0)), bytes((ws.TEXT, 0, 0xC0, 0)), bytes((0xA0 | ws.TEXT, 0))):
            self.assertRaises(MalformedFrame, read, head, False, True)

    def test_opcodes(self) -> None:
        """Autobahn 4: the opcodes that mean nothing yet."""
        for kind in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
            self.assertRaises(MalformedFrame, read, bytes((0x80 | kind, 0)), False)

    def test_fragments(self) -> None:
        """Autobahn 5: a control frame in fragments, a continuation of nothing, a message inside another."""
        part, rest = frame(ws.TEXT, b"a", last=False), frame(ws.CONTINUATION, b"b")
        for stream in (rest, part + frame(ws.TEXT, b"x"), part + rest + rest, frame(ws.CONTINUATION, b"", last=False)):
            self.assertRaises(ProtocolViolation, read, stream, False)
        for kind in (ws.PING, ws.PONG, ws.CLOSE):
            self.assertRaises(MalformedFrame, read, frame(kind, b"", last=False), False)
            self.assertRaises(MalformedFrame, read, bytes((0x80 | kind, 126, 0, 126)), False)

    def test_masks(self) -> None:
        """RFC 6455, 5.1: a client masks, a server does not; each other way is refused."""
        self.assertRaises(ProtocolViolation, read, frame(ws.TEXT, b"x"), True)
        self.assertRaises(ProtocolViolation, read, frame(ws.TEXT, b"x", KEY), False)

    def test_nothing_is_read_behind_a_close(self) -> None:
        """Autobahn 7.1: a message, a ping or junk behind a Close is nothing."""
        close = frame(ws.CLOSE, ws.close_payload(1000, "bye"), KEY)
        for after in (frame(ws.TEXT, b"x", KEY), frame(ws.PING, b"x", KEY), b"\xff" * 20):
            reader = FrameReader(True, False)
            self.assertEqual(joined(reader.read(close + after) + reader.read(after)), [(8, b"\x03\xe8bye")])
            self.assertTrue(reader.closed)

    def test_empty_fragments_say_nothing(self) -> None:
        """A flood of empty fragments gives no pieces to pass on, and the message is still whole."""
        stream = frame(ws.TEXT, b"", last=False) + frame(ws.CONTINUATION, b"", last=False) * 1000
        reader = FrameReader(False, False)
        self.assertEqual(reader.read(stream), [])
        end = reader.read(frame(ws.CONTINUATION, b""))
        self.assertEqual([(p.kind, p.data, p.first, p.last) for p in end], [(ws.TEXT, b"", True, True)])


class Closes(SynchronousTestCase):
    def test_codes(self) -> None:
        """Autobahn 7.5, 7.7, 7.9: codes that may and may not be sent; words that are no UTF-8; half a code."""
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
            self.assertEqual(ws.read_close(ws.close_payload(code, "é")), (code, "é".encode()))
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
            self.assertRaises(MalformedFrame, ws.read_close, ws.close_payload(code, ""))
        self.assertEqual(ws.read_close(b""), (ws.NO_CODE, b""))
        self.assertRaises(MalformedFrame, ws.read_close, b"\x03")
        self.assertRaises(MalformedFrame, ws.read_close, b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xed\xa0\x80")

    def test_words_are_cut_between_characters(self) -> None:
        """However long, the payload is that of a control frame and its words are UTF-8."""
        payload = ws.close_payload(ws.POLICY, "é" * 100)
        self.assertEqual(ws.read_close(payload), (1008, ("é" * 61).encode()))
        self.assertLessEqual(len(payload), ws.MAX_CONTROL)

    @given(st.binary(max_size=130))
    def test_junk(self, data: bytes) -> None:
        """Junk raises only WireError."""
        with contextlib.suppress(WireError):
            ws.read_close(data)
