"""One statement's tree and a catalogue -> its lineage.  Pure; what cannot be followed is said to be lost."""

from __future__ import annotations

from collections.abc import Callable

from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.lineage import CHOSEN, EQUAL, Lineage, Traced, union
from hoopgw.policy.lineage_ctes import Columns, Ctes
from hoopgw.policy.lineage_from import Lost
from hoopgw.policy.lineage_query import Queries
from hoopgw.policy.lineage_scope import Item, Scope, Space, single
from hoopgw.policy.sql_tree import Node

# EXPLAIN shows one column, of plans: constants of the statement and estimates, never a row
_PLAN = (Traced("QUERY PLAN"),)


def trace(tree: Node, catalogue: Catalogue, schemas: tuple[str, ...]) -> Lineage | None:
    """None: a kind of statement that has no lineage.  `schemas`: all that an unqualified name may be in."""
    kind, body = next(iter(tree.items()))
    reader = _READERS.get(kind)
    if reader is None:
        return None
    statement = Statements(catalogue, schemas)
    try:
        return statement.lineage(reader(statement, body))
    except Lost as error:
        return Lineage(lost=str(error))
    except RecursionError:
        return Lineage(lost="it is nested too deeply")


class Statements(Queries):
    """The statements around queries, and those that write."""

    def whole(self, kind: str, body: Node) -> Columns:
        return self.query({kind: body}, None, Ctes())

    # ---- what holds another statement

    def explained(self, body: Node) -> Columns:
        kind, inner = next(iter(body.get("query", {}).items()), ("", {}))
        if kind in _READERS:
            _READERS[kind](self, inner)
        return _PLAN

    def held(self, body: Node) -> Columns:
        """DECLARE, CREATE TABLE AS, CREATE VIEW."""
        kind, inner = next(iter(body.get("query", {}).items()), ("", {}))
        if kind == "ExecuteStmt":
            raise Lost("what is prepared elsewhere is not followed")
        return self.query({kind: inner}, None, Ctes())

    def kept(self, body: Node) -> Columns:
        """They may be stored elsewhere than others are: in a temporary table, whose columns are masked like them."""
        self.filled = self.held(body)
        return ()

    def copied(self, body: Node) -> Columns:
        if body.get("is_from"):
            return ()
        outputs = self.held(body) if "query" in body else self._fields(body)
        if body.get("filename") or body.get("is_program"):
            self.store(each.sources for each in outputs)
        return outputs

    def _fields(self, body: Node) -> Columns:
        """COPY table (columns) TO."""
        item = self.clause.table(body.get("relation", {}), Ctes())
        if "attlist" not in body:
            return tuple(each for each in item.star() if not self.clause.generated(each))
        scope = Scope(single(item))
        return tuple(scope.column([each["String"]["sval"]]) for each in body["attlist"])

    # ---- what writes

    def write(self, kind: str, body: Node, ctes: Ctes) -> Columns:
        writer = _WRITERS.get(kind)
        if writer is None:
            raise Lost(f"{kind} in a query is not followed")
        with self.within(body, None, ctes) as inner:
            return writer(self, body, inner)

    def _into(self, body: Node) -> Item:
        return self.clause.table(body.get("relation", {}), _NO_CTES)

    def inserted(self, body: Node, ctes: Ctes) -> Columns:
        target = self._into(body)
        given: Columns = ()
        if "selectStmt" in body:
            given = self.query(body["selectStmt"], None, ctes)
            self.store(each.sources for each in given)
        if "onConflictClause" in body:
            self._conflict(body["onConflictClause"], target, given)
        return self.targets(body.get("returningList", []), Scope(single(target)))

    def _conflict(self, clause: Node, target: Item, given: Columns) -> None:
        """Whether a value is there already can be read from what happens."""
        stored = union(each.sources for each in given)
        excluded = Item("excluded", tuple(Traced(column.name, stored) for column in target.columns), rest=stored)
        own = Scope(single(target))
        for each in clause.get("infer", {}).get("indexElems", []):
            element = each.get("IndexElem", {})
            if "name" in element:
                self.use(EQUAL, own.column([element["name"]]).sources)
            else:
                self.use(CHOSEN, self.term(element.get("expr"), own))
        if clause.get("infer", {}).get("conname"):
            self.use(EQUAL, target.sources)
        scope = Scope(Space((target, excluded), target.star()))
        self._assigned(clause, scope)
        self.condition(clause.get("whereClause"), scope)

    def _assigned(self, body: Node, scope: Scope) -> None:
        for each in body.get("targetList", []):
            self.store((self.term(each.get("ResTarget", {}).get("val"), scope),))

    def updated(self, body: Node, ctes: Ctes) -> Columns:
        space = self.clause.read(body.get("fromClause", []), None, ctes, single(self._into(body)))
        self._assigned(body, Scope(space))
        self.condition(body.get("whereClause"), Scope(space))
        return self.targets(body.get("returningList", []), Scope(space))

    def deleted(self, body: Node, ctes: Ctes) -> Columns:
        space = self.clause.read(body.get("usingClause", []), None, ctes, single(self._into(body)))
        self.condition(body.get("whereClause"), Scope(space))
        return self.targets(body.get("returningList", []), Scope(space))

    def merged(self, body: Node, ctes: Ctes) -> Columns:
        """RETURNING * gives the source's columns first (documentation, MERGE)."""
        source = self.clause.read([body.get("sourceRelation", {})], None, ctes)
        scope = Scope(source.beside(single(self._into(body))))
        self.condition(body.get("joinCondition"), scope)
        for each in body.get("mergeWhenClauses", []):
            clause = each.get("MergeWhenClause", {})
            self.condition(clause.get("condition"), scope)
            self._assigned({"targetList": [one for one in clause.get("targetList", []) if _valued(one)]}, scope)
            self.store(self.term(value, scope) for value in clause.get("values", []))
        return self.targets(body.get("returningList", []), scope)


def _valued(target: Node) -> bool:
    return "val" in target.get("ResTarget", {})


_NO_CTES = Ctes()  # no WITH query can be written to: this one stays empty

_WRITERS: dict[str, Callable[[Statements, Node, Ctes], Columns]] = {
    "InsertStmt": Statements.inserted,
    "UpdateStmt": Statements.updated,
    "DeleteStmt": Statements.deleted,
    "MergeStmt": Statements.merged,
}

_READERS: dict[str, Callable[[Statements, Node], Columns]] = {
    "SelectStmt": lambda statement, body: statement.whole("SelectStmt", body),
    "InsertStmt": lambda statement, body: statement.whole("InsertStmt", body),
    "UpdateStmt": lambda statement, body: statement.whole("UpdateStmt", body),
    "DeleteStmt": lambda statement, body: statement.whole("DeleteStmt", body),
    "MergeStmt": lambda statement, body: statement.whole("MergeStmt", body),
    "ExplainStmt": Statements.explained,
    "DeclareCursorStmt": Statements.held,
    "CreateTableAsStmt": Statements.kept,
    "ViewStmt": Statements.kept,
    "CopyStmt": Statements.copied,
}
