"""A WHERE clause -> whether rows decide it.

The values of literals are not looked at: verdicts are shared by texts that differ in them.  So `1 = 2` is as constant
as `1 = 1`, and `x + 1 = x + 2` as `x = x`.  What cannot be proven counts as decided by rows.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hoopgw.policy.facts import Where
from hoopgw.policy.sql_tree import Node, words

MAX_DEPTH = 200  # of conditions in conditions; below, rows decide


class Holds(Enum):
    """Of a condition that rows do not decide.  NULL where a column is NULL is not counted."""

    ALWAYS = "always"
    NEVER = "never"
    FIXED = "fixed"  # the same for every row, whichever
    ELSEWHERE = "elsewhere"  # the same for every row of the table that is written: rows of others decide


_NOT: dict[Holds | None, Holds | None] = {
    Holds.ALWAYS: Holds.NEVER,
    Holds.NEVER: Holds.ALWAYS,
    Holds.FIXED: Holds.FIXED,
    Holds.ELSEWHERE: Holds.ELSEWHERE,
    None: None,
}
_EQUAL = frozenset(("=", ">=", "<=", "~", "~*", "~~", "~~*", "@>", "<@", "&&"))  # true of a value and itself
_UNEQUAL = frozenset(("<>", "!=", "<", ">", "!~~", "!~~*"))
_SYSTEM = frozenset(("ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"))
_NEGATED = frozenset(("AEXPR_NOT_BETWEEN", "AEXPR_NOT_BETWEEN_SYM", "AEXPR_DISTINCT"))


@dataclass(frozen=True, slots=True)
class Written:
    """The table that is written: by which names it goes, and which of its columns are never NULL.  `columns` None: they
    are not known, and any name may be one."""

    names: Collection[str] = ()
    not_null: Collection[str] = ()
    columns: Collection[str] | None = None

    def may_be(self, fields: list[Any]) -> bool:
        """Whether a ColumnRef of these fields looks at its rows, and not at those of USING or of a subquery."""
        found = words(fields)
        if not self.names or not found:
            return True
        if len(fields) > 1:  # x.column, schema.x.column; x.*, of which the star is no word
            return found[-2 if len(found) == len(fields) else -1] in self.names
        return self.columns is None or found[0] in {*self.columns, *self.names, *_SYSTEM}


def where(clause: Any, written: Written | None = None) -> Where:
    """Whether rows decide it."""
    if not clause:
        return Where.MISSING
    return Where.PRESENT if _Condition(written or Written()).read(clause, 0) is None else Where.CONSTANT


def worse(one: Where, other: Where) -> Where:
    order = (Where.NONE, Where.PRESENT, Where.CONSTANT, Where.MISSING)
    return max(one, other, key=order.index)


class _Condition:
    def __init__(self, written: Written) -> None:
        self._written = written

    def read(self, node: Any, depth: int) -> Holds | None:
        """None: rows decide, as far as is known."""
        if depth > MAX_DEPTH or not isinstance(node, dict) or not node:
            return None
        kind, body = next(iter(node.items()))
        reader = getattr(self, f"_read_{kind}", None)
        found: Holds | None = reader(body, depth + 1) if reader is not None else None
        if found is not None or kind in ("BoolExpr", "CurrentOfExpr"):
            return found
        written, any_ = self._refers(node)
        return None if written else Holds.ELSEWHERE if any_ else Holds.FIXED

    def _read_A_Const(self, body: Node, depth: int) -> Holds | None:
        if "boolval" not in body:
            return None
        return Holds.ALWAYS if body["boolval"].get("boolval", False) else Holds.NEVER

    def _read_BoolExpr(self, body: Node, depth: int) -> Holds | None:
        arguments = body.get("args", [])
        found = [self.read(each, depth) for each in arguments]
        if body.get("boolop") == "NOT_EXPR":
            return _NOT[found[0]]
        if body.get("boolop") == "OR_EXPR":
            return self._either(arguments, found)
        if None in found:
            return None
        return found[0] if len(set(found)) == 1 else Holds.NEVER if Holds.NEVER in found else Holds.FIXED

    def _either(self, arguments: list[Any], found: list[Holds | None]) -> Holds | None:
        """x OR true; x OR NOT x; x IS NULL OR x IS NOT NULL."""
        if Holds.ALWAYS in found:
            return Holds.ALWAYS
        if Holds.FIXED in found:
            return Holds.FIXED
        seen = {self._same(each) for each in arguments}
        if any(self._same(_opposite(each)) in seen for each in arguments):
            return Holds.ALWAYS
        return None if None in found else Holds.ELSEWHERE if Holds.ELSEWHERE in found else Holds.NEVER

    def _read_A_Expr(self, body: Node, depth: int) -> Holds | None:
        kind, left, right = body.get("kind", ""), body.get("lexpr"), body.get("rexpr")
        operator = (words(body.get("name")) or [""])[-1]
        if left is None or right is None:
            return None
        if "BETWEEN" in kind:
            equal = all(self._equal(left, each) for each in _items(right))
        elif kind in ("AEXPR_IN", "AEXPR_OP_ANY"):
            equal = any(self._equal(left, each) for each in _items(right))
        else:
            equal = self._equal(left, right)
        if not equal:
            return None
        if kind in _NEGATED or (operator in _UNEQUAL and "BETWEEN" not in kind):
            return Holds.NEVER
        plain = operator in _EQUAL or "BETWEEN" in kind or kind == "AEXPR_NOT_DISTINCT"
        return Holds.ALWAYS if plain and not _literal(left) else Holds.FIXED

    def _read_NullTest(self, body: Node, depth: int) -> Holds | None:
        fields = body.get("arg", {}).get("ColumnRef", {}).get("fields", [])
        names = words(fields)
        own = len(names) == len(fields) and (len(names) == 1 or (len(names) == 2 and names[0] in self._written.names))
        if not own or (names[-1] not in self._written.not_null and names[-1] not in _SYSTEM):
            return None
        return Holds.NEVER if body.get("nulltesttype") == "IS_NULL" else Holds.ALWAYS

    def _read_BooleanTest(self, body: Node, depth: int) -> Holds | None:
        found = self.read(body.get("arg"), depth)
        test = body.get("booltesttype", "")
        if test in ("IS_TRUE", "IS_NOT_FALSE"):
            return found
        return _NOT[found] if test in ("IS_FALSE", "IS_NOT_TRUE") else None if found is None else Holds.FIXED

    def _read_CaseExpr(self, body: Node, depth: int) -> Holds | None:
        """Every branch says the same."""
        results = [each.get("CaseWhen", {}).get("result") for each in body.get("args", [])]
        found = {self.read(each, depth) for each in [*results, body.get("defresult")]}
        return found.pop() if len(found) == 1 else None

    # ---- pieces

    def _refers(self, node: Any) -> tuple[bool, bool]:
        """Whether to the table that is written, and whether to any."""
        found = False
        stack = [node]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                if "CurrentOfExpr" in value:
                    return True, True
                if "ColumnRef" in value:
                    found = True
                    if self._written.may_be(value["ColumnRef"].get("fields", [])):
                        return True, True
                stack.extend(value.values())
            elif isinstance(value, list):
                stack.extend(value)
        return False, found

    def _equal(self, one: Any, other: Any) -> bool:
        return self._same(one) == self._same(other)

    def _same(self, node: Any) -> str:
        """A tree without locations, values of literals and the table's own name, as text to compare."""
        try:
            return json.dumps(self._bare(node), sort_keys=True)
        except RecursionError:
            return f"{id(node)}"

    def _bare(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._bare(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "A_Const" in value:
            return "literal"
        if "ColumnRef" in value:
            fields = value["ColumnRef"].get("fields", [])
            if len(fields) == 2 and fields[0].get("String", {}).get("sval") in self._written.names:
                return {"ColumnRef": {"fields": fields[1:]}}
        return {key: self._bare(item) for key, item in value.items() if key != "location"}


def _items(node: Any) -> list[Any]:
    """Of IN (…), BETWEEN … AND …, or ARRAY[…]."""
    for kind, field in (("List", "items"), ("A_ArrayExpr", "elements")):
        if isinstance(node, dict) and kind in node:
            return list(node[kind].get(field, []))
    return []


def _opposite(node: Any) -> Any:
    """NOT x of x, and x of NOT x."""
    body = node.get("NullTest") if isinstance(node, dict) else None
    if body is not None:
        other = "IS_NOT_NULL" if body.get("nulltesttype") == "IS_NULL" else "IS_NULL"
        return {"NullTest": {**body, "nulltesttype": other}}
    return {"BoolExpr": {"boolop": "NOT_EXPR", "args": [node]}}


def _literal(node: Any) -> bool:
    return "A_Const" in json.dumps(node) if isinstance(node, dict) and "ColumnRef" not in node else False
