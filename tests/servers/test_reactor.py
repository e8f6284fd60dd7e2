"""The reactor's turn: all that is short is read before anything is sent, large reads come last, and all is sent."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.servers import reactor
from hoopgw.servers.eager import EagerServer
from hoopgw.servers.flow import BULK_READS, SMALL_READ, TURN_SIZE
from hoopgw.servers.reactor import BESIDE, ENDS, REST, LeanEPollReactor

UNTIL = 60.0  # seconds that a slow machine may take


class Answers(Protocol):
    """Writes `answer` for what it reads, and notes which of `peers` had something to read by then."""

    def __init__(self, peers: list[socket.socket], answer: bytes, *, leaves: bool = False, patience: float = 0) -> None:
        self._peers, self._patience = peers, patience
        self._answer = answer
        self._leaves = leaves
        self.seen: list[int] = []

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(self._answer[:1])  # type: ignore[union-attr]
        self.transport.write(self._answer[1:])  # type: ignore[union-attr]
        if self._leaves:
            self.transport.loseConnection()  # type: ignore[union-attr]
        self.seen.append(len(select.select(self._peers, [], [], self._patience)[0]))


def _readable(taken: socket.socket) -> bool:
    return bool(select.select([taken], [], [], 0)[0])


class Broken(EagerServer):
    def is_clear(self) -> bool:
        raise ZeroDivisionError("a defect")


class Connected(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = LeanEPollReactor()
        self.addCleanup(self._close)
        self.peers: list[socket.socket] = []
        self.transports: list[Any] = []

    def _close(self) -> None:
        self.reactor.removeAll()
        for each in [*self.peers, *(transport.socket for transport in self.transports if transport.connected)]:
            each.close()
        os.close(self.reactor.waker.i)
        os.close(self.reactor.waker.o)
        self.reactor._poller.close()

    def accepted(self, protocol: Protocol, kind: type[EagerServer] = EagerServer) -> socket.socket:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            peer = socket.create_connection(listener.getsockname())
            taken, address = listener.accept()
        taken.setblocking(False)
        transport = kind(taken, protocol, address, None, 0, self.reactor)
        protocol.makeConnection(transport)
        peer.settimeout(UNTIL)
        self.peers.append(peer)
        self.transports.append(transport)
        return peer


class Turns(Connected):
    now = 0.0

    def turn(self) -> None:
        for peer in self.peers:
            peer.sendall(b"?")
        for transport in self.transports:  # what was sent may take a moment to arrive
            select.select([transport.socket], [], [], UNTIL)
        self.reactor.doPoll(UNTIL)

    def test_all_reads_before_the_first_send(self) -> None:
        """Two connections that are read in one turn: neither peer has an answer before both were heard; then both."""
        protocols = [Answers(self.peers, b"ok"), Answers(self.peers, b"ok")]
        for protocol in protocols:
            self.accepted(protocol)
        self.turn()
        self.assertEqual([protocol.seen for protocol in protocols], [[0], [0]])
        self.assertEqual([peer.recv(9) for peer in self.peers], [b"ok", b"ok"])
        self.assertEqual(self.reactor.unsent, [])

    def test_short_before_large(self) -> None:
        """A peer that sent a little has its answer before what lies in a socket whose last read was large is read."""
        large = Answers(self.peers, b"")
        self.accepted(large)
        quick = self.accepted(Answers([], b"ok"))
        self.fill(0)
        self.reactor.doPoll(UNTIL)
        self.assertEqual(large.seen, [0])
        self.turn()
        self.assertEqual(large.seen[1:], [1])
        self.assertEqual(quick.recv(9), b"ok")

    def test_large_reads_take_turns(self) -> None:
        """Of many large reads a turn has a few, and each has its turn."""
        many = [Answers([], b"") for _ in range(5)]
        for number, protocol in enumerate(many):
            self.accepted(protocol)
            self.fill(number)
        self.reactor.doPoll(UNTIL)  # nobody knows yet that they are large
        self.assertEqual([len(each.seen) for each in many], [1] * 5)
        for _ in range(5):
            before = sum(len(each.seen) for each in many)
            self.fill_all()
            self.reactor.doPoll(UNTIL)
            self.assertEqual(sum(len(each.seen) for each in many), before + BULK_READS)
        self.assertTrue(all(len(each.seen) > 1 for each in many))

    def test_bulk_that_ends(self) -> None:
        """A connection that is lost is no longer among those whose reads are large: another may have its number."""
        self.accepted(Answers([], b""))
        self.fill(0)
        self.reactor.doPoll(UNTIL)
        self.assertEqual(self.reactor.bulk, {self.transports[0].fileno()})
        self.transports[0].connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.reactor.bulk, set())

    def beside(self, turns: int) -> list[int]:
        """How often the first connection, whose reads are large, was read in each turn, the second one short beside."""
        counts = []
        self.patch(reactor, "time", SimpleNamespace(monotonic=lambda: self.now))
        large = self.transports[0].protocol
        for _ in range(turns):
            before = len(large.seen)
            self.fill(0)
            self.peers[1].sendall(b"?")
            select.select([self.transports[1].socket], [], [], UNTIL)
            self.reactor.doPoll(0)
            counts.append(len(large.seen) - before)
        return counts

    def test_large_reads_rest_beside_short_ones(self) -> None:
        """After every few, for as long as something else is read; what is short is read all the time."""
        quick = Answers([], b"")
        self.accepted(Answers([], b""))
        self.accepted(quick)
        self.fill(0)
        self.reactor.doPoll(UNTIL)
        self.assertEqual(self.beside(6), [1, 1, 1, 0, 0, 0])  # the first one began it
        self.assertEqual(len(quick.seen), 6)
        time.sleep(REST)
        self.reactor.runUntilCurrent()
        self.assertEqual(self.beside(3), [1, 1, 0])
        time.sleep(REST)
        self.reactor.runUntilCurrent()
        self.now += BESIDE  # the last short one was long ago
        self.fill(0)
        for _ in range(4):
            self.fill(0)
            self.reactor.doPoll(0)
        self.assertEqual(self.reactor._resting, set())

    def test_large_reads_alone(self) -> None:
        """Nobody else is there, or nobody but one that says that it takes what it is sent: nothing rests."""
        taking = Answers([], b"x" * (TURN_SIZE + 1))
        self.accepted(Answers([], b""))
        self.accepted(taking)
        self.beside(1)
        self.assertEqual(self.beside(10), [1] * 10)

    def test_a_peer_that_says_several_times_that_it_takes_much(self) -> None:
        """As SSH and HTTP/2 do between two reads of their bulk: nothing rests for it."""
        self.accepted(Answers([], b""))
        self.accepted(Answers([], b""))
        self.beside(1)
        self.transports[1].write(b"x" * (8 * TURN_SIZE))
        self.assertEqual(self.beside(6), [1] * 6)
        self.assertEqual(self.beside(4), [1, 1, 1, 0])  # now it says more than that

    def test_one_that_is_ended_as_it_would_rest(self) -> None:
        """By what was short in that turn: its descriptor is nobody's."""
        self.accepted(Answers([], b""))
        quick = Answers([], b"")
        self.accepted(quick)
        self.beside(3)
        lost = Failure(ConnectionLost())
        self.patch(quick, "dataReceived", lambda data: self.transports[0].connectionLost(lost))
        self.reactor._large = BULK_READS
        self.fill(0)
        self.peers[1].sendall(b"?")
        select.select([self.transports[1].socket], [], [], UNTIL)
        self.reactor.doPoll(0)
        self.assertEqual(self.reactor._resting, set())

    def test_a_peer_that_leaves_while_it_rests(self) -> None:
        """What it sent before is read, then its end."""
        gone: list[Any] = []
        self.accepted(Answers([], b""))
        self.accepted(Answers([], b""))
        self.fill(0)
        self.reactor.doPoll(UNTIL)
        large = self.transports[0].protocol
        self.beside(4)
        self.assertEqual(len(self.reactor._resting), 1)
        seen = len(large.seen)
        large.connectionLost = gone.append
        self.peers[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peers[0].close()
        while not gone:
            self.reactor.doPoll(UNTIL)
        self.assertGreater(len(large.seen), seen)

    def fill(self, number: int) -> None:
        """So much lies in its socket that a read is large."""
        peer, taken = self.peers[number], self.transports[number].socket
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * SMALL_READ)
        peer.setblocking(False)
        while len(taken.recv(SMALL_READ, socket.MSG_PEEK) if _readable(taken) else b"") < SMALL_READ:
            with contextlib.suppress(BlockingIOError):
                peer.send(b"x" * SMALL_READ)
        peer.settimeout(UNTIL)

    def fill_all(self) -> None:
        for number in range(len(self.peers)):
            self.fill(number)

    def test_much_is_sent_at_once(self) -> None:
        """More than TURN_SIZE does not wait."""
        protocol = Answers(self.peers, b"x" * (TURN_SIZE + 1), patience=UNTIL)
        self.accepted(protocol)
        self.turn()
        self.assertEqual(protocol.seen, [1])

    def test_nothing_is_lost_at_the_end(self) -> None:
        """A connection that is closed in the turn in which it wrote sends that first."""
        peer = self.accepted(Answers(self.peers, b"last words", leaves=True))
        self.turn()
        self.assertEqual(peer.recv(99), b"last words")

    def test_written_outside_of_a_turn(self) -> None:
        """What a timer writes goes out before the reactor sleeps."""
        peer = self.accepted(Protocol())
        self.transports[0].write(b"tick")
        self.reactor.doPoll(0)
        self.assertEqual(peer.recv(9), b"tick")

    def test_one_that_cannot_send(self) -> None:
        """Its connection ends with the error in the log; what stands behind it in the turn is sent."""
        broken = self.accepted(Answers([], b"never"), Broken)
        peer = self.accepted(Answers([], b"ok"))
        self.turn()
        self.assertEqual(peer.recv(9), b"ok")
        self.assertEqual(broken.recv(9), b"")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_written_after_the_end(self) -> None:
        """Whoever kept the way to write of a connection that is lost writes to nobody; what waited is dropped."""
        self.accepted(Answers([], b"ok"))
        self.turn()
        transport = self.transports[0]
        write = transport.write
        write(b"waits")
        transport.connectionLost(Failure(ConnectionLost()))
        write(b"late")
        transport.write(b"later")
        self.reactor.doPoll(0)
        self.assertEqual(self.reactor.unsent, [])
        self.assertEqual(self.peers[0].recv(99), b"ok")
        self.assertEqual(self.peers[0].recv(99), b"")

    def test_what_is_queued_goes_first(self) -> None:
        """What a slow peer has not taken yet stands before what is written later; then none is queued again."""
        peer = self.accepted(Protocol())
        transport, much = self.transports[0], b"x" * (8 << 20)
        transport.write(much)
        transport.write(b"behind")
        self.reactor.doPoll(0)
        got = b""
        while len(got) < len(much) + 6:
            got += peer.recv(1 << 20)
            self.reactor.doPoll(0)
        self.assertEqual(got[len(much) :], b"behind")
        transport.write(b"after")
        self.reactor.doPoll(0)
        self.assertEqual(peer.recv(99), b"after")

    def test_a_peer_that_shut_its_side(self) -> None:
        """A send that fails ends the connection as Twisted ends it, and nothing else."""
        self.accepted(Answers([], b"never"))
        self.transports[0].socket.shutdown(socket.SHUT_WR)
        peer = self.accepted(Answers([], b"ok"))
        self.turn()
        self.assertEqual(peer.recv(9), b"ok")
        self.reactor.doPoll(0)
        self.assertTrue(self.transports[0].disconnected)


