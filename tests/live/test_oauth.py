"""Targets that take tokens of another issuer: the gateway fetches and renews them, and clients never see one."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import time
from dataclasses import replace
from pathlib import Path

from hoopgw.cli.vaults import token_endpoints
from hoopgw.model.target import OAuthClient, Role, SecretReference, Target, TlsMode
from tests.live.oauth_server import ID, SECRET, Served, owned
from tests.live.s3_servers import until
from tests.live.test_http import HttpCase

TARGET = """
[target.partner]
protocol = "http"
address = ["127.0.0.1:{port}"]

[target.partner.role.user.oauth]
token_endpoint = "{endpoint}"
client_id = "{id}"
secret = "file:{secrets}/oauth"
scope = "read"
authentication = "client_secret_{way}"
ca = "{secrets}/../tls/oauth-ca.pem"
"""
GRANT = """
[grant.partner]
groups = ["agents"]
target = { name = "partner" }
roles = ["user"]
"""


class Tokens(HttpCase):
    def setUp(self) -> None:
        super().setUp()
        self.served = Served(self.stage.authority)
        self.addCleanup(self.served.stop)
        config = self.config = self.stage.gateway.config.parent
        self.secrets = config / "secrets"
        owned(self.secrets / "oauth", SECRET, self.secrets / "reader")
        (config / "tls/oauth-ca.pem").write_text(self.stage.authority.certificate)
        self.put(config / "grants.d/90-partner.toml", GRANT)

    def configure(self, way: str = "basic") -> None:
        given = {"port": self.served.port, "endpoint": self.served.token_endpoint, "id": ID, "way": way}
        self.put(self.config / "targets.d/90-partner.toml", TARGET.format(secrets=self.secrets, **given))
        before = self.log().count('"configuration.reloaded"')
        os.kill(self.stage.gateway.pid, signal.SIGHUP)
        until(lambda: self.log().count('"configuration.reloaded"') > before)

    def put(self, path: Path, text: str) -> None:
        path.write_text(text)
        self.addCleanup(path.unlink, missing_ok=True)

    def log(self) -> str:
        return self.stage.gateway.log.read_text()

    def connection(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        found = http.client.HTTPSConnection("127.0.0.1", self.stage.https_port, timeout=60, context=context)
        self.addCleanup(found.close)
        return found

    def status(self, connection: http.client.HTTPSConnection, method: str = "GET", body: bytes = b"") -> int:
        connection.request(method, "/partner/x", body, {"Authorization": f"Bearer {self.stage.agent}"})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        if answer.status == 200:
            self.assertEqual(said["body"], body.decode())
        return answer.status

    def test_what_the_doctor_says(self) -> None:
        """Whether the endpoint is there, and is who the configuration trusts."""
        client = OAuthClient(self.served.token_endpoint, ID, SecretReference("env", "X"), ca=str(self.stage.ca))
        for oauth, said, fix in (
            (client, "answers", ""),
            (replace(client, ca=""), "certificate", "`ca` of [target.t.role.r.oauth], if its authority is private"),
            (replace(client, token_endpoint="https://127.0.0.1:1/token"), "refused", "does it run"),
        ):
            target = Target("t", "http", (), TlsMode.DISABLE, {"r": Role("r", "", oauth=oauth)})
            [found] = token_endpoints([target])
            self.assertIn(said, found.said)
            self.assertTrue(found.fix.startswith(fix), found)
            self.assertEqual((found.what, bool(found.fix)), ("oauth t/r", bool(fix)))

    def test_fetched_once_and_again_when_refused(self) -> None:
        """One token for all requests; where it is not taken any more, the request gets its answer all the same."""
        self.configure()
        one, other = self.connection(), self.connection()
        self.assertEqual([self.status(one), self.status(other), self.status(one)], [200, 200, 200])
        self.assertEqual(len(self.served.asked), 1)
        self.assertEqual(self.served.asked[0], {"grant_type": "client_credentials", "scope": "read", "way": "basic"})
        time.sleep(3.2)  # a younger token would not be to blame
        self.served.tokens.clear()
        self.assertEqual(self.status(one, "POST", b"hello"), 200)
        self.assertEqual(self.status(other), 200)
        self.assertEqual(len(self.served.asked), 2)
        log = self.log()
        self.assertIn('"code":"credential.refused"', log)
        for secret in {SECRET, *self.served.seen}:
            self.assertNotIn(secret, log)

    def test_an_endpoint_that_is_down(self) -> None:
        """503 and an event; it comes back by itself, and tokens of a short life are renewed under one connection."""
        self.served.down = True
        self.configure("post")
        connection = self.connection()
        self.assertEqual(self.status(connection), 503)
        self.assertIn('"code":"credential.unavailable"', self.log())
        self.served.down, self.served.lifetime = False, 2
        self.assertEqual(until(lambda: self.status(self.connection()) == 200), True)
        connection = self.connection()
        self.assertEqual(self.status(connection), 200)
        time.sleep(2.1)
        self.assertEqual(self.status(connection), 200)
        self.assertNotEqual(self.served.seen[-1], self.served.seen[-2])
        self.assertEqual({each["way"] for each in self.served.asked}, {"post"})
