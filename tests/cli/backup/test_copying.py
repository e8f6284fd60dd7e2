"""What is copied of a gateway that works is of one moment."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.backup.copying import Recorded, index, moment, pieces
from hoopgw.model.errors import OperatorError

NUMBER = 8  # bytes of each record of these tests
LOOKS = 400
# As the writer and the cutter do: numbers to segments, of which some wait, then to the journal, then the segment goes.
WRITER = f"""
import sys, time
from pathlib import Path
place = Path(sys.argv[1])
journal = (place / "gateway.hgj").open("ab", buffering=0)
waiting = []
for round in range(20_000):
    segment = place / "segments" / f"{{round:08}}.hgs"
    brought = b"".join(each.to_bytes({NUMBER}, "big") for each in range(round * 5, round * 5 + 5))
    segment.write_bytes(brought)
    waiting.append((segment, brought))
    if len(waiting) > 4:
        segment, brought = waiting.pop(0)
        journal.write(brought)
        segment.unlink()
    time.sleep(0.0001)
"""


class Copying(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp()).absolute()
        (self.place / "segments").mkdir(parents=True)
        self.journal = self.place / "gateway.hgj"
        self.journal.touch()

    def test_nothing_is_missing_between(self) -> None:
        """However segments are cut meanwhile: what a settled moment has, it has from the first to its last."""
        # a process of its own: a thread would seldom come between two looks of this one
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(self.place)])
        settled = 0
        try:
            while not self.journal.stat().st_size:
                self.assertIsNone(writer.poll())
                time.sleep(0.01)
            for _ in range(LOOKS):
                found = moment(self.place)
                numbers: set[int] = set()
                for recorded in found.files:
                    data = b"".join(pieces(recorded))
                    self.assertEqual(len(data), recorded.size)
                    numbers |= {int.from_bytes(data[at : at + NUMBER], "big") for at in range(0, len(data), NUMBER)}
                found.close()
                if found.settled:
                    settled += 1
                    self.assertEqual(len(numbers), max(numbers, default=-1) + 1)
        finally:
            writer.kill()
            writer.wait()
        self.assertGreater(settled, 0)

    def test_shorter_than_it_was(self) -> None:
        """A recording that became shorter is told, not filled up."""
        self.journal.write_bytes(b"x" * 10)
        self.assertRaises(OperatorError, list, pieces(Recorded(self.journal, 11)))

    def test_index_that_is_written(self) -> None:
        """What is committed is in the copy, also from the WAL; what is open is not.  A file that is none is refused."""
        path = self.place / "a b?.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE t (n)")
            connection.execute("INSERT INTO t VALUES (1)")
            connection.execute("BEGIN")
            connection.execute("INSERT INTO t VALUES (2)")
            index(path, self.place / "copy")
            connection.execute("ROLLBACK")
        with closing(sqlite3.connect(self.place / "copy")) as copy:
            self.assertEqual(copy.execute("SELECT n FROM t").fetchall(), [(1,)])
        (self.place / "junk").write_bytes(b"no database" * 100)
        self.assertRaises(OperatorError, index, self.place / "junk", self.place / "other")
