"""A machine's clock that is set wrong, under a real gateway: nothing that was recorded is lost by it."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import psycopg

from hoopgw.cli.demo.stage import Options
from hoopgw.cli.demo.surroundings import tree
from tests.live.harness import LiveCase, until

# the gateway's Python reads this at its start: the file says how many seconds its time of day is ahead of the true one
SITE = """
import time
real, real_ns = time.time, time.time_ns
def ahead():
    with open({path!r}) as file:
        return int(file.read())
time.time = lambda: real() + ahead()
time.time_ns = lambda: real_ns() + ahead() * 10**9
"""
YEARS = 3 * 365 * 86400


class Clocks(LiveCase):
    options = Options(gateway=False)

    def setUp(self) -> None:
        super().setUp()
        self.clock = self.stage.place / "clock"
        site = self.stage.place / "site"
        self.python = {"PYTHONPATH": f"{site}:{tree()}"}
        self.set(0)
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(SITE.format(path=str(self.clock)))
        self.stage.gateway.start(self.python)
        self.addCleanup(self.stage.gateway.stop)

    def set(self, ahead: int) -> None:
        """The gateway's time of day, by so many seconds of the true one."""
        written = self.clock.with_suffix(".new")
        written.write_text(str(ahead))
        written.replace(self.clock)

    def journals(self) -> set[str]:
        return {path.stem for path in (self.stage.state / "recordings/sessions").glob("*/*.hgj")}

    def again(self) -> None:
        self.stage.gateway.stop()
        self.stage.gateway.start(self.python)

    def recorded(self) -> str:
        """A session that is over, in a journal of its own."""
        connection = self.connect()
        connection.execute("select 'kept'")
        id = self.newest()
        connection.close()
        self.again()
        self.assertTrue(until(lambda: id in self.journals()))
        return id

    def events(self, code: str) -> list[dict[str, Any]]:
        lines = self.stage.gateway.log.read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in found if event["code"] == code]

    def verified(self) -> None:
        ran = self.hoopgw("sessions", "verify", str(self.stage.state / "recordings"))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_years_ahead(self) -> None:
        """must-survive 59: while it runs, and at a start: no recording is past its age by that, and it is said."""
        kept, there = self.recorded(), self.connect()
        self.set(YEARS)
        os.kill(self.stage.gateway.pid, signal.SIGUSR2)
        time.sleep(1)
        self.assertIn(kept, self.journals(), "deleted")
        with self.assertRaises(psycopg.OperationalError):  # its token is over by that clock: a session ends for it
            for _ in range(600):
                there.execute("select 1")
                time.sleep(0.1)
        self.again()
        os.kill(self.stage.gateway.pid, signal.SIGUSR2)
        self.assertTrue(until(lambda: self.events("retention.doubted")), "nobody hears of it")
        self.assertIn("WRONG  retention: the machine's clock is", self.hoopgw("doctor").stdout)
        self.assertIn(kept, self.journals())
        self.set(0)
        self.again()
        self.assertNotIn("retention:", self.hoopgw("doctor").stdout)
        self.assertEqual(self.events("recording.retired"), [])
        self.verified()

    def test_years_behind(self) -> None:
        """must-survive 59: a session that is there asks on while the clock is set back and right again; its statements
        are recorded, and all verifies."""
        there = self.connect()
        for ahead in (0, -YEARS, 0):
            self.set(ahead)
            for number in range(20):
                there.execute(f"select 'at {ahead} {number}'".encode())
                time.sleep(0.02)
        id = self.newest()
        there.close()
        self.again()
        said = self.hoopgw("sessions", "replay", id).stdout
        for ahead in (0, -YEARS):
            for number in range(20):
                self.assertIn(f"'at {ahead} {number}'", said)
        self.assertEqual(self.connect().execute("select 1").fetchone(), (1,))
        self.verified()
