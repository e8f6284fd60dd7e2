"""The gateway's promises, with real clients, a real PostgreSQL and a real issuer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import psycopg

from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import Options
from hoopgw.cli.demo.surroundings import surroundings
from hoopgw.record.chunks import DATA, Joined
from hoopgw.record.entries import Kind
from hoopgw.store.recordings import Recordings, session_bytes
from tests.live.harness import UNTIL, LiveCase, command_lines, until

MASKS = """
[mask.mail]
columns = ["customers.email"]
show = "last4"

[guardrail.few]
tables = ["public.orders"]
then = { limit = { rows = 10 } }
"""


class Promises(LiveCase):
    options = Options(more={"guardrails.d/90-test.toml": MASKS})

    def refused(self, connection: psycopg.Connection[Any], text: str, *parameters: object) -> dict[str, Any]:
        """The DETAIL of the denial that this statement gets."""
        error = self.assertRaises(psycopg.Error, connection.execute, text, parameters or None)
        assert isinstance(error, psycopg.Error)
        self.assertTrue((error.sqlstate or "").startswith("ZG"), error)
        found: dict[str, Any] = json.loads(error.diag.message_detail or "{}")
        return found

    def rows(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.hoopgw("sessions", "list", "--json", *words).stdout)
        return found

    def test_masked_column_text_and_binary(self) -> None:
        """A masked column shows its last four characters, in text and binary, by an alias and through a cursor."""
        connection = self.connect()
        for binary in (False, True):
            found = connection.cursor(binary=binary).execute("select email as e, id from customers where id = 1")
            ((shown, number),) = found.fetchall()
            self.assertRegex(shown, r"^\*+.{4}$")
            self.assertEqual(number, 1)
        with connection.transaction(), connection.cursor(name="c") as cursor:
            cursor.execute("select email from customers limit 3")
            self.assertTrue(all(value.startswith("***") for (value,) in cursor.fetchall()))

    def test_masked_column_in_no_other_use(self) -> None:
        """must-survive 19, 20: a predicate, an order, text that is run: refused by name; what is computed is NULL."""
        connection = self.connect()
        for text in (
            "select id from customers where email like 'a%'",
            "select distinct email from customers",
            "select * from pg_stats",
            "select query_to_xml('select email from customers', true, true, '')",
        ):
            denial = self.refused(connection, text)
            self.assertEqual(denial["decision"], "refused")
            self.assertTrue(any("mask" in name for name in denial["guardrails"]), denial)
        for text in ("select lower(email) from customers limit 1", "select customers from customers limit 1"):
            self.assertEqual(connection.execute(text.encode()).fetchone(), (None,), text)

    def test_error_text_of_a_masked_column(self) -> None:
        """must-survive 19: what PostgreSQL says about a masked value is withheld; SQLSTATE stays."""
        connection = self.connect("writer")
        text = "insert into customers (id, name, email) values (1, 'x', 'me@example.org') returning email"
        error = self.assertRaises(psycopg.Error, connection.execute, text)
        assert isinstance(error, psycopg.Error)
        self.assertEqual((error.sqlstate or "")[:2], "23")
        self.assertNotIn("example.org", str(error))

    def test_limit_cuts_at_the_row(self) -> None:
        """A limit of ten rows: ten rows, then the gateway's error, and the connection goes on."""
        connection = self.connect()
        denial = self.refused(connection, "select id from orders")
        self.assertEqual(denial["decision"], "over-budget")
        self.assertIn("completed", denial)
        self.assertEqual(connection.execute("select count(*) from customers").fetchone(), (200,))

    def test_refusal_in_a_transaction(self) -> None:
        """must-survive 79: what the transaction did before the refusal is rolled back by PostgreSQL itself."""
        connection = self.connect("writer", autocommit=False)
        connection.execute("insert into products (id, name, price) values (9001, 'x', 1)")
        self.refused(connection, "drop table products")
        error = self.assertRaises(psycopg.errors.InFailedSqlTransaction, connection.execute, "select 1")
        self.assertIsNotNone(error)
        connection.rollback()
        self.assertEqual(connection.execute("select count(*) from products where id = 9001").fetchone(), (0,))

    def test_pipeline(self) -> None:
        """must-survive 65, 79: a refused statement in a pipeline; the next pipeline is answered."""
        connection = self.connect("writer")
        with self.assertRaises(psycopg.Error), connection.pipeline():
            connection.execute("insert into products (id, name, price) values (9002, 'x', 1)")
            connection.execute("truncate products")
            connection.execute("select 1")
        self.assertEqual(connection.execute("select count(*) from products where id = 9002").fetchone(), (0,))

    def test_settings_are_pinned(self) -> None:
        """must-survive 9, 16: what text means cannot be changed, nor who the role is."""
        connection = self.connect()
        for text in (
            "set standard_conforming_strings = off",
            "set client_encoding = 'SJIS'",
            "set role postgres",
            "set session authorization postgres",
            "select set_config('standard_conforming_strings', 'off', false)",
            "select set_config('rolex'::varchar(4), 'postgres', false)",
            "select set_config('client_encoding '::char(20), 'SJIS', false)",
        ):
            self.assertEqual(self.refused(connection, text)["guardrails"], ["built-in:settings"], text)

    def test_application_name(self) -> None:
        """The target knows session and subject, also after the client has named itself."""
        connection = self.connect(application_name="mine")
        for text in ("select 1", "set application_name = 'other'", "select 1"):
            connection.execute(text)

        def names() -> list[str]:
            found = self.stage.cluster.run("select application_name from pg_stat_activity where usename = 'shop_ro'")
            return [str(name) for (name,) in found]

        def known() -> bool:
            return any(name.startswith("hoopgw:s_") and "agent@demo" in name for name in names())

        self.assertTrue(until(known), names())

    def test_process_of_the_target(self) -> None:
        """The number that a client has of its process is the target's: what it hears and asks of itself."""
        one, other = self.connect("writer"), self.connect("writer")
        for link in (one, other):
            self.assertEqual(link.execute("select pg_backend_pid()").fetchone(), (link.info.backend_pid,))
        one.execute("listen news")
        one.execute("notify news")
        (heard,) = one.notifies(timeout=UNTIL, stop_after=1)
        self.assertEqual(heard.pid, one.info.backend_pid)
        running = threading.Timer(0.5, one.cancel_safe)
        running.start()
        with self.assertRaises(psycopg.errors.QueryCanceled):
            one.execute("select pg_sleep(60)")
        running.join()
        self.assertEqual(other.execute("select 1").fetchone(), (1,))

    def test_held_by_cancel(self) -> None:
        """must-survive 12: a CancelRequest withdraws what waits for approval; it can be asked anew."""
        connection = self.connect("writer")
        with self.meanwhile(lambda: self.held("price = price + 1"), lambda: connection.cancel_safe(timeout=UNTIL)):
            denial = self.refused(connection, "update products set price = price + 1")
        self.assertEqual(denial["decision"], "expired")
        state = json.loads(self.hoopgw("approvals", "show", denial["hold"], "--json").stdout)["state"]
        self.assertEqual(state, "withdrawn")

    def test_approved_with_the_same_parameters_only(self) -> None:
        """must-survive 62: an approval is for these parameters, once."""
        text = "delete from products where true and %s::int = 70000"
        outcome: list[Any] = []

        def ask(value: int) -> None:
            connection = self.connect("writer")
            try:
                outcome.append(connection.execute(text, (value,)).rowcount)
            except psycopg.Error as error:
                outcome.append(json.loads(error.diag.message_detail or "{}"))

        asking = threading.Thread(target=ask, args=(1,))
        asking.start()
        hold = self.held("70000")["id"]
        self.assertEqual(self.hoopgw("approvals", "approve", hold, "--reason", "yes").returncode, 0)
        asking.join(UNTIL)
        self.assertEqual(outcome, [0])
        again = self.connect("writer")
        with self.meanwhile(lambda: self.held("70000"), lambda: again.cancel_safe(timeout=UNTIL)):
            self.assertEqual(self.refused(again, text, 2)["decision"], "expired")

    def test_kill(self) -> None:
        """must-survive 77: 57P01, and the running statement is cancelled upstream, not left to its end."""
        connection = self.connect()
        failed: list[psycopg.Error] = []

        def sleep() -> None:
            try:
                connection.execute("select pg_sleep(600), 'to be killed'")
            except psycopg.Error as error:
                failed.append(error)

        running = threading.Thread(target=sleep)
        running.start()
        self.assertTrue(self.runs("to be killed"))
        id = self.newest()
        self.assertEqual(self.hoopgw("sessions", "kill", id, "--reason", "test").returncode, 0)
        running.join(UNTIL)
        self.assertFalse(running.is_alive())
        self.assertEqual(failed[0].sqlstate, "57P01")
        text = (
            "select count(*) from pg_stat_activity where query like '%to be killed%' and state = 'active'"
            " and pid <> pg_backend_pid()"
        )
        self.assertTrue(until(lambda: self.stage.cluster.run(text) == [(0,)]))

    def test_socket_is_no_identity(self) -> None:
        """must-survive 82: without an approver's token nothing is listed, viewed, killed or approved."""
        for token in (self.stage.agent, self.stage.stranger, "junk"):
            for words in (("sessions", "list"), ("sessions", "kill", "s_" + "a" * 22), ("approvals", "show", "h_x")):
                self.assertEqual(self.hoopgw(*words, token=token).returncode, 1, words)

    def reload(self, said: str, times: int = 1) -> None:
        """SIGHUP, until this is in the log behind what was there."""
        seen = len(self.stage.gateway.log.read_text())
        for _ in range(times):
            os.kill(self.stage.gateway.pid, signal.SIGHUP)
        self.assertTrue(until(lambda: said in self.stage.gateway.log.read_text()[seen:]), said)

    def test_reload(self) -> None:
        """SIGHUP: a mistake keeps the old; a lost grant ends its sessions; what was opened before goes on otherwise."""
        grants = self.stage.gateway.config.parent / "grants.d/demo.toml"
        before = grants.read_text()
        connection = self.connect()
        self.reload("configuration.reloaded")
        self.assertEqual(connection.execute("select 1").fetchone(), (1,))
        main = self.stage.gateway.config
        settings = main.read_text()
        try:  # what only a start takes up is named, and stays; a file that is not there keeps the old
            main.write_text(settings.replace("[recordings]", "[limits]\nmax_sessions = 1\n[recordings]"))
            self.reload('"restart":["limits"]', times=2)
            main.write_text(settings.replace('certificate = "', 'certificate = "/nowhere'))
            checked = self.hoopgw("check", token="")
            self.assertEqual(checked.returncode, 1)
            self.assertIn("tls.certificate: /nowhere", checked.stderr)
            self.reload("tls.certificate: /nowhere")
        finally:
            main.write_text(settings)
        self.assertEqual(connection.execute("select 1").fetchone(), (1,))
        self.connect().execute("select 1")
        grants.write_text(before + "\n[grant.broken]\ngroup = 1\n")
        self.reload("configuration.kept")
        self.assertEqual(connection.execute("select 1").fetchone(), (1,))
        try:
            grants.write_text(before.replace('groups = ["agents"]', 'groups = ["nobody"]'))
            self.reload("configuration.reloaded")
            self.assertIn("grant", str(until(lambda: self.failure(connection))))
        finally:
            grants.write_text(before)
            self.reload("configuration.reloaded")

    def failure(self, connection: psycopg.Connection[Any]) -> psycopg.Error | None:
        try:
            connection.execute("select 1")
        except psycopg.Error as error:
            return error
        return None

    def test_no_secret_is_in_log_or_record(self) -> None:
        """Neither tokens nor the target's passwords are in events, recordings, index or the process list."""
        known = {row["id"] for row in self.rows()}
        self.connect().execute("select 1")
        self.assertTrue(until(lambda: {row["id"] for row in self.rows()} - known))
        secrets = [self.stage.agent.encode(), self.stage.approver.encode()]
        directory = self.stage.gateway.config.parent / "secrets"
        secrets += [path.read_bytes().strip() for path in directory.iterdir()]
        kept = [self.stage.gateway.log, *self.stage.state.rglob("*")]
        for path in (path for path in kept if path.is_file() and "keys" not in path.parts):
            with contextlib.suppress(FileNotFoundError):  # what was in it is in another file by now
                data = path.read_bytes()
                self.assertFalse(any(secret in data for secret in secrets), path)
        listed = list(command_lines())
        self.assertTrue([line for line in listed if os.fsencode(self.stage.gateway.config) in line])
        self.assertFalse([secret for secret in secrets if any(secret in line for line in listed)])

    def test_everything_verifies(self) -> None:
        """Of all these sessions, live ones too, the recording verifies with the public key alone."""
        live = self.connect()
        live.execute("select 1")
        ran = self.hoopgw("sessions", "verify", str(self.stage.state / "recordings"), "--json")
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertGreater(len(json.loads(ran.stdout)), 1)


