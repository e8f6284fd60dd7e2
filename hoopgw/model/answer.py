"""What a relay is told of an operation it asked about: go on (and how), or fail it (and with what words)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from hoopgw.model.verdict import IBodyMasks, IMasks


class Decision(Enum):
    """The closed list that a program may act on."""

    REFUSED = "refused"
    HELD = "held"
    DENIED = "denied"
    EXPIRED = "expired"
    OVER_BUDGET = "over-budget"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Denial:
    """Why an operation does not run: the same object in every protocol (docs/for-agents.md).

    `expires` is POSIX seconds, `retry_after` seconds; what has nothing behind it is left out of `fields`.
    """

    decision: Decision
    reason: str
    guardrails: tuple[str, ...] = ()
    would_pass: str = ""
    hold: str = ""
    status: str = ""
    expires: float | None = None
    retry_after: int | None = None
    session: str = ""
    policy: str = ""
    accepted: bool = False  # of what is held: its rule has clients of HTTP answered at once
    code: str = ""  # of a client's own mistake with a hold that it named (docs/for-agents.md)
    position: int = 0  # not 0: a mistake in the text, at this character from 1 on, or -1: in no one place
    sqlstate: str = ""  # of a mistake for which PostgreSQL has one, and `reason` its words

    def fields(self) -> dict[str, Any]:
        """The JSON object, in the order in which people read it; empty fields are left out."""
        shown: dict[str, Any] = {"decision": self.decision.value, "guardrails": list(self.guardrails)}
        shown["reason"] = self.reason
        for name in ("code", "would_pass", "hold", "status"):
            if getattr(self, name):
                shown[name] = getattr(self, name)
        if self.expires is not None:
            shown["expires"] = rfc3339(self.expires)
        if self.retry_after is not None:
            shown["retry_after"] = self.retry_after
        for name in ("session", "policy"):
            if getattr(self, name):
                shown[name] = getattr(self, name)
        return shown


def rfc3339(posix: float) -> str:
    """A POSIX time as `2027-01-05T10:15:00Z` (RFC 3339)."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(posix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


NEXT_STATEMENT: Final = "the next statement"  # with which a bound of one statement begins anew


class Meter:
    """What is left of rows and bytes for the results of one operation.  Counters only; no clock, no store.

    `take` is asked once for each read of the target's bytes.  Several bounds (operation, session, identity) are
    several `Allowance`s that are taken from together.
    """

    __slots__ = ("allowances", "exceeded")

    def __init__(self, allowances: tuple["Allowance", ...]) -> None:
        self.allowances = allowances
        self.exceeded: Allowance | None = None  # the first that ran out, for the error's words

    def take(self, rows: int, size: int) -> int:
        """Count `rows` whole rows of `size` bytes together; gives how many of them may pass.

        Fewer than `rows`: the result is cut there.  A byte bound cuts before the read that would pass it, by rows
        of average size.
        """
        passed = rows
        for allowance in self.allowances:
            fits = allowance.fits(rows, size)
            if fits < passed:
                passed, self.exceeded = fits, allowance
        share = size if passed == rows or not rows else size * passed // rows
        for allowance in self.allowances:
            allowance.rows_used += passed
            allowance.bytes_used += share
        return passed

    def go_on(self, before: "Meter") -> None:
        """Of the same statement, which runs on: what one statement may fetch is counted where `before` counts it."""
        begun = {each.what: each for each in before.allowances if each.renews == NEXT_STATEMENT}
        self.allowances = tuple(begun.get(each.what, each) for each in self.allowances)

    def take_bytes(self, size: int) -> bool:
        """Count `size` bytes of what has no rows; False, and nothing counted, where a bound has no room for them."""
        for allowance in self.allowances:
            if allowance.bytes is not None and allowance.bytes_used + size > allowance.bytes:
                self.exceeded = allowance
                return False
        for allowance in self.allowances:
            allowance.bytes_used += size
        return True


class Allowance:
    """One counter that several operations, or several sessions, share.  Its owner is whoever made it."""

    __slots__ = ("name", "rows", "bytes", "rows_used", "bytes_used", "guardrail", "renews", "resets")

    def __init__(
        self,
        name: str,
        rows: int | None,
        size: int | None,
        guardrail: str,
        renews: str = "",
        resets: float | None = None,
    ) -> None:
        self.name = name  # for the error's words: "100000 rows a session"
        self.guardrail = guardrail  # the rule's name, or "budget:GRANT"
        self.renews = renews  # with what it begins anew where no time does that: "the next session"
        self.rows = rows
        self.bytes = size
        self.rows_used = 0
        self.bytes_used = 0
        self.resets = resets  # POSIX seconds

    @property
    def what(self) -> tuple[str, str, int | None, int | None, str]:
        """All of it but what was used."""
        return self.guardrail, self.name, self.rows, self.bytes, self.renews

    def fits(self, rows: int, size: int) -> int:
        passed = rows
        if self.rows is not None:
            passed = min(passed, max(0, self.rows - self.rows_used))
        if self.bytes is not None and self.bytes_used + size > self.bytes:
            left = max(0, self.bytes - self.bytes_used)
            passed = min(passed, rows * left // size if size else rows)
        return passed


class Answer:
    """The answer to one `Operation` of an `Ask`.  `GO` is the usual one: allowed, nothing to mask, nothing to count."""

    __slots__ = ("denial", "masks", "meter", "redact", "bodies", "once")

    def __init__(
        self,
        denial: Denial | None = None,
        masks: IMasks | None = None,
        meter: Meter | None = None,
        redact: bool = False,
        bodies: IBodyMasks | None = None,
        once: bool = False,
    ) -> None:
        self.denial = denial  # not None: the operation must fail with this
        self.masks = masks
        self.bodies = bodies
        self.meter = meter
        self.once = once  # it was approved: whatever happens to it, it is not sent a second time
        self.redact = redact  # errors and notices of this operation go to the record without their text

    def __repr__(self) -> str:
        return f"Answer({self.denial.decision.value if self.denial else 'once' if self.once else 'go'})"


GO: Final = Answer()
ONCE: Final = Answer(once=True)  # the usual one after an approval
