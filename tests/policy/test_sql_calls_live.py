"""What operators and casts call, against a real PostgreSQL: whatever it calls is among the facts."""

from __future__ import annotations

import random

import psycopg
from twisted.trial.unittest import SkipTest

from hoopgw.policy.facts import SOME_FUNCTION, Statement
from hoopgw.policy.guardrails import Action, Conditions, Match, SqlRule
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_calls import with_parameters
from hoopgw.policy.sql_names import NameContext
from tests.policy.database import DatabaseCase, read
from tests.store.cluster import Cluster

# Every function says that it was called
SCHEMA = """
CREATE SCHEMA app; CREATE SCHEMA other;
SET search_path = app;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE pair AS (a int, b int);
CREATE TABLE t (id int PRIMARY KEY, word text, m mood, p pair, big bigint, made timestamptz DEFAULT now());
INSERT INTO t VALUES (1, 'one', 'happy', (1, 2), 1), (2, 'two', 'sad', (3, 4), 2);
CREATE TABLE u (id int, word varchar(9));
INSERT INTO u VALUES (1, 'x');
CREATE VIEW v AS SELECT id, word FROM t;
CREATE VIEW plain AS SELECT max(id) AS m, lower('X') AS l FROM t;
{functions}
CREATE OPERATOR === (FUNCTION = same, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR other.=== (FUNCTION = other.hidden, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR !! (FUNCTION = bang, RIGHTARG = int);
CREATE OPERATOR = (FUNCTION = mood_is, LEFTARG = mood, RIGHTARG = text);
CREATE OPERATOR >= (FUNCTION = mood_least, LEFTARG = mood, RIGHTARG = int);
CREATE OPERATOR <= (FUNCTION = mood_least, LEFTARG = mood, RIGHTARG = int);
CREATE OPERATOR ~~ (FUNCTION = mood_is, LEFTARG = mood, RIGHTARG = text);
CREATE OPERATOR = (FUNCTION = pair_is, LEFTARG = pair, RIGHTARG = pair);
CREATE OPERATOR + (FUNCTION = added, LEFTARG = pair, RIGHTARG = pair);
CREATE OPERATOR @@@ (FUNCTION = pg_catalog.pg_read_file, RIGHTARG = text);
CREATE CAST (mood AS int) WITH FUNCTION mood_int(mood);
CREATE CAST (pair AS bigint) WITH FUNCTION pair_sum(pair) AS IMPLICIT;
CREATE CAST (int AS mood) WITH FUNCTION int_mood(int) AS ASSIGNMENT;
CREATE VIEW calling AS SELECT bang(id) AS b FROM t;
CREATE VIEW over_calling AS SELECT b FROM calling;
CREATE VIEW comparing AS SELECT 1 FROM t WHERE id === 1;
CREATE DOMAIN small AS int CHECK (is_small(VALUE));
CREATE DOMAIN smaller AS small;
CREATE DOMAIN equal AS int CHECK (VALUE === 1);
"""
FUNCTIONS = {
    "same(a int, b int) returns boolean": "a = b",
    "other.hidden(a int, b int) returns boolean": "a = b",
    "bang(a int) returns int": "a + 1",
    "mood_is(a mood, b text) returns boolean": "a::text = b",
    "mood_least(a mood, b int) returns boolean": "true",
    "added(a pair, b pair) returns pair": "a",
    "pair_is(a pair, b pair) returns boolean": "true",
    "mood_int(a mood) returns int": "1",
    "length(a mood) returns int": "1",
    "abs(a pair, b int default 1) returns int": "1",
    "concat_ws(a mood, variadic b int[]) returns text": "''",
    "pair_sum(a pair) returns bigint": "1",
    "int_mood(a int) returns mood": "'sad'::mood",
    "is_small(a int) returns boolean": "a < 100",
}

