"""What a session writes to its target, whatever connection carries it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import GO
from hoopgw.relay.effects import ToTarget
from hoopgw.relay.http import HttpRelay
from hoopgw.servers.http.links import Link
from hoopgw.servers.http.upstream import Upstream
from tests.relay.test_http import GET, OK, scope
from tests.servers.http.test_links import PLACE, access


class Sent(SynchronousTestCase):
    def setUp(self) -> None:
        self.links: list[Link] = []
        self.gone: list[str] = []
        self.relay = HttpRelay(scope())
        links: Any = SimpleNamespace(take=lambda access: None, dial=self.dial)
        self.upstream = Upstream(links, access(), self.relay, lambda: succeed(None))
        self.upstream.pump = SimpleNamespace(target_bytes=self.relay.from_target, target_gone=self.gone.append)

    def dial(self, who: Any) -> Deferred[Link]:
        link = Link(None, PLACE)
        link.transport = StringTransport()
        self.links.append(link)
        return succeed(link)

    def ask(self) -> None:
        self.relay.from_client(GET)
        for effect in self.relay.decided(0, (GO,)):
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
        self.links[0].lost("closed")
        self.assertEqual((self.written(), self.gone), ([2, 1], []))
        self.links[1].lost("closed")
        self.assertEqual((self.written(), self.gone), ([2, 1], ["closed"]))
