"""Every wait of the HTTP edge has an end: what the peer sees then, and which event says why."""

from __future__ import annotations

import json
import re
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.target import TlsMode
from hoopgw.servers.http import links
from hoopgw.servers.http.edge import LINGER, REST
from hoopgw.servers.http.links import TLS_SECONDS
from hoopgw.servers.http.patience import IDLE_SECONDS, UNTAKEN_SECONDS
from hoopgw.wire.websocket_handshake import accept
from tests.servers.http.edges import GET, HEAD, LIMITS, OK, Edge

POST = b"POST" + HEAD.removeprefix(b"GET") + b"Content-Length: 100000\r\n\r\n"
CHUNKED = b"POST" + HEAD.removeprefix(b"GET") + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
LOGIN = LIMITS.login_seconds
WEBSOCKET = (
    HEAD
    + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    + (b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
)


class Case(SynchronousTestCase):
    def edge(self, *, tls_required: bool = False, **target: Any) -> Edge:
        return Edge(self.patch, tls_required, **target)

    def asked(self, request: bytes = GET, answer: bytes = OK, **target: Any) -> Edge:
        """One whose target has this request, and has said that."""
        edge = self.edge(**target)
        edge.send(request)
        if answer:
            edge.target().dataReceived(answer)
        return edge

    def closed(self, edge: Edge, why: str) -> None:
        """The session ended, for this reason and no other, and the client's connection with it."""
        self.assertEqual(edge.told(), [("session.closed", f"session.closed: {why}")])
        self.assertTrue(edge.wire.over)
        self.assertEqual(len(edge.removed), 1)

    def silent(self, edge: Edge, seconds: float) -> None:
        """The client reads 504 and its connection goes on; the target's does not, and an event says why."""
        self.assertEqual(edge.problem()[0], 504)
        self.assertEqual(edge.told(), [("target.unavailable", f"timed out: silent for {seconds:g} s")])
        self.assertEqual((edge.wire.over, edge.targets.wires[0].disconnected), (False, True))


class BeforeASession(Case):
    def test_not_a_byte(self) -> None:
        """408 in words where clear text is spoken; a client of TLS is told nothing that it could take for TLS."""
        for required in (False, True):
            edge = self.edge(tls_required=required)
            edge.turns(LOGIN - 1)
            self.assertFalse(edge.wire.over)
            edge.turns(2)
            self.assertEqual(edge.told(), [("login.refused", f"no request within {LOGIN:g} s")])
            self.assertTrue(edge.wire.over)
            if required:
                self.assertEqual(edge.said(), b"")
            else:
                self.assertEqual(edge.problem()[0], 408)

    def test_a_handshake_that_stops(self) -> None:
        """There is no key yet by which anything could be said."""
        edge = self.edge(tls_required=True)
        edge.send(b"\x16\x03\x01\x02\x00\x01")
        edge.turns(LOGIN + 1)
        self.assertEqual((edge.said(), edge.wire.over), (b"", True))
        self.assertEqual(edge.told(), [("login.refused", f"no request within {LOGIN:g} s")])

    def test_a_head_in_drops(self) -> None:
        """All of the first head has one time."""
        edge = self.edge()
        edge.send(HEAD)
        edge.drops(b"X-A: 1\r\n", 2, 100)
        self.assertEqual((edge.clock.seconds(), edge.problem()[0]), (LOGIN, 408))
        self.assertEqual(edge.told(), [("login.refused", f"no request within {LOGIN:g} s")])
        self.assertEqual(edge.gateway.penalties.enter("192.0.2.1"), "")

    def test_a_login_that_the_gateway_is_slow_with(self) -> None:
        """503: not the client's fault, nor counted as one; what the login would come to reaches nobody."""
        edge = self.edge()
        edge.login = Deferred(lambda _: cancelled.append(True))
        cancelled: list[bool] = []
        edge.send(POST)
        edge.turns(LOGIN + 1)
        self.assertEqual((edge.problem()[0], cancelled), (503, [True]))
        self.assertEqual(edge.told(), [("login.refused", f"the login took longer than {LOGIN:g} s")])
        edge.turns(10)
        self.assertEqual((edge.targets.wires, edge.wire.over), ([], True))


class Clients(Case):
    def test_nothing_is_asked(self) -> None:
        """The connection is not kept for ever."""
        edge = self.asked()
        self.assertEqual(edge.said(), OK)
        edge.turns(IDLE_SECONDS)
        self.assertFalse(edge.wire.over)
        edge.turns(2 * REST)
        self.assertEqual(edge.said(), b"")
        self.closed(edge, "nothing was asked for a while")

    def test_the_next_head_in_drops(self) -> None:
        edge = self.asked()
        edge.said()
        edge.send(HEAD)
        edge.drops(b"X-A: 1\r\n", 2, 100)
        self.assertEqual(edge.problem()[0], 408)
        self.closed(edge, "the client took too long with the head of a request")

    def test_a_body_that_stops(self) -> None:
        """Its target saw the begin of it, and sees the end of its connection."""
        edge = self.asked(POST + b"x", b"")
        edge.turns(LIMITS.request_body + 2)
        self.assertEqual(edge.problem()[0], 408)
        self.closed(edge, "the client took too long with the body of a request")
        self.assertTrue(edge.targets.wires[0].disconnected)

    def test_a_body_in_drops(self) -> None:
        edge = self.asked(POST + b"x", b"")
        edge.drops(b"x", 2, 500)
        self.assertEqual(edge.problem()[0], 408)
        self.closed(edge, "the body of a request came too slowly")

    def test_a_body_behind_its_answer(self) -> None:
        """It is read so that the client reads its answer, and not for ever; nothing more is said to who has that."""
        for request in (POST + b"x", CHUNKED):
            edge = self.asked(request)
            edge.turns(LIMITS.request_body - 1)
            self.assertFalse(edge.wire.over)
            edge.turns(2 * REST + 1)
            self.assertEqual(edge.said(), OK)
            self.closed(edge, "the client took too long with the body of a request")

    def test_nonsense_behind_its_answer(self) -> None:
        """The same: an answer to nothing would be taken for the next one's."""
        edge = self.asked(CHUNKED)
        edge.send(b"nonsense\r\n")
        edge.turns(1)
        self.assertEqual((edge.said(), edge.wire.over), (OK, True))
        self.assertEqual(edge.told()[0][0], "protocol.violated")

    def test_an_answer_that_is_not_taken(self) -> None:
        """It is the client that stands still, however little time its target has."""
        edge = self.edge(answer_seconds=10.0)
        edge.wire.full = True
        edge.send(GET)
        edge.target().dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(500_000))
        edge.turns(UNTAKEN_SECONDS - 1)
        self.assertEqual(edge.told(), [])
        edge.turns(3 * REST)
        self.closed(edge, "the client takes nothing of an answer")

    def test_an_answer_that_is_taken_slowly(self) -> None:
        """It is waited for, in its middle and when all of it is there."""
        edge = self.edge(answer_seconds=10.0)
        edge.wire.full = True
        edge.send(GET)
        for piece in (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(500_000), bytes(500_000)):
            edge.target().dataReceived(piece)
            for _ in range(400):
                edge.wire.took(10)
                edge.turns(1)
        self.assertEqual((edge.told(), edge.wire.over), ([], False))
        edge.turns(UNTAKEN_SECONDS + 2 * REST)
        self.closed(edge, "the client takes nothing of an answer")


