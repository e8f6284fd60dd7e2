"""What is read back of real sessions: replay, show, exports and the verifier, over the admin socket and from files."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.live.harness import UNTIL, LiveCase


class Read(LiveCase):
    def session(self) -> str:
        """The id of a session that is open, after a prepared statement, a COPY, an error and a refusal."""
        connection = self.connect("writer", prepare_threshold=0)
        connection.execute("create temp table brought (n int, said text)")
        for number in (1, 2):
            connection.execute("select n as numbered, %s::int as given from generate_series(1, 2) n", (number,))
        with connection.cursor() as cursor, cursor.copy("copy brought from stdin") as copy:
            copy.write_row((1, "a\tb\\c"))
            copy.write_row((2, None))
        self.assertEqual(connection.execute("select count(*) from brought").fetchone(), (2,))
        self.addCleanup(connection.close)
        return self.newest()

    def test_live_session(self) -> None:
        """Columns have their names, parameters their values, COPY its rows; coverage says what is there."""
        id = self.session()
        lines = [json.loads(line) for line in self.hoopgw("sessions", "replay", id, "--json").stdout.splitlines()]
        rows = [line["values"] for line in lines if line["what"] == "row"]
        for number in ("1", "2"):
            self.assertIn({"numbered": "1", "given": number}, rows)
        self.assertEqual("".join(line["data"] for line in lines if line["what"] == "copy"), "1\ta\\tb\\\\c\n2\t\\N\n")
        self.assertEqual((lines[-1]["what"], lines[-1]["state"], lines[-1]["damaged_chunks"]), ("coverage", "open", 0))
        self.assertEqual(lines[-1]["unread_bytes"], {"to client": 0, "to target": 0})
        script = self.hoopgw("sessions", "export", id, "--format", "sql").stdout
        self.assertIn('INSERT INTO "brought" OVERRIDING SYSTEM VALUE VALUES', script)
        self.assertIn("  ('1', E'a\\tb\\\\c'),\n  ('2', NULL);", script)
        shown = json.loads(self.hoopgw("sessions", "show", id, "--json").stdout)
        self.assertEqual(shown["coverage"]["state"], "open")
        self.assertIn("The session is open", self.hoopgw("sessions", "show", id).stdout)

    def test_exported_journal(self) -> None:
        """The journal of a live session, exported, verifies by itself with the public key, as far as it goes."""
        id = self.session()
        journal = Path(self.mktemp()).absolute()
        key = str(self.stage.state / "recordings" / "recording.pub")
        deadline = time.monotonic() + UNTIL
        while True:  # until the idle session is sealed: before that nothing is signed
            self.hoopgw("sessions", "export", id, "--format", "journal", "--output", str(journal))
            (found,) = json.loads(self.hoopgw("sessions", "verify", str(journal), "--key", key, "--json").stdout)
            if found["verified"] or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        self.assertEqual((found["session"], found["verified"], found["final"]), (id, True, False))
        self.assertGreater(found["coverage"]["operations"], 5)
