"""A WHERE clause -> whether rows decide it."""

from __future__ import annotations

import json
from typing import Any

from hoopgw.policy.facts import Where


def where(clause: Any) -> Where:
    """Whether rows decide it."""
    if not clause:
        return Where.MISSING
    return Where.CONSTANT if _constant(clause) else Where.PRESENT


def _constant(node: Any, depth: int = 0) -> bool:
    """No row decides this condition, or it is true for every row that has the values: WHERE true, 1 = 1, x = x."""
    if depth > 200 or not isinstance(node, dict):
        return False
    kind, body = next(iter(node.items()))
    if kind == "CurrentOfExpr":
        return False
    if kind == "BoolExpr":
        arguments = body.get("args", [])
        if body.get("boolop") == "OR_EXPR":
            return any(_constant(each, depth + 1) and not _false(each) for each in arguments)
        return all(_constant(each, depth + 1) for each in arguments)
    if kind == "A_Expr" and "lexpr" in body and _bare(body.get("lexpr")) == _bare(body.get("rexpr")):
        return True
    return not _refers(node)


def _false(node: Any) -> bool:
    constant = node.get("A_Const", {}) if isinstance(node, dict) else {}
    return "boolval" in constant and not constant["boolval"].get("boolval", False)


def _refers(node: Any) -> bool:
    stack = [node]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if "ColumnRef" in value or "CurrentOfExpr" in value:
                return True
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return False


def _bare(node: Any) -> str:
    """A tree without locations and the values of literals, as text to compare: x + 1 = x + 2 is no condition either."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            if "A_Const" in value:
                return "literal"
            return {key: without(item) for key, item in value.items() if key != "location"}
        return [without(item) for item in value] if isinstance(value, list) else value

    try:
        return json.dumps(without(node), sort_keys=True)
    except RecursionError:
        return f"{id(node)}"


def worse(one: Where, other: Where) -> Where:
    order = (Where.NONE, Where.PRESENT, Where.CONSTANT, Where.MISSING)
    return max(one, other, key=order.index)
