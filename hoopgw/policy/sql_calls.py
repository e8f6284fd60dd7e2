"""Functions that a statement calls without naming them: by operators and by casts that are not PostgreSQL's own.

`a === b` calls what CREATE OPERATOR said, `x::mood` what CREATE CAST said.  Which operator is meant depends on the
types of its operands (documentation, 10.2); those are followed as far as the text and the catalogue tell, and where
they do not, every operator that could be meant counts.

What PostgreSQL calls by itself when rows are stored, compared in an order, or shown (input and output functions,
operator classes, triggers, checks) is not looked at: a superuser made those, or the table's owner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from hoopgw.policy.catalogue import Catalogue, Function
from hoopgw.policy.catalogue_types import FIRST_OWN, Cast, Operator, TypeSystem
from hoopgw.policy.facts import SOME_FUNCTION, Facts, FunctionName
from hoopgw.policy.sql_tree import Node, words
from hoopgw.policy.sql_types import LITERAL, PREFIX, Types, Typing

COMPILED = frozenset(("c", "internal"))  # languages in which only a superuser writes
# Functions of PostgreSQL's own that run an SQL text they are given: what it calls and reads is not looked at
RUNS_TEXT = frozenset(("query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema", "ts_stat", "ts_rewrite"))
_BOUNDS = (">=", "<=", "<", ">")  # of BETWEEN and NOT BETWEEN


class Called:
    """Reads nodes one by one.  `functions` are OIDs, each with how it is called; `unknown` is what cannot be known."""

    def __init__(self, system: TypeSystem, typing: Typing, schemas: tuple[str, ...] | None, doubt: str) -> None:
        self._system = system
        self._typing = typing
        self._schemas = schemas
        self._doubt = doubt
        self.functions: dict[int, str] = {}
        self.unknown: list[str] = []

    def read(self, kind: str, node: Node) -> None:
        reader = getattr(self, f"_read_{kind}", None)
        if reader is not None:
            reader(node)

    # ---- operators

    def _read_A_Expr(self, node: Node) -> None:
        kind, name = node.get("kind", ""), words(node.get("name"))
        left, right = node.get("lexpr"), node.get("rexpr")
        if "BETWEEN" in kind:
            for bound in _BOUNDS:
                self._pairs([bound], left, _items(right))
        elif kind == "AEXPR_IN":
            self._pairs(name, left, _items(right))
        elif kind in ("AEXPR_OP_ANY", "AEXPR_OP_ALL"):
            for own in self._own(name):
                self._calls(own, self._typing.of(left), self._typing.elements(right), len(name) > 1)
        else:
            self._pairs(name, left, [right])

    def _read_SubLink(self, node: Node) -> None:
        if "testexpr" in node:
            name = words(node.get("operName")) or ["="]
            for own in self._own(name):
                for test in _row(node["testexpr"]):
                    outputs = self._typing.outputs(node.get("subselect"))
                    self._calls(own, self._typing.of(test), outputs, len(name) > 1)

    def _read_CaseExpr(self, node: Node) -> None:
        if "arg" in node:
            self._pairs(["="], node["arg"], [each.get("CaseWhen", {}).get("expr") for each in node.get("args", [])])

    def _read_SortBy(self, node: Node) -> None:
        if node.get("useOp"):
            self._pairs(words(node["useOp"]), node.get("node"), [node.get("node")])

    def equal(self, types: Types) -> None:
        """A column of JOIN … USING, or of a NATURAL JOIN."""
        for own in self._own(["="]):
            self._calls(own, types, types, False)

    def _pairs(self, name: list[str], left: Any, rights: list[Any]) -> None:
        """`left` with each of `rights`.  A list of thousands has few kinds of values: each kind is looked at once."""
        for own in self._own(name):
            seen: set[tuple[int, Types]] = set()
            for right in rights:
                for index, (one, other) in enumerate(_columns(left, right)):
                    types = self._typing.of(other)
                    if (index, types) not in seen:
                        seen.add((index, types))
                        self._calls(own, PREFIX if one is None else self._typing.of(one), types, len(name) > 1)

    def _own(self, names: list[str]) -> list[Operator]:
        """Operators of one's own that a name could mean; says where it cannot be known."""
        schema, name = (names[-2] if len(names) > 1 else ""), names[-1]
        if not schema and not self._doubt and name in self._system.operators and name not in self._system.own_names:
            return []
        schemas = (schema,) if schema else self._schemas
        found = [
            operator
            for operator in self._system.operators.get(name, ())
            if schemas is None or operator.schema in schemas or (not schema and operator.schema == "pg_catalog")
        ]
        if self._doubt:
            self.unknown.append(f"what operator {name} calls is not known: {self._doubt}")
        if not found:
            self.unknown.append(f"operator {name} is not in the gateway's catalogue")
        return [operator for operator in found if operator.oid >= FIRST_OWN]

    def _calls(self, operator: Operator, left: Types, right: Types, qualified: bool) -> None:
        if self._typing.may_be(operator, left, right, qualified):
            self.functions[operator.function] = f"operator {operator.schema}.{operator.name}"

    # ---- casts

    def _read_TypeCast(self, node: Node) -> None:
        names = words(node.get("typeName", {}).get("names"))
        targets = self._typing.oids(names)
        if not targets and not self._typing.is_row(names):
            self.unknown.append(f"type {'.'.join(names)} is not in the gateway's catalogue")
        if self._doubt and names[:1] != ["pg_catalog"]:
            self.unknown.append(f"what a cast to {names[-1]} calls is not known: {self._doubt}")
        given = self._typing.of(node.get("arg")) if self._system.own_casts else None
        elements = None if given is None else frozenset(filter(None, map(self._system.element, given)))
        for target in targets:
            self._cast(target, given)
            if self._system.element(target):
                self._cast(self._system.element(target), elements)
            elif node.get("typeName", {}).get("arrayBounds"):
                self._cast(target, elements)

    def _read_RangeFunction(self, node: Node) -> None:
        """json_to_record(…) AS x(a domain)."""
        for each in node.get("coldeflist", []):
            self._read_RangeTableFuncCol(each.get("ColumnDef", {}))

    def _read_RangeTableFuncCol(self, node: Node) -> None:
        for target in self._typing.oids(words(node.get("typeName", {}).get("names"))):
            self._cast(target, None)
            if self._system.element(target):
                self._cast(self._system.element(target), None)

    _read_JsonTableColumn = _read_RangeTableFuncCol

    def _cast(self, target: int, given: Types) -> None:
        """Every function on the way to `target`: checks of domains, what reads a literal, and casts."""
        found = self._system.types.get(target)
        while found is not None and found.kind == "d":
            for function in found.calls:
                self.functions[function] = f"domain {found.schema}.{found.name}"
            found = self._system.types.get(found.base)
        if found is None:
            return
        for field in self._typing.fields(found.oid):  # no composite has one of its own kind in it
            self._cast(field, None)
        if found.oid >= FIRST_OWN and found.kind == "b" and not found.element:
            self.functions[found.input] = f"type {found.schema}.{found.name}"
        for cast in self._system.own_casts:
            if cast.target == found.oid and (cast.source == cast.target or self._from(cast, given)):
                self.functions[cast.function] = f"a cast to {found.schema}.{found.name}"

    def converted(self, given: Types) -> None:
        """A value that is an operand or an argument: an implicit cast may come between."""
        for cast in self._system.own_casts:
            if cast.context == "i" and self._from(cast, given):
                self.functions[cast.function] = "an implicit cast"

    def assigned(self, given: Types, columns: Iterable[int]) -> None:
        """A value that is stored in one of these columns; type 0: any."""
        targets = {self._system.base(each) for each in columns}
        for cast in self._system.own_casts:
            if cast.context != "e" and (0 in targets or cast.target in targets) and self._from(cast, given):
                self.functions[cast.function] = "an assignment"

    def _from(self, cast: Cast, given: Types) -> bool:
        if given is None:
            return True
        known = self._system.types
        return any(cast.source in (each, self._system.base(each)) or each not in known for each in given - LITERAL)


