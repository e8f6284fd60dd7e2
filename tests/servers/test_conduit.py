"""The shortest way to write and to be given what is read, and the longer one of transports that have none."""

from __future__ import annotations

from types import SimpleNamespace

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.servers.conduit import Receiver, Sink, Through, deliver, sink_of


class Conduits(SynchronousTestCase):
    def test_sink_of(self) -> None:
        """The transport where it is one, or its own; else its `write`."""
        transport = StringTransport()
        through = sink_of(transport)
        through.write(b"a")
        self.assertEqual(transport.value(), b"a")
        self.assertIs(sink_of(SimpleNamespace(sink=through, write=None)), through)
        self.assertIs(sink_of(through), through)
        self.assertIsInstance(sink_of(SimpleNamespace(sink="of a kitchen", write=transport.write)), Through)

    def test_deliver(self) -> None:
        """Who knows how is told; another is left as it is."""
        told: list[Receiver | None] = []
        receiver = Receiver()
        for each in (receiver, None):
            deliver(SimpleNamespace(deliver_to=told.append), each)
        deliver(StringTransport(), receiver)
        self.assertEqual(told, [receiver, None])

    def test_what_must_be_there(self) -> None:
        """Without a method of its own nothing is passed on silently."""
        for call in (lambda: Receiver().received(b""), lambda: Sink().write(b""), lambda: Sink().send_now()):
            self.assertRaises(NotImplementedError, call)
