"""A rule that holds everything of a host holds whatever way one comes in by: nothing runs and nothing is written."""

from __future__ import annotations

from typing import ClassVar

from hoopgw.cli.demo.stage import Options
from tests.live.ssh_clients import SshCase

EVERYTHING = """
[guardrail.everything]
protocol = "ssh"
operation = ["exec", "shell", "subsystem", "forward"]
then = { hold = { approvers = ["dba"], wait = "1s", expires = "5m" } }
"""


class EveryDoor(SshCase):
    options: ClassVar[Options] = Options(more={"guardrails.d/05-everything.toml": EVERYTHING})

    def test_held(self) -> None:
        """must-survive 39: commands, shells, scp in both modes, sftp and forwards wait for the same approval."""
        (self.scratch / "file").write_text("x")
        port, place = str(self.stage.ssh_port), f"{self.scratch}/file"
        batch = self.scratch / "batch"
        batch.write_text(f"put {place} door\n")
        doors = {
            "command": [*self.openssh("ssh"), "-p", port, "web1@127.0.0.1", "touch door"],
            "terminal": [*self.openssh("ssh"), "-p", port, "-tt", "web1@127.0.0.1", "touch door"],
            "shell": [*self.openssh("ssh"), "-p", port, "web1@127.0.0.1"],
            "scp": [*self.openssh("scp"), "-P", port, place, "web1@127.0.0.1:door"],
            "scp -O": [*self.openssh("scp"), "-O", "-P", port, place, "web1@127.0.0.1:door"],
            "sftp": [*self.openssh("sftp", "BatchMode=no"), "-P", port, "-b", str(batch), "web1@127.0.0.1"],
            "-W": [*self.openssh("ssh"), "-p", port, "-W", "127.0.0.1:22", "web1@127.0.0.1"],
        }
        for name, words in doors.items():
            held = self.held()
            done = self.ran(words, input=b"touch door\n")
            self.assertNotEqual(done.returncode, 0, (name, done.stdout, done.stderr))
            self.assertFalse((self.home / "door").exists(), name)
            if name != "-W":  # a forward that no grant names is refused at once
                self.assertGreater(self.held(), held, name)

    def held(self) -> int:
        """The same subsystem again joins the hold that waits."""
        return len(self.events("hold.created")) + len(self.events("hold.joined"))
