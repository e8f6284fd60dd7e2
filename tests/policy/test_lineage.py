"""What of each output column is shown where columns are masked, and what is refused; by PostgreSQL's own grammar."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.operation import QUERY, Operation
from hoopgw.model.target import Selector
from hoopgw.model.verdict import Verdict
from hoopgw.policy.catalogue import Catalogue, Column, ForeignKey, Function, Relation, Rule, Trigger
from hoopgw.policy.catalogue_memo import Memo
from hoopgw.policy.catalogue_types import Operator, Type, type_system
from hoopgw.policy.facts import Facts, FunctionName
from hoopgw.policy.mask_table import MaskRule
from hoopgw.policy.mask_traces import told
from hoopgw.policy.masks import MaskGuardrail, SqlMasks, resolve
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import context_of

INT, TEXT, ANYELEMENT, RECORD = 23, 25, 2283, 2249


def relation(oid: int, name: str, columns: str, schema: str = "public", kind: str = "r", **more: Any) -> Relation:
    made = tuple(
        Column(number, column, INT if column == "id" else TEXT) for number, column in enumerate(columns.split(), 1)
    )
    return Relation(oid, schema, name, kind, made, **more)


# name -> type of the result
FUNCTIONS = {
    **dict.fromkeys("upper lower concat row_to_json to_jsonb md5 string_agg array_agg max min now".split(), TEXT),
    **dict.fromkeys("left replace quote_literal quote_ident quote_nullable".split(), TEXT),
    **dict.fromkeys("count length row_number generate_series sum ascii pg_sleep abs lag setval nextval".split(), INT),
    "set_config": TEXT,
    "unnest": ANYELEMENT,
    "json_each": RECORD,
    "regexp_split_to_table": TEXT,
    "substring": TEXT,
    "jsonb_build_object": TEXT,
}

VOLATILE = frozenset("pg_sleep setval nextval set_config".split())


def view(oid: int, name: str, columns: str, depends: tuple[int, ...], definition: str | None, **more: Any) -> Relation:
    kind = more.pop("kind", "v")
    return relation(oid, name, columns, kind=kind, depends=frozenset(depends), definition=definition, **more)


VIEWS = (
    view(300, "contacts", "id mail name", (200,), "SELECT id, email AS mail, name FROM public.customers c"),
    view(301, "loud", "u id", (300,), "SELECT upper(mail) AS u, id FROM public.contacts", kind="m"),
    view(302, "names", "id name", (200,), "SELECT id, name FROM public.customers WHERE email ~~ '%@example.org'::text"),
    view(303, "many", "name n", (302,), "SELECT name, count(*) AS n FROM public.names GROUP BY name"),
    view(304, "tally", "name n", (200,), "SELECT name, count(email) AS n FROM public.customers GROUP BY name"),
    view(305, "either", "x", (100, 200), "SELECT note FROM public.orders UNION ALL SELECT email FROM public.customers"),
    view(306, "shut", "id email", (200,), None),
    view(307, "above", "id", (306,), "SELECT id FROM public.shut"),
    view(308, "wide", "id", (200,), "SELECT id, email FROM public.customers"),
    view(309, "newer", "id", (200,), "SELECT id FROM public.customers NEWER SYNTAX"),
    view(310, "diverted", "id mail", (200,), "SELECT id, email AS mail FROM public.customers",
         rules=(Rule("update", True, None),)),
    view(311, "guesses", "v", (12101,), "SELECT v FROM pg_catalog.pg_stats"),
    view(313, "risky", "mail n", (200,), "SELECT email AS mail, 1 / id AS n FROM public.customers"),
    view(312, "noted", "id note", (100,), "SELECT id, note FROM public.orders"),
)  # fmt: skip


def shop() -> Catalogue:
    relations = (
        *VIEWS,
        relation(12101, "pg_stats", "v", "pg_catalog", "v"),
        relation(200, "customers", "id email name"),
        relation(100, "orders", "id customer note"),
        relation(201, "people", "id email city", "crm"),
        relation(12100, "pg_class", "", "pg_catalog"),
    )
    types = (
        Type(INT, "pg_catalog", "int4", "b"),
        Type(TEXT, "pg_catalog", "text", "b"),
        Type(ANYELEMENT, "pg_catalog", "anyelement", "p"),
        Type(RECORD, "pg_catalog", "record", "p"),
        Type(1042, "pg_catalog", "bpchar", "b"),
        Type(1043, "pg_catalog", "varchar", "b"),
        Type(1009, "pg_catalog", "_text", "b", element=TEXT),
    )
    operators = [
        Operator(600 + 2 * index + text, "pg_catalog", name, kind, kind, kind, 0)
        for index, name in enumerate("= <> < > >= <= || + - * / ~ ~~ %".split())
        for text, kind in enumerate((INT, TEXT))
    ]
    functions = {
        ("pg_catalog", name): (
            Function(oid, "pg_catalog", name, "f", "internal", "v" if name in VOLATILE else "s", result=result),
        )
        for oid, (name, result) in enumerate(FUNCTIONS.items(), 5000)
    }
    return Catalogue(
        1,
        {(each.schema, each.name): each for each in relations},
        {each.oid: each for each in relations},
        functions,
        {each.oid: each for found in functions.values() for each in found},
        ("public",),
        type_system(types, operators, ()),
    )


SHOP = shop()


def rule(*columns: str, **more: Any) -> MaskRule:
    made: dict[str, Any] = {"show": "none", "predicates": "refuse", "aggregates": frozenset(), **more}
    return MaskRule("personal", "postgresql", Selector(), None, columns, (), (), **made)


def judged(text: str, *rules: MaskRule, copies: bool = False) -> Verdict:
    guardrail = MaskGuardrail(resolve(rules or (rule("customers.email"),), SHOP), SHOP, None, copies)
    return guardrail.judge(
        Operation("postgresql", QUERY, text.encode()), analyse(text.encode(), SHOP, context_of(SHOP))
    )


def shows(text: str, *rules: MaskRule, copies: bool = False) -> str:
    """By output column: a letter of what is shown; "." all of it; a word where the statement is refused."""
    verdict = judged(text, *rules, copies=copies)
    if verdict.refusals:
        return "refused"
    if not isinstance(verdict.masks, SqlMasks) or not verdict.masks.places:
        return "-"
    (place,) = verdict.masks.places.values()
    return "".join(each.show[:1] or "." for each in place) if any(each.show for each in place) else "-"


# Output columns: n the column's own values, as its rule shows them; w computed with it, NULL; . shown; - none masked
FORMS = {
    # plain
    "select email from customers": "n",
    "select * from customers": ".n.",
    "table customers": ".n.",
    "select c.*, o.* from customers c, orders o": ".n....",
    "select o.*, c.* from customers c, orders o": "....n.",
    "select public.customers.email, id from public.customers": "n.",
    "select name from customers": "-",
    "select x from customers as c(i, x)": "n",
    "select c.x, c.name from customers as c(i, x)": "n.",
    "select (c).email, (c).name from customers c": "w.",
    "select (c).* from customers c": ".n.",
    "select ctid, tableoid, email from customers": "..n",
    # computed
    "select upper(email) from customers": "w",
    "select email || name, name || 'x' from customers": "w.",
    "select email::text, email::varchar(3), name::text from customers": "ww.",
    "select coalesce(email, name), coalesce(name, 'x') from customers": "w.",
    "select case when e = 'a' then n end from (select email as e, lower(name) as n from customers) q": "w",
    "select case when mail = 'a' then note end, mail in ('a', note) from contacts join orders using (id)": "ww",
    "select nullif(email, 'a') from customers": "w",
    "select greatest(email, name), least(id, 1) from customers": "w.",
    "select case when id = 1 then email else name end from customers": "w",
    "select case email when 'a' then 1 else 2 end, id from customers": "w.",
    "select case when name = 'a' then id end from customers": "-",
    "select email = 'a', email is null, email in ('a'), email is distinct from 'a' from customers": "wwww",
    "select email between 'a' and 'b', name between 'a' and 'b' from customers": "w.",
    "select array[email, name], array[name] from customers": "w.",
    "select (array[email])[1] from customers": "w",
    "select row(id, email), row(id, name), (id, email) from customers": "w.w",
    "select c from customers c": "w",
    "select customers from customers": "w",
    "select c.*::text from customers c": "w",
    "select row_to_json(c), row_to_json(o) from customers c, orders o": "w.",
    "select to_jsonb(c) from customers c": "w",
    "select concat(c) from customers c": "w",
    "select c is null from customers c": "w",
    "select row_to_json((select x from (select c.id, c.email) x)) from customers c": "w",
    'select email collate "C" from customers': "w",
    "select md5(email), length(email), ascii(email) from customers": "www",
    "select substring(email from 1 for 1), substring(name from 1 for 1) from customers": "w.",
    # aggregates and windows
    "select count(*), count(email), count(id) from customers": ".w.",
    "select count(distinct email), max(email), min(name) from customers": "ww.",
    "select count(*) filter (where email = 'a'), count(*) filter (where name = 'a') from customers": "w.",
    "select string_agg(name, ',' order by email), array_agg(id) from customers": "w.",
    "select string_agg(email, ','), name from customers group by name": "w.",
    "select lag(email) over (order by id), lag(id) over (order by id) from customers": "w.",
    "select max(email) over (), row_number() over () from customers": "w.",
    "select max(id) over w from customers window w as (partition by name)": "-",
    # subqueries
    "select * from (select * from customers) s": ".n.",
    "select s.x from (select email as x, name from customers) s": "n",
    "select x, y from (select upper(email) as x, name as y from customers) s": "w.",
    "select * from (select id, email from customers) s(a, b)": ".n",
    "select (select email from customers limit 1), (select name from customers limit 1)": "w.",
    "select array(select email from customers)": "w",
    "select exists(select email from customers), exists(select 1 from customers where id = 1)": "-",
    "select id, (select max(c.email) from customers c where c.id = o.id) from orders o": ".w",
    "select 'a' in (select name from customers), id from orders": "-",
    "select s.* from customers c, lateral (select c.email, c.name) s": "n.",
    "select s.e from customers c cross join lateral (select upper(c.email) e) s": "w",
    "select json_array(select name from customers where id < 3), id from orders": "-",
    # joins
    "select * from orders join customers on orders.id = customers.id": "....n.",
    "select * from orders join customers using (id)": "...n.",
    "select * from orders natural join customers": "...n.",
    "select j.* from (orders o join customers c on o.id = c.id) as j": "....n.",
    "select j.e from (orders o join customers c on o.id = c.id) as j(a, b, n, i, e)": "n",
    "select * from customers c left join crm.people p using (id)": ".n...",
    "select name, note from customers join orders using (id)": "-",
    "select k.id, email from customers join orders using (id) as k": ".n",
    # set operations
    "select email from customers union all select note from orders": "n",
    "select note from orders union all select email from customers": "n",
    "select id, note from orders union all select id, upper(email) from customers": ".w",
    "select id, note from orders union select id, name from customers": "-",
    "(select email from customers limit 1) union all (select note from orders limit 1)": "n",
    "select email from customers union all select 'x' union all select note from orders": "n",
    "values (1, 'a')": "-",
    "select * from (values (1, 'a')) v, customers": "...n.",
    "values ((select email from customers limit 1), 1)": "w.",
    # WITH
    "with x as (select email from customers) select * from x": "n",
    "with x(a, b) as (select id, email from customers) select b, a from x": "n.",
    "with x as (select * from customers), y as (select email e, name from x) select * from y": "n.",
    "with x as materialized (select upper(email) u from customers) select u, 1 from x": "w.",
    "with customers as (select id, note as email from orders) select email from customers": "-",
    "with customers as (select email from customers) select email from customers": "n",
    "with x as (select name from customers) select (select name from x), (with x as (select email from customers)"
    " select email from x) from orders": ".w",
    "with recursive x as (select id, email from customers union all select id + 1, email from x where id < 3)"
    " select * from x": ".n",
    "with recursive x(n, t) as (select 1, 'a'::text union all select n + 1, (select email from customers limit 1)"
    " from x where n < 3) select n, t from x": ".w",
    "with recursive x(a, b, c) as (select id, note, note from orders union all"
    " select x.a + 1, x.c, customers.email from x, customers where x.a < 3) select a, b, c from x": ".nn",
    "with recursive x(n, e) as (select 1, email from customers union all select n + 1, e from x where n < 3)"
    " cycle n set c using p select n, e, c from x": ".nw",
    "with recursive a as (select * from b), b as (select email from customers) select * from a": "n",
    "with x as (delete from customers where id = 1 returning email, name) select * from x": "n.",
    # functions in FROM
    "select * from generate_series(1, 3)": "-",
    "select email, g from customers, generate_series(1, 3) g": "n.",
    "select g.*, upper(email) from customers, generate_series(1, 3) g": ".w",
    "select email, j.value from customers, json_each('{}') j": "n.",
    "select customers.*, j.* from customers, json_each('{}') j": "-",  # the target says which columns are email
    "select upper(email), j.* from customers, json_each('{}') j": "refused",
    "select n.*, email from customers, unnest(array['a']) with ordinality as n(x, y)": "-",
    "select relname, (select email from customers limit 1) from pg_class": ".w",
    "select *, (select email from customers limit 1) from pg_class": "refused",
    # what writes
    "update customers set email = 'x' where id = 1 returning *": ".n.",
    "update customers c set name = 'x' from orders o where o.id = c.id returning c.email, note, upper(email)": "n.w",
    "update customers set name = name || 'x' where id = 1 returning *": ".n.",
    "update orders set note = 'x' returning *": "-",
    "insert into customers(email) values ('x') returning email, length(email)": "nw",
    "insert into customers values (1, 'a') on conflict (id) do update set email = excluded.email returning *": ".n.",
    "insert into orders(note) values ('x') returning (select email from customers limit 1)": "w",
    "delete from customers where id = 1 returning customers": "w",
    "delete from orders o using customers c where o.id = c.id returning *": "....n.",
    "merge into orders o using customers c on o.id = c.id when matched then delete returning *": ".n....",
    # what holds another
    "explain select upper(email) from customers": "-",
    "explain (analyze) select email from customers": "-",
    "declare x cursor for select upper(email) from customers": "w",
    "copy (select upper(email), id from customers) to stdout": "w.",
    "copy customers (name, email) to stdout": ".n",
}

# What decides by equality alone
EQUAL = (
    "select id from customers where email = 'a'",
    "select id from customers where 'a' = email and id = 1",
    "select id from customers where email <> $1",
    "select id from customers where lower(email) = lower($1)",
    "select id from customers where email in ('a', $1)",
    "select id from customers where email = any(array['a', $1])",
    "select id from customers where email is not null",
    "select id from customers where not (email = 'a' or name like 'b%')",
    "select id from customers where email::text = 'a'",
    "select id from customers where email is not distinct from $1",
    "select id from orders where note in (select email from customers)",
    "select id from customers where email in (select note from orders)",
    "select 1 from customers c join orders o on c.email = o.note",
    "select 1 from customers join crm.people using (email)",
    "select 1 from customers natural join crm.people",
    "select distinct email from customers",
    "select email from customers union select note from orders",
    "select note from orders except select email from customers",
    "select email, count(*) from customers group by email",
    "select email, count(*) from customers group by 1",
    "select email as x, count(*) from customers group by x",
    "select count(*) from customers group by rollup (name, email)",
    "delete from customers where email = 'a'",
    "update customers set name = 'x' where email = 'a'",
    "insert into customers(email) values ('a') on conflict (email) do nothing",
    "merge into orders o using customers c on o.note = c.email when matched then delete",
    "with x as (select id from customers where email = 'a') select * from x",
    "select (select id from customers where email = 'a')",
    "with recursive x(n, e) as (select 1, email from customers union all select n + 1, 'a' from x where n < 3)"
    " cycle e set c using p select n from x",
    "with recursive x(e) as (select email from customers union all select note from orders, x where false)"
    " cycle e set c to 'y' default 'n' using p select 1 from x",
)
# What decides in any other way, or may tell by failing or by its time
CHOSEN = (
    "select id from customers where email like 'a%'",
    "select id from customers where email > 'a'",
    "select id from customers where email between 'a' and 'b'",
    "select id from customers where email ~ '^a'",
    "select id from customers where substring(email, 1, 1) = 'a'",
    "select id from customers where email::varchar(1) = 'a'",
    "select id from customers where email::char = 'a'",
    "select id from customers where length(email) = 3",
    "select id from customers where (email = 'a') = (name = 'b')",
    "select id from customers where email = name || 'x'",
    "select id from customers where c_is(email)",
    "select id from (select id, substring(email, 1, 1) x from customers) s where x = 'a'",
    "select id from orders where 'a' in (select substring(email, 1, 1) from customers)",
    "select id from orders where note in (select substring(email, 1, 1) from customers)",
    "select id from customers c where c::text = 'a'",
    "select id from customers where row_to_json(customers)::text = 'a'",
    "select id from customers where exists (select 1 from orders where note like customers.email)",
    "select id from customers where (select email from customers c limit 1) = 'a'",
    "select id from customers order by email",
    "select id from customers order by email is null",
    "select email as x from customers order by x",
    "select id, email from customers order by 2",
    "select id from customers order by (select c.email from customers c where c.id = customers.id)",
    "select upper(email) as x from customers group by x",
    "with recursive x(n, e) as (select 1, upper(email) from customers union all select n + 1, 'a' from x where n < 3)"
    " cycle n, e set c using p select n from x",
    "select distinct upper(email) from customers",
    "select distinct on (email) id from customers",
    "select id from customers group by id having max(email) > 'a'",
    "select id from customers group by substring(email, 1, 1), id",
    "select row_number() over (order by email) from customers",
    "select row_number() over w from customers window w as (partition by email)",
    "select id from customers limit (select length(email) from customers where id = 1)",
    "select id from customers offset (select length(email) from customers where id = 1)",
    "select o.id from orders o join customers c on c.email like o.note",
    "select 1 from customers c, generate_series(1, length(c.email))",
    "select generate_series(1, length(email)) from customers",
    "select regexp_split_to_table(email, '') from customers",
    "select t.* from customers c, regexp_split_to_table(c.email, '') t",
    "select 1 / length(email) from customers",
    "select email::int from customers",
    "select pg_sleep(length(email)) from customers",
    "select email like 'a%' from customers",
    "select substring(name from 1 for length(email)) from customers",
    "select (email).pg_sleep from customers",
    "select json_array(select email from customers)",
    "select name, json_array(select c.email from orders) from customers c",
    "select case when email = 'a' then pg_sleep(1) end from customers",
    "select case when email = 'a' then (select id from orders) end from customers",
    "select coalesce(email, (select note from orders)) from customers",
    "select email = 'a' and (select id from orders) = 1 from customers",
    "select count(*) filter (where email = 'a' and (select id from orders) = 1) from customers",
    "select 1 / (select count(email) from customers)",
    "select replace(replace(left(email, 1), 'a', 'bbbbbbbbbb'), 'b', 'cccccccccc') from customers",
    "select quote_literal(quote_ident(email)), quote_nullable(email) from customers",
    # a part that is reached only if the value before it has not decided: whether it fails tells
    "select email between 'a' and (select note from orders) from customers",
    "select email not between symmetric 'a' and (select note from orders) from customers",
    "select email in ('a', (select note from orders)) from customers",
    "select (email, name) < ('a', (select note from orders)) from customers",
    "select (email, name) is distinct from ('a', (select note from orders)) from customers",
    "select email < any (select 'a' union all select (1 / id)::text from orders) from customers",
    "select 'a' > all (select email from customers union all select (1 / id)::text from orders)",
    "select case when e > 'a' then n end from (select email as e, 1 / id as n from customers) q",
    "select coalesce(e, n) from (select email as e, (select note from orders) as n from customers) q",
    "select q.e > 'a' and q::text = 'b' from (select email as e, (1 / id)::text as n from customers) q",
    "select case when e > 'a' then (q).n end from (select email as e, 1 / id as n from customers) q",
    "with q as (select email as e, 1 / id as n from customers) select case when e > 'a' then n end from q",
    "select case when c.email > 'a' then v.n end from customers c, lateral (values (1 / c.id)) v(n)",
    "select case when email > 'a' then a.n end from customers, (select 1 as n union all select 1 / id from orders) a",
    "select case when c.email > 'a' then n.note end from customers c, noted n",  # a view that nobody has followed
    "select case when mail > 'a' then n end from risky",
    "update customers set name = 'x' where email like 'a%'",
    "delete from orders using customers where note like email",
    "merge into orders o using customers c on o.id = c.id when matched and c.email like 'a%' then delete",
    "insert into orders values (1) on conflict (id) do update set note = 'x' where exists"
    " (select 1 from customers where email like 'a%')",
    "insert into customers(email) values ('a') on conflict (lower(email)) do nothing",
    "explain select id from customers where email like 'a%'",
    "with x as (select id from customers where email like 'a%') select count(*) from x",
    "with recursive x as (select email e, 1 n from customers union all select e, n + 1 from x where e > 'a' and n < 3)"
    " select n from x",
    "copy (select id from customers where email like 'a%') to stdout",
    "declare x cursor for select id from customers order by email",
)
# What copies
STORED = (
    "insert into orders(note) select email from customers",
    "insert into orders(note) select upper(email) from customers",
    "insert into orders(note) values ((select email from customers limit 1))",
    "insert into orders(note) select c::text from customers c",
    "insert into orders select * from customers",
    "insert into orders(note) select name from customers union all select email from customers",
    "insert into orders(id, note) select id, email from customers on conflict (id) do update set note = excluded.note",
    "with x as (select email e from customers) insert into orders(note) select e from x",
    "with x as (delete from customers where id = 1 returning email) insert into orders(note) select email from x",
    "with x as (insert into orders(note) select email from customers returning id) select id from x",
    "update orders set note = email from customers where customers.id = orders.id",
    "update orders set note = (select email from customers c where c.id = orders.id)",
    "update orders set (id, note) = (select id, email from customers limit 1)",
    "update customers set name = email",
    "update customers set email = lower(email)",
    "update customers set name = c.email from customers c where c.id = customers.id",
    "merge into orders o using customers c on o.id = c.id when matched then update set note = c.email",
    "merge into orders o using customers c on o.id = c.id when not matched then insert (id, note) values (1, c.email)",
    "create table copied as select email from customers",
    "create table copied as with x as (select email from customers) select * from x",
    "create materialized view copied as select * from customers",
    "create view seen as select upper(email) from customers",
    "select email into copied from customers",
    "explain analyze insert into orders(note) select email from customers",
    "explain analyze create table copied as select email from customers",
    "copy customers to '/tmp/x'",
    "copy (select upper(email) from customers) to program 'cat'",
)
# What keeps it: a setting, a sequence.  From there it could be read again
KEPT = (
    "select set_config('my.x', email, false) from customers",
    "select set_config('my.x', (select email from customers limit 1), false)",
    "select upper(pg_catalog.set_config('my.x', lower(email), false)) from customers",
    "select set_config('my.x', e, false) from (select upper(email) as e from customers) q",
    "select id from customers where set_config('my.x', email, false) is null",
    "select id from customers order by set_config('my.x', email, false)",
    "select * from customers c, set_config('my.x', c.email, false)",
    "select * from orders o join customers c on set_config('my.x', c.email, false) = o.note",
    "select count(*) from customers having set_config('my.x', max(email), false) is null",
    "select 1 limit (select setval('s', ascii(email)) from customers limit 1)",
    "update customers set name = 'x' where set_config('my.x', email, false) is null",
    "delete from orders returning (select set_config('my.x', email, false) from customers limit 1)",
    "insert into orders(id) values (1) returning (select setval('s', length(email)) from customers limit 1)",
    "select (email).nextval from customers",
)
# What does none of it, though it touches the table
FREE = (
    "insert into orders(note) select name from customers",
    "create table copied as select id, name from customers",
    "update customers set email = $1 where id = 1",
    "insert into customers select 1, note, note from orders",
    "select id from customers where name like 'a%' order by name limit 3",
    "select distinct name from customers",
    "select name, count(*) from customers group by name having count(*) > 1 order by 2",
    "select id from orders where note = (select name from customers where id = 1)",
    "select id from customers c where exists (select 1 from orders o where o.id = c.id)",
    "copy (select id, name from customers) to program 'cat'",
)


class Outputs(SynchronousTestCase):
    def test_forms(self) -> None:
        """What depends on a masked column is masked: its own values as the rule says, the rest whole."""
        for text, wanted in FORMS.items():
            with self.subTest(text):
                self.assertEqual(shows(text), wanted)

    def test_every_rule_alone(self) -> None:
        """A column that no rule masks is shown in every form."""
        for text in FORMS:
            with self.subTest(text):
                self.assertIn(shows(text, rule("elsewhere.email")), ("-",))

    def test_strictest_of_several_columns(self) -> None:
        """A column that shows values of two masked ones shows as little as the stricter rule says."""
        rules = rule("customers.email", show="last4"), rule("orders.note", show="hash")
        self.assertEqual(shows("select email from customers union all select note from orders", *rules), "h")
        self.assertEqual(shows("select email, note from customers, orders", *rules), "lh")

    def test_words(self) -> None:
        """must-survive 19: `hoopgw explain` says of each masked output column what it depends on, and what is shown."""
        text = "select id, email, upper(email || name) from customers"
        (statement,) = analyse(text.encode(), SHOP, context_of(SHOP)).statements
        table = resolve((rule("customers.email", show="last4"), rule("customers.name")), SHOP)
        self.assertEqual(
            list(told(table, SHOP, statement.lineage)),
            [
                "2 email: from public.customers.email; shown: its last 4 characters",
                "3 upper: computed with public.customers.email, public.customers.name; shown: NULL",
            ],
        )


class Decides(SynchronousTestCase):
    def test_refused(self) -> None:
        """must-survive 20: by default a masked column decides nothing."""
        for text in (*EQUAL, *CHOSEN):
            with self.subTest(text):
                self.assertEqual(shows(text), "refused")

    def test_equal(self) -> None:
        """must-survive 20: with `equal` whole values may be compared, and nothing else."""
        equal = rule("customers.email", predicates="equal")
        for text in EQUAL:
            with self.subTest(text):
                self.assertNotEqual(shows(text, equal), "refused")
        for text in CHOSEN:
            with self.subTest(text):
                self.assertEqual(shows(text, equal), "refused")

    def test_allowed(self) -> None:
        """With `allow` a masked column decides what it likes; its values stay masked."""
        allow = rule("customers.email", predicates="allow")
        for text in (*EQUAL, *CHOSEN):
            if "c_is" not in text:  # a function that nobody knows stays refused
                with self.subTest(text):
                    self.assertNotEqual(shows(text, allow), "refused")
        self.assertEqual(shows("select email, 1 / length(email) from customers where email like 'a%'", allow), "nw")

    def test_strictest_rule(self) -> None:
        """Of two rules on one column the one that allows less counts."""
        rules = rule("*.email", predicates="allow"), rule("customers.email", predicates="equal")
        self.assertEqual(shows(EQUAL[0], *rules), "-")
        self.assertEqual(shows(CHOSEN[0], *rules), "refused")
        self.assertEqual(shows("select id from crm.people where email like 'a%'", *rules), "-")

    def test_free(self) -> None:
        """Other columns of the table decide, and are copied, as ever."""
        for text in FREE:
            with self.subTest(text):
                self.assertNotEqual(shows(text), "refused")


class Aggregates(SynchronousTestCase):
    def test_named(self) -> None:
        """An aggregate that the rule names is shown, of the column itself and of nothing computed with it."""
        count = rule("customers.email", aggregates=frozenset(("count",)))
        for text, wanted in (
            ("select count(email), max(email) from customers", ".w"),
            ("select count(distinct email) from customers", "-"),
            ("select count(nullif(email, 'a')), count(upper(email)) from customers", "ww"),
            ("select count(email) filter (where email = 'a') from customers", "w"),
            ("select count(email) over (partition by name) from customers", "w"),
            ("select count(email) * 2 from customers", "-"),
            ("select n from (select count(email) n from customers) s", "-"),
            ("select name from customers group by name having count(email) > 1", "-"),
        ):
            with self.subTest(text):
                self.assertEqual(shows(text, count), wanted)
        self.assertEqual(shows("select count(email) from customers", count, rule("customers.email")), "w")


class Stored(SynchronousTestCase):
    def test_refused(self) -> None:
        """Masked values are not copied elsewhere, where no rule would mask them."""
        for text in STORED:
            with self.subTest(text):
                self.assertIn("copied", judged(text).refusals[0].reason)

    def test_kept(self) -> None:
        """A volatile function is given no masked value, also where those may decide anything: what it keeps can be read
        from there.  A query beside it may be anything."""
        free = rule("customers.email", predicates="allow")
        for text in KEPT:
            with self.subTest(text):
                self.assertIn("copied", judged(text, free).refusals[0].reason)
        for text, wanted in (
            ("select nextval('s'), set_config('my.x', 'a', false), email from customers", "..n"),
            ("select email, set_config('my.x', name, false) from customers", "n."),
            ("select pg_sleep(length(email)) from customers", "w"),
        ):
            with self.subTest(text):
                self.assertEqual(shows(text, free), wanted)

    def test_granted(self) -> None:
        """A grant with `copy-masked` lets them be copied, and what is shown stays masked."""
        free = rule("customers.email", predicates="allow")
        for text in (*STORED, *KEPT):
            with self.subTest(text):
                self.assertNotEqual(shows(text, free, copies=True), "refused")
        text = "insert into orders(note) select email from customers returning (select max(email) from customers)"
        self.assertEqual(shows(text, copies=True), "w")


class Views(SynchronousTestCase):
    def test_columns(self) -> None:
        """A view's column is masked by what it depends on, through as many views as there are."""
        for text, wanted in (
            ("select * from contacts", ".n."),
            ("select upper(mail), name from contacts", "w."),
            ("select * from loud", "w."),
            ("select l.u from (select u, id from loud) l", "w"),
            ("select id from loud", "-"),
            ("select * from names", "-"),
            ("select * from many", "-"),
            ("select * from tally", ".w"),
            ("select x from either", "n"),
            ("select * from noted", "-"),
            ("select id from contacts where mail = 'a'", "refused"),
            ("select * from contacts order by mail", "refused"),
            ("insert into orders(note) select u from loud", "refused"),
            ("refresh materialized view loud", "-"),
            ("update contacts set name = 'x' where id = 1 returning *", ".n."),
            ("update contacts set mail = name where id = 1", "-"),
        ):
            with self.subTest(text):
                self.assertEqual(shows(text), wanted)

    def test_cannot_be_followed(self) -> None:
        """A view without a definition, or with one that says something else, is refused; so is what stands on it."""
        for name in ("shut", "above", "wide", "newer", "guesses"):
            with self.subTest(name):
                self.assertIn("shows", judged(f"select * from {name}").refusals[0].reason)

    def test_written(self) -> None:
        """Who writes to a view with rules of its own cannot know what they do; reading it is followed."""
        self.assertEqual(shows("select * from diverted"), ".n")
        self.assertIn("rules", judged("update diverted set id = 1 where id = 2").refusals[0].reason)

    def test_aggregates(self) -> None:
        """What the rule lets be counted may be counted in a view."""
        self.assertEqual(shows("select * from tally", rule("customers.email", aggregates=frozenset(("count",)))), "-")

    def test_kept(self) -> None:
        """A view is read once for each catalogue."""
        fresh = shop()
        resolve((rule("customers.email"),), fresh)
        before = dict(fresh.followed)
        self.assertIn(301, before)
        self.assertNotIn(312, before)
        resolve((rule("customers.email"),), fresh)
        for oid, columns in before.items():
            self.assertIs(fresh.followed[oid], columns)