class Ending(Protocol):
    """Does something with its second read."""

    def __init__(self, ends: Callable[[], object]) -> None:
        self._ends = ends
        self.reads = 0

    def dataReceived(self, data: bytes) -> None:
        self.reads += 1
        self.transport.write(b"!")  # type: ignore[union-attr]
        if self.reads == 2:
            self._ends()


class Going(Connected):
    """Turns that follow each other, as they do in a reactor that runs."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor.running, self.reactor._stopped = True, False  # as `run` leaves it

    def going(self, ends: Callable[[], object]) -> None:
        """Until `ends`, which the second read calls, has ended it."""
        protocol = Ending(ends)
        peer = self.accepted(protocol)

        def ask() -> None:
            for _ in range(2):
                peer.sendall(b"?")
                peer.recv(1)

        asking = threading.Thread(target=ask)
        asking.start()
        self.reactor.doPoll(UNTIL)
        asking.join()
        self.assertEqual(protocol.reads, 2)

    def test_a_timer_is_made(self) -> None:
        self.going(lambda: self.reactor.callLater(1, lambda: None))
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)

    def test_a_timer_is_due(self) -> None:
        due: list[float] = []
        call = self.reactor.callLater(100, lambda: due.append(self.reactor.seconds()))
        self.reactor.runUntilCurrent()  # takes it in
        self.going(lambda: call.reset(0.05))
        self.reactor.runUntilCurrent()
        self.assertEqual(len(due), 1)
        self.assertGreaterEqual(due[0], call.getTime())

    def test_a_thread_hands_over(self) -> None:
        self.going(lambda: threading.Timer(0.05, self.reactor.callFromThread, (lambda: None,)).start())
        self.assertEqual(len(self.reactor.threadCallQueue), 1)

    def test_it_is_stopped(self) -> None:
        self.going(self.reactor.stop)

    def test_it_is_crashed(self) -> None:
        self.going(self.reactor.crash)


class ClockSetBack(SynchronousTestCase):
    def setUp(self) -> None:
        self.now, self.ran = 1_000_000.0, []  # type: tuple[float, list[str]]
        self.reactor = LeanEPollReactor()
        self.reactor.seconds = lambda: self.now  # type: ignore[method-assign, assignment]
        self.addCleanup(self._close)

    def _close(self) -> None:
        os.close(self.reactor.waker.i)
        os.close(self.reactor.waker.o)
        self.reactor._poller.close()

    def at(self, now: float) -> list[str]:
        """What ran at this time of day."""
        self.now = now
        self.ran.clear()
        self.reactor.runUntilCurrent()
        return list(self.ran)

    def test_timers_go_on(self) -> None:
        """must-survive 59: an hour back: deadlines come after as long as they were to, in their order; new ones too."""
        start = self.now
        for seconds in (30.0, 5.0, 15.0):
            self.reactor.callLater(seconds, self.ran.append, f"{seconds:g} s")
        self.assertEqual(self.at(start + 4), [])
        back = start - 3600
        self.now = back
        self.reactor.callLater(2.0, self.ran.append, "new")
        self.assertEqual(self.at(back + 0.9), [])
        self.assertEqual(self.at(back + 1.1), ["5 s"])
        self.assertEqual(self.at(back + 2.1), ["new"])
        self.assertEqual(self.at(back + 11.5), ["15 s"])
        self.assertAlmostEqual(self.reactor.timeout(), 14.5)
        self.assertEqual(self.at(back + 26.5), ["30 s"])

    def test_again_and_again(self) -> None:
        """Each time by as much as it was set back; what is cancelled or moved stays so."""
        gone = self.reactor.callLater(1.0, self.ran.append, "gone")
        moved = self.reactor.callLater(1.0, self.ran.append, "moved")
        for _ in range(10):
            self.assertEqual(self.at(self.now - 60), [])
        gone.cancel()
        moved.reset(5.0)
        self.assertEqual(self.at(self.now + 4.9), [])
        self.assertEqual(self.at(self.now + 0.2), ["moved"])


class Leaves(Protocol):
    def __init__(self, left: list[Leaves]) -> None:
        self._left = left

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._left.append(self)


class Departed(Connected):
    def test_many(self) -> None:
        """Of peers that leave at once ENDS end in a turn, and who speaks meanwhile is heard in the first; one that is
        ended in another way while it waits is told once."""
        left: list[Leaves] = []
        leaving = [self.accepted(Leaves(left)) for _ in range(2 * ENDS + 4)]
        speaks = Answers([], b"yes")
        peer = self.accepted(speaks)
        for each in leaving:
            each.close()
        peer.sendall(b"?")
        for transport in self.transports:
            self.assertEqual(select.select([transport.socket], [], [], UNTIL)[0], [transport.socket])
        self.reactor.doPoll(0)
        self.assertEqual(len(speaks.seen), 1)
        self.assertEqual(len(left), 2 * ENDS)  # what this turn takes at once, and of those that wait
        waiting, _ = self.reactor.leaving[0]
        waiting.connectionLost(Failure(ConnectionLost()))
        self.reactor.doPoll(None)  # it does not sleep while somebody waits
        self.assertEqual(len(left), len(leaving))
        self.assertEqual(len(set(left)), len(left))
