"""What a pump sees of one connection."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.servers.ssh.leg import Leg
from hoopgw.wire import sshmessages as wire
from tests.servers.ssh.legs import carry, established


class Producer:
    """Whoever reads the other side."""

    def __init__(self) -> None:
        self.runs = True

    def pauseProducing(self) -> None:
        self.runs = False

    def resumeProducing(self) -> None:
        self.runs = True


class Stopped(SynchronousTestCase):
    def test_full_socket_and_new_keys(self) -> None:
        """The other side is read when neither a full socket nor an exchange of keys stops it: a slow client that takes
        what was queued in the middle of an exchange got more than may wait for its end, and was left."""
        server, client = established()
        leg, producer = Leg(server), Producer()
        sockets: list[Any] = []
        server.transport.registerProducer = lambda producer, streaming: sockets.append(producer)
        leg.registerProducer(producer, True)
        (socket,) = sockets
        socket.pauseProducing()
        server.rekey()
        socket.resumeProducing()
        self.assertFalse(producer.runs)
        server.write(wire.framed(b"\x5e" + b"x" * 100))
        socket.pauseProducing()
        carry(server, client)
        self.assertFalse(server._exchanging)
        self.assertFalse(producer.runs)
        socket.resumeProducing()
        self.assertTrue(producer.runs)
