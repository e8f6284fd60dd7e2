"""The end of a connection whose peer still takes what was written to it: waited for as long as it does so."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IReactorTime

LINGER: Final = 30.0  # seconds between looks at a peer that is slow
RATE: Final = 500  # bytes a second that it takes meanwhile, as `request_rate` wants of the other way


def part(clock: IReactorTime, transport: Any, seconds: float = LINGER) -> None:
    """`transport` was told to lose its connection.  It ends after `seconds`, unless its peer takes what is left; where
    that is less than LINGER, whatever it takes."""
    if not transport.disconnected:
        clock.callLater(seconds, _look, clock, transport, seconds, untaken(transport))


def _look(clock: IReactorTime, transport: Any, seconds: float, before: int) -> None:
    if transport.disconnected:
        return
    left = untaken(transport)
    if seconds >= LINGER and before - left >= RATE * seconds:
        clock.callLater(seconds, _look, clock, transport, seconds, left)
    else:
        transport.abortConnection()


def untaken(transport: Any) -> int:
    """Bytes that its peer has not taken; 0 where nobody counts them."""
    count = getattr(transport, "untaken", None)
    return 0 if count is None else int(count())
