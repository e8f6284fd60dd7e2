from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import IReactorTime
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.servers.endings import ONE_TURN, Endings


class Turns:
    """A reactor's: what a turn puts off comes with the next one.  (Clock runs all of it at once.)"""

    def __init__(self) -> None:
        self.later: list[Callable[[], Any]] = []

    def callLater(self, seconds: float, call: Callable[[], Any]) -> None:
        self.later.append(call)

    def turn(self) -> None:
        now, self.later = self.later, []
        for call in now:
            call()


class Ends(SynchronousTestCase):
    def setUp(self) -> None:
        self.turns = Turns()
        self.done: list[int] = []
        self.endings = Endings(cast(IReactorTime, self.turns))

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.endings.add(lambda number=number: self.done.append(number))  # type: ignore[misc]

    def test_few(self) -> None:
        """A few end at once, also one by one over many turns; nothing is left behind."""
        for number in range(3 * ONE_TURN):
            self.add(number)
            self.assertEqual(self.done[-1], number)
            self.turns.turn()
        self.assertEqual(self.turns.later, [])

    def test_many(self) -> None:
        """No turn ends more than ONE_TURN, in the order in which they came; the others come with the turns after it."""
        everybody = list(range(3 * ONE_TURN + 1))
        self.add(*everybody)
        for turn in (1, 2, 3):
            self.assertEqual(self.done, everybody[: turn * ONE_TURN])
            self.turns.turn()
        self.assertEqual(self.done, everybody)

    def test_later_ones_wait(self) -> None:
        """Who comes while others wait does not go past them."""
        self.add(*range(2 * ONE_TURN + 2))
        self.turns.turn()
        self.add(1000)
        self.turns.turn()
        self.assertEqual(self.done[-3:], [2 * ONE_TURN, 2 * ONE_TURN + 1, 1000])

    def test_failed(self) -> None:
        """One that fails is told, and takes nobody along."""
        self.add(*range(ONE_TURN))
        self.endings.add(lambda: 1 // 0)
        self.add(1000)
        self.turns.turn()
        self.assertEqual(self.done[-1], 1000)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