# What is called; each of these is tried on the server as well
CALLS = (
    ("select 1 === 2", "app.same"),
    ("select id === big::int from t", "app.same"),
    ("select 1 operator(other.===) 2", "other.hidden"),
    ("select !! 1", "app.bang"),
    ("select 1 where 1 === any (array[1, 2])", "app.same"),
    ("select 1 from t where id === all (select id from u)", "app.same"),
    ("select * from (select id as x from t) s where s.x === 1", "app.same"),
    ("with c as (select id as x, word from t) select 1 from c join u on c.x === u.id", "app.same"),
    ("with c(k) as (select id from t) select 1 from c where k === 1", "app.same"),
    ("select 1 from generate_series(1, 2) g where g === 1", "app.same"),
    ("select (select id from t where id = 1) === 1", "app.same"),
    ("select 1 from (values (1)) v(a) where a === 1", "app.same"),
    ("select coalesce(id, 1) === 1 from t", "app.same"),
    ("select (case when id = 1 then id else 2 end) === 1 from t", "app.same"),
    ("update t set word = word where id === 1", "app.same"),
    ("delete from u where id === 7", "app.same"),
    ("select 1 from v where id === 1", "app.same"),
    ("insert into u select id from t where id === 1", "app.same"),
    ("select count(*) filter (where id === 1) from t", "app.same"),
    ("select 1 from t where m = 'happy'::text", "app.mood_is"),
    ("select 1 from t where m in ('happy'::text, 'sad'::text)", "app.mood_is"),
    ("select case m when 'happy'::text then 1 end from t", "app.mood_is"),
    ("select 1 from t where m is distinct from 'happy'::text", "app.mood_is"),
    ("select nullif(m, 'x'::text) from t", "app.mood_is"),
    ("select 1 from t where m in (select word from t)", "app.mood_is"),
    ("select * from t where m = 'happy'", "app.mood_is"),
    ("select 1 from t a join t b using (p)", "app.pair_is"),
    ("select 1 from (select p from t) a natural join (select p as p from t) b", "app.pair_is"),
    ("merge into t using u on t.id = u.id when matched then update set m = u.id", "app.int_mood"),
    ("update t set (m, word) = (select id, word from u)", "app.int_mood"),
    ("select 1 from (select 'happy' as k) s, t where t.m = s.k", "app.mood_is"),
    ("select 1 from (select 'sad' as k union select m from t) s where s.k = 'happy'::text", "app.mood_is"),
    ("select 1 from (select id from u union select id from t) s where s.id === 1", "app.same"),
    ("select 1 from t where m like 'happy'::text", "app.mood_is"),
    ("select 1 from t where m between 1 and 2", "app.mood_least"),
    ("select p + p from t", "app.added"),
    ("select sum((p + p)::bigint) from t", "app.added app.pair_sum"),
    ("select m::int from t", "app.mood_int"),
    ("select cast(m as int) from t", "app.mood_int"),
    ("select array[m]::int[] from t", "app.mood_int"),
    ("select (array_agg(m))::int[] from t", "app.mood_int"),
    ("select abs(p) from t", "app.abs"),
    ("select to_hex(p) from t", "app.pair_sum"),
    ("select length(m) from t", "app.length"),
    ("select length(m) from (select m from t) s", "app.length"),
    ("select abs(p, 2) from t", "app.abs"),
    ("select abs(b => 2, a => p) from t", "app.abs"),
    ("select concat_ws(m, 1, 2) from t", "app.concat_ws"),
    ("select concat_ws(m, variadic array[1, 2]) from t", "app.concat_ws"),
    ("select p * 2 from t", "app.pair_sum"),
    ("select to_hex(s.p) from (select p from t) s", "app.pair_sum"),
    ("update t set m = id", "app.int_mood"),
    ("insert into t (id, m) values (9, 1 + 0)", "app.int_mood"),
    ("insert into t (id, m) select id + 20, id from t", "app.int_mood"),
    ("insert into t (id, big) select 70, p from t where id = 1", "app.pair_sum"),
    ("select 5::small", "app.is_small"),
    ("select 5::smaller", "app.is_small"),
    ("select 1::equal", "app.same"),
    ("select id::small from t", "app.is_small"),
    ("select '{1,2}'::small[]", "app.is_small"),
    ("select jsonb_build_object('a', 1 === 1)", "app.same"),
    ("explain analyze select 1 from t where id === 1", "app.same"),
    ("copy (select 1 from t where id === 1) to stdout", "app.same"),
    ("declare c cursor for select 1 from t where id === 1", "app.same"),
    ("prepare p as select 1 from t where id === 1", ""),
)
# What calls nothing of one's own: everyday work goes on beside user-defined operators
PLAIN = (
    "select length(word), abs(id), abs(- 2.5), concat_ws(word, 'a', 'b', id) from t",
    "select length(lower(s.w)) from (select word as w from t) s",
    "select * from t where id = 1 and big > 1 and word = 'x' and made < now()",
    "select id + 1, big * 2.5, word || 'x', - id from t",
    "insert into t (id, word) select id + 50, word from u",
    "update t set id = id + 100, word = 'x' || word",
    "select m::text, 'sad'::mood, id::text, word::varchar(3), '{1}'::int[] from t",
    "select 1 from t where id in (1, 2, 3) and word like 'a%' and id between 1 and 2",
    "select 1 from t join u using (id) where (t.id, t.big) > (1, 2)",
    "select case id when 1 then 'a' end, nullif(word, ''), coalesce(word, 'x') from t",
    "insert into t (id, word, m) values (3, 'x', 'happy') on conflict (id) do update set word = excluded.word || '!'",
    "select count(*) from t group by word having count(*) > 1",
    "select t::text, p from t",
    "select x from (select id as x from t) s where x = 1 order by x",
)


