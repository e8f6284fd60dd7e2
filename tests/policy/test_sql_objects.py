"""Every statement of PostgreSQL's grammar has a kind that a rule can name."""

from __future__ import annotations

import re
from pathlib import Path

import pgparse
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.facts import EFFECTS, OBJECTS, Statement
from hoopgw.policy.sql import Unreadable, analyse
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_nodes import EFFECTS_OF
from hoopgw.policy.sql_objects import FIELD_OF, KIND_OF, OBJECT_OF, STORES_CODE, objects

# Every kind of statement that the grammar gives, and what it does.  This table is the promise to who writes rules.
STATEMENTS = (
    ("alter collation c refresh version", "alter collation"),
    ("alter database d refresh collation version", "alter database"),
    ("alter database d set work_mem = 1", "alter alter-settings set database"),
    ("alter database d reset all", "alter alter-settings set database"),
    ("alter database d with connection limit 3", "alter database"),
    ("alter default privileges grant select on tables to x", "grant"),
    ("alter default privileges revoke select on tables from x", "grant revoke"),
    ("alter domain d set not null", "alter type"),
    ("alter type e add value 'x'", "alter type"),
    ("alter event trigger t disable", "alter event-trigger"),
    ("alter extension e add table t", "alter extension"),
    ("alter extension e update", "alter extension"),
    ("alter foreign data wrapper w options (set a 'b')", "alter foreign-data-wrapper"),
    ("alter server s options (set host 'h')", "alter server"),
    ("alter function f() volatile", "alter routine"),
    ("alter function f() depends on extension e", "alter routine"),
    ("alter table t set schema s", "alter table"),
    ("alter server s owner to x", "alter server"),
    ("alter function f() owner to x", "alter routine"),
    ("alter operator === (int, int) set (restrict = eqsel)", "alter operator"),
    ("alter operator family f using btree add operator 1 < (int, int)", "alter operator"),
    ("alter policy p on t using (true)", "alter policy"),
    ("alter publication p add table t", "alter publication"),
    ("alter role r set work_mem = 1", "alter alter-role alter-settings set"),
    ("alter role all reset all", "alter alter-role alter-settings set"),
    ("alter role r password 'x'", "alter alter-role"),
    ("alter sequence s restart", "alter sequence"),
    ("alter statistics s set statistics 3", "alter statistics"),
    ("alter subscription s connection 'host=h'", "alter subscription"),
    ("alter subscription s rename to t", "alter rename subscription"),
    ("alter role r rename to s", "alter rename alter-role"),
    ("alter system set work_mem = 1", "alter alter-system"),
    ("alter text search configuration c drop mapping for word", "alter text-search"),
    ("alter text search dictionary d (a = 'b')", "alter text-search"),
    ("alter table all in tablespace a set tablespace b", "alter table"),
    ("alter tablespace s set (seq_page_cost = 1)", "alter tablespace"),
    ("alter table t replica identity full", "alter table"),
    ("alter table t disable row level security", "alter table policy"),
    ("alter table t disable trigger all", "alter table trigger"),
    ("alter table t disable rule r", "alter table rule"),
    ("alter index i set (fillfactor = 50)", "alter index"),
    ("alter type t set (receive = f)", "alter type"),
    ("alter type t add attribute a int", "alter type"),
    ("alter user mapping for x server s options (set password 'y')", "alter user-mapping"),
    ("analyze t", "analyze"),
    ("call p()", "call"),
    ("checkpoint", "checkpoint"),
    ("close c", "close"),
    ("cluster t", "cluster"),
    ("comment on table t is 'x'", "comment"),
    ("copy t to program 'sh'", "copy-to copy-program"),
    ("create access method m type table handler h", "create access-method"),
    ("create aggregate a (int) (sfunc = f, stype = int)", "create routine"),
    ("create cast (a as b) with function f(a)", "create cast"),
    ("create collation c from d", "create collation"),
    ("create type t as (a int)", "create type"),
    ("create conversion c for 'UTF8' to 'LATIN1' from f", "create conversion"),
    ("create database d", "create database"),
    ("create domain d as int", "create type"),
    ("create type t as enum ('a')", "create type"),
    ("create event trigger t on ddl_command_start execute function f()", "create event-trigger"),
    ("create extension e", "create extension"),
    ("create foreign data wrapper w", "create foreign-data-wrapper"),
    ("create foreign table t (a int) server s", "create foreign-table"),
    ("create function f() returns int language sql as 'select 1'", "create routine"),
    ("create index on t (a)", "create index"),
    ("create language l handler h", "create language"),
    ("create materialized view v as select 1", "create view select"),
    ("create operator === (function = f, leftarg = int, rightarg = int)", "create operator"),
    ("create operator class c for type int using btree as operator 1 <", "create operator"),
    ("create operator family f using btree", "create operator"),
    ("create policy p on t using (true)", "create policy"),
    ("create publication p for all tables", "create publication"),
    ("create type r as range (subtype = int)", "create type"),
    ("create role r", "create alter-role"),
    ("create rule r as on insert to t do nothing", "create rule"),
    ("create schema s create table t (a int)", "create schema table"),
    ("create sequence s", "create sequence"),
    ("create server s foreign data wrapper w", "create server"),
    ("create statistics s on a, b from t", "create statistics"),
    ("create subscription s connection 'host=h' publication p", "create subscription"),
    ("create table t (a int)", "create table"),
    ("create table t as select 1", "create table select"),
    ("create tablespace s location '/x'", "create tablespace"),
    ("create text search parser p (start = f)", "create text-search"),
    ("create transform for t language l (from sql with function f(internal))", "create transform"),
    ("create trigger t before insert on t for each row execute function f()", "create trigger"),
    ("create user mapping for x server s options (password 'y')", "create user-mapping"),
    ("create view v as select 1", "create view select"),
    ("deallocate p", "deallocate"),
    ("declare c cursor for select 1", "declare select"),
    ("delete from t", "delete"),
    ("discard all", "discard"),
    ("do 'x'", "do"),
    ("drop access method m", "drop access-method"),
    ("drop database d", "drop database"),
    ("drop owned by r", "drop"),
    ("drop role r", "drop alter-role"),
    ("drop server s", "drop server"),
    ("drop subscription s", "drop subscription"),
    ("drop tablespace s", "drop tablespace"),
    ("drop user mapping for x server s", "drop user-mapping"),
    ("execute p", "execute"),
    ("explain select 1", "explain select"),
    ("fetch c", "fetch"),
    ("grant a to b", "grant"),
    ("grant select on t to b", "grant"),
    ("import foreign schema s from server x into y", "import create foreign-table"),
    ("insert into t values (1)", "insert select"),
    ("listen c", "listen"),
    ("load 'x'", "load"),
    ("lock table t", "lock"),
    ("merge into t using u on true when matched then delete", "delete merge"),
    ("notify c", "notify"),
    ("prepare p as select 1", "prepare"),
    ("reassign owned by a to b", "reassign alter"),
    ("refresh materialized view v", "refresh"),
    ("reindex table t", "reindex"),
    ("reset all", "set reset"),
    ("revoke select on t from b", "grant revoke"),
    ("security label on table t is 'x'", "security-label"),
    ("select lo_unlink(1)", "select large-object"),
    ("select 1", "select"),
    ("set constraints all deferred", "set"),
    ("set work_mem = 1", "set"),
    ("show work_mem", "show"),
    ("begin", "transaction"),
    ("truncate t", "truncate"),
    ("unlisten c", "unlisten"),
    ("update t set a = 1", "update"),
    ("vacuum (analyze) t", "vacuum analyze"),
    ("copy t from '/x'", "copy-from copy-file"),
)

