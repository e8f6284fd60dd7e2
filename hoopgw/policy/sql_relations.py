"""Relations that a statement names -> what it reads and writes, also through views, partitions and parents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hoopgw.policy.catalogue import Relation
from hoopgw.policy.facts import SOME_FUNCTION, FunctionName, RelationName
from hoopgw.policy.sql_calls import unread
from hoopgw.policy.sql_draft import Draft
from hoopgw.policy.sql_tree import Node


def relation_named(draft: Draft, node: Node) -> None:
    schema: str = node.get("schemaname", "")
    name: str = node["relname"]
    alias: str = (node.get("alias") or {}).get("aliasname", name)
    if node.get("relpersistence") == "t":
        draft.temporary = True
    written = id(node) in draft.written
    found = resolve(draft, schema, name)
    if not found:
        if not schema and name in draft.ctes and not written:
            draft.aliases.setdefault(alias, set())
            return
        shown = RelationName(schema or "?", name)
        (draft.writes if written else draft.reads)[str(shown)] = shown
        if id(node) not in draft.new:
            draft.unknown.append(f"{schema + '.' if schema else ''}{name} is not in the gateway's catalogue")
        return
    for relation in found:
        shown = RelationName(relation.schema, relation.name, relation.oid)
        (draft.writes if written else draft.reads)[str(shown)] = shown
        under = list(below(draft, relation))
        (draft.written_below if written else draft.read_below).update(under)
        inside_views(draft, [relation.oid, *(each.oid for each in under)])
        draft.relations[relation.oid] = relation
        draft.aliases.setdefault(alias, set()).add(relation.oid)
    if (node.get("alias") or {}).get("colnames"):  # FROM t AS a(x, y): x and y are columns of t by other names
        draft.renamed |= {relation.oid for relation in found}
    if not schema:
        doubt = draft.context.doubt()
        if doubt:
            draft.unknown.append(f"what {name} means is not known: {doubt}")


def inside_views(draft: Draft, oids: list[int]) -> None:
    """What views call by themselves.  A view is its owner's choice, so this is no unread code of the statement; but
    it may read what a rule or a mask is about."""
    assert draft.catalogue is not None
    for relation in (draft.catalogue.by_oid[oid] for oid in oids):
        for oid in relation.calls:
            function = draft.catalogue.function_by_oid.get(oid)
            name = FunctionName(function.schema, function.name) if function is not None else SOME_FUNCTION
            draft.functions.add(name)
            if function is None or unread(function):
                draft.inside = draft.inside or f"function {name} in the view {relation.schema}.{relation.name}"


def below(draft: Draft, relation: Relation) -> Iterator[RelationName]:
    """What a view of that name shows, and whose rows a table has by inheritance or as a partition."""
    assert draft.catalogue is not None
    by_oid = draft.catalogue.by_oid
    found = {relation.oid}
    below = [relation]
    while below:
        each = below.pop()
        children = [other.oid for other in by_oid.values() if each.oid in other.parents] if each.kind in "rpf" else []
        for oid in (*children, *sorted(each.depends | each.parents)):
            if oid in by_oid and oid not in found:
                found.add(oid)
                below.append(by_oid[oid])
                yield RelationName(by_oid[oid].schema, by_oid[oid].name, oid)


def resolve(draft: Draft, schema: str, name: str) -> list[Relation]:
    if draft.catalogue is None:
        return []
    schemas = (schema,) if schema else ("pg_catalog", *draft.context.schemas)
    found = [draft.catalogue.relations.get((each, name)) for each in dict.fromkeys(schemas)]
    return [relation for relation in found if relation is not None]


def object_name(draft: Draft, node: Any) -> tuple[str, str]:
    """(schema, name) of a list of String nodes."""
    items = node.get("List", {}).get("items", []) if isinstance(node, dict) else node
    parts = [item["String"]["sval"] for item in items if isinstance(item, dict) and "String" in item]
    return (parts[-2] if len(parts) > 1 else "", parts[-1]) if parts else ("", "")


def relation_touched(draft: Draft, schema: str, name: str) -> None:
    found = resolve(draft, schema, name)
    for relation in found:
        shown = RelationName(relation.schema, relation.name, relation.oid)
        draft.writes[str(shown)] = shown
        draft.written_below.update(below(draft, relation))
    if not found:
        shown = RelationName(schema or "?", name)
        draft.writes[str(shown)] = shown


def relation_created(draft: Draft, relation: Node) -> None:
    draft.written.add(id(relation))
    draft.new.add(id(relation))
    if relation.get("relpersistence") == "t":
        draft.temporary = True
