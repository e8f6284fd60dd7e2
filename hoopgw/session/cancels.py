"""Cancel keys: which session a CancelRequest is about, and how many wrong ones a source may try."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from hoopgw.auth.penalties import source_of
from hoopgw.model.events import Code
from hoopgw.session.interfaces import IEvents

MAX_WRONG = 20  # wrong keys a minute from one source; then all of its requests are refused until the minute is over
WINDOW = 60.0  # seconds
MAX_SOURCES = 10_000  # sources that are remembered, some 2 MB; the one that erred longest ago goes first
MIN_KEY, MAX_KEY = 4, 256  # bytes of a key (PostgreSQL documentation, 55.7: CancelRequest)

_NOBODY = b"\0" * MIN_KEY, None


class CancelKeys:
    """A key is the only proof that a CancelRequest has, and it comes in the clear: guesses are bounded by source."""

    def __init__(self, clock: IReactorTime, events: IEvents) -> None:
        self._clock = clock
        self._events = events
        self._keys: dict[int, tuple[bytes, Callable[[], bool]]] = {}
        self._wrong: OrderedDict[str, tuple[float, int]] = OrderedDict()  # source -> since when, how many

    def register(self, number: int, key: bytes, cancelled: Callable[[], bool]) -> bool:
        """`cancelled()` is called for each request with this number and key; True where it found something to cancel.

        False where the number is taken: draw another one.
        """
        if not MIN_KEY <= len(key) <= MAX_KEY:
            raise ValueError(f"a cancel key has {MIN_KEY} to {MAX_KEY} bytes")
        if number in self._keys:
            return False
        self._keys[number] = key, cancelled
        return True

    def forget(self, number: int, key: bytes) -> None:
        """That session is over; somebody else's key of the same number stays."""
        if self._keys.get(number, _NOBODY)[0] == key:
            del self._keys[number]

    def cancel(self, number: int, key: bytes, address: str) -> bool:
        """One CancelRequest.  The peer is told nothing in any case, in the same time: the protocol has no answer."""
        known, cancelled = self._keys.get(number, _NOBODY)
        right = hmac.compare_digest(known, key) and cancelled is not None
        source = source_of(address)
        wrong = self._wrong_of(source)
        if wrong >= MAX_WRONG:
            return False
        if not right or cancelled is None:
            self._wrong_again(source)
            last = wrong + 1 == MAX_WRONG
            reason = f"no such key; the {MAX_WRONG}th: none is taken from there for a minute" if last else "no such key"
            self._events.emit(Code.CANCEL_REFUSED, client=address, reason=reason)
            return False
        found = cancelled()
        code = Code.CANCEL_ACCEPTED if found else Code.CANCEL_REFUSED
        self._events.emit(code, client=address, reason="" if found else "nothing ran any more")
        return found

    def _wrong_of(self, source: str) -> int:
        since, wrong = self._wrong.get(source, (0.0, 0))
        return wrong if 0 <= self._clock.seconds() - since < WINDOW else 0  # a clock that was set back locks nobody out

    def _wrong_again(self, source: str) -> None:
        now = float(self._clock.seconds())
        since, wrong = self._wrong.pop(source, (now, 0))
        if not 0 <= now - since < WINDOW:
            since, wrong = now, 0
        self._wrong[source] = since, wrong + 1
        while len(self._wrong) > MAX_SOURCES:
            self._wrong.popitem(last=False)
