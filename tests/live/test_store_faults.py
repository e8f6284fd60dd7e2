"""A gateway whose store goes: it is stopped, hangs, or is locked.  Sessions go on, and nothing that waits runs."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase, until
from tests.store.cluster import Cluster

HELD = "update products set price = price + 1"


class Away(LiveCase):
    """What is asked of a gateway while its store is away, and after it has come back."""

    def ids(self) -> set[str]:
        ran = self.hoopgw("sessions", "list", "--json")
        return {row["id"] for row in json.loads(ran.stdout)} if ran.returncode == 0 else set()

    def while_away(self, there: psycopg.Connection[Any]) -> None:
        """Statements and logins as ever: what waited for the store would end here.  What needs an approval is refused
        as unavailable, in time."""
        for _ in range(200):
            self.assertEqual(there.execute("select 1").fetchone(), (1,))
        self.assertEqual(self.connect().execute("select count(*) from customers").fetchone(), (200,))
        self.assertTrue(until(lambda: "WRONG  index: cannot be written" in self.hoopgw("doctor").stdout))
        writer = self.connect("writer")
        error = self.assertRaises(psycopg.Error, writer.execute, HELD)
        assert isinstance(error, psycopg.Error)
        said = json.loads(error.diag.message_detail or "{}")
        self.assertEqual(said["decision"], "unavailable", said)
        self.assertEqual(writer.execute("select 1").fetchone(), (1,))
        listed = self.hoopgw("sessions", "list", "--live", "--json")
        self.assertIn("the index is behind, and some may be missing: ", listed.stderr)
        found = [row for row in json.loads(listed.stdout) if row["role"] == "writer"]
        self.assertEqual([(row["live"], row["closed"]) for row in found], [(True, None)])

    def after_it(self, before: set[str]) -> None:
        """Sessions of that time, live and ended, are in the index; approvals can be asked for again."""
        self.assertTrue(until(lambda: len(self.ids() - before) >= 2), "the index lacks sessions of that time")
        writer = self.connect("writer")
        writer.pgconn.send_query(HELD.encode())

        def held() -> list[Any]:
            connection = writer.pgconn
            connection.consume_input()
            if not connection.is_busy():  # refused: the store is not back yet
                while connection.get_result() is not None:
                    pass
                connection.send_query(HELD.encode())
            ran = self.hoopgw("approvals", "list", "--json")
            return json.loads(ran.stdout) if ran.returncode == 0 else []

        self.assertTrue(until(lambda: [hold for hold in held() if hold["state"] == "waiting"]))


class OnSqlite(Away):
    def test_locked(self) -> None:
        """must-survive 59: another process that keeps the index's write lock, for longer than any call waits."""
        there, before = self.connect(), self.ids()
        (path,) = Path(self.stage.state).glob("*.db")
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        try:
            self.while_away(there)
        finally:
            lock.execute("ROLLBACK")
            lock.close()
        self.after_it(before)


class OnPostgresql(Away):
    cluster: ClassVar[Cluster]

    def setUp(self) -> None:
        if "cluster" not in OnPostgresql.__dict__:
            OnPostgresql.cluster = Cluster.running()
            parameters = self.cluster.database("live_store")
            url = f"postgresql://gateway@127.0.0.1:{parameters['port']}/live_store"
            OnPostgresql.options = Options(more={"hoopgw.toml": f'[store]\nurl = "{url}"\n'})
        super().setUp()

    def test_stopped(self) -> None:
        """must-survive 59: the server is stopped, and started again."""
        there, before = self.connect(), self.ids()
        self.cluster.stop()
        try:
            self.while_away(there)
            ran = self.hoopgw("sessions", "list")
            self.assertNotEqual(ran.returncode, 0)
            self.assertNotIn("Traceback", ran.stderr)
        finally:
            self.cluster.start()
        self.after_it(before)

    def test_hangs(self) -> None:
        """must-survive 59: the server and its processes stand still, with every connection open."""
        there, before = self.connect(), self.ids()
        pids = self.cluster.pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.while_away(there)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        self.after_it(before)
