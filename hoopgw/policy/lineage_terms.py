"""An expression's tree -> the columns that its value depends on, and whether computing it may tell of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hoopgw.policy.lineage import CHOSEN, EQUAL, NOTHING, Sources, Traced, union
from hoopgw.policy.lineage_quiet import constant, forks, loud
from hoopgw.policy.lineage_scope import Scope
from hoopgw.policy.sql_tree import Node, words

Subquery = Callable[[Node, Scope, bool], tuple[Sources, bool]]
Window = Callable[[Node, Scope], Sources]
Keeps = Callable[[list[str], list[Any]], bool]
Kept = Callable[[Sources], None]

_FOLDS = frozenset(("lower", "upper", "btrim"))  # what is compared without regard to case or blanks
AGGREGATES = frozenset(("count", "sum", "avg", "min", "max"))  # whose results a rule may let be shown
# What carries no column of this query: names of types, and what is resolved elsewhere
_APART = frozenset(("typeName", "funcname", "name", "names", "over"))


@dataclass(frozen=True, slots=True)
class Term:
    """`computed`: of `sources`, those of which an error or the time taken may tell; `lazy`: it may fail or wait."""

    sources: Sources = NOTHING
    computed: Sources = NOTHING
    lazy: bool = False


class Terms:
    """`subquery` says what the value of a subquery in a scope depends on (with `rows`: whether there are rows), and
    whether its columns are plain; `window` the same of a window's definition.

    `keeps` says of a function and its arguments whether it may put them where they can be read again; `kept` hears of
    their columns, those of the whole expression.
    """

    def __init__(self, subquery: Subquery, window: Window, keeps: Keeps, kept: Kept) -> None:
        self._subquery = subquery
        self._window = window
        self._keeps = keeps
        self._kept = kept

    def read(self, node: Any, scope: Scope) -> Term:
        """Iterative: no depth of nesting exhausts anything but that of subqueries."""
        found: list[Sources] = []
        noisy = forking = late = keeping = False  # late: may fail or wait where a fork asks for it
        stack: list[tuple[str, Any]] = [("", node)]
        while stack:
            key, value = stack.pop()
            if isinstance(value, list):
                stack.extend((key, each) for each in value)
                continue
            if not isinstance(value, dict):
                continue
            if key == "ColumnRef":
                columns = self._columns(value, scope)
                found.append(union(each.sources for each in columns))
                late = late or any(each.lazy for each in columns)
                continue
            noisy = noisy or loud(key, value)
            if key == "A_Indirection" and (field := self._field(value, scope)) is not None:
                found.append(field.sources)
                late = late or field.lazy
                continue
            if key == "A_Indirection":  # (x).f may be f(x)
                fields = words(value.get("indirection"))
                noisy = noisy or bool(fields)
                keeping = keeping or any(self._keeps([name], [value.get("arg")]) for name in fields)
            forking = forking or forks(key, value)
            if key == "FuncCall":
                keeping = keeping or self._keeps(words(value.get("funcname")), value.get("args", []))
            if key == "SubLink":
                late = True
                rows = value.get("subLinkType") == "EXISTS_SUBLINK"
                found.append(self._subquery(value["subselect"], scope, rows)[0])
                stack.append(("", value.get("testexpr")))
            elif key == "SelectStmt":  # JSON_ARRAY(SELECT …), a query that is no SubLink
                late = True
                found.append(self._subquery({key: value}, scope, False)[0])
            elif key == "FuncCall" and (seen := self._aggregated(value, scope)) is not None:
                found.append(seen)
            else:
                if key == "FuncCall" and "over" in value:
                    found.append(scope.windows | self._window(value["over"], scope))
                stack.extend(item for item in value.items() if item[0] not in _APART)
        sources = NOTHING.union(*found) if found else NOTHING
        if keeping:
            self._kept(sources)
        return Term(sources, sources if noisy or (late and forking) else NOTHING, noisy or late)

    def _columns(self, node: Node, scope: Scope) -> tuple[Traced, ...]:
        fields = node.get("fields", [])
        names = words(fields)
        if any("A_Star" in field for field in fields):
            return scope.star(names)
        return (scope.column(names),) if names else ()

    def _aggregated(self, node: Node, scope: Scope) -> Sources | None:
        """f(column), bare: a rule may let this aggregate's result be shown."""
        arguments = node.get("args", [])
        plain = {"agg_filter", "agg_order", "over", "agg_within_group", "func_variadic"}.isdisjoint(node)
        if not plain or len(arguments) != 1 or "ColumnRef" not in arguments[0]:
            return None
        *schema, name = words(node.get("funcname"))
        if name not in AGGREGATES or schema not in ([], ["pg_catalog"]):
            return None
        return frozenset(
            (relation, attribute, before or name)
            for column in self._columns(arguments[0]["ColumnRef"], scope)
            for relation, attribute, before in column.sources
        )

    def _field(self, node: Node, scope: Scope) -> Traced | None:
        """(alias).column: of a whole row, one column."""
        reference = node.get("arg", {}).get("ColumnRef")
        item = scope.row(words(reference.get("fields"))) if reference is not None else None
        names = words(node.get("indirection"))
        if item is None or not names or not item.known:
            return None
        columns = [column for column in item.columns if column.name == names[0]]
        return columns[0] if len(columns) == 1 else None

    # ---- conditions

    def conditions(self, node: Any, scope: Scope) -> list[tuple[str, Term]]:
        """The parts of a condition: which columns it decides by equality alone, and by which in another way."""
        found: list[tuple[str, Term]] = []
        stack = [node]
        while stack:
            value = stack.pop()
            if isinstance(value, dict) and "BoolExpr" in value:
                stack.extend(value["BoolExpr"].get("args", []))
            elif isinstance(value, dict) and "SubLink" in value:
                found.append(self._membership(value["SubLink"], scope))
            elif value:
                found.append((EQUAL if self._equality(value, scope) else CHOSEN, self.read(value, scope)))
        return found

    def _equality(self, node: Node, scope: Scope) -> bool:
        kind, body = next(iter(node.items()))
        if kind == "NullTest":
            return self.whole(body.get("arg"), scope)
        if kind != "A_Expr" or words(body.get("name")) not in (["="], ["<>"]):
            return False
        left, right = body.get("lexpr"), body.get("rexpr")
        if body.get("kind") == "AEXPR_IN":
            items = right.get("List", {}).get("items", []) if isinstance(right, dict) else []
            return all(self._comparable(each, scope) for each in (left, *items))
        if body.get("kind") not in ("AEXPR_OP", "AEXPR_OP_ANY", "AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT"):
            return False
        return self._comparable(left, scope) and self._comparable(right, scope)

    def _membership(self, body: Node, scope: Scope) -> tuple[str, Term]:
        """EXISTS (…); or column IN (SELECT column …), which is an equality.  Read once: subqueries nest."""
        kind = body.get("subLinkType")
        sources, plain = self._subquery(body["subselect"], scope, kind == "EXISTS_SUBLINK")
        tested = self.read(body.get("testexpr"), scope)
        equal = kind == "ANY_SUBLINK" and words(body.get("operName")) in ([], ["="])
        equal = equal and plain and self._comparable(body.get("testexpr"), scope)
        return EQUAL if equal else CHOSEN, Term(sources | tested.sources, tested.computed)

    def _comparable(self, node: Any, scope: Scope) -> bool:
        return _fixed(node) or self.whole(node, scope)

    def whole(self, node: Any, scope: Scope) -> bool:
        """A column, as it is or without regard to case: what is compared is the whole value."""
        while isinstance(node, dict):
            if "ColumnRef" in node:
                names = words(node["ColumnRef"].get("fields"))
                column = scope.column(names) if len(names) == len(node["ColumnRef"].get("fields", [])) > 0 else None
                return column is not None and (column.plain or not column.sources)
            if "TypeCast" in node and _whole(node["TypeCast"]):
                node = node["TypeCast"].get("arg")
            elif "FuncCall" in node and words(node["FuncCall"].get("funcname"))[-1] in _FOLDS:
                arguments = node["FuncCall"].get("args", [])
                node = arguments[0] if len(arguments) == 1 else None
            else:
                return False
        return False


def _whole(cast: Node) -> bool:
    """Whether a cast keeps all of the value: varchar(1) is a question about its first letter."""
    type_name = cast.get("typeName", {})
    return not loud("TypeCast", cast) and "typmods" not in type_name and words(type_name.get("names"))[-1:] == ["text"]


def _fixed(node: Any) -> bool:
    """A constant, or an array or folded form of constants."""
    stack = [node]
    while stack:
        value = stack.pop()
        if constant(value):
            continue
        kind, body = next(iter(value.items())) if isinstance(value, dict) and value else ("", {})
        if kind == "A_ArrayExpr":
            stack.extend(body.get("elements", []))
        elif kind == "TypeCast":
            stack.append(body.get("arg"))
        elif kind == "FuncCall" and words(body.get("funcname"))[-1] in _FOLDS:
            stack.extend(body.get("args", []))
        else:
            return False
    return True
