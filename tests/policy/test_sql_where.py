"""Conditions that no row decides."""

from __future__ import annotations

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from hoopgw.policy.catalogue import Catalogue, Column, Relation
from hoopgw.policy.facts import Where
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import NameContext
from tests.programs import SERVER, found
from tests.store.cluster import Cluster

COLUMNS = (Column(1, "id", 23, True), Column(2, "name", 25), Column(3, "paid", 16))
ORDERS = Relation(20001, "public", "orders", "r", COLUMNS)
CATALOGUE = Catalogue(1, {("public", "orders"): ORDERS}, {20001: ORDERS}, {}, {}, ("public",))

# Every row is hit, or none: these say nothing of rows
CONSTANT = (
    "true", "1 = 1", "'a' = 'a'", "not false", "id = id", "orders.id = id", "id in (id)", "id in (7, id)",
    "id = any (array[id])", "id between id and id", "id between symmetric id and id", "id is not null",
    "orders.id is not null", "ctid is not null", "id >= id", "name like name", "id = 1 or true", "true or name = 'x'",
    "id is not distinct from id", "name is null or name is not null", "paid or not paid", "name = 'x' or 1 = 1",
    "(id = id) is true", "not (id <> id)", "not (id is null)", "id = id and name = name", "case when paid then true"
    " else true end", "id not in (id)", "id <> id", "id is null", "exists (select 1)", "id = 3 or id is not null",
    "(id, name) = (id, name)", "not (not (id = id))", "lower(name) = lower(name)",
)  # fmt: skip
PRESENT = (
    "id = 1", "id in (1, 2)", "id between 1 and id", "id between id and 9", "name is not null", "name is null",
    "paid", "id = 1 and true", "id = 1 or name = 'x'", "id = 1 or false", "id is null or name = 'x'",
    "id <> id or name = 'x'", "id is not null and name = 'x'", "case when paid then true else false end",
    "id in (select 1)", "not (id = 1)", "name = lower(name)", "name is null or paid is not null",
    "paid or not (id = 1)",
)  # fmt: skip


def judged(condition: str, begins: str = "delete from orders") -> Where:
    context = NameContext(("public",))
    return analyse(f"{begins} where {condition}".encode(), CATALOGUE, context).statements[0].where


class Conditions(SynchronousTestCase):
    def test_constant(self) -> None:
        """Proven to be decided by no row, in DELETE and UPDATE."""
        for condition in CONSTANT:
            self.assertIs(judged(condition), Where.CONSTANT, condition)
            self.assertIs(judged(condition, "update orders set name = 'x'"), Where.CONSTANT, condition)

    def test_present(self) -> None:
        """What rows may decide is never taken for constant."""
        for condition in PRESENT:
            self.assertIs(judged(condition), Where.PRESENT, condition)

    def test_aliases(self) -> None:
        """The table by its alias; the columns of another table may be NULL."""
        self.assertIs(judged("o.id = id", "delete from orders o"), Where.CONSTANT)
        self.assertIs(judged("o.id is not null", "delete from orders o"), Where.CONSTANT)
        self.assertIs(judged("p.id is not null or o.id = 1", "delete from orders o using other p"), Where.PRESENT)

    def test_other_tables(self) -> None:
        """What only says something of rows of USING, of FROM or of a subquery hits every row, or none: the condition
        that joins them is missing."""
        for begins, condition in (
            ("delete from orders using other o", "o.id = 1"),
            ("delete from orders using other o", "o.id = 1 and o.name = 'x'"),
            ("delete from orders using (select 1 as a) x", "a = 1"),
            ("delete from orders o using orders p", "p.id = 1"),
            ("update orders set name = 'x' from other", "other.id = 1"),
            ("with x as (select 1 as a) delete from orders using x", "x.a = 1"),
            ("delete from orders", "exists (select 1 from other o where o.id = 1)"),
        ):
            self.assertIs(judged(condition, begins), Where.CONSTANT, f"{begins} where {condition}")
        for begins, condition in (
            ("delete from orders using other o", "o.id = orders.id"),
            ("delete from orders using other o", "o.id = 1 and name = 'x'"),
            ("delete from orders using other o", "orders.* = o.*"),
            ("delete from orders using other o", "public.orders.id = o.a"),
            ("delete from orders x using other o", "o.a = x"),
            ("update orders set name = 'x' from other", "ctid = other.place"),
            ("delete from orders", "exists (select 1 from other o where o.id = orders.id)"),
            ("delete from orders", "exists (select 1 from other o where a = id)"),
            ("delete from orders", "new_column = 1"),
            ("delete from unknown using other o", "a = 1"),
            ("delete from orders using other o", "o.a or o.id = orders.id"),
            ("delete from orders using other o", "not (o.a or o.id = orders.id)"),
        ):
            self.assertIs(judged(condition, begins), Where.PRESENT, f"{begins} where {condition}")

    def test_no_catalogue(self) -> None:
        """Which columns are never NULL is not known then."""
        statement = analyse(b"delete from orders where id is not null", None, NameContext()).statements[0]
        self.assertIs(statement.where, Where.PRESENT)

    @settings(max_examples=200, deadline=None)
    @given(st.recursive(
        st.sampled_from(CONSTANT + PRESENT),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from((" and ", " or ")), inner).map(lambda parts: f"({''.join(parts)})"),
            inner.map(lambda each: f"(not ({each}))"),
        ),
        max_leaves=5,
    ))  # fmt: skip
    def test_any_combination(self, condition: str) -> None:
        """It is read, whatever is combined."""
        self.assertIn(judged(condition), (Where.CONSTANT, Where.PRESENT))


class Live(SynchronousTestCase):
    def test_constant_on_the_server(self) -> None:
        """Of rows without NULL, each constant condition finds all or none."""
        if found(*SERVER) is None:
            raise SkipTest("no PostgreSQL server is installed")
        with psycopg.connect(**Cluster.running().database("conditions"), autocommit=True) as connection:  # type: ignore[arg-type]
            connection.execute("create table orders (id int not null, name text, paid bool)")
            connection.execute("insert into orders values (1, 'x', true), (2, 'y', false), (7, 'x', true)")
            for condition in CONSTANT:
                row = connection.execute(f"select count(*) from orders where {condition}".encode()).fetchone()
                assert row is not None
                self.assertIn(row[0], (0, 3), condition)
