"""SQL text -> facts, by PostgreSQL's own grammar.  Pure; a text that cannot be read raises `Unreadable`.

What cannot be known is said (`Statement.unknown`) and never guessed.  Column references are counted by name over every
relation of the statement: that finds too much rather than too little.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pgparse

from hoopgw.policy.catalogue import Catalogue, Relation
from hoopgw.policy.facts import SOME_FUNCTION, Copy, Facts, FunctionName, Output, RelationName, Statement, Where
from hoopgw.policy.lineage_trace import trace
from hoopgw.policy.sql_calls import RUNS_TEXT, unread
from hoopgw.policy.sql_copy import copy_shape
from hoopgw.policy.sql_implicit import Implicit
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_nodes import DDL, EFFECTS_OF, QUIET
from hoopgw.policy.sql_objects import objects, stored_code
from hoopgw.policy.sql_settings import setting_by_name
from hoopgw.policy.sql_tree import Node, Unreadable, nodes

MAX_IN_PROCESS = 16 * 1024  # bytes: deeper texts could exhaust the parser's stack; they are parsed in a child

__all__ = ("MAX_IN_PROCESS", "Unreadable", "analyse")


def analyse(text: bytes, catalogue: Catalogue | None, context: NameContext, follow: bool = True) -> Facts:
    """The facts of every statement in `text`; with `follow` also their lineage.  Raises Unreadable."""
    if b"\0" in text:
        raise Unreadable("a NUL in the text")
    try:
        trees = pgparse.parse(text.decode("utf-8", "strict"))
    except UnicodeDecodeError as error:
        raise Unreadable("the text is not UTF-8") from error
    except RecursionError as error:
        raise Unreadable("the text is nested too deeply") from error
    except pgparse.PGQueryError as error:
        raise Unreadable(str(error.args[0]) if error.args else "syntax error") from error
    statements = []
    for place, tree in enumerate(trees):
        statement = _Statement(catalogue, context).read(tree["stmt"])
        statement = _with_lineage(statement, tree["stmt"], catalogue if follow else None, context, place)
        context = context.after(statement)
        statements.append(statement)
    redacted = b""
    if any(statement.secret for statement in statements):
        redacted = "; ".join(_without_secret(statement) for statement in statements).encode()
    return Facts(tuple(statements), redacted)


def _with_lineage(
    statement: Statement, tree: Node, catalogue: Catalogue | None, context: NameContext, place: int
) -> Statement:
    """Also of what PREPARE and DECLARE hold."""
    if catalogue is None or not (statement.reads or statement.writes or statement.body or statement.uses):
        return replace(statement, place=place) if place else statement
    body = tuple(
        replace(inner, lineage=trace(next(iter(tree.values()))["query"], catalogue, context.schemas))
        for inner in statement.body
    )
    return replace(statement, lineage=trace(tree, catalogue, context.schemas), place=place, body=body)


def _without_secret(statement: Statement) -> str:
    """Nothing of the text: only what it does.  Where a secret stands in a text is not guessed."""
    return ", ".join(sorted(statement.effects)).upper() + " (text redacted)"


class _Statement:
    """Reads one statement's tree.  The walk is iterative: no depth of nesting exhausts anything."""

    def __init__(self, catalogue: Catalogue | None, context: NameContext) -> None:
        self._catalogue = catalogue
        self._context = context
        self._effects: set[str] = set()
        self._reads: dict[str, RelationName] = {}
        self._writes: dict[str, RelationName] = {}
        self._read_below: set[RelationName] = set()
        self._written_below: set[RelationName] = set()
        self._functions: set[FunctionName] = set()
        self._overloads: list[tuple[str, str, Node]] = []  # calls of a name that PostgreSQL has too
        self._unknown: list[str] = []
        self._opaque = self._inside = ""
        self._where = Where.NONE
        self._ctes: set[str] = set()
        self._relations: dict[int, Relation] = {}  # by OID: every relation that is touched
        self._aliases: dict[str, set[int]] = {}
        self._references: list[tuple[list[str], bool]] = []  # column references that are no plain output
        self._stars: list[list[str]] = []  # x.* and * that are no plain output
        self._dotted: list[list[str]] = []  # every column reference, as written
        self._plain: set[int] = set()  # ids of nodes that are plain outputs
        self._read: set[tuple[int, int]] = set()
        self._lost: set[tuple[int, int]] = set()
        self._outputs: tuple[Output, ...] = ()
        self._settings: list[tuple[str, str | None]] = []
        self._by_name = ""  # the setting that set_config(name, …) sets
        self._written: set[int] = set()  # ids of RangeVar nodes that are written
        self._copy: Copy | None = None
        self._secret = self._temporary = False
        self._defines = self._uses = ""
        self._body: tuple[Statement, ...] = ()
        self._renamed: set[int] = set()  # OIDs of relations whose columns an alias gives other names
        self._any_column = False  # the same of a join, or NATURAL: any column may be meant, or compared
        self._join_aliases: set[str] = set()  # (a JOIN b) AS j: j means the rows of both, or of more

    def read(self, tree: Node) -> Statement:
        kind, body = next(iter(tree.items()))
        self._collect_ctes(tree)
        if kind == "SelectStmt":
            self._by_name = setting_by_name(body, self._context)
        self._special(kind, body)
        if kind in ("PrepareStmt", "DeclareCursorStmt"):
            inner = _Statement(self._catalogue, self._context).read(body["query"])
            self._body = (inner,)
            self._effects |= EFFECTS_OF[kind]
            self._defines = body.get("name") or body.get("portalname", "")
            if kind == "DeclareCursorStmt":
                return self._declared(inner)
        else:
            self._walk(tree)
            self._columns(kind, body)
            self._implicit(tree)
        return self._finished()

    def _declared(self, inner: Statement) -> Statement:
        """A cursor's query is planned at once and runs with FETCH: all of it counts here as well."""
        return replace(inner, effects=inner.effects | self._effects, defines=self._defines, body=(inner,), outputs=())

    def _finished(self) -> Statement:
        effects = frozenset(self._effects)
        return Statement(
            effects=effects,
            reads=frozenset(self._reads.values()),
            writes=frozenset(self._writes.values()),
            read_below=frozenset(self._read_below),
            written_below=frozenset(self._written_below),
            functions=frozenset(self._functions),
            where=self._where,
            unknown=tuple(dict.fromkeys(self._unknown)),
            outputs=self._outputs,
            read=frozenset(self._read | self._lost),
            lost=frozenset(self._lost),
            copy=self._copy,
            opaque=self._opaque,
            inside=self._inside,
            secret=self._secret,
            settings=tuple(self._settings),
            defines=self._defines,
            uses=self._uses,
            body=self._body,
            temporary=self._temporary,
            ddl=bool(effects & DDL),
            writes_nothing=effects <= QUIET,
        )

    # ---- the walk

    def _collect_ctes(self, tree: Node) -> None:
        for key, node in nodes(tree):
            if key == "CommonTableExpr":
                self._ctes.add(node["ctename"])

    def _walk(self, tree: Node) -> None:
        for key, node in nodes(tree):
            if key.endswith("Stmt") and key not in ("selectStmt", "RawStmt"):
                self._statement_node(key, node)
            if "relname" in node and isinstance(node["relname"], str):
                self._range_var(node)
            if key == "FuncCall":
                self._function(node)
            elif key == "ColumnRef":
                self._dotted.append([field["String"]["sval"] for field in node.get("fields", []) if "String" in field])
                if id(node) not in self._plain:
                    self._reference(node)
            elif key == "JoinExpr":
                self._join(node)
            elif key in ("infer", "inferClause", "InferClause"):
                self._inferred(node)
            elif key == "A_Indirection":
                self._called_as_a_field(node)
            elif key == "intoClause":  # also of the first part of a UNION
                self._effects |= {"create", "table"}
                self._created(node.get("rel", {}))

    def _statement_node(self, key: str, node: Node) -> None:
        effects = EFFECTS_OF.get(key)
        if effects is None:
            self._unknown.append(f"{key} is not a statement that is known here")
            return
        about = objects(key, node)
        if about is None:
            raise Unreadable(f"{key} of an object that is not known here")
        self._effects |= effects | about
        self._opaque = self._opaque or stored_code(key, node)
        if key in ("GrantStmt", "GrantRoleStmt") and not node.get("is_grant"):
            self._effects |= {"revoke"}
        if key in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
            self._written.add(id(node.get("relation")))
        if key in ("UpdateStmt", "DeleteStmt"):
            self._where = _worse(self._where, where(node.get("whereClause")))
        if key == "MergeStmt":
            self._merged(node)
        if key == "InsertStmt" and (node.get("onConflictClause") or {}).get("action") == "ONCONFLICT_UPDATE":
            self._effects.add("update")

    def _merged(self, node: Node) -> None:
        """MERGE inserts, updates and deletes as its WHEN clauses say; the rows are decided by ON and by each clause."""
        joined = where(node.get("joinCondition"))
        for each in node.get("mergeWhenClauses", []):
            clause = each.get("MergeWhenClause", {})
            effect = _MERGED.get(clause.get("commandType", ""), "")
            if effect:
                self._effects.add(effect)
            if effect in ("update", "delete"):
                condition = clause.get("condition")
                decided = joined is Where.PRESENT or where(condition) is Where.PRESENT
                self._where = _worse(self._where, Where.PRESENT if decided else Where.CONSTANT)

    def _created(self, relation: Node) -> None:
        self._written.add(id(relation))
        self._new.add(id(relation))
        if relation.get("relpersistence") == "t":
            self._temporary = True

    _new: set[int]

    # ---- relations

    def _range_var(self, node: Node) -> None:
        schema: str = node.get("schemaname", "")
        name: str = node["relname"]
        alias: str = (node.get("alias") or {}).get("aliasname", name)
        if node.get("relpersistence") == "t":
            self._temporary = True
        written = id(node) in self._written
        found = self._resolve(schema, name)
        if not found:
            if not schema and name in self._ctes and not written:
                self._aliases.setdefault(alias, set())
                return
            shown = RelationName(schema or "?", name)
            (self._writes if written else self._reads)[str(shown)] = shown
            if id(node) not in self._new:
                self._unknown.append(f"{schema + '.' if schema else ''}{name} is not in the gateway's catalogue")
            return
        for relation in found:
            shown = RelationName(relation.schema, relation.name, relation.oid)
            (self._writes if written else self._reads)[str(shown)] = shown
            below = list(self._below(relation))
            (self._written_below if written else self._read_below).update(below)
            self._inside_views([relation.oid, *(each.oid for each in below)])
            self._relations[relation.oid] = relation
            self._aliases.setdefault(alias, set()).add(relation.oid)
        if (node.get("alias") or {}).get("colnames"):  # FROM t AS a(x, y): x and y are columns of t by other names
            self._renamed |= {relation.oid for relation in found}
        if not schema:
            doubt = self._context.doubt()
            if doubt:
                self._unknown.append(f"what {name} means is not known: {doubt}")

    def _inside_views(self, oids: list[int]) -> None:
        """What views call by themselves.  A view is its owner's choice, so this is no unread code of the statement; but
        it may read what a rule or a mask is about."""
        assert self._catalogue is not None
        for relation in (self._catalogue.by_oid[oid] for oid in oids):
            for oid in relation.calls:
                function = self._catalogue.function_by_oid.get(oid)
                name = FunctionName(function.schema, function.name) if function is not None else SOME_FUNCTION
                self._functions.add(name)
                if function is None or unread(function):
                    self._inside = self._inside or f"function {name} in the view {relation.schema}.{relation.name}"

    def _below(self, relation: Relation) -> Iterator[RelationName]:
        """What a view of that name shows, and whose rows a table has by inheritance or as a partition."""
        assert self._catalogue is not None
        by_oid = self._catalogue.by_oid
        found = {relation.oid}
        below = [relation]
        while below:
            each = below.pop()
            children = (
                [other.oid for other in by_oid.values() if each.oid in other.parents] if each.kind in "rpf" else []
            )
            for oid in (*children, *sorted(each.depends | each.parents)):
                if oid in by_oid and oid not in found:
                    found.add(oid)
                    below.append(by_oid[oid])
                    yield RelationName(by_oid[oid].schema, by_oid[oid].name, oid)

    def _resolve(self, schema: str, name: str) -> list[Relation]:
        if self._catalogue is None:
            return []
        schemas = (schema,) if schema else ("pg_catalog", *self._context.schemas)
        found = [self._catalogue.relations.get((each, name)) for each in dict.fromkeys(schemas)]
        return [relation for relation in found if relation is not None]

    def _object(self, node: Any) -> tuple[str, str]:
        """(schema, name) of a list of String nodes."""
        items = node.get("List", {}).get("items", []) if isinstance(node, dict) else node
        parts = [item["String"]["sval"] for item in items if isinstance(item, dict) and "String" in item]
        return (parts[-2] if len(parts) > 1 else "", parts[-1]) if parts else ("", "")

    def _touch(self, schema: str, name: str) -> None:
        found = self._resolve(schema, name)
        for relation in found:
            shown = RelationName(relation.schema, relation.name, relation.oid)
            self._writes[str(shown)] = shown
            self._written_below.update(self._below(relation))
        if not found:
            shown = RelationName(schema or "?", name)
            self._writes[str(shown)] = shown

    # ---- functions and operators

    def _function(self, node: Node) -> None:
        parts = [part["String"]["sval"] for part in node.get("funcname", []) if "String" in part]
        schema, name = (parts[-2] if len(parts) > 1 else ""), parts[-1]
        if name == "set_config":
            self._set_config(node)
        if name.startswith("lo_") and schema in ("", "pg_catalog"):
            self._effects.add("large-object")
        if self._catalogue is None:
            self._functions.add(FunctionName(schema or "pg_catalog", name))
            self._unknown.append(f"what function {name} is, is not known: there is no catalogue")
            self._opaque = self._opaque or f"function {name}"
            return
        found = self._schemas_with(schema, name)
        # An extension may have its own max() or replace(), for its own types: which is meant is seen once all is read
        several = not schema and "pg_catalog" in found and "args" in node and self._catalogue.types is not None
        for each in found:
            if several and each != "pg_catalog":
                self._overloads.append((each, name, node))
            else:
                self._called_by_name(each, name)
        if not found:
            self._functions.add(FunctionName(schema or "?", name))
            if schema or not self._is_grammar_function(name):
                self._unknown.append(f"function {name} is not in the gateway's catalogue")
                self._opaque = self._opaque or f"function {name}"
        if not schema and not several and self._context.doubt() and any(each != "pg_catalog" for each in found):
            self._unknown.append(f"what function {name} means is not known: {self._context.doubt()}")

    def _called_by_name(self, schema: str, name: str) -> None:
        self._functions.add(FunctionName(schema, name))
        if schema not in ("pg_catalog", "information_schema") or name in RUNS_TEXT:
            self._opaque = self._opaque or f"function {schema}.{name}"

    def _schemas_with(self, schema: str, name: str) -> list[str]:
        """Schemas in which the function may be meant.  A path that nobody knows may put any before pg_catalog."""
        assert self._catalogue is not None
        functions = self._catalogue.functions
        if self._context.path_unknown and not schema:
            return sorted(each for each, known in functions if known == name)
        schemas = (schema,) if schema else tuple(dict.fromkeys(("pg_catalog", *self._context.schemas)))
        return [each for each in schemas if (each, name) in functions]

    def _called_as_a_field(self, node: Node) -> None:
        """(x).f is f(x) where x has no field f (documentation, 8.16.5): any function of one argument can hide there."""
        for part in node.get("indirection", []):
            if "String" in part:
                self._field_or_function(part["String"]["sval"])

    def _field_or_function(self, name: str) -> None:
        if self._catalogue is None:
            self._functions.add(FunctionName("pg_catalog", name))
            self._unknown.append(f"whether .{name} is a field or a function is not known: there is no catalogue")
        elif any(known == name for _, known in self._catalogue.functions):
            self._function({"funcname": [{"String": {"sval": name}}], "args": []})

    def _is_grammar_function(self, name: str) -> bool:
        return name in ("coalesce", "greatest", "least", "nullif", "grouping", "xmlconcat")

    def _implicit(self, tree: Node) -> None:
        """What operators and casts call."""
        catalogue = self._catalogue
        if catalogue is None or catalogue.types is None:
            if catalogue is None and any(key in ("A_Expr", "TypeCast") for key, _ in nodes(tree)):
                self._some_function("what operators and casts call is not known: there is no catalogue")
            return
        found = Implicit(
            catalogue,
            catalogue.types,
            None if self._context.path_unknown else self._context.schemas,
            self._context.doubt_of_calls(),
            self._relations,
            self._aliases,
            self._plain,
            self._resolve,
        )
        found.read(tree)
        for schema, name, call in self._overloads:
            if any(found.may_call(each, call) for each in catalogue.functions[schema, name]):
                self._called_by_name(schema, name)
                if self._context.doubt():
                    self._unknown.append(f"what function {name} means is not known: {self._context.doubt()}")
        for oid, how in found.functions.items():
            self._called(oid, how)
        if found.unknown:
            self._some_function(*found.unknown)

    def _some_function(self, *why: str) -> None:
        """Called by an operator or a cast, and nobody knows which."""
        self._functions.add(SOME_FUNCTION)
        self._opaque = self._opaque or "what an operator or a cast calls"
        self._unknown += why

    def _called(self, oid: int, how: str) -> None:
        """By an operator or a cast."""
        assert self._catalogue is not None
        function = self._catalogue.function_by_oid.get(oid)
        if function is None:
            self._some_function(f"what {how} calls is not in the gateway's catalogue")
            return
        self._functions.add(FunctionName(function.schema, function.name))
        if function.name.startswith("lo_") and function.schema == "pg_catalog":
            self._effects.add("large-object")
        if unread(function):
            self._opaque = self._opaque or f"function {function.schema}.{function.name} ({how})"

    def _set_config(self, node: Node) -> None:
        arguments = node.get("args", [])
        name = (_literal(arguments[0]) if arguments else None) or self._by_name or None
        value = _literal(arguments[1]) if len(arguments) > 1 else None
        self._settings.append((name.lower() if name is not None else "*", value if name is not None else None))

    # ---- columns

    def _reference(self, node: Node) -> None:
        fields = node.get("fields", [])
        names = [field["String"]["sval"] for field in fields if "String" in field]
        if any("A_Star" in field for field in fields):
            self._stars.append(names)
        else:
            self._references.append((names, True))

    def _join(self, node: Node) -> None:
        if node.get("isNatural") or (node.get("alias") or {}).get("colnames"):
            self._any_column = True
        for alias in ("alias", "join_using_alias"):
            if node.get(alias):
                self._join_aliases.add(node[alias]["aliasname"])
        for name in node.get("usingClause", []):
            self._references.append(([name["String"]["sval"]], True))

    def _inferred(self, node: Node) -> None:
        """ON CONFLICT (column): whether a value is there can be read from what happens."""
        for element in node.get("indexElems", []):
            name = element.get("IndexElem", {}).get("name")
            if name:
                self._references.append(([name], True))

    def _columns(self, kind: str, body: Node) -> None:
        """After the walk: which columns are read, and which of them not as a plain output."""
        for alias in self._join_aliases:
            self._aliases.setdefault(alias, set()).update(self._relations)
        for names in self._dotted:
            if len(names) > 1 and not self._plainly(names):
                self._field_or_function(names[-1])
        for names, _ in self._references:
            self._lost |= self._meant(names)
        for names in self._stars:
            for oid in self._star(names):
                self._lost |= {(oid, column.number) for column in self._relations[oid].columns}
        for oid in self._relations if self._any_column else self._renamed:
            self._lost |= {(oid, column.number) for column in self._relations[oid].columns}
        self._late_outputs()

    def _star(self, names: list[str]) -> set[int]:
        return self._aliases.get(names[-1], set()) if names else set(self._relations)

    def _meant(self, names: list[str]) -> set[tuple[int, int]]:
        """Every column that a reference could mean; a whole row means all of its columns."""
        column, qualifier = names[-1], names[-2] if len(names) > 1 else ""
        known = bool(qualifier) and qualifier in self._aliases
        among = self._aliases[qualifier] if known else set(self._relations)
        found = {(oid, each.number) for oid in among for each in self._relations[oid].columns if each.name == column}
        whole = self._aliases.get(column, set())  # the name of a table, where a column could stand
        if qualifier and not found:
            whole = whole | self._aliases.get(qualifier, set())  # x.f is f(x) where f is a function
        for oid in whole:
            found |= {(oid, each.number) for each in self._relations[oid].columns}
        return found

    _select: Node | None = None
    _returning: list[Any] | None = None

    def _late_outputs(self) -> None:
        targets = self._top_targets
        outputs: list[Output] = []
        for target in targets:
            value = target.get("val", {})
            if "ColumnRef" not in value:
                outputs.append(Output(target.get("name") or _named(value)))
                continue
            fields = value["ColumnRef"].get("fields", [])
            names = [field["String"]["sval"] for field in fields if "String" in field]
            if any("A_Star" in field for field in fields):
                for oid in sorted(self._star(names)):
                    for column in self._relations[oid].columns:
                        outputs.append(Output(column.name, oid, column.number, column.type_oid))
                        self._read.add((oid, column.number))
                continue
            meant = self._meant(names)
            self._read |= meant
            if names and names[-1] in self._aliases and len(names) == 1:
                self._lost |= meant  # a whole row has no origin
            if len(names) > 1 and not self._plainly(names):
                self._lost |= meant
            origin = next(iter(meant)) if len(meant) == 1 else (0, 0)
            outputs.append(Output(target.get("name") or (names[-1] if names else ""), *origin, self._type(*origin)))
        self._outputs = tuple(outputs)
        if self._sorted_by_output:
            self._lost |= self._read
        if self._copy is not None and not self._copy.fields and outputs and self._in_order(targets):
            self._copy = replace(self._copy, fields=self._outputs)

    def _type(self, relation: int, attribute: int) -> int:
        columns = self._relations[relation].columns if relation else ()
        return next((column.type_oid for column in columns if column.number == attribute), 0)

    def _in_order(self, targets: list[Node]) -> bool:
        """Whether the outputs are known one by one: `*` is only where the query reads one relation and nothing else.

        A join merges columns and gives them in the order of its FROM, and what a subquery has is not looked at."""
        stars = any("A_Star" in field for target in targets for field in _fields(target))
        return not stars or (self._alone and len(self._relations) == 1)

    def _plainly(self, names: list[str]) -> bool:
        """x.column where x has that column; else it is a function's notation, or a field of a row."""
        among = self._aliases.get(names[-2], set())
        return not among or any(each.name == names[-1] for oid in among for each in self._relations[oid].columns)

    # ---- statements with more to them

    def _special(self, kind: str, body: Node) -> None:
        self._new = set()
        self._top_targets: list[Node] = []
        self._sorted_by_output = self._alone = False
        top = body
        if kind == "ExplainStmt":
            query = body.get("query", {})
            kind, top = next(iter(query.items())) if query else ("", {})
        if kind == "SelectStmt":
            self._top_select(top)
        elif kind in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
            self._mark_plain(top.get("returningList", []))
        reader = getattr(self, f"_read_{kind}", None)
        if reader is not None:
            reader(top)

    def _top_select(self, select: Node) -> None:
        if select.get("op", "SETOP_NONE") != "SETOP_NONE" or select.get("intoClause"):
            return
        self._mark_plain(select.get("targetList", []))
        if select.get("distinctClause"):
            self._sorted_by_output = True
        names = {target.get("name") for target in self._top_targets}
        for clause in ("sortClause", "groupClause"):
            for key, node in nodes(select.get(clause, [])):
                if key == "A_Const":  # whatever its value: verdicts are shared by texts that differ in literals
                    self._sorted_by_output = True
                if key == "ColumnRef":
                    fields = node.get("fields", [])
                    if len(fields) == 1 and fields[0].get("String", {}).get("sval") in names:
                        self._sorted_by_output = True

    def _mark_plain(self, targets: list[Any]) -> None:
        for target in targets:
            found = target.get("ResTarget", {})
            self._top_targets.append(found)
            reference = found.get("val", {}).get("ColumnRef")
            if reference is not None:
                self._plain.add(id(reference))

    def _read_CopyStmt(self, body: Node) -> None:
        options = {option["DefElem"]["defname"]: option["DefElem"].get("arg") for option in body.get("options", [])}
        reading = bool(body.get("is_from"))
        self._effects.add("copy-from" if reading else "copy-to")
        if body.get("is_program"):
            self._effects.add("copy-program")
        elif body.get("filename"):
            self._effects.add("copy-file")
        if reading:
            self._written.add(id(body.get("relation")))
            return
        self._copy = copy_shape(options)
        if body.get("query"):
            kind, query = next(iter(body["query"].items()))
            if kind == "SelectStmt":
                self._top_select(query)
                self._alone = [next(iter(each), "") for each in query.get("fromClause", [])] == ["RangeVar"]
            return
        relation = body.get("relation", {})
        found = self._resolve(relation.get("schemaname", ""), relation.get("relname", ""))
        if len(found) != 1:
            return
        wanted = [item["String"]["sval"] for item in body.get("attlist", [])]
        columns = {column.name: column for column in found[0].columns}
        fields = [columns[name] for name in wanted if name in columns] if wanted else list(found[0].columns)
        oid = found[0].oid
        outputs = tuple(Output(column.name, oid, column.number, column.type_oid) for column in fields)
        self._read |= {(output.relation, output.attribute) for output in outputs}
        self._copy = replace(self._copy, fields=outputs)

    def _read_ExecuteStmt(self, body: Node) -> None:
        self._uses = body.get("name", "")

    def _read_FetchStmt(self, body: Node) -> None:
        self._uses = body.get("portalname", "")

    def _read_DoStmt(self, body: Node) -> None:
        self._opaque = "DO"

    def _read_CallStmt(self, body: Node) -> None:
        self._opaque = "CALL"

    def _read_VariableSetStmt(self, body: Node) -> None:
        kind, name = body.get("kind", ""), body.get("name", "").lower()
        if kind in ("VAR_RESET", "VAR_RESET_ALL"):
            self._effects.add("reset")
        if kind == "VAR_RESET_ALL":
            self._settings.append(("all", None))
            return
        values = [_literal(argument) for argument in body.get("args", [])]
        known = kind == "VAR_SET_VALUE" and values and all(value is not None for value in values)
        if name == "search_path" and kind in ("VAR_RESET", "VAR_SET_DEFAULT"):
            self._settings.append((name, ""))  # the default is among what names may mean anyway
            return
        self._settings.append((name, ", ".join(map(str, values)) if known else None))

    def _read_AlterSystemStmt(self, body: Node) -> None:
        name = body.get("setstmt", {}).get("name", "").lower()
        self._secret = any(word in name for word in ("conninfo", "passphrase", "command"))

    def _read_CreateRoleStmt(self, body: Node) -> None:
        self._read_AlterRoleStmt(body)

    def _read_AlterRoleStmt(self, body: Node) -> None:
        for option in body.get("options", []):
            if "password" in option.get("DefElem", {}).get("defname", "").lower():
                self._secret = True

    def _read_CreateUserMappingStmt(self, body: Node) -> None:
        self._secret = True

    _read_AlterUserMappingStmt = _read_CreateUserMappingStmt
    _read_CreateSubscriptionStmt = _read_CreateUserMappingStmt
    _read_AlterSubscriptionStmt = _read_CreateUserMappingStmt
    _read_CreateForeignServerStmt = _read_CreateUserMappingStmt
    _read_AlterForeignServerStmt = _read_CreateUserMappingStmt
    _read_CreateFdwStmt = _read_CreateUserMappingStmt
    _read_AlterFdwStmt = _read_CreateUserMappingStmt

    def _read_DropStmt(self, body: Node) -> None:
        if body.get("removeType") in (
            "OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE", "OBJECT_SEQUENCE", "OBJECT_INDEX",
        ):  # fmt: skip
            for each in body.get("objects", []):
                self._touch(*self._object(each))

    def _read_VacuumStmt(self, body: Node) -> None:
        options = {each.get("DefElem", {}).get("defname", "").lower() for each in body.get("options", [])}
        if body.get("is_vacuumcmd"):
            self._effects.add("vacuum")
        if not body.get("is_vacuumcmd") or "analyze" in options:
            self._effects.add("analyze")

    def _read_AlterDefaultPrivilegesStmt(self, body: Node) -> None:
        if not body.get("action", {}).get("is_grant"):
            self._effects.add("revoke")

    def _read_TruncateStmt(self, body: Node) -> None:
        self._written |= {id(each.get("RangeVar")) for each in body.get("relations", [])}

    def _read_AlterTableStmt(self, body: Node) -> None:
        self._written.add(id(body.get("relation")))

    _read_RenameStmt = _read_AlterTableStmt
    _read_IndexStmt = _read_AlterTableStmt
    _read_AlterObjectSchemaStmt = _read_AlterTableStmt

    def _read_CreateStmt(self, body: Node) -> None:
        self._created(body.get("relation", {}))

    def _read_CreateForeignTableStmt(self, body: Node) -> None:
        self._created(body.get("base", {}).get("relation", {}))

    def _read_CompositeTypeStmt(self, body: Node) -> None:
        self._created(body.get("typevar", {}))

    def _read_CreateSeqStmt(self, body: Node) -> None:
        self._created(body.get("sequence", {}))

    def _read_ViewStmt(self, body: Node) -> None:
        self._created(body.get("view", {}))

    def _read_CreateTableAsStmt(self, body: Node) -> None:
        self._created((body.get("into") or {}).get("rel", {}))
        if "ExecuteStmt" in body.get("query", {}):
            self._uses = body["query"]["ExecuteStmt"].get("name", "")
            self._unknown.append("where the columns of CREATE TABLE AS EXECUTE come from is not followed")

    def _read_CreateFunctionStmt(self, body: Node) -> None:
        self._temporary = self._temporary or "pg_temp" in json.dumps(body.get("funcname", []))

    def _read_CreateTrigStmt(self, body: Node) -> None:
        self._written.add(id(body.get("relation")))

    _read_RuleStmt = _read_CreateTrigStmt


