"""pgbouncer between gateway and PostgreSQL: with a server for each session, and with servers that it lends by turns."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import psycopg
from twisted.trial.unittest import SkipTest

from bench.peers import Kind, Pgbouncer
from bench.ways import GRANT, TARGETS
from tests.live.harness import LiveCase, until
from tests.programs import found

MORE = 'max_protocol_version = "3.0"\nshared_servers = "{shared}"\n'
RULE = """[guardrail.no-customers]
target = { labels = { env = "bench" } }
tables = ["public.customers"]
then = "refuse"
"""


class Pooled(LiveCase):
    def setUp(self) -> None:
        if found("pgbouncer") is None:
            raise SkipTest("no pgbouncer is installed")
        super().setUp()
        directory = self.stage.gateway.config.parent
        if (directory / "grants.d/pooled.toml").exists():
            return
        secret = directory / "secrets/reader"
        for mode in ("session", "transaction"):
            kind, stage, password = Kind(mode, "scram-sha-256", 200), self.stage, secret.read_text()
            pooler = Pgbouncer(stage.place / mode, stage.authority, stage.cluster.port, "shop_ro", password, kind)
            self._stack.callback(pooler.stop)
            for name, shared in {"": "refuse", "-allowed": "allow"}.items():
                more = MORE.format(shared=shared)
                text = TARGETS.format(name=mode + name, port=pooler.port, secret=secret, more=more)
                (directory / f"targets.d/{mode}{name}.toml").write_text(text)
        (directory / "guardrails.d/90-pooled.toml").write_text(RULE)
        (directory / "grants.d/pooled.toml").write_text(GRANT)
        os.kill(self.stage.gateway.pid, signal.SIGHUP)
        self.assertTrue(until(lambda: self.told("configuration.reloaded")))

    def told(self, code: str, **facts: str) -> list[dict[str, Any]]:
        """Events with these facts, so far."""
        lines = Path(self.stage.gateway.log).read_text(errors="replace").splitlines()
        events = [json.loads(line) for line in lines if f'"code":"{code}"' in line]
        return [event for event in events if facts.items() <= event.items()]

    def at(self, target: str) -> psycopg.Connection[tuple[Any, ...]]:
        given = {"autocommit": True, "password": self.stage.agent, "connect_timeout": 60}
        connection = psycopg.connect(self.stage.gateway_url("reader", target), **given)
        self.addCleanup(connection.close)
        return connection

    def test_a_server_for_each(self) -> None:
        """All as without it; that it is there is said."""
        connection = self.at("session")
        self.assertEqual(connection.execute("select count(*) > 0 from products").fetchall(), [(True,)])
        with self.assertRaisesRegex(psycopg.Error, "no-customers"):
            connection.execute("select 1 from customers")
        (said,) = self.told("target.pooled", target="session")
        self.assertIn("must give each session its own server", said["reason"])
        self.assertEqual(self.told("catalogue.unavailable", target="session"), [])

    def test_security_servers_by_turns(self) -> None:
        """What one session sets changes what another's names mean: where they are to be known nothing passes."""
        connection = self.at("transaction")
        for statement in ("select count(*) from products", "select 1 from customers"):
            with self.assertRaisesRegex(psycopg.Error, "catalogue"):
                connection.execute(statement)
        for code in ("target.pooled", "catalogue.unavailable"):
            self.assertIn("lends one server to several", self.told(code, target="transaction")[0]["reason"])

    def test_allowed(self) -> None:
        """An operator who knows better has what there was, and it is on record."""
        connection = self.at("transaction-allowed")
        self.assertEqual(connection.execute("select count(*) > 0 from products").fetchall(), [(True,)])
        with self.assertRaisesRegex(psycopg.Error, "no-customers"):
            connection.execute("select 1 from customers")
        self.assertIn(
            "lends one server to several", self.told("target.pooled", target="transaction-allowed")[0]["reason"]
        )
