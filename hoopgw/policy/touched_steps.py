"""One step of what a relation or a function leads to: what stands behind it directly.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from hoopgw.policy.bodies import Body, function_body, rule_body, view_body
from hoopgw.policy.catalogue import Catalogue, Function, Relation
from hoopgw.policy.catalogue_types import FIRST_OWN
from hoopgw.policy.facts import SOME_FUNCTION, FunctionName, RelationName, Statement
from hoopgw.policy.sql_calls import unread
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_relations import children

# (OID of a relation, what is done with it: select, insert, update, delete, truncate, cascade), or
# (OID of a function, "" or "ddl")
Node = tuple[int, str]

KINDS = {"r": "table", "p": "table", "v": "view", "m": "view", "f": "foreign table", "S": "sequence"}
_WRITES = ("insert", "update", "delete")
# Functions behind views of PostgreSQL's own that reach out of the database; nothing in the catalogue says so
_OWN_VIEWS = {
    "pg_hba_file_rules": "pg_hba_file_rules",
    "pg_ident_file_mappings": "pg_ident_file_mappings",
    "pg_file_settings": "pg_show_all_file_settings",
}
_FOLLOWS = {"c": "", "n": "update", "d": "update"}  # pg_constraint.confdeltype; "": the same as to the key itself


@dataclass(frozen=True, slots=True)
class Edge:
    node: Node
    via: tuple[str, ...] = ()  # what stands between: a trigger, a rule
    by_itself: bool = False  # nobody called it: PostgreSQL does it


@dataclass(frozen=True, slots=True)
class Step:
    label: str
    effects: frozenset[str] = frozenset()
    reads: frozenset[RelationName] = frozenset()
    writes: frozenset[RelationName] = frozenset()
    functions: frozenset[FunctionName] = frozenset()
    statements: tuple[Statement, ...] = ()
    unknown: str = ""
    edges: tuple[Edge, ...] = ()
    relation: bool = False

    @property
    def inner(self) -> Step:
        """Without what the statement that begins here says of itself."""
        nothing: frozenset[RelationName] = frozenset()
        others = frozenset(each for each in self.functions if f"function {each}" != self.label)
        return replace(self, effects=frozenset(), reads=nothing, writes=nothing, functions=others)


def step(node: Node, catalogue: Catalogue, context: NameContext) -> Step:
    key = "step", node, context
    kept: Step | None = catalogue.memo.get(key)
    if kept is None:
        kept = _function(node, catalogue, context) if node[1] in ("", "ddl") else _relation(node, catalogue)
        catalogue.memo.keep(key, kept)
    return kept


# ---- functions


def _function(node: Node, catalogue: Catalogue, context: NameContext) -> Step:
    function = catalogue.function_by_oid.get(node[0])
    if function is None:
        return Step(f"function {node[0]}", unknown="it is not in the gateway's catalogue")
    label = f"function {function.schema}.{function.name}"
    named = frozenset((FunctionName(function.schema, function.name),))
    checked = _checked((*(function.arguments or ()), function.result), catalogue)
    edges = tuple(Edge((oid, "")) for oid in sorted(function.calls | checked))  # defaults of arguments, domains
    if not unread(function):
        return Step(label, functions=named, edges=edges)
    body = _body(function, catalogue, context)
    statements = body.statements
    return Step(
        label, frozenset(), frozenset(), frozenset(), named, statements, body.unknown, (*edges, *_edges(statements))
    )


def _body(function: Function, catalogue: Catalogue, context: NameContext) -> Body:
    body = function_body(function, catalogue, context)
    doubt = context.doubt_of_bodies()
    return replace(body, unknown=doubt) if doubt else body


def _edges(statements: tuple[Statement, ...], via: tuple[str, ...] = (), by_itself: bool = False) -> tuple[Edge, ...]:
    nodes: dict[Node, None] = {}
    for statement in statements:
        nodes |= dict.fromkeys((oid, "") for oid in sorted(statement.calls))
        nodes |= dict.fromkeys(sorted(statement.runs))
    return tuple(Edge(node, via, by_itself) for node in nodes)


# ---- relations


def _relation(node: Node, catalogue: Catalogue) -> Step:
    oid, event = node
    relation = catalogue.by_oid.get(oid)
    if relation is None:
        return Step(f"relation {oid}", unknown="it is not in the gateway's catalogue")
    label = f"{KINDS.get(relation.kind, 'relation')} {relation.schema}.{relation.name}"
    named = frozenset((RelationName(relation.schema, relation.name, oid),))
    body, edges = Body(), list(_by_itself(relation, event, catalogue))
    if relation.kind in "vm":
        body = _view(relation, catalogue)
        edges += _through(relation, event, body)
    ruled = [rule for rule in relation.rules if rule.event == event]
    bodies = [rule_body(rule.definition, catalogue) for rule in ruled]
    statements = tuple(statement for each in bodies for statement in each.statements)
    edges += _edges(statements, (f"rule on {event}",), True)
    unknown = next((each.unknown for each in bodies if each.unknown), "")
    if event == "select":
        return Step(
            label, reads=named, functions=_named(relation, body), unknown=unknown, edges=tuple(edges), relation=True
        )
    effects = frozenset(("truncate" if event == "cascade" else event,))
    functions = _named(relation, body)
    return Step(label, effects, frozenset(), named, functions, statements, unknown, tuple(edges), True)


def _view(relation: Relation, catalogue: Catalogue) -> Body:
    """PostgreSQL's own views are known."""
    return view_body(relation.definition, catalogue) if relation.oid >= FIRST_OWN else Body()