# ---- pieces

_MERGED = {"CMD_INSERT": "insert", "CMD_UPDATE": "update", "CMD_DELETE": "delete"}


def _literal(node: Any) -> str | None:
    """The text of a constant; None for anything else."""
    if not isinstance(node, dict):
        return None
    if "TypeCast" in node:
        return _literal(node["TypeCast"].get("arg"))
    constant = node.get("A_Const")
    if constant is None or constant.get("isnull"):
        return None
    for kind, field in (("sval", "sval"), ("ival", "ival"), ("fval", "fval"), ("boolval", "boolval")):
        if kind in constant:
            value = constant[kind].get(field, 0 if kind == "ival" else "")
            return str(value)
    return None


def _fields(target: Node) -> list[Any]:
    """Of a column reference in an output list."""
    fields: list[Any] = target.get("val", {}).get("ColumnRef", {}).get("fields", [])
    return fields


def _named(value: Node) -> str:
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


def where(clause: Any) -> Where:
    """Whether rows decide it."""
    if not clause:
        return Where.MISSING
    return Where.CONSTANT if _constant(clause) else Where.PRESENT


def _constant(node: Any, depth: int = 0) -> bool:
    """No row decides this condition, or it is true for every row that has the values: WHERE true, 1 = 1, x = x."""
    if depth > 200 or not isinstance(node, dict):
        return False
    kind, body = next(iter(node.items()))
    if kind == "CurrentOfExpr":
        return False
    if kind == "BoolExpr":
        arguments = body.get("args", [])
        if body.get("boolop") == "OR_EXPR":
            return any(_constant(each, depth + 1) and not _false(each) for each in arguments)
        return all(_constant(each, depth + 1) for each in arguments)
    if kind == "A_Expr" and "lexpr" in body and _bare(body.get("lexpr")) == _bare(body.get("rexpr")):
        return True
    return not _refers(node)


def _false(node: Any) -> bool:
    constant = node.get("A_Const", {}) if isinstance(node, dict) else {}
    return "boolval" in constant and not constant["boolval"].get("boolval", False)


def _refers(node: Any) -> bool:
    stack = [node]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if "ColumnRef" in value or "CurrentOfExpr" in value:
                return True
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return False


def _bare(node: Any) -> str:
    """A tree without locations and the values of literals, as text to compare: x + 1 = x + 2 is no condition either."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            if "A_Const" in value:
                return "literal"
            return {key: without(item) for key, item in value.items() if key != "location"}
        return [without(item) for item in value] if isinstance(value, list) else value

    try:
        return json.dumps(without(node), sort_keys=True)
    except RecursionError:
        return f"{id(node)}"


def _worse(one: Where, other: Where) -> Where:
    order = (Where.NONE, Where.PRESENT, Where.CONSTANT, Where.MISSING)
    return max(one, other, key=order.index)
