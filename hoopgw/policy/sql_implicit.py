"""One statement's tree -> the functions that its operators and casts call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from hoopgw.policy.catalogue import Catalogue, Function, Relation
from hoopgw.policy.catalogue_types import TypeSystem
from hoopgw.policy.sql_calls import Called
from hoopgw.policy.sql_stored import stored_values
from hoopgw.policy.sql_tree import Node, words
from hoopgw.policy.sql_types import Types, Typing
from hoopgw.policy.temporaries import EVERY, FIRST

MAX_ROUNDS = 6  # of subqueries whose columns are named by columns of others; beyond, they may have any type

# What stands in FROM and gives columns that no table and no SELECT list names
_NAMELESS = frozenset(("RangeFunction", "RangeTableFunc", "JsonTable"))
_FROM = _NAMELESS | {"RangeSubselect", "JoinExpr"}
_WRITES = frozenset(("InsertStmt", "UpdateStmt", "MergeStmt"))
_ASSIGNS = frozenset(("UpdateStmt", "onConflictClause", "MergeWhenClause"))  # whose targetList names no outputs
_TYPED = frozenset(("RangeFunction", "RangeTableFuncCol", "JsonTableColumn"))  # columns that FROM gives a type
_READ = frozenset(("A_Expr", "SubLink", "CaseExpr", "SortBy", "TypeCast")) | _TYPED


class Implicit:
    """`relations` and `aliases` are what `policy/sql_relations.py` found; `plain` are ids of references that are plain
    outputs.

    After `read`: `functions` (OID -> how it is called) and `unknown`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        system: TypeSystem,
        schemas: tuple[str, ...] | None,
        doubt: str,
        relations: Mapping[int, Relation],
        aliases: Mapping[str, Collection[int]],
        plain: Collection[int],
        resolve: Callable[[str, str], list[Relation]],
    ) -> None:
        self._system = system
        self._relations, self._aliases, self._plain, self._resolve = relations, aliases, plain, resolve
        self._typing = Typing(catalogue, system, schemas, self._column)
        self._called = Called(system, self._typing, schemas, doubt)
        self._outputs: dict[str, list[Any]] = {}  # by name: what stands in SELECT lists
        self._types: dict[str, Types] | None = None  # of them
        self._renamed: set[str] = set()  # columns that an alias names: of any type
        self._shadows: set[str] = set()  # names of subqueries: an alias of a table may mean one of these elsewhere
        # what a temporary table was made of may have names that are not known
        made = (each for oid, each in relations.items() if oid >= FIRST)
        self._nameless = any(column.name in ("", EVERY) for each in made for column in each.columns)

    @property
    def functions(self) -> Mapping[int, str]:
        return self._called.functions

    @property
    def unknown(self) -> list[str]:
        return self._called.unknown

    def may_call(self, function: Function, call: Node) -> bool:
        """Of a FuncCall of the tree that was read: whether this one of its name may be meant."""
        return self._typing.may_call(function, call)

    def read(self, tree: Iterable[tuple[str, Node]]) -> None:
        found: list[tuple[str, Node]] = []
        for key, node in tree:
            self._collect(key, node)
            if key in _READ or key in _WRITES or key in ("ColumnRef", "FuncCall", "JoinExpr"):
                found.append((key, node))
        converts = any(cast.context == "i" for cast in self._system.own_casts)
        for key, node in found:
            self._called.read(key, node)
            if key == "JoinExpr":
                self._joined(node)
            elif key in _WRITES and self._system.own_casts:
                self._stored(node)
            elif converts and key in ("ColumnRef", "FuncCall", "TypeCast") and id(node) not in self._plain:
                self._called.converted(self._typing.of({key: node}))

    def _collect(self, key: str, node: Node) -> None:
        self._nameless |= key in _NAMELESS
        if key in _FROM and "alias" in node:
            self._shadows.add(node["alias"].get("aliasname", ""))
        if key == "CommonTableExpr":
            self._shadows.add(node.get("ctename", ""))
            self._renamed.update(words(node.get("aliascolnames")))
        if "colnames" in node:
            self._renamed.update(words(node["colnames"]))
        if "larg" in node:
            self._combined(node)
        for target in [] if key in _ASSIGNS else [*node.get("targetList", []), *node.get("returningList", [])]:
            value = target.get("ResTarget", {}).get("val", {})
            name = target.get("ResTarget", {}).get("name") or _column_name(value)
            if name:
                self._outputs.setdefault(name, []).append(value)

    def _combined(self, node: Node) -> None:
        """UNION: the names are the first part's, the types come of all parts."""
        while "larg" in node:
            node = node["larg"]
        for target in node.get("targetList", []):
            value = target.get("ResTarget", {}).get("val", {})
            fields = value.get("ColumnRef", {}).get("fields", [])
            self._nameless |= any("A_Star" in field for field in fields)
            self._renamed.add(target.get("ResTarget", {}).get("name") or _column_name(value))

    # ---- columns

    def _column(self, names: list[str]) -> Types:
        name, qualifier = names[-1], names[-2] if len(names) > 1 else ""
        oids = self._aliases.get(qualifier, ()) if qualifier not in self._shadows else ()
        if name in self._renamed or (self._nameless and not oids):
            return None
        among = [self._relations[oid] for oid in oids] or self._relations.values()
        found = {column.type_oid for relation in among for column in relation.columns if column.name == name}
        if name not in self._outputs:
            return frozenset(found) or None
        types = self._output_types().get(name)
        return types | found if types is not None else None

    def _output_types(self) -> dict[str, Types]:
        """A smallest set that agrees with itself: a column may be named by one of another subquery."""
        if self._types is not None:
            return self._types
        self._types = dict.fromkeys(self._outputs, frozenset())
        for _ in range(MAX_ROUNDS):
            self._typing.forget()
            types = {name: self._typing.columns(values) for name, values in self._outputs.items()}
            same, self._types = types == self._types, types
            if same:
                break
        else:
            self._types = dict.fromkeys(self._outputs)
        self._types = {name: types or None for name, types in self._types.items()}
        self._typing.forget()
        return self._types

    def _joined(self, node: Node) -> None:
        for name in words(node.get("usingClause")):
            self._called.equal(self._column([name]))
        if node.get("isNatural"):
            names = {column.name for relation in self._relations.values() for column in relation.columns}
            for name in names | set(self._outputs):
                self._called.equal(self._column([name]))

    # ---- what is stored

    def _stored(self, node: Node) -> None:
        target = node.get("relation") or {}
        written = self._resolve(target.get("schemaname", ""), target.get("relname", ""))
        types: dict[str, set[int]] = {}
        for column in (column for relation in written for column in relation.columns):
            types.setdefault(column.name, set()).add(column.type_oid)
        every = set().union(*types.values())
        for name, value in stored_values(node, list(types)):
            self._called.assigned(self._typing.of(value), types.get(name, every))


def _column_name(value: Node) -> str:
    """The name that PostgreSQL gives an output column without one (FigureColname), where a reference can mean it."""
    kind, node = next(iter(value.items())) if value else ("", {})
    if kind == "FuncCall":
        return (words(node.get("funcname")) or [""])[-1]
    if kind == "TypeCast":
        inner = _column_name(node.get("arg", {}))
        return inner if inner else (words(node.get("typeName", {}).get("names")) or [""])[-1]
    if kind == "CollateClause":
        return _column_name(node.get("arg", {}))
    return (words(node.get("fields")) or [""])[-1] if kind == "ColumnRef" else ""
