"""Guardrails on SQL: what a `[guardrail.NAME]` of the configuration does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from zope.interface import implementer

from hoopgw.model.operation import Operation
from hoopgw.model.target import Mode
from hoopgw.model.verdict import ALLOW, HoldTerms, LimitTerms, Refusal, Source, Verdict
from hoopgw.policy.facts import Facts, Statement, Where
from hoopgw.policy.guardrail import IGuardrail


class Match(Enum):
    NO = "no"
    YES = "yes"
    DOUBT = "doubt"  # it cannot be known: the rule refuses


@dataclass(frozen=True, slots=True)
class Conditions:
    """All that are given must hold.  Names are globs over `schema.name`, as PostgreSQL folds them."""

    effects: frozenset[str] = frozenset()
    tables: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    access: str = "any"  # of tables and schemas: "read" | "write" | "any"
    functions: tuple[str, ...] = ()
    where: frozenset[Where] = frozenset()
    opaque: bool = False
    secret: bool = False
    pattern: Any = None  # a compiled re2 pattern over the text

    def match(self, statement: Statement, text: bytes) -> Match:
        """Of one statement; `text` is the whole text that it stands in."""
        if self.effects and not self.effects & statement.effects:
            return Match.NO
        if self.where and statement.where not in self.where:
            return Match.NO
        if (self.opaque and not statement.opaque) or (self.secret and not statement.secret):
            return Match.NO
        if self.pattern is not None and not self.pattern.search(text):
            return Match.NO
        found = (self._named(statement), self._calls(statement))
        if Match.NO in found:
            return Match.NO
        return Match.DOUBT if Match.DOUBT in found else Match.YES

    def _named(self, statement: Statement) -> Match:
        if not self.tables and not self.schemas:
            return Match.YES
        names = frozenset[Any]()
        if self.access != "write":
            names |= statement.reads
        if self.access != "read":
            names |= statement.writes
        for name in names:
            if any(fnmatchcase(str(name), glob) for glob in self.tables):
                return Match.YES
            if any(fnmatchcase(name.schema, glob) for glob in self.schemas):
                return Match.YES
        return Match.DOUBT if statement.unknown or statement.opaque else Match.NO

    def _calls(self, statement: Statement) -> Match:
        if not self.functions:
            return Match.YES
        for function in statement.functions:
            if any(fnmatchcase(str(function), glob) for glob in self.functions):
                return Match.YES
        return Match.DOUBT if statement.unknown else Match.NO


@dataclass(frozen=True, slots=True)
class Action:
    """What happens to what matches: one of these, and a stricter recording mode."""

    refuse: bool = False
    hold: HoldTerms | None = None
    rows: int | None = None
    bytes: int | None = None
    redact: bool = False
    mode: Mode | None = None


@implementer(IGuardrail)
@dataclass(frozen=True, slots=True)
class SqlRule:
    """One `[guardrail.NAME]` for PostgreSQL."""

    name: str
    conditions: Conditions
    action: Action
    reason: str = ""
    would_pass: str = ""
    source: Source = Source()

    def judge(self, operation: Operation, facts: Facts) -> Verdict:
        verdict = ALLOW
        for statement in facts.statements:
            match self.conditions.match(statement, operation.text):
                case Match.YES:
                    verdict &= self._verdict(statement, facts)
                case Match.DOUBT:
                    why = "; ".join(statement.unknown) or f"{statement.opaque} cannot be read"
                    reason = f"it cannot be known whether this is what {self.name} is about: {why}"
                    verdict &= Verdict(refusals=(Refusal(self.name, reason, "", self.source),))
        return verdict

    def _verdict(self, statement: Statement, facts: Facts) -> Verdict:
        action = self.action
        reason = self.reason or described(statement)
        would_pass = self.would_pass or ("add a WHERE clause" if self.conditions.where else "")
        if action.refuse:
            return Verdict(refusals=(Refusal(self.name, reason, would_pass, self.source),))
        holds: tuple[HoldTerms, ...] = ()
        limits: tuple[LimitTerms, ...] = ()
        if action.hold is not None:
            hold = action.hold
            holds = (
                HoldTerms(
                    self.name,
                    reason,
                    hold.approvers,
                    hold.count,
                    hold.wait,
                    hold.in_transaction,
                    hold.expires,
                    would_pass,
                    self.source,
                ),
            )
        if action.rows is not None or action.bytes is not None:
            limits = (LimitTerms(self.name, action.rows, action.bytes, self.reason, self.source),)
        return Verdict(
            holds=holds,
            limits=limits,
            redact=self.name if action.redact else "",
            recorded=(facts.redacted or b"(redacted)") if action.redact else b"",
            mode=action.mode,
        )


def described(statement: Statement) -> str:
    """A statement in a few words: `UPDATE without WHERE on pay.accounts`."""
    effects = sorted(statement.effects - {"select"}) or ["select"]
    words = ", ".join(effect.replace("-", " ").upper() for effect in effects)
    where = {Where.MISSING: " without WHERE", Where.CONSTANT: " with a WHERE that is always the same"}
    names = sorted(map(str, statement.writes or statement.reads))[:4]
    on = f" on {', '.join(names)}" if names else ""
    calls = f" ({statement.opaque})" if statement.opaque else ""
    return f"{words}{where.get(statement.where, '')}{on}{calls}"
