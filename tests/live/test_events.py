"""What a running gateway says to a SIEM: the lines that docs/events.md shows, in the order of what happened."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from typing import Any

import psycopg

from tests.documented_events import COMMON, mistake
from tests.live.harness import UNTIL, LiveCase, until


class Lines(LiveCase):
    def events(self) -> list[dict[str, Any]]:
        lines = self.stage.gateway.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def live(self) -> list[dict[str, Any]]:
        """Sessions, once the index has both: it is written once a second."""
        return self.listed("--live", count=2)

    def wait_for(self, code: str) -> None:
        self.assertTrue(until(lambda: any(event["code"] == code for event in self.events())), code)

    def sessions(self, code: str) -> set[str]:
        return {event["session"] for event in self.events() if event["code"] == code}

    def test_a_day(self) -> None:
        """Logins, refusals, a hold, a view, a kill, a reload: each its line, as the page shows it."""
        with contextlib.suppress(psycopg.Error):
            self.connect(token=self.stage.stranger)
        reader, writer = self.connect(), self.connect("writer")
        with contextlib.suppress(psycopg.Error):
            reader.execute("drop table orders")
        with contextlib.suppress(psycopg.Error):
            reader.execute("execute nothing")
        held = threading.Thread(target=lambda: writer.execute("delete from orders"))
        held.start()
        self.wait_for("hold.created")
        hold = self.held()
        self.hoopgw("approvals", "approve", hold["id"], token=self.stage.agent)
        self.hoopgw("approvals", "approve", hold["id"], "--reason", "a test")
        held.join(UNTIL)
        (first, *_) = self.live()
        self.hoopgw("sessions", "replay", first["id"], token=self.stage.agent)
        self.hoopgw("sessions", "replay", first["id"])
        for row in self.live():
            self.hoopgw("sessions", "kill", row["id"], "--reason", "a test")
        os.kill(self.stage.gateway.pid, signal.SIGHUP)
        self.wait_for("configuration.reloaded")
        self.assertTrue(until(lambda: self.sessions("session.opened") == self.sessions("session.closed")))
        events = self.events()
        for event in events:
            self.assertEqual(mistake(event["code"], set(event) - COMMON), "")
            self.assertLessEqual(COMMON, set(event))
        wanted = (
            "gateway.started login.refused login.accepted catalogue.refreshed session.opened operation.refused "
            "hold.created decision.refused hold.approved hold.claimed admin.refused recording.viewed "
            "session.killed session.closed configuration.reloaded"
        ).split()
        self.assertEqual(set(wanted) - {event["code"] for event in events}, set())
        for event in events:
            if event["code"] == "session.opened":
                mine = [each["code"] for each in events if each.get("session") == event["session"]]
                self.assertEqual((mine[0], mine.count("session.closed")), ("login.accepted", 1), mine)
