"""From `[store]` to the provider."""

from __future__ import annotations

import socket

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from hoopgw.model.errors import OperatorError, StoreUnavailable
from hoopgw.model.settings import StoreSettings
from hoopgw.store.opening import open_store, postgresql_parameters
from hoopgw.store.postgresql import PostgresqlStore
from hoopgw.store.sqlite import SqliteStore


class Opening(SynchronousTestCase):
    def test_kinds(self) -> None:
        """The URL's scheme names the provider; another one is a mistake that says what is known."""
        self.assertIsInstance(open_store(Clock(), StoreSettings("sqlite:/var/lib/x.db")), SqliteStore)
        self.assertIsInstance(open_store(Clock(), StoreSettings("postgresql://db/x")), PostgresqlStore)
        for url in ("mysql://db/x", "sqlite:", "", "/var/lib/x.db"):
            self.assertRaises(OperatorError, open_store, Clock(), StoreSettings(url))

    def test_sqlite_path(self) -> None:
        """`sqlite:/a/b` and `sqlite:///a/b` are the same file."""
        for url in ("sqlite:/a/b", "sqlite:///a/b"):
            store = open_store(Clock(), StoreSettings(url))
            assert isinstance(store, SqliteStore)
            self.assertEqual(store._path, "/a/b")

    def test_postgresql(self) -> None:
        """Every part of the URL; off loopback the certificate is verified unless the operator writes otherwise."""
        self.assertEqual(
            postgresql_parameters("postgresql://gw@db.internal:5433/hoop%20gw?sslrootcert=/ca.pem"),
            {
                "host": "db.internal", "port": "5433", "user": "gw", "dbname": "hoop gw",
                "sslrootcert": "/ca.pem", "sslmode": "verify-full",
            },
        )  # fmt: skip
        self.assertEqual(postgresql_parameters("postgresql://127.0.0.1/x")["sslmode"], "disable")
        self.assertEqual(postgresql_parameters("postgresql:///x?host=/run/postgresql")["sslmode"], "disable")
        self.assertEqual(postgresql_parameters("postgresql://db/x?sslmode=require")["sslmode"], "require")

    def test_mistakes(self) -> None:
        """A password, an unknown or dangerous parameter, a missing part."""
        for url in (
            "postgresql://gw:secret@db/x",
            "postgresql://db/x?password=secret",
            "postgresql://db/x?passfile=/etc/shadow",
            "postgresql://db/x?service=a",
            "postgresql://db/x?options=-c%20fsync=off",
            "postgresql://db/",
            "postgresql:///x",
            "postgresql://db:port/x",
        ):
            error = self.assertRaises(OperatorError, postgresql_parameters, url)
            self.assertNotIn("secret", str(error))


class Starting(TestCase):
    async def test_nobody_there(self) -> None:
        """A gateway that does not start because of its store says that it is the store, and where that is to be."""
        from twisted.internet import reactor

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and nothing listens
            place = f"127.0.0.1:{taken.getsockname()[1]}/x"
            store = open_store(reactor, StoreSettings(f"postgresql://gw@{place}"))
            error = await self.assertFailure(store.start(), StoreUnavailable)
        self.assertIn(f"the [store] at {place}: ", str(error))
        self.assertIn("Connection refused", str(error))
