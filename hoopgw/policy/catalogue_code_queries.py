"""The queries that read what runs by itself: bodies of views, rules and functions, triggers, foreign keys, policies.

To show a body PostgreSQL locks the relations in it as a reader does, and waits where somebody holds one exclusively.  A
body that would be waited for is NULL in that reading: nobody knows it until the next.  The locks go with the query:
ROLLBACK TO gives them back, else a client's LOCK … NOWAIT could fail by them as long as the whole reading takes.
"""

from __future__ import annotations

MAX_BODY = 64 * 1024  # bytes of one body; a longer one is not read, and counts as unknown

# Written short below.  Every operator, type and class is named with its schema when it is asked.
_SHORT = {
    "{bound}": str(MAX_BODY),
    "{own}": "'16384'::oid",  # FirstNormalObjectId (access/transam.h)
    # what is locked exclusively, or will be next, and what depends on that
    "{locked}": "locked AS MATERIALIZED (SELECT l.relation FROM pg_catalog.pg_locks l"
    " WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock')",
    "{busy rules}": "WITH {locked}, busy AS MATERIALIZED (SELECT l.relation AS oid FROM locked l UNION"
    " SELECT r.ev_class FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.classid = {pg_rewrite}"
    " AND d.objid = r.oid AND d.refclassid = {pg_class} WHERE d.refobjid = ANY (SELECT l.relation FROM locked l))",
    "{busy functions}": "WITH {locked}, busy AS MATERIALIZED (SELECT d.objid AS oid FROM pg_catalog.pg_depend d"
    " WHERE d.classid = {pg_proc} AND d.refclassid = {pg_class}"
    " AND d.refobjid = ANY (SELECT l.relation FROM locked l))",
    # of a pg_depend `d`: the function, also of an operator
    "{called}": "COALESCE(o.oprcode::oid, d.refobjid)",
    "{operators}": "LEFT JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid AND d.refclassid = {pg_operator}",
    "{calls}": "d.refclassid = ANY (ARRAY[{pg_proc}, {pg_operator}]::oid[])",
    **{
        f"{{{name}}}": f"'pg_catalog.{name}'::regclass"
        for name in (
            "pg_rewrite", "pg_class", "pg_proc", "pg_operator", "pg_attrdef", "pg_constraint", "pg_trigger",
            "pg_policy",
        )
    },
    **{f" {operator} ": f" OPERATOR(pg_catalog.{operator}) " for operator in ("=", "<>", "<=", ">=", "!~~")},
    **{f"::{name}": f"::pg_catalog.{name}" for name in ("oid", "regclass", "name", '"char"')},
}  # fmt: skip


def _full(query: str) -> str:
    for _ in range(3):  # {busy rules} is written with {locked}, that with `=`
        for short, long in _SHORT.items():
            query = query.replace(short, long)
    return query


