"""A call whose answer comes in time or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from hoopgw.model.errors import StoreUnavailable

DEADLINE = 5.0  # seconds for one call: longer than any healthy store takes, shorter than a client's patience


def refused(reason: str) -> Deferred[Any]:
    """A call that is not even begun."""
    return fail(StoreUnavailable(reason))


class Answered:
    """One call: `deferred` is the caller's, `settle` brings the result; what comes first counts.

    `over` is True once nobody waits any more: the work may be skipped or stopped.  Cancelling `deferred` is giving up.
    `given_up` is told when the caller stops waiting before the result; `begun` is the provider's own note.
    """

    __slots__ = ("deferred", "over", "begun", "_timer", "_given_up")

    def __init__(
        self,
        clock: IReactorTime,
        late: str,
        given_up: Callable[["Answered"], None] = lambda answered: None,
        seconds: float | None = None,  # DEADLINE
    ) -> None:
        self.over = False
        self.begun = False
        self.deferred: Deferred[Any] = Deferred(self._cancelled)
        self._given_up = given_up
        self._timer = clock.callLater(DEADLINE if seconds is None else seconds, self._late, late)

    def settle(self, result: Any, foreseen: tuple[type[BaseException], ...]) -> None:
        """`result` is the value or a Failure; the `foreseen` errors of the provider become StoreUnavailable."""
        if self.over:
            return
        self._end()
        if isinstance(result, Failure) and result.check(*foreseen):
            result = Failure(StoreUnavailable(f"{type(result.value).__name__}: {str(result.value).strip()}"))
        if isinstance(result, Failure):
            self.deferred.errback(result)
        else:
            self.deferred.callback(result)

    def _cancelled(self, _: Deferred[Any]) -> None:
        self._end()
        self._given_up(self)

    def _late(self, words: str) -> None:
        self.over = True
        self._given_up(self)
        self.deferred.errback(StoreUnavailable(words))

    def _end(self) -> None:
        self.over = True
        if self._timer.active():
            self._timer.cancel()
