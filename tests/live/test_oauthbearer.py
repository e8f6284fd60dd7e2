"""libpq 18 logs in by OAUTHBEARER: its own SASL client, with the token handed to it by its hook."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from tests.live.harness import UNTIL, LiveCase, until

BEARER_TOKEN = 1  # PQAUTHDATA_OAUTH_BEARER_TOKEN of PGauthData (PostgreSQL documentation, 32.20.2)


class Request(ctypes.Structure):
    """PGoauthBearerRequest."""

    _fields_ = (
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("run", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_char_p),
        ("user", ctypes.c_void_p),
    )


HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def libpq() -> Any:
    """The one that psycopg has loaded."""
    spec = find_spec("psycopg_binary")
    assert spec is not None and spec.submodule_search_locations
    (path,) = Path(spec.submodule_search_locations[0]).with_name("psycopg_binary.libs").glob("libpq-*.so.5.18")
    return ctypes.CDLL(str(path))


class Bearer(LiveCase):
    def setUp(self) -> None:
        super().setUp()
        self.asked: list[tuple[str, str]] = []
        self.library = libpq()
        self.addCleanup(self.library.PQsetAuthDataHook, None)  # its own again

    def use(self, token: str) -> None:
        def answer(kind: int, connection: int, data: int) -> int:
            if kind != BEARER_TOKEN:
                return 0
            request = Request.from_address(data)
            self.asked.append((request.openid_configuration.decode(), (request.scope or b"").decode()))
            request.token = self.token
            return 1

        self.token, self.hook = token.encode(), HOOK(answer)  # kept alive as long as libpq may look at them
        self.library.PQsetAuthDataHook(self.hook)

    def bearer(self, token: str, login: str = "oauthbearer", **more: str) -> Any:
        self.use(token)
        how = {"oauth_issuer": self.stage.issuer.url, "oauth_client_id": "agent", "connect_timeout": int(UNTIL)}
        url = self.stage.gateway_url("reader")
        connection = psycopg.connect(url, options=f"-c hoopgw.login={login}", **(how | more))
        self.addCleanup(connection.close)
        return connection

    def refused(self, connect: Callable[[], Any]) -> str:
        error = self.assertRaises(psycopg.OperationalError, connect)
        return str(error)

    def test_login(self) -> None:
        """libpq asks where tokens come from, is told the issuer and the scope, gets its token there, and works."""
        connection = self.bearer(self.stage.agent)
        self.assertEqual(connection.execute("select 1").fetchone(), (1,))
        discovered = self.stage.issuer.url.rstrip("/") + "/.well-known/openid-configuration"
        self.assertEqual(self.asked, [(discovered, "openid")])

    def test_refused(self) -> None:
        """An expired token and one without a grant are refused as libpq understands it: with our words behind, or with
        the status that says that no other token will do; libpq leaves then, and the event is written all the same."""
        expired = self.stage.issuer.mint("agent", ("agents",), lifetime=-600.0)
        said = self.refused(lambda: self.bearer(expired))
        self.assertIn("expired", said)
        self.assertIn("FATAL", said)
        self.assertIn("insufficient_scope", self.refused(lambda: self.bearer(self.stage.stranger)))
        self.assertTrue(until(lambda: "no grant lets" in self.stage.gateway.log.read_text()))
        (line,) = [each for each in self.stage.gateway.log.read_text().splitlines() if "no grant lets" in each]
        self.assertEqual(json.loads(line)["code"], "login.refused")

    def test_another_issuer(self) -> None:
        """A client that trusts another issuer gives up before it shows anybody a token."""
        said = self.refused(lambda: self.bearer(self.stage.agent, oauth_issuer="https://idp.example.com"))
        self.assertIn("idp.example.com", said)
        self.assertEqual(self.asked, [])

    def test_password_beside_it(self) -> None:
        """Other clients go on with their password; libpq 18 that requires OAUTHBEARER does not show it one."""
        self.assertEqual(self.connect().execute("select 1").fetchone(), (1,))
        said = self.refused(lambda: self.bearer(self.stage.agent, login="password", require_auth="oauth"))
        self.assertIn("oauth", said.lower())
        self.assertEqual(self.asked, [])

    def test_channel_binding(self) -> None:
        """must-survive 10: a client that requires channel binding is told at once, and shows no token."""
        for login in ("password", "oauthbearer"):
            said = self.refused(lambda login=login: self.bearer("x", login, channel_binding="require"))  # type: ignore[misc]
            self.assertIn("channel binding", said)
        self.assertEqual(self.asked, [])

    def test_protocol_versions(self) -> None:
        """must-survive 12: a client of 3.2 and one of 3.0 log in by their version, and their cancels find what runs."""
        for version, number in (("3.0", 30000), ("3.2", 30002)):
            connection = self.connect(max_protocol_version=version)
            spoken = self.library.PQfullProtocolVersion
            spoken.argtypes = (ctypes.c_void_p,)
            self.assertEqual(spoken(connection.pgconn.pgconn_ptr), number)
            text = f"select pg_sleep(30), {number}"
            steps = partial(self.runs, text), partial(connection.cancel_safe, timeout=UNTIL)
            with self.meanwhile(*steps), self.assertRaises(psycopg.errors.QueryCanceled):
                connection.execute(text.encode())
