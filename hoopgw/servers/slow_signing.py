"""Signatures by a key that may be in a token: made by a thread then, and waited for so long and no longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThread

from hoopgw.model.errors import TokenUnavailable

Made = TypeVar("Made")
SECONDS = 10.0  # for a token behind a network; within the time of a login
AT_ONCE = 3  # threads of the reactor's ten: a token that hangs must not take those of everything else


class SlowSigning:
    """For one who needs signatures."""

    def __init__(self, clock: IReactorTime, at_once: int = AT_ONCE) -> None:
        self._clock = clock
        self._at_once = at_once
        self._busy = 0

    def made(self, slow: bool, sign: Callable[..., Made], *given: Any) -> Deferred[Made]:
        """What `sign` gives.  Fails with TokenUnavailable after SECONDS: what the thread still makes is for nobody."""
        if not slow:
            return maybeDeferred(sign, *given)
        if self._busy >= self._at_once:
            return fail(TokenUnavailable("the token has not answered earlier requests yet"))
        self._busy += 1
        waiting: Deferred[Made] = Deferred()  # a timeout ends the wait, and not the thread
        deferToThread(sign, *given).addBoth(self._done, waiting)
        return waiting.addTimeout(SECONDS, self._clock, onTimeoutCancel=_late)

    def _done(self, result: Any, waiting: Deferred[Made]) -> None:
        self._busy -= 1
        if not waiting.called:  # else nobody waits any more
            waiting.callback(result)


def _late(result: Any, seconds: float) -> Any:
    raise TokenUnavailable(f"no signature within {seconds:g} s")
