"""Recordings past their age go when the gateway is asked to look, and the rest still verifies."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.live.harness import LiveCase, until


class Retention(LiveCase):
    def journals(self) -> list[Path]:
        return sorted((self.stage.state / "recordings/sessions").glob("*/*.hgj"))

    def events(self, code: str) -> list[dict[str, Any]]:
        lines = self.stage.gateway.log.read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in found if event["code"] == code]

    def until(self, question: Any, what: str) -> None:
        self.assertTrue(until(question), what)

    def test_by_a_signal(self) -> None:
        """SIGUSR2, as hoopgw-retention.service sends it: what is past its age goes with an event and without a gap in
        the evidence; other recordings stay, and a live session goes on."""
        self.connect().close()
        self.until(lambda: len(self.events("session.closed")) == 1, "the first session is over")
        id = self.events("session.closed")[0]["session"]
        self.stage.gateway.stop()  # what is in segments goes to journals
        self.stage.gateway.start()
        self.addCleanup(self.stage.gateway.stop)
        live = self.connect()
        live.execute("select 1")
        self.until(lambda: any(path.stem == id for path in self.journals()), "its journal is there")
        [journal] = [path for path in self.journals() if path.stem == id]
        os.utime(journal, (0, 0))  # long ago
        kept = {path.stem for path in self.journals()} - {id}
        os.kill(self.stage.gateway.pid, signal.SIGUSR2)
        self.until(lambda: bool(self.events("recording.retired")), "the event")
        self.assertEqual([event["session"] for event in self.events("recording.retired")], [id])
        self.assertFalse(journal.exists())
        self.assertLessEqual(kept, {path.stem for path in self.journals()})
        live.execute("select 1")
        ran = self.hoopgw("sessions", "verify", str(self.stage.state / "recordings"))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
