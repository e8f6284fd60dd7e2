"""Ends of an SSH session: what becomes of what runs at its target."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import Answer
from hoopgw.model.events import Code
from hoopgw.model.operation import Operation
from hoopgw.relay.effects import Hangup, ToTarget
from hoopgw.wire import sshmessages as wire
from tests.relay.test_ssh import Play


def begun() -> Play:
    """Channel 7 runs a command, 8 waits for a decision, 9 is SFTP, on 10 nothing was started, 11 was closed."""

    def decide(operation: Operation) -> Answer | None:
        return None if operation.text == b"held" else Answer()

    play = Play(decide)
    for place, number in enumerate(range(7, 12)):
        play.open(place, number)
    play.client(wire.request(7, b"exec", True, wire.string(b"sleep 9999")))
    play.client(wire.request(8, b"exec", True, wire.string(b"held")))
    play.client(wire.request(9, b"subsystem", True, wire.string(b"sftp")))
    play.client(wire.request(11, b"exec", True, wire.string(b"id")), wire.simple(wire.CHANNEL_CLOSE, 11))
    play.took()
    return play


class Ends(SynchronousTestCase):
    def test_what_runs_is_killed(self) -> None:
        """must-survive 77: where its time or right is over, what runs does not outlive the session: before the end."""
        signal = wire.framed(wire.request(7, b"signal", False, wire.string(b"KILL")))
        for code in (Code.SESSION_KILLED, Code.SESSION_STOPPED, Code.SESSION_EXPIRED, Code.SESSION_REVOKED):
            effects = begun().relay.ended("over", code, None)
            self.assertEqual([each.data for each in effects if isinstance(each, ToTarget)], [signal], code)
            self.assertIsInstance(effects[-1], Hangup)

    def test_what_runs_is_left(self) -> None:
        """A gateway that stops, or cannot record, does to it what a lost connection does."""
        for code in (Code.GATEWAY_STOPPED, Code.RECORDING_FAILED):
            effects = begun().relay.ended("over", code, None)
            self.assertEqual([each for each in effects if isinstance(each, ToTarget)], [], code)
