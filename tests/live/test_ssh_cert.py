"""A key is certified over HTTPS, from a host that is not the gateway's, and logs in."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from hoopgw.cli.demo.host import new_key
from hoopgw.cli.ssh_cert import PATH
from tests.live.harness import command, environment
from tests.live.ssh_clients import SshCase


class OverHttps(SshCase):
    def setUp(self) -> None:
        super().setUp()
        self.private, self.public = new_key()
        (self.scratch / "key").write_text(self.private)
        (self.scratch / "key").chmod(0o600)
        (self.scratch / "key.pub").write_text(self.public + " somebody@somewhere\n")
        self.base = f"https://127.0.0.1:{self.stage.https_port}"
        self.trusting = ("--ca", str(self.stage.ca))

    def asked(self, *words: str, token: str | None = None) -> tuple[int, dict[str, Any]]:
        """curl's answer: its status and object."""
        header = "" if token == "" else f"Authorization: Bearer {token or self.stage.agent}"
        written = ["-w", "\n%{http_code} %{content_type}", "--cacert", str(self.stage.ca), "-H", header]
        done = self.ran(["curl", "-sS", "--max-time", "30", *written, *words, self.base + PATH])
        self.assertEqual(done.returncode, 0, done.stderr)
        body, _, last = done.stdout.decode().rpartition("\n")
        status, _, kind = last.partition(" ")
        self.assertEqual(kind, "application/json" if status == "200" else "application/problem+json")
        return int(status), json.loads(body)

    def logged_in(self) -> int:
        certificate = f"CertificateFile={self.scratch}/key-cert.pub"
        options = (f"IdentityFile={self.scratch}/key", certificate, "PasswordAuthentication=no")
        status: int = self.ssh("true", options=options).returncode
        return status

    def test_curl(self) -> None:
        """Any client of HTTPS gets one, with its end and an event; ssh logs in by it as the token's owner."""
        status, said = self.asked("--json", json.dumps({"key": self.public}))
        self.assertEqual(status, 200, said)
        (self.scratch / "key-cert.pub").write_text(said["certificate"] + "\n")
        self.assertEqual(self.logged_in(), 0)
        self.assertEqual(json.loads(self.events("session.opened")[-1])["subject"], "agent@demo")
        told = json.loads(self.events("certificate.issued")[-1])
        self.assertEqual((told["subject"], told["client"]), ("agent@demo", "127.0.0.1"))
        self.assertRegex(said["expires"], r"^20\d\d-\d\d-\d\dT[0-9:.]+Z$")

    def test_refused(self) -> None:
        """No token, none that is good, what is no key, too much of it, another method: a problem each."""
        before = len(self.events("certificate.issued"))
        good = json.dumps({"key": self.public})
        for token in ("", "x.y.z"):
            self.assertEqual(self.asked("--json", good, token=token)[0], 401)
        for wrong in ("", "{}", "[1]", '{"key": 1}', '{"key": "x"}', json.dumps({"key": self.private}), "x" * 70_000):
            self.assertEqual(self.asked("--json", wrong)[0], 400, wrong[:40])
        weak = self.scratch / "weak"
        self.ran([str(self.programs["ssh-keygen"]), "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", str(weak)])
        status, said = self.asked("--json", json.dumps({"key": weak.with_suffix(".pub").read_text()}))
        self.assertEqual(status, 403)
        self.assertIn("1024 bits", said["detail"])
        self.told("admin.refused", '"what":"an SSH certificate"')
        self.assertEqual(self.asked()[0], 405)
        self.assertEqual(len(self.events("certificate.issued")), before)

    def told_apart(self, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
        """`hoopgw ssh-cert WORDS` with no configuration and no admin socket at hand, as on another host."""
        nothing = ("--config", "/nonexistent", "--socket", "/nonexistent", "ssh-cert")
        env = environment() | {"HOOPGW_TOKEN": token or self.stage.agent}
        line = str(self.scratch / "key.pub")
        done = command(*nothing, line, *words)
        return subprocess.run(done, env=env, capture_output=True, text=True, timeout=240, check=False)

    def test_command(self) -> None:
        """`hoopgw ssh-cert --gateway` writes it where ssh looks; a token goes to https alone, by a certificate that is
        trusted, and what is no public key goes nowhere."""
        done = self.told_apart("--gateway", self.base, *self.trusting)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is good until 20", done.stdout)
        self.assertEqual(self.logged_in(), 0)
        for words, token, status, said in (
            (("--gateway", self.base.replace("https", "http")), "", 2, "wants https://"),
            (("--gateway", self.base), "", 1, "certificate verify failed"),
            (("--gateway", self.base, *self.trusting), "x.y.z", 1, "says no: 401"),
            (("--gateway", f"https://127.0.0.1:{self.stage.ssh_port}", *self.trusting), "", 1, "cannot be asked"),
            (self.trusting, "", 2, "--ca is about --gateway"),
        ):
            done = self.told_apart(*words, token=token)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(said, done.stderr)
        (self.scratch / "key.pub").write_text(self.private)
        done = self.told_apart("--gateway", self.base, *self.trusting)
        self.assertIn("is not a public key", done.stderr)
        self.assertNotIn("BEGIN", done.stderr)
