"""Budgets: what a grant lets one session, and one identity over all its sessions, use up.

What sessions of an identity share is leased from the store in parts, before it is used: after a crash a counter says
more than was used (by a lease at most), never less.  Clean ends give back what was left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgw.model.answer import Allowance, rfc3339
from hoopgw.model.grant import NO_BUDGET, Budget, Grant
from hoopgw.model.identity import Identity
from hoopgw.model.verdict import HoldTerms
from hoopgw.session.leases import MINUTE, Shared, after
from hoopgw.store.interface import IStore


@dataclass(frozen=True, slots=True)
class Over:
    """A hard bound is reached.  `known` is False where the store could not say."""

    reason: str
    resets: float | None = None  # POSIX seconds; None: with the next session
    known: bool = True

    def retry_after(self, now: float) -> int | None:
        return max(1, ceil(self.resets - now)) if self.resets is not None else None


@dataclass(frozen=True, slots=True)
class Warned:
    """A soft bound was passed; said once for each bound and window."""

    reason: str


@dataclass(frozen=True, slots=True)
class Soft:
    """A soft bound was passed, and somebody has to approve what goes beyond it."""

    terms: HoldTerms


class Budgets:
    """The budgets of this process's sessions."""

    log = Logger()

    def __init__(self, store: IStore, clock: IReactorTime) -> None:
        self._store = store
        self._clock = clock
        self._shared: dict[tuple[str, str], Shared] = {}  # one for each identity and grant that has a session
        self._returning: set[Deferred[Any]] = set()

    def open(self, identity: Identity, grant: Grant) -> "Spending | None":
        """A session's budget; None where the grant bounds nothing but its time."""
        budget = grant.budget
        if budget == Budget(session_seconds=budget.session_seconds, soft=budget.soft) or budget == NO_BUDGET:
            return None
        key = (grant.name, identity.key)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = Shared(self._store, self._clock, "|".join(key), budget, self._give)
        shared.sessions += 1

        def left() -> None:
            if shared.leave():
                del self._shared[key]

        return Spending(grant, shared, self._clock, left)

    def _give(self, giving: Deferred[None]) -> None:
        def done(result: Any) -> None:
            self._returning.discard(giving)
            if isinstance(result, Failure):  # then the counter says more than was used
                self.log.warn("A budget's rest could not be given back: {why}", why=str(result.value))

        self._returning.add(giving)
        giving.addBoth(done)

    def drained(self) -> Deferred[Any]:
        """Fires when everything that was given back is stored; call it before the store stops."""
        return gatherResults([after(giving) for giving in self._returning])


class Spending:
    """One session's budget."""

    def __init__(self, grant: Grant, shared: Shared, clock: IReactorTime, left: Callable[[], None]) -> None:
        budget = grant.budget
        self._grant = grant
        self._budget = budget
        self._shared = shared
        self._clock = clock
        self._left = left
        self._minute = -1
        self._statements = 0  # of this session in this minute
        self._warned: set[str] = set()
        self._closed = False
        self._own = tuple(
            Allowance(
                f"{limit} {unit} a session",
                limit if unit == "rows" else None,
                limit if unit == "bytes" else None,
                f"budget:{grant.name}",
                renews="the next session",
            )
            for unit, limit in (("rows", budget.rows_per_session), ("bytes", budget.bytes_per_session))
            if limit is not None
        )

    def allowances(self) -> tuple[Allowance, ...]:
        """What the rows of the next result are taken from, all together."""
        return self._own + tuple(lease.allowance for lease in self._shared.streamed)

    def ready(self) -> Deferred[None]:
        """Fires when the first part of every shared budget was fetched, or could not be; it never fails."""
        return Deferred.fromCoroutine(self._ready())

    async def _ready(self) -> None:
        for lease in self._shared.leases:
            lease.turn(self._clock.seconds())
            needed = lease.needs()
            if needed is not None:
                await needed

    def statement(self) -> "Over | Warned | Soft | Deferred[None] | None":
        """Before each statement that runs; it is counted where it may run.

        A Deferred says that a part of a shared budget is being fetched: ask again when it has fired (it never fails).
        """
        now = self._clock.seconds()
        for lease in self._shared.leases:
            lease.turn(now)
            needed = lease.needs()
            if needed is not None:
                return needed
        over = self._over(now)
        if over is not None:
            return over
        self._statements += 1
        if self._shared.statements is not None:
            self._shared.statements.allowance.rows_used += 1
        return self._soft()

    def starved(self) -> bool:
        """Rows stream, and the next part of a shared budget is being fetched: wait before passing more."""
        return any(lease.needs() is not None for lease in self._shared.streamed)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._left()

    def _over(self, now: float) -> Over | None:
        minute = int(now // MINUTE)
        if minute != self._minute:
            self._minute, self._statements = minute, 0
        limit = self._budget.statements_per_minute
        if limit is not None and self._statements >= limit:
            return _over(f"{limit} statements a minute", (minute + 1) * MINUTE)
        for allowance in self._own:
            if _spent(allowance):
                return _over(allowance.name, None)
        for lease in self._shared.leases:
            if lease.exhausted:
                return _over(lease.allowance.name, lease.resets)
            if lease.left <= 0:
                return Over("the budget cannot be checked: the store does not answer", known=False)
        return None

    def _soft(self) -> Warned | Soft | None:
        share = self._budget.soft
        if share is None:
            return None
        passed = [name for name, used, limit in self._uses() if used >= share * limit]
        new, self._warned = set(passed) - self._warned, set(passed)
        if not passed:
            return None
        reason = f"{share:.0%} of the budget is used: {', '.join(passed)}"
        if self._budget.soft_action == "hold":
            return Soft(HoldTerms(f"budget:{self._grant.name}", reason, self._budget.soft_approvers))
        return Warned(reason) if new else None

    def _uses(self) -> list[tuple[str, int, int]]:
        """(the bound in words, used, limit) of every bound."""
        found: list[tuple[str, int, int]] = []
        limit = self._budget.statements_per_minute
        if limit is not None:
            found.append((f"{limit} statements a minute", self._statements, limit))
        for allowance in self._own:
            if allowance.rows is not None:
                found.append((allowance.name, allowance.rows_used, allowance.rows))
            if allowance.bytes is not None:
                found.append((allowance.name, allowance.bytes_used, allowance.bytes))
        for lease in self._shared.leases:  # what others have leased counts as used
            found.append((lease.allowance.name, lease.total - lease.left, lease.limit))
        return found


def _over(name: str, resets: float | None) -> Over:
    when = f"resets at {rfc3339(resets)}" if resets is not None else "starts anew with the next session"
    return Over(f"the budget of {name} is used up; it {when}", resets)


def _spent(allowance: Allowance) -> bool:
    if allowance.rows is not None and allowance.rows_used >= allowance.rows:
        return True
    return allowance.bytes is not None and allowance.bytes_used >= allowance.bytes
