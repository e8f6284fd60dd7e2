"""A disk whose syncs do not come back, or fail, under a real gateway: nothing that was answered is lost."""

from __future__ import annotations

import os
import signal
import threading
import time

import psycopg

from hoopgw.cli.demo.stage import Options
from hoopgw.cli.demo.surroundings import tree
from hoopgw.record.chunks import DATA, Joined
from hoopgw.store.recordings import Recordings, session_bytes
from tests.live.harness import UNTIL, LiveCase, until

# the gateway's Python reads this at its start: fdatasync(2) comes back once the one file is gone, and fails while there
# is the other
SITE = """
import os, time
real = os.fdatasync
def fdatasync(file):
    while os.path.exists({flag!r}):
        time.sleep(0.02)
    if os.path.exists({broken!r}):
        raise OSError(5, "Input/output error")
    real(file)
os.fdatasync = fdatasync
"""
STILL = 2.0  # seconds without an answer: it waits.  A gateway gives up after 30


class Asking(threading.Thread):
    """Statement after statement; `answered` are those that were, `error` what ended it."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        super().__init__(daemon=True)
        self._connection = connection
        self.answered = 0
        self.enough = False
        self.error = ""

    def run(self) -> None:
        while not self.enough:
            try:
                self._connection.execute(f"select 'slow disk {self.answered}'".encode())
            except psycopg.OperationalError as error:
                self.error = str(error)
                return
            self.answered += 1
            time.sleep(0.01)

    def waits(self) -> bool:
        """Soon: no statement is answered any more."""
        last, since = -1, time.monotonic()

        def still() -> bool:
            nonlocal last, since
            if self.answered != last:
                last, since = self.answered, time.monotonic()
            return last > 0 and time.monotonic() - since > STILL

        return bool(until(still))


class SlowDisk(LiveCase):
    options = Options(gateway=False)

    def setUp(self) -> None:
        super().setUp()
        self.flag = self.stage.place / "the-disk-hangs"
        self.broken = self.stage.place / "the-disk-is-broken"
        for flag in (self.flag, self.broken):
            self.addCleanup(flag.unlink, missing_ok=True)
        site = self.stage.place / "site"
        self.python = {"PYTHONPATH": f"{site}:{tree()}"}
        if not site.exists():  # the first test of all
            site.mkdir()
            (site / "sitecustomize.py").write_text(SITE.format(flag=str(self.flag), broken=str(self.broken)))
            self.stage.gateway.start(self.python)

    def hanging(self) -> Asking:
        """A session that asks, of which some is answered, on a disk that hangs since then."""
        asking = Asking(self.connect())
        asking.start()
        self.assertTrue(until(lambda: asking.answered > 3), asking.error)
        self.flag.touch()
        self.assertTrue(asking.waits(), f"{asking.answered} were answered: {asking.error}")
        self.assertEqual(asking.error, "")
        return asking

    def recorded(self) -> bytes:
        recordings, found = Recordings(self.stage.state / "recordings"), b""
        for id in recordings.sessions():
            joined = Joined()
            for chunk in recordings.chunks(session_bytes(id)):
                if chunk.header.kind == DATA:
                    found += b"".join(entry.payload for entry in joined.of(chunk.raw()))
        return found

    def kept(self, answered: int) -> None:
        """All that was answered is in a recording, and they verify."""

        def lacking() -> list[int]:
            found = self.recorded()
            return [number for number in range(answered) if b"'slow disk %d'" % number not in found]

        self.assertTrue(until(lambda: not lacking()), lacking())
        ran = self.hoopgw("sessions", "verify", str(self.stage.state / "recordings"))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_well_again(self) -> None:
        """must-survive 59: sessions wait, the gateway itself does not, and once syncs come back they go on."""
        asking = self.hanging()
        self.assertEqual(self.hoopgw("sessions", "list").returncode, 0)
        before = asking.answered
        self.flag.unlink()
        self.assertTrue(until(lambda: asking.answered > before + 3 or asking.error), "it does not go on")
        asking.enough = True
        asking.join(UNTIL)
        self.assertEqual(asking.error, "")
        self.assertEqual(self.connect().execute("select 1").fetchone(), (1,))
        self.kept(asking.answered)

    def test_broken_and_well_again(self) -> None:
        """must-survive 59: EIO of each sync: sessions end and say why, none begins, doctor tells it; what was answered
        is there, also where the gateway is killed meanwhile, and sessions begin once the disk is well."""
        for killed in (False, True):
            asking = Asking(self.connect())
            asking.start()
            self.assertTrue(until(lambda asking=asking: asking.answered > 3), asking.error)
            self.broken.touch()
            asking.join(UNTIL)
            self.assertIn("recording failed: [Errno 5]", asking.error)
            self.assertRaises(psycopg.OperationalError, self.connect)
            self.assertIn("WRONG  gateway: is not well: recordings cannot be written", self.hoopgw("doctor").stdout)
            if killed:
                os.kill(self.stage.gateway.pid, signal.SIGKILL)
                self.stage.gateway.stop()
            self.broken.unlink()
            if killed:
                self.stage.gateway.start(self.python)
            self.assertTrue(until(self.opens))
            self.kept(asking.answered)

    def opens(self) -> bool:
        try:
            return self.connect().execute("select 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def test_killed_while_it_hangs(self) -> None:
        """must-survive 59: what was answered and is on no disk yet when the gateway is killed is found by the next."""
        asking = self.hanging()
        os.kill(self.stage.gateway.pid, signal.SIGKILL)
        asking.join(UNTIL)
        self.stage.gateway.stop()
        self.flag.unlink()
        self.assertNotEqual(asking.error, "")
        self.stage.gateway.start(self.python)
        self.kept(asking.answered)
