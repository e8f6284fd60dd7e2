"""The relay between real clients and a real PostgreSQL: what the target's state is, and what the client reads."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import psycopg
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from hoopgw.model.answer import GO, Allowance, Answer, Meter
from hoopgw.policy.masks import SqlMasks
from hoopgw.relay.effects import CancelTarget, CatalogueChanged, Completed
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.relay.postgres_planner import UNSEEN
from hoopgw.relay.postgres_settings import CODECS
from hoopgw.wire.pgmessages import report_fields
from tests.programs import SERVER, found
from tests.relay.bridge import Bridge, RawClient
from tests.relay.pgbytes import (
    COPY_DONE,
    FLUSH,
    SYNC,
    bind,
    close,
    copy_data,
    describe,
    execute,
    function,
    known,
    of,
    parse,
    query,
    refused,
)
from tests.store.cluster import Cluster

if found(*SERVER) is None:
    raise SkipTest("no PostgreSQL server is installed")

DATABASE = "relay"
TABLES = """
CREATE TABLE t (id int PRIMARY KEY, word text);
CREATE TABLE secret (id int PRIMARY KEY, email text UNIQUE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO secret VALUES (1, 'ann@example.org'), (2, 'bob@example.org');
CREATE TABLE grumpy (id int);
CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
CREATE TRIGGER grumpy BEFORE INSERT ON grumpy EXECUTE FUNCTION no();
"""


def tags(messages: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join([tag for tag, _ in messages])


def state(messages: list[tuple[bytes, bytes]]) -> str:
    """The SQLSTATE of the first error."""
    return next(dict(report_fields(body))[b"C"].decode() for tag, body in messages if tag == b"E")


class Live(SynchronousTestCase):
    settings: dict[str, object] = {}

    def setUp(self) -> None:
        self.cluster = Cluster.running()
        self.cluster.database(DATABASE)
        with psycopg.connect(self.dsn(self.cluster.port), autocommit=True) as connection:
            connection.execute(TABLES)
        self.bridge = Bridge(self.cluster.port, **self.settings)
        self.addCleanup(self.bridge.close)

    def dsn(self, port: int) -> str:
        return f"host=127.0.0.1 port={port} user=gateway dbname={DATABASE} sslmode=disable"

    def connect(self, **options: object) -> psycopg.Connection:
        connection = psycopg.connect(self.dsn(self.bridge.port), **options)  # type: ignore[arg-type]
        self.addCleanup(connection.close)
        return connection

    def raw(self) -> RawClient:
        client = RawClient(self.bridge.port, "gateway", DATABASE)
        self.addCleanup(client.close)
        return client

    def directly(self, sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.dsn(self.cluster.port)) as connection:
            return list(connection.execute(sql).fetchall())

    def refuse(self, word: bytes) -> None:
        self.bridge.decide = lambda operation: refused() if word in operation.text else GO


class Refusals(Live):
    def test_rolls_back_in_a_pipeline(self) -> None:
        """must-survive 79: what stands before a refused statement in its pipeline is rolled back."""
        self.refuse(b"drop")
        client = self.raw()
        insert = parse(b"", b"insert into t values (1)") + bind(b"", b"") + execute(b"")
        for asked in (parse(b"", b"drop table t") + bind(b"", b"") + execute(b""), query(b"drop table t")):
            client.send(insert, asked, SYNC)
            heard = client.until_ready()
            if asked[:1] == b"Q":
                heard += client.until_ready()
            self.assertEqual(state(heard), "ZG001")
            self.assertEqual(heard[-1], (b"Z", b"I"))
            if asked[:1] == b"P":
                self.assertEqual(self.directly("select count(*) from t"), [(0,)])

    def test_rolls_back_in_a_transaction(self) -> None:
        """must-survive 79: BEGIN; write; refused; COMMIT gives what PostgreSQL gives after an error."""
        self.refuse(b"drop")
        connection = self.connect(autocommit=True)
        connection.execute("begin")
        connection.execute("insert into t values (1)")
        with self.assertRaises(psycopg.Error) as caught:
            connection.execute("drop table t")
        self.assertEqual(caught.exception.sqlstate, "ZG001")
        detail = json.loads(caught.exception.diag.message_detail or "")
        self.assertEqual((detail["decision"], detail["session"]), ("refused", "s_1"))
        with self.assertRaises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("select 1")
        with self.assertRaises(psycopg.Error):
            connection.execute("drop table t")
        self.assertEqual(connection.execute("commit").statusmessage, "ROLLBACK")
        self.assertEqual(self.directly("select count(*) from t"), [(0,)])

    def test_between_ordinary_ones(self) -> None:
        """must-survive 65: later statements are answered at once; ReadyForQuery is true in and out of a transaction."""
        self.refuse(b"drop")
        client = self.raw()
        for before, status in ((b"select 1", b"I"), (b"begin", b"E")):
            client.send(query(before), query(b"drop table t"), query(b"rollback"), query(b"select 2"))
            heard = [client.until_ready() for _ in range(4)]
            self.assertEqual(state(heard[1]), "ZG001")
            self.assertEqual(heard[1][-1], (b"Z", status))
            self.assertEqual(tags(heard[3]), b"TDCZ")

    def test_each_kind(self) -> None:
        """Parse, Bind, Execute, FunctionCall: each fails as itself; a savepoint keeps what was before."""
        client = self.raw()
        client.send(query(b"begin; insert into t values (1)"), query(b"savepoint a"))
        client.until_ready()
        client.until_ready()
        good = parse(b"", b"select 1") + bind(b"", b"") + execute(b"")
        for kind in ("parse", "bind", "execute", "function"):
            self.bridge.decide = lambda operation, kind=kind: refused() if operation.kind == kind else GO
            client.send(function(1598) if kind == "function" else good + SYNC)
            heard = client.until_ready()
            self.assertEqual((kind, state(heard), heard[-1][1]), (kind, "ZG001", b"E"))
            self.bridge.decide = lambda operation: GO
            client.send(query(b"rollback to a"))
            self.assertEqual(client.until_ready()[-1][1], b"T")
        client.send(good, SYNC, query(b"commit"))
        self.assertEqual(tags(client.until_ready()), b"12DCZ")
        client.until_ready()
        self.assertEqual(self.directly("select count(*) from t"), [(1,)])

    def test_named_parse_refused(self) -> None:
        """The name is free afterwards, as after any Parse that failed."""
        self.refuse(b"drop")
        client = self.raw()
        client.send(parse(b"s", b"drop table t"), SYNC, parse(b"s", b"select 1"), bind(b"", b"s"), execute(b""), SYNC)
        self.assertEqual(state(client.until_ready()), "ZG001")
        self.assertEqual(tags(client.until_ready()), b"12DCZ")

    def test_error_mid_pipeline(self) -> None:
        """must-survive 14: an error mid-pipeline, then Sync; the next pipeline is whole."""
        connection = self.connect(autocommit=True)
        with self.assertRaises(psycopg.errors.UndefinedTable), connection.pipeline() as pipeline:
            connection.execute("select 1")
            connection.execute("select * from missing")
            connection.execute("select 2")
            pipeline.sync()
        with connection.pipeline():
            cursors = [connection.execute("select %s::int", (number,)) for number in range(50)]
        self.assertEqual([cursor.fetchone() for cursor in cursors], [(number,) for number in range(50)])

    def test_flush_without_sync(self) -> None:
        """must-survive 14: Flush brings answers without ending the pipeline."""
        client = self.raw()
        client.send(parse(b"", b"select 1"), bind(b"", b""), FLUSH)
        self.assertEqual(tags(client.until(b"2")), b"12")
        client.send(execute(b""), FLUSH)
        self.assertEqual(tags(client.until(b"C")), b"DC")
        client.send(SYNC)
        self.assertEqual(client.until_ready(), [(b"Z", b"I")])


class Names(Live):
    def test_sql_prepare_is_not_known(self) -> None:
        """must-survive 17: a statement that SQL prepared, bound by the protocol, has no text to be judged by."""
        client = self.raw()
        client.send(parse(b"s", b"select 1"), SYNC)
        client.until_ready()
        client.send(query(b"deallocate s; prepare s as delete from secret"), bind(b"", b"s"), execute(b""), SYNC)
        client.until_ready()
        client.until_ready()
        self.assertEqual([known(each) for each in self.bridge.operations[-2:]], [UNSEEN, UNSEEN])

    def test_drivers(self) -> None:
        """Prepared statements, cursors and transactions of asyncpg and psycopg work; every text is known."""

        async def work() -> list[object]:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=self.bridge.port, user="gateway", database=DATABASE, ssl=False
            )
            found: list[object] = []
            async with connection.transaction():
                await connection.executemany("insert into t values ($1, $2)", [(n, "w") for n in range(20)])
                async for record in connection.cursor("select id from t order by id", prefetch=7):
                    found.append(record["id"])
            statement = await connection.prepare("select $1::int + 1")
            found.append(await statement.fetchval(41))
            await connection.reset()
            await connection.close()
            return found

        self.assertEqual(asyncio.run(work()), [*range(20), 42])
        connection = self.connect(prepare_threshold=0)
        self.assertEqual([connection.execute("select %s", (n,)).fetchone() for n in range(5)], [(n,) for n in range(5)])
        with connection.cursor(name="c") as cursor:
            cursor.itersize = 3
            self.assertEqual(len(list(cursor.execute("select * from t"))), 20)
        connection.rollback()
        self.assertNotIn(UNSEEN, [known(each) for each in self.bridge.operations])

    def test_portal_in_parts(self) -> None:
        """Execute with a row count: PortalSuspended, and the rest."""
        client = self.raw()
        client.send(parse(b"", b"select generate_series(1, 5)"), bind(b"p", b""), execute(b"p", 2), execute(b"p", 2))
        client.send(execute(b"p"), close(b"P", b"p"), SYNC)
        self.assertEqual(tags(client.until_ready()), b"12DDsDDsDC3Z")

    def test_ddl_is_told(self) -> None:
        """The session learns that names may have changed."""
        connection = self.connect(autocommit=True)
        connection.execute("create table made as select 1")
        self.assertEqual(len(of(self.bridge.effects, CatalogueChanged)), 1)


class Copies(Live):
    def test_prepared_by_message_and_executed_by_sql(self) -> None:
        """COPY FROM STDIN cannot be given to PREPARE, but to Parse: EXECUTE of it takes data, alone and prepared."""
        client = self.raw()
        client.send(parse(b"runs", b"execute copies"), SYNC, parse(b"copies", b"copy t from stdin"), SYNC)
        client.until_ready()
        client.until_ready()
        client.send(query(b"execute copies"), copy_data(b"1\tx\n"), COPY_DONE, query(b"select 1"))
        self.assertEqual(tags(client.until_ready() + client.until_ready()), b"GCZTDCZ")
        client.send(bind(b"", b"runs"), execute(b""), copy_data(b"2\tx\n"), COPY_DONE, SYNC)
        self.assertEqual(tags(client.until_ready()), b"2GCZ")
        self.assertEqual(self.directly("select count(*) from t"), [(2,)])

    def test_in_and_out(self) -> None:
        """COPY both ways with a driver, large values, and a statement behind it."""
        connection = self.connect(autocommit=True)
        big = "x" * 300_000
        with connection.cursor().copy("copy t from stdin") as copy:
            for number in range(5):
                copy.write_row((number, big))
        with connection.cursor().copy("copy t to stdout") as copy:
            self.assertEqual([len(values[1]) for values in copy.rows()], [300_000] * 5)
        self.assertEqual(connection.execute("select count(*) from t").fetchone(), (5,))

    def test_extended_with_early_sync(self) -> None:
        """libpq's manner: Sync at once, then the data, CopyDone, and a second Sync."""
        client = self.raw()
        begun = parse(b"", b"copy t from stdin") + bind(b"", b"") + describe(b"P", b"") + execute(b"")
        for number in (1, 2):
            client.send(begun, SYNC)
            self.assertEqual(tags(client.until(b"G")), b"12nG")
            client.send(copy_data(b"%d\tx\n" % number), COPY_DONE, SYNC)
            self.assertEqual(tags(client.until_ready()), b"CZ")
        client.send(query(b"select count(*) from t"))
        self.assertEqual(client.until_ready()[1][1][-1:], b"2")

    def test_fails_before_its_data(self) -> None:
        """A COPY that fails at its first trigger, with the Sync that was sent behind it; then it goes on.

        PostgreSQL answers that Sync where it had not begun to read data; through the gateway it is answered or, where
        the client was already told to send data, ignored as during any COPY.
        """
        client = self.raw()
        for _ in range(3):
            client.send(parse(b"", b"copy grumpy from stdin"), bind(b"", b""), execute(b""), SYNC)
            heard = client.until(b"E")
            self.assertEqual(state(heard), "P0001")
            client.send(copy_data(b"1\n"), COPY_DONE, SYNC, query(b"select 1"))
            heard = client.until(b"C")
            self.assertEqual(tags(heard).lstrip(b"Z"), b"TDC")
            self.assertIn(tags(heard).count(b"Z"), (1, 2))
            client.until_ready()

    def test_fails_in_its_data(self) -> None:
        """Bad data: the error, the rest ignored, and the connection as before."""
        connection = self.connect(autocommit=True)
        wrong = self.assertRaises(psycopg.errors.InvalidTextRepresentation)
        with wrong, connection.cursor().copy("copy t from stdin") as copy:
            for _ in range(1000):
                copy.write("wrong\tx\n" * 100)
        self.assertEqual(connection.execute("select 1").fetchone(), (1,))

    def test_a_query_is_never_data(self) -> None:
        """What a client pipelines behind a COPY is asked about when it is a statement."""
        client = self.raw()
        client.send(query(b"copy missing from stdin"), query(b"select 1"))
        self.assertEqual(state(client.until_ready()), "42P01")
        self.assertEqual(tags(client.until_ready()), b"TDCZ")
        self.assertEqual([each.text for each in self.bridge.operations], [b"copy missing from stdin", b"select 1"])

    def test_refused(self) -> None:
        """A refused COPY is an error like any other; the data that comes nevertheless is ignored."""
        self.refuse(b"copy")
        client = self.raw()
        client.send(query(b"copy t from stdin"), copy_data(b"1\tx\n"), COPY_DONE, query(b"select 1"))
        self.assertEqual(state(client.until_ready()), "ZG001")
        self.assertEqual(tags(client.until_ready()), b"TDCZ")


class Limits(Live):
    def limited(self, rows: int) -> None:
        allowance = Allowance(f"{rows} rows", rows, None, "few", renews="the next statement")
        self.bridge.decide = lambda operation: Answer(meter=Meter((allowance,)))

    def test_cut_while_it_streams(self) -> None:
        """A result is cut at its row, cancelled upstream, and ends with ours; the session goes on."""
        self.limited(1000)
        client = self.raw()
        client.send(query(b"select generate_series(1, 50000000)"))
        heard = client.until_ready()
        self.assertEqual((tags(heard).count(b"D"), state(heard), heard[-1][1]), (1000, "ZG005", b"I"))
        detail = json.loads(dict(report_fields(heard[-2][1]))[b"D"])
        self.assertEqual((detail["decision"], detail["completed"]), ("over-budget", False))
        self.assertEqual(detail["guardrails"], ["few"])
        self.assertIn("the next statement", detail["would_pass"])
        self.assertEqual(len(of(self.bridge.effects, CancelTarget)), 1)
        self.bridge.decide = lambda operation: GO
        client.send(query(b"select 1"))
        self.assertEqual(tags(client.until_ready()), b"TDCZ")

    def test_cut_after_it_completed(self) -> None:
        """Where the target had completed the statement, the error says so, and what it wrote stays."""
        self.limited(3)
        client = self.raw()
        insert = b"insert into t select generate_series(1, 5) returning id"
        client.send(parse(b"", insert), bind(b"", b""), execute(b""), SYNC)
        heard = client.until_ready()
        self.assertEqual((tags(heard), state(heard), heard[-1][1]), (b"12DDDEZ", "ZG005", b"I"))
        self.assertTrue(json.loads(dict(report_fields(heard[-2][1]))[b"D"])["completed"])
        self.assertEqual(self.directly("select count(*) from t"), [(5,)])
        self.assertEqual([each.note for each in of(self.bridge.effects, Completed)], ["over-budget, completed"])  # type: ignore[attr-defined]

    def test_cut_in_a_transaction(self) -> None:
        """The transaction has failed, and says so."""
        self.limited(1000)
        client = self.raw()
        client.send(query(b"begin"))
        client.until_ready()
        client.send(parse(b"", b"select generate_series(1, 50000000)"), bind(b"", b""), execute(b""), SYNC)
        self.assertEqual(client.until_ready()[-1][1], b"E")

    def test_large_row_passes(self) -> None:
        """A row larger than any buffer passes in pieces."""
        connection = self.connect()
        (found,) = connection.execute("select repeat('x', 5000000)").fetchall()
        self.assertEqual(found, ("x" * 5_000_000,))


class Masks(Live):
    settings = {"max_masked_row": 100_000}

    def setUp(self) -> None:
        super().setUp()
        ((oid,),) = self.directly("select 'secret'::regclass::oid::int")
        columns = {(int(str(oid)), 2): "none"}
        build = MaskBuilder(b"k" * 32)
        self.masks = SqlMasks(columns, (), frozenset(), frozenset(), errors=True, build=build)
        self.bridge.decide = lambda operation: Answer(masks=self.masks) if b"secret" in operation.text else GO

    def test_simple_and_extended(self) -> None:
        """must-survive 19: masked with and without Describe; the gateway's own Describe is not seen."""
        client = self.raw()
        text = b"select id, email from secret order by 1"
        client.send(query(text))
        self.assertNotIn(b"example", b"".join([body for _, body in client.until_ready()]))
        both = parse(b"", text) + bind(b"", b"")
        for asked, answered in (
            (both + execute(b""), b"12DDCZ"),
            (both + describe(b"P", b"") + execute(b""), b"12TDDCZ"),
            (both + execute(b"", 1) + execute(b"", 1), b"12DsDsZ"),
            (both + execute(b"") + parse(b"", b"select 1") + bind(b"", b"") + execute(b""), b"12DDC12DCZ"),
        ):
            client.send(asked, SYNC)
            heard = client.until_ready()
            self.assertEqual(tags(heard), answered)
            self.assertNotIn(b"example", b"".join([body for _, body in heard]))
            self.assertIn(b"***", b"".join([body for _, body in heard]))
        self.assertEqual(sum(each.masked for each in of(self.bridge.effects, Completed)), 10)  # type: ignore[attr-defined]

    def test_errors_tell_nothing(self) -> None:
        """must-survive 19: the target's words about a statement that reads a masked column are withheld, also those
        that come at its Sync; SQLSTATE stays."""
        client = self.raw()
        wrong = b"select email::int from secret"
        deferred = b"update secret set email = 'ann@example.org'"
        for asked, sqlstate in (
            (query(wrong), "22P02"),
            (parse(b"", wrong) + bind(b"", b"") + execute(b"") + SYNC, "22P02"),
            (query(deferred), "23505"),
            (parse(b"", deferred) + bind(b"", b"") + execute(b"") + SYNC, "23505"),
        ):
            client.send(asked)
            heard = client.until_ready()
            self.assertEqual(state(heard), sqlstate)
            self.assertNotIn(b"example", b"".join([body for _, body in heard]))
        client.send(query(b"begin"), query(deferred), query(b"commit"))
        heard = client.until_ready() + client.until_ready() + client.until_ready()
        self.assertEqual(state(heard), "23505")
        self.assertNotIn(b"example", b"".join([body for _, body in heard]))

    def test_row_too_long(self) -> None:
        """A row that must be looked at and is longer than allowed ends the result."""
        client = self.raw()
        client.send(query(b"select email, repeat('x', 500000) from secret"), query(b"select 1"))
        heard = client.until_ready()
        self.assertEqual((tags(heard), state(heard)), (b"TEZ", "ZG006"))
        client.until_ready()

    def test_rows_over_several_reads(self) -> None:
        """must-survive 19: rows that span reads are masked whole."""
        connection = self.connect(autocommit=True)
        text = "select email, repeat('x', 70000) from secret, generate_series(1, 20)"
        found = connection.execute(text).fetchall()
        self.assertEqual({email for email, _ in found}, {"*" * 15})
        self.assertEqual(len(found), 40)


class Identity(Live):
    settings = {"application_name": "hoopgw:s_1:ann"}

    def test_application_name(self) -> None:
        """The target's view keeps the gateway's name whatever the client calls itself."""
        connection = self.connect(autocommit=True)
        connection.execute("set application_name = 'mine'")
        connection.execute("select 1")
        seen = "select application_name from pg_stat_activity where application_name in ('mine', 'hoopgw:s_1:ann')"
        self.assertEqual(self.directly(seen), [("hoopgw:s_1:ann",)])
        with connection.transaction():
            connection.execute("set application_name = 'again'")
            connection.execute("select 1")
            self.assertEqual(self.directly(seen), [("hoopgw:s_1:ann",)])
        self.assertEqual(connection.execute("show application_name").fetchone(), ("hoopgw:s_1:ann",))

    def test_names_itself_between_parse_and_bind(self) -> None:
        """The client's unnamed statement and portal outlive what the gateway sets: a simple Query would end both."""
        client = self.raw()
        client.send(parse(b"set", b"set application_name = 'mine'"), parse(b"", b"select 'still'"), SYNC)
        client.until_ready()
        client.send(bind(b"", b"set"), execute(b""), SYNC)
        client.until_ready()
        client.send(bind(b"", b""), execute(b""), SYNC)
        self.assertEqual(tags(client.until_ready()), b"2DCZ")
        client.send(query(b"begin"), parse(b"", b"select generate_series(1, 3)"), bind(b"", b""), execute(b"", 1))
        client.send(bind(b"set", b"set"), execute(b"set"), SYNC)
        client.until_ready()
        client.until_ready()
        client.send(execute(b""), SYNC)
        self.assertEqual(tags(client.until_ready()), b"DDCZ")
        seen = "select application_name from pg_stat_activity where application_name in ('mine', 'hoopgw:s_1:ann')"
        self.assertEqual(self.directly(seen), [("hoopgw:s_1:ann",)])
        client.send(query(b"select count(*) from pg_prepared_statements where name <> 'set'"))
        self.assertIn(b"\x00\x00\x00\x010", dict(client.until_ready())[b"D"])

    def test_encoding(self) -> None:
        """must-survive 16: an encoding that cannot be judged ends the session with FATAL."""
        connection = self.connect(autocommit=True)
        with self.assertRaises(psycopg.OperationalError):
            connection.execute("set client_encoding to 'SJIS'")
            connection.execute("select 1")
        self.assertTrue(connection.broken)


class Encodings(Live):
    def test_as_the_target_reads(self) -> None:
        """must-survive 16: each byte of an encoding of one byte a character is to Python what it is to PostgreSQL."""
        text = "select convert_from(set_byte('x', 0, %s), %s)"
        with psycopg.connect(self.dsn(self.cluster.port), autocommit=True) as connection:
            for name, codec in CODECS.items():
                for byte in range(0x80, 0x100):
                    try:
                        wanted = bytes((byte,)).decode(codec)
                    except UnicodeDecodeError:
                        wanted = ""
                    try:
                        (found,) = connection.execute(text, (byte, name)).fetchone() or ("",)
                    except psycopg.Error:
                        found = ""
                    self.assertEqual(found, wanted, (name, byte))
