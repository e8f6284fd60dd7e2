"""What outlives a process, behind one interface with two providers: SQLite and PostgreSQL.

Every method that gives a Deferred never blocks the reactor, has a deadline, and fails with `StoreUnavailable`.
Times are POSIX seconds.  The contract tests in tests/store/test_contract.py run on both providers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Interface


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One line of the index.  Everything in it can be rebuilt from the recordings."""

    id: str  # "s_" and 22 characters of base64url: 128 random bits
    gateway: str
    protocol: str
    issuer: str
    subject: str
    groups: tuple[str, ...]
    target: str
    database: str
    role: str
    client: str  # address
    policy: str  # digest
    opened: float
    closed: float | None = None
    reason: str = ""  # why it closed
    interrupted: bool = False  # sealed by recovery, not by its own close
    operations: int = 0
    refused: int = 0
    held: int = 0
    rows: int = 0
    masked: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    tables: tuple[str, ...] = ()  # at most 256
    retired: float | None = None
    digest: str = ""  # of the final seal, hex

    def place(self) -> tuple[float, str]:
        """By which lists are in order, newest first."""
        return self.opened, self.id


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Every given part must match.  `text` is not answered by the index: the recordings are read for it."""

    subject: str = ""
    target: str = ""
    protocol: str = ""
    since: float | None = None
    until: float | None = None
    verdict: str = ""  # "refused" | "held" | "masked"
    table: str = ""
    live: bool | None = None
    before: tuple[float, str] | None = None  # the page after this (opened, id), newest first
    limit: int = 50

    def fits(self, row: SessionRow) -> bool:
        """Whether the index would give this row, were it there."""
        same = ((self.subject, row.subject), (self.target, row.target), (self.protocol, row.protocol))
        return (
            all(wanted in ("", found) for wanted, found in same)
            and (self.since is None or row.opened >= self.since)
            and (self.until is None or row.opened < self.until)
            and (self.before is None or row.place() < self.before)
            and (not self.verdict or getattr(row, self.verdict) > 0)
            and (not self.table or self.table in row.tables)
            and (self.live is None or (row.closed is None) is self.live)
        )


class HoldState(Enum):
    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    CLAIMED = "claimed"  # the approval is used up: it ran, or was about to when the gateway died


@dataclass(frozen=True, slots=True)
class Decided:
    """One approver's word."""

    issuer: str
    subject: str
    approved: bool
    reason: str
    at: float
    sets: tuple[int, ...] = ()  # which of the hold's `approvers` this word counts for; the store fills it in


@dataclass(frozen=True, slots=True)
class Hold:
    id: str  # "h_" and 22 characters of base64url
    digest: str  # of bytes, parameters, identity, target, settings, policy: what exactly may run
    session: str  # that asked first
    issuer: str
    subject: str
    target: str
    database: str
    role: str
    guardrails: tuple[str, ...]
    reason: str
    shown: str  # what the approver sees: the operation, redacted where its verdict says so, escaped
    approvers: tuple[tuple[str, ...], ...]  # one tuple of groups for each needed set
    counts: tuple[int, ...]  # different identities needed of each set
    policy: str
    created: float
    expires: float
    in_transaction: bool = False  # locks wait while this waits
    streams: bool = False  # data that follows (COPY) is not bound: the approver is told
    state: HoldState = HoldState.WAITING
    decided: tuple[Decided, ...] = ()
    details: dict[str, Any] = field(default_factory=dict, hash=False)


class IStore(Interface):
    """See the module's docstring for what every method has in common."""

    def start() -> Deferred[None]:
        """Open, migrate, and begin to listen for decisions of other processes."""

    def stop() -> Deferred[None]:
        """Finish what is under way, then close."""

    def put_sessions(rows: tuple[SessionRow, ...]) -> Deferred[None]:
        """Insert or replace, in one transaction."""

    def sessions(wanted: SessionFilter) -> Deferred[tuple[SessionRow, ...]]:
        """Newest first; at most `wanted.limit`."""

    def session(id: str) -> Deferred[SessionRow | None]: ...

    def create_hold(hold: Hold) -> Deferred[Hold]:
        """Store it; or, where an undecided or approved, unexpired hold of the same digest exists, give that one."""

    def hold(id: str) -> Deferred[Hold | None]: ...

    def holds(states: frozenset[HoldState], limit: int) -> Deferred[tuple[Hold, ...]]:
        """Newest first."""

    def decide(id: str, decided: Decided, group_sets: tuple[int, ...], now: float) -> Deferred[Hold | None]:
        """Add one approver's word, atomically; gives the hold as it is now, None if there is none.

        `group_sets` are the indexes of `approvers` that this approver belongs to.  One denial denies.  A second word of
        the same identity replaces nothing and counts once.  A hold that is not WAITING, or has expired, stays as it is
        (an expired one becomes EXPIRED).
        """

    def claim(digest: str, now: float, id: str = "") -> Deferred[Hold | None]:
        """Take the one approved, unexpired hold of this digest, atomically: it becomes CLAIMED.  At most one caller
        in all processes gets it; everybody else gets None.  With an `id`: that one and no other."""

    def withdraw(id: str, now: float) -> Deferred[Hold | None]:
        """WAITING becomes WITHDRAWN."""

    def expire(now: float) -> Deferred[tuple[Hold, ...]]:
        """WAITING and APPROVED holds whose time is up become EXPIRED; gives them."""

    def watch_holds(changed: Callable[[Hold], None]) -> Callable[[], None]:
        """Call `changed` in the reactor thread for each hold that any process changed; gives the way to stop it."""

    def reserve(counter: str, window: str, amount: int) -> Deferred[int]:
        """Add to a budget counter, durably, before it is used up; gives the counter's value after it.

        `window` names its period ("2026-11-21", or a minute's number); a new window starts at 0.
        """

    def give_back(counter: str, window: str, amount: int) -> Deferred[None]:
        """Return what was reserved and not used."""

    def forget(before: float) -> Deferred[int]:
        """Delete retired sessions, ended holds and past windows older than that; gives how many rows went."""