def _named(relation: Relation, body: Body) -> frozenset[FunctionName]:
    """The relations of a view are known without its text, and functions of one's own; PostgreSQL's own are not."""
    if relation.schema == "pg_catalog":
        return frozenset(
            FunctionName("pg_catalog", _OWN_VIEWS[each]) for each in (relation.name,) if each in _OWN_VIEWS
        )
    if body.unknown:
        return frozenset((SOME_FUNCTION,))
    return frozenset().union(*(statement.functions for statement in body.statements))


def _through(relation: Relation, event: str, body: Body) -> Iterator[Edge]:
    """What a view shows; a write of it is one of what it shows, unless a trigger or a rule does something instead."""
    calls = relation.calls.union(*(statement.calls for statement in body.statements))
    for oid in sorted(calls):
        yield Edge((oid, ""))
    for oid in sorted(relation.depends):
        yield Edge((oid, "select"))
        if event != "select":
            yield Edge((oid, event))


def _by_itself(relation: Relation, event: str, catalogue: Catalogue) -> Iterator[Edge]:
    for oid in sorted(relation.policy_calls):
        yield Edge((oid, ""), ("policy",), True)
    for oid in sorted(relation.policy_reads - {relation.oid}):
        yield Edge((oid, "select"), ("policy",), True)
    for trigger in relation.triggers:
        if ("truncate" if event == "cascade" else event) in trigger.events:
            yield Edge((trigger.function, ""), (f"trigger {trigger.name}",), True)
    if event in ("insert", "update"):
        for oid in sorted(relation.store_calls | _domains(relation, catalogue)):
            yield Edge((oid, ""), ("default, check or index",), True)
    yield from _followers(relation, event)
    if event != "select" and relation.kind in "rpf":
        for oid in children(catalogue, relation.oid):
            yield Edge((oid, event), ("partition",), True)


def _followers(relation: Relation, event: str) -> Iterator[Edge]:
    """Rows of other tables that a foreign key changes."""
    for key in relation.referenced:
        if event == "cascade":
            yield Edge((key.referencing, "cascade"), ("foreign key",), True)
        action = key.on_delete if event == "delete" else key.on_update if event == "update" else ""
        if action in _FOLLOWS:
            yield Edge((key.referencing, _FOLLOWS[action] or event), ("foreign key",), True)


def _domains(relation: Relation, catalogue: Catalogue) -> set[int]:
    """What the checks of domains call that columns have."""
    found: set[int] = set()
    if catalogue.types is None:
        return found
    if any(not column.type_oid for column in relation.columns):  # of a temporary table: any
        found |= {call for each in catalogue.types.types.values() if each.kind == "d" for call in each.calls}
    return found | _checked([column.type_oid for column in relation.columns], catalogue)


def _checked(types: Iterable[int], catalogue: Catalogue) -> set[int]:
    """What the checks of those that are domains call, of arrays of them, and of composites with one."""
    found: set[int] = set()
    known = catalogue.types.types if catalogue.types is not None else {}
    waiting, seen = list(types), set()
    while waiting:
        kind = known.get(waiting.pop())
        if kind is None or kind.oid in seen:
            continue
        seen.add(kind.oid)
        found |= kind.calls
        waiting += [kind.base, kind.element, *(each.type_oid for each in catalogue.composites.get(kind.oid, ()))]
    return found
