"""A disk whose syncs do not come back, or fail, under a real gateway: nothing that was answered is lost."""

from __future__ import annotations

import os
import signal

import psycopg

from hoopgw.cli.demo.stage import Options
from hoopgw.cli.demo.surroundings import tree
from tests.live.asking import TOLD, Asking, AskingCase
from tests.live.harness import UNTIL, until

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


class SlowDisk(AskingCase):
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

    def asking(self) -> Asking:
        """A session of which some is answered."""
        found = Asking(self.connect(), "slow disk", pause=0.01)
        found.start()
        self.assertTrue(until(lambda: found.answered > 3), found.error)
        return found

    def hanging(self) -> Asking:
        """A session that asks, of which some is answered, on a disk that hangs since then."""
        asking = self.asking()
        self.flag.touch()
        self.assertTrue(asking.waits(), f"{asking.answered} were answered: {asking.error}")
        self.assertEqual(asking.error, "")
        return asking

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
        self.kept(asking)

    def test_broken_and_well_again(self) -> None:
        """must-survive 59: EIO of each sync: sessions end and say why, none begins, doctor tells it; what was answered
        is there, also where the gateway is killed meanwhile, and sessions begin once the disk is well."""
        for killed in (False, True):
            asking = self.asking()
            self.broken.touch()
            asking.join(UNTIL)
            self.assertIn("recording failed: [Errno 5]", asking.error)
            self.assertRaises(psycopg.OperationalError, self.connect)
            self.assertIn(TOLD, self.hoopgw("doctor").stdout)
            if killed:
                os.kill(self.stage.gateway.pid, signal.SIGKILL)
                self.stage.gateway.stop()
            self.broken.unlink()
            if killed:
                self.stage.gateway.start(self.python)
            self.assertTrue(until(self.opens))
            self.kept(asking)

    def test_killed_while_it_hangs(self) -> None:
        """must-survive 59: what was answered and is on no disk yet when the gateway is killed is found by the next."""
        asking = self.hanging()
        os.kill(self.stage.gateway.pid, signal.SIGKILL)
        asking.join(UNTIL)
        self.stage.gateway.stop()
        self.flag.unlink()
        self.assertNotEqual(asking.error, "")
        self.stage.gateway.start(self.python)
        self.kept(asking)
