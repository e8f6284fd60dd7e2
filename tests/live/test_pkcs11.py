"""A gateway whose signing keys are in a token of SoftHSM: what it seals verifies; without the token it stops."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from hoopgw.cli.demo.children import ChildFailed
from hoopgw.cli.demo.host import new_key
from hoopgw.cli.demo.stage import Options
from hoopgw.cli.ssh_cert import PATH
from tests.live.harness import until
from tests.live.ssh_clients import SshCase
from tests.live.test_ssh_targets import Host
from tests.softhsm import SoftHsm

ROLES = ("seal", "login", "target")


class InToken(SshCase):
    options: ClassVar[Options] = Options(gateway=False)
    token: ClassVar[SoftHsm]
    keys: ClassVar[dict[str, Ed25519PrivateKey]] = {}

    def setUp(self) -> None:
        super().setUp()
        if not self.keys:
            token = InToken.token = SoftHsm(Path(self.stage.place) / "hsm")
            InToken.keys = {name: token.put(name) for name in ROLES}
            self.named({name: token.uri(name) for name in ROLES})
        self.addCleanup(self.token.begin())

    def named(self, uris: dict[str, str]) -> None:
        """By the configuration, from the next start on."""
        config = self.stage.gateway.config
        text = config.read_text()
        text = text.replace("[recordings]\n", f'[recordings]\nseal_every = "1s"\nsigning_key = "{uris["seal"]}"\n')
        more = f'login_authority = "{uris["login"]}"\ntarget_authority = "{uris["target"]}"\n'
        config.write_text(text.replace("[ssh]\n", f"[ssh]\n{more}"))

    def started(self) -> None:
        self.stage.gateway.start()
        self.addCleanup(self.stage.gateway.stop)

    @contextmanager
    def away(self) -> Iterator[None]:
        gone = self.token.tokens.with_name("gone")
        self.token.tokens.rename(gone)
        self.token.tokens.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(self.token.tokens)
            gone.rename(self.token.tokens)

    def line(self, name: str) -> str:
        return self.keys[name].public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    def verified(self) -> None:
        """Every recording, by the public key that the gateway puts beside them."""
        done = self.hoopgw("sessions", "verify", str(self.stage.state / "recordings"), "--json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue(json.loads(done.stdout))

    def certified(self) -> tuple[str, ...]:
        """Options of ssh for a key that was certified over HTTPS."""
        private, public = new_key()
        (self.scratch / "key").write_text(private)
        (self.scratch / "key").chmod(0o600)
        status, said = self.asked(public)
        self.assertEqual(status, "200", said)
        (self.scratch / "key-cert.pub").write_text(json.loads(said)["certificate"] + "\n")
        certificate = f"CertificateFile={self.scratch}/key-cert.pub"
        return (f"IdentityFile={self.scratch}/key", certificate, "PasswordAuthentication=no")

    def asked(self, public: str) -> tuple[str, str]:
        words = ["curl", "-sS", "-w", "\n%{http_code}", "--cacert", str(self.stage.ca), "--max-time", "30"]
        words += ["-H", f"Authorization: Bearer {self.stage.agent}", "--json", json.dumps({"key": public})]
        done = self.ran([*words, f"https://127.0.0.1:{self.stage.https_port}{PATH}"])
        body, _, status = done.stdout.decode().rpartition("\n")
        return status, body

    def test_signs(self) -> None:
        """Seals, certificates of clients and those towards targets, each by a key of the token: sealed recordings
        verify, ssh gets in, and nothing of these keys is in the state directory."""
        self.started()
        self.assertEqual(self.connect().execute("select 1").fetchone(), (1,))
        self.assertEqual(self.ssh("true", options=self.certified()).returncode, 0)
        self.assertEqual(json.loads(self.events("session.opened")[-1])["subject"], "agent@demo")
        line = self.hoopgw("targets", "authority").stdout
        self.assertEqual(line.split()[:2], self.line("target").split())
        host = self.host(line)
        self.assertEqual(self.ssh("echo in", user="web2").stdout, b"in\n")
        self.assertIn("ID agent@demo ", (host._directory / "sshd.log").read_text())
        doctor = {each["what"]: each for each in json.loads(self.hoopgw("doctor", "--json").stdout)}
        self.assertTrue(doctor["token hoopgw"]["good"], doctor)
        self.stage.gateway.stop()
        self.verified()
        kept = {path.name for path in (self.stage.state / "keys").iterdir()}
        self.assertFalse(kept & {"recording.key", "ssh_login_authority", "ssh_target_authority"}, kept)
        sealed = load_pem_public_key((self.stage.state / "recordings/recording.pub").read_bytes())
        self.assertEqual(sealed, self.keys["seal"].public_key())

    def host(self, authority: str) -> Host:
        """[target.web2], a host that trusts the gateway's authority alone; known from a reload on."""
        directory, place = self.stage.gateway.config.parent, Path(self.stage.place)
        host = Host(place / "web2", self.programs)
        host.certified = True
        (host._directory / "authority.pub").write_text(authority)
        self.addCleanup(host.stop)
        host.start()
        (directory / "targets.d/web2.toml").write_text(
            f'[target.web2]\nprotocol = "ssh"\naddress = ["127.0.0.1:{host.port}"]\nhost_keys = ["{host.public}"]\n'
            f'[target.web2.role.deploy]\nuser = "{host.user}"\ncertified = true\n'
        )
        (directory / "grants.d/web2.toml").write_text(
            '[grant.web2]\ngroups = ["agents"]\ntarget = { name = "web2" }\nroles = ["deploy"]\n'
        )
        self.reloaded(self.stage.gateway.config.read_text())
        return host

    def test_wrong_pin(self) -> None:
        """The gateway does not start, says so without the PIN, and ends with the status that systemd does not restart
        after; started again it does not try it again, and neither does doctor, which names the fix."""
        right = self.token.pin.read_text()
        self.addCleanup(self.token.say, right.strip())
        self.token.say("8888")
        error = self.assertRaises(ChildFailed, self.started)
        self.assertIn("PinIncorrect", str(error))
        self.assertIn("status 78", str(error))
        self.assertNotIn("8888", self.stage.gateway.log.read_text())
        self.stage.gateway.stop()
        error = self.assertRaises(ChildFailed, self.started)
        self.assertIn("is not tried again", str(error).rpartition("does not start")[2])
        self.stage.gateway.stop()
        found = [each for each in json.loads(self.hoopgw("doctor", "--json").stdout) if "token" in each["what"]]
        self.assertEqual([each["good"] for each in found], [False] * 3)
        self.assertIn("the right PIN in file:", found[0]["fix"])
        self.assertIn("is not tried again", found[0]["said"])
        self.token.pin.chmod(0o644)
        self.assertIn("may be read by others", self.hoopgw("check").stdout + self.hoopgw("check").stderr)

    def test_away(self) -> None:
        """The token goes while a session works: strict says so and ends it, new ones are refused, no certificate is
        given, each with its event.  It comes back: all goes on without a restart, and what was recorded verifies."""
        self.started()
        options, there = self.certified(), self.connect()
        self.assertEqual(there.execute("select 1").fetchone(), (1,))
        with self.away():
            deadline = time.monotonic() + 30
            with self.assertRaises(psycopg.Error):
                while time.monotonic() < deadline:  # until a seal is due
                    there.execute("select 1")
                    time.sleep(0.1)
            self.told("recording.failed", "token hoopgw")
            self.assertRaises(psycopg.Error, self.connect)
            status, said = self.asked(new_key()[1])
            self.assertEqual(status, "503", said)
            self.assertNotIn("token hoopgw", said)
            self.told("signing.failed", "token hoopgw")
            self.assertNotEqual(self.ssh("true", options=options).returncode, 0)

        def works() -> bool:
            try:
                return self.connect().execute("select 1").fetchone() == (1,)
            except psycopg.Error:
                return False

        self.assertTrue(until(works))
        self.assertEqual(self.ssh("true", options=self.certified()).returncode, 0)
        self.stage.gateway.stop()
        self.verified()
