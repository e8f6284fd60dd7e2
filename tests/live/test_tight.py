"""A gateway whose disk takes no more, or whose memory is short: nothing that was answered is lost, others go on."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from hoopgw.record.chunks import DATA, Joined
from hoopgw.store.recordings import Recordings, session_bytes
from tests.live.harness import UNTIL, LiveCase, until

ASKING = 4
MORE = 48 << 20  # bytes of memory


class Asking(threading.Thread):
    """Statement after statement; `answered` are those that were, `error` what ended it."""

    def __init__(self, connection: psycopg.Connection[Any], name: str) -> None:
        super().__init__(daemon=True)
        self._connection, self.name = connection, name
        self.answered = 0
        self.enough = False
        self.error: psycopg.Error | None = None

    def run(self) -> None:
        while not self.enough:
            try:
                self._connection.execute(f"select '{self.name} {self.answered}.', repeat(md5('x'), 100)".encode())
            except psycopg.Error as error:
                self.error = error
                return
            self.answered += 1


class Tight(LiveCase):
    def recorded(self) -> bytes:
        recordings, found = Recordings(self.stage.state / "recordings"), b""
        for id in recordings.sessions():
            joined = Joined()
            for chunk in recordings.chunks(session_bytes(id)):
                if chunk.header.kind == DATA:
                    found += b"".join(entry.payload for entry in joined.of(chunk.raw()))
        return found

    def kept(self, *asking: Asking) -> None:
        """All that was answered is in a recording, and they verify."""

        def lacking() -> list[str]:
            found = self.recorded()
            every = (f"'{each.name} {number}.'" for each in asking for number in range(each.answered))
            return [words for words in every if words.encode() not in found]

        self.assertTrue(until(lambda: not lacking()), lacking()[:3])
        ran = self.hoopgw("sessions", "verify", str(self.stage.state / "recordings"))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def opens(self) -> bool:
        try:
            return self.connect().execute("select 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

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
        asking = [Asking(self.connect(), f"full {number}") for number in range(ASKING)]
        for each in asking:
            each.start()
        self.assertTrue(until(lambda: min(each.answered for each in asking) > 50))
        with self.limited(resource.RLIMIT_FSIZE, 1):
            for each in asking:
                each.join(UNTIL)
                self.assertIn("recording failed: [Errno 27]", str(each.error))
            self.assertFalse(self.opens())
            self.assertIn("WRONG  gateway: is not well: recordings cannot be written", self.hoopgw("doctor").stdout)
        self.assertTrue(until(self.opens))
        self.kept(*asking)

    def test_short_memory(self) -> None:
        """must-survive 5, 76: who asks for more than there is ends, and the record says that it was the gateway; the
        gateway goes on.  Beside it nobody else fails but who asks in that same moment."""
        large, other = self.connect("writer"), Asking(self.connect(), "beside")
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
        if other.error is not None:
            self.assertIn("the gateway failed: MemoryError", str(other.error))
        self.kept(other)
        words = "the gateway failed: MemoryError"
        self.assertTrue(until(lambda: words in self.hoopgw("sessions", "show", id).stdout))
