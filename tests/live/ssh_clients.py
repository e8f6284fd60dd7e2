"""OpenSSH's clients for the live tests, with nothing of the caller's: no configuration, agent, keys, known hosts."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from hoopgw.cli.demo.host import found
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.surroundings import surroundings
from tests.live.harness import UNTIL, LiveCase, command, environment, until

TIMEOUT = 240.0  # seconds for any client


class SshCase(LiveCase):
    """`ssh`, `scp` and the others that lie beside sshd, as the agent by token unless a test says otherwise."""

    _asking: ClassVar[dict[str, Path]] = {}

    def setUp(self) -> None:
        programs = found()
        assert programs is not None, "`make test` unpacks sshd, sftp-server, ssh and libnss-wrapper"
        self.programs = programs
        super().setUp()
        self.scratch = Path(tempfile.mkdtemp(prefix="hoopgw-ssh-"))
        self.addCleanup(self._remove)

    def _remove(self) -> None:
        subprocess.run(["rm", "-rf", str(self.scratch)], check=True)

    @property
    def home(self) -> Path:
        """Where sessions on the host begin."""
        assert self.stage.host is not None
        return self.stage.host.home

    def openssh(self, name: str, *more: str) -> list[str]:
        """A client's words up to its settings; scp and sftp would start the machine's ssh."""
        starts = ["-S", str(self.programs["ssh"])] if name in {"scp", "sftp"} else []
        return [str(self.programs[name]), *starts, *self.settings(*more)]

    def settings(self, *more: str) -> list[str]:
        given = (
            *more,  # of an option that is given twice OpenSSH takes the first
            f"UserKnownHostsFile={self.stage.known_hosts}",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "NumberOfPasswordPrompts=1",
            "LogLevel=ERROR",
            "ConnectTimeout=60",
        )
        return ["-F", "none", *(word for each in given for word in ("-o", each))]

    def env(self, token: str = "") -> dict[str, str]:
        """ssh asks a program for the password: it stands in no argument and no variable."""
        asking = self.scratch / "asking"
        asking.write_text(f"#!/bin/sh\necho '{token or self.stage.agent}'\n")
        asking.chmod(0o700)
        more = {
            "SSH_ASKPASS": str(asking),
            "SSH_ASKPASS_REQUIRE": "force",
            "DISPLAY": "none",
            "HOME": str(self.scratch),
        }
        kept = surroundings(more | dict(self.programs.environment))
        kept.pop("SSH_AUTH_SOCK", None)
        return kept

    def ssh(self, *words: str, user: str = "web1", options: tuple[str, ...] = (), **more: Any) -> Any:
        """`ssh USER@gateway WORDS`, ended; `more` is for subprocess.run."""
        port = ["-p", str(self.stage.ssh_port)]
        return self.ran([*self.openssh("ssh", *options), *port, f"{user}@127.0.0.1", *words], **more)

    def forgiven(self) -> None:
        """A good login: failures of this address count no more."""
        done = self.ssh("true")
        self.assertEqual(done.returncode, 0, done.stderr)

    def ran(self, command: list[str], token: str = "", **more: Any) -> Any:
        more.setdefault("stdin", subprocess.DEVNULL) if "input" not in more else None
        return subprocess.run(
            command,
            env=self.env(token) | more.pop("env", {}),
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            **more,
        )

    def start(self, *words: str, token: str = "") -> subprocess.Popen[bytes]:
        command = [*self.openssh("ssh"), "-p", str(self.stage.ssh_port), *words]
        process = subprocess.Popen(
            command, env=self.env(token), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def begun_on_terminal(self, *words: str, keys: bytes = b"") -> tuple[subprocess.Popen[bytes], BinaryIO]:
        """`hoopgw WORDS` as the approver on a terminal of its own, and what reads that."""
        main, its = os.openpty()
        env = environment() | {"HOOPGW_TOKEN": self.stage.approver}
        named = command("--socket", str(self.stage.gateway.admin), *words)
        running = subprocess.Popen(named, env=env, stdin=its, stdout=its, stderr=its)
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        os.close(its)
        os.write(main, keys)
        return running, os.fdopen(main, "rb", 0)

    def reconfigured(self, *changes: tuple[str, str]) -> None:
        """The gateway's own file with these words in place of those, reloaded; as it was after the test."""
        config = self.stage.gateway.config
        before = config.read_text()
        text = before
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.reloaded(text)
        self.addCleanup(self.reloaded, before)

    def reloaded(self, text: str) -> None:
        self.stage.gateway.config.write_text(text)
        seen = len(self.events("configuration.reloaded"))
        os.kill(self.stage.gateway.pid, signal.SIGHUP)
        taken = until(lambda: len(self.events("configuration.reloaded")) > seen)
        self.assertTrue(taken, self.events("configuration.kept"))

    def program(self, name: str) -> tuple[Path, dict[str, str]]:
        """One that `make test` fetches, and what its loader needs."""
        programs = Programs.find(name)
        return programs[name], dict(programs.environment)

    def events(self, code: str) -> list[str]:
        lines = self.stage.gateway.log.read_text(errors="replace").splitlines()
        return [line for line in lines if f'"code":"{code}"' in line]

    def told(self, code: str, words: str) -> None:
        """Waits for an event that has these words: what a client's end brings comes when it has gone."""
        self.assertTrue(until(lambda: any(words in line for line in self.events(code))), self.events(code)[-3:])

    def counted(self, code: str, count: int) -> list[str]:
        """The events of this code, which are so many as soon as all of them are there."""
        until(lambda: len(self.events(code)) >= count)
        found = self.events(code)
        self.assertEqual(len(found), count, found)
        return found

    def recorded(self, id: str, words: str, form: str = "jsonl") -> str:
        """The session's export, as soon as it has these words: what is over is written in the background."""
        shown = ""

        def there() -> bool:
            nonlocal shown
            shown = self.hoopgw("sessions", "export", id, "--format", form).stdout
            return words in shown

        self.assertTrue(until(there), shown)
        return shown

    def shown(self, terminal: int, wanted: bytes) -> bytes:
        """What comes from a terminal until it has these bytes."""
        deadline, found = time.monotonic() + UNTIL, b""
        while wanted not in found and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                found += os.read(terminal, 65536)
        self.assertIn(wanted, found)
        return found


def is_root() -> bool:
    return os.geteuid() == 0
