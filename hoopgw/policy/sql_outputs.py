"""The output columns of a statement, and which of them are plain columns of a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hoopgw.policy.facts import Output
from hoopgw.policy.sql_columns import columns_meant, plainly, starred
from hoopgw.policy.sql_draft import Draft
from hoopgw.policy.sql_tree import Node, nodes


def mark_plain(draft: Draft, targets: list[Any]) -> None:
    for target in targets:
        found = target.get("ResTarget", {})
        draft.top_targets.append(found)
        reference = found.get("val", {}).get("ColumnRef")
        if reference is not None:
            draft.plain.add(id(reference))


def top_select(draft: Draft, select: Node) -> None:
    if select.get("op", "SETOP_NONE") != "SETOP_NONE" or select.get("intoClause"):
        return
    mark_plain(draft, select.get("targetList", []))
    if select.get("distinctClause"):
        draft.sorted_by_output = True
    names = {target.get("name") for target in draft.top_targets}
    for clause in ("sortClause", "groupClause"):
        for key, node in nodes(select.get(clause, [])):
            if key == "A_Const":  # whatever its value: verdicts are shared by texts that differ in literals
                draft.sorted_by_output = True
            if key == "ColumnRef":
                fields = node.get("fields", [])
                if len(fields) == 1 and fields[0].get("String", {}).get("sval") in names:
                    draft.sorted_by_output = True


def settle_outputs(draft: Draft) -> None:
    targets = draft.top_targets
    outputs: list[Output] = []
    for target in targets:
        value = target.get("val", {})
        if "ColumnRef" not in value:
            outputs.append(Output(target.get("name") or figured_name(value)))
            continue
        fields = value["ColumnRef"].get("fields", [])
        names = [field["String"]["sval"] for field in fields if "String" in field]
        if any("A_Star" in field for field in fields):
            for oid in sorted(starred(draft, names)):
                for column in draft.relations[oid].columns:
                    outputs.append(Output(column.name, oid, column.number, column.type_oid))
                    draft.read.add((oid, column.number))
            continue
        meant = columns_meant(draft, names)
        draft.read |= meant
        if names and names[-1] in draft.aliases and len(names) == 1:
            draft.lost |= meant  # a whole row has no origin
        if len(names) > 1 and not plainly(draft, names):
            draft.lost |= meant
        origin = next(iter(meant)) if len(meant) == 1 else (0, 0)
        outputs.append(Output(target.get("name") or (names[-1] if names else ""), *origin, type_of(draft, *origin)))
    draft.outputs = tuple(outputs)
    if draft.sorted_by_output:
        draft.lost |= draft.read
    if draft.copy is not None and not draft.copy.fields and outputs and in_order(draft, targets):
        draft.copy = replace(draft.copy, fields=draft.outputs)


def type_of(draft: Draft, relation: int, attribute: int) -> int:
    columns = draft.relations[relation].columns if relation else ()
    return next((column.type_oid for column in columns if column.number == attribute), 0)


def in_order(draft: Draft, targets: list[Node]) -> bool:
    """Whether the outputs are known one by one: `*` is only where the query reads one relation and nothing else.

    A join merges columns and gives them in the order of its FROM, and what a subquery has is not looked at."""
    stars = any("A_Star" in field for target in targets for field in fields_of(target))
    return not stars or (draft.alone and len(draft.relations) == 1)


def fields_of(target: Node) -> list[Any]:
    """Of a column reference in an output list."""
    fields: list[Any] = target.get("val", {}).get("ColumnRef", {}).get("fields", [])
    return fields


def figured_name(value: Node) -> str:
    """The name that PostgreSQL gives an output column, where it matters here (FigureColname)."""
    kind, node = next(iter(value.items())) if value else ("", {})
    if kind == "FuncCall":
        return str(node["funcname"][-1]["String"]["sval"])
    if kind == "TypeCast":
        inner = node.get("arg", {})
        if "ColumnRef" in inner:
            fields = [each["String"]["sval"] for each in inner["ColumnRef"].get("fields", []) if "String" in each]
            return fields[-1] if fields else ""
    return ""
