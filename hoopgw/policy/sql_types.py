"""The types that expressions of one statement may have: too many rather than too few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hoopgw.policy.catalogue import Catalogue, Function
from hoopgw.policy.catalogue_types import TEXT, UNKNOWN, Operator, TypeSystem
from hoopgw.policy.sql_tree import Node, words

Types = frozenset[int] | None  # OIDs; None: any

MAX_PAIRS = 400  # of types of two operands: with more, any may be meant
MAX_DEPTH = 40  # of expressions that are looked into; below, anything may be meant

BOOLEAN = frozenset((16,))
# Of a number: literals that differ in nothing but their value share a verdict (policy/sql_shape.py)
NUMBER = frozenset((20, 23, 1700))
BITS = frozenset((1560,))
LITERAL = frozenset((UNKNOWN,))
STRING = frozenset((TEXT,))
PREFIX: Types = frozenset((0,))  # in place of the left operand that a prefix operator does not have
_TRUTHS = frozenset(("BoolExpr", "NullTest", "BooleanTest", "CurrentOfExpr", "GroupingFunc"))
_COMPARES = frozenset(
    f"AEXPR_{kind}"
    for kind in (
        "OP_ANY", "OP_ALL", "DISTINCT", "NOT_DISTINCT", "IN", "LIKE", "ILIKE", "SIMILAR",
        "BETWEEN", "NOT_BETWEEN", "BETWEEN_SYM", "NOT_BETWEEN_SYM",
    )
)  # fmt: skip


class Typing:
    """`column` says what a reference may have; `schemas` are all that an unqualified name could mean, None: every."""

    def __init__(
        self,
        catalogue: Catalogue,
        system: TypeSystem,
        schemas: tuple[str, ...] | None,
        column: Callable[[list[str]], Types],
    ) -> None:
        self._catalogue = catalogue
        self._system = system
        self._schemas = schemas
        self._column = column
        self._known: dict[int, Types] = {}  # by id of the node

    def of(self, node: Any, depth: int = 0) -> Types:
        if not isinstance(node, dict) or len(node) != 1 or depth > MAX_DEPTH:
            return None
        kind, body = next(iter(node.items()))
        if not isinstance(body, dict):
            return None
        if id(body) not in self._known:
            self._known[id(body)] = None  # for what refers to itself
            self._known[id(body)] = self._read(kind, body, depth + 1)
        return self._known[id(body)]

    def _read(self, kind: str, body: Node, depth: int) -> Types:
        if kind in _TRUTHS:
            return BOOLEAN if kind != "GroupingFunc" else frozenset((23,))
        reader = getattr(self, f"_of_{kind}", None)
        found: Types = reader(body, depth) if reader is not None else None
        return found

    def _of_A_Const(self, body: Node, depth: int) -> Types:
        if "ival" in body or "fval" in body:
            return NUMBER
        if "boolval" in body:
            return BOOLEAN
        return BITS if "bsval" in body else LITERAL

    def _of_ColumnRef(self, body: Node, depth: int) -> Types:
        fields = body.get("fields", [])
        return self._column(words(fields)) if fields and "String" in fields[-1] else None

    def _of_TypeCast(self, body: Node, depth: int) -> Types:
        return self.named(body.get("typeName", {}))

    def _of_CollateClause(self, body: Node, depth: int) -> Types:
        return self.of(body.get("arg"), depth)

    def _of_FuncCall(self, body: Node, depth: int) -> Types:
        names = words(body.get("funcname"))
        schema, name = (names[-2] if len(names) > 1 else ""), names[-1]
        if self._schemas is None and not schema:
            return None
        found: set[int] = set()
        for each in (schema,) if schema else ("pg_catalog", *(self._schemas or ())):
            for function in self._catalogue.functions.get((each, name), ()):
                if self.may_call(function, body, depth):
                    found.add(function.result)
        return self._plain(found)

    def _of_A_Expr(self, body: Node, depth: int) -> Types:
        kind = body.get("kind")
        if kind in _COMPARES:
            return BOOLEAN
        if kind == "AEXPR_NULLIF":
            return self.of(body.get("lexpr"), depth)
        left = self.of(body["lexpr"], depth) if "lexpr" in body else PREFIX
        right = self.of(body.get("rexpr"), depth)
        found = {
            operator.result
            for operator in self._system.operators.get((words(body.get("name")) or [""])[-1], ())
            if self.may_be(operator, left, right, len(body.get("name", [])) > 1)
        }
        return self._plain(found)

    def _of_SubLink(self, body: Node, depth: int) -> Types:
        if body.get("subLinkType") != "EXPR_SUBLINK":
            return None if body.get("subLinkType") == "ARRAY_SUBLINK" else BOOLEAN
        return self.outputs(body.get("subselect"), depth)

    def _of_CoalesceExpr(self, body: Node, depth: int) -> Types:
        return self.any_of(body.get("args", []), depth)

    _of_MinMaxExpr = _of_CoalesceExpr

    def _of_CaseExpr(self, body: Node, depth: int) -> Types:
        results = [each.get("CaseWhen", {}).get("result") for each in body.get("args", [])]
        return self.any_of([*results, body["defresult"]] if "defresult" in body else results, depth)

    def fields(self, oid: int) -> tuple[int, ...]:
        """Types of the fields of a CREATE TYPE … AS (…)."""
        return tuple(each.type_oid for each in self._catalogue.composites.get(oid, ()))

    # ---- calls by name

    def may_call(self, function: Function, call: Node, depth: int = 0) -> bool:
        """Whether a FuncCall may mean this function of several of its name (documentation, 10.3).  Named, variadic and
        ordered arguments are not looked at: any may be meant."""
        given, wanted = call.get("args", []), function.arguments
        odd = call.get("func_variadic") or call.get("agg_within_group") or any("NamedArgExpr" in each for each in given)
        if wanted is None or odd:
            return True
        least = len(wanted) - (1 if function.variadic else function.defaults)
        if len(given) < least or (len(given) > len(wanted) and not function.variadic):
            return False
        plain = wanted[:-1] if function.variadic else wanted
        return all(self._accepts(one, self.of(other, depth)) for one, other in zip(plain, given, strict=False))

    def _accepts(self, wanted: int, given: Types) -> bool:
        return given is None or any(self._system.accepts(wanted, each) for each in given)

    # ---- pieces

    def may_be(self, operator: Operator, left: Types, right: Types, qualified: bool) -> bool:
        """Whether an operator may be chosen for operands of any of these types; PREFIX: there is no left one."""
        if left is None or right is None or len(left) * len(right) > MAX_PAIRS:
            return (left == PREFIX) == (not operator.left) and all(
                wanted == 0 or self._accepts(wanted, given)
                for wanted, given in ((operator.left, left), (operator.right, right))
            )
        return any(self._system.may_be(operator, one, other, qualified) for one in left for other in right)

    def any_of(self, nodes: list[Any], depth: int = 0) -> Types:
        """A literal among others takes their type."""
        found: frozenset[int] = frozenset()
        for node in nodes:
            each = self.of(node, depth)
            if each is None:
                return None
            found |= each
        return found - LITERAL or found

    def outputs(self, select: Any, depth: int = 0) -> Types:
        """Of a subquery's columns, together."""
        body = select.get("SelectStmt", select) if isinstance(select, dict) else {}
        targets = [each.get("ResTarget", {}).get("val") for each in body.get("targetList", [])]
        return self.columns(targets, depth) if targets and body.get("op") == "SETOP_NONE" else None

    def columns(self, values: list[Any], depth: int = 0) -> Types:
        """Of values in SELECT lists, together: a literal there is text (documentation, 10.6)."""
        found: frozenset[int] = frozenset()
        for value in values:
            each = self.of(value, depth)
            if each is None:
                return None
            found |= STRING if each == LITERAL else each
        return found

    def elements(self, node: Any) -> Types:
        """Of what stands after `= ANY`."""
        if isinstance(node, dict) and "A_ArrayExpr" in node:
            return self.any_of(node["A_ArrayExpr"].get("elements", []))
        found = self.of(node)
        if found is None or found == LITERAL:
            return found
        return self._plain({self._system.element(each) for each in found})

    def named(self, type_name: Node) -> Types:
        """What a type's name means; None where it is not in the catalogue, or may be more than one knows."""
        names = words(type_name.get("names"))
        found = self.oids(names)
        if not type_name.get("arrayBounds"):
            return self._plain(found)
        return self._plain({each.oid for each in self._system.types.values() if each.element in found and found})

    def is_row(self, names: list[str]) -> bool:
        """Whether a type's name may be that of a table's rows: those are not among the types."""
        schema, name = (names[-2] if len(names) > 1 else ""), names[-1] if names else ""
        if not schema and self._schemas is None:
            return any(each == name for _, each in self._catalogue.relations)
        return any((each, name) in self._catalogue.relations for each in ((schema,) if schema else self._schemas or ()))

    def forget(self) -> None:
        """What was found depended on columns whose types are known better now."""
        self._known.clear()

    def oids(self, names: list[str]) -> set[int]:
        """Of every type that a name could mean; an array's are not its elements'."""
        if not names:
            return set()
        schema, name = (names[-2] if len(names) > 1 else ""), names[-1]
        if not schema and self._schemas is None:
            return {each.oid for each in self._system.types.values() if each.name == name}
        schemas = (schema,) if schema else ("pg_catalog", *(self._schemas or ()))
        found = {self._system.by_name.get((each, name), 0) for each in schemas}
        return found - {0}

    def _plain(self, found: set[int]) -> Types:
        """Without what stands for any type; nothing found is anything."""
        pseudo = any(each not in self._system.types or self._system.types[each].kind == "p" for each in found)
        return None if pseudo or not found else frozenset(found)
