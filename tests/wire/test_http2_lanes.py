"""Streams that are open, and how the others ended."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.http2_lanes import BOTH_ENDED, ENDED, MAX_CLOSED, NEVER, RESET_HERE, Lanes


class Open(SynchronousTestCase):
    def test_both_ends(self) -> None:
        """A stream is closed when both sides have ended it, not before."""
        lanes = Lanes()
        lane = lanes.open(1, 10)
        lane.heard = ENDED
        lanes.settle(1, lane)
        self.assertEqual((lanes.count, lanes.how(1)), (1, NEVER))
        lane.said = ENDED
        lanes.settle(1, lane)
        self.assertEqual((lanes.count, lanes.how(1), lanes.get(1)), (0, BOTH_ENDED, None))

    def test_what_is_remembered(self) -> None:
        """How the last ones ended, in bounded room."""
        lanes = Lanes()
        for stream in range(1, 2 * MAX_CLOSED + 3, 2):
            lanes.open(stream, 0)
            lanes.close(stream, RESET_HERE)
        self.assertEqual((lanes.how(1), lanes.how(3), lanes.how(2 * MAX_CLOSED + 1)), (NEVER, RESET_HERE, RESET_HERE))
