"""Replication: refused unless the grant says so; then pg_basebackup, pg_receivewal and pg_recvlogical work."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase, until
from tests.live.pgprograms import address, machines, ran

GRANTED = """
[grant.copies]
groups = ["replicas"]
target = { name = "shop" }
roles = ["writer"]
features = ["replication"]
"""


class Replication(LiveCase):
    options = Options(more={"grants.d/copies.toml": GRANTED}, server={"wal_level": "logical"})

    def setUp(self) -> None:
        super().setUp()
        self.stage.cluster.run("ALTER ROLE shop_rw REPLICATION")
        self.replica = self.stage.issuer.mint("replica", ("replicas",))
        self.physical = address(self.stage) + " options='-c hoopgw.target=shop'"

    def run_program(self, program: str, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
        return ran(self.stage, machines(), program, *words, token=token or self.replica)

    def test_refused_without_the_feature(self) -> None:
        """Neither kind, whoever asks: the words say what is missing, and nothing reaches the target."""
        for how in ("database", "true"):
            refused = self.assertRaises(psycopg.OperationalError, self.connect, "writer", replication=how)
            self.assertIn("does not let this identity replicate", str(refused))

    def test_backup(self) -> None:
        """pg_basebackup, its WAL streamed beside it: the copy is whole by its own manifest."""
        place = self.stage.place / "backup"
        done = self.run_program("pg_basebackup", "-d", self.physical, "-D", str(place), "-X", "stream", "-c", "fast")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((place / "PG_VERSION").read_text(), "15\n")
        self.assertTrue((place / "backup_manifest").stat().st_size > 1000)

    def test_backup_from_a_host(self) -> None:
        """The same by the name of the target's host alone, as from a server of one's own."""
        place = self.stage.place / "backup-of-host"
        named = address(self.stage).replace("host=127.0.0.1", "host=shop.gw.localhost hostaddr=127.0.0.1")
        done = self.run_program("pg_basebackup", "-d", named, "-D", str(place), "-X", "fetch", "-c", "fast")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_receivewal(self) -> None:
        """pg_receivewal streams both ways and ends where it is told to."""
        place = self.stage.place / "wal"
        place.mkdir()
        self.stage.cluster.run("create table if not exists moved (a int)", "insert into moved values (1)")
        ((end,),) = self.stage.cluster.run("select pg_current_wal_insert_lsn()")
        words = ["-d", self.physical, "-D", str(place), "--endpos", str(end), "--no-loop"]
        done = self.run_program("pg_receivewal", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue([*Path(place).iterdir()])

    def test_logical(self) -> None:
        """pg_recvlogical makes a slot, streams changes up to a place, and drops the slot; SQL beside it is judged."""
        where = ["-d", address(self.stage), "-S", "changes", "--no-loop"]
        made = self.run_program("pg_recvlogical", *where, "--create-slot", "-P", "test_decoding")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.stage.cluster.run("create table if not exists seen (a int)", database="shop")
        self.stage.cluster.run("insert into seen values (4711)", database="shop")
        ((end,),) = self.stage.cluster.run("select pg_current_wal_insert_lsn()")
        got = self.run_program("pg_recvlogical", *where, "--start", "--endpos", str(end), "-f", "-")
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertIn("a[integer]:4711", got.stdout)
        gone = self.run_program("pg_recvlogical", *where, "--drop-slot")
        self.assertEqual(gone.returncode, 0, gone.stderr)
        connection = self.connect("writer", self.replica, replication="database")
        self.assertEqual(connection.pgconn.exec_(b"select 1").get_value(0, 0), b"1")
        refused = connection.pgconn.exec_(b"drop table seen")
        self.assertIn(b"guardrail", refused.error_message)

    def test_coverage(self) -> None:
        """The record holds the commands, and its coverage names the stream as opaque."""
        connection = self.connect("writer", self.replica, replication="database")
        self.assertEqual(connection.pgconn.exec_(b"IDENTIFY_SYSTEM").ntuples, 1)
        id = self.newest()
        connection.close()
        self.assertTrue(until(lambda: "Passed opaque: replication" in self.exported(id)), self.exported(id))
        self.assertIn("IDENTIFY_SYSTEM", self.hoopgw("sessions", "replay", id).stdout)

    def exported(self, id: str) -> str:
        return self.hoopgw("sessions", "export", id, "--format", "jsonl").stdout
