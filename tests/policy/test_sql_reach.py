"""What a statement touches that it does not name as a relation, and settings that are changed without SET."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.catalogue import Catalogue, Column, Relation
from hoopgw.policy.facts import Facts
from hoopgw.policy.guardrails import Conditions, Match
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import NameContext, context_of
from hoopgw.policy.sql_reach import MAX_REACHED
from hoopgw.session.sqlbuiltin import built_in

PLAIN = (Column(1, "id", 23), Column(2, "note", 25))
SHOWN = (Column(1, "name", 25), Column(2, "setting", 25))
RELATIONS = (
    Relation(20_001, "hr", "salaries", "r", PLAIN),
    Relation(20_002, "public", "notes", "r", PLAIN),
    Relation(20_003, "public", "knobs", "v", SHOWN, depends=frozenset((12_000,))),
    Relation(12_000, "pg_catalog", "pg_settings", "v", SHOWN),
    Relation(12_001, "pg_catalog", "pg_file_settings", "v", SHOWN),
    Relation(20_004, "public", "files", "v", SHOWN, depends=frozenset((12_001,)), definition="SELECT 1"),
)


def catalogue(*more: Relation) -> Catalogue:
    every = (*RELATIONS, *more)
    by_name = {(each.schema, each.name): each for each in every}
    return Catalogue(1, by_name, {each.oid: each for each in every}, {}, {}, ("public",))


CATALOGUE = catalogue()
RULE = Conditions(tables=("hr.salaries",))


def facts(text: str, known: Catalogue | None = CATALOGUE, context: NameContext | None = None) -> Facts:
    return analyse(text.encode(), known, context or context_of(known))


def matches(text: str, rule: Conditions = RULE, known: Catalogue | None = CATALOGUE) -> Match:
    (statement,) = facts(text, known).statements
    return rule.match(statement, text.encode())


class Reach(SynchronousTestCase):
    def test_whole_schemas(self) -> None:
        """must-survive 17: what is done to a schema is done to its tables: renamed, dropped, granted, published."""
        for what in (
            "alter schema {} rename to other",
            "drop schema {} cascade",
            "drop schema public2, {}",
            "alter schema {} owner to somebody",
            "grant select on all tables in schema {} to public",
            "revoke all on all tables in schema {} from public",
            "create publication p for tables in schema {}",
            "alter publication p add tables in schema {}",
            "reindex schema {}",
        ):
            self.assertIs(matches(what.format("hr")), Match.YES, what)
            self.assertIs(matches(what.format("public")), Match.NO, what)
            self.assertIs(matches(what.format("hr"), Conditions(schemas=("hr",))), Match.YES, what)

    def test_the_schema_itself(self) -> None:
        """What says something of a schema, and of no table in it, is for rules that name schemas."""
        for text in (
            "grant usage on schema hr to public",
            "comment on schema hr is 'x'",
            "alter default privileges in schema hr grant select on tables to public",
        ):
            self.assertIs(matches(text), Match.NO, text)
            self.assertIs(matches(text, Conditions(schemas=("hr",))), Match.YES, text)

    def test_every_table(self) -> None:
        """Where no table is named all are meant."""
        for text in (
            "vacuum",
            "vacuum full",
            "analyze",
            "cluster",
            "reindex database d",
            "create publication p for all tables",
            "create publication p for tables in schema current_schema",
            "drop owned by somebody",
            "reassign owned by somebody to another",
            "alter table all in tablespace pg_default set tablespace other",
            "alter extension e set schema other",
        ):
            self.assertIs(matches(text), Match.YES, text)
            self.assertIs(matches(text, known=None), Match.DOUBT, text)

    def test_what_stands_on_a_table(self) -> None:
        """Policies, triggers, rules, comments and sequences are their table's."""
        for text in (
            "drop policy p on hr.salaries",
            "drop trigger t on hr.salaries",
            "drop rule r on hr.salaries",
            "comment on table hr.salaries is 'x'",
            "comment on column hr.salaries.id is 'x'",
            "comment on constraint c on hr.salaries is 'x'",
            "security label on column hr.salaries.id is 'x'",
            "create sequence s owned by hr.salaries.id",
            "alter sequence notes owned by hr.salaries.id",
        ):
            self.assertIs(matches(text), Match.YES, text)
            self.assertIs(matches(text.replace("hr.salaries", "public.notes")), Match.NO, text)
        self.assertIs(matches("drop index hr.one_of_somebody"), Match.DOUBT)

    def test_functions_behind_views_of_postgresql(self) -> None:
        """A rule about pg_show_all_file_settings is about the view that calls it, by whatever name."""
        rule = Conditions(functions=("pg_catalog.pg_show_all_file_settings",))
        for text in ("select * from pg_file_settings", "select 1 from pg_catalog.pg_file_settings x, files"):
            self.assertIs(matches(text, rule), Match.YES, text)
        self.assertIs(matches("select * from files", rule), Match.YES)
        self.assertIs(matches("select * from pg_settings", rule), Match.NO)

    def test_more_than_is_followed(self) -> None:
        """A schema of very many tables is unknown, and not walked for each."""
        many = (Relation(30_000 + n, "big", f"t{n}", "r", PLAIN) for n in range(MAX_REACHED + 1))
        known = catalogue(*many)
        self.assertIs(matches("drop schema big", known=known), Match.DOUBT)
        self.assertIs(matches("drop schema hr", known=known), Match.YES)