# Nodes that no text gives: they stand in others, or come from analysis or from bodies of functions
INNER = {"RawStmt", "PlannedStmt", "SetOperationStmt", "PLAssignStmt", "ReturnStmt"}


def read(text: str) -> Statement:
    return analyse(text.encode(), None, NameContext()).statements[0]


def grammar(pattern: bytes) -> set[str]:
    """What the parser can give, from its own library: it writes every node by these names."""
    library = Path(pgparse.__file__).read_bytes()
    return {found.decode() for found in re.findall(pattern, library)}


def nodes(tree: object) -> set[str]:
    """Names of statement nodes of a tree."""
    if isinstance(tree, dict):
        found = {key for key in tree if key.endswith("Stmt") and key[0].isupper()}
        return found.union(*(nodes(value) for value in tree.values()))
    return set().union(*(nodes(value) for value in tree)) if isinstance(tree, list) else set()


class Grammar(SynchronousTestCase):
    def test_every_statement_has_its_effects(self) -> None:
        """must-survive 18: what each statement does, in words that a rule can name."""
        for text, wanted in STATEMENTS:
            self.assertEqual(read(text).effects, frozenset(wanted.split()), text)
            self.assertLessEqual(read(text).effects, EFFECTS, text)

    def test_nothing_of_the_grammar_is_missing(self) -> None:
        """must-survive 18: every statement node that the parser can give is in the closed table and is tried above."""
        known = grammar(rb'"([A-Z][A-Za-z]*Stmt)":\{')
        self.assertGreater(len(known), 110)
        self.assertEqual(known - set(EFFECTS_OF), INNER & known - set(EFFECTS_OF))
        tried = set().union(*(nodes(pgparse.parse(text)) for text, _ in STATEMENTS))
        self.assertEqual(known - tried - INNER, set())

    def test_every_effect_is_given(self) -> None:
        """A word that no statement has would be a rule about nothing.  `function` is the call of the protocol."""
        given = frozenset().union(*(read(text).effects for text, _ in STATEMENTS))
        self.assertEqual(EFFECTS - given, {"function"})

    def test_objects(self) -> None:
        """Every kind of object that the parser can name has a word; one that is not known is refused."""
        known = grammar(rb"\0(OBJECT_[A-Z_]+)(?=\0)")
        self.assertGreater(len(known), 40)
        self.assertLessEqual(known, set(KIND_OF))
        self.assertLessEqual(set(OBJECT_OF.values()), OBJECTS)
        for kind, field in FIELD_OF.items():
            self.assertIsNone(objects(kind, {field: "OBJECT_OF_TOMORROW"}))
        self.assertLessEqual({*OBJECT_OF, *FIELD_OF, *STORES_CODE}, set(EFFECTS_OF))
        for kind in EFFECTS_OF:
            if EFFECTS_OF[kind] & {"create", "alter", "drop", "rename"}:
                without = {"DropOwnedStmt", "ReassignOwnedStmt", "AlterSystemStmt"}
                role = "alter-role" in EFFECTS_OF[kind]
                self.assertTrue(role or kind in OBJECT_OF or kind in FIELD_OF or kind in without, kind)

    def test_unknown_object(self) -> None:
        """must-survive 18: an object that is not in the table makes the text unreadable, and so refused."""
        self.patch(
            __import__("hoopgw.policy.sql_objects", fromlist=["KIND_OF"]),
            "KIND_OF",
            {key: value for key, value in KIND_OF.items() if key != "OBJECT_FOREIGN_SERVER"},
        )
        self.assertRaises(Unreadable, read, "drop server s")


