"""Replays of recordings that are damaged: the damage is named, and what is behind it is there."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.chunks import Chunk, Damage
from hoopgw.record.coverage import Coverage
from hoopgw.record.entries import Kind
from hoopgw.record.replay import replayed
from hoopgw.record.telling import told
from tests.record.chains_for_tests import Maker, as_read
from tests.record.recorded import READY, columns, done, message, row

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OPENING = {"protocol": "postgresql", "identity": {"subject": "agent"}, "target": "pay", "database": "pay", "role": "r"}


def session(name: str = "s_one", raw: bytes = b"1" * 16) -> list[Chunk]:
    """Chunk 0 the opening; 1, 3, 4, 6, 7 a statement with its answer each; 2 and 5 seals; 8 the end, 9 its seal."""
    maker = Maker(KEY, name, raw)
    maker.data((Kind.OPEN, orjson.dumps(OPENING)))
    shown = columns(("n", 25, 0)) + row(b"x") + done("SELECT 1") + READY
    for number in range(1, 6):
        maker.ask(number, (Kind.TO_CLIENT, shown))
        if number in (1, 3):
            maker.seal()
    maker.data((Kind.CLOSE, orjson.dumps({"reason": "bye"})))
    maker.seal(final=True)
    return maker.chunks


def flipped(chunk: Chunk) -> Chunk:
    return replace(chunk, body=bytes([chunk.body[0] ^ 1]) + chunk.body[1:])


def damaged(found: Sequence[Chunk | Damage]) -> list[dict[str, Any]]:
    return [each.fields for each in replayed(found) if each.what == "damaged"]


def answered(found: Sequence[Chunk | Damage]) -> list[int]:
    """The operations whose answer is there."""
    return [each.fields["operation"] for each in replayed(found) if each.what == "done"]


class Damaged(SynchronousTestCase):
    def setUp(self) -> None:
        self.chunks = session()

    def test_untouched(self) -> None:
        """Nothing is said of what is whole."""
        self.assertEqual((damaged(self.chunks), answered(self.chunks)), ([], [1, 2, 3, 4, 5]))

    def test_asked_only(self) -> None:
        """For a search: the operations as they are otherwise, and nothing that passed."""
        whole = list(replayed(self.chunks))
        self.assertEqual(
            list(replayed(self.chunks, asked_only=True)), [each for each in whole if each.what not in ("row", "done")]
        )
        self.assertEqual(len([each for each in whole if each.what == "operation"]), 5)

    def test_body(self) -> None:
        """A chunk that is not what its check says is named with its operations; the others are shown."""
        found = [*self.chunks[:4], flipped(self.chunks[4]), *self.chunks[5:]]
        (said,) = damaged(found)
        self.assertEqual((said["chunk"], said["last_chunk"], said["operations"]), (4, 4, [3, 3]))
        self.assertEqual(answered(found), [1, 2, 4, 5])

    def test_not_there(self) -> None:
        """Where nothing is left of chunks, those around them say which they were and what they held."""
        for lost, operations in (
            (slice(4, 5), [3, 3]),
            (slice(3, 5), [2, 3]),
            (slice(4, 8), [3, 5]),
            (slice(2, 3), None),
        ):
            found: list[Chunk | Damage] = list(self.chunks)
            found[lost] = [Damage(1000, 77)]
            (said,) = damaged(found)
            self.assertEqual((said["chunk"], said["last_chunk"]), (lost.start, lost.stop - 1))
            self.assertEqual((said.get("operations"), said["bytes"]), (operations, 77))

    def test_the_opening(self) -> None:
        """Without its opening a session is still read."""
        for first in (flipped(self.chunks[0]), Damage(0, 200)):
            self.assertEqual(answered([first, *self.chunks[1:]]), [1, 2, 3, 4, 5])

    def test_the_end(self) -> None:
        """What is not whole at the end is named; nobody knows what it covers."""
        (said,) = damaged([*self.chunks[:7], Damage(1000, 50)])
        self.assertEqual((said["chunk"], said["operations"], said["bytes"]), (7, [5], 50))

    def test_other_places(self) -> None:
        """A chunk twice, or of another session, is named and not shown again."""
        other = session("s_two", b"2" * 16)
        for chunk in (self.chunks[3], other[4], flipped(self.chunks[1])):
            found = [*self.chunks[:4], chunk, *self.chunks[4:]]
            self.assertEqual((len(damaged(found)), answered(found)), (1, [1, 2, 3, 4, 5]))

    def test_entries_that_are_none(self) -> None:
        """Whole, and yet nothing that a gateway writes: named, and the next chunk is read."""
        maker = Maker(KEY, "s_one", b"1" * 16)
        maker.data((Kind.OPEN, orjson.dumps(OPENING)))
        maker.data((Kind.NOTE, b"{"), (Kind.NOTE, b"{}"))
        maker.note(code="behind")
        self.assertEqual([each.what for each in replayed(maker.chunks)], ["open", "damaged", "note"])

    def test_told(self) -> None:
        """People see it, in the replay and in the coverage statement, which is complete no more."""
        found = [*self.chunks[:4], flipped(self.chunks[4]), *self.chunks[5:]]
        self.assertTrue(any("DAMAGE chunk 4, operations 3 to 3" in line for line in told(replayed(found), 5)))
        coverage = Coverage()
        coverage.take_all(replayed(found))
        self.assertFalse(coverage.complete)
        self.assertIn("DAMAGED since: 1 chunks", " ".join(coverage.words()))

    @given(st.lists(st.integers(0, 9), max_size=12), st.sets(st.integers(0, 9)))
    @settings(deadline=None)
    def test_any_order(self, order: list[int], flips: set[int]) -> None:
        """Whatever became of a file, its replay is no error and shows no operation twice."""
        chunks = session()
        found: list[Chunk | Damage] = [flipped(chunks[at]) if at in flips else chunks[at] for at in order]
        list(told(replayed(found), 5))
        asked = [each.fields["number"] for each in replayed(found) if each.what == "operation"]
        self.assertEqual(len(asked), len(set(asked)))


class Memory(SynchronousTestCase):
    def test_a_message_of_a_gigabyte(self) -> None:
        """A row of 1 GiB in thousands of chunks is replayed with memory for what is shown of it, and a chunk."""
        size = 1 << 30

        def chunks() -> Any:
            maker = Maker(KEY, "s_one", b"1" * 16)
            yield maker.data((Kind.OPEN, orjson.dumps(OPENING)))
            yield maker.ask(1)
            head = b"D" + (size + 10).to_bytes(4, "big") + b"\0\1" + size.to_bytes(4, "big")
            yield maker.data((Kind.TO_CLIENT, columns(("n", 25, 0)) + head))
            piece = maker.data((Kind.TO_CLIENT, bytes(8 << 20)))
            yield piece
            for _ in range(127):  # the same body under the next numbers: the reader looks at nothing else
                maker.entry += 1
                yield maker.add(Chunk(piece.header._replace(number=len(maker.chunks)), piece.body))
                maker.chunks[-2:-1] = [piece]
            yield maker.data((Kind.TO_CLIENT, done("SELECT 1") + READY))

        tracemalloc.start()
        try:
            found = [each for each in replayed(chunks()) if each.what in ("row", "done", "damaged")]
            self.assertLess(tracemalloc.get_traced_memory()[1], 80 << 20)
        finally:
            tracemalloc.stop()
        self.assertEqual([each.what for each in found], ["row", "done"])
        self.assertIn("bytes more", found[0].fields["values"]["n"])

    def test_a_statement_larger_than_what_is_kept(self) -> None:
        """A Query of 40 MiB in pieces: its beginning is shown, the rest counted, and what follows is found."""
        maker = Maker(KEY, "s_one", b"1" * 16)
        maker.data((Kind.OPEN, orjson.dumps(OPENING)))
        body = b"SELECT '" + b"x" * (40 << 20) + b"'\0"
        payload = bytes.fromhex("01000000" + "0100000000000000" + "0100" + "00000000") + message(b"Q", body)
        step = 256 << 10
        maker.pieces(Kind.ASKED, [(at // step, payload[at : at + step]) for at in range(0, len(payload), step)])
        maker.operation = 1
        maker.ask(2, (Kind.TO_CLIENT, done("SELECT 1") + READY + done("SELECT 0") + READY))
        found = [each.fields for each in replayed(maker.chunks) if each.what == "operation"]
        self.assertTrue(found[0]["text"].startswith("SELECT 'xxx"))
        self.assertEqual(found[0]["cut"] + (1 << 20), len(body))
        self.assertEqual((found[1]["text"], answered(maker.chunks)), ("SELECT 1", [1, 2]))


class Reading(SynchronousTestCase):
    def test_as_written(self) -> None:
        """The chunks of these tests are what a file would give."""
        for chunk in session():
            self.assertEqual(as_read(chunk), chunk)
