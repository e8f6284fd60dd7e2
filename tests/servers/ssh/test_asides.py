"""hoopgw.servers.ssh.asides: few words beside the login; over a connection in test_transport."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import ProtocolViolation
from hoopgw.servers.ssh.asides import MAX_EARLY, Asides


class Idle(SynchronousTestCase):
    def test_bounded_before_the_login_only(self) -> None:
        """MAX_EARLY of them before the login is done; after it a keepalive may come for days."""
        asides = Asides(of_client=True)
        for _ in range(MAX_EARLY):
            asides.idle(established=False)
        self.assertRaises(ProtocolViolation, asides.idle, False)
        for _ in range(MAX_EARLY):
            asides.idle(established=True)


class Extensions(SynchronousTestCase):
    def taken(self, asides: Asides, established: bool, after_newkeys: bool) -> bool:
        try:
            asides.extensions(established, after_newkeys)
        except ProtocolViolation:
            return False
        return True

    def test_of_a_client(self) -> None:
        """RFC 8308, 2.4: once, right behind its first NEWKEYS."""
        asides = Asides(of_client=True)
        self.assertEqual([self.taken(asides, False, True), self.taken(asides, False, False)], [True, False])
        self.assertFalse(self.taken(Asides(of_client=True), False, False))

    def test_of_a_server(self) -> None:
        """Once more before it says that the login is good, and never after that."""
        asides = Asides(of_client=False)
        self.assertEqual([self.taken(asides, False, each) for each in (True, False, False)], [True, True, False])
        self.assertFalse(self.taken(Asides(of_client=False), True, True))
