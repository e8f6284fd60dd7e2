"""HTTP/2 towards clients: streams carried by connections that exist only in the gateway."""

from __future__ import annotations

from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from hyperframe.frame import GoAwayFrame
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import WireError
from hoopgw.servers.http_carrier import MAX_BACKLOG
from hoopgw.servers.http_streams import FIRST_SECONDS, IDLE_SECONDS, STALLED_SECONDS, Streams
from hoopgw.wire.http2_ends import LINGER_SECONDS
from hoopgw.wire.http2_values import CONNECTION_WINDOW, KEPT_BACK
from hoopgw.wire.httphead import Blocks
from hoopgw.wire.httpmessage import Message

HEAD = [(":method", "POST"), (":scheme", "https"), (":authority", "gw"), (":path", "/shop/a")]


def goodbye(frame: GoAwayFrame) -> tuple[list[Any], list[Event]]:
    found = ConnectionTerminated()
    found.error_code = ErrorCodes(frame.error_code)
    return [], [found]


class Served(Protocol):
    """A server of HTTP/1.1: notes what it is asked, and answers when it is told to."""

    transport: Any
    until_close = False

    def __init__(self, all_of_them: list["Served"]) -> None:
        self.asked: list[bytes] = []  # the whole bytes of each request
        self.content = b""
        self.lost = False
        self.pauses: list[str] = []
        self._message = Message(None, Blocks())
        all_of_them.append(self)

    def dataReceived(self, data: bytes) -> None:
        if self._message.ended or not self.asked:
            self._message = Message(None, Blocks())
            self.asked.append(b"")
        self.asked[-1] += data
        self.content += b"".join(self._message.take(data).content)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.lost = True

    def pauseProducing(self) -> None:
        self.pauses.append("pause")

    def resumeProducing(self) -> None:
        self.pauses.append("resume")

    def answer(self, body: bytes = b"ok") -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


class Socket(StringTransport):
    encrypted = True
    paused = False

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.served: list[Served] = []
        self.violations: list[str] = []
        self.socket = Socket()
        self.streams = Streams(
            self.socket, self.clock, lambda: Served(self.served), lambda error: self.violations.append(str(error))
        )
        self.streams.begin()
        self.peer = H2Connection(H2Configuration(client_side=True))
        # what runs goes on after a goodbye (RFC 9113, 6.8), which h2's own client does not do
        self.peer._frame_dispatch_table[GoAwayFrame] = goodbye
        self.peer.initiate_connection()
        self.events: list[Event] = []
        self.turn()

    def turn(self) -> None:
        """Bytes go both ways, and the clock makes a turn."""
        for _ in range(3):
            data = self.peer.data_to_send()
            if data:
                self.streams.received(data)
            found, _ = self.socket.value(), self.socket.clear()
            if found:
                self.events += self.peer.receive_data(found)
            self.clock.advance(0)

    def ask(self, stream: int, *more: tuple[str, str], ended: bool = True) -> None:
        self.peer.send_headers(stream, [*HEAD, *more], end_stream=ended)
        self.turn()

    def ended(self) -> list[int | None]:
        return [event.stream_id for event in self.events if isinstance(event, StreamEnded)]


