"""What runs by itself, as a real PostgreSQL's catalogue tells it."""

from __future__ import annotations

from typing import ClassVar

import psycopg
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from hoopgw.policy.catalogue import Catalogue, Relation
from tests.policy.database import read
from tests.programs import SERVER, found
from tests.store.cluster import Cluster

SCHEMA = """
CREATE SCHEMA app; SET search_path = app;
CREATE TABLE t (id int PRIMARY KEY, word text NOT NULL, made timestamptz);
CREATE TABLE child (id int, parent int REFERENCES t ON DELETE CASCADE ON UPDATE SET NULL);
CREATE VIEW v AS SELECT id, word FROM t;
CREATE MATERIALIZED VIEW m AS SELECT id FROM v;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION plain(a int) RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = app AS 'SELECT a';
CREATE FUNCTION summed(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT a + b';
CREATE AGGREGATE total(int) (SFUNC = summed, STYPE = int);
CREATE TRIGGER noting AFTER INSERT OR DELETE ON t EXECUTE FUNCTION noted();
CREATE TRIGGER silent AFTER UPDATE ON t EXECUTE FUNCTION noted();
ALTER TABLE t DISABLE TRIGGER silent;
CREATE RULE also AS ON UPDATE TO t DO ALSO DELETE FROM child WHERE parent = old.id;
CREATE TABLE strict (id int DEFAULT plain(1), b int CHECK (plain(b) > 0));
CREATE INDEX ON strict (id);
CREATE POLICY own ON child USING (plain(id) IN (SELECT id FROM t));
ALTER TABLE child ENABLE ROW LEVEL SECURITY;
CREATE TABLE shut (id int);
CREATE POLICY own ON shut USING (current_user = 'x');
ALTER TABLE shut ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION long() RETURNS int LANGUAGE sql AS $$ SELECT 1 -- {padding}
$$;
"""


class CatalogueCode(SynchronousTestCase):
    place: ClassVar[dict[str, object]] = {}

    def setUp(self) -> None:
        if found(*SERVER) is None:
            raise SkipTest("no PostgreSQL server is installed")
        own = type(self)
        if not own.place:
            own.place = dict(Cluster.running().database("catalogue_code"))
            with self.connect() as connection:
                connection.execute(SCHEMA.replace("{padding}", "x" * 70_000).encode())

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        connection = psycopg.connect(**self.place, autocommit=True)  # type: ignore[arg-type]
        self.addCleanup(connection.close)
        return connection

    def read(self) -> Catalogue:
        with self.connect() as connection:
            return read(connection)

    def relation(self, known: Catalogue, name: str) -> Relation:
        return known.relations["app", name]

    def test_bodies(self) -> None:
        """Views, rules and functions are there whole, with the schema of every name."""
        known = self.read()
        self.assertIn("FROM app.t", self.relation(known, "v").definition or "")
        self.assertIn("FROM app.v", self.relation(known, "m").definition or "")
        (rule,) = self.relation(known, "t").rules
        self.assertEqual((rule.event, rule.instead), ("update", False))
        self.assertIn("DELETE FROM app.child", rule.definition or "")
        (plain,) = known.functions["app", "plain"]
        self.assertIn("SELECT a", plain.definition or "")
        self.assertIn("SET search_path TO 'app'", plain.definition or "")
        self.assertTrue(plain.owner)
        self.assertIsNone(known.functions["pg_catalog", "lower"][0].definition)

    def test_bound(self) -> None:
        """A body that is too long is not there."""
        self.assertIsNone(self.read().functions["app", "long"][0].definition)

    def test_what_runs_by_itself(self) -> None:
        """Triggers that are enabled, foreign keys, defaults, checks, policies, parts of aggregates."""
        known = self.read()
        t, child = self.relation(known, "t"), self.relation(known, "child")
        noted, plain = known.functions["app", "noted"][0].oid, known.functions["app", "plain"][0].oid
        (trigger,) = t.triggers
        self.assertEqual((trigger.name, trigger.function), ("noting", noted))
        self.assertEqual(trigger.events, {"insert", "delete"})
        (key,) = t.referenced
        self.assertEqual((key.referencing, key.on_delete, key.on_update), (child.oid, "c", "n"))
        self.assertEqual(self.relation(known, "strict").store_calls, {plain})
        self.assertEqual((child.policy_calls, child.policy_reads), ({plain}, {t.oid, child.oid}))
        self.assertEqual(self.relation(known, "shut").policy_reads, set())
        (total,) = known.functions["app", "total"]
        self.assertEqual(total.calls, {known.functions["app", "summed"][0].oid})
        self.assertEqual([column.not_null for column in t.columns], [True, True, False])

    def test_locked(self) -> None:
        """Somebody holds a table exclusively: what reads it is not known, nothing waits, and the rest is there."""
        with self.connect() as holder, holder.transaction():
            holder.execute(b"LOCK TABLE app.t IN ACCESS EXCLUSIVE MODE")
            known = self.read()
        self.assertIsNone(self.relation(known, "v").definition)
        self.assertIsNone(self.relation(known, "t").rules[0].definition)
        self.assertIn("app.v", self.relation(known, "m").definition or "")
        self.assertIsNotNone(self.relation(self.read(), "v").definition)

    def test_somebody_waits(self) -> None:
        """A reader would stand behind who waits for an exclusive lock."""
        waiting = self.connect()
        with self.connect() as holder, holder.transaction():
            holder.execute(b"LOCK TABLE app.t IN ACCESS SHARE MODE")
            waiting.pgconn.send_query(b"BEGIN; LOCK TABLE app.t")
            self._until_waiting()
            known = self.read()
            waiting.close()
        self.assertIsNone(self.relation(known, "v").definition)

    def _until_waiting(self) -> None:
        with self.connect() as connection:
            for _ in range(3000):
                row = connection.execute(
                    b"SELECT count(*), pg_sleep(0.02) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
                ).fetchone()
                if row is not None and row[0]:
                    return
        self.fail("nobody waits")
