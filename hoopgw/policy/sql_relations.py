"""Relations that a statement names -> what it reads and writes, also through views, partitions and parents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from hoopgw.policy.catalogue import Catalogue, Relation
from hoopgw.policy.facts import RelationName
from hoopgw.policy.sql_draft import Draft
from hoopgw.policy.sql_tree import Node
from hoopgw.policy.temporaries import FIRST, SCHEMA, meant

_READ: Final = frozenset(("select",))
_SETTINGS: Final = "pg_settings"


def relation_named(draft: Draft, node: Node) -> None:
    schema: str = node.get("schemaname", "")
    name: str = node["relname"]
    alias: str = (node.get("alias") or {}).get("aliasname", name)
    if node.get("relpersistence") == "t":
        draft.temporary = True
    written = id(node) in draft.written
    if id(node) in draft.new and is_temporary(node):
        shown = RelationName(SCHEMA, name)  # whatever else has that name
        draft.writes[str(shown)] = shown
        return
    found = resolve(draft, schema, name)
    if written or id(node) in draft.settable:
        _note_settings(draft, name, found)
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
        (draft.writes if written else draft.reads)[_key(shown)] = shown
        assert draft.catalogue is not None
        (draft.written_below if written else draft.read_below).update(below(draft.catalogue, relation))
        _ran(draft, node, relation.oid, written)
        draft.relations[relation.oid] = relation
        if written and relation.schema == "pg_catalog":  # a superuser may
            draft.unknown.append(f"writing to {shown} changes what names mean")
        draft.aliases.setdefault(alias, set()).add(relation.oid)
    if (node.get("alias") or {}).get("colnames"):  # FROM t AS a(x, y): x and y are columns of t by other names
        draft.renamed |= {relation.oid for relation in found}
    doubt = draft.context.doubt_of_relation(schema)
    if doubt:
        draft.unknown.append(f"what {name} means is not known: {doubt}")


def _note_settings(draft: Draft, name: str, found: list[Relation]) -> None:
    """Everybody may UPDATE pg_settings, by which its rule calls set_config; also by a view that shows it."""
    shown = {name}
    for relation in found:
        assert draft.catalogue is not None
        shown |= {each.name for each in below(draft.catalogue, relation)}
    if _SETTINGS in shown:
        draft.settings.append(("*", None))


def _key(shown: RelationName) -> str:
    """Temporary tables may have one name."""
    return f"{shown}#{shown.oid}" if shown.oid >= FIRST else str(shown)


def _ran(draft: Draft, node: Node, oid: int, written: bool) -> None:
    for event in draft.events.get(id(node), frozenset() if written else _READ):
        draft.runs.add((oid, event))


def below(catalogue: Catalogue, relation: Relation) -> tuple[RelationName, ...]:
    """What a view of that name shows, and whose rows a table has by inheritance or as a partition."""
    kept: tuple[RelationName, ...] | None = catalogue.memo.get(("below", relation.oid))
    if kept is None:
        kept = tuple(_below(catalogue, relation))
        catalogue.memo.keep(("below", relation.oid), kept)
    return kept


def _below(catalogue: Catalogue, relation: Relation) -> Iterator[RelationName]:
    by_oid = catalogue.by_oid
    found = {relation.oid}
    waiting = [relation]
    while waiting:
        each = waiting.pop()
        for oid in (*children(catalogue, each.oid), *sorted(each.depends | each.parents)):
            if oid in by_oid and oid not in found:
                found.add(oid)
                waiting.append(by_oid[oid])
                yield RelationName(by_oid[oid].schema, by_oid[oid].name, oid)


def children(catalogue: Catalogue, oid: int) -> tuple[int, ...]:
    """What inherits from it, or is a part of it."""
    found = catalogue.memo.children
    if found is None:
        gathered: dict[int, list[int]] = defaultdict(list)
        for relation in catalogue.by_oid.values():
            for parent in relation.parents:
                gathered[parent].append(relation.oid)
        found = catalogue.memo.children = {parent: tuple(sorted(each)) for parent, each in gathered.items()}
    return found.get(oid, ())


def resolve(draft: Draft, schema: str, name: str) -> list[Relation]:
    """What it may name; of an index its table."""
    if draft.catalogue is None:
        return []
    schemas = meant(schema, draft.context.schemas) if schema else ("pg_catalog", *draft.context.schemas)
    found = [_known(draft.catalogue, each, name) for each in dict.fromkeys(schemas)]
    return [relation for relation in found if relation is not None]


def _known(catalogue: Catalogue, schema: str, name: str) -> Relation | None:
    return catalogue.relations.get((schema, name)) or catalogue.by_oid.get(catalogue.indexes.get((schema, name), 0))


def object_name(draft: Draft, node: Any) -> tuple[str, str]:
    """(schema, name) of a list of String nodes."""
    items = node.get("List", {}).get("items", []) if isinstance(node, dict) else node
    parts = [item["String"]["sval"] for item in items if isinstance(item, dict) and "String" in item]
    return (parts[-2] if len(parts) > 1 else "", parts[-1]) if parts else ("", "")


def relation_touched(draft: Draft, schema: str, name: str) -> bool:
    """Whether it is known."""
    found = resolve(draft, schema, name)
    for relation in found:
        assert draft.catalogue is not None
        shown = RelationName(relation.schema, relation.name, relation.oid)
        draft.writes[_key(shown)] = shown
        draft.written_below.update(below(draft.catalogue, relation))
    if not found:
        shown = RelationName(schema or "?", name)
        draft.writes[str(shown)] = shown
    return bool(found)


def relation_created(draft: Draft, relation: Node) -> None:
    draft.written.add(id(relation))
    draft.new.add(id(relation))
    if is_temporary(relation):
        draft.temporary = True
        name: str = relation.get("relname", "")
        if draft.catalogue is not None and _is_type(draft.catalogue, draft.context.schemas, name):
            draft.unknown.append(f"a temporary {name} hides the type of that name: give it another")


def _is_type(catalogue: Catalogue, schemas: tuple[str, ...], name: str) -> bool:
    """A relation brings a type of its name, and those of a session come before PostgreSQL's own: `x::text` would mean
    something else.  Rows of other relations have types too; a temporary table may have the name of one."""
    if catalogue.types is None:
        return False
    return any((each, name) in catalogue.types.by_name for each in ("pg_catalog", *schemas))


def is_temporary(relation: Node) -> bool:
    """Of what a statement makes: whether it says so."""
    return relation.get("relpersistence") == "t" or relation.get("schemaname", "").startswith(SCHEMA)
