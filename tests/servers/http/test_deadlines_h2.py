"""The same of HTTP/2, towards clients and towards targets: what the peer sees, and which event says why."""

from __future__ import annotations

import json
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from hyperframe.frame import GoAwayFrame, SettingsFrame
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.servers.http.edge import REST
from hoopgw.servers.http.patience import IDLE_SECONDS, UNTAKEN_SECONDS
from hoopgw.servers.http_streams import IDLE_SECONDS as UNUSED_SECONDS
from hoopgw.servers.http_streams import STALLED_SECONDS
from hoopgw.wire.http2_ends import LINGER_SECONDS
from hoopgw.wire.http2_outbound import PREFACE
from tests.servers.http.edges import GET, LIMITS, OK, Edge

HEAD = [(":method", "POST"), (":scheme", "http"), (":authority", "gw"), (":path", "/shop/")]
TOKEN = ("authorization", "Bearer abc")
LOGIN = LIMITS.login_seconds
H2 = ("h2",)


class Client:
    """Speaks HTTP/2 to an edge."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.peer = H2Connection(H2Configuration(client_side=True))
        self.peer._frame_dispatch_table[GoAwayFrame] = lambda frame: ([], [ConnectionTerminated()])
        self.peer.initiate_connection()
        self.events: list[Event] = []
        self.turn()

    def turn(self) -> None:
        for _ in range(3):
            data = self.peer.data_to_send()
            if data:
                self.edge.send(data)
            self.events += self.peer.receive_data(self.edge.said())
            self.edge.clock.advance(0)

    def ask(self, stream: int, *more: tuple[str, str], ended: bool = True) -> None:
        self.peer.send_headers(stream, [*HEAD, TOKEN, *more], end_stream=ended)
        self.turn()

    def answers(self, edge: bytes) -> None:
        self.edge.target().dataReceived(edge)
        self.turn()

    def waits(self, seconds: float) -> None:
        self.edge.turns(seconds)
        self.turn()

    def saw(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def said(self) -> list[str]:
        """What came, in words: settings and windows left out."""
        names = {ResponseReceived: "head", DataReceived: "data", StreamEnded: "end", StreamReset: "reset"}
        names[ConnectionTerminated] = "goodbye"
        return [names[type(event)] for event in self.events if type(event) in names]

    def problem(self) -> tuple[int, str]:
        (head,) = self.saw(ResponseReceived)
        body = b"".join(event.data for event in self.saw(DataReceived))
        return int(dict(head.headers)[b":status"]), json.loads(body)["detail"]


class Case(SynchronousTestCase):
    def client(self, **target: Any) -> Client:
        return Client(Edge(self.patch, **target))

    def closed(self, client: Client, why: str) -> None:
        self.assertEqual(client.edge.told(), [("session.closed", f"session.closed: {why}")])
        self.assertEqual(len(client.edge.removed), 1)


class Clients(Case):
    def test_a_preface_that_stops(self) -> None:
        """The connection ends; the event is that of a client that never asked."""
        for begun in (PREFACE[:18], PREFACE, PREFACE + SettingsFrame(0).serialize()):
            edge = Edge(self.patch)
            edge.send(begun)
            edge.turns(LOGIN - 1)
            self.assertFalse(edge.wire.over)
            edge.turns(2)
            self.assertTrue(edge.wire.over)
            self.assertEqual(edge.told(), [("login.refused", f"no request within {LOGIN:g} s")])

    def test_half_a_head(self) -> None:
        """The same; and of a later one, as if nothing was asked any more."""
        client = self.client()
        client.peer.send_headers(1, [*HEAD, TOKEN], end_stream=True)
        client.edge.send(client.peer.data_to_send()[:-3])
        client.waits(LOGIN + 1)
        self.assertEqual((client.said(), client.edge.wire.over), (["goodbye"], True))
        self.assertEqual(client.edge.told(), [("login.refused", f"no request within {LOGIN:g} s")])
        client = self.client()
        client.ask(1)
        client.answers(OK)
        client.peer.send_headers(3, [*HEAD, TOKEN], end_stream=True)
        client.edge.send(client.peer.data_to_send()[:-3])
        client.waits(UNUSED_SECONDS + 2 * REST)
        self.assertEqual((client.said()[-1], client.edge.wire.over), ("goodbye", True))
        self.closed(client, "nothing was asked for a while")

    def test_nothing_is_asked(self) -> None:
        """First its session ends, and says so; then the connection."""
        client = self.client()
        client.ask(1)
        client.answers(OK)
        client.waits(IDLE_SECONDS + 2 * REST)
        self.closed(client, "nothing was asked for a while")
        client.waits(UNUSED_SECONDS - IDLE_SECONDS + 2 * REST)
        self.assertEqual((client.said(), client.edge.wire.over), (["head", "data", "end", "goodbye"], True))
        self.closed(client, "nothing was asked for a while")

    def test_a_body_that_stops(self) -> None:
        """Its stream is answered and ended; the connection goes on."""
        client = self.client()
        client.ask(1, ended=False)
        client.waits(LIMITS.request_body + LINGER_SECONDS + 4 * REST)
        self.assertEqual(client.problem(), (408, "the client took too long with the body of a request"))
        self.assertEqual((client.said()[-1], client.edge.wire.over), ("reset", False))
        self.closed(client, "the client took too long with the body of a request")

    def test_an_answer_that_is_not_taken(self) -> None:
        """Its windows stay full: the stream is reset, and the record says whose doing it was."""
        client = self.client(answer_seconds=10.0)
        client.ask(1)
        client.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(400_000))
        client.waits(UNTAKEN_SECONDS - 1)
        self.assertEqual(client.edge.told(), [])
        client.waits(3 * REST)
        self.closed(client, "the client takes nothing of an answer")
        self.assertEqual((client.said()[-1], client.edge.wire.over), ("reset", False))

    def test_a_socket_that_is_not_taken(self) -> None:
        """Its windows are wide, and it reads nothing of what they let (CVE-2019-9517)."""
        client = self.client(answer_seconds=10.0)
        client.peer.increment_flow_control_window(1 << 30)
        client.ask(1)
        client.peer.increment_flow_control_window(1 << 30, 1)
        client.turn()
        client.edge.wire.full = True
        client.edge.target().dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + bytes(400_000))
        client.edge.turns(UNTAKEN_SECONDS + 3 * REST)
        self.closed(client, "the client takes nothing of an answer")

    def test_the_rest_of_an_answer_is_not_taken(self) -> None:
        """All of it is there, and its session has nothing to do."""
        client = self.client()
        client.ask(1)
        client.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
        client.waits(UNTAKEN_SECONDS + 3 * REST)
        self.closed(client, "the client takes nothing of an answer")
        client.waits(STALLED_SECONDS - UNTAKEN_SECONDS)
        self.assertEqual(client.said()[-1], "reset")


class Targets(Case):
    def test_silent(self) -> None:
        """A target that says nothing, not even its settings: 504, and the next request has another connection."""
        client = self.client(versions=H2, answer_seconds=30.0)
        client.ask(1)
        self.assertTrue(client.edge.targets.wires[0].value().startswith(PREFACE))
        client.waits(40)
        self.assertEqual(client.problem(), (504, "the target did not answer in time"))
        self.assertEqual(client.edge.told(), [("target.unavailable", "timed out: silent for 30 s")])
        self.assertTrue(client.edge.targets.wires[0].over)
        client.ask(3)
        self.assertEqual(len(client.edge.targets.wires), 2)

    def test_one_stream_of_many(self) -> None:
        """Its stream is taken back; what others ask on the connection goes on."""
        edge = Edge(self.patch, versions=H2, answer_seconds=30.0)
        peer = H2Connection(H2Configuration(client_side=False))
        peer.initiate_connection()
        edge.send(GET)
        wire = edge.targets.wires[0]
        events = peer.receive_data(wire.value())
        wire.clear()
        edge.target().dataReceived(peer.data_to_send())
        for _ in range(8):
            edge.turns(5)
            peer.ping(b"I'm here")
            edge.target().dataReceived(peer.data_to_send())
        self.assertEqual(edge.problem()[0], 504)
        events = peer.receive_data(wire.value())
        self.assertEqual([event.stream_id for event in events if isinstance(event, StreamReset)], [1])
        self.assertFalse(wire.over)
        edge.send(GET)
        self.assertEqual(len(edge.targets.wires), 1)