class Words(SynchronousTestCase):
    """Whether what the target says of a statement is withheld."""

    def told(self, text: str, *changed: Relation, **names: Any) -> bool:
        relations = {(each.schema, each.name): each for each in (*SHOP.relations.values(), *changed)}
        by_oid = {each.oid: each for each in relations.values()}
        known = replace(SHOP, relations=relations, by_oid=by_oid, memo=Memo(), followed={}, **names)
        guardrail = MaskGuardrail(resolve((rule("customers.email"),), known), known, None)
        facts = analyse(text.encode(), known, context_of(known))
        verdict = guardrail.judge(Operation("postgresql", QUERY, text.encode()), facts)
        self.assertEqual(verdict.refusals, ())
        return not getattr(verdict.masks, "errors", False)

    def test_views(self) -> None:
        """must-survive 19: what a view computes fails in the statement that reads it, whatever columns it shows."""
        for text in ("select id from names", "explain analyze select * from many", "copy (table many) to stdout",
                     "refresh materialized view loud", "create temp table t as select id from names"):  # fmt: skip
            with self.subTest(text):
                self.assertFalse(self.told(text))
        self.assertTrue(self.told("select * from noted"))

    def test_cascades(self) -> None:
        """must-survive 19: of a row that goes with another PostgreSQL tells in the words about the other."""
        orders = SHOP.relations["public", "orders"]
        referred = replace(orders, referenced=(ForeignKey(200, "c", "a"),))
        self.assertTrue(self.told("delete from orders"))
        self.assertFalse(self.told("delete from orders", referred))
        self.assertTrue(self.told("insert into orders(note) values ('x')", referred))

    def test_triggers(self) -> None:
        """must-survive 19: a trigger speaks in the statement that it is for; of an unread one nobody knows."""
        orders = replace(SHOP.relations["public", "orders"], triggers=(Trigger("t", 30000, frozenset(("insert",))),))
        body = "CREATE OR REPLACE FUNCTION public.nosy() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {} END; $f$"
        for does, heard in (
            ("RAISE NOTICE '%', (SELECT name FROM public.customers WHERE email LIKE 'a%'); RETURN NEW;", False),
            ("EXECUTE 'select 1'; RETURN NEW;", False),
            ("RETURN NEW;", True),
        ):
            nosy = Function(30000, "public", "nosy", "f", "plpgsql", "v", definition=body.format(does))
            names = {
                "functions": {**SHOP.functions, ("public", "nosy"): (nosy,)},
                "function_by_oid": {**SHOP.function_by_oid, 30000: nosy},
            }
            with self.subTest(does):
                self.assertEqual(self.told("insert into orders(note) values ('x')", orders, **names), heard)
                self.assertTrue(self.told("delete from orders", orders, **names))

    def test_policies(self) -> None:
        """must-survive 19: a policy that looks at the row computes with the masked column for every reader."""
        customers = SHOP.relations["public", "customers"]
        self.assertTrue(self.told("select id from customers"))
        self.assertFalse(self.told("select id from customers", replace(customers, policy_reads=frozenset((200,)))))