class Code(SynchronousTestCase):
    def test_stored_code(self) -> None:
        """What is kept to run later for whoever uses it is opaque: its body is not read, or not where it runs."""
        for text in (
            "create operator === (function = f, leftarg = int, rightarg = int)",
            "create cast (a as b) with function f(a)",
            "create aggregate a (int) (sfunc = f, stype = int)",
            "create rule r as on insert to t do instead delete from u",
            "create type t (input = f, output = g)",
            "create type r as range (subtype = int, subtype_diff = f)",
            "create event trigger t on ddl_command_start execute function f()",
            "create schema s create trigger t before insert on t for each row execute function f()",
            "create language l handler h",
            "create conversion c for 'UTF8' to 'LATIN1' from f",
            "load 'x'",
            "alter extension hstore add function f()",
            "alter extension hstore add routine f()",
            "alter extension hstore add procedure f()",
            "alter extension hstore add aggregate f(int)",
        ):
            self.assertTrue(read(text).opaque, text)
        for text in (
            "create type t", "create type r as range (subtype = int)", "create collation c from d",
            "alter extension e add table t",
        ):  # fmt: skip
            self.assertEqual(read(text).opaque, "", text)


class Secrets(SynchronousTestCase):
    def test_redacted(self) -> None:
        """Passwords of user mappings and connection strings of subscriptions are kept out as those of roles are."""
        for text in (
            "create user mapping for x server s options (user 'u', password 'hush')",
            "alter user mapping for x server s options (set password 'hush')",
            "create subscription s connection 'host=h password=hush' publication p",
            "alter subscription s connection 'host=h password=hush'",
            "create server s foreign data wrapper w options (password 'hush')",
            "alter server s options (set password 'hush')",
            "create foreign data wrapper w options (password 'hush')",
            "alter system set primary_conninfo = 'password=hush'",
            "create role r password 'hush'",
        ):
            found = analyse(f"select 1; {text}".encode(), None, NameContext())
            self.assertTrue(found.statements[1].secret, text)
            self.assertNotIn(b"hush", found.redacted, text)
            self.assertIn(b"SELECT", found.redacted, text)