class Kept(SynchronousTestCase):
    """What PostgreSQL keeps of the values of tables that a statement does not name."""

    known = catalogue(
        Relation(12_010, "pg_catalog", "pg_stats", "v", PLAIN, depends=frozenset((2619,))),
        Relation(2619, "pg_catalog", "pg_statistic", "r", PLAIN),
        Relation(2613, "pg_catalog", "pg_largeobject", "r", PLAIN),
        Relation(20_010, "public", "widths", "v", PLAIN, depends=frozenset((12_010,)), definition="SELECT 1"),
    )

    def test_read(self) -> None:
        """must-survive 17: whether they are those of the rule's table is not known."""
        for table in ("pg_stats", "pg_statistic", "pg_catalog.pg_stats", "pg_largeobject", "public.widths"):
            with self.subTest(table):
                self.assertEqual(matches(f"select * from {table}", RULE, self.known), Match.DOUBT)
                self.assertEqual(matches(f"copy {table} to stdout", RULE, self.known), Match.DOUBT)
                writing = Conditions(tables=("hr.salaries",), access="write")
                self.assertEqual(matches(f"select * from {table}", writing, self.known), Match.NO)
        self.assertEqual(matches("select * from public.notes", RULE, self.known), Match.NO)
        self.assertEqual(matches("select * from pg_stats", Conditions(functions=("f",)), self.known), Match.NO)


class Settings(SynchronousTestCase):
    def test_by_the_view_of_settings(self) -> None:
        """must-survive 16, 17: UPDATE pg_settings is a SET of whatever its rows name: refused without any rule, as is a
        view through which it could be done."""
        for text in (
            "update pg_settings set setting = 'off' where name = 'standard_conforming_strings'",
            "update pg_catalog.pg_settings set setting = 'x'",
            "update knobs set setting = 'x' where name = 'role'",
            "with x as (update pg_settings set setting = 'x') select 1",
            "explain analyze update pg_settings set setting = 'x'",
            "merge into pg_settings s using notes n on true when matched then update set setting = 'x'",
            "create rule r as on insert to notes do also update pg_settings set setting = 'x'",
            "create temp view v as select * from pg_settings",
            "create view v as select name, setting from knobs where name like 'a%'",
        ):
            for known in (CATALOGUE, None):
                if known is CATALOGUE or "knobs" not in text:
                    self.assertTrue(built_in(facts(text, known)).refusals, text)

    def test_reading_settings(self) -> None:
        """To look at them, also by a view that nobody can write through, is free."""
        for text in (
            "select * from pg_settings",
            "create view v as select count(*) from notes, pg_settings",
            "create materialized view v as select * from pg_settings",
            "create table t as select * from pg_settings",
            "insert into notes select 1, setting from pg_settings",
        ):
            self.assertFalse(built_in(facts(text)).refusals, text)

    def test_from_the_next_login_on(self) -> None:
        """What SET may not change, ALTER ROLE and ALTER DATABASE may not change for all later sessions."""
        for what in ("alter role somebody set", "alter database d set", "alter role all in database d set"):
            for name in ("role", "session_authorization", "session_replication_role"):
                self.assertTrue(built_in(facts(f"{what} {name} = 'x'")).refusals, f"{what} {name}")
            self.assertFalse(built_in(facts(f"{what} work_mem = '1MB'")).refusals)
        self.assertFalse(built_in(facts("alter role somebody reset role")).refusals)