class Functions(SynchronousTestCase):
    def test_unread(self) -> None:
        """A function of somebody's own may read what it likes: it is refused, also where a view calls it."""
        (found,) = analyse(b"select id from orders", SHOP, context_of(SHOP)).statements
        calling = replace(found, functions=frozenset((FunctionName("public", "f"),)))
        guardrail = MaskGuardrail(resolve((rule("customers.email"),), OWN), OWN, None)
        verdict = guardrail.judge(Operation("postgresql", QUERY, b""), Facts((calling,)))
        self.assertIn("public.f", verdict.refusals[0].reason)
        behind = view(320, "sly", "x", (100,), "SELECT public.f() AS x FROM public.orders", calls=frozenset((20000,)))
        names = replace(OWN, relations={**OWN.relations, ("public", "sly"): behind}, by_oid={**OWN.by_oid, 320: behind})
        (reading,) = analyse(b"select x from sly", names, context_of(names)).statements
        masks = MaskGuardrail(resolve((rule("customers.email"),), names), names, None)
        refused = masks.judge(Operation("postgresql", QUERY, b""), Facts((replace(reading, inside="", opaque=""),)))
        self.assertIn("function public.f", refused.refusals[0].reason)
        compiled = replace(found, functions=frozenset((FunctionName("public", "c"),)))
        self.assertEqual(guardrail.judge(Operation("postgresql", QUERY, b""), Facts((compiled,))).refusals, ())


