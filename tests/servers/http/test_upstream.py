"""What a session writes to its target, whatever connection carries it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import GO
from hoopgw.relay.effects import Effect, Observed, ToTarget
from hoopgw.relay.http import HttpRelay
from hoopgw.servers.conduit import Receiver
from hoopgw.servers.http.links import Link
from hoopgw.servers.http.upstream import Upstream
from tests.relay.test_http import GET, OK, scope
from tests.servers.http.test_links import PLACE, access


class Reading(Receiver):
    def __init__(self, relay: HttpRelay) -> None:
        self._relay = relay

    def received(self, data: bytes) -> None:
        self._relay.from_target(data)


class Sent(SynchronousTestCase):
    def setUp(self) -> None:
        self.links: list[Link] = []
        self.gone: list[str] = []
        self.noted: list[dict[str, object]] = []
        self.kept: Link | None = None
        self.relay = HttpRelay(scope())
        links: Any = SimpleNamespace(take=lambda access: self.kept, dial=self.dial)
        self.upstream = Upstream(links, access(), self.relay, lambda: succeed(None))
        self.upstream.pump = SimpleNamespace(
            reading_target=Reading(self.relay),
            target_gone=self.gone.append,
            go_on=self.carry_out,
        )

    def dial(self, who: Any) -> Deferred[Link]:
        link = Link(None, PLACE)
        link.transport = StringTransport()
        self.links.append(link)
        return succeed(link)

    def ask(self) -> None:
        self.relay.from_client(GET)
        self.carry_out(self.relay.decided(0, (GO,)))

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            self.noted += [effect.fields] if isinstance(effect, Observed) else []
            if isinstance(effect, ToTarget):
                self.upstream.write(effect.data)

    def written(self) -> list[int]:
        """Requests on each connection."""
        return [link.transport.value().count(b"GET /a") for link in self.links]

    def test_a_connection_that_was_closed_as_it_became_our_turn(self) -> None:
        """What is safe goes once more, on another one, where this one has answered before; of a new one it is told."""
        self.ask()
        self.links[0].receive(OK)
        self.ask()
        self.assertEqual(self.written(), [2])
        self.kept = Link(None, PLACE)  # as old as the one that was closed
        self.links[0].lost("closed")
        self.assertEqual((self.written(), self.gone), ([2, 1], []))
        self.assertEqual(self.noted, [{"operation": 2, "again": "closed"}])
        self.links[1].lost("closed")
        self.assertEqual((self.written(), self.gone), ([2, 1], ["closed"]))

    def test_a_client_that_was_held_back(self) -> None:
        """It is read again when the connection that was full is gone, whoever ended it: nobody else would say so."""
        for end in (self.upstream.end_target, lambda: self.links[-1].lost("closed")):
            self.kept = None
            held: list[bool] = []
            producer = SimpleNamespace(
                pauseProducing=lambda: held.append(True), resumeProducing=lambda: held.append(False)
            )
            self.upstream.registerProducer(producer, True)
            self.upstream.write(b"GET / HTTP/1.1\r\n\r\n")
            self.links[-1].transport.producer.pauseProducing()
            end()
            self.assertEqual(held[-2:], [True, False])
