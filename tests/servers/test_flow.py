"""What is read of real sockets by the shortest way, whatever its size, and who is given it."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

from twisted.internet import main
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.servers.conduit import Receiver
from hoopgw.servers.flow import EPOLLIN, READ_SIZE, SMALL_READ, TINY_READ, Flow, read_all


class Kept(Receiver):
    def __init__(self) -> None:
        self.reads: list[bytes] = []

    def received(self, data: bytes) -> None:
        self.reads.append(data)


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.peer, self.socket = socket.socketpair()
        for each in (self.peer, self.socket):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * READ_SIZE)
            each.setblocking(False)
            self.addCleanup(each.close)
        self.receiver, self.bulk, self.flows = Kept(), set[int](), list[Flow | None]()
        self.transport: Any = SimpleNamespace(socket=self.socket, protocol=SimpleNamespace())
        self.flow = Flow(self.transport, [], self.bulk, self.flows)
        self.flow.receiver = self.receiver

    def reads(self, *sizes: int) -> list[int]:
        """The sizes of the reads that it takes to see what was sent in such pieces."""
        self.receiver.reads.clear()
        for size in sizes:
            self.peer.sendall(bytes(size))
            self.flow.read()
        while self.flow.read() is None and sum(map(len, self.receiver.reads)) < sum(sizes):
            pass
        return [len(each) for each in self.receiver.reads]


class Reads(Case):
    def test_sizes(self) -> None:
        """What is small comes as it is; what fills a small read comes with what stands behind it, at once."""
        for size in (1, TINY_READ - 1, TINY_READ, TINY_READ + 1, 5000, TINY_READ + SMALL_READ):
            self.flow = Flow(self.transport, [], self.bulk, self.flows)
            self.flow.receiver = self.receiver
            self.assertEqual(self.reads(size), [size])

    def test_larger_and_larger(self) -> None:
        """A read that fills its room is followed by larger ones, until less comes; nothing is lost meanwhile."""
        self.assertEqual(
            self.reads(100, 2 * SMALL_READ, 100), [100, TINY_READ + SMALL_READ, SMALL_READ - TINY_READ + 100]
        )
        self.assertFalse(self.bulk)
        self.reads(READ_SIZE)
        self.assertEqual(self.reads(READ_SIZE), [READ_SIZE])
        self.assertEqual(self.bulk, {self.socket.fileno()})
        self.reads(1)
        self.assertFalse(self.bulk)

    def test_the_end_behind_a_full_read(self) -> None:
        """Bytes first, the end with the next read."""
        self.peer.send(bytes(TINY_READ))
        self.peer.close()
        self.assertIsNone(self.flow.read())
        self.assertEqual(self.receiver.reads, [bytes(TINY_READ)])
        self.assertIs(self.flow.read(), main.CONNECTION_DONE)

    def test_after_the_end(self) -> None:
        """Whoever has the descriptor by then is neither read nor written to."""
        self.flow.write(b"never")
        self.flow.end()
        self.flow.transport = self.transport
        self.peer.send(b"x")
        self.assertIs(self.flow.read(), main.CONNECTION_LOST)
        queued: list[bytes] = []
        self.transport.queue, self.flow.clear = queued.append, True
        self.flow.write(b"late")
        self.flow.send_now()
        self.assertEqual(queued, [b"late"])
        self.assertEqual(self.socket.recv(10), b"x")
        self.assertRaises(BlockingIOError, self.peer.recv, 10)

    def test_without_a_receiver(self) -> None:
        """The transport's protocol has it."""
        came: list[bytes] = []
        self.flow.receiver, self.transport.protocol.dataReceived = None, came.append
        self.peer.send(b"x")
        self.flow.read()
        self.assertEqual((came, self.receiver.reads), ([b"x"], []))


class Turns(Case):
    def turn(self) -> list[tuple[int, int]]:
        """Of whom nobody here knew how to read them."""
        others: list[tuple[int, int]] = []
        reactor = SimpleNamespace(reader=lambda *event: others.append(event))
        read_all([(self.socket.fileno(), EPOLLIN)], self.flows, reactor)
        return others

    def test_its_own(self) -> None:
        """Read without a step between."""
        self.flow.begin()
        self.peer.send(b"x")
        self.assertEqual((self.turn(), self.receiver.reads), ([], [b"x"]))

    def test_paused(self) -> None:
        """Not read, whatever the poll of this turn had said before."""
        self.flow.begin()
        self.flow.pause()
        self.peer.send(b"x")
        self.assertEqual((self.turn(), self.receiver.reads), ([(self.socket.fileno(), EPOLLIN)], []))

    def test_another_of_the_same_number(self) -> None:
        """A descriptor that another connection has got is that one's, also when the first is told that it ended."""
        after = Kept()
        self.flow.begin()
        other = Flow(self.transport, [], self.bulk, self.flows)
        other.receiver = after
        other.begin()
        self.flow.end()
        self.peer.send(b"x")
        self.assertEqual((self.turn(), self.receiver.reads, after.reads), ([], [], [b"x"]))

    def test_ended(self) -> None:
        """It is forgotten, and holds nobody."""
        self.flow.begin()
        self.flow.end()
        self.assertEqual((self.flow.receiver, self.flow.transport, any(self.flows)), (None, None, False))
        self.flow.begin()
        self.assertFalse(any(self.flows))