def functions(heads: dict[str, str]) -> str:
    """Each of them with a word when it is called.  plpgsql, so that nothing is inlined away."""
    return "".join(
        f"CREATE FUNCTION {head} LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'called {name}'; RETURN {body}; END $$;"
        for head, body in heads.items()
        for name in [head.split("(")[0] if "." in head.split("(")[0] else "app." + head.split("(")[0]]
    )


class Case(DatabaseCase):
    schema = SCHEMA.format(functions=functions(FUNCTIONS))

    def one(self, text: str, context: NameContext | None = None) -> Statement:
        return analyse(text.encode(), self.known, context or NameContext(self.known.search_path)).statements[-1]

    def called(self, text: str) -> set[str]:
        """By the server itself: what it said when it ran."""
        heard: set[str] = set()
        connection = self.connection
        assert connection is not None

        def hear(diagnostic: psycopg.errors.Diagnostic) -> None:
            words = (diagnostic.message_primary or "").split()
            if words[:1] == ["called"]:
                heard.add(words[1])

        connection.add_notice_handler(hear)
        try:
            with connection.transaction(force_rollback=True):
                if text.startswith("copy"):
                    with connection.cursor().copy(text.encode()) as copy:
                        list(copy)
                else:
                    connection.execute(text.encode())
                    if text.startswith("declare"):
                        connection.execute("fetch all from c")
        finally:
            connection.remove_notice_handler(hear)
        return heard


