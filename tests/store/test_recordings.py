"""Where recordings lie: nothing that somebody sends or plants moves one out of its root."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.chunks import DATA, GATEWAY, NO_DIGEST, Chunk, Header
from hoopgw.store import cutting, recordings
from hoopgw.store.ages import Ages
from hoopgw.store.cutting import Cutter
from hoopgw.store.recordings import Recordings, located, session_bytes, session_id

SESSION = b"s" * 16
OTHER = b"t" * 16


def chunk(number: int, session: bytes = SESSION) -> bytes:
    body = b"body of %d" % number
    return Chunk(Header(DATA, session, number, NO_DIGEST, 1, 1, 0, 0, 1, 1, 4, len(body)), body).stored()


class Places(SynchronousTestCase):
    def setUp(self) -> None:
        self.recordings = Recordings(Path(self.mktemp()))
        (self.recordings.directory / "segments").mkdir(parents=True)

    def segment(self, *chunks: bytes) -> Path:
        path = self.recordings.directory / "segments/00000001.hgs"
        path.write_bytes(b"".join(chunks))
        return path

    def cut(self, path: Path) -> Cutter:
        cutter = Cutter(self.recordings, Ages(self.recordings.directory / "ages"))
        cutter.add([path])
        cutter.cut()
        return cutter

    def test_ids_never_become_paths(self) -> None:
        """must-survive 37: a name that is no session's id is never looked for."""
        for name in (
            "../../etc/passwd",
            "s_../../../../../../etc/x",
            "s_" + "a" * 21,
            "s_" + "a" * 23,
            "s_" + "a" * 21 + "/",
        ):
            self.assertRaises(ValueError, session_bytes, name)

    def test_one_journal_that_cannot_be_written(self) -> None:
        """must-survive 60: it keeps its own segments, told once; others are cut, and it is once that can be done."""
        told: list[str] = []
        cutter = Cutter(self.recordings, Ages(self.recordings.directory / "ages"), told.append)
        in_the_way = self.recordings.journal(SESSION)
        in_the_way.mkdir(parents=True)
        both = self.segment(chunk(0), chunk(0, OTHER))
        alone = self.recordings.directory / "segments/00000002.hgs"
        alone.write_bytes(chunk(1, OTHER))
        cutter.add([both, alone])
        for _ in range(2):
            cutter.cut()
        self.assertEqual(told, [f"{in_the_way}: Is a directory"])
        self.assertTrue(both.exists())
        self.assertFalse(alone.exists())
        self.assertEqual(self.recordings.journal(OTHER).read_bytes(), chunk(0, OTHER) + chunk(1, OTHER))
        in_the_way.rmdir()
        cutter.cut()
        self.assertEqual(told[1:], [""])
        self.assertFalse(both.exists())
        self.assertEqual(self.recordings.journal(SESSION).read_bytes(), chunk(0))
        self.assertEqual(self.recordings.journal(OTHER).read_bytes(), chunk(0, OTHER) + chunk(1, OTHER))

    def test_a_stop_beside_a_cut(self) -> None:
        """What is added while a cut is under way is cut before the end, which waits a while for a sync."""
        synced, under_way, well = os.fdatasync, threading.Event(), threading.Event()
        self.addCleanup(well.set)

        def sync(file: int) -> None:
            under_way.set()
            well.wait(60)
            synced(file)

        self.patch(os, "fdatasync", sync)
        cutter = Cutter(self.recordings, Ages(self.recordings.directory / "ages"))
        cutter.start()
        cutter.add([self.segment(chunk(0))])
        self.assertTrue(under_way.wait(60))
        then = self.recordings.directory / "segments/00000002.hgs"
        then.write_bytes(chunk(1))
        cutter.add([then])
        self.patch(cutting, "STOPPING", 0.2)
        began = time.monotonic()
        cutter.stop()
        self.assertLess(time.monotonic() - began, 30)
        self.assertTrue(then.exists())
        self.patch(cutting, "STOPPING", 60.0)
        well.set()
        cutter.stop()
        self.assertFalse(then.exists())
        self.assertEqual(self.recordings.journal(SESSION).read_bytes(), chunk(0) + chunk(1))

    def test_a_planted_link(self) -> None:
        """must-survive 37: a symbolic link in a journal's place is not followed, and the segment stays."""
        victim = Path(self.mktemp())
        victim.write_bytes(b"something else")
        journal = self.recordings.journal(SESSION)
        journal.parent.mkdir(parents=True)
        journal.symlink_to(victim.absolute())
        path = self.segment(chunk(0))
        self.assertNotEqual(self.cut(path).failure, "")
        self.assertEqual(victim.read_bytes(), b"something else")
        self.assertTrue(path.exists())
        journal.unlink()
        self.assertEqual(self.cut(path).failure, "")
        self.assertFalse(path.exists())
        self.assertEqual(journal.read_bytes(), chunk(0))

    def test_killed_while_it_cuts(self) -> None:
        """What an earlier try left of a chunk is written over; what is something else stays, and is written behind."""
        for left, wanted in ((chunk(1)[:50], b""), (b"junk", b"junk")):
            path = self.segment(chunk(0), chunk(1), chunk(2, GATEWAY))
            journal = self.recordings.journal(SESSION)
            journal.parent.mkdir(parents=True, exist_ok=True)
            journal.write_bytes(chunk(0) + left)
            self.assertEqual(self.cut(path).failure, "")
            self.assertEqual(journal.read_bytes(), chunk(0) + wanted + chunk(1))

    def test_search_is_bounded(self) -> None:
        """Junk full of headers is given up, not hashed for ever; what is sound before it is found."""
        self.patch(recordings, "MAX_HASHED", 1 << 20)
        fake = chunk(7)[:112] + (1000).to_bytes(4, "little") + (60_000).to_bytes(4, "little")
        path = self.segment(chunk(0), fake * 2000)
        with path.open("rb") as file:
            self.assertEqual([header.number for header, _, _ in located(file)], [0])

    def test_ids(self) -> None:
        """An id and its bytes are one another's."""
        for raw in (os.urandom(16), bytes(16), b"\xff" * 16):
            self.assertEqual(session_bytes(session_id(raw)), raw)
