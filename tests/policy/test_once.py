"""Properties that are worked out once."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.once import once


class Counted:
    def __init__(self) -> None:
        self.times = 0

    @once
    def worked_out(self) -> int:
        """What it says."""
        self.times += 1
        return self.times

    @once
    def broken(self) -> int:
        self.times += 1
        raise ValueError


class Once(SynchronousTestCase):
    def test_it_is_worked_out_when_it_is_first_asked_for(self) -> None:
        """For each instance, and not again; the class shows what it is."""
        one, other = Counted(), Counted()
        self.assertEqual(one.times, 0)
        self.assertEqual([one.worked_out, one.worked_out, one.times], [1, 1, 1])
        self.assertEqual(other.times, 0)
        self.assertEqual(Counted.worked_out.__doc__, "What it says.")

    def test_what_fails_fails_again(self) -> None:
        """Nothing is kept of it: a guardrail that was broken stays so."""
        counted = Counted()
        for _ in range(2):
            self.assertRaises(ValueError, lambda: counted.broken)
        self.assertEqual(counted.times, 2)