class Live(Case):
    def test_calls(self) -> None:
        """Whatever the server calls is named, its body is read, and nothing is in doubt."""
        for text, wanted in CALLS:
            statement = self.one(text)
            statement = statement.body[0] if text.startswith("prepare") else statement
            named = {str(function) for function in statement.functions}
            self.assertLessEqual(set(wanted.split()), named, text)
            self.assertLessEqual(self.called(text), named, text)
            self.assertEqual(statement.unknown, (), text)
            self.assertTrue(statement.calls or not wanted, text)
            self.assertEqual(statement.opaque, "", text)

    def test_plain(self) -> None:
        """Where PostgreSQL's own operator is meant nothing is opaque and nothing in doubt."""
        for text in PLAIN:
            statement = self.one(text)
            self.assertEqual(self.called(text), set(), text)
            self.assertEqual(statement.opaque, "", text)
            self.assertEqual(statement.unknown, (), text)

    def test_own_operator_on_a_function_of_the_server(self) -> None:
        """@@@ '/etc/passwd' is pg_read_file('/etc/passwd')."""
        statement = self.one("select @@@ '/etc/passwd'")
        self.assertIn("pg_catalog.pg_read_file", set(map(str, statement.functions)))

    def test_parameters(self) -> None:
        """A parameter has the type that the client declares: any operator that could be meant counts."""
        self.assertIn("app.mood_is", set(map(str, self.one("select 1 from t where m = $1").functions)))
        self.assertIn("app.same", set(map(str, self.one("select $1 === $2").functions)))
        self.assertIn("app.mood_int", set(map(str, self.one("select $1::int").functions)))
        self.assertEqual(self.one("select 1 from t where word = $1 and id = $2").opaque, "")

    def test_declared_parameters(self) -> None:
        """A parameter of a type that has casts of one's own: they may be called wherever it stands."""
        system = self.known.types
        assert system is not None
        facts = analyse(b"select sqrt($1)", self.known, NameContext(self.known.search_path))
        self.assertNotIn("app.pair_sum", set(map(str, facts.statements[0].functions)))
        (statement,) = with_parameters(facts, self.known, [system.by_name["app", "pair"]]).statements
        self.assertIn("app.pair_sum", set(map(str, statement.functions)))
        self.assertTrue(statement.opaque)
        self.assertIs(with_parameters(facts, self.known, [20000000]), facts)

    def test_extensions(self) -> None:
        """Compiled operators of extensions are named and not opaque; everyday statements beside them meet nothing."""
        place = Cluster.running().database("extensions")
        with psycopg.connect(**place, autocommit=True) as connection:  # type: ignore[arg-type]
            for extension in ("citext", "hstore", "pg_trgm"):
                try:
                    connection.execute(f"create extension {extension}".encode())
                except psycopg.Error as error:
                    raise SkipTest(f"no {extension}") from error
            connection.execute("create table t (id int, word text, e citext, h hstore, made timestamptz, j jsonb)")
            known = read(connection)
        for text, named in (
            ("select * from t where id = 1 and word = 'x' and made > now() - interval '1 day'", ""),
            ("select * from t where id = $1 and word like $2 and made between $3 and $4", ""),
            ("select j ->> 'a', word || 'x', id % 2 from t where j @> '{}'", ""),
            ("select * from t where e = 'x'", "public.citext_eq"),
            ("select * from t where word % 'x'", "public.similarity_op"),
            ("select h -> 'a' from t", "public.fetchval"),
            ("select 'a'::citext", "public.citextin"),
            (
                "select max(id), max(word), min(made), replace(word, 'a', 'b'), strpos(word, 'a') from t group by word",
                "",
            ),
            ("select s.m from (select max(id) as m from t) s where s.m > 1", ""),
        ):
            (statement,) = analyse(text.encode(), known, NameContext(known.search_path)).statements
            own = {str(function) for function in statement.functions if function.schema != "pg_catalog"}
            self.assertEqual((own >= set(named.split()), bool(own)), (True, bool(named)), (text, own))
            self.assertEqual((statement.opaque, statement.unknown), ("", ()), text)
        (statement,) = analyse(b"select max(e) from t", known, NameContext(known.search_path)).statements
        self.assertEqual(statement.opaque, "function public.max")  # an aggregate
        for text in ("select replace(e, 'a', 'b') from t", "select replace($1, $2, 'x')"):
            (statement,) = analyse(text.encode(), known, NameContext(known.search_path)).statements
            self.assertIn("public.replace", set(map(str, statement.functions)), text)
            self.assertEqual(statement.opaque, "", text)  # its body is SQL, and calls PostgreSQL's own

    def test_unknown(self) -> None:
        """Names that are not in the catalogue, and what may have been changed in this transaction."""
        for text in (
            "select 1 <=> 2",
            "select 1 operator(nowhere.+) 2",
            "select 'x'::missing",
            "select 1 @#@ any ('{1}')",
        ):
            statement = self.one(text)
            self.assertTrue(statement.unknown, text)
            self.assertIn(SOME_FUNCTION, statement.functions, text)
        for before in (
            "create operator <=> (function = f, leftarg = int, rightarg = int)",
            "create cast (t as int) with function f(t)",
            "create function f() returns int language sql as 'select 1'",
            "alter schema a rename to app",
            "create extension citext",
        ):
            self.assertTrue(self.one(f"{before}; select 1 + 1").unknown, before)
        self.assertEqual(self.one("create table x (a int); select 1 + 1, 1::int").unknown, ())

    def test_every_path(self) -> None:
        """Another search_path, or one that nobody knows, brings other operators."""
        for text in (
            "set search_path = other; select 1 === 2",
            "select set_config('search_path', $1, false); select 1 === 2",
        ):
            named = set(map(str, self.one(text).functions))
            self.assertIn("other.hidden", named, text)
        self.assertNotIn("other.hidden", set(map(str, self.one("select 1 === 2").functions)))

    def test_rules_hold(self) -> None:
        """A rule on a function meets the operator and the cast that call it, and refuses where it cannot know."""
        conditions = Conditions(functions=("app.same", "app.mood_int"))
        rule = SqlRule("no-same", conditions, Action(refuse=True))
        for text, wanted in (
            ("select 1 === 2", Match.YES),
            ("select m::int from t", Match.YES),
            ("select 1 <=> 2", Match.DOUBT),
            ("select 1 = 2", Match.NO),
            ("select id::text from t", Match.NO),
        ):
            self.assertIs(rule.conditions.match(self.one(text), text.encode()), wanted, text)

    def test_views(self) -> None:
        """What a view calls is named, and what it does is known where its body can be read."""
        rule = SqlRule("orders", Conditions(tables=("app.u",)), Action(refuse=True))
        for view, wanted in (("calling", "app.bang"), ("over_calling", "app.bang"), ("comparing", "app.same")):
            text = f"select * from {view}"
            statement = self.one(text)
            self.assertEqual(self.called(text), {wanted})
            self.assertIn(wanted, set(map(str, statement.functions)), text)
            self.assertEqual((statement.opaque, statement.inside, statement.unknown), ("", "", ()), text)
            self.assertIs(rule.conditions.match(statement, text.encode()), Match.NO)
        for view in ("v", "plain", "information_schema.columns", "pg_catalog.pg_stats", "pg_catalog.pg_tables"):
            self.assertEqual(
                (self.one(f"select * from {view}").inside, self.called(f"select * from {view}")), ("", set())
            )

    def test_types(self) -> None:
        """The rows of tables are no types here; what a domain's checks call is known."""
        system = self.known.types
        assert system is not None
        self.assertNotIn(("app", "t"), system.by_name)
        self.assertIn(("app", "pair"), system.by_name)
        small = system.types[system.by_name["app", "small"]]
        self.assertEqual({self.known.function_by_oid[oid].name for oid in small.calls}, {"is_small"})


