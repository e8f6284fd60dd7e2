"""What the sessions of one identity use together, leased from the store in parts before it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgw.model.answer import Allowance
from hoopgw.model.errors import StoreUnavailable
from hoopgw.model.grant import Budget
from hoopgw.store.interface import IStore

MINUTE, DAY = 60.0, 86400.0
# A result is cut exactly where the budget ends only if no single read can use up a whole lease unseen: 256 KiB of the
# shortest rows (11 bytes each) are 23 832.
LOW_ROWS, LOW_BYTES = 32_768, 1 << 20  # less than this left of a lease: the next part is fetched first
LEASES = 8  # parts that a minute's statements are leased in
AGAIN = 1.0  # seconds until the store is asked again after it failed


class Lease:
    """One counter of an identity in one window, as far as this process may use it."""

    def __init__(self, shared: "Shared", unit: str, limit: int, low: int, size: int, seconds: float) -> None:
        self.limit = limit
        self.unit = unit
        self.low = min(low, limit)
        self._shared = shared
        self._size = size
        self._seconds = seconds
        self._name = f"{unit}|{shared.name}"
        self._failed = -AGAIN
        self._fetching: Deferred[None] | None = None
        self._begin(shared.clock.seconds())

    def _begin(self, now: float) -> None:
        self.window = int(now // self._seconds)
        self.resets = (self.window + 1) * self._seconds
        self.leased = 0
        self.total = 0  # of all processes, as the store said last
        self.warned = False
        words = f"{self.limit} {self.unit} a {'day (UTC)' if self._seconds == DAY else 'minute'}"
        rows, size = (0, None) if self.unit == "rows" else (None, 0) if self.unit == "bytes" else (None, None)
        grant = self._shared.name.partition("|")[0]
        self.allowance = Allowance(words, rows, size, f"budget:{grant}", resets=self.resets)

    def turn(self, now: float) -> None:
        """A new window begins: the old one keeps only what was used."""
        if int(now // self._seconds) != self.window:
            self.give_back()
            self._begin(now)

    @property
    def used(self) -> int:
        return self.allowance.rows_used if self.unit != "bytes" else self.allowance.bytes_used

    @property
    def left(self) -> int:
        return self.leased - self.used

    @property
    def exhausted(self) -> bool:
        """All of the limit is leased by somebody, and ours is used."""
        return self.left <= 0 and self.total >= self.limit

    def needs(self) -> "Deferred[None] | None":
        """Less than `low` is left and more can be had: fires when that was tried."""
        if self.left >= self.low or self.total >= self.limit:
            return None
        if self._fetching is None:
            if self._shared.clock.seconds() - self._failed < AGAIN:
                return None
            self._fetch()
        fetching = self._fetching
        if fetching is None:  # it was answered at once
            return None
        return after(fetching)

    def _fetch(self) -> None:
        window = self.window
        amount = max(1, min(self._size, self.limit - self.total))
        done: Deferred[None] = Deferred()
        self._fetching = done

        def answered(total: int | Failure) -> None:
            self._fetching = None
            if isinstance(total, Failure):
                total.trap(StoreUnavailable)
                self._failed = self._shared.clock.seconds()
            elif window == self.window:
                self._got(amount, total)
            else:  # the window turned meanwhile
                self._shared.give_back(self._name, str(window), amount)
            done.callback(None)

        self._shared.store.reserve(self._name, str(window), amount).addBoth(answered).addErrback(self._shared.failed)

    def _got(self, amount: int, total: int) -> None:
        beyond = min(amount, max(0, total - self.limit))  # another process was faster
        if beyond:
            self._shared.give_back(self._name, str(self.window), beyond)
        self.total = total - beyond
        self.leased += amount - beyond
        if self.unit == "rows":
            self.allowance.rows = self.leased
        elif self.unit == "bytes":
            self.allowance.bytes = self.leased

    def give_back(self) -> None:
        if self.left > 0:
            self._shared.give_back(self._name, str(self.window), self.left)
            self.leased = self.used


class Shared:
    """What all sessions of one identity on one grant use together, in this process."""

    log = Logger()

    def __init__(
        self,
        store: IStore,
        clock: IReactorTime,
        name: str,
        budget: Budget,
        returning: Callable[[Deferred[None]], None],
    ) -> None:
        self.store = store
        self.clock = clock
        self.name = name
        self.sessions = 0
        self._returning = returning
        self.rows = self._lease("rows", budget.rows_per_day, LOW_ROWS, DAY)
        self.bytes = self._lease("bytes", budget.bytes_per_day, LOW_BYTES, DAY)
        self.statements = self._lease("statements", budget.identity_statements_per_minute, 1, MINUTE)
        self.leases = tuple(lease for lease in (self.rows, self.bytes, self.statements) if lease is not None)
        self.streamed = tuple(lease for lease in (self.rows, self.bytes) if lease is not None)

    def _lease(self, unit: str, limit: int | None, low: int, seconds: float) -> Lease | None:
        if limit is None:
            return None
        size = max(1, limit // LEASES) if unit == "statements" else 2 * low
        return Lease(self, unit, limit, low, size, seconds)

    def give_back(self, name: str, window: str, amount: int) -> None:
        self._returning(self.store.give_back(name, window, amount))

    def failed(self, failure: Failure) -> None:
        self.log.failure("A budget could not be fetched", failure)

    def leave(self) -> bool:
        """One session less; True where it was the last, and the rest of each lease is given back."""
        self.sessions -= 1
        if self.sessions:
            return False
        for lease in self.leases:
            lease.give_back()
        return True


def after(first: Deferred[Any]) -> Deferred[None]:
    """Fires, and never fails, when `first` has fired in whatever way."""
    then: Deferred[None] = Deferred()

    def done(result: Any) -> Any:
        then.callback(None)
        return result

    first.addBoth(done)
    return then
