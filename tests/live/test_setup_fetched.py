"""`hoopgw setup` of credentials that the gateway fetches or signs with: OAuth, signatures of AWS, a vault."""

from __future__ import annotations

import json
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.live.oauth_server import ID, SECRET, Served, owned
from tests.live.test_setup import SetupCase
from tests.live.test_vault import LACKING, Server

KEY_ID, KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG"


class Signed(BaseHTTPRequestHandler):
    """Takes what is signed as of one key for one service; whether a signature is right has tests of its own."""

    def do_GET(self) -> None:
        shown = self.headers.get("Authorization", "")
        known = shown.startswith(f"AWS4-HMAC-SHA256 Credential={KEY_ID}/") and "/eu-west-1/execute-api/" in shown
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Nothing of it belongs to the test's output."""


class FetchedCase(SetupCase):
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(lambda: [path.unlink() for path in (self.directory / "secrets").glob("of-test-*")])

    def secret(self, name: str, value: str) -> str:
        path = self.directory / f"secrets/of-test-{name}"
        owned(path, value, self.directory / "secrets/reader")
        return f"file:{path}"

    def words(self, port: int, *more: str) -> list[str]:
        target = ["--target", "api", "--url", f"http://127.0.0.1:{port}", "--role", "caller", "--groups", "agents"]
        return ["--yes", *target, *more]

    def role(self) -> dict[str, Any]:
        found: dict[str, Any] = tomllib.loads(self.written()["targets.d/api.toml"].decode())
        return dict(found["target"]["api"]["role"]["caller"])

    def done(self, *words: str, secret: str) -> str:
        """It was tried with success and taken up, nobody was told the secret, and once more it changes nothing."""
        ran = self.hoopgw("setup", *words)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("has taken it up", ran.stdout)
        written = self.written()
        self.assertNotIn(secret, ran.stdout + ran.stderr + b"".join(written.values()).decode())
        again = json.loads(self.hoopgw("setup", "--json", *words).stdout)
        self.assertEqual((again["written"], again["good"], self.written()), ([], True, written))
        return ran.stdout

    def refused(self, *words: str) -> str:
        ran = self.hoopgw("setup", *words)
        self.assertEqual((ran.returncode, self.written()), (1, {}), ran.stdout + ran.stderr)
        return ran.stdout + ran.stderr

    def signing(self) -> int:
        """The port of a service that wants signatures."""
        service = ThreadingHTTPServer(("127.0.0.1", 0), Signed)
        threading.Thread(target=service.serve_forever, args=(0.05,), daemon=True).start()
        self.addCleanup(service.server_close)
        self.addCleanup(service.shutdown)
        return service.server_port


class Fetched(FetchedCase):
    def test_oauth(self) -> None:
        """A token is fetched and shown to the target; a client that the endpoint does not know is not written."""
        served = Served(self.stage.authority)
        self.addCleanup(served.stop)
        where = ("--role-token-endpoint", served.token_endpoint, "--role-token-ca", str(self.stage.ca))
        client = ("--role-client-id", ID, "--role-client-secret", self.secret("client", SECRET), "--role-scope", "read")
        said = self.refused(*self.words(served.port, *where, *client[2:], "--role-client-id", "another"))
        self.assertIn("invalid_client", said)
        self.assertIn("does the token endpoint know that client", said)
        self.assertNotIn(SECRET, said)
        said = self.done(*self.words(served.port, *where, *client), secret=SECRET)
        self.assertIn("answers 200 to GET /, and 401 without the credential", said)
        self.assertEqual((served.asked[-1]["scope"], served.asked[-1]["way"]), ("read", "basic"))
        self.assertEqual(self.role()["oauth"]["client_id"], ID)

    def test_signatures(self) -> None:
        """Requests are signed with the key that two files hold."""
        key = ("--role-key-id", self.secret("id", KEY_ID), "--role-secret-key", self.secret("key", KEY))
        words = self.words(self.signing(), "--role-region", "eu-west-1", "--role-service", "execute-api", *key)
        said = self.done(*words, secret=KEY)
        self.assertIn("answers 200 to GET /, and 403 without the credential", said)
        self.assertEqual(set(self.role()["sigv4"]), {"region", "service", "key_id", "secret"})


class InVault(FetchedCase):
    """The same with a real vault: what it holds is read for the trial, by the login that the gateway will have."""

    skip = LACKING

    def setUp(self) -> None:
        super().setUp()
        self.server = Server()
        self.addCleanup(self.server.stop)
        for path in (self.server.place, self.server.ca):
            path.chmod(0o755)

    def test_a_login_of_its_own(self) -> None:
        """A vault by AppRole, and the target's keys in it; one that its policy hides, or that is not there, is said."""
        self.server.call("POST", "secret/data/aws", {"data": {"id": KEY_ID, "key": KEY}})
        role_id, secret_id = self.server.app_role()
        login = ("--vault-role-id", role_id, "--vault-secret-id", self.secret("secret-id", secret_id))
        vault = ("--vault", "corp", "--vault-address", self.server.url, "--vault-ca", str(self.server.ca), *login)
        port, key = self.signing(), self.secret("key", KEY)
        sign = ("--role-region", "eu-west-1", "--role-service", "execute-api", "--role-key-id")
        for path, said in (("secret/data/none#id", "status 404"), ("sys/mounts#id", "permission denied")):
            told = self.refused(*self.words(port, *vault, *sign, f"vault:corp/{path}", "--role-secret-key", key))
            self.assertIn(said, told)
            self.assertIn("what [vault.corp] logs in by, and what its policy lets that read", told)
        keys = ("vault:corp/secret/data/aws#id", "--role-secret-key", "vault:corp/secret/data/aws#key")
        said = self.done(*self.words(port, *vault, *sign, *keys), secret=secret_id)
        self.assertIn("vault corp: is unsealed", said)
        self.assertIn("answers 200 to GET /, and 403 without the credential", said)
        self.assertIn("conf.d/vault-corp.toml", self.written())