OWN = replace(
    SHOP,
    function_by_oid={**SHOP.function_by_oid, 20000: Function(20000, "public", "f", "f", "sql", "v")},
    functions={
        **SHOP.functions,
        ("public", "f"): (Function(20000, "public", "f", "f", "sql", "v"),),
        ("public", "c"): (Function(20001, "public", "c", "f", "c", "i"),),
    },
)


class Lost(SynchronousTestCase):
    def test_deep(self) -> None:
        """What is nested too deeply to be followed is refused where masked columns are near, and only there."""
        for table, wanted in (("customers", "refused"), ("orders", "-")):
            text = "select * from " + "(select * from " * 150 + table + ") s" * 150
            self.assertEqual(shows(text), wanted)
        self.assertEqual(shows("select " + " || ".join(["email"] * 300) + " from customers"), "w")

    def test_no_end(self) -> None:
        """However queries are nested, reading them ends: recursive ones are read in rounds, inside of rounds."""
        text = "select email as e from customers"
        for depth in range(14):
            name = f"r{depth}"
            text = f"with recursive {name} as ({text} union all select e from {name} where false) select e from {name}"
        self.assertEqual(shows(text), "refused")
        text = "select note from orders"
        for _ in range(60):
            text = f"select note from orders where note in ({text})"
        self.assertEqual(shows(f"select email from customers where name in ({text})"), "n")

    def test_prepared(self) -> None:
        """What PREPARE and DECLARE hold is followed for the EXECUTE or FETCH to come."""
        for text in (
            "prepare p as select upper(email) from customers",
            "declare p cursor for select email from customers",
        ):
            (statement,) = analyse(text.encode(), SHOP, context_of(SHOP)).statements
            (held,) = statement.body
            assert held.lineage is not None
            self.assertEqual(len(held.lineage.outputs), 1)

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_composed(self, data: st.DataObject) -> None:
        """However queries are put together: the column that carries the masked one is masked, the other never is."""
        text = data.draw(_queries(3))
        late = ("refused",) if "(select max" in text else ()  # a subquery behind CASE: when it runs could tell
        self.assertIn(shows(f"select a, b from ({text}) q"), ("n.", "w.", *late), text)


