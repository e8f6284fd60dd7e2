"""The guardrails that are shipped, on the statements that they are shipped for."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw import config
from hoopgw.model.identity import Identity
from hoopgw.model.operation import QUERY, Operation
from hoopgw.model.target import Address, Role, Target, TlsMode
from hoopgw.model.verdict import Verdict
from hoopgw.policy.catalogue import Catalogue, Column, Function, Relation
from hoopgw.policy.guardrail import judge
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import NameContext

SHIPPED = Path(__file__).parent.parent.parent / "etc/hoopgw"
TARGET = Target("pay", "postgresql", (Address("localhost", 1),), TlsMode.DISABLE, {"reader": Role("reader", "ro")})
AGENT = Identity("corp", "https://idp.example.com", "agent", frozenset(("agents",)), 0.0)
TABLE = Relation(1, "public", "orders", "r", tuple(Column(n, name, 23) for n, name in enumerate(("id", "total"), 1)))
BUILT_IN = (
    "count lower now pg_read_file pg_read_binary_file pg_ls_dir pg_stat_file lo_import lo_export pg_reload_conf "
    "pg_rotate_logfile pg_promote pg_terminate_backend pg_cancel_backend pg_create_logical_replication_slot "
    "pg_drop_replication_slot pg_switch_wal pg_hba_file_rules pg_show_all_file_settings pg_current_logfile "
    "pg_backup_start pg_logical_emit_message query_to_xml"
).split()
FUNCTIONS = (
    *(Function(oid, "pg_catalog", name, "f", "internal", "v") for oid, name in enumerate(BUILT_IN, 10)),
    Function(500, "public", "dblink_exec", "f", "c", "v"),
    Function(501, "public", "settle", "f", "plpgsql", "v"),
)
CATALOGUE = Catalogue(
    1,
    {("public", "orders"): TABLE},
    {1: TABLE},
    {(each.schema, each.name): (each,) for each in FUNCTIONS},
    {each.oid: each for each in FUNCTIONS},
    ("public",),
)


class Shipped(SynchronousTestCase):
    def setUp(self) -> None:
        place = Path(self.mktemp())
        shutil.copytree(SHIPPED, place)
        self.config = config.load(place / "hoopgw.toml")

    def said(self, text: str) -> Verdict:
        facts = analyse(text.encode(), CATALOGUE, NameContext(schemas=("public",)))
        guardrails = self.config.policy.select(AGENT, TARGET, "reader").guardrails
        return judge(guardrails, Operation("postgresql", QUERY, text.encode()), facts)

    def refused_by(self, text: str) -> set[str]:
        return {refusal.guardrail for refusal in self.said(text).refusals}

    def test_everyday_work_passes(self) -> None:
        """An agent reads and writes, in transactions, with cursors, temporary tables and COPY, and meets no rule."""
        for text in (
            "select count(*) from orders where total > 5",
            "select lower('A'), now()",
            "insert into orders values (1, 2) on conflict do nothing",
            "update orders set total = 3 where id = 1",
            "delete from orders where id = 1",
            "begin; select 1; commit",
            "copy orders to stdout",
            "copy orders from stdin",
            "create temporary table t (x int)",
            "create temp table t as select 1 as x; delete from t; truncate t; alter table t add y int; drop table t",
            "create table t (x int)",
            "declare c cursor for select * from orders; close c",
            "explain analyze select * from orders",
            "set statement_timeout = '5s'; show search_path",
            "prepare p as delete from orders where id = $1",
        ):
            verdict = self.said(text)
            self.assertTrue(verdict.plain, (text, verdict))

    def test_schema_and_rights(self) -> None:
        """Destructive DDL and rights are refused."""
        for text in (
            "drop table orders",
            "truncate orders",
            "alter table orders add x int",
            "alter table orders rename to o",
            "drop schema public cascade",
            "explain analyze create table x as select 1; drop table orders",
            "reassign owned by a to b",
            "drop owned by a",
            "alter system set fsync = off",
            "alter database x set search_path = y",
            "import foreign schema x from server s into y",
        ):
            self.assertIn("no-destructive-ddl", self.refused_by(text), text)
        for text in (
            "grant select on orders to public",
            "revoke select on orders from x",
            "grant admin to agent",
            "create role x superuser",
            "alter role x superuser",
            "drop role x",
            "alter default privileges grant select on tables to x",
        ):
            self.assertIn("no-rights", self.refused_by(text), text)

    def test_every_row(self) -> None:
        """Writes without WHERE are held for `dba`, and refused by nothing."""
        for text in (
            "delete from orders",
            "update orders set total = 0 where true",
            "explain analyze delete from orders",
        ):
            verdict = self.said(text)
            self.assertEqual(verdict.refusals, (), text)
            self.assertEqual(
                [(h.guardrail, sorted(h.approvers)) for h in verdict.holds], [("write-without-where", ["dba"])]
            )

    def test_out_of_the_database(self) -> None:
        """must-survive 17: programs, files and other databases of the server's machine."""
        for text in (
            "copy orders from program 'id'",
            "copy orders to program 'sh'",
            "copy orders to '/tmp/x'",
            "copy orders from '/etc/passwd'",
        ):
            self.assertIn("no-server-files", self.refused_by(text), text)
        for name in BUILT_IN[3:-1]:
            self.assertIn("no-server-functions", self.refused_by(f"select {name}('x')"), name)
        for text in (
            "select ('/etc/passwd'::text).pg_read_file",
            "select dblink_exec('x', 'y')",
            "select * from pg_ls_dir('/')",
        ):
            self.assertIn("no-server-functions", self.refused_by(text), text)

    def test_ways_out(self) -> None:
        """Other machines, replication, extensions, languages, libraries, table spaces, databases; and no secret of
        theirs in the record."""
        for text in (
            "create server s foreign data wrapper postgres_fdw options (host 'h')",
            "create foreign data wrapper w",
            "create user mapping for current_user server s options (password 'hush')",
            "create foreign table t (a int) server s",
            "import foreign schema x from server s into y",
            "create publication p for all tables",
            "create subscription s connection 'password=hush' publication p",
            "create event trigger t on ddl_command_start execute function f()",
            "create extension dblink",
            "create language plperlu",
            "create access method m type table handler h",
            "create tablespace s location '/tmp'",
            "create database d template template0",
            "load 'auto_explain'",
            "drop user mapping for current_user server s",
            "explain analyze select 1; alter server s options (set host 'h')",
        ):
            self.assertIn("no-ways-out", self.refused_by(text), text)
            if "hush" in text:
                self.assertTrue(self.said(text).redact)
                self.assertNotIn(b"hush", self.said(text).recorded)
        for text in (
            "alter system set shared_preload_libraries = 'x'",
            "alter system reset all",
            "alter database d set search_path = x",
            "alter role r set search_path = x",
            "alter role all in database d set work_mem = 1",
        ):
            self.assertIn("no-server-settings", self.refused_by(text), text)

    def test_code_that_cannot_be_read(self) -> None:
        """DO, CALL, functions of one's own, and code that is stored to run later."""
        for text in (
            "do $$ begin execute 'drop table orders'; end $$",
            "select settle()",
            "select query_to_xml('select pg_read_file(1)', true, true, '')",
            "call settle()",
            "create function f() returns int language plpgsql as 'begin end'",
            "create extension dblink",
            "create trigger t before insert on orders for each row execute function settle()",
            "create rule r as on insert to orders do also select settle()",
            "create operator === (function = settle, leftarg = int, rightarg = int)",
            "create cast (a as text) with function settle(a)",
        ):
            self.assertIn("no-unread-code", self.refused_by(text), text)

    def test_secrets(self) -> None:
        """A password is refused here by rights, and in any case kept out of the record."""
        verdict = self.said("alter role x password 'hush'")
        self.assertTrue(verdict.redact)
        self.assertNotIn(b"hush", verdict.recorded)

    def test_masks(self) -> None:
        """E-mail, card and government-id patterns are masked for everybody."""
        masks = self.config.policy.select(AGENT, TARGET, "reader").masks
        patterns = {pattern for rule in masks for pattern in rule.patterns}
        self.assertLessEqual({"email", "payment-card", "us-ssn"}, patterns)

    def test_examples_are_right(self) -> None:
        """What is commented out loads without a mistake when the comment signs are taken away."""
        place = Path(self.mktemp())
        shutil.copytree(SHIPPED, place)
        for path in place.rglob("*.toml"):
            path.write_text(_uncommented(path.read_text()))
        self.assertEqual(config.check(place / "hoopgw.toml"), [])
        loaded = config.load(place / "hoopgw.toml")
        self.assertTrue(
            loaded.targets and loaded.grants and loaded.settings.issuers and loaded.settings.listen.postgresql
        )
        self.assertTrue(loaded.policy.masks)


def _uncommented(text: str) -> str:
    """Lines whose comment is TOML by itself, or begins a table, without the comment's sign."""
    lines = []
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        if bare != line and (bare.startswith("[") or " = " in bare):
            try:
                tomllib.loads(bare)
            except tomllib.TOMLDecodeError:
                pass
            else:
                line = bare
        lines.append(line)
    return "\n".join(lines) + "\n"
