"""HTTP/2 towards targets: streams of one connection, lent as if each were a connection."""

from __future__ import annotations

from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamReset
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.target import Address
from hoopgw.servers.flow import send_all
from hoopgw.servers.http_calls import IDLE_SECONDS, MAX_WAITING, QUIET_SECONDS, Call, Calls
from hoopgw.servers.http_carrier import MAX_BACKLOG
from hoopgw.servers.reach import Place
from tests.servers.test_http_streams import Socket

GET = b"GET /a HTTP/1.1\r\nHost: api\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n"


class Link:
    """What a connection offers who has it."""

    def __init__(self, socket: Socket) -> None:
        self.place = Place(Address("api", 443), "192.0.2.1")
        self.tls = {"alpn": "h2"}
        self.transport = socket
        self.receive: Any = None
        self.lost: Any = None

    def rest(self) -> None:
        self.receive = self.lost = lambda data: None


class User:
    """Who was lent a stream: notes what comes, and how it ended."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.got = b""
        self.lost: list[str] = []
        self.pauses: list[str] = []
        call.receive, call.lost = self.receive, self.lost.append

    def receive(self, data: bytes) -> None:
        self.got += data

    def pauseProducing(self) -> None:
        self.pauses.append("pause")

    def resumeProducing(self) -> None:
        self.pauses.append("resume")


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.socket = Clock(), Socket()
        self.link = Link(self.socket)
        self.over: list[Calls] = []
        self.calls = Calls(self.link, True, self.clock, self.over.append)
        self.calls.begin()
        self.peer = H2Connection(H2Configuration(client_side=False))
        self.events: list[Event] = []

    def start(self, most: int = 100) -> None:
        self.peer.local_settings = Settings(
            client=False,
            initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: most, SettingCodes.MAX_HEADER_LIST_SIZE: 65536},
        )
        self.peer.initiate_connection()
        self.turn()

    def turn(self) -> None:
        for _ in range(3):
            found, _ = self.socket.value(), self.socket.clear()
            if found:
                self.events += self.peer.receive_data(found)
            data = self.peer.data_to_send()
            if data:
                self.link.receive(data)
            self.clock.advance(0)

    def lend(self, data: bytes = b"") -> User:
        user = User(self.calls.lend(False))
        if data:
            user.call.write(data)
            self.turn()
        return user

    def asked(self) -> list[int | None]:
        return [event.stream_id for event in self.events if isinstance(event, RequestReceived)]

    def answer(self, stream: int, body: bytes = b"ok") -> None:
        self.peer.send_headers(stream, [(":status", "200"), ("content-length", str(len(body)))])
        self.peer.send_data(stream, body, end_stream=True)
        self.turn()


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Lent(Case):
    def test_one_after_the_other_and_beside(self) -> None:
        """Each gets its own answer; one that was answered asks again."""
        self.start()
        first, second = self.lend(GET), self.lend(GET)
        self.answer(3)
        self.answer(1)
        first.call.write(GET)
        self.turn()
        self.answer(5)
        self.assertEqual((first.got, second.got), (OK + OK, OK))
        self.assertEqual((self.asked(), first.call.reused), ([1, 3, 5], True))

    def test_more_than_the_target_lets(self) -> None:
        """They wait in turn, whoever writes them is paused meanwhile, and what waits is bounded."""
        self.start(1)
        first = self.lend(GET)
        users = [User(self.calls.lend(False)) for _ in range(MAX_WAITING + 1)]
        users[0].call.registerProducer(users[0], True)
        for user in users:
            user.call.write(POST)
        users[0].call.write(b"2\r\nhi\r\n0\r\n\r\n")
        self.turn()
        self.assertEqual((self.asked(), users[0].pauses, len(users[-1].lost)), ([1], ["pause"], 1))
        self.assertFalse(self.calls.room)
        self.answer(1)
        self.assertEqual((first.got, self.asked(), users[0].pauses), (OK, [1, 3], ["pause", "resume"]))
        body = b"".join(event.data or b"" for event in self.events if isinstance(event, DataReceived))
        self.assertEqual(body, b"hi")

    def test_taken_back(self) -> None:
        """A stream that nobody wants any more is cancelled, and its answer reaches nobody."""
        self.start()
        user = self.lend(GET)
        user.call.abortConnection()
        self.turn()
        resets = [event for event in self.events if isinstance(event, StreamReset)]
        self.assertEqual([(event.stream_id, int(event.error_code or 0)) for event in resets], [(1, 8)])
        self.assertEqual((user.got, user.lost), (b"", []))

    def test_back_pressure(self) -> None:
        """Who writes is paused while the target takes nothing; who does not read fills one window."""
        self.start()
        user = self.lend()
        user.call.registerProducer(user, True)
        user.call.write(POST + b"%x\r\n%b\r\n" % (MAX_BACKLOG * 2, bytes(MAX_BACKLOG * 2)))
        self.assertEqual(user.pauses, ["pause"])
        self.turn()
        while self.calls.backlog(1):
            self.peer.increment_flow_control_window(60_000)
            self.peer.increment_flow_control_window(60_000, 1)
            self.turn()
        self.assertEqual(user.pauses, ["pause", "resume"])
        user.call.pauseProducing()
        self.answer(1)
        self.assertEqual(user.got, b"")
        user.call.resumeProducing()
        self.turn()
        self.assertEqual(user.got, OK)
        self.calls.pauseProducing()
        self.calls.resumeProducing()

    def test_an_answer_ends_while_the_target_takes_nothing(self) -> None:
        """Who has it is read again: another's upload has filled the connection."""
        self.start()
        user = self.lend()
        user.call.registerProducer(user, True)
        user.call.write(GET)
        self.turn()
        self.calls.pauseProducing()
        self.assertEqual(user.pauses, ["pause"])
        self.answer(1)
        self.assertEqual((user.got, user.pauses), (OK, ["pause", "resume"]))
        self.calls.resumeProducing()
        user.call.write(GET)
        self.turn()
        self.assertEqual((self.asked(), user.pauses), ([1, 3], ["pause", "resume"]))