class Carried(Case):
    def test_one_after_the_other(self) -> None:
        """Requests of one login to one target, one after the other, share what carries them: one session, not three."""
        for stream in (1, 3, 5):
            self.ask(stream, ("authorization", "Bearer x"))
            self.served[-1].answer()
            self.turn()
        self.assertEqual((len(self.served), len(self.served[0].asked), self.ended()), (1, 3, [1, 3, 5]))
        self.assertEqual(
            self.served[0].asked[0], b"POST /shop/a HTTP/1.1\r\nhost: gw\r\nauthorization: Bearer x\r\n\r\n"
        )

    def test_beside_one_another(self) -> None:
        """No stream waits for another, and each gets its own answer."""
        for stream in (1, 3, 5):
            self.ask(stream)
        self.assertEqual(len(self.served), 3)
        for served, body in zip(reversed(self.served), (b"5", b"3", b"1"), strict=True):
            served.answer(body)
        self.turn()
        answers = {event.stream_id: event.data for event in self.events if isinstance(event, DataReceived)}
        self.assertEqual(answers, {1: b"1", 3: b"3", 5: b"5"})

    def test_another_login(self) -> None:
        """A connection of one login is not given to another's request."""
        self.ask(1, ("authorization", "Bearer x"))
        self.served[0].answer()
        self.turn()
        self.ask(3, ("authorization", "Bearer y"))
        self.assertEqual(len(self.served), 2)

    def test_a_cancelled_stream(self) -> None:
        """Who serves it learns that its client is gone, as from a socket; the others go on."""
        self.ask(1)
        self.ask(3)
        self.peer.reset_stream(1, 8)
        self.turn()
        self.assertEqual([served.lost for served in self.served], [True, False])
        self.served[0].answer()
        self.served[1].answer()
        self.turn()
        self.assertEqual(self.ended(), [3])

    def test_the_client_leaves(self) -> None:
        """Everybody learns it, busy or idle."""
        self.ask(1)
        self.served[0].answer()
        self.turn()
        self.ask(3, ("x-hoopgw-token", "other"))
        self.streams.lost()
        self.turn()
        self.assertEqual([served.lost for served in self.served], [True, True])

    def test_an_early_answer(self) -> None:
        """The question is not whole, so what carried it knows of bytes that never come: it is not used again."""
        self.ask(1, ended=False)
        self.served[0].answer()
        self.turn()
        self.assertTrue(self.served[0].lost)
        self.ask(3)
        self.assertEqual(len(self.served), 2)

    def test_a_client_that_still_sends_reads_its_answer_first(self) -> None:
        """A reset at once would take it from some: it comes when there was time, or never where the question ends."""
        for stream in (1, 3):
            self.ask(stream, ended=False)
            self.served[-1].answer()
        self.turn()
        self.assertEqual(self.ended(), [1, 3])
        for _ in range(7):
            self.peer.send_data(1, b"x" * 16384)
            self.turn()
        room = CONNECTION_WINDOW - self.peer.outbound_flow_control_window
        self.assertLess(room, KEPT_BACK)  # others are not held up by it
        self.assertLessEqual(self.peer.local_flow_control_window(1), 16384)  # and nobody asks for more of it
        self.peer.end_stream(3)
        self.turn()
        self.streams.check(self.clock.seconds())
        self.assertEqual(self.resets(), [])
        self.streams.check(self.clock.seconds() + LINGER_SECONDS + 1)
        self.turn()
        self.assertEqual(self.resets(), [1])

    def resets(self) -> list[int | None]:
        return [event.stream_id for event in self.events if isinstance(event, StreamReset)]

    def test_who_closes(self) -> None:
        """An answer that ends a connection of HTTP/1.1 ends one of these, not the client's; one cut off is told."""
        self.ask(1)
        self.served[0].transport.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end")
        self.served[0].transport.loseConnection()
        self.ask(3)
        self.served[1].transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        self.served[1].transport.loseConnection()
        self.ask(5)
        self.served[2].transport.abortConnection()
        self.turn()
        self.assertEqual(self.ended(), [1])
        self.assertEqual([event.stream_id for event in self.events if isinstance(event, StreamReset)], [3, 5])
        self.assertEqual([served.lost for served in self.served], [True] * 3)
        self.assertFalse(self.socket.disconnecting)


