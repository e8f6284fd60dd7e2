"""A gateway whose signing keys are in a token of SoftHSM: what it seals verifies; without the token it stops."""

from __future__ import annotations

import json
import shutil
import ssl
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import jwt
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from hoopgw.cli.demo.children import ChildFailed
from hoopgw.cli.demo.host import new_key
from hoopgw.cli.demo.stage import Options
from hoopgw.cli.ssh_cert import PATH
from tests.live.harness import UNTIL, until
from tests.live.ssh_clients import SshCase
from tests.live.test_ssh_targets import Host
from tests.softhsm import SoftHsm


class Told(BaseHTTPRequestHandler):
    """A target that answers with what it was told of who asks; doctor looks at it as well, and tells nothing."""

    def do_GET(self) -> None:
        token = self.headers.get("X-Hoopgw-Identity", "").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(token)))
        self.end_headers()
        self.wfile.write(token)

    def log_message(self, *words: object) -> None:
        """Nobody reads it."""


class TokenCase(SshCase):
    """`keys` of the token, by name; `named` says to the gateway what they are for."""

    options: ClassVar[Options] = Options(gateway=False)
    roles: ClassVar[tuple[str, ...]]
    token: ClassVar[SoftHsm]
    keys: ClassVar[dict[str, Ed25519PrivateKey]] = {}

    def setUp(self) -> None:
        super().setUp()
        if not self.keys:
            token = type(self).token = SoftHsm(Path(self.stage.place) / "hsm")
            type(self).keys = {name: token.put(name) for name in self.roles}
            self.named({name: token.uri(name) for name in self.roles})
            self.targeted()
        self.addCleanup(self.token.begin())

    def named(self, uris: dict[str, str]) -> None:
        """By the configuration, from the next start on."""
        config = self.stage.gateway.config
        config.write_text(f'identity_key = "{uris["identity"]}"\n{config.read_text()}')

    def targeted(self) -> None:
        """[target.told], for as long as these tests run."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
        Thread(target=server.serve_forever, daemon=True).start()
        directory = self.stage.gateway.config.parent
        (directory / "targets.d/told.toml").write_text(
            f'[target.told]\nprotocol = "http"\naddress = ["127.0.0.1:{server.server_port}"]\n[target.told.role.any]\n'
        )
        (directory / "grants.d/told.toml").write_text(
            '[grant.told]\ngroups = ["agents"]\ntarget = { name = "told" }\nroles = ["any"]\n'
        )

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

    def got(self, path: str) -> str:
        """What is there for the agent."""
        words = ["curl", "-sSf", "--cacert", str(self.stage.ca), "--max-time", "30"]
        words += ["-H", f"Authorization: Bearer {self.stage.agent}"]
        done = self.ran([*words, f"https://127.0.0.1:{self.stage.https_port}{path}"])
        self.assertEqual(done.returncode, 0, done.stderr)
        return str(done.stdout.decode())

    def introduced(self) -> dict[str, Any]:
        """What a target reads of the agent, verified by the key that the gateway publishes."""
        (published,) = json.loads(self.got("/.well-known/hoopgw/jwks.json"))["keys"]
        token = self.got("/told/")
        found: dict[str, Any] = jwt.decode(token, jwt.PyJWK(published), ["EdDSA"], audience="told")
        text, _, signature = token.rpartition(".")
        self.keys["identity"].public_key().verify(urlsafe_b64decode(signature + "=="), text.encode())
        return found


class InToken(TokenCase):
    roles = ("seal", "login", "target", "identity")

    def named(self, uris: dict[str, str]) -> None:
        super().named(uris)
        config = self.stage.gateway.config
        text = config.read_text()
        text = text.replace("[recordings]\n", f'[recordings]\nseal_every = "1s"\nsigning_key = "{uris["seal"]}"\n')
        more = f'login_authority = "{uris["login"]}"\ntarget_authority = "{uris["target"]}"\n'
        config.write_text(text.replace("[ssh]\n", f"[ssh]\n{more}"))

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
        """Seals, certificates of clients and those towards targets, who asks for HTTP targets, each by a key of the
        token: sealed recordings verify, ssh gets in, and nothing of these keys is in the state directory."""
        self.started()
        self.assertEqual(self.introduced()["sub"], "agent@demo")
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
        of_token = {"recording.key", "ssh_login_authority", "ssh_target_authority", "identity.key"}
        self.assertFalse(kept & of_token, kept)
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
        self.assertEqual([each["good"] for each in found], [False] * 4)
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
            deadline = time.monotonic() + UNTIL
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


class WhoAsks(TokenCase):
    """The recorder does without the token: what is said is of requests alone."""

    roles = ("identity",)

    def test_away(self) -> None:
        """No request goes to a target that is to be told who asks, and its client reads why; who has a connection goes
        on, and finds the token again by it."""
        self.started()
        trusted = ssl.create_default_context(cafile=str(self.stage.ca))
        there = HTTPSConnection("127.0.0.1", self.stage.https_port, timeout=UNTIL, context=trusted)
        self.addCleanup(there.close)

        def asked() -> tuple[int, str | None, Any]:
            there.request("GET", "/echo/", headers={"Authorization": f"Bearer {self.stage.agent}"})
            answer = there.getresponse()
            return answer.status, answer.headers["Content-Type"], json.loads(answer.read())

        with self.away():
            status, kind, problem = asked()
            self.assertEqual((status, kind), (503, "application/problem+json"))
            self.assertIn("who asks cannot be signed", problem["detail"])
            self.assertNotIn("token hoopgw", str(problem))
            self.told("signing.failed", "who asks, for a target")
            self.told("operation.unavailable", "token hoopgw")
        same = there.sock
        self.assertTrue(until(lambda: asked()[0] == 200))
        self.assertIs(there.sock, same)
        self.assertEqual(self.introduced()["sub"], "agent@demo")
