"""Names that PostgreSQL reads in another way than they were written: none of them takes a mask away."""

from __future__ import annotations

import os
import socket
from typing import ClassVar

import psycopg
from psycopg import pq

from hoopgw.cli.demo.shop import WRITER
from hoopgw.cli.demo.stage import Options
from hoopgw.policy.sql_names import MAX_TEXTS
from tests.live.harness import LiveCase
from tests.relay.pgbytes import SYNC, bind, parse, query

RULES = """
[mask.mails]
columns = ["pay.people.email"]
show = "none"
"""
SCHEMA = f"""
CREATE SCHEMA pay AUTHORIZATION {WRITER}; SET ROLE {WRITER};
CREATE TABLE pay.people (id int, email text); INSERT INTO pay.people VALUES (1, '424242@x');
"""
PLAIN, MASKED = b"select 'plain'::text as email", b"select email from pay.people"
LATIN1, UTF8 = b"set client_encoding = 'LATIN1'", b"set client_encoding = 'UTF8'"
ONE, TWO = "\u00e9".encode(), "\u00c3\u00a9".encode()  # the bytes of ONE are TWO to who reads them as LATIN1


class Names(LiveCase):
    options: ClassVar[Options] = Options(
        more={"guardrails.d/90-pay.toml": RULES}, shipped_guardrails=False, tls_required=False
    )
    _made: ClassVar[bool] = False

    def setUp(self) -> None:
        super().setUp()
        if not Names._made:
            with psycopg.connect(self.stage.direct_url(), autocommit=True) as direct:
                direct.execute(SCHEMA.encode())
            Names._made = True
        self.link = self.connect("writer").pgconn

    def shown(self, *texts: bytes) -> bytes:
        """By the last of them."""
        return [self.link.exec_(text) for text in texts][-1].get_value(0, 0) or b""

    def ended(self, known: bytes, other: bytes, encoding: bytes = UTF8) -> None:
        """To the target both are one name: who closes the one and prepares it anew has changed the other."""
        self.link.prepare(known, PLAIN)
        with self.assertRaisesRegex(psycopg.OperationalError, "no connection"):
            self.link.exec_(encoding)
            self.link.close_prepared(other)
            self.link.prepare(other, MASKED)
            self.link.exec_(UTF8)
            self.assertNotIn(b"4242", self.link.exec_prepared(known, []).get_value(0, 0) or b"")

    def test_name_that_is_cut(self) -> None:
        """must-survive 17: of a prepared name PostgreSQL looks at the first 63 bytes."""
        self.ended(b"n" * 63, b"n" * 63 + b"x")

    def test_name_in_another_encoding(self) -> None:
        """must-survive 17: the same name has other bytes in another client_encoding."""
        self.ended(ONE, ONE.decode().encode("latin-1"), LATIN1)

    def test_prepared_by_sql(self) -> None:
        """must-survive 16: so it has in a text."""
        before, again = b"prepare " + TWO + b" as select 7", b"prepare " + ONE + b" as " + MASKED
        self.assertEqual(self.shown(before, LATIN1, b"deallocate " + ONE, again, UTF8, b"execute " + TWO), b"********")

    def test_settings_by_parameters(self) -> None:
        """set_config of what is bound, as pools and row security use it: judged by that, in text and binary."""
        for text in (b"select set_config($1, $2, false)", b"select set_config($1::text, $2::varchar, false)"):
            for formats in (None, [pq.Format.BINARY, pq.Format.TEXT]):
                for name, value, words in (
                    (b"app.tenant", b"7", b""),
                    (b"search_path", b"pay", b""),
                    (b"client_encoding", b"UTF8", b""),
                    (b"role", b"postgres", b"stays as the grant says"),
                    (b"client_encoding", b"SJIS", b"cannot be set to that"),
                ):
                    found = self.link.exec_params(text, [name, value], None, formats)
                    self.assertIn(words, found.error_message)
                    self.assertEqual(bool(words), bool(found.error_message))
        self.assertEqual(self.shown(b"select email from people"), b"*" * 8)
        self.assertEqual(self.shown(b"select current_setting('app.tenant')"), b"7")

    def test_prepared_before_what_it_names(self) -> None:
        """Drivers prepare a FETCH before they declare its cursor, and an EXECUTE before its PREPARE: judged when they
        run, by what the name stands for then, and refused where it stands for nothing."""
        self.link.prepare(b"f", b"fetch all in c")
        self.link.prepare(b"x", b"execute p")
        for name in (b"f", b"x"):
            found = self.link.exec_prepared(name, [])
            self.assertIn(b"does not exist", found.error_message)
            self.assertIn(found.error_field(pq.DiagnosticField.SQLSTATE), (b"34000", b"26000"))
        for text, shown in ((PLAIN, b"plain"), (MASKED, b"*" * 8), (PLAIN, b"plain")):
            self.shown(b"begin", b"declare c cursor for " + text, b"prepare p as " + text)
            for name in (b"f", b"x"):
                self.assertEqual(self.link.exec_prepared(name, []).get_value(0, 0), shown)
            self.shown(b"commit", b"deallocate p")
        self.link.enter_pipeline_mode()
        for text in (b"begin", b"declare c cursor for " + MASKED):
            self.link.send_query_params(text, [])
        self.link.send_query_prepared(b"f", [])
        self.link.pipeline_sync()
        rows: list[bytes | None] = []
        while (result := self.link.get_result() or self.link.get_result()) is not None:
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                break
            rows.append(result.get_value(0, 0) if result.ntuples else None)
        self.assertEqual(rows, [None, None, b"*" * 8])

    def test_prepared_by_execute(self) -> None:
        """must-survive 17: EXECUTE of what was prepared as a PREPARE, with the name that it defines behind it, which is
        what it has become."""
        self.link.prepare(b"s", b"select 7")
        self.link.prepare(b"x", b"prepare s as " + MASKED)
        self.link.enter_pipeline_mode()
        for text in (b"deallocate s", b"execute x"):
            self.link.send_query_params(text, [])
        self.link.send_query_prepared(b"s", [])
        self.link.pipeline_sync()
        told: list[bytes] = []
        while (result := self.link.get_result() or self.link.get_result()) is not None:
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                break
            told.append(result.error_message)
            shown = result.get_value(0, 0)
        self.assertEqual((told, shown), ([b"", b"", b""], b"********"))

    def test_table(self) -> None:
        """must-survive 16: a table's name is the target's, not what its bytes are elsewhere."""
        made = (b"create temp table " + ONE + b" as " + PLAIN, b"create temp table " + TWO + b" as " + MASKED)
        self.assertEqual(self.shown(*made, b"select email from " + TWO), b"********")
        self.assertEqual(self.shown(LATIN1, b"select email from " + ONE), b"********")
        self.assertEqual(self.shown(b"select email from \xe9"), b"plain")
        self.assertEqual(self.shown(UTF8, b"select email from " + ONE), b"plain")

    def test_login_in_another_encoding(self) -> None:
        """A client that speaks LATIN1 is judged by what the target reads; results come in its encoding.  Behind what is
        not answered it is not known whether that is still so."""
        link = self.connect("writer", client_encoding="latin1").pgconn
        self.assertEqual(link.exec_(b"select chr(233)").get_value(0, 0), b"\xe9")
        for text in (b"\xe9", ONE):
            self.assertEqual(link.exec_(b"select '" + text + b"'").get_value(0, 0), text)
        self.assertEqual(link.exec_(b"select '\xe9' || email from pay.people").get_value(0, 0), None)
        link.enter_pipeline_mode()
        for text in (b"select 1", b"select '\xe9'"):
            link.send_query_params(text, [])
        link.pipeline_sync()
        told = [(link.get_result() or link.get_result()) for _ in range(3)]
        self.assertIn(b"another encoding than UTF-8", told[1].error_message if told[1] else b"")
        while link.get_result() is not None:
            pass
        link.exit_pipeline_mode()
        link.exec_(UTF8)
        self.assertEqual(link.exec_(b"select '" + ONE + b"'").get_value(0, 0), ONE)

    def test_many_texts_that_fail(self) -> None:
        """must-survive 17: a name goes on standing for what it did while others are sent that fail, however many."""
        connection = self.connect("writer")
        connection.execute(b"prepare q as " + MASKED)
        connection.execute(b"begin")
        connection.execute(b"declare q cursor for " + MASKED)
        for number in range(2 * MAX_TEXTS):
            connection.execute(b"savepoint here")
            for text in (f"prepare q as select {number}", f"declare q cursor for select {number}"):
                self.assertRaises(psycopg.Error, connection.execute, text)
                connection.execute(b"rollback to here")
        for text in ("execute q", "fetch q"):
            with self.assertRaisesRegex(psycopg.DatabaseError, "does not exist"):
                self.assertNotIn("4242", str(connection.execute(text).fetchall()))
            connection.execute(b"rollback to here")

    def test_many_texts_in_turn(self) -> None:
        """A name that was given up and given again stands for the last: nothing of those before it is left."""
        connection = self.connect("writer", prepare_threshold=None)
        connection.execute(b"begin")
        for number in range(2 * MAX_TEXTS):
            for text in (f"prepare q as select {number}", f"declare q cursor for select {number}"):
                connection.execute(text)
            self.assertEqual(connection.execute("execute q").fetchall(), [(number,)])
            self.assertEqual(connection.execute("fetch q").fetchall(), [(number,)])
            connection.execute("deallocate q")
            connection.execute("close q")

    def test_cursor_that_is_a_portal(self) -> None:
        """must-survive 17: FETCH of a portal of the protocol's Bind is judged by that, also where a DECLARE failed."""
        url = self.stage.gateway_url("writer", sslmode="disable")
        link = psycopg.connect(url, password=self.stage.agent)
        self.addCleanup(link.close)
        with socket.socket(fileno=os.dup(link.fileno())) as raw, raw.makefile("rb") as heard:
            raw.setblocking(True)
            for sent in (
                query(b"begin"),
                parse(b"", MASKED) + bind(b"c", b"") + SYNC,
                query(b"savepoint here"),
                query(b"declare c cursor for select 1"),
                query(b"rollback to here"),
                query(b"fetch c"),
            ):
                raw.sendall(sent)
                tags, said = b"", b""
                while tags[-1:] != b"Z":
                    tag, *size = heard.read(5)
                    tags += bytes((tag,))
                    said += heard.read(int.from_bytes(size, "big") - 4)
        self.assertEqual(tags, b"TDCZ")
        self.assertNotIn(b"4242", said)

    def test_by_sql_and_by_message(self) -> None:
        """What SQL prepared is bound, and a cursor of SQL executed, by the protocol: masked as it would be by SQL, also
        where the name has been given to something else meanwhile."""
        self.link.exec_(b"prepare q as " + MASKED)
        self.assertEqual(self.link.exec_prepared(b"q", []).get_value(0, 0), b"********")
        self.link.prepare(b"mine", b"select 7")
        for text in (b"deallocate q", b"prepare q as select 8"):
            self.link.exec_(text)
        for name, shown in ((b"q", b"8"), (b"mine", b"7")):
            self.assertEqual(self.link.exec_prepared(name, []).get_value(0, 0), shown)
        self.link.exec_(b"deallocate all")
        refused = self.link.exec_prepared(b"mine", []).error_field(pq.DiagnosticField.SQLSTATE)
        self.assertEqual(refused, b"26000")
