"""The HTTP edge before a session is open; what it does with one stands in tests/live."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated
from hyperframe.frame import RstStreamFrame, SettingsFrame
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.penalties import Penalties
from hoopgw.model.errors import IssuerUnavailable, LoginRefused, NotGranted, RevocationsUnavailable
from hoopgw.servers.http.edge import HttpShared
from hoopgw.servers.http.server import HttpServer
from tests.servers.http.edges import Edge

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
        self.clock = Clock()
        self.penalties = Penalties(self.clock, 2, 100)
        self.gateway: Any = SimpleNamespace(
            reactor=self.clock,
            penalties=self.penalties,
            settings=SimpleNamespace(
                tls=SimpleNamespace(required=False, domain=""), limits=SimpleNamespace(login_seconds=10.0)
            ),
            portal=SimpleNamespace(login=lambda *words: self.login),
            events=SimpleNamespace(emit=lambda code, **fields: self.events.append((code, fields))),
        )
        nobody: Any = None
        self.shared = HttpShared(nobody, nobody, nobody, None)
        self.server = HttpServer(self.gateway, self.shared, "192.0.2.1")
        self.wire = Wire()
        self.server.makeConnection(self.wire)

    def test_a_client_that_leaves_is_no_failure_of_the_gateway(self) -> None:
        """Its login is given up without a word: no event says that it was refused, and no error is logged."""
        self.server.dataReceived(GET)
        self.assertFalse(self.login.called)
        self.server.connectionLost()
        self.assertTrue(self.login.called)
        self.assertEqual((self.events, self.flushLoggedErrors()), ([], []))

    def test_who_is_not_in_is_counted(self) -> None:
        """By HTTP/2 as by HTTP/1.1: connections without a login have a bound for each source, and a time."""
        self.server.dataReceived(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize())
        self.assertEqual([self.penalties.enter("192.0.2.1") for _ in range(2)], ["", "too many logins are under way"])
        self.clock.advance(11)
        self.assertTrue(self.wire.disconnecting)
        self.assertEqual(self.penalties.enter("192.0.2.1"), "")

    def answered(self, error: Exception | None, head: bytes = GET) -> str:
        """What a new connection is told whose login fails so."""
        self.login = Deferred()
        wire, server = Wire(), HttpServer(self.gateway, self.shared, "192.0.2.1")
        server.makeConnection(wire)
        server.dataReceived(head)
        if error is not None and not wire.value():
            self.login.errback(error)
        server.connectionLost()
        return wire.value().decode()

    def test_bad_tokens_add_up(self) -> None:
        """Three are mistakes; then nobody logs in from there for a while, and is told for how long."""
        self.server.connectionLost()
        for _ in range(3):
            self.assertIn("HTTP/1.1 401 ", self.answered(LoginRefused("no good token")))
        told = self.answered(LoginRefused("no good token"))
        self.assertIn("HTTP/1.1 429 ", told)
        self.assertIn("\r\nRetry-After: 1\r\n", told)
        self.assertEqual(self.events[-1][1]["detail"], "penalty")
        self.clock.advance(1)
        self.assertIn("HTTP/1.1 401 ", self.answered(LoginRefused("no good token")))

    def test_what_counts_as_no_guess(self) -> None:
        """No token at all; a good one that is not granted there; what the gateway cannot find out."""
        self.server.connectionLost()
        for _ in range(4):
            self.assertIn("HTTP/1.1 401 ", self.answered(None, GET.replace(b"Authorization", b"X-Other")))
            self.assertIn("HTTP/1.1 403 ", self.answered(NotGranted("not there", detail="http target")))
            self.assertIn("HTTP/1.1 503 ", self.answered(IssuerUnavailable("down")))
            self.assertIn("HTTP/1.1 401 ", self.answered(RevocationsUnavailable("down")))
        self.assertEqual(self.penalties.enter("192.0.2.1"), "")

    def test_requests_that_nobody_sends_count(self) -> None:
        """As failed logins do: what cannot be read.  What names no target does not: a load balancer looks so whether
        the gateway is there."""
        for head, last in ((b"GET / HTTP/9\r\n\r\n", "429"), (b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n", "404")):
            self.setUp()
            self.server.connectionLost()
            found = [self.answered(None, head).split(" ")[1] for _ in range(4)]
            self.assertEqual((found[2] == "429", found[3]), (False, last))

    def test_what_is_too_long_is_no_guess(self) -> None:
        """Somebody's cookies, or a long search: 414 and 431, however often."""
        self.server.connectionLost()
        for _ in range(4):
            self.assertIn("HTTP/1.1 414 ", self.answered(None, GET.replace(b"/echo/", b"/echo/" + b"a" * 20_000)))
            self.assertIn("HTTP/1.1 431 ", self.answered(None, GET[:-2] + b"Cookie: " + b"a" * 70_000))

    def test_an_address_that_is_barred_is_told_by_tls(self) -> None:
        """By an alert, which costs no handshake; once it has said something, or else it is closed soon."""
        for said, told in ((b"\x16\x03\x01", b"\x15\x03\x03\x00\x02\x02\x31"), (GET, b""), (b"", b"")):
            edge = Edge(self.patch, required=True)
            for _ in range(3):
                edge.gateway.penalties.failed("192.0.2.1")
            edge.server = HttpServer(edge.gateway, edge.shared, "192.0.2.1")
            edge.wire = Wire()
            edge.server.makeConnection(edge.wire)
            self.assertFalse(edge.wire.disconnecting)
            if said:
                edge.send(said)
            else:
                edge.turns(1)
            self.assertEqual((edge.said(), edge.wire.disconnecting), (told, True))
            self.assertEqual([code for code, _ in edge.told()], ["login.refused"])
            edge.turns(10)
            self.assertEqual(len(edge.told()), 1)

    def test_no_page_approves_in_its_users_name(self) -> None:
        """An approver's browser sends password and certificate for every page, of whatever target or site."""
        self.server.connectionLost()
        asked = b"POST /holds/h_1/approve HTTP/1.1\r\nHost: gw\r\nAuthorization: Basic eDp5\r\nContent-Length: 0\r\n"
        for line in (b"Origin: http://gw\r\n", b"Sec-Fetch-Site: same-origin\r\n", b"Origin: https://evil.example\r\n"):
            self.assertIn("HTTP/1.1 403 ", self.answered(None, asked + line + b"\r\n"))
        self.assertEqual(self.penalties.enter("192.0.2.1"), "")

    def test_a_gateway_that_stops_says_goodbye(self) -> None:
        """By HTTP/2: what runs goes on, what comes then is refused as untouched, and may be sent elsewhere."""
        client = H2Connection()
        client.initiate_connection()
        headers = [(":method", "GET"), (":scheme", "http"), (":authority", "gw"), (":path", "/echo/")]
        client.send_headers(1, [*headers, ("authorization", "Bearer abc")], end_stream=True)
        self.server.dataReceived(client.data_to_send())
        client.send_headers(3, headers, end_stream=True)
        self.shared.goodbye()
        late = client.data_to_send()
        (gone,) = [each for each in client.receive_data(self.wire.value()) if isinstance(each, ConnectionTerminated)]
        self.assertEqual((gone.last_stream_id, gone.error_code), (1, ErrorCodes.NO_ERROR))
        self.wire.clear()
        self.server.dataReceived(late)
        self.assertEqual(self.wire.value(), RstStreamFrame(3, ErrorCodes.REFUSED_STREAM).serialize())
        self.assertFalse(self.login.called or self.wire.disconnecting)
