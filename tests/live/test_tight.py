"""A gateway whose disk takes no more, or whose memory is short: nothing that was answered is lost, others go on."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.live.asking import TOLD, Asking, AskingCase
from tests.live.harness import UNTIL, until

ASKING = 4
MORE = 48 << 20  # bytes of memory
LARGE = ", repeat(md5('x'), 100)"


class Tight(AskingCase):
    @contextmanager
    def limited(self, which: int, to: int) -> Iterator[None]:
        """The gateway's own limit; whoever tests may lower it and raise it again, without being root."""
        pid = self.stage.gateway.pid
        before = resource.prlimit(pid, which)
        resource.prlimit(pid, which, (to, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, which, before)

    def test_full_disk(self) -> None:
        """must-survive 59, 74: files that may not grow, the index among them: sessions end and say why, none begins,
        doctor tells it; what was answered is there, and sessions begin once there is room."""
        asking = [Asking(self.connect(), f"full {number}", LARGE) for number in range(ASKING)]
        for each in asking:
            each.start()
        self.assertTrue(until(lambda: min(each.answered for each in asking) > 50))
        with self.limited(resource.RLIMIT_FSIZE, 1):
            for each in asking:
                each.join(UNTIL)
                self.assertIn("recording failed: [Errno 27]", each.error)
            self.assertFalse(self.opens())
            self.assertIn(TOLD, self.hoopgw("doctor").stdout)
        self.assertTrue(until(self.opens))
        self.kept(*asking)

    def test_short_memory(self) -> None:
        """must-survive 5, 76: who asks for more than there is ends, and the record says that it was the gateway; the
        gateway goes on.  Beside it nobody else fails but who asks in that same moment."""
        large, other = self.connect("writer"), Asking(self.connect(), "beside", LARGE)
        large.execute("select 1")
        (id,) = (row["id"] for row in self.listed("--live") if row["role"] == "writer")
        pid = self.stage.gateway.pid
        size = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        other.start()
        with self.limited(resource.RLIMIT_AS, size + MORE):
            self.assertRaises(psycopg.OperationalError, large.execute, b"select length('" + b"a" * 2 * MORE + b"')")
            before = other.answered
            self.assertTrue(until(lambda: other.answered > before + 10 or other.error), "it stands still")
            self.assertTrue(until(self.opens))
        other.enough = True
        other.join(UNTIL)
        if other.error:
            self.assertIn("the gateway failed: MemoryError", other.error)
        self.kept(other)
        words = "the gateway failed: MemoryError"
        self.assertTrue(until(lambda: words in self.hoopgw("sessions", "show", id).stdout))
