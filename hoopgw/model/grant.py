"""The rule in configuration that lets an identity reach a target.  No grant, no connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hoopgw.model.destination import Destination
from hoopgw.model.identity import Identity
from hoopgw.model.target import Selector, Target


@dataclass(frozen=True, slots=True)
class Who:
    """Which identities a grant or rule is about.  Every part that is given must match; nothing given matches nobody
    in a grant and everybody in a guardrail (`anyone` says which was meant)."""

    groups: frozenset[str] = frozenset()  # any of them
    subjects: frozenset[str] = frozenset()  # any of them
    claims: Mapping[str, str] = field(default_factory=dict)  # all of them, equal as text or member of a list
    provider: str = ""  # the configured issuer's name
    anyone: bool = False

    def matches(self, identity: Identity) -> bool:
        if self.anyone:
            return True
        if not (self.groups or self.subjects or self.claims or self.provider):
            return False
        if self.groups and not self.groups & identity.groups:
            return False
        if self.subjects and identity.subject not in self.subjects:
            return False
        if self.provider and identity.provider != self.provider:
            return False
        return all(_claim_is(identity.claims.get(name), wanted) for name, wanted in self.claims.items())


def _claim_is(value: object, wanted: str) -> bool:
    if isinstance(value, list | tuple):
        return wanted in [item for item in value if isinstance(item, str)]
    if isinstance(value, bool):
        return wanted == ("true" if value else "false")
    return isinstance(value, str | int) and str(value) == wanted


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper bounds; None is no bound.  `soft` bounds warn or hold at their share of the hard ones (0 < soft < 1)."""

    rows_per_session: int | None = None
    bytes_per_session: int | None = None
    statements_per_minute: int | None = None
    session_seconds: int | None = None
    rows_per_day: int | None = None  # of the identity, over all its sessions, on this grant; days are UTC
    bytes_per_day: int | None = None
    identity_statements_per_minute: int | None = None
    soft: float | None = None
    soft_action: str = "warn"  # "warn" | "hold"
    soft_approvers: frozenset[str] = frozenset()  # who decides a soft hold


NO_BUDGET = Budget()
COPY_MASKED = "copy-masked"  # masked values may be copied, unseen, into tables and files
REPLICATION = "replication"  # PostgreSQL: walsender connections, whose streams no rule and no mask looks into


@dataclass(frozen=True, slots=True)
class Grant:
    """Lets `who` reach what `target` selects, as one of `roles`; or do `may` on the admin interface."""

    name: str
    who: Who
    target: Selector | None = None  # None: this grant gives rights on the admin interface only
    roles: frozenset[str] = frozenset()
    databases: frozenset[str] = frozenset()  # besides the target's own
    budget: Budget = NO_BUDGET
    until: float | None = None  # POSIX time; None: no end
    may: frozenset[str] = frozenset()  # "list" | "view" | "kill"
    features: frozenset[str] = frozenset()  # the words above; SSH: what may be forwarded
    destinations: tuple[Destination, ...] = ()  # HTTP: where tunnels through targets with `egress` may lead

    def lets_in(self, identity: Identity, target: Target, database: str, role: str, now: float) -> bool:
        if self.target is None or (self.until is not None and now >= self.until):
            return False
        if not self.who.matches(identity) or not self.target.selects(target):
            return False
        return role in self.roles and (database == target.database or database in self.databases)

    def leads_to(self, asked: Destination) -> Destination | None:
        """As what it lists this destination; None where it does not.  One that is named itself goes first."""
        found = [each for each in self.destinations if each.covers(asked)]
        return asked if asked in found else found[0] if found else None