# Operators and casts that stand in each other's way, and in PostgreSQL's
MORE = {
    "num_eq(a numeric, b text) returns boolean": "true",
    "txt_lt(a text, b mood) returns boolean": "true",
    "any_eq(a anyelement, b pair) returns boolean": "true",
    "plus(a bigint, b text) returns bigint": "1",
    "lower(a bigint) returns text": "''",
    "upper(a mood) returns text": "''",
    "mood_text(a mood) returns text": "'x'",
    "arr(a int[], b int) returns boolean": "true",
}
CROSSING = """
CREATE OPERATOR = (FUNCTION = num_eq, LEFTARG = numeric, RIGHTARG = text);
CREATE OPERATOR < (FUNCTION = txt_lt, LEFTARG = text, RIGHTARG = mood);
CREATE OPERATOR === (FUNCTION = any_eq, LEFTARG = anyelement, RIGHTARG = pair);
CREATE OPERATOR + (FUNCTION = plus, LEFTARG = bigint, RIGHTARG = text);
CREATE OPERATOR @> (FUNCTION = arr, LEFTARG = int[], RIGHTARG = int);
CREATE CAST (mood AS text) WITH FUNCTION mood_text(mood) AS IMPLICIT;
"""
STATEMENTS = 800
LITERALS = ("1", "2.5", "99999999999", "'x'", "'sad'", "'1'", "null", "true", "array[1, 2]", "'{1}'")


