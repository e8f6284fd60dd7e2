"""Column references of a statement -> the columns that they could mean.

They are counted by name over every relation of the statement: that finds too much rather than too little.
"""

from __future__ import annotations

from hoopgw.policy.sql_draft import Draft
from hoopgw.policy.sql_lookalikes import field_or_function
from hoopgw.policy.sql_tree import Node


def note_reference(draft: Draft, node: Node) -> None:
    fields = node.get("fields", [])
    names = [field["String"]["sval"] for field in fields if "String" in field]
    if any("A_Star" in field for field in fields):
        draft.stars.append(names)
    else:
        draft.references.append((names, True))


def note_join(draft: Draft, node: Node) -> None:
    if node.get("isNatural") or (node.get("alias") or {}).get("colnames"):
        draft.any_column = True
    for alias in ("alias", "join_using_alias"):
        if node.get(alias):
            draft.join_aliases.add(node[alias]["aliasname"])
    for name in node.get("usingClause", []):
        draft.references.append(([name["String"]["sval"]], True))


def note_inferred(draft: Draft, node: Node) -> None:
    """ON CONFLICT (column): whether a value is there can be read from what happens."""
    for element in node.get("indexElems", []):
        name = element.get("IndexElem", {}).get("name")
        if name:
            draft.references.append(([name], True))


def settle_columns(draft: Draft) -> None:
    """After the walk: which columns are read, and which of them not as a plain output."""
    for alias in draft.join_aliases:
        draft.aliases.setdefault(alias, set()).update(draft.relations)
    for names in draft.dotted:
        if len(names) > 1 and not plainly(draft, names):
            field_or_function(draft, names[-1])
    for names, _ in draft.references:
        draft.lost |= columns_meant(draft, names)
    for names in draft.stars:
        for oid in starred(draft, names):
            draft.lost |= {(oid, column.number) for column in draft.relations[oid].columns}
    for oid in draft.relations if draft.any_column else draft.renamed:
        draft.lost |= {(oid, column.number) for column in draft.relations[oid].columns}


def starred(draft: Draft, names: list[str]) -> set[int]:
    return draft.aliases.get(names[-1], set()) if names else set(draft.relations)


def columns_meant(draft: Draft, names: list[str]) -> set[tuple[int, int]]:
    """Every column that a reference could mean; a whole row means all of its columns."""
    column, qualifier = names[-1], names[-2] if len(names) > 1 else ""
    known = bool(qualifier) and qualifier in draft.aliases
    among = draft.aliases[qualifier] if known else set(draft.relations)
    found = {(oid, each.number) for oid in among for each in draft.relations[oid].columns if each.name == column}
    whole = draft.aliases.get(column, set())  # the name of a table, where a column could stand
    if qualifier and not found:
        whole = whole | draft.aliases.get(qualifier, set())  # x.f is f(x) where f is a function
    for oid in whole:
        found |= {(oid, each.number) for each in draft.relations[oid].columns}
    return found


def plainly(draft: Draft, names: list[str]) -> bool:
    """x.column where x is a table that has it; else it is a function's notation, or a field of a row.  What a subquery
    has is not looked at here."""
    among = draft.aliases.get(names[-2], set())
    return any(each.name == names[-1] for oid in among for each in draft.relations[oid].columns)
