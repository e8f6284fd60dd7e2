"""The end of a connection whose peer still takes what was written to it, or still sends: waited for meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

LINGER: Final = 30.0  # seconds between looks at a peer that is slow
RATE: Final = 500  # bytes a second that it takes meanwhile, as `request_rate` wants of the other way
HEARD: Final = 64 << 20  # bytes of one that sends and sends
QUIET: Final = 1.0  # seconds without a byte from a peer that was sending: it has sent all, and reads


def own_failure(reason: Failure) -> str:
    """Why a connection ended that neither its peer nor the network ended: what failed in reading it; else ""."""
    if reason.check(ConnectionClosed, OSError) is not None:
        return ""
    return f"the gateway failed: {type(reason.value).__name__}"


def hear_out(clock: IReactorTime, transport: Any, heard: Callable[[], int], first: float, seconds: float) -> None:
    """Let `transport` lose its connection when its peer sends no more; after LINGER, or when HEARD bytes have come,
    in any case.

    Where bytes are left unread a close is a reset, and many clients read nothing of what was written before it.
    `heard` counts what comes; the first look is after `first` seconds.  Then it has `seconds` to take what is left.
    """
    before, until = heard(), clock.seconds() + LINGER
    enough = before + HEARD

    def look(before: int) -> None:
        now = heard()
        if before != now < enough and clock.seconds() < until and not transport.disconnected:
            clock.callLater(QUIET, look, now)
        else:
            transport.loseConnection()
            part(clock, transport, seconds)

    clock.callLater(first, look, before)


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
