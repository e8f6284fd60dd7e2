"""FROM -> the columns that stand there: tables, subqueries, functions, joins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hoopgw.policy.catalogue import Catalogue, Function, Relation
from hoopgw.policy.lineage import CHOSEN, COMPUTED, EQUAL, NOTHING, Sources, Traced, union
from hoopgw.policy.lineage_ctes import Ctes
from hoopgw.policy.lineage_scope import NOWHERE, Item, Scope, Space, joined, single
from hoopgw.policy.lineage_terms import Terms
from hoopgw.policy.sql_tree import Node, words
from hoopgw.policy.temporaries import EVERY, FIRST, meant

Query = Callable[[Node, Scope | None, Ctes], tuple[Traced, ...]]
Use = Callable[[str, Sources], None]


class Lost(Exception):
    """What a column depends on cannot be followed; the words say why."""


class FromClause:
    """Reads the FROM of each query of one statement."""

    def __init__(self, catalogue: Catalogue, schemas: tuple[str, ...], terms: Terms, query: Query, use: Use) -> None:
        self._catalogue = catalogue
        self._schemas = tuple(dict.fromkeys(("pg_catalog", *schemas)))
        self._terms = terms
        self._query = query
        self._use = use

    def read(self, clause: list[Node], outer: Scope | None, ctes: Ctes, before: Space = NOWHERE) -> Space:
        """The items of a FROM in order; what is LATERAL sees those before it, and `before`."""
        space = before
        for node in clause:
            space = space.beside(self._item(node, space, outer, ctes))
        return space

    def _item(self, node: Node, before: Space, outer: Scope | None, ctes: Ctes) -> Space:
        kind, body = next(iter(node.items()))
        if kind == "JoinExpr":
            return self._join(body, before, outer, ctes)
        if kind == "RangeVar":
            return single(self.table(body, ctes))
        if kind == "RangeSubselect":
            around = Scope(before, outer) if body.get("lateral") else outer
            return single(_named(Item("", self._query(body["subquery"], around, ctes)), body))
        scope = Scope(before, outer)
        if kind == "RangeFunction":
            return single(self._function(body, scope))
        if kind == "RangeTableSample":
            self._term(body.get("args"), scope)
            self._term(body.get("repeatable"), scope)
            return self._item(body["relation"], before, outer, ctes)
        if kind == "RangeTableFunc":
            names = [each.get("RangeTableFuncCol", {}).get("colname", "") for each in body.get("columns", [])]
            return single(self._made(body, names, True, scope, "xmltable"))
        if kind == "JsonTable":
            columns = [each.get("JsonTableColumn", {}) for each in body.get("columns", [])]
            flat = not any("columns" in each for each in columns)
            return single(self._made(body, [each.get("name", "") for each in columns], flat, scope, "json_table"))
        raise Lost(f"{kind} in FROM is not followed")

    # ---- tables

    def table(self, node: Node, ctes: Ctes) -> Item:
        schema, name = node.get("schemaname", ""), node.get("relname", "")
        if not schema:
            found = ctes.get(name)
            if found is not None:
                return _named(Item(name, found), node)
        relations = self.relations(schema, name)
        if len(relations) == 1:
            return _named(_whole(name, relations[0], self._columns(relations[0])), node)
        # it may be either: `*` is not known, and a name means the columns of both
        columns = tuple(replace(each, origin=(0, 0)) for relation in relations for each in self._columns(relation))
        return _named(Item(name, columns, False, False, union(each.sources for each in columns)), node)

    def relations(self, schema: str, name: str) -> list[Relation]:
        schemas = meant(schema, self._schemas) if schema else self._schemas
        found = (self._catalogue.relations.get((each, name)) for each in schemas)
        return [relation for relation in found if relation is not None]

    def _columns(self, relation: Relation) -> tuple[Traced, ...]:
        columns = _own(relation)
        if relation.kind != "v":
            return columns
        # none: it shows nothing that is masked, or may do anything
        followed = self._catalogue.followed.get(relation.oid)
        lazy = [each.lazy for each in followed] if followed is not None else [True] * len(columns)
        return tuple(replace(each, lazy=late) for each, late in zip(columns, lazy, strict=True))

    def generated(self, column: Traced) -> bool:
        """Whether it is a column of a table that the table computes itself."""
        relation = self._catalogue.by_oid.get(column.origin[0])
        columns = relation.columns if relation is not None else ()
        return any(each.generated and each.number == column.origin[1] for each in columns)

    # ---- functions

    def _function(self, body: Node, scope: Scope) -> Item:
        """How many rows come depends on what it is given, and so do all its columns."""
        sources = self._term([each.get("List", each) for each in body.get("functions", [])], scope)
        columns: list[Traced] = []
        for each in body.get("functions", []):
            items = each.get("List", {}).get("items", [])
            listed = body.get("coldeflist") or (items[1].get("List", {}).get("items") if len(items) > 1 else None)
            columns += self._results(items[0] if items else {}, listed, sources)
        if body.get("ordinality"):
            columns.append(Traced("ordinality", sources))
        known = not any(column.many for column in columns)
        named = known and all(column.name for column in columns)
        alias = (body.get("alias") or {}).get("aliasname") or _called(body)
        shown = tuple(column for column in columns if not column.many)
        return _named(Item(alias, shown, known, named, sources), body)

    def _results(self, call: Node, listed: list[Node] | None, sources: Sources) -> list[Traced]:
        if listed:
            return [Traced(each.get("ColumnDef", {}).get("colname", ""), sources) for each in listed]
        if "FuncCall" not in call:  # CURRENT_DATE and the like
            return [Traced("", sources)]
        *schema, name = words(call["FuncCall"].get("funcname"))
        # its name is the alias, the function's, or that of a parameter: it is not followed
        return [Traced("", sources, many=not self._scalar(schema[-1] if schema else "", name))]

    def _scalar(self, schema: str, name: str) -> bool:
        """Whether every function of that name gives one column.  Rows of tables are types that are not in a
        catalogue."""
        schemas = (schema,) if schema else self._schemas
        found = [each for one in schemas for each in self._catalogue.functions.get((one, name), ())]
        return bool(found) and all(self._one_column(each) for each in found)

    def _one_column(self, function: Function) -> bool:
        types = self._catalogue.types
        result = types.types.get(types.base(function.result)) if types is not None else None
        return result is not None and (result.kind in "berm" or (result.kind == "p" and result.name in _ONE_COLUMN))

    def _made(self, body: Node, names: list[str], known: bool, scope: Scope, alias: str) -> Item:
        sources = self._term({key: value for key, value in body.items() if key != "alias"}, scope)
        columns = tuple(Traced(name, sources) for name in names) if known else ()
        return _named(Item(alias, columns, known, known, sources), body)

    def _term(self, node: Any, scope: Scope) -> Sources:
        """What decides how many rows there are."""
        term = self._terms.read(node, scope)
        self._use(CHOSEN, term.sources)
        self._use(COMPUTED, term.computed)
        return term.sources

    # ---- joins

    def _join(self, body: Node, before: Space, outer: Scope | None, ctes: Ctes) -> Space:
        left = self._item(body["larg"], before, outer, ctes)
        right = self._item(body["rarg"], before.beside(left), outer, ctes)
        names = None if body.get("isNatural") else words(body.get("usingClause"))
        space = joined(left, right, names)
        if names != []:
            for name, column in space.merged.items():
                if names is None or name in names:
                    self._use(EQUAL if column.plain else CHOSEN, column.sources)
            for column in space.star if names is None else ():
                if column.many:  # NATURAL with what is not known may compare anything
                    self._use(CHOSEN, column.sources)
        for kind, term in self._terms.conditions(body.get("quals"), Scope(before.beside(space), outer)):
            self._use(kind, term.sources)
            self._use(COMPUTED, term.computed)
        if "alias" in body:
            known = not any(each.many for each in space.star)
            columns = tuple(each for each in space.star if not each.many)
            rest = NOTHING if known else union(each.sources for each in space.star)
            return single(_named(Item("", columns, known, known, rest), body))
        if "join_using_alias" in body:
            item = Item(body["join_using_alias"].get("aliasname", ""), tuple(space.merged.values()))
            return Space((*space.items, item), space.star, space.merged)
        return space


# Of the pseudo-types; what is anyelement can be a row
_ONE_COLUMN = frozenset(
    "anyarray anyenum anyrange anymultirange anycompatiblearray anycompatiblerange anycompatiblemultirange void".split()
)


def _called(body: Node) -> str:
    """The name of the first function, which stands for it where there is no alias."""
    for each in body.get("functions", []):
        for item in each.get("List", {}).get("items", []):
            if "FuncCall" in item:
                return words(item["FuncCall"].get("funcname"))[-1]
    return ""


def _whole(name: str, relation: Relation, columns: tuple[Traced, ...]) -> Item:
    there = bool(columns)  # else of PostgreSQL's own: its columns were not read
    if relation.oid >= FIRST and any(each.name == EVERY for each in columns):
        return Item(name, (), False, False, union(each.sources for each in columns))
    nameless = [each for each in columns if not each.name] if relation.oid >= FIRST else []
    return Item(name, columns, there, there and not nameless, union(each.sources for each in nameless))


def _own(relation: Relation) -> tuple[Traced, ...]:
    return tuple(
        Traced(
            column.name,
            frozenset(((relation.oid, column.number, ""),)),
            plain=True,
            origin=(relation.oid, column.number),
            type_oid=column.type_oid,
        )
        for column in relation.columns
    )


def _named(item: Item, body: Node) -> Item:
    alias = body.get("alias")
    if not alias:
        return item
    named = item.renamed(alias.get("aliasname", ""), words(alias.get("colnames")))
    if not item.known and "colnames" in alias:
        given = tuple(Traced(name, item.sources) for name in words(alias["colnames"]))
        return Item(named.alias, (*named.columns, *given), False, False, item.rest)
    return named