def _queries(depth: int) -> st.SearchStrategy[str]:
    """Queries of two columns: a depends on the masked one, b does not."""
    base = st.sampled_from(
        (
            "select email as a, name as b from customers",
            "select upper(email) as a, id::text as b from customers",
            "select (select max(email) from customers) as a, note as b from orders",
            "select c.email as a, o.note as b from orders o join customers c on o.id = c.id",
            "select c::text as a, 'x'::text as b from customers c",
        )
    )
    if depth == 0:
        return base
    inner = _queries(depth - 1)
    around = st.sampled_from(
        (
            "select * from ({}) s{n}",
            "select s{n}.a, s{n}.b from ({}) s{n}",
            "select y as a, x as b from (select b as x, a as y from ({}) s{n}) t{n}",
            "with w{n} as ({}) select * from w{n}",
            "with w{n}(p, q) as ({}) select concat(p, q) as a, q as b from w{n}",
            "select max(a) as a, b from ({}) s{n} group by b",
            "select l.* from orders cross join lateral ({}) l",
            "select (array_agg(a))[1] as a, 'z'::text as b from ({}) s{n}",
            "select case when b = 'x' then a else b end as a, b from ({}) s{n} order by b",
            "with recursive w{n} as (select a, b, 1 as n from ({}) s{n} union all select a, b, n + 1 from w{n}"
            " where n < 3) select a, b from w{n}",
        )
    )
    one = st.builds(lambda form, text: form.replace("{n}", str(depth)).replace("{}", text), around, inner)
    two = st.builds(lambda a, b: f"({a}) union all ({b})", inner, inner)
    clean = st.builds(lambda a: f"(select note as a, note as b from orders) union all ({a})", inner)
    return st.one_of(base, one, two, clean)
