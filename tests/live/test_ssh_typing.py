"""What is typed on a terminal of a real host: noted as it was shown, and what was not shown nowhere at all."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import ClassVar

from hoopgw.cli.demo.stage import Options
from tests.live.harness import UNTIL
from tests.live.ssh_clients import SshCase

RULES = """
[guardrail.test-watch]
protocol = "ssh"
operation = ["typed"]
program = ["uptime"]
then = "warn"
reason = "somebody looks"

[guardrail.test-never]
protocol = "ssh"
operation = ["typed"]
program = ["mkfs*"]
then = "end"
reason = "no file systems are made here"
"""


class Typed(SshCase):
    options: ClassVar[Options] = Options(more={"guardrails.d/90-test.toml": RULES})

    def shell(self) -> None:
        """A bash on the host, on a terminal."""
        self.main, its = pty.openpty()
        self.addCleanup(os.close, self.main)
        program = "TERM=xterm PS1='here> ' HISTFILE= exec /bin/bash --norc -i"
        command = [*self.openssh("ssh"), "-tt", "-p", str(self.stage.ssh_port), "web1@127.0.0.1", program]
        self.running = subprocess.Popen(
            command, env=self.env(), stdin=its, stdout=its, stderr=its, start_new_session=True
        )
        os.close(its)
        self.addCleanup(self.running.wait)
        self.addCleanup(self.running.kill)
        self.types(b"", b"here> ")

    def types(self, keys: bytes, until: bytes) -> bytes:
        os.write(self.main, keys)
        return self.shown(self.main, until)

    def notes(self, id: str) -> list[dict[str, object]]:
        """Of the session's lines, when it is over."""
        self.exported = self.recorded(id, '"close"')
        lines = [json.loads(line) for line in self.exported.splitlines()]
        return [line for line in lines if line.get("code") == "terminal.typed"]

    def session(self) -> str:
        return str(json.loads(self.events("session.opened")[-1])["session"])

    def test_lines(self) -> None:
        """Lines and where they come from; a password at a prompt is nowhere, in no entry, event or index."""
        self.shell()
        id = self.session()
        self.types(b"echo one\r", b"here> ")
        self.types(b"\x1b[A", b"echo one")
        self.types(b"\r", b"here> ")
        self.types(b"read -s -p 'Pass''word: ' P\r", b"Password: ")
        self.types(b"n0t-t0-be-s3en\r", b"here> ")
        self.types(b"uptime -V\r", b"here> ")
        self.types(b"exit 3\r", b"exit")
        self.assertEqual(self.running.wait(UNTIL), 3)
        notes = self.notes(id)
        wanted = [
            ("echo one", "echoed"),
            ("echo one", "read from the screen"),
            ("read -s -p 'Pass''word: ' P", "echoed"),
            (None, "not shown"),
            ("uptime -V", "echoed"),
            ("exit 3", "echoed"),
        ]
        self.assertEqual([(note.get("text"), note["confidence"]) for note in notes], wanted)
        self.assertTrue(all(note["exact"] is False for note in notes))
        self.assertEqual((notes[3]["keys"], notes[4]["guardrails"]), (14, ["test-watch"]))
        self.assertNotIn("n0t-t0-be-s3en", self.exported)
        self.assertIn("*" * 14, self.exported)
        everything = subprocess.run(
            ["grep", "-rlaF", "n0t-t0-be-s3en", str(self.stage.place)], capture_output=True, check=False
        )
        self.assertEqual(everything.stdout, b"")
        (warned,) = [json.loads(line) for line in self.events("terminal.typed") if id in line]
        self.assertEqual((warned["guardrails"], warned["reason"]), (["test-watch"], "somebody looks"))

    def test_ended(self) -> None:
        """A rule that ends the session does; the client reads why."""
        self.shell()
        id = self.session()
        self.types(b"mkfs.ext4 -V\r", b"no file systems are made here")
        self.assertEqual(self.running.wait(UNTIL), 255)
        self.told("session.stopped", id)
        (stopped,) = [json.loads(line) for line in self.events("session.stopped") if id in line]
        self.assertEqual(stopped["reason"], "no file systems are made here")
        self.assertEqual(self.notes(id)[-1]["guardrails"], ["test-never"])
