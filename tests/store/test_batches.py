"""What one round of the writer takes from the ring."""

from __future__ import annotations

from pathlib import Path
from struct import pack

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.chunks import GATEWAY
from hoopgw.record.entries import Kind
from hoopgw.store.batches import MOST_ENTRIES, WINDOW, SessionBatch, taken
from hoopgw.store.spool import RECORD_SIZE, Spool

ONE, OTHER = b"1" * 16, b"2" * 16


class Batches(SynchronousTestCase):
    def setUp(self) -> None:
        self.spool = Spool(Path(self.mktemp()) / "x.spool", 1 << 20)
        self.addCleanup(self.spool.close)

    def part(self, session: bytes = ONE) -> SessionBatch:
        batch = taken(self.spool)
        self.addCleanup(batch.release)
        return batch.parts[session]

    def test_by_session(self) -> None:
        """Entries of each in their order, with what its chunk's header says; the gateway's own apart."""
        for number in range(1, 4):
            self.spool.append(ONE, number, Kind.TO_CLIENT, 10 + number, b"a%d" % number)
            self.spool.append(OTHER, 7 * number, Kind.CLOSE, 20, b"b")
            self.spool.append(GATEWAY, 0, Kind.NOTE, 5, b"note %d" % number)
        batch = taken(self.spool)
        self.assertEqual(batch.gateway, [b"note 1", b"note 2", b"note 3"])
        one, other = batch.parts[ONE], batch.parts[OTHER]
        self.assertEqual([bytes(piece)[-2:] for piece in one.pieces], [b"a1", b"a2", b"a3"])
        self.assertEqual((one.first_entry, one.last_entry, one.first_time, one.last_time), (1, 3, 11, 13))
        self.assertEqual(one.size, sum(map(len, one.pieces)))
        self.assertEqual((one.closed, other.closed, other.last_entry), (False, True, 21))
        self.assertEqual(batch.size, self.spool.head - self.spool.tail)

    def test_operations(self) -> None:
        """First and last of all that were asked, wherever in the ring they lie."""
        for size in (0, WINDOW, 100):  # the second is no copy, but a slice of the ring
            self.spool.append(ONE, 1, Kind.ASKED, 5, pack("<iq", 3, 40 + size), bytes(size))
        part = self.part()
        self.assertEqual((part.first_operation, part.last_operation), (40, 40 + WINDOW + 2))

    def test_numbers_that_nobody_counts(self) -> None:
        """Of a ring that is damaged: no operation, and the entries are kept."""
        for size in (0, WINDOW):
            self.spool.append(ONE, 1, Kind.ASKED, 5, pack("<iq", -1, 5), bytes(size))
            self.spool.append(ONE, 1, Kind.ASKED, 5, pack("<iq", 1, -5), bytes(size))
        self.spool.append(ONE, 1, Kind.ASKED, 5, b"short")
        part = self.part()
        self.assertEqual((part.first_operation, part.last_operation, len(part.pieces)), (0, 0, 5))

    def test_no_more_than_a_round(self) -> None:
        """What is left comes with the next."""
        for number in range(MOST_ENTRIES + 10):
            self.spool.append(ONE, number, Kind.TO_TARGET, 5, b"")
        batch = taken(self.spool)
        self.assertEqual(batch.size, MOST_ENTRIES * RECORD_SIZE)
        self.spool.drop(batch.size)
        self.assertEqual(self.part().last_entry, MOST_ENTRIES + 9)
