"""hoopgw.servers.ssh.rekeying: what a peer may ask for, and what waits; with both legs in test_transport."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import ProtocolViolation
from hoopgw.servers.ssh.rekeying import (
    MAX_BLOCKED,
    REKEY_CREDIT,
    REKEY_DEADLINE,
    REKEY_EARNS,
    Blocked,
    Credit,
    Timers,
)


class Credits(SynchronousTestCase):
    def spent(self, credit: Credit, moving: int = 0) -> int:
        """How many more there are."""
        for number in range(10 * REKEY_CREDIT):
            try:
                credit.spend(moving if number == 0 else 0)
            except ProtocolViolation:
                return number
        raise AssertionError("there is no end")

    def test_what_moved_earns(self) -> None:
        """One more for each REKEY_EARNS bytes, under the keys in use or those before, each counted once."""
        credit = Credit()
        self.assertEqual(self.spent(credit), REKEY_CREDIT)
        for moved, moving in ((3 * REKEY_EARNS, 0), (0, 3 * REKEY_EARNS), (REKEY_EARNS - 1, 2 * REKEY_EARNS + 1)):
            credit = Credit()
            self.spent(credit)
            credit.earn(moved)
            self.assertEqual(self.spent(credit, moving), 2, (moved, moving))  # the one that was too many is paid first

    def test_never_more_than_at_first(self) -> None:
        """However much moved, no more can be asked for at once."""
        credit = Credit()
        credit.earn(1000 * REKEY_CREDIT * REKEY_EARNS)
        self.assertEqual(self.spent(credit), REKEY_CREDIT)


class Waits(SynchronousTestCase):
    def test_in_order_up_to_a_bound(self) -> None:
        """As they came; one too many is told, and when they are taken there is room again."""
        blocked = Blocked()
        half = bytes(MAX_BLOCKED // 2)
        self.assertEqual([blocked.add(run) for run in (b"", half, half, b"x")], [True, True, True, False])
        self.assertEqual([len(run) for run in blocked.taken()], [0, len(half), len(half), 1])
        self.assertTrue(blocked.add(half))
        self.assertEqual([len(run) for run in blocked.taken()], [len(half)])


class Times(SynchronousTestCase):
    def test_one_that_ends_in_time(self) -> None:
        """Its deadline is off, and the next one is due."""
        clock, timers, called = Clock(), Timers(), []
        timers.begun(clock, lambda: called.append("too long"))
        timers.done(clock, 100.0, lambda: called.append("due"))
        clock.advance(REKEY_DEADLINE + 1)
        self.assertEqual(called, [])
        clock.advance(100.0)
        self.assertEqual(called, ["due"])

    def test_one_that_does_not(self) -> None:
        """It is told once; after `stop` nothing is."""
        clock, timers, called = Clock(), Timers(), []
        timers.begun(clock, lambda: called.append("too long"))
        clock.advance(REKEY_DEADLINE + 1)
        timers.stop()
        self.assertEqual((called, clock.getDelayedCalls()), (["too long"], []))
