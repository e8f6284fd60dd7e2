"""WebSocket messages: compressed or not, in any pieces, what one end wrote the other reads; UTF-8 is checked."""

from __future__ import annotations

import contextlib
import zlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, NotText, TooLarge, WireError
from hoopgw.wire import websocket as ws
from hoopgw.wire.websocket_deflate import FREE, RATIO, Deflater, Terms
from hoopgw.wire.websocket_messages import KEYS, Keys, MessageReader, MessageWriter, close_code, plain
from tests.wire.test_websocket import joined

KEY = b"\x9a\x00\x13\xff"
PLAIN = Terms(15, 15, False, False)
TERMS = st.none() | st.builds(Terms, st.integers(8, 15), st.integers(8, 15), st.booleans(), st.booleans())
WORDS = st.text(max_size=40) | st.sampled_from(["a" * 5000, "é" * 3000, '{"id": 1, "name": "x"}' * 100])
MESSAGE = st.tuples(st.just(ws.TEXT), WORDS.map(str.encode)) | st.tuples(st.just(ws.BINARY), st.binary(max_size=400))
# Autobahn 6: what is no UTF-8, and what is
WRONG = (
    "cebae1bdb9cf83cebcceb5eda080656469746564 f4908080 80 bf 80bf c0 c1 fe ff fefeffff c0af e080af f08080af f8808080af "
    "fc80808080af c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf c080 e08080 f0808080 eda080 edadbf edae80 edaf80 edb080 "
    "edbe80 edbfbf eda080edb080 edafbfedbfbf f888808080 fc8480808080 f7bfbfbf fbbfbfbfbf e0 f0 c2 ed9f"
).split()
RIGHT = (
    "00 c280 e0a080 f0908080 7f dfbf efbfbf f48fbfbf ed9fbf ee8080 efbfbd efbfbe f09fbfbe cebae1bdb9cf83cebcceb5 efbbbf"
).split()


def written(messages: list[tuple[int, bytes]], client: bool, terms: Terms | None, sizes: list[int]) -> bytes:
    """Each message in pieces of these sizes, in turn."""
    writer = MessageWriter((lambda: KEY) if client else None, terms)
    stream, turn = b"", 0
    for kind, payload in messages:
        here, first = 0, True
        while True:
            size = sizes[turn % len(sizes)]
            turn += 1
            last = here + size >= len(payload)
            stream += writer.write(ws.Piece(kind, payload[here : here + size], first, last))
            here, first = here + size, False
            if last:
                break
    return stream


class Messages(SynchronousTestCase):
    @given(st.lists(MESSAGE, max_size=5), st.booleans(), TERMS, st.lists(st.integers(1, 6000), min_size=1), st.data())
    def test_what_is_written_is_read(
        self, told: list[tuple[int, bytes]], client: bool, terms: Terms | None, sizes: list[int], data: st.DataObject
    ) -> None:
        """With any terms, in any pieces and any cut."""
        stream = written(told, client, terms, sizes)
        cut = data.draw(st.integers(0, len(stream)))
        reader = MessageReader(client, terms)
        self.assertEqual(joined(reader.read(stream[:cut]) + reader.read(stream[cut:])), told)

    @given(st.binary(max_size=300), st.booleans(), TERMS)
    def test_junk(self, data: bytes, client: bool, terms: Terms | None) -> None:
        """Junk raises only WireError."""
        with contextlib.suppress(WireError):
            MessageReader(client, terms).read(data)

    def test_utf8(self) -> None:
        """Autobahn 6: in one frame, cut at each byte into fragments, and in a binary message, where all may stand."""
        for shown in WRONG + RIGHT:
            text = bytes.fromhex(shown)
            parts = [text[i : i + 1] for i in range(len(text))]
            stream = b"".join(
                ws.frame(ws.TEXT if not i else ws.CONTINUATION, part, last=i == len(parts) - 1)
                for i, part in enumerate(parts)
            )
            for found in (ws.frame(ws.TEXT, text), stream):
                if shown in WRONG:
                    self.assertRaises(NotText, MessageReader(False, None).read, found)
                else:
                    self.assertEqual(joined(MessageReader(False, None).read(found)), [(ws.TEXT, text)])
            self.assertEqual(joined(MessageReader(False, None).read(ws.frame(ws.BINARY, text))), [(ws.BINARY, text)])

    def test_a_broken_character_is_found_before_the_message_ends(self) -> None:
        """Autobahn 6.4: the connection fails at the byte that cannot be, not at the end of a long message."""
        reader = MessageReader(False, None)
        reader.read(ws.frame(ws.TEXT, bytes.fromhex("cebae1bdb9cf83cebcceb5"), last=False))
        self.assertRaises(NotText, reader.read, ws.frame(ws.CONTINUATION, bytes.fromhex("f4908080"), last=False)[:-1])

    def test_a_close_is_checked(self) -> None:
        """A Close with a code that is not for the wire fails as any other frame does."""
        self.assertRaises(MalformedFrame, MessageReader(False, None).read, ws.frame(ws.CLOSE, b"\x03\xed"))

    def test_the_journal_form(self) -> None:
        """What is kept of a message reads as frames without mask and compression."""
        pieces = MessageReader(True, PLAIN).read(written([(ws.TEXT, b"a" * 500)], True, PLAIN, [200]))
        self.assertEqual(joined(MessageReader(False, None).read(b"".join(map(plain, pieces)))), [(ws.TEXT, b"a" * 500)])

    def test_codes(self) -> None:
        """Each failure closes with its own code (RFC 6455, 7.4.1)."""
        self.assertEqual([close_code(kind("x")) for kind in (NotText, TooLarge, MalformedFrame)], [1007, 1009, 1002])


