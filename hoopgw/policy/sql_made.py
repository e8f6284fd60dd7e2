"""Temporary tables that a statement makes -> what their names mean from then on; what is not read stays unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from hoopgw.policy.catalogue import Catalogue, Column
from hoopgw.policy.facts import Statement
from hoopgw.policy.lineage import Traced, union
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_relations import is_temporary
from hoopgw.policy.sql_tree import Node, words
from hoopgw.policy.temporaries import EVERY, FIRST, Temporary, meant
from hoopgw.policy.touched import expanded

MAX_COLUMNS: Final = 1600  # that PostgreSQL lets a table have
_SERIAL: Final = {
    "smallserial": 21, "serial2": 21, "serial": 23, "serial4": 23, "bigserial": 20, "serial8": 20,
}  # fmt: skip
_KEYS: Final = frozenset(("CONSTR_CHECK", "CONSTR_PRIMARY", "CONSTR_UNIQUE", "CONSTR_FOREIGN"))
# What ALTER TABLE may do besides adding and dropping columns: the names and the types stay what they are
_SAME: Final = frozenset(("AT_SetNotNull", "AT_DropNotNull", "AT_ColumnDefault", "AT_AddConstraint"))


class NotFollowed(Exception):
    """What a temporary table is cannot be told from the statement."""


def as_made(tree: Node) -> Node:
    """SELECT … INTO TEMP is CREATE TEMP TABLE AS by another name."""
    select = tree.get("SelectStmt", {})
    into = select.get("intoClause")
    if into is None or select.get("op", "SETOP_NONE") != "SETOP_NONE" or not is_temporary(into.get("rel", {})):
        return tree
    query = {"SelectStmt": {key: value for key, value in select.items() if key != "intoClause"}}
    return {"CreateTableAsStmt": {"query": query, "into": into, "objtype": "OBJECT_TABLE", "is_select_into": True}}


def with_made(
    statement: Statement, read: Statement, tree: Node, catalogue: Catalogue | None, context: NameContext
) -> Statement:
    """`read` is what it says itself, `statement` the same with all that it leads to."""
    kind, body = next(iter(tree.items()))
    reader = _READERS.get(kind)
    if catalogue is None or reader is None or not (read.temporary or context.temporaries):
        return statement
    behind = expanded(replace(read, temporary=False), catalogue, context)
    if behind.temporary or statement.unknown:
        return statement
    ddl = bool(catalogue.event_triggers) or expanded(replace(read, ddl=False), catalogue, context).ddl
    try:
        made = reader(Maker(statement, read, catalogue, context), body)
    except NotFollowed:
        return statement
    return statement if made is None else replace(statement, temporary=False, ddl=ddl, makes=made)


class Maker:
    def __init__(self, statement: Statement, read: Statement, catalogue: Catalogue, context: NameContext) -> None:
        self._statement = statement
        self._read = read
        self._catalogue = catalogue
        self._context = context

    # ---- each kind of statement; None: it is about something that lasts

    def created(self, body: Node) -> tuple[Temporary, ...] | None:
        if not is_temporary(body.get("relation", {})):
            return None
        if any(clause in body for clause in ("inhRelations", "ofTypename", "partbound")) or self._read.opaque:
            raise NotFollowed
        calls = set(self._read.calls)
        columns: list[Column] = []
        for each in body.get("tableElts", []):
            kind, element = next(iter(each.items()))
            if kind == "ColumnDef":
                columns.append(self._column(element, len(columns) + 1))
            elif kind == "TableLikeClause":
                columns += self._like(element, len(columns), calls)
            elif kind != "Constraint" or element.get("contype") not in _KEYS:
                raise NotFollowed
        return (Temporary(body["relation"]["relname"], "r", tuple(columns), (), frozenset(calls)),)

    def filled(self, body: Node) -> tuple[Temporary, ...] | None:
        into = body.get("into", {})
        if not is_temporary(into.get("rel", {})):
            return None
        lineage = self._statement.lineage
        if "SelectStmt" not in body.get("query", {}) or lineage is None or lineage.lost:
            raise NotFollowed
        if len(lineage.made) > MAX_COLUMNS:
            raise NotFollowed
        if any(each.many for each in lineage.made):  # a star of something whose columns are not known
            every = Traced(EVERY, union(each.sources for each in lineage.made))
            return (Temporary(into["rel"]["relname"], "r", (Column(1, EVERY, 0),), (every,)),)
        given = words(into.get("colNames"))
        traced = tuple(
            replace(each, name=given[index] if index < len(given) else each.name)
            for index, each in enumerate(lineage.made)
        )
        columns = tuple(Column(index, each.name, each.type_oid) for index, each in enumerate(traced, 1))
        return (Temporary(into["rel"]["relname"], "r", columns, traced),)

    def counting(self, body: Node) -> tuple[Temporary, ...] | None:
        sequence = body.get("sequence", {})
        if not is_temporary(sequence):
            return None
        columns = Column(1, "last_value", 20), Column(2, "log_cnt", 20), Column(3, "is_called", 16)
        return (Temporary(sequence["relname"], "S", columns),)

    def altered(self, body: Node) -> tuple[Temporary, ...] | None:
        """Columns that come and go; whether it is rolled back is not known, so that both count."""
        temporaries = self._temporaries()
        if not temporaries:
            return None
        if body.get("objtype") != "OBJECT_TABLE" or self._read.opaque:
            raise NotFollowed
        return tuple(self._with_columns(each, body) for each in temporaries)

    def dropped(self, body: Node) -> tuple[Temporary, ...] | None:
        if not self._temporaries() or body.get("removeType") not in ("OBJECT_TABLE", "OBJECT_SEQUENCE"):
            return None
        return ()

    def indexed(self, body: Node) -> tuple[Temporary, ...] | None:
        if not self._temporaries() or self._read.calls or self._read.opaque:
            return None
        return ()

    # ---- how

    def _temporaries(self) -> list[Temporary]:
        """Those that it writes, where it writes nothing else."""
        written = self._read.writes
        if not written or any(each.oid < FIRST for each in written):
            return []
        return [self._context.temporaries.of(each.oid) for each in sorted(written, key=lambda each: each.oid)]

    def _with_columns(self, made: Temporary, body: Node) -> Temporary:
        columns, traced = list(made.columns), dict(zip(made.columns, made.traced, strict=False))
        for each in body.get("cmds", []):
            command = each.get("AlterTableCmd", {})
            subtype, given = command.get("subtype"), command.get("def", {})
            if subtype == "AT_AddColumn":
                number = max((column.number for column in columns), default=0) + 1
                columns.append(self._column(given.get("ColumnDef", {}), number))
            elif subtype == "AT_DropColumn":
                columns = [column for column in columns if column.name != command.get("name")]
            elif subtype not in _SAME or given.get("Constraint", {}).get("contype", "CONSTR_CHECK") not in _KEYS:
                raise NotFollowed
        sources = tuple(traced.get(column, Traced(column.name)) for column in columns) if traced else ()
        calls = made.store_calls | self._read.calls
        return replace(made, columns=tuple(columns), traced=sources, store_calls=calls)

    def _column(self, body: Node, number: int) -> Column:
        constraints = [each.get("Constraint", {}).get("contype") for each in body.get("constraints", [])]
        generated = "CONSTR_GENERATED" in constraints
        return Column(number, body["colname"], self._type(body.get("typeName", {})), generated=generated)

    def _type(self, body: Node) -> int:
        """Its OID; 0 for an array's, or where types are not read."""
        names = words(body.get("names"))
        if body.get("pct_type") or not names:
            raise NotFollowed
        if len(names) == 1 and names[0] in _SERIAL:
            return _SERIAL[names[0]]
        if self._catalogue.types is None:
            return 0
        schemas = (names[-2],) if len(names) > 1 else ("pg_catalog", *self._context.schemas)
        found = {self._catalogue.types.by_name.get((each, names[-1]), 0) for each in schemas} - {0}
        if len(found) != 1:  # of the rows of a table; or it may be either
            raise NotFollowed
        return 0 if body.get("arrayBounds") else found.pop()

    def _like(self, body: Node, before: int, calls: set[int]) -> Iterator[Column]:
        relation = body.get("relation", {})
        schemas = (
            meant(relation["schemaname"], self._context.schemas)
            if "schemaname" in relation
            else ("pg_catalog", *self._context.schemas)
        )
        found = [self._catalogue.relations.get((each, relation.get("relname", ""))) for each in dict.fromkeys(schemas)]
        known = [each for each in found if each is not None]
        if len(known) != 1 or not known[0].columns:
            raise NotFollowed
        calls |= known[0].store_calls
        for index, column in enumerate(known[0].columns, before + 1):
            yield replace(column, number=index)


_READERS: Final[dict[str, Callable[[Maker, Any], tuple[Temporary, ...] | None]]] = {
    "CreateStmt": Maker.created,
    "CreateTableAsStmt": Maker.filled,
    "CreateSeqStmt": Maker.counting,
    "AlterTableStmt": Maker.altered,
    "DropStmt": Maker.dropped,
    "IndexStmt": Maker.indexed,
}
