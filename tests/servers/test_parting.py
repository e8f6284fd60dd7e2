"""hoopgw.servers.parting: who still takes what was written to it is waited for."""

from __future__ import annotations

import ssl

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.servers.parting import HEARD, LINGER, QUIET, RATE, hear_out, own_failure, part


class Transport:
    """One that was told to lose its connection, with so much left."""

    def __init__(self, left: int = 0) -> None:
        self.left = left
        self.disconnected = False

    def untaken(self) -> int:
        return self.left

    def loseConnection(self) -> None:
        self.disconnected = not self.left

    def abortConnection(self) -> None:
        self.disconnected = True


class Uncounted(Transport):
    untaken = None  # type: ignore[assignment]


class Why(SynchronousTestCase):
    def test_what_failed_here(self) -> None:
        """Is nothing that the peer did, nor the network."""
        for error in (ConnectionDone(), ConnectionLost(), ConnectionAborted(), ConnectionResetError(), ssl.SSLError()):
            self.assertEqual(own_failure(Failure(error)), "")
        self.assertEqual(own_failure(Failure(MemoryError())), "the gateway failed: MemoryError")


class Parting(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def test_who_takes_nothing(self) -> None:
        """Has its time, and no more; so has one whose bytes nobody counts."""
        for transport in (Transport(1000), Uncounted(1000)):
            part(self.clock, transport)
            self.clock.advance(LINGER - 1)
            self.assertFalse(transport.disconnected)
            self.clock.advance(2)
            self.assertTrue(transport.disconnected)

    def test_who_takes_it_slowly(self) -> None:
        """Is waited for until all is taken, or it stops; drops are not enough."""
        for each, looks in ((int(RATE * LINGER), 10), (int(RATE * LINGER) - 1, 1)):
            transport = Transport(10 * each)
            part(self.clock, transport)
            for _ in range(looks):
                self.assertFalse(transport.disconnected)
                transport.left -= each
                self.clock.advance(LINGER)
            self.clock.advance(LINGER)
            self.assertTrue(transport.disconnected)

    def test_who_is_killed(self) -> None:
        """Has the time that a kill has, whatever it takes."""
        transport = Transport(1 << 20)
        part(self.clock, transport, 0.5)
        transport.left = 0
        self.clock.advance(0.5)
        self.assertTrue(transport.disconnected)

    def test_who_is_gone(self) -> None:
        """Is left alone, then and now."""
        transport = Transport()
        part(self.clock, transport)
        transport.disconnected = True
        part(self.clock, transport)
        self.clock.advance(LINGER)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_still_sends(self) -> None:
        """Is heard out until nothing comes any more, and then has read why: a close before is a reset."""
        transport, heard = Transport(), 0
        hear_out(self.clock, transport, lambda: heard, 0.1, LINGER)
        for wait in (0.1, QUIET, QUIET):
            heard += 1
            self.clock.advance(wait)
            self.assertFalse(transport.disconnected)
        self.clock.advance(QUIET)
        self.assertTrue(transport.disconnected)

    def test_who_sends_without_end(self) -> None:
        """Is heard out for LINGER, and one that takes nothing then has as long as it was to have."""
        for seconds in (LINGER, 0.5):
            transport, heard = Transport(1000), 0
            hear_out(self.clock, transport, lambda: heard, 0.1, seconds)
            heard += 1
            self.clock.advance(0.1)
            for _ in range(int(LINGER)):
                heard += 1
                self.assertFalse(transport.disconnected)
                self.clock.advance(QUIET)
            heard += 1
            self.clock.pump([QUIET, seconds])
            self.assertTrue(transport.disconnected)

    def test_who_sends_much(self) -> None:
        """Is heard out no longer when so much has come: to read it is work for others' cost."""
        transport, heard = Transport(), 0
        hear_out(self.clock, transport, lambda: heard, 0.1, LINGER)
        heard += HEARD
        self.clock.advance(0.1)
        self.assertTrue(transport.disconnected)
