"""What a pump does later: a real relay with masked output between two transports that write lists."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import Answer
from hoopgw.model.events import Code
from hoopgw.policy.masks import SqlMasks
from hoopgw.relay.effects import Ask, Effect
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.relay.ssh import SshRelay
from hoopgw.relay.ssh_masks import DELAY
from hoopgw.servers.endings import ONE_TURN, Endings
from hoopgw.servers.pump import Pump
from hoopgw.servers.timers import GRACE
from hoopgw.session.supervision import Supervision
from hoopgw.wire import sshmessages as wire
from tests.relay.test_ssh import WINDOW, execute, opening

MASKS = SqlMasks({}, (), frozenset(("payment-card",)), frozenset(), build=MaskBuilder(b"k"))


class Allowing(Supervision):
    """A session that lets everything run, masked."""

    def decide(self, ask: Ask) -> tuple[Answer, ...]:
        return tuple(Answer(masks=MASKS) for _ in ask.operations)

    def record(self, effect: Effect) -> None:
        pass

    def client_left(self) -> bool:
        return False

    def close(self, code: Code, reason: str, coverage: dict[str, Any]) -> Deferred[None]:
        return succeed(None)


class Side:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.disconnected = False

    def write(self, data: bytes) -> None:
        self.written += wire.messages(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None: ...

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def loseConnection(self) -> None:
        self.disconnected = True


class Timers(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.client, self.target = Clock(), Side(), Side()
        self.endings = Endings(self.clock)
        self.pump = Pump(
            Allowing(),
            SshRelay(session="s_1", policy=""),
            self.client,
            self.target,
            lambda: succeed(None),
            lambda session: None,
            self.clock,
            self.endings,
        )
        self.pump.client_bytes(wire.framed(opening()))
        self.pump.target_bytes(wire.framed(wire.confirmation(0, 7, WINDOW, 32768)))
        self.pump.client_bytes(wire.framed(execute(7, b"cat")))
        self.client.written.clear()
        self.says(b"4000")

    def says(self, data: bytes) -> None:
        self.pump.target_bytes(wire.framed(wire.channel_data(0, data)))

    def later(self) -> list[bytes]:
        self.clock.advance(DELAY)
        self.clock.advance(GRACE)
        shown, self.client.written = self.client.written, []
        return [each[9:] for each in shown]

    def test_shown(self) -> None:
        self.assertEqual(self.client.written, [])
        self.assertEqual(self.later(), [b"4000"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_read_first(self) -> None:
        """What had come in when the timer was due, and was read after it, counts as having come before it."""
        self.clock.advance(DELAY)
        self.says(b" 0012 3456 7899\n")
        self.clock.advance(GRACE)
        self.assertEqual([each[9:] for each in self.client.written], [b"*" * 19 + b"\n"])

    def test_unread_target(self) -> None:
        """While a slow client keeps the target from being read nothing is late; a slow target holds up nothing."""
        self.client.producer.pauseProducing()
        self.assertEqual((self.later(), self.later()), ([], []))
        self.client.producer.resumeProducing()
        self.target.producer.pauseProducing()
        self.assertEqual(self.later(), [b"4000"])

    def test_end(self) -> None:
        """The end of a session shows what waits, and leaves no timer."""
        self.pump.target_gone("closed")
        self.assertEqual(self.client.written[0][9:], b"4000")
        self.pump.client_gone()
        calls = [call for call in self.clock.getDelayedCalls() if 0 < call.getTime() <= DELAY]
        self.assertEqual(calls, [])

    def test_end_that_waits(self) -> None:
        """A session whose end waits for its turn forwards nothing more."""
        for _ in range(ONE_TURN):
            self.endings.add(lambda: None)
        self.pump.client_gone()
        self.target.written.clear()
        self.pump.client_bytes(wire.framed(wire.channel_data(7, b"late")))
        self.pump.target_bytes(wire.framed(wire.channel_data(0, b"late")))
        self.assertEqual((self.client.written, self.target.written, self.client.disconnected), ([], [], False))
        self.clock.advance(0)
        self.assertEqual((self.client.disconnected, self.target.disconnected), (True, True))
