"""PostgreSQL 13, 14, 16, 17 and 18 behind the gateway: logins, statements, COPY, errors, cancels.  15 is elsewhere."""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
from twisted.trial.unittest import SkipTest

from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import Options
from hoopgw.model.secret import Secret
from hoopgw.relay.postgres_target_effects import Ready
from hoopgw.relay.postgres_target_login import TargetLogin
from hoopgw.wire.scram import NONCE_BYTES
from tests.live.harness import UNTIL, LiveCase
from tests.relay import test_postgres_logins_live as logins

SERVERS = Path(sys.prefix).parent / ".cache/servers/node_modules"


def of(version: int) -> Options:
    return Options(programs=Programs(SERVERS / f"postgresql-{version}"))


class Version:
    """What holds for each of them."""

    version = 0
    stage: Any
    connect: Any
    meanwhile: Any
    runs: Any
    assertEqual: Any
    assertIn: Any
    assertRaises: Any
    addCleanup: Any

    def setUp(self) -> None:
        if not (SERVERS / f"postgresql-{self.version}/native/bin/postgres").exists():
            raise SkipTest(f"PostgreSQL {self.version} is not here: `make test` fetches it")
        super().setUp()  # type: ignore[misc]

    def test_statements(self) -> None:
        """It is that version; simple and extended statements, parameters, a transaction that fails and goes on."""
        connection = self.connect("writer")
        self.assertEqual(connection.info.server_version // 10000, self.version)
        self.assertEqual(connection.execute("select %s::int + 1", (1,)).fetchone(), (2,))
        self.assertEqual(connection.execute("select 'a', 2", prepare=True).fetchall(), [("a", 2)])
        with self.assertRaises(psycopg.errors.DivisionByZero), connection.transaction():
            connection.execute("select 1/0")
        self.assertEqual(connection.execute("select 3").fetchone(), (3,))

    def test_catalogue(self) -> None:
        """The gateway reads its catalogue: a mask finds its column, a rule its table."""
        shown = self.connect().execute("select email, name from customers order by id limit 1").fetchone()
        self.assertEqual(set(shown[0]), {"*"})
        with self.assertRaises(psycopg.DatabaseError) as refused:
            self.connect("writer").execute("drop table customers")
        self.assertIn("no-destructive-ddl", refused.exception.diag.message_detail)

    def test_copy(self) -> None:
        """COPY both ways."""
        connection = self.connect("writer")
        with connection.transaction(force_rollback=True):
            with connection.cursor().copy("copy products (id, name, price) from stdin") as copy:
                copy.write_row((4711, "copied", 1))
            with connection.cursor().copy("copy products (name) to stdout") as copy:
                self.assertIn(("copied",), list(copy.rows()))

    def test_cancel(self) -> None:
        """A cancel finds its statement."""
        connection = self.connect("writer")
        cancels = self.meanwhile(lambda: self.runs("pg_sleep(30)"), lambda: connection.cancel_safe(timeout=UNTIL))
        with cancels, self.assertRaises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(30)")

    def test_login(self) -> None:
        """3.2 with a long key where it speaks that; and it says, or is asked, whether it is a standby."""
        stage, password = self.stage, Secret(self.stage.cluster.password.encode())
        settings = {"client_encoding": "UTF8"}
        random = os.urandom(NONCE_BYTES)
        login = TargetLogin("postgres", "postgres", password, settings, "", tls=True, random=random, asks=True)
        target = logins.Target(SimpleNamespace(port=stage.cluster.port, authority=stage.authority), login)  # type: ignore[arg-type]
        ready = target.run()
        self.addCleanup(target.socket.close)
        assert isinstance(ready, Ready) and ready.standing is not None
        self.assertEqual(len(ready.key), 32 if self.version >= 18 else 4)
        self.assertEqual((ready.standing.standby, ready.standing.read_only), (False, False))
        assert isinstance(target.socket, ssl.SSLSocket)


class Thirteen(Version, LiveCase):
    version, options = 13, of(13)


class Fourteen(Version, LiveCase):
    version, options = 14, of(14)


class Sixteen(Version, LiveCase):
    version, options = 16, of(16)


class Seventeen(Version, LiveCase):
    version, options = 17, of(17)


class Eighteen(Version, LiveCase):
    version, options = 18, of(18)
