"""Guardrails on SQL: what a `[guardrail.NAME]` of the configuration does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, Final

from zope.interface import classImplements

from hoopgw.model.operation import Operation
from hoopgw.model.target import Mode
from hoopgw.model.verdict import ALLOW, HoldTerms, LimitTerms, Refusal, Source, Verdict
from hoopgw.policy.facts import OBJECTS, SOME_FUNCTION, Facts, FunctionName, RelationName, Statement, Where
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.masks import reads_by_text, shows_others

SHOWN: Final = 4  # tables or functions of a reason in words


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
    temporary: bool = True  # also of what writes nothing but temporary tables of its session

    def match(self, statement: Statement, text: bytes) -> Match:
        """Of one statement; `text` is the whole text that it stands in."""
        if self.pattern is not None and not self.pattern.search(text):
            return Match.NO
        if not self.temporary and statement.writes_own:
            return Match.NO
        doubt = False
        for condition in (self._does, self._names, self._calls):
            found = condition(statement)
            if found is Match.NO:
                return Match.NO
            doubt = doubt or found is Match.DOUBT
        return Match.DOUBT if doubt else Match.YES

    def _does(self, statement: Statement) -> Match:
        """Effects, WHERE, bodies and secrets: read from the text alone, and so known unless what runs is not."""
        wanted = (
            not self.effects or bool(self.effects & statement.effects),
            not self.where or statement.where in self.where,
            not self.opaque or bool(statement.opaque),
            not self.secret or statement.secret,
        )
        if all(wanted):
            return Match.YES
        return Match.NO if statement.understood else Match.DOUBT

    def _names(self, statement: Statement) -> Match:
        if not self.tables and not self.schemas:
            return Match.YES
        names: frozenset[RelationName] = frozenset()
        if self.access != "write":
            names |= statement.reads | statement.read_below
        shown = any(map(shows_others, names))
        if self.access != "read":
            names |= statement.writes | statement.written_below
        for name in names:
            if _any(str(name), self.tables) or _any(name.schema, self.schemas):
                return Match.YES
        doubt = (
            statement.unknown
            or statement.opaque
            or statement.inside
            or statement.beside
            or any(map(reads_by_text, statement.functions))
            or shown
        )
        return Match.DOUBT if doubt else Match.NO

    def _calls(self, statement: Statement) -> Match:
        """A function whose schema is in doubt could be any of its name; another name it cannot be."""
        if not self.functions:
            return Match.YES
        if any(_any(str(function), self.functions) for function in statement.functions | statement.functions_beside):
            return Match.YES
        if SOME_FUNCTION in statement.functions:
            return Match.DOUBT
        if statement.unknown:
            bare = [glob.rpartition(".")[2] for glob in self.functions]
            if any(_any(function.name, bare) for function in statement.functions):
                return Match.DOUBT
        return Match.NO if statement.understood else Match.DOUBT

    def found(self, statement: Statement) -> str:
        """What was found, in a few words, for who wrote no `reason`."""
        called = [each for each in statement.functions | statement.functions_beside if _any(str(each), self.functions)]
        return described(statement, called) + (", and its text matches" if self.pattern is not None else "")


def _any(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


@dataclass(frozen=True, slots=True)
class Action:
    """What happens to what matches: one of these, and a stricter recording mode."""

    refuse: bool = False
    hold: HoldTerms | None = None
    rows: int | None = None
    bytes: int | None = None
    redact: bool = False
    mode: Mode | None = None
    warn: bool = False  # of what has happened already
    end: bool = False

    @property
    def controls(self) -> frozenset[str]:
        """What a protocol must be able to do for this, in the words of policyset.CONTROLS."""
        asked = {
            "refuse": self.refuse,
            "hold": self.hold is not None,
            "limit": self.rows is not None or self.bytes is not None,
            "redact": self.redact,
            "record": self.mode is not None,
            "warn": self.warn,
            "end": self.end,
        }
        return frozenset(control for control, wanted in asked.items() if wanted)


def taken(
    action: Action, name: str, reason: str, would_pass: str, source: Source, limit: str, recorded: bytes
) -> Verdict:
    """What the rule `name` says of what it is about; `limit` is the reason of a limit, `recorded` stands in the
    record for a text that is kept out of it."""
    holds: tuple[HoldTerms, ...] = ()
    limits: tuple[LimitTerms, ...] = ()
    if action.hold is not None:
        named = replace(action.hold, guardrail=name, reason=reason)
        holds = (replace(named, would_pass=would_pass, source=source),)
    if action.rows is not None or action.bytes is not None:
        limits = (LimitTerms(name, action.rows, action.bytes, limit, source),)
    return Verdict(
        refusals=(Refusal(name, reason, would_pass, source),) if action.refuse else (),
        holds=holds,
        limits=limits,
        redact=name if action.redact else "",
        recorded=recorded if action.redact else b"",
        mode=action.mode,
    )


def doubted(action: Action, name: str, why: str, source: Source) -> Verdict:
    """Refused.  A rule that only asks for a stricter recording gets it: that takes nothing from anybody."""
    if action.controls == frozenset(("record",)):
        return Verdict(mode=action.mode)
    reason = f"it cannot be known whether this is what {name} is about: {why}"
    return Verdict(refusals=(Refusal(name, reason, "", source),), mode=action.mode)


@dataclass(frozen=True, slots=True)
class SqlRule:
    """One `[guardrail.NAME]` for PostgreSQL."""

    name: str
    conditions: Conditions
    action: Action
    reason: str = ""
    would_pass: str = ""
    source: Source = Source()

    @property
    def reads_text(self) -> bool:
        return self.conditions.pattern is not None

    def judge(self, operation: Operation, facts: Facts) -> Verdict:
        verdict = ALLOW
        for statement in facts.statements:
            match self.conditions.match(statement, operation.text):
                case Match.YES:
                    verdict &= self._verdict(statement, facts)
                case Match.DOUBT:
                    verdict &= doubted(self.action, self.name, _doubt(statement), self.source)
        return verdict

    def _verdict(self, statement: Statement, facts: Facts) -> Verdict:
        reason = self.reason or self.conditions.found(statement)
        would_pass = self.would_pass or ("add a WHERE clause" if self.conditions.where else "")
        recorded = facts.redacted or b"(redacted)"
        return taken(self.action, self.name, reason, would_pass, self.source, self.reason, recorded)


classImplements(SqlRule, IGuardrail)  # not by a decorator: compiled classes take none


def _doubt(statement: Statement) -> str:
    if statement.unknown:
        return "; ".join(statement.unknown[:SHOWN])
    if statement.opaque or statement.inside or statement.beside:
        return f"{statement.opaque or statement.inside or statement.beside} cannot be read"
    reading = {str(each) for each in statement.functions if reads_by_text(each)}
    reading |= {str(each) for each in statement.reads | statement.read_below if shows_others(each)}
    return f"{', '.join(sorted(reading))} reads what no statement names"


def described(statement: Statement, called: Iterable[FunctionName] = ()) -> str:
    """A statement in a few words: `UPDATE without WHERE on pay.accounts`."""
    actions = sorted(statement.effects - {"select"} - OBJECTS) or ["select"]
    objects = sorted(statement.effects & OBJECTS)
    # one action on one kind of object reads as in SQL: DROP TABLE
    effects = [f"{actions[0]} {objects[0]}"] if len(actions) == len(objects) == 1 else actions + objects
    words = ", ".join(effect.replace("-", " ").upper() for effect in effects)
    where = {Where.MISSING: " without WHERE", Where.CONSTANT: " with a WHERE that is always the same"}
    names = sorted(map(str, statement.writes or statement.reads))[:SHOWN]
    on = f" on {', '.join(names)}" if names else ""
    calls = sorted(map(str, called))[:SHOWN]
    calling = f" calling {', '.join(calls)}" if calls else ""
    body = f" ({statement.opaque})" if statement.opaque else ""
    return f"{words}{where.get(statement.where, '')}{on}{calling}{body}"
