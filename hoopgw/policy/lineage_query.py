"""SELECT, VALUES and set operations -> what each output column depends on, and what decides which rows come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.lineage import CHOSEN, COMPUTED, EQUAL, NOTHING, Lineage, Sources, Traced, union
from hoopgw.policy.lineage_ctes import Columns, Ctes
from hoopgw.policy.lineage_from import FromClause, Lost
from hoopgw.policy.lineage_quiet import WAITS, constant
from hoopgw.policy.lineage_scope import NOWHERE, Scope, both
from hoopgw.policy.lineage_terms import Term, Terms
from hoopgw.policy.sql_tree import Node, words

MAX_QUERIES = 4096  # read for one statement: recursive queries in one another are read in rounds of rounds
MAX_ROUNDS = 16  # of a recursive query: each adds what its columns depend on, until nothing is new


class Queries:
    """Reads the queries of one statement.  What they use on the way is gathered; `lineage` gives all of it."""

    def __init__(self, catalogue: Catalogue, schemas: tuple[str, ...]) -> None:
        self._used: dict[str, set[Sources]] = {EQUAL: set(), CHOSEN: set(), COMPUTED: set()}
        self._stored: set[Sources] = set()
        self.filled: Columns = ()  # what CREATE TABLE AS and CREATE VIEW make
        self._deciding: list[set[Sources]] = []  # of each subquery in an expression that is being read
        self._functions = catalogue.functions
        self._schemas = schemas
        self.terms = Terms(self._subquery, self._windowed, self._keeps, lambda sources: self.store((sources,)))
        self._count = 0
        self.clause = FromClause(catalogue, schemas, self.terms, self.query, self.use)
        self._ctes: list[Ctes] = []  # of the queries that are being read, the innermost last

    def lineage(self, outputs: Columns) -> Lineage:
        used = {kind: union(found) for kind, found in self._used.items()}
        return Lineage(outputs, used[EQUAL], used[CHOSEN], used[COMPUTED], union(self._stored), made=self.filled)

    # ---- what is gathered

    def use(self, kind: str, sources: Sources) -> None:
        if sources:
            self._used[kind].add(sources)
            if self._deciding and kind != COMPUTED:
                self._deciding[-1].add(sources)

    def use_whole(self, column: Traced) -> None:
        """Its values are compared with others for equality."""
        self.use(EQUAL if column.plain else CHOSEN, column.sources)

    def store(self, sources: Iterable[Sources]) -> None:
        self._stored.update(sources)

    def term(self, node: Any, scope: Scope) -> Sources:
        """A value that is put somewhere; how it is computed counts."""
        return self.made("", node, scope).sources

    def made(self, name: str, node: Any, scope: Scope) -> Traced:
        """The same as an output column."""
        term = self.terms.read(node, scope)
        self.use(COMPUTED, term.computed)
        return Traced(name, term.sources, lazy=term.lazy)

    def decided(self, kind: str, term: Term) -> None:
        self.use(kind, term.sources)
        self.use(COMPUTED, term.computed)

    def condition(self, node: Any, scope: Scope) -> None:
        """WHERE, ON, HAVING, WHEN."""
        for kind, term in self.terms.conditions(node, scope):
            self.decided(kind, term)

    def _subquery(self, node: Node, scope: Scope, rows: bool) -> tuple[Sources, bool]:
        self._deciding.append(set())
        outputs = self.query(node, scope, self._ctes[-1] if self._ctes else Ctes())
        deciding = union(self._deciding.pop())
        plain = all(each.plain or not each.sources for each in outputs)
        return (deciding if rows else union(each.sources for each in outputs) | deciding), plain

    def _keeps(self, names: list[str], arguments: list[Any]) -> bool:
        """A volatile function may keep what it is given: in a setting, a sequence, a lock."""
        *schema, name = names
        if name in WAITS or all(constant(each) for each in arguments):
            return False
        schemas = schema[-1:] or ("pg_catalog", *self._schemas)
        return any(each.volatile == "v" for one in schemas for each in self._functions.get((one, name), ()))

    # ---- queries

    def query(self, node: Node, outer: Scope | None, ctes: Ctes) -> Columns:
        """Of a SelectStmt, or of an INSERT, UPDATE, DELETE or MERGE with RETURNING.  Raises Lost."""
        kind, body = next(iter(node.items()))
        if kind != "SelectStmt":
            return self.write(kind, body, ctes)
        return self.select(body, outer, ctes)

    def write(self, kind: str, body: Node, ctes: Ctes) -> Columns:
        raise Lost(f"{kind} in a query is not followed")

    def select(self, body: Node, outer: Scope | None, ctes: Ctes) -> Columns:
        self._count += 1
        if self._count > MAX_QUERIES:
            raise Lost(f"more than {MAX_QUERIES} queries would have to be followed")
        with self.within(body, outer, ctes) as inner:
            outputs = self._selected(body, outer, inner)
        if "intoClause" in body:
            self.store(each.sources for each in outputs)
        return outputs

    @contextmanager
    def within(self, body: Node, outer: Scope | None, ctes: Ctes) -> Iterator[Ctes]:
        """While a statement is read: the WITH queries that it sees.  All of them run, those that write above all."""
        inner = self.with_clause(body.get("withClause"), outer, ctes)
        self._ctes.append(inner)
        yield inner
        inner.settle()
        self._ctes.pop()

    def _selected(self, body: Node, outer: Scope | None, ctes: Ctes) -> Columns:
        if body.get("op", "SETOP_NONE") != "SETOP_NONE":
            return self._combined(body, outer, ctes)
        if "valuesLists" not in body:
            return self._plain_select(body, outer, ctes)
        outputs = self._values(body["valuesLists"], Scope(NOWHERE, outer))
        self._ordered(body, outputs, Scope(NOWHERE, outer))
        return outputs

    def _combined(self, body: Node, outer: Scope | None, ctes: Ctes) -> Columns:
        parts: list[Columns] = []
        distinct = False
        here = body
        while here.get("op", "SETOP_NONE") != "SETOP_NONE":
            distinct = distinct or here["op"] != "SETOP_UNION" or not here.get("all")
            parts.append(self.select(here["rarg"], outer, ctes))
            here = here["larg"]
            if here.get("withClause") or here.get("sortClause") or here.get("limitCount") or here.get("limitOffset"):
                break  # a part in parentheses, with clauses of its own
        parts.append(self.select(here, outer, ctes))
        outputs = _either(list(reversed(parts)))
        if distinct:
            self._compared(outputs)
        self._ordered(body, outputs, Scope(NOWHERE, outer))
        return outputs

    def _values(self, rows: list[Node], scope: Scope) -> Columns:
        found: list[Columns] = []
        for row in rows:
            items = row.get("List", {}).get("items", [])
            found.append(tuple(self.made(f"column{index}", item, scope) for index, item in enumerate(items, 1)))
        return _either(found)

    def _plain_select(self, body: Node, outer: Scope | None, ctes: Ctes) -> Columns:
        space = self.clause.read(body.get("fromClause", []), outer, ctes)
        scope = Scope(space, outer)
        self.condition(body.get("whereClause"), scope)
        windows = NOTHING
        for window in body.get("windowClause", []):
            windows |= self._windowed(window.get("WindowDef", {}), scope)
        scope = replace(scope, windows=windows)
        outputs = self.targets(body.get("targetList", []), scope)
        for each in body.get("groupClause", []):
            self._grouped(each, outputs, scope)
        self.condition(body.get("havingClause"), scope)
        for each in body.get("distinctClause", []):
            if each:
                self._sorted(each, outputs, scope)
            else:
                self._compared(outputs)
        self._ordered(body, outputs, scope)
        return outputs

    # ---- output columns

    def targets(self, targets: list[Node], scope: Scope) -> Columns:
        """Of a SELECT list or of RETURNING."""
        outputs: list[Traced] = []
        for target in targets:
            found = target.get("ResTarget", {})
            outputs += self._target(found.get("val", {}), found.get("name", ""), scope)
        return tuple(outputs)

    def _target(self, value: Node, name: str, scope: Scope) -> Iterable[Traced]:
        reference = value.get("ColumnRef")
        if reference is not None:
            names = words(reference.get("fields"))
            if any("A_Star" in field for field in reference.get("fields", [])):
                return scope.star(names)
            if names:
                column = scope.column(names)
                return (replace(column, name=name or names[-1]),)
        indirection = value.get("A_Indirection", {}).get("indirection", [])
        if indirection and "A_Star" in indirection[-1]:
            return self._expanded(value["A_Indirection"], scope)
        return (self.made(name or _figured(value), value, scope),)

    def _expanded(self, body: Node, scope: Scope) -> Iterable[Traced]:
        """(row).*"""
        reference = body.get("arg", {}).get("ColumnRef")
        item = scope.row(words(reference.get("fields"))) if reference is not None else None
        if item is not None and len(body["indirection"]) == 1:
            return item.star()
        return (replace(self.made("", body.get("arg"), scope), many=True),)

    # ---- which rows, and in which order

    def _windowed(self, window: Node, scope: Scope) -> Sources:
        """Rows come in a window's order, though nobody promises it."""
        parts = {key: value for key, value in window.items() if key in ("partitionClause", "orderClause")}
        parts |= {key: value for key, value in window.items() if key in ("startOffset", "endOffset")}
        term = self.terms.read(parts, scope)
        self.decided(CHOSEN, term)
        return term.sources

    def _grouped(self, node: Node, outputs: Columns, scope: Scope) -> None:
        for each in _grouping(node):
            names = words(each.get("ColumnRef", {}).get("fields"))
            output = len(names) == 1 and not scope.has(names[0])
            whole = output or "A_Const" in each or self.terms.whole(each, scope)
            self._named_or(EQUAL if whole else CHOSEN, each, outputs, scope)

    def _ordered(self, body: Node, outputs: Columns, scope: Scope) -> None:
        for each in body.get("sortClause", []):
            self._sorted(each.get("SortBy", {}).get("node"), outputs, scope)
        for clause in ("limitCount", "limitOffset"):
            if clause in body:
                self.decided(CHOSEN, self.terms.read(body[clause], scope))

    def _sorted(self, node: Any, outputs: Columns, scope: Scope) -> None:
        self._named_or(CHOSEN, node, outputs, scope)

    def _named_or(self, kind: str, node: Any, outputs: Columns, scope: Scope) -> None:
        """By an output's number or name, or by an expression.  Verdicts are shared by texts that differ in literals:
        a number means any of the outputs."""
        if not isinstance(node, dict):
            return
        if "A_Const" in node:
            every = union(each.sources for each in outputs)
            self.use(kind if all(each.plain or not each.sources for each in outputs) else CHOSEN, every)
            return
        names = words(node.get("ColumnRef", {}).get("fields"))
        if len(names) == 1:
            for output in outputs:
                if output.many or output.name == names[0]:
                    self.use(kind if output.plain else CHOSEN, output.sources)
            if any(output.name == names[0] for output in outputs) and not scope.has(names[0]):
                return
        self.decided(kind, self.terms.read(node, scope))

    def _compared(self, outputs: Columns) -> None:
        """DISTINCT, UNION and the like: how many rows come tells which are equal."""
        for output in outputs:
            self.use_whole(output)

    # ---- WITH

    def with_clause(self, clause: Node | None, outer: Scope | None, ctes: Ctes) -> Ctes:
        inner = Ctes(ctes)
        for each in (clause or {}).get("ctes", []):
            node = each.get("CommonTableExpr", {})
            if clause is not None and clause.get("recursive"):
                inner.wait(node.get("ctename", ""), node, lambda node, seen: self._recursive(node, outer, seen))
            else:
                inner.add(node.get("ctename", ""), self._cte(node, outer, inner))
        return inner

    def _cte(self, node: Node, outer: Scope | None, ctes: Ctes) -> Columns:
        found = _as_named(node, self.query(node["ctequery"], outer, ctes))
        wanted = words(node.get("cycle_clause", {}).get("cycle_col_list"))
        for column in found:
            if wanted and (column.many or column.name in wanted):  # a row like an earlier one has none behind it
                self.use_whole(column)
        return found

    def _recursive(self, node: Node, outer: Scope | None, ctes: Ctes) -> Columns:
        """Round by round, until its columns depend on nothing new."""
        body = node.get("ctequery", {}).get("SelectStmt", {})
        if body.get("op") != "SETOP_UNION":
            return self._cte(node, outer, ctes)
        inside = self.with_clause(body.get("withClause"), outer, ctes)
        found = _as_named(node, self.select(body["larg"], outer, inside))
        for _ in range(MAX_ROUNDS):
            ctes.add(node["ctename"], found)
            again = self._cte(node, outer, ctes)
            if again == found:
                return found
            found = again
        raise Lost(f"what the columns of {node['ctename']} depend on has no end within {MAX_ROUNDS} rounds")


