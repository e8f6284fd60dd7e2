"""People who log in with a browser: OpenSSH's client shows the address and the code, a real issuer waits for them."""

from __future__ import annotations

import re
import subprocess
from typing import ClassVar

from hoopgw.cli.demo.configuration import AGENT
from hoopgw.cli.demo.stage import Options
from tests.live.harness import UNTIL, until
from tests.live.ssh_clients import SshCase

INTERACTIVE = ("PreferredAuthentications=keyboard-interactive", "LogLevel=INFO")


class People(SshCase):
    options: ClassVar[Options] = Options()

    def setUp(self) -> None:
        super().setUp()
        config = self.stage.gateway.config
        if "client_id" not in config.read_text():
            self.reloaded(config.read_text().replace("[oidc.demo]\n", '[oidc.demo]\nclient_id = "ssh"\n'))

    def begun(self) -> tuple[subprocess.Popen[bytes], str]:
        """ssh, whose user pressed Enter, and the code that it shows."""
        env = self.env()
        (self.scratch / "asking").write_text("#!/bin/sh\necho\n")
        port = ["-p", str(self.stage.ssh_port)]
        words = [*self.openssh("ssh", *INTERACTIVE), *port, "web1@127.0.0.1", "echo in"]
        process = subprocess.Popen(
            words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        assert process.stderr is not None
        for line in process.stderr:
            found = re.search(rb"Open (https://\S+/enter) and confirm the code ([0-9A-F]+)", line)
            if found:
                return process, found[2].decode()
        raise AssertionError(process.wait(UNTIL))

    def confirm(self, code: str, token: str | None) -> int:
        return self.stage.issuer.confirm(code, token)

    def test_confirmed(self) -> None:
        """Confirmed in the browser: in, as the token says; no token and no device code is in any log."""
        process, code = self.begun()
        token = self.stage.issuer.mint("ann@demo", AGENT)
        self.assertGreaterEqual(self.confirm(code, token), 0)
        out, err = process.communicate(timeout=UNTIL)
        self.assertEqual((process.returncode, out), (0, b"in\n"), err)
        self.told("session.opened", '"subject":"ann@demo"')
        self.assertNotIn(token[-20:], self.stage.gateway.log.read_text() + err.decode())

    def test_denied(self) -> None:
        """Denied, or confirmed by somebody without a grant: not in, and an event says why."""
        for token, words in (
            (None, "access_denied"),
            (self.stage.stranger, "no grant lets stranger@demo"),
            ("x.y.z", "token"),
        ):
            process, code = self.begun()
            self.confirm(code, token)
            process.communicate(timeout=UNTIL)
            self.assertEqual(process.returncode, 255)
            self.told("login.refused", words)
            self.forgiven()

    def test_each_code_is_one_login(self) -> None:
        """must-survive 53: what one person confirms finishes that login, and nobody else's that waits beside it."""
        first, mine = self.begun()
        second, theirs = self.begun()
        self.assertNotEqual(mine, theirs)
        self.assertGreaterEqual(self.confirm(theirs, self.stage.issuer.mint("ben@demo", AGENT)), 0)
        out, err = second.communicate(timeout=UNTIL)
        self.assertEqual((second.returncode, out), (0, b"in\n"), err)
        self.assertIsNone(first.poll())
        self.told("session.opened", '"subject":"ben@demo"')
        self.confirm(mine, None)
        first.communicate(timeout=UNTIL)
        self.assertEqual(first.returncode, 255)
        self.forgiven()

    def test_gone(self) -> None:
        """The client leaves: the issuer is asked no more."""
        process, code = self.begun()
        process.kill()
        process.wait()
        _, other = self.begun()  # somebody else waits on: so long as the gateway asks for that one
        self.asked(other, 1)  # a question on its way has come
        polls = self.stage.issuer.polls(code)
        self.asked(other, self.stage.issuer.polls(other) + 3)
        self.assertEqual(self.stage.issuer.polls(code), polls)
        self.forgiven()

    def asked(self, code: str, times: int) -> None:
        """Until the gateway has asked so often."""
        self.assertTrue(until(lambda: self.stage.issuer.polls(code) >= times))

    def test_token(self) -> None:
        """A token as the answer is a login by token: who has one needs no browser, whatever ssh tries first."""
        self.assertEqual(self.ssh("true").returncode, 0)
        self.assertEqual(self.ssh("true", options=INTERACTIVE).returncode, 0)
        opened = self.events("session.opened")[-1]
        self.assertIn("agent@demo", opened)
        done = self.ssh("true", options=INTERACTIVE, token=self.stage.agent[:-8] + "AAAAAAAA")
        self.assertEqual(done.returncode, 255)
        self.assertNotIn(self.stage.agent[:40].encode(), done.stderr)
        self.forgiven()
