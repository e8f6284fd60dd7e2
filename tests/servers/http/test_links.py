"""Where the gateway connects to, and whom it gives a connection again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from hoopgw.auth.access import Access
from hoopgw.model.grant import Grant, Who
from hoopgw.model.identity import Identity
from hoopgw.model.target import Address, Role, Target, TlsMode
from hoopgw.servers.http.links import KEPT_EACH, KEPT_SECONDS, Link, Links, forbidden
from hoopgw.servers.reach import Place

PLACE = Place(Address("api", 443), "192.0.2.1")


class Addresses(SynchronousTestCase):
    def test_what_a_name_must_not_lead_to(self) -> None:
        """This machine, the link, a cloud's metadata: whoever answers for the name could have chosen them."""
        for numeric in (
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "0.0.0.0",
            "::",
            "169.254.169.254",
            "169.254.1.1",
            "fe80::1",
            "fe80::1%eth0",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "fd00:100::100:200",
            "fd00:a9fe:a9fe::1",
            "100.100.100.200",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "224.0.0.1",
            "168.63.129.16",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ):
            self.assertNotEqual(forbidden(numeric, "api.example.com"), "", numeric)

    def test_what_is_configured_may_be(self) -> None:
        """A target that names the address itself means it; others go where their name leads."""
        for numeric, name in (
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("127.0.0.1", "localhost"),
            ("169.254.169.254", "169.254.169.254"),
            ("10.0.0.7", "api.internal"),
            ("192.0.2.1", "api.example.com"),
        ):
            self.assertEqual(forbidden(numeric, name), "", numeric)
        self.assertNotEqual(forbidden("127.0.0.1", "127.0.0.2"), "")
        self.assertNotEqual(forbidden("169.254.169.254", "localhost"), "")


class Transport:
    """Only what a kept connection is told."""

    def __init__(self) -> None:
        self.ended = False

    def loseConnection(self) -> None:
        self.ended = True

    abortConnection = loseConnection


def access(subject: str = "ada", role: str = "user") -> Access:
    target = Target("api", "http", (Address("api", 443),), TlsMode.VERIFY_FULL, {})
    identity = Identity("corp", "https://idp", subject, frozenset(), 1e12)
    return Access(identity, target, Role(role, ""), "", Grant("g", Who(anyone=True)), 1e12)


def made() -> Any:
    link = Link(None, PLACE)
    link.transport = Transport()
    return link


class Kept(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.links = Links(self.clock, None)  # type: ignore[arg-type]  # nothing is dialed here

    def test_only_the_same_identity_gets_it_again(self) -> None:
        """A target may know its clients by their connection."""
        link = made()
        self.links.give(access(), link)
        for other in (
            access("eve"),
            access(role="admin"),
            replace(access(), target=replace(access().target, name="x")),
        ):
            self.assertIsNone(self.links.take(other))
        self.assertIs(self.links.take(access()), link)
        self.assertTrue(link.reused)
        self.assertIsNone(self.links.take(access()))

    def test_time_and_number_are_bounded(self) -> None:
        """The oldest goes where there are too many, and each after a while."""
        links = [made() for _ in range(KEPT_EACH + 1)]
        for link in links:
            self.links.give(access(), link)
        self.assertEqual([link.transport.ended for link in links], [True] + [False] * KEPT_EACH)
        self.clock.advance(KEPT_SECONDS + 1)
        self.assertTrue(all(link.transport.ended for link in links))
        self.assertEqual((self.links.take(access()), self.clock.getDelayedCalls()), (None, []))

    def test_what_says_something_unasked_ends(self) -> None:
        """An answer to nothing would be taken for the next request's."""
        link = made()
        self.links.give(access(), link)
        link.dataReceived(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        self.assertTrue(link.transport.ended)

    def test_a_reload_forgets_them(self) -> None:
        """Trust and credentials may be others now."""
        link = made()
        self.links.give(access(), link)
        self.links.reloaded()
        self.assertTrue(link.transport.ended)
        self.assertIsNone(self.links.take(access()))


class Leaving(Protocol):
    """A target that says what it has to say, and closes."""

    transport: Any
    said = b"x" * 100_000  # what the kernel takes for somebody who does not read

    def connectionMade(self) -> None:
        self.transport.write(self.said)
        self.transport.loseConnection()


class LastWords(TestCase):
    @inlineCallbacks
    def test_of_a_target_that_left(self) -> Any:
        """A target that closes behind its answer while a slow client has it not read: all of the answer comes."""
        factory = Factory.forProtocol(Leaving)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        here = Address("127.0.0.1", port.getHost().port)
        found = replace(access(), target=replace(access().target, addresses=(here,), tls=TlsMode.DISABLE))
        links = Links(reactor, lambda reference: self.fail(f"{reference} is asked for"))
        link: Any = yield links.dial(found)
        came, ended = list[bytes](), Deferred[str]()
        link.receive, link.lost = came.append, ended.callback
        link.transport.pauseProducing()
        yield deferLater(reactor, 0.2)  # type: ignore[arg-type]  # it has left by then
        self.assertFalse(ended.called)
        link.transport.resumeProducing()
        yield ended.addTimeout(60, reactor)  # type: ignore[arg-type]
        self.assertEqual(sum(map(len, came)), len(Leaving.said))