def _as_named(node: Node, columns: Columns) -> Columns:
    """WITH name (names), and the columns that SEARCH and CYCLE add (documentation, 7.8.2)."""
    names = words(node.get("aliascolnames"))
    found = [
        replace(column, name=names[index] if index < len(names) else column.name, origin=(0, 0))
        for index, column in enumerate(columns)
    ]
    every = union(column.sources for column in columns)
    search, cycle = node.get("search_clause", {}), node.get("cycle_clause", {})
    added = [search.get("search_seq_column"), cycle.get("cycle_mark_column"), cycle.get("cycle_path_column")]
    return (*found, *(Traced(name, every) for name in added if name))


def _either(parts: list[Columns]) -> Columns:
    """Rows of one part or of another; the names are the first one's."""
    found = parts[0] if parts else ()
    for part in parts[1:]:
        if len(part) != len(found) or any(each.many for each in (*part, *found)):
            every = (*part, *found)
            lazy = any(each.lazy for each in every)
            return (Traced("", union(each.sources for each in every), many=True, lazy=lazy),)
        found = tuple(both(one, other) for one, other in zip(found, part, strict=True))
    return tuple(replace(each, origin=(0, 0)) for each in found) if len(parts) > 1 else found


def _grouping(node: Any) -> Iterable[Any]:
    """What is grouped by, out of GROUPING SETS, ROLLUP and CUBE."""
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, dict) and "GroupingSet" in here:
            stack.extend(here["GroupingSet"].get("content", []))
        elif isinstance(here, dict) and "RowExpr" in here:
            stack.extend(here["RowExpr"].get("args", []))
        else:
            yield here


def _figured(value: Node) -> str:
    """The name that PostgreSQL gives (FigureColname), where it is easy to tell."""
    while "TypeCast" in value and "ColumnRef" in value["TypeCast"].get("arg", {}):
        value = value["TypeCast"]["arg"]
    if "FuncCall" in value:
        return words(value["FuncCall"].get("funcname"))[-1]
    return (words(value.get("ColumnRef", {}).get("fields")) or [""])[-1]
