"""Which values an INSERT, UPDATE or MERGE stores in which column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hoopgw.policy.sql_tree import Node

ANY_COLUMN = ""  # no column has this name


def stored_values(node: Node, columns: list[str]) -> Iterator[tuple[str, Any]]:
    """(column, expression) of the statement itself; ANY_COLUMN and None where that is not plain to see.

    `columns` are the table's, in order.
    """
    if "selectStmt" in node:
        yield from _inserted([_name(each) for each in node.get("cols", [])] or columns, node["selectStmt"])
    yield from _assigned(node.get("onConflictClause", {}).get("targetList", []))
    if "selectStmt" not in node:
        yield from _assigned(node.get("targetList", []))
    for each in node.get("mergeWhenClauses", []):
        clause = each.get("MergeWhenClause", {})
        names = [_name(target) for target in clause.get("targetList", [])] or columns
        if "values" in clause:
            yield from _paired(names, clause["values"])
        else:
            yield from _assigned(clause.get("targetList", []))


def _inserted(columns: list[str], select: Node) -> Iterator[tuple[str, Any]]:
    body = select.get("SelectStmt", {})
    for row in body.get("valuesLists", []):
        yield from _paired(columns, row.get("List", {}).get("items", []))
    if body.get("op", "SETOP_NONE") != "SETOP_NONE":
        yield ANY_COLUMN, None
    elif "targetList" in body:
        yield from _paired(columns, [each.get("ResTarget", {}).get("val") for each in body["targetList"]])


def _paired(columns: list[str], values: list[Any]) -> Iterator[tuple[str, Any]]:
    if any("A_Star" in field for value in values for field in (value or {}).get("ColumnRef", {}).get("fields", [])):
        yield ANY_COLUMN, None
        return
    for index, value in enumerate(values):
        yield (columns[index] if index < len(columns) else ANY_COLUMN), value


def _assigned(targets: list[Any]) -> Iterator[tuple[str, Any]]:
    """Of SET.  A field of a column (SET p.a = 1), or an element, is stored through that."""
    for target in targets:
        found = target.get("ResTarget", {})
        if found.get("indirection"):
            yield ANY_COLUMN, None
        elif "val" in found:
            yield found.get("name", ANY_COLUMN), found["val"]


def _name(target: Any) -> str:
    found = target.get("ResTarget", {})
    return ANY_COLUMN if found.get("indirection") else str(found.get("name", ANY_COLUMN))