class Pressure(Case):
    def test_who_does_not_read(self) -> None:
        """A paused one fills its stream's window and no more; it gets all of it when it reads again."""
        self.ask(1, ended=False)
        transport = self.served[0].transport
        transport.pauseProducing()
        sent = 0
        while self.peer.local_flow_control_window(1):
            part = bytes(min(16384, self.peer.local_flow_control_window(1)))
            self.peer.send_data(1, part)
            sent += len(part)
            self.turn()
        self.assertEqual(self.served[0].content, b"")
        transport.resumeProducing()
        self.assertEqual(self.served[0].content, b"")  # whoever resumes may have something to give first
        self.peer.send_data(1, b"", end_stream=True)
        self.turn()
        self.assertEqual((len(self.served[0].content), transport.whole), (sent, True))

    def test_a_client_that_takes_nothing(self) -> None:
        """The target is paused when too much waits for the client's window, and read again when it has gone."""
        self.ask(1)
        served = self.served[0]
        served.transport.registerProducer(served, True)
        served.answer(bytes(MAX_BACKLOG * 2))
        self.assertEqual(served.pauses, ["pause"])
        self.turn()
        while self.streams.backlog(1):
            self.peer.increment_flow_control_window(60_000)
            self.peer.increment_flow_control_window(60_000, 1)
            self.turn()
        self.assertEqual((served.pauses, self.ended()), (["pause", "resume"], [1]))

    def test_a_full_socket(self) -> None:
        """No target is read, and the client is not either: it could only ask for more."""
        self.ask(1)
        served = self.served[0]
        served.transport.registerProducer(served, True)
        self.streams.pauseProducing()
        self.assertEqual((served.pauses, self.socket.paused), (["pause"], True))
        self.streams.resumeProducing()
        self.assertEqual((served.pauses, self.socket.paused), (["pause", "resume"], False))

    def test_an_answer_ends_while_the_socket_is_full(self) -> None:
        """Who carried it carries the next request: its target is read again."""
        self.ask(1)
        served = self.served[0]
        served.transport.registerProducer(served, True)
        self.streams.pauseProducing()
        served.answer()
        self.streams.resumeProducing()
        self.turn()
        self.ask(3)
        self.assertEqual((len(self.served), len(served.asked)), (1, 2))
        self.assertEqual(served.pauses, ["pause", "resume"])

    def test_a_client_that_never_takes(self) -> None:
        """CVE-2019-9517: an answer that nobody takes is not kept without end."""
        self.ask(1)
        self.served[0].answer(bytes(100_000))
        self.turn()
        for now in (0.0, STALLED_SECONDS / 2, STALLED_SECONDS - 1):
            self.streams.check(now)
        self.assertEqual(self.streams.backlog(1), 100_000 - 65_535)
        self.streams.check(STALLED_SECONDS + 1)
        self.turn()
        self.assertEqual([event.stream_id for event in self.events if isinstance(event, StreamReset)], [1])


class Ends(Case):
    def test_nothing_is_asked(self) -> None:
        """Neither before the first stream nor after the last does a connection stay for ever."""
        self.streams.check(FIRST_SECONDS - 1)
        self.assertFalse(self.socket.disconnecting)
        self.ask(1)
        self.streams.check(FIRST_SECONDS + 1)
        self.served[0].answer()
        self.turn()
        self.streams.check(FIRST_SECONDS + IDLE_SECONDS)
        self.assertFalse(self.socket.disconnecting)
        self.streams.check(FIRST_SECONDS + IDLE_SECONDS + 2)
        self.turn()
        self.assertTrue(self.socket.disconnecting)
        self.assertTrue([event for event in self.events if isinstance(event, ConnectionTerminated)])

    def test_goodbye(self) -> None:
        """What runs is answered first."""
        self.ask(1)
        self.streams.goodbye()
        self.assertFalse(self.socket.disconnecting)
        self.served[0].answer()
        self.turn()
        self.assertTrue(self.socket.disconnecting)
        self.assertTrue([event for event in self.events if isinstance(event, ResponseReceived)])

    def test_a_violation(self) -> None:
        """The client is told by a GOAWAY, the gateway's operator once, and who serves its streams that it is gone."""
        self.ask(1)
        self.streams.received(b"\0\0\1\0\0\0\0\0\0x")
        found = self.peer.receive_data(self.socket.value())
        self.assertEqual([int(e.error_code or 0) for e in found if isinstance(e, ConnectionTerminated)], [1])
        self.clock.advance(0)
        self.streams.received(b"more")
        self.assertEqual((len(self.violations), self.served[0].lost, self.socket.disconnecting), (1, True, True))

    def test_no_preface(self) -> None:
        """Something else than HTTP/2 is a violation."""
        told: list[WireError] = []
        socket = Socket()
        streams = Streams(socket, self.clock, lambda: Served(self.served), told.append)
        streams.begin()
        streams.received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual((len(told), socket.disconnecting), (1, True))
