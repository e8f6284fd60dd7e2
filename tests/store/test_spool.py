"""The ring: what goes in comes out, in any process, and nothing half."""

from __future__ import annotations

import random
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import OperatorError, SpoolFull
from hoopgw.record.chunks import ENTRY
from hoopgw.record.entries import Kind
from hoopgw.store.batches import taken
from hoopgw.store.spool import BOOT, BULK, HEAD, PAGE, QUIET, RESERVE, SMALL, TAIL, UNSYNCED, Spool

SESSION = b"s" * 16


def payloads(spool: Spool) -> list[bytes]:
    """Of all entries, and they go."""
    found: list[bytes] = []
    while spool.head != spool.tail:
        batch = taken(spool)
        for part in batch.parts.values():
            found += [bytes(piece[ENTRY.size :]) for piece in part.pieces]
        batch.release()
        spool.drop(batch.size)
    return found


class Spooling(SynchronousTestCase):
    def spool(self, size: int = 64 * 1024) -> Spool:
        spool = Spool(Path(self.mktemp()) / "x.spool", size)
        self.addCleanup(spool.close)
        return spool

    def test_what_goes_in_comes_out(self) -> None:
        """Entries of any size come out in order, over many times the ring's size; drained bytes are zeros."""
        spool, draw = self.spool(), random.Random(7)
        for number in range(2000):
            sent = [draw.randbytes(draw.randrange(0, 9000)) for _ in range(draw.randrange(1, 4))]
            for each in sent:
                spool.append(SESSION, number, Kind.NOTE, 5, each[:10], each[10:])
            self.assertEqual(payloads(spool), sent)
        self.assertEqual(spool.used, 0)
        self.assertEqual(bytes(spool.slice(PAGE, PAGE + spool.capacity)), bytes(spool.capacity))

    def test_bulk_is_cleared_when_there_is_time(self) -> None:
        """What is drained as bulk makes room at once; it is cleared in steps, and what has come meanwhile stays."""
        spool = self.spool(4 * BULK)
        piece = bytes(range(256)) * 512
        for number in range(60):  # more than once around
            for _ in range(12):
                spool.append(SESSION, number, Kind.TO_CLIENT, 5, piece)
            self.assertEqual(payloads(spool), [piece] * 12)
            self.assertFalse(spool.clears(0.0))
            self.assertTrue(spool.clears(time.monotonic() + 2 * QUIET))
            spool.append(SESSION, number, Kind.TO_CLIENT, 5, piece)
            for _ in range(number % 3):
                spool.clear()
            self.assertEqual(payloads(spool), [piece])
        spool.append(SESSION, 60, Kind.TO_CLIENT, 5, piece)
        steps = 0
        while spool.clears(time.monotonic() + 2 * QUIET):
            spool.clear()
            steps += 1
        self.assertIn(steps, range(1, 5))
        self.assertEqual(payloads(spool), [piece])
        self.assertEqual(bytes(spool.slice(PAGE, PAGE + spool.capacity)), bytes(spool.capacity))

    def test_bulk_is_cleared_at_the_end(self) -> None:
        path = Path(self.mktemp()) / "x.spool"
        spool = Spool(path, 4 * BULK)
        for _ in range(9):
            spool.append(SESSION, 1, Kind.TO_CLIENT, 5, b"secret!!" * 16384)
        self.assertEqual(len(payloads(spool)), 9)
        self.assertIn(b"secret!!", path.read_bytes())
        spool.close()
        self.assertNotIn(b"secret!!", path.read_bytes())

    def test_full(self) -> None:
        """What does not fit raises SpoolFull and leaves nothing of it."""
        spool, sent = self.spool(), 0
        with self.assertRaises(SpoolFull):
            while True:
                spool.append(SESSION, 1, Kind.NOTE, 5, bytes(4000))
                sent += 1
        self.assertGreater(sent, 14)
        self.assertRaises(SpoolFull, spool.append, SESSION, 1, Kind.NOTE, 5, bytes(4000))
        self.assertEqual(payloads(spool), [bytes(4000)] * sent)

    def test_small_beside_large(self) -> None:
        """must-survive 64: where large entries find no room, those of other sessions' statements still do."""
        spool, sent = self.spool(256 * 1024), 0
        with self.assertRaises(SpoolFull):
            while True:
                spool.append(SESSION, 1, Kind.TO_CLIENT, 5, bytes(SMALL + 1))
                sent += 1
        self.assertGreater(sent, 10)
        self.assertTrue(spool.has_room(1))
        for number in range(20):
            spool.append(b"t" * 16, number, Kind.NOTE, 5, b"select 1")
        self.assertRaises(SpoolFull, spool.append, SESSION, 1, Kind.TO_CLIENT, 5, bytes(SMALL + 1))
        self.assertEqual(sorted(payloads(spool)), sorted([bytes(SMALL + 1)] * sent + [b"select 1"] * 20))

    def test_room_to_begin(self) -> None:
        """A spool that is full, or whose disk is slow, has no room for another session; drained it has."""
        spool = self.spool()
        with self.assertRaises(SpoolFull):
            while True:
                spool.append(SESSION, 1, Kind.NOTE, 5, bytes(2000))
        self.assertFalse(spool.has_room(1))
        payloads(spool)
        self.assertTrue(spool.has_room(2))
        spool.append(SESSION, 1, Kind.NOTE, 5, b"not on disk")
        spool.rounds_at -= UNSYNCED + 1
        self.assertFalse(spool.has_room(10**9))

    def test_room_is_of_now(self) -> None:
        """Whether there is room to begin is looked at when it is asked, not as it was a moment ago."""
        spool = self.spool()
        spool.append(SESSION, 1, Kind.NOTE, 5, b"not on disk")
        self.assertTrue(spool.has_room(10**9))
        spool.rounds_at -= UNSYNCED + 1
        spool.must_be_fresh(10**9 + 1)
        self.assertFalse(spool.has_room(10**9 + 1))

    def test_all_or_nothing(self) -> None:
        """Entries that are wanted together have room for all of them, or are refused before the first."""
        spool = self.spool()
        sizes = (2000, 1900)
        taken = 0
        while True:
            try:
                spool.must_hold(1, sizes)
            except SpoolFull:
                break
            for size in sizes:
                spool.append(SESSION, 1, Kind.NOTE, 5, bytes(size))
            taken += 1
        self.assertGreater(taken, 1)
        large = spool.capacity * (RESERVE - 1) // RESERVE
        payloads(spool)
        self.assertRaises(SpoolFull, spool.must_hold, 2, (large,))

    def test_larger_than_the_ring(self) -> None:
        """must-survive 78: an entry many times as large as the ring goes through it in pieces, half of it at a time."""
        spool, payload = self.spool(), random.Random(1).randbytes(1_000_000)
        here, found = 0, []
        while here < len(payload):
            here = spool.append_pieces(SESSION, 1, Kind.TO_CLIENT, 5, memoryview(payload), here)
            self.assertLess(spool.used, 0.8)
            found += payloads(spool)
        self.assertEqual(b"".join(found), payload)

    def test_one_owner(self) -> None:
        """A second gateway cannot use the same spool; the file is for its owner only."""
        spool = self.spool()
        self.assertRaises(OperatorError, Spool, spool.path, 64 * 1024)
        self.assertEqual(spool.path.stat().st_mode & 0o777, 0o600)

    def written(self) -> Path:
        path = Path(self.mktemp()) / "x.spool"
        first = Spool(path, 64 * 1024)
        first.append(SESSION, 1, Kind.NOTE, 5, b"kept")
        first.append(SESSION, 2, Kind.NOTE, 5, b"too")
        first.close()
        return path

    def test_comes_back(self) -> None:
        """What was appended is there for the next process, in the size it was written in."""
        again = Spool(self.written(), 1 << 20)
        self.addCleanup(again.close)
        self.assertEqual((again.capacity, again.lost), (64 * 1024, False))
        self.assertEqual(payloads(again), [b"kept", b"too"])

    def test_killed_while_it_drains(self) -> None:
        """Where the tail moved and the zeros were not written yet, the next process goes on behind, and clears them."""
        path = self.written()
        with path.open("r+b") as file:
            file.seek(TAIL)
            file.write((44).to_bytes(8, "little"))
        again = Spool(path, 64 * 1024)
        self.addCleanup(again.close)
        self.assertEqual(bytes(again.slice(PAGE, PAGE + 44)), bytes(44))
        self.assertEqual(payloads(again), [b"too"])

    def test_another_boot(self) -> None:
        """After the machine went down nobody knows which pages were kept: what was held is gone, and it says so."""
        path = self.written()
        with path.open("r+b") as file:
            file.seek(BOOT)
            file.write(b"0" * 36)
        again = Spool(path, 64 * 1024)
        self.addCleanup(again.close)
        self.assertEqual((again.lost, payloads(again)), (True, []))

    def test_not_ours(self) -> None:
        """A file that is not a spool, or one that cannot be right, is an operator's error, and stays as it is."""
        path = Path(self.mktemp())
        path.write_bytes(b"something that somebody needs")
        self.assertRaises(OperatorError, Spool, path, 64 * 1024)
        self.assertEqual(path.read_bytes(), b"something that somebody needs")
        damaged = self.written()
        with damaged.open("r+b") as file:
            file.seek(TAIL)
            file.write((1 << 40).to_bytes(8, "little"))
        self.assertRaises(OperatorError, Spool, damaged, 64 * 1024)
        far = self.written()
        with far.open("r+b") as file:
            for word in (HEAD, TAIL):
                file.seek(word)
                file.write(((1 << 64) - 100).to_bytes(8, "little"))
        self.assertRaises(OperatorError, Spool, far, 64 * 1024)
