"""A gateway that is killed: what it had recorded is found, listed and verified by the next one."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import psycopg

from tests.live.harness import UNTIL, LiveCase, until


class Killed(LiveCase):
    def row(self, id: str) -> dict[str, Any]:
        deadline = time.monotonic() + UNTIL
        while True:
            ran = self.hoopgw("sessions", "show", id, "--quick", "--json")
            found: dict[str, Any] = json.loads(ran.stdout) if ran.returncode == 0 else {}
            if found.get("closed") or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def refused(self, close: bool) -> str:
        """A session that was refused something; its id, by the refusal itself."""
        connection = self.connect("writer")
        connection.execute("select 1")
        error = self.assertRaises(psycopg.Error, connection.execute, "drop table orders")
        assert isinstance(error, psycopg.Error)
        if close:
            connection.close()
        id: str = json.loads(error.diag.message_detail or "")["session"]
        return id

    def test_found_by_the_next(self) -> None:
        """must-survive 59, 82: the session of the last moment, and one that was open, are in the index, with counts."""
        self.hoopgw("sessions", "list")
        closed, open_ = self.refused(close=True), self.refused(close=False)
        log = self.stage.gateway.log  # both are in the spool before the client has its answer; this says: the end too
        ended = [f'"session":"{closed}"', '"code":"session.closed"']
        self.assertTrue(
            until(lambda: [line for line in log.read_text().splitlines() if all(each in line for each in ended)])
        )
        os.kill(self.stage.gateway.pid, signal.SIGKILL)
        self.stage.gateway.stop()
        self.stage.gateway.start()
        for id, interrupted in ((closed, False), (open_, True)):
            row = self.row(id)
            self.assertEqual((row["refused"], row["operations"], row["interrupted"]), (1, 2, interrupted), row)
        listed = json.loads(self.hoopgw("sessions", "list", "--verdict", "refused", "--json").stdout)
        self.assertLessEqual({closed, open_}, {row["id"] for row in listed})
        self.assertEqual(self.connect().execute("select 1").fetchone(), (1,))
        directory = str(self.stage.state / "recordings")
        self.assertEqual(self.hoopgw("sessions", "verify", directory).returncode, 0)