class Crossing(Case):
    schema = Case.schema + functions(MORE) + CROSSING

    def test_random_statements(self) -> None:
        """Of random statements that the server runs, whatever it calls is named."""
        writer, ran, quiet, plain = Writer(random.Random(7)), 0, 0, 0
        for _ in range(STATEMENTS):
            text = writer.statement()
            try:
                heard = self.called(text)
            except psycopg.Error:
                continue
            named = {str(function) for function in self.one(text).functions if function.schema == "app"}
            self.assertLessEqual(heard, named, text)
            ran, quiet, plain = ran + 1, quiet + (not heard), plain + (not named)
        self.assertGreater(ran, STATEMENTS // 10)
        self.assertGreater(plain, quiet // 2)  # and it is no answer to name everything always


class Writer:
    """Random statements over SCHEMA."""

    def __init__(self, source: random.Random) -> None:
        self._any = source.choice

    def statement(self) -> str:
        inner = self._any((self._plain_source, self._union_source))()
        condition = self._value(2, "s.k", "s.z", "id", "m", "p")
        stored = self._value(2, "id", "word", "m", "p", "big")
        return self._any(
            (
                f"select {condition} from t, {inner} s limit 3",
                f"with s as {inner} select 1 from s, t where {condition} limit 3",
                f"update t set {self._any(('word', 'm', 'big'))} = {stored}",
                f"select {self._any(('s.k', 's.z', 's.k = s.z', 's.k < s.z'))} from {inner} s order by 1",
            )
        )

    def _plain_source(self) -> str:
        return f"(select {self._value(1)} as k, {self._value(1)} as z from t)"

    def _union_source(self) -> str:
        left = self._any(("id as k, word as z", "'sad' as k, null as z", f"{self._value(0)} as k, m as z"))
        right = self._any((f"{self._value(1)}, {self._value(1)}", "m, word", "id, m", "big, 'x'"))
        return f"(select {left} from t union all select {right} from t)"

    def _value(self, depth: int, *columns: str) -> str:
        names = columns or ("id", "word", "m", "p", "big", "made")
        kinds = ("column", "column", "literal", "operator", "operator", "call", "cast", "case", "in", "between")
        kind = self._any(kinds if depth else kinds[:3])
        if kind == "column":
            return self._any(names)
        if kind == "literal":
            return self._any(LITERALS)
        one, two, three = (self._value(depth - 1, *columns) for _ in range(3))
        if kind == "operator":
            return f"({one} {self._any(('=', '===', '<', '+', '||', '@>', '<>', '>=', '<=', '*', '~~'))} {two})"
        if kind == "call":
            return f"{self._any(('lower', 'upper', 'length', 'abs', 'concat_ws', 'coalesce', 'to_hex'))}({one})"
        if kind == "cast":
            return f"({one})::{self._any(('int', 'text', 'mood', 'bigint', 'small', 'numeric', 'pair', 'int[]'))}"
        if kind == "case":
            return f"(case when {one} = {two} then {two} else {three} end)"
        return f"({one} in ({two}, {three}))" if kind == "in" else f"({one} between {two} and {three})"