class Turning(Clock):
    """As the gateway's reactor has it: who has something to send is asked at the end of the turn."""

    def __init__(self) -> None:
        super().__init__()
        self.unsent: list[Any] = []


class Counting(Socket):
    writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        super().write(data)


class Writes(Case):
    def setUp(self) -> None:
        super().setUp()
        self.clock, self.socket = Turning(), Counting()
        self.link = Link(self.socket)
        self.calls = Calls(self.link, True, self.clock, self.over.append)
        self.calls.begin()
        self.peer = H2Connection(H2Configuration(client_side=False))
        self.end()

    def end(self) -> int:
        """The turn ends; gives how many writes there were in it."""
        before = self.socket.writes
        reactor: Any = None  # asked only where one fails
        send_all(self.clock.unsent, reactor)
        return self.socket.writes - before

    def test_one_for_a_turn(self) -> None:
        """However many requests and pieces of bodies there are, and windows that are given back for answers."""
        self.assertEqual(self.socket.writes, 1)
        self.start(100)
        self.end()
        self.turn()
        users = [User(self.calls.lend(False)) for _ in range(20)]
        for user in users:
            user.call.write(POST)
        for _ in range(10):
            for user in users:
                user.call.write(b"2\r\nhi\r\n")
        self.assertEqual(self.socket.value(), b"")
        self.assertEqual(self.end(), 1)
        self.turn()
        self.assertEqual(len(self.asked()), 20)
        body = b"".join(event.data or b"" for event in self.events if isinstance(event, DataReceived))
        self.assertEqual(body, b"hi" * 200)
        for stream in self.asked():
            self.peer.send_headers(stream or 0, [(":status", "200")])
            self.peer.send_data(stream or 0, bytes(16_000))
        before = self.socket.writes
        self.link.receive(self.peer.data_to_send())
        self.assertEqual((self.socket.writes, self.end()), (before, 1))
        self.assertEqual([len(user.got) > 16_000 for user in users], [True] * 20)

    def test_what_is_left_at_the_end(self) -> None:
        """Goes before it, and nothing behind it."""
        self.start(100)
        user = User(self.calls.lend(False))
        user.call.write(GET)
        self.link.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.assertEqual((self.socket.disconnecting, self.end()), (True, 0))
        self.events += self.peer.receive_data(self.socket.value())
        self.assertEqual(self.asked(), [1])


