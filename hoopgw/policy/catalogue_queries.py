"""The queries that read a catalogue, and their rows -> `Catalogue`.  Every name is qualified; PostgreSQL 13 to 18."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from hoopgw.policy.catalogue import Catalogue, Column, Function, Relation
from hoopgw.policy.catalogue_code import Code, code
from hoopgw.policy.catalogue_code_queries import CODE_QUERIES
from hoopgw.policy.catalogue_rows import Rows, number, pairs, text
from hoopgw.policy.catalogue_types import Cast, Operator, Type, TypeSystem, type_system

MAX_RELATIONS = 100_000
MAX_COLUMNS = 1_000_000
MAX_FUNCTIONS = 200_000
MAX_TYPES = 200_000
MAX_OPERATORS = 100_000
MAX_CASTS = 100_000

# pg_catalog's own columns are left out but for the views that show what others asked
# What an unqualified name means to the role that asks: `$user`, what ALTER ROLE says, and which schemas it may use
PATH = "SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))"
QUERIES: tuple[str, ...] = (
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltype FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
    " ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f,S}'::pg_catalog.\"char\"[])"
    " AND n.nspname OPERATOR(pg_catalog.!~~) 'pg_toast%' AND n.nspname OPERATOR(pg_catalog.!~~) 'pg_temp%'",
    "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.attnotnull,"
    " a.attgenerated OPERATOR(pg_catalog.<>) '' FROM pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid JOIN pg_catalog.pg_namespace n"
    " ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped"
    " AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f,c}'::pg_catalog.\"char\"[])"
    " AND n.nspname OPERATOR(pg_catalog.!~~) 'pg_toast%' AND n.nspname OPERATOR(pg_catalog.!~~) 'pg_temp%'"
    " AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'",
    "SELECT DISTINCT r.ev_class, d.refobjid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d"
    " ON d.objid OPERATOR(pg_catalog.=) r.oid"
    " AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
    " AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
    " WHERE d.refobjid OPERATOR(pg_catalog.<>) r.ev_class",
    "SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i",
    "SELECT p.oid, n.nspname, p.proname, p.prokind, l.lanname, p.provolatile, p.prosecdef,"
    " p.prorettype, p.proargtypes, p.pronargdefaults, p.provariadic FROM pg_catalog.pg_proc p"
    " JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace"
    " JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang",
    PATH,
    # rows of tables, and arrays of them, are as many as tables are: they are left out
    "SELECT t.oid, n.nspname, t.typname, t.typtype, t.typbasetype,"
    " CASE WHEN t.typcategory OPERATOR(pg_catalog.=) 'A' THEN t.typelem ELSE 0 END,"
    " t.typinput::pg_catalog.oid, t.typdelim, t.typrelid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n"
    " ON n.oid OPERATOR(pg_catalog.=) t.typnamespace"
    " LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem"
    " AND t.typcategory OPERATOR(pg_catalog.=) 'A'"
    " LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) COALESCE(e.typrelid, t.typrelid)"
    " WHERE c.oid IS NULL OR c.relkind OPERATOR(pg_catalog.=) 'c'",
    "SELECT o.oid, n.nspname, o.oprname, o.oprleft, o.oprright, o.oprresult, o.oprcode::pg_catalog.oid"
    " FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace",
    "SELECT c.oid, c.castsource, c.casttarget, c.castfunc, c.castcontext FROM pg_catalog.pg_cast c",
    # functions and operators that checks of domains call; PostgreSQL's own are not noted in pg_depend
    "SELECT k.contypid, COALESCE(o.oprcode::pg_catalog.oid, d.refobjid) FROM pg_catalog.pg_constraint k"
    " JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass"
    " AND d.objid OPERATOR(pg_catalog.=) k.oid AND d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY["
    "'pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass]::pg_catalog.oid[])"
    " LEFT JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) d.refobjid"
    " AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_operator'::pg_catalog.regclass"
    " WHERE k.contypid OPERATOR(pg_catalog.<>) 0",
    # the same of views
    "SELECT DISTINCT r.ev_class, COALESCE(o.oprcode::pg_catalog.oid, d.refobjid) FROM pg_catalog.pg_rewrite r"
    " JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
    " AND d.objid OPERATOR(pg_catalog.=) r.oid AND d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY["
    "'pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass]::pg_catalog.oid[])"
    " LEFT JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) d.refobjid"
    " AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_operator'::pg_catalog.regclass"
    " WHERE r.ev_type OPERATOR(pg_catalog.=) '1'",
    # generated columns and what they are computed from: noted of the expression since 15, of the column before
    "SELECT DISTINCT a.attrelid, a.attnum, d.refobjsubid FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attrdef e"
    " ON e.adrelid OPERATOR(pg_catalog.=) a.attrelid AND e.adnum OPERATOR(pg_catalog.=) a.attnum"
    " JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
    " AND d.refobjid OPERATOR(pg_catalog.=) a.attrelid AND d.refobjsubid OPERATOR(pg_catalog.>) 0"
    " AND d.refobjsubid OPERATOR(pg_catalog.<>) a.attnum"
    " AND (d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass"
    " AND d.objid OPERATOR(pg_catalog.=) e.oid"
    " OR d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
    " AND d.objid OPERATOR(pg_catalog.=) a.attrelid AND d.objsubid OPERATOR(pg_catalog.=) a.attnum)"
    " WHERE a.attgenerated OPERATOR(pg_catalog.<>) ''",
    # functions of extensions
    "SELECT d.objid, e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e"
    " ON e.oid OPERATOR(pg_catalog.=) d.refobjid"
    " WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass"
    " AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass"
    " AND d.deptype OPERATOR(pg_catalog.=) 'e'",
    # indexes of one's own, by names that stand beside those of relations
    "SELECT i.indrelid, n.nspname, c.relname FROM pg_catalog.pg_index i"
    " JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid"
    " JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " WHERE i.indexrelid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid"
    " AND n.nspname OPERATOR(pg_catalog.!~~) 'pg_toast%' AND n.nspname OPERATOR(pg_catalog.!~~) 'pg_temp%'",
    *CODE_QUERIES,
)


def with_path(results: Sequence[Rows], path: Rows) -> Sequence[Rows]:
    """The rows of QUERIES as one role read them, with the PATH of another."""
    return tuple(path if query == PATH else rows for query, rows in zip(QUERIES, results, strict=True))


# Most rows are PostgreSQL's own, and the same at each reading: what was made of them is kept.  The reactor waits while
# a catalogue is made, after every change of a schema: 10 ms instead of 60.
KEPT_ROWS = 16_384
Row = tuple[bytes | None, ...]
Links = dict[int, frozenset[int]]  # oids that each oid has to do with


class TooLarge(Exception):
    """The database has more objects than a catalogue holds; the words say which."""


def catalogue(results: Sequence[Rows], generation: int, trusted: Collection[str] = ()) -> Catalogue:
    """From the rows of QUERIES, in their order; `trusted` are names of extensions.

    Raises TooLarge, or ValueError for rows that are no such thing."""
    relations, columns, depends, inherits, functions, path, types, operators, casts, checks, called, *rest = results
    generated, extended, indexes, *rest = rest
    _bounded(relations, MAX_RELATIONS, "relations")
    _bounded(columns, MAX_COLUMNS, "columns")
    _bounded(indexes, MAX_RELATIONS, "indexes")
    _bounded(functions, MAX_FUNCTIONS, "functions")
    _bounded(types, MAX_TYPES, "types")
    _bounded(operators, MAX_OPERATORS, "operators")
    _bounded(casts, MAX_CASTS, "casts")
    columns_of: dict[int, list[Column]] = defaultdict(list)
    for row in columns:
        columns_of[number(row[0])].append(_column(tuple(row[1:6])))
    attached = code(rest)
    by_oid = _relations(relations, columns_of, (pairs(depends), pairs(inherits), pairs(called)), generated, attached)
    by_function, overloads = _functions(
        functions, attached, frozenset(number(row[0]) for row in extended if text(row[1]) in trusted)
    )
    return Catalogue(
        generation=generation,
        relations={(relation.schema, relation.name): relation for relation in by_oid.values()},
        by_oid=by_oid,
        functions=overloads,
        function_by_oid=by_function,
        search_path=tuple(text(row[0]) for row in path),
        types=_types(types, operators, casts, pairs(checks)),
        event_triggers=attached.event_triggers,
        indexes={(text(row[1]), text(row[2])): number(row[0]) for row in indexes},
        composites={number(row[0]): _in_order(columns_of.get(number(row[8]), ())) for row in types if row[8] != b"0"},
    )


def _bounded(found: Rows, bound: int, what: str) -> None:
    if len(found) > bound:
        raise TooLarge(f"{len(found)} {what}, more than {bound}")


def _relations(
    rows: Rows,
    columns_of: Mapping[int, list[Column]],
    links: tuple[Links, Links, Links],
    generated: Rows,
    attached: Code,
) -> dict[int, Relation]:
    """By oid.  `links` are what each depends on, inherits from and calls."""
    depends_of, parents_of, calls_of = links
    generated_of: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in generated:
        generated_of[number(row[0])].append((number(row[1]), number(row[2])))
    by_oid: dict[int, Relation] = {}
    for row in rows:
        oid = number(row[0])
        by_oid[oid] = Relation(
            oid=oid,
            schema=text(row[1]),
            name=text(row[2]),
            kind=text(row[3]),
            row_type=number(row[4]),
            columns=_in_order(columns_of.get(oid, ())),
            depends=depends_of.get(oid, frozenset()),
            parents=parents_of.get(oid, frozenset()),
            calls=calls_of.get(oid, frozenset()),
            generated=tuple(sorted(generated_of.get(oid, ()))),
            **attached.of_relation(oid),
        )
    return by_oid


def _functions(
    rows: Rows, attached: Code, trusted: frozenset[int]
) -> tuple[dict[int, Function], dict[tuple[str, str], tuple[Function, ...]]]:
    """By oid, and those of each (schema, name).  `trusted` are those of extensions that are."""
    by_oid: dict[int, Function] = {}
    overloads: dict[tuple[str, str], list[Function]] = defaultdict(list)
    for row in rows:
        more = attached.of_function(number(row[0]))
        function = _function(tuple(row))
        if function.oid in trusted and function.volatile != "v":
            more["trusted"] = True
        function = replace(function, **more) if more else function
        by_oid[function.oid] = function
        overloads[function.schema, function.name].append(function)
    return by_oid, {name: tuple(found) for name, found in overloads.items()}


def _in_order(columns: Iterable[Column]) -> tuple[Column, ...]:
    return tuple(sorted(columns, key=lambda column: column.number))


@lru_cache(maxsize=KEPT_ROWS)
def _column(row: Row) -> Column:
    """Of all but the first of its columns."""
    return Column(number(row[0]), text(row[1]), number(row[2]), row[3] == b"t", row[4] == b"t")


@lru_cache(maxsize=KEPT_ROWS)
def _function(row: Row) -> Function:
    """Without what its body says."""
    described = (text(row[1]), text(row[2]), text(row[3]), text(row[4]), text(row[5]))
    return Function(
        number(row[0]),
        *described,
        security_definer=row[6] == b"t",
        result=number(row[7]),
        arguments=tuple(map(int, text(row[8]).split())),
        defaults=number(row[9]),
        variadic=number(row[10]) != 0,
    )


@lru_cache(maxsize=KEPT_ROWS)
def _type(row: Row, calls: frozenset[int]) -> Type:
    return Type(
        oid=number(row[0]),
        schema=text(row[1]),
        name=text(row[2]),
        kind=text(row[3]),
        base=number(row[4]),
        element=number(row[5]),
        input=number(row[6]),
        calls=calls,
        delimiter=text(row[7]),
    )


@lru_cache(maxsize=KEPT_ROWS)
def _operator(row: Row) -> Operator:
    return Operator(number(row[0]), text(row[1]), text(row[2]), *map(number, row[3:7]))


def _types(types: Rows, operators: Rows, casts: Rows, checks: dict[int, frozenset[int]]) -> TypeSystem:
    return type_system(
        (_type(tuple(row), checks.get(number(row[0]), frozenset())) for row in types),
        (_operator(tuple(row)) for row in operators),
        (Cast(number(row[0]), number(row[1]), number(row[2]), number(row[3]), text(row[4])) for row in casts),
    )