CODE_QUERIES: tuple[str, ...] = tuple(
    map(
        _full,
        (
            # every name in a body is written with its schema, whatever the role's own path is
            "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)",
            "SAVEPOINT bodies; {busy rules} SELECT s.oid,"
            " CASE WHEN pg_catalog.octet_length(s.body) <= {bound} THEN s.body END FROM"
            " (SELECT c.oid, CASE WHEN c.oid = ANY (SELECT b.oid FROM busy b) THEN NULL"
            " ELSE pg_catalog.pg_get_viewdef(c.oid) END AS body FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = ANY ('{v,m}'::\"char\"[]) AND c.oid >= {own} AND n.nspname !~~ 'pg_temp%' OFFSET 0) s"
            "; ROLLBACK TO SAVEPOINT bodies",
            "SAVEPOINT bodies; {busy rules} SELECT s.ev_class, s.ev_type, s.is_instead,"
            " CASE WHEN pg_catalog.octet_length(s.body) <= {bound} THEN s.body END FROM"
            " (SELECT r.ev_class, r.ev_type, r.is_instead, CASE WHEN r.ev_class = ANY (SELECT b.oid FROM busy b)"
            " THEN NULL ELSE pg_catalog.pg_get_ruledef(r.oid) END AS body FROM pg_catalog.pg_rewrite r"
            " WHERE r.ev_type <> '1' AND r.ev_enabled <> 'D' AND r.oid >= {own} OFFSET 0) s"
            "; ROLLBACK TO SAVEPOINT bodies",
            "SAVEPOINT bodies; {busy functions} SELECT s.oid, s.owner,"
            " CASE WHEN pg_catalog.octet_length(s.body) <= {bound} THEN s.body END FROM"
            " (SELECT p.oid, pg_catalog.pg_get_userbyid(p.proowner) AS owner,"
            " CASE WHEN p.oid = ANY (SELECT b.oid FROM busy b) THEN NULL"
            " ELSE pg_catalog.pg_get_functiondef(p.oid) END AS body FROM pg_catalog.pg_proc p"
            " JOIN pg_catalog.pg_language l ON l.oid = p.prolang"
            " WHERE l.lanname = ANY ('{sql,plpgsql}'::name[]) AND p.prokind <> 'a' AND p.oid >= {own} OFFSET 0) s"
            "; ROLLBACK TO SAVEPOINT bodies",
            # what aggregates, bodies that were read when they were made, and defaults of arguments call
            "SELECT d.objid, {called} FROM pg_catalog.pg_depend d {operators} WHERE d.classid = {pg_proc} AND {calls}",
            # clones of a partitioned table's triggers are called internal before PostgreSQL 15
            "SELECT t.tgrelid, t.tgname, t.tgtype, t.tgfoid FROM pg_catalog.pg_trigger t"
            " WHERE (NOT t.tgisinternal OR t.tgparentid <> '0'::oid) AND t.tgenabled <> 'D'",
            "SELECT k.confrelid, k.conrelid, k.confdeltype, k.confupdtype FROM pg_catalog.pg_constraint k"
            " WHERE k.contype = 'f'",
            # what storing a row calls: defaults and generated columns, checks, expressions of indexes and of partition
            # keys, WHEN of triggers
            "SELECT s.relation, {called} FROM pg_catalog.pg_depend d JOIN ("
            "SELECT {pg_attrdef}::oid AS class, a.oid, a.adrelid AS relation FROM pg_catalog.pg_attrdef a"
            " UNION ALL SELECT {pg_constraint}::oid, k.oid, k.conrelid FROM pg_catalog.pg_constraint k"
            " WHERE k.contype = 'c' AND k.conrelid <> '0'::oid"
            " UNION ALL SELECT {pg_class}::oid, i.indexrelid, i.indrelid FROM pg_catalog.pg_index i"
            " UNION ALL SELECT {pg_class}::oid, p.partrelid, p.partrelid FROM pg_catalog.pg_partitioned_table p"
            " UNION ALL SELECT {pg_trigger}::oid, t.oid, t.tgrelid FROM pg_catalog.pg_trigger t"
            " WHERE NOT t.tgisinternal AND t.tgqual IS NOT NULL"
            ") s ON d.classid = s.class AND d.objid = s.oid {operators} WHERE {calls}",
            # row security: what its policies call, and read
            "SELECT p.polrelid, {called} FROM pg_catalog.pg_policy p"
            " JOIN pg_catalog.pg_class c ON c.oid = p.polrelid AND c.relrowsecurity"
            " JOIN pg_catalog.pg_depend d ON d.classid = {pg_policy} AND d.objid = p.oid {operators} WHERE {calls}",
            "SELECT p.polrelid, d.refobjid FROM pg_catalog.pg_policy p"
            " JOIN pg_catalog.pg_class c ON c.oid = p.polrelid AND c.relrowsecurity"
            " JOIN pg_catalog.pg_depend d ON d.classid = {pg_policy} AND d.objid = p.oid AND d.refclassid = {pg_class}"
            " WHERE d.refobjid <> p.polrelid OR d.refobjsubid <> 0",  # of its own table only where it looks at a column
            "SELECT e.evtfoid FROM pg_catalog.pg_event_trigger e WHERE e.evtenabled <> 'D'",
        ),
    )
)