class Bombs(SynchronousTestCase):
    def test_a_bomb_is_refused_before_it_is_large(self) -> None:
        """A message that becomes a thousand times as large ends the connection, in one frame or in many."""
        bomb = Deflater(15, False).piece(bytes(64 << 20), True)
        self.assertRaises(TooLarge, MessageReader(False, PLAIN).read, ws.frame(ws.TEXT, bomb, squeezed=True))
        reader = MessageReader(False, PLAIN)
        seen = 0
        with contextlib.suppress(TooLarge):
            for here in range(0, len(bomb), 1000):
                kind = ws.TEXT if not here else ws.CONTINUATION
                part = ws.frame(kind, bomb[here : here + 1000], last=False, squeezed=not here)
                seen += sum(len(piece.data) for piece in reader.read(part))
            self.fail("nobody stopped it")
        self.assertLessEqual(seen, FREE + RATIO * len(bomb))

    def test_a_compressible_message_is_no_bomb(self) -> None:
        """4 MB of nothing pass, message after message."""
        message = (ws.BINARY, bytes(FREE))
        stream = written([message] * 3, False, PLAIN, [1 << 20])
        self.assertEqual(joined(MessageReader(False, PLAIN).read(stream)), [message] * 3)

    def test_a_block_that_says_it_is_the_last(self) -> None:
        """RFC 7692, 7.2.3.4: what follows it is read differently by different readers; it is refused."""
        last = zlib.compress(b"x" * 100, wbits=-15)
        self.assertRaises(MalformedFrame, MessageReader(False, PLAIN).read, ws.frame(ws.TEXT, last, squeezed=True))

    def test_no_deflate(self) -> None:
        """A block of no kind, and a reference to words that this connection has never seen."""
        squeezer = zlib.compressobj(wbits=-15, zdict=b"words of another connection")
        foreign = squeezer.compress(b"words of another connection") + squeezer.flush(zlib.Z_SYNC_FLUSH)
        for junk in (b"\xff" * 20, foreign[:-4]):
            stream = ws.frame(ws.BINARY, junk, squeezed=True)
            self.assertRaises(MalformedFrame, MessageReader(False, PLAIN).read, stream)

    def test_each_message_by_itself(self) -> None:
        """With no context takeover a message can be read by who has not read the one before."""
        fresh = Terms(15, 15, True, True)
        text = b"the same words again and again " * 20
        stream = written([(ws.TEXT, text)] * 2, False, fresh, [10_000])
        half = len(stream) // 2
        self.assertEqual(stream[:half], stream[half:])
        self.assertEqual(joined(MessageReader(False, fresh).read(stream[half:])), [(ws.TEXT, text)])


class KeysOfMasks(SynchronousTestCase):
    def test_none_is_used_twice(self) -> None:
        """Each is the next four bytes of what was drawn, however much is drawn at once."""
        drawn: list[bytes] = []

        def random(size: int) -> bytes:
            drawn.append(bytes((len(drawn), 255)) * (size // 2))
            return drawn[-1]

        keys = Keys(random)
        found = b"".join([keys.next() for _ in range(3 * KEYS)])
        self.assertEqual((found, len(drawn)), (b"".join(drawn), 3))