def unread(function: Function) -> bool:
    """Whether what an operator or a cast calls may do anything.  Compiled code was a superuser's choice, and is as good
    as PostgreSQL's own; but some of that runs a text that it is given."""
    own = function.oid >= FIRST_OWN and function.language not in COMPILED
    return own or function.name in RUNS_TEXT


def with_parameters(facts: Facts, catalogue: Catalogue | None, declared: Collection[int]) -> Facts:
    """`facts`, of a text whose parameters have these types (OIDs; 0: not said): casts from them may be called wherever
    a parameter stands.  The same object where none is."""
    system = catalogue.types if catalogue is not None else None
    if catalogue is None or system is None or not system.own_casts:
        return facts
    given = {each for oid in declared for each in (oid, system.base(oid))}
    casts = [cast.function for cast in system.own_casts if cast.context != "e" and cast.source in given]
    if not casts:
        return facts
    found = [catalogue.function_by_oid.get(oid) for oid in casts]
    functions = {FunctionName(each.schema, each.name) if each is not None else SOME_FUNCTION for each in found}
    opaque = "a cast of a parameter" if any(each is None or unread(each) for each in found) else ""
    statements = [
        replace(each, functions=each.functions | functions, opaque=each.opaque or opaque) for each in facts.statements
    ]
    return Facts(tuple(statements), facts.redacted)


def _items(node: Any) -> list[Any]:
    """Of a List."""
    found: list[Any] = node.get("List", {}).get("items", []) if isinstance(node, dict) else []
    return found


def _columns(left: Any, right: Any) -> list[tuple[Any, Any]]:
    """Rows are compared column by column."""
    lefts, rights = _row(left), _row(right)
    if len(lefts) == len(rights):
        return list(zip(lefts, rights, strict=True))
    return [(one, other) for one in lefts for other in rights]


def _row(node: Any) -> list[Any]:
    """The columns of a row; anything else is one."""
    if isinstance(node, dict) and "RowExpr" in node:
        return list(node["RowExpr"].get("args", [])) or [node]
    return [node]