class Ends(Case):
    def test_the_target_goes(self) -> None:
        """Everybody is told, and nobody can say that nothing was done."""
        self.start()
        user = self.lend(GET)
        self.link.lost("api: reset")
        self.assertEqual((user.lost, user.call.untouched, len(self.over)), (["api: reset"], False, 1))
        self.assertFalse(self.calls.room)

    def test_the_target_says_goodbye(self) -> None:
        """What it did not look at may be asked again; what runs is answered; nothing new begins there."""
        self.start()
        first, second = self.lend(GET), self.lend(GET)
        self.link.receive(GoAwayFrame(0, last_stream_id=1).serialize())
        self.assertEqual((len(second.lost), second.call.untouched, first.lost), (1, True, []))
        self.assertEqual((self.over, self.calls.room, self.socket.disconnecting), ([self.calls], False, False))
        self.answer(1)
        self.assertEqual((first.got, self.socket.disconnecting), (OK, True))

    def test_who_asks_nothing_hears_goodbye_too(self) -> None:
        """Before the next request, which would be turned away; who has an answer under way, behind that."""
        for theirs in (True, False):
            self.setUp()
            self.start()
            idle, asking = self.lend(GET), self.lend(GET)
            self.answer(1)
            if theirs:
                self.link.receive(GoAwayFrame(0, last_stream_id=3).serialize())
            else:
                self.calls.goodbye()
            self.assertEqual((len(idle.lost), idle.call.untouched, asking.lost), (1, True, []))
            self.answer(3)
            self.assertEqual((asking.got, len(asking.lost), self.socket.disconnecting), (OK, 1, True))

    def test_who_was_turned_away_holds_nothing(self) -> None:
        """A connection whose streams all failed ends as one does that nobody has."""
        self.start()
        self.lend(GET)
        self.peer.reset_stream(1, 2)
        self.turn()
        self.clock.advance(IDLE_SECONDS)
        self.assertEqual((self.over, self.socket.disconnecting), ([self.calls], True))

    def test_a_refused_stream(self) -> None:
        """REFUSED_STREAM says that nothing was done; another code does not."""
        self.start()
        for stream, code in ((1, 7), (3, 2)):
            user = self.lend(GET)
            self.peer.reset_stream(stream, code)
            self.turn()
            self.assertEqual((len(user.lost), user.call.untouched), (1, code == 7))

    def test_no_http2(self) -> None:
        """Bytes that are none end the connection, and who asked is told."""
        self.start()
        user = self.lend(GET)
        self.link.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.assertEqual((len(user.lost), self.socket.disconnecting, self.over), (1, True, [self.calls]))

    def test_a_target_that_may_be_lost(self) -> None:
        """Where nothing came for a while, whoever asks next has another connection; where something did, not."""
        self.start()
        first, second = self.lend(GET), self.lend(GET)
        self.clock.advance(QUIET_SECONDS + 1)
        self.answer(3)
        first.call.distrust()
        self.assertEqual(self.over, [])
        self.clock.advance(QUIET_SECONDS + 1)
        first.call.distrust()
        first.call.abortConnection()
        self.assertEqual((self.over, self.calls.room, self.socket.disconnecting), ([self.calls], False, True))
        self.assertEqual(second.got, OK)

    def test_nobody_asks(self) -> None:
        """It waits a while for the next request, and no longer."""
        self.start()
        for more in (IDLE_SECONDS - 1, 2):
            user = self.lend(GET)
            self.answer(self.asked()[-1] or 0)
            user.call.loseConnection()
            self.clock.advance(more)
            self.assertFalse(self.socket.disconnecting)
        self.clock.advance(IDLE_SECONDS)
        self.assertEqual((self.socket.disconnecting, self.over), (True, [self.calls]))
