"""What a relation or a function leads to when it is used: through views, bodies, triggers, rules and cascades.  Pure.

A closure over the catalogue, worked out when it is first needed and kept with the catalogue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from hoopgw.policy.bodies import Body
from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.facts import FunctionName, RelationName, Statement, Where
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_where import worse
from hoopgw.policy.touched_steps import Node, Step, step

MAX_OBJECTS: Final = 2_000  # that one relation or function leads to; with more, what it touches is unknown
MAX_DEPTH: Final = 32  # of a way from one object to another
MAX_WAYS: Final = 64  # ways that are shown
# What event triggers are for besides changes of names (documentation, 40.2)
_TOLD: Final = frozenset("grant revoke comment security-label reassign reindex".split())


@dataclass(slots=True)
class Touched:
    """Everything on the way; what stands at its beginning is named by the statement itself.

    opaque   why a body that it calls cannot be read, "" where all can
    beside   the same of what runs by itself: triggers, rules, defaults, policies
    """

    effects: set[str] = field(default_factory=set)
    reads: set[RelationName] = field(default_factory=set)
    writes: set[RelationName] = field(default_factory=set)
    functions: set[FunctionName] = field(default_factory=set)
    functions_beside: set[FunctionName] = field(default_factory=set)
    settings: list[tuple[str, str | None]] = field(default_factory=list)
    where: Where = Where.NONE
    opaque: str = ""
    beside: str = ""
    temporary: bool = False
    ddl: bool = False
    ways: list[str] = field(default_factory=list)

    def add(self, found: Step, way: tuple[str, ...], by_itself: bool) -> None:
        for statement in found.statements:
            self.include(statement, by_itself)
        self.effects |= found.effects
        self.reads |= found.reads
        self.writes |= found.writes
        (self.functions_beside if by_itself else self.functions).update(found.functions)
        if found.unknown:
            why = f"{' -> '.join(way)} ({found.unknown})"
            aside = by_itself or found.relation  # of a relation: one of its rules
            self.beside = self.beside or (why if aside else "")
            self.opaque = self.opaque or ("" if aside else why)
        if len(way) > 1 and len(self.ways) < MAX_WAYS:
            self.ways.append(" -> ".join(way))

    def include(self, statement: Statement, by_itself: bool) -> None:
        quiet = not (statement.reads or statement.writes)
        self.effects |= statement.effects - {"select"} if quiet else statement.effects
        self.reads |= statement.reads | statement.read_below
        self.writes |= statement.writes | statement.written_below
        (self.functions_beside if by_itself else self.functions).update(statement.functions)
        self.where = worse(self.where, statement.where)
        self.settings += statement.settings
        self.temporary |= statement.temporary
        self.ddl |= statement.ddl

    @property
    def nothing(self) -> bool:
        known = self.effects or self.reads or self.writes or self.functions or self.functions_beside
        return not (known or self.settings or self.opaque or self.beside)


def touched(start: Node, catalogue: Catalogue, context: NameContext) -> Touched | None:
    """None where it leads to nothing."""
    key = start, context
    kept: Touched | None = catalogue.memo.get(key)
    if kept is None:
        kept = _closure(start, catalogue, context)
        catalogue.memo.keep(key, kept)
    return None if kept.nothing else kept


def _closure(start: Node, catalogue: Catalogue, context: NameContext) -> Touched:
    found = Touched()
    first = step(start, catalogue, context)
    waiting: deque[tuple[Node, tuple[str, ...], bool]] = deque([(start, (first.label,), False)])
    seen: dict[Node, bool] = {start: False}
    while waiting:
        node, way, by_itself = waiting.popleft()
        here = step(node, catalogue, context)
        found.add(here.inner if node == start else here, way, by_itself)
        for edge in here.edges:
            itself = by_itself or edge.by_itself
            if seen.get(edge.node, True) and (edge.node not in seen or not itself):
                seen[edge.node] = itself
                label = step(edge.node, catalogue, context).label
                waiting.append((edge.node, (*way, *edge.via, label), itself))
        if len(seen) > MAX_OBJECTS or len(way) > MAX_DEPTH:
            found.opaque = f"{way[0]} (it leads to more than is followed)"
            break
    return found


def expanded(statement: Statement, catalogue: Catalogue | None, context: NameContext) -> Statement:
    """With everything that its relations and functions lead to."""
    if catalogue is None:
        return statement
    events = catalogue.event_triggers if statement.ddl or statement.effects & _TOLD else ()
    if not (statement.runs or statement.calls or events):
        return statement
    by_name = [touched((oid, ""), catalogue, context) for oid in sorted(statement.calls)]
    by_use = [touched(each, catalogue, context) for each in sorted(statement.runs)]
    by_use += [touched((oid, "ddl"), catalogue, context) for oid in sorted(events)]
    every = [each for each in (*by_name, *by_use) if each is not None]
    return _merged(statement, every, [each for each in by_name if each is not None]) if every else statement


def with_block(statement: Statement, body: Body, catalogue: Catalogue, context: NameContext) -> Statement:
    """DO, with what its text is known to do.  It stays opaque: nobody made it for others to call."""
    found = Touched()
    for each in body.statements:
        found.include(expanded(each, catalogue, context), False)
    return _merged(statement, [found], [])


def _merged(statement: Statement, every: list[Touched], called: list[Touched]) -> Statement:
    effects = statement.effects.union(*(each.effects for each in every))
    where = statement.where
    for each in every:
        where = worse(where, each.where)
    opaque = _first(each.opaque for each in called)
    inside = _first(each.opaque for each in every)
    return replace(
        statement,
        effects=effects,
        read_below=statement.read_below.union(*(each.reads for each in every)),
        written_below=statement.written_below.union(*(each.writes for each in every)),
        functions=statement.functions.union(*(each.functions for each in every)),
        functions_beside=statement.functions_beside.union(*(each.functions_beside for each in every)),
        settings=(*statement.settings, *dict.fromkeys(pair for each in every for pair in each.settings)),
        where=where,
        opaque=statement.opaque or opaque,
        inside=statement.inside or inside,
        beside=_first(each.beside for each in every),
        temporary=statement.temporary or any(each.temporary for each in every),
        ddl=statement.ddl or any(each.ddl for each in every),
        ways=tuple(dict.fromkeys(way for each in every for way in each.ways))[:MAX_WAYS],
        writes_nothing=statement.writes_nothing and not any(each.effects for each in every),
    )


def _first(found: Iterable[str]) -> str:
    return next(filter(None, found), "")