SECONDS = os.environ.get("HOOPGW_BURST_SECONDS", "5")  # of each burst; CONTRIBUTING.md


class Burst(LiveCase):
    options = Options(target_tls="disable")

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.hoopgw("sessions", "list", "--json", "--limit", "500").stdout)
        return found

    def written(self, known: set[str], operations: int) -> list[dict[str, Any]]:
        """The sessions that came to those, once they are over and that many operations stand in the index."""
        deadline = time.monotonic() + UNTIL
        while True:
            live = {row["id"] for row in json.loads(self.hoopgw("sessions", "list", "--live", "--json").stdout)}
            fresh = [row for row in self.listed() if row["id"] not in known]
            done = sum(row["operations"] for row in fresh) >= operations and not any(row["id"] in live for row in fresh)
            if done or time.monotonic() > deadline:
                return fresh
            time.sleep(0.5)

    def recorded(self, id: str) -> int:
        """Statements in the session's recording itself."""
        joined, count = Joined(), 0
        for chunk in Recordings(self.stage.state / "recordings").chunks(session_bytes(id)):
            for entry in joined.of(chunk.raw()) if chunk.header.kind == DATA else ():
                count += int.from_bytes(entry.payload[:4], "little") if entry.kind == Kind.ASKED else 0
        return count

    def test_nothing_is_lost(self) -> None:
        """must-survive 75, 76: statements run and statements recorded are equal, none is refused, memory comes back."""
        programs = Programs.find("pgbench")
        script = self.stage.place / "burst.sql"
        script.write_text("select 1;\nselect count(*) from products where id < 5;\n")
        script.chmod(0o644)
        for clients in (8, 32):
            known = {row["id"] for row in self.listed()}
            command = [str(programs["pgbench"]), "-n", "-f", str(script), "-c", str(clients), "-j", "2", "-T", SECONDS]
            where = ["-h", "127.0.0.1", "-p", str(self.stage.gateway.port), "-U", "reader", "shop"]
            env = surroundings(
                {
                    **programs.environment,
                    "PGPASSWORD": self.stage.agent,
                    "PGSSLMODE": "require",
                    "PGCONNECT_TIMEOUT": "60",
                }
            )
            ran = subprocess.run([*command, *where], env=env, capture_output=True, text=True, timeout=300, check=False)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            done = int(ran.stdout.split("actually processed: ")[1].split()[0].split("/")[0])
            fresh = self.written(known, 2 * done)
            self.assertEqual(sum(row["refused"] for row in fresh), 0)
            self.assertEqual(sum(row["operations"] for row in fresh), 2 * done)
            self.assertEqual(sum(self.recorded(row["id"]) for row in fresh), 2 * done)
        self.assertEqual(self.connect().execute("select 1").fetchone(), (1,))
        resident = int(Path(f"/proc/{self.stage.gateway.pid}/statm").read_text().split()[1]) * 4096
        self.assertLess(resident, 400 << 20)
        self.assertEqual(self.hoopgw("sessions", "verify", str(self.stage.state / "recordings")).returncode, 0)
