"""Two legs of one session, and who of them is read when."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.servers.ssh.leg import Leg
from hoopgw.servers.ssh.reading import KEYS, PUMP, TURN, Reading
from hoopgw.servers.ssh.rekeying import REKEY_DEADLINE
from hoopgw.wire import sshmessages as wire
from tests.servers.ssh.legs import Wire, carry, established, gone

DATA = wire.channel_data(0, b"x" * 100)


class Stops(SynchronousTestCase):
    def test_each(self) -> None:
        """It goes on when nobody stops it any more."""
        transport = Wire()
        reading = Reading(lambda: transport)
        reading.stop(PUMP)
        reading.stop(TURN)
        reading.go_on(PUMP)
        self.assertFalse(transport.reads)
        reading.go_on(TURN)
        self.assertTrue(transport.reads)

    def test_own_exchange(self) -> None:
        """What the other leg's exchange stops is read for one's own, and for no other reason."""
        transport = Wire()
        reading = Reading(lambda: transport)
        reading.stop(KEYS)
        self.assertFalse(transport.reads)
        reading.exchanging(True)
        self.assertTrue(transport.reads)
        reading.stop(PUMP)
        self.assertFalse(transport.reads)
        reading.go_on(PUMP)
        reading.exchanging(False)
        self.assertFalse(transport.reads)


class Legs(SynchronousTestCase):
    def setUp(self) -> None:
        """The gateway's legs, each with its peer."""
        self.client_leg, self.client = established()
        self.target, self.target_leg = established()
        self.client_leg.beside, self.target_leg.beside = self.target_leg, self.client_leg

    def carried(self) -> None:
        """As `carry`, but no leg is fed that is not read."""
        moved = True
        while moved:
            moved = False
            for leg, peer in ((self.client_leg, self.client), (self.target_leg, self.target)):
                for here, there in ((leg, peer), (peer, leg)):
                    if here.transport.written and there.transport.reads:
                        data, here.transport.written = b"".join(here.transport.written), []
                        there.dataReceived(data)
                        there.clock.advance(0)
                        moved = True

    def quiet(self) -> None:
        for leg in (self.client_leg, self.target_leg):
            self.assertEqual((leg.failures, leg._exchanging, leg.transport.reads), ([], False, True))

    def test_both_want_new_keys(self) -> None:
        """Both have moved as much, so both want them at once: one after the other.  Each stopped the other's reading,
        and the session ended after REKEY_DEADLINE, with every GiB and every hour."""
        before = self.client_leg._packets.opener, self.target_leg._packets.opener
        self.client_leg.rekey()
        self.target_leg.rekey()
        self.assertFalse(self.target_leg._exchanging)
        self.carried()
        self.quiet()
        after = self.client_leg._packets.opener, self.target_leg._packets.opener
        for one, other in zip(before, after, strict=True):
            self.assertIsNot(one, other)
        self.client_leg.clock.advance(REKEY_DEADLINE + 1)
        self.quiet()

    def test_peers_want_new_keys(self) -> None:
        """The same where both peers begin, whose beginnings were read already."""
        for peer in (self.client, self.target):
            peer.rekey()
            peer.send(DATA)
        for leg, peer in ((self.client_leg, self.client), (self.target_leg, self.target)):
            data, peer.transport.written = b"".join(peer.transport.written), []
            leg.dataReceived(data)
        self.assertTrue(self.client_leg._exchanging and self.target_leg._exchanging)
        self.carried()
        self.quiet()

    def test_nothing_is_lost(self) -> None:
        """Data both ways, with new keys all the time on either leg's wish and on either peer's."""
        self.client_leg.received = self.target_leg.write
        self.target_leg.received = self.client_leg.write
        for leg in (self.client_leg, self.target_leg):
            leg._packets.run = leg.received
        for number in range(60):
            self.client.send(wire.channel_data(0, b"%d" % number))
            self.target.send(wire.channel_data(1, b"%d" % number))
            (self.client_leg, self.target_leg, self.client, self.target)[number % 4].rekey()
            if number % 3 == 0:
                self.carried()
        self.carried()
        self.quiet()
        for peer, channel in ((self.target, 0), (self.client, 1)):
            heard = wire.messages(b"".join(peer.runs))
            self.assertEqual(heard, [wire.channel_data(channel, b"%d" % number) for number in range(60)])

    def test_full_socket_meanwhile(self) -> None:
        """The target is read when neither a full socket nor new keys stop it: a slow client that took what was queued
        in the middle of an exchange got more than may wait for its end, and was left."""
        pump = Leg(self.target_leg)
        pump.pauseProducing()
        self.client_leg.rekey()
        pump.resumeProducing()
        self.assertFalse(self.target_leg.transport.reads)
        pump.pauseProducing()
        carry(self.client_leg, self.client)
        self.assertFalse(self.target_leg.transport.reads)
        pump.resumeProducing()
        self.assertTrue(self.target_leg.transport.reads)

    def test_gone_meanwhile(self) -> None:
        """A leg that is lost in its exchange stops nobody."""
        self.client_leg.rekey()
        self.assertFalse(self.target_leg.transport.reads)
        gone(self.client_leg)
        self.assertTrue(self.target_leg.transport.reads)
        self.assertIsNone(self.client_leg.beside)