class Targets(Case):
    def test_silent(self) -> None:
        """Before its answer, or in the middle of its head: for so long, and no two seconds longer."""
        for answer in (b"", OK[:20]):
            edge = self.asked(GET, answer, answer_seconds=30.0)
            edge.turns(30)
            self.assertEqual(edge.told(), [])
            edge.turns(2)
            self.silent(edge, 30)
            edge.send(GET)
            edge.target().dataReceived(OK)
            self.assertEqual((edge.said(), len(edge.targets.wires)), (OK, 2))

    def test_silent_in_its_answer(self) -> None:
        """What the client has is no whole answer, and its connection says so by its end."""
        edge = self.asked(GET, OK[:-1], answer_seconds=30.0)
        edge.turns(40)
        self.assertEqual((edge.said(), edge.wire.over), (OK[:-1], True))
        (seen, closed) = edge.told()
        self.assertEqual(seen, ("target.unavailable", "in the middle of an answer: timed out: silent for 30 s"))
        self.assertEqual(closed[0], "session.closed")

    def test_an_answer_without_end(self) -> None:
        """However much moves."""
        edge = self.asked(GET, b"HTTP/1.1 200 OK\r\n\r\n", answer_longest=300.0)
        for _ in range(310):
            if not edge.wire.over:
                edge.target().dataReceived(b"x")
                edge.turns(1)
        self.closed(edge, "an answer has lasted as long as one may")

    def test_no_tls(self) -> None:
        """It takes the connection and says nothing."""
        edge = self.asked(GET, b"", tls=TlsMode.REQUIRE)
        self.assertEqual(edge.targets.wires[0].value()[:1], b"\x16")
        edge.turns(TLS_SECONDS)
        self.assertEqual(edge.problem()[0], 504)
        self.assertEqual(edge.told(), [("target.unavailable", f"timed out: no TLS within {TLS_SECONDS:g} s")])
        self.assertEqual((edge.wire.over, edge.targets.wires[0].disconnected), (False, True))

    def test_no_connection(self) -> None:
        """The host drops packets: a time out as any other."""
        edge = self.edge()
        self.patch(links, "connected", edge.targets.lost)
        edge.send(GET)
        edge.turns(1)
        self.assertEqual(edge.problem()[0], 504)
        ((code, why),) = edge.told()
        self.assertEqual((code, why.startswith("timed out: 127.0.0.1:80 ")), ("target.unavailable", True))

    def test_a_websocket_in_which_nothing_moves(self) -> None:
        """It is closed as a WebSocket is (1014: the target is gone)."""
        edge = self.edge(answer_seconds=30.0)
        edge.send(WEBSOCKET)
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", edge.targets.wires[0].value())
        assert key is not None
        proof = b"Sec-WebSocket-Accept: " + accept(key[1].decode()).encode()
        edge.target().dataReceived(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + proof + b"\r\n\r\n"
        )
        edge.said()
        edge.turns(40)
        self.assertEqual(edge.said(), b"\x88\x14\x03\xf6the target is gone")
        edge.turns(LINGER + 1)  # what the client still sends is read meanwhile
        self.closed(edge, "timed out: silent for 30 s")

    def test_one_look_that_fails(self) -> None:
        """It ends its own connection, and no other is forgotten for it."""
        first, second = self.asked(GET, b"", answer_seconds=30.0), self.asked(GET, b"", answer_seconds=30.0)
        second.shared.connections |= first.shared.connections
        broken: Any = first.server
        self.patch(broken, "check", lambda now: json.loads("no"))
        second.turns(40)
        self.silent(second, 30)
        self.assertTrue(first.wire.disconnected)
        self.assertTrue(self.flushLoggedErrors(ValueError))
