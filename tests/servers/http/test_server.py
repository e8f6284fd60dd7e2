"""The HTTP edge before a session is open; what it does with one stands in tests/live."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.servers.http.server import HttpServer

GET = b"GET /echo/ HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer abc\r\n\r\n"


class Wire(StringTransport):
    encrypted = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """As a socket has it."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """As a socket has it."""


class Login(SynchronousTestCase):
    def setUp(self) -> None:
        self.login: Deferred[Any] = Deferred()
        self.events: list[Any] = []
        nothing = lambda address: ""  # noqa: E731
        gateway: Any = SimpleNamespace(
            reactor=Clock(),
            penalties=SimpleNamespace(enter=nothing, leave=nothing, failed=nothing, succeeded=nothing),
            settings=SimpleNamespace(
                tls=SimpleNamespace(required=False, domain=""), limits=SimpleNamespace(login_seconds=10.0)
            ),
            portal=SimpleNamespace(login=lambda *words: self.login),
            events=SimpleNamespace(emit=lambda code, **fields: self.events.append((code, fields))),
        )
        face: Any = SimpleNamespace(context=None, connections=set(), certificates=None)
        self.server = HttpServer(gateway, face, "192.0.2.1")
        self.server.makeConnection(Wire())
        self.server.dataReceived(GET)

    def test_a_client_that_leaves_is_no_failure_of_the_gateway(self) -> None:
        """Its login is given up without a word: no event says that it was refused, and no error is logged."""
        self.assertFalse(self.login.called)
        self.server.connectionLost()
        self.assertTrue(self.login.called)
        self.assertEqual((self.events, self.flushLoggedErrors()), ([], []))
