"""What a statement touches that it does not name as a relation: all tables of a schema, or the one that it is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from hoopgw.policy.catalogue import Relation
from hoopgw.policy.facts import RelationName
from hoopgw.policy.sql_draft import Draft
from hoopgw.policy.sql_relations import below, object_name, relation_touched
from hoopgw.policy.sql_tree import Node, words

MAX_REACHED: Final = 2_000  # relations that one statement may reach; with more, what it touches is unknown
# Kinds of objects that are a relation, and those whose name stands behind their relation's
_RELATIONS: Final = frozenset(
    ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE", "OBJECT_SEQUENCE")
)
_OF_ONE: Final = frozenset(("OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_POLICY", "OBJECT_RULE", "OBJECT_TRIGGER"))
# Pins that would hold from the next login on
_AT_LOGIN: Final = frozenset(("role", "session_authorization", "session_replication_role"))


def object_touched(draft: Draft, kind: str, named: Any) -> None:
    """The relation that COMMENT, DROP and their like are about, by the list of names or the name that they give."""
    if kind == "OBJECT_SCHEMA":
        schema_touched(draft, str(named.get("String", {}).get("sval", "")))
    elif kind in _RELATIONS:
        relation_touched(draft, *object_name(draft, named))
    elif kind in _OF_ONE:
        relation_touched(draft, *object_name(draft, named.get("List", {}).get("items", [])[:-1]))
    elif kind == "OBJECT_INDEX" and not relation_touched(draft, *object_name(draft, named)):
        draft.unknown.append(f"{object_name(draft, named)[1]} is not in the gateway's catalogue")


def schema_touched(draft: Draft, schema: str) -> None:
    """Everything in it, and what is made there later."""
    draft.written_below.add(RelationName(schema, ""))
    found = draft.catalogue.relations.items() if draft.catalogue is not None else ()
    _reached(draft, [each for (where, _), each in found if where == schema], f"schema {schema}")


def all_touched(draft: Draft, what: str) -> None:
    """Every table of the database that is not PostgreSQL's own."""
    own = ("pg_catalog", "information_schema")
    found = draft.catalogue.relations.items() if draft.catalogue is not None else ()
    _reached(draft, [each for (where, _), each in found if where not in own], what)


def _reached(draft: Draft, found: list[Relation], what: str) -> None:
    doubt = draft.context.doubt_of_bodies()
    if draft.catalogue is None:
        draft.unknown.append(f"what {what} reaches is not known: the catalogue was not read")
    elif doubt or len(found) > MAX_REACHED:
        draft.unknown.append(f"what {what} reaches is not known: {doubt or 'it is more than is followed'}")
    else:
        for each in found:
            draft.written_below.add(RelationName(each.schema, each.name, each.oid))
            draft.written_below.update(below(draft.catalogue, each))


# ---- statements


def grant(draft: Draft, body: Node) -> None:
    objects: Iterable[Any] = body.get("objects", [])
    everything = body.get("targtype") == "ACL_TARGET_ALL_IN_SCHEMA"
    for each in objects:
        schema = str(each.get("String", {}).get("sval", ""))
        if everything and body.get("objtype") in ("OBJECT_TABLE", "OBJECT_SEQUENCE"):
            schema_touched(draft, schema)
        elif schema and body.get("objtype") == "OBJECT_SCHEMA":
            draft.written_below.add(RelationName(schema, ""))


def publication(draft: Draft, body: Node) -> None:
    """What is published leaves by replication, past every mask."""
    if body.get("for_all_tables"):
        all_touched(draft, "a publication of all tables")
    for each in body.get("pubobjects", []):
        published = each.get("PublicationObjSpec", {})
        if published.get("pubobjtype") == "PUBLICATIONOBJ_TABLES_IN_SCHEMA":
            schema_touched(draft, published.get("name", ""))
        elif published.get("pubobjtype") == "PUBLICATIONOBJ_TABLES_IN_CUR_SCHEMA":
            all_touched(draft, "a publication of the current schema")


def comment(draft: Draft, body: Node) -> None:
    """COMMENT, SECURITY LABEL, ALTER EXTENSION … ADD and DROP: of one object."""
    kind, named = body.get("objtype", ""), body.get("object", {})
    if kind == "OBJECT_SCHEMA":  # it says nothing of what is in there
        draft.written_below.add(RelationName(str(named.get("String", {}).get("sval", "")), ""))
    elif kind != "OBJECT_INDEX":
        object_touched(draft, kind, named)


def owner(draft: Draft, body: Node) -> None:
    object_touched(draft, body.get("objectType", ""), body.get("object", {}))


def owned(draft: Draft, body: Node) -> None:
    all_touched(draft, "what a role owns")


def move_all(draft: Draft, body: Node) -> None:
    all_touched(draft, "a tablespace")


def every_table(draft: Draft, body: Node) -> None:
    """CLUSTER without a name."""
    if "relation" not in body:
        all_touched(draft, "CLUSTER")


def reindex(draft: Draft, body: Node) -> None:
    if body.get("kind") == "REINDEX_OBJECT_SCHEMA":
        schema_touched(draft, body.get("name", ""))
    elif body.get("kind") in ("REINDEX_OBJECT_DATABASE", "REINDEX_OBJECT_SYSTEM"):
        all_touched(draft, "REINDEX")


def sequence(draft: Draft, body: Node) -> None:
    """OWNED BY makes it go with a column."""
    for each in body.get("options", []):
        option = each.get("DefElem", {})
        column = option.get("arg", {}).get("List", {}).get("items", [])
        if option.get("defname") == "owned_by" and len(words(column)) > 1:
            relation_touched(draft, *object_name(draft, column[:-1]))


def at_login(draft: Draft, body: Node) -> None:
    """ALTER ROLE and ALTER DATABASE … SET of what may not be set: every later session would have it."""
    setting = body.get("setstmt", {})
    name = setting.get("name", "").lower()
    if setting.get("kind") == "VAR_SET_VALUE" and name in _AT_LOGIN:
        draft.settings.append((name, None))


def updatable_view(draft: Draft, body: Node) -> None:
    """UPDATE of a view is one of what it shows, and of pg_settings a SET.  Nobody knows the view before the catalogue
    is read again; a temporary one never."""
    query = body.get("query", {}).get("SelectStmt", {})
    shown = [each.get("RangeVar", {}) for each in query.get("fromClause", [])]
    if len(shown) == 1 and "relname" in shown[0]:
        draft.settable.add(id(shown[0]))
