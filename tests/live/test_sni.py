"""Targets by host name: what libpq sends as SNI, through a running gateway."""

from __future__ import annotations

import psycopg

from tests.live.harness import LiveCase


class Case(LiveCase):
    def at(self, host: str, database: str, **more: str) -> psycopg.Connection[tuple[object, ...]]:
        link = psycopg.connect(
            host=host,
            hostaddr="127.0.0.1",
            port=self.stage.gateway.port,
            user="reader",
            dbname=database,
            password=more.pop("password", self.stage.agent),
            sslmode="verify-full",
            sslrootcert=str(self.stage.ca),
            **more,
        )
        self.addCleanup(link.close)
        return link

    def refusal(self, host: str, database: str, **more: str) -> str:
        with self.assertRaises(psycopg.OperationalError) as caught:
            self.at(host, database, **more)
        return str(caught.exception)


class ByHostName(Case):
    def test_named(self) -> None:
        """By the host name alone, with TLS asked for and direct; dbname is a database, or the target as ever."""
        for host, database in (
            ("shop.gw.localhost", "shop"),
            ("SHOP.gw.localhost", "shop"),
            ("shop.gw.localhost", "shop/shop"),
            ("localhost", "shop"),
        ):
            found = self.at(host, database).execute("select current_database()").fetchall()
            self.assertEqual(found, [("shop",)], (host, database))
        if psycopg.pq.version() >= 170000:
            direct = self.at("shop.gw.localhost", "shop", sslnegotiation="direct")
            self.assertEqual(direct.execute("select 1").fetchall(), [(1,)])

    def test_not_sent(self) -> None:
        """Without SNI dbname names the target."""
        link = self.at("shop.gw.localhost", "shop", sslsni="0")
        self.assertEqual(link.execute("select current_database()").fetchall(), [("shop",)])


class Refused(Case):
    """A gateway of its own: who is refused so often from one address waits."""

    def test_another_target(self) -> None:
        """A dbname that names another target than the host does is refused, after the token is checked."""
        self.assertIn("host name means target 'other'", self.refusal("other.gw.localhost", "shop/shop"))
        self.assertIn("no grant lets", self.refusal("other.gw.localhost", "shop"))
        self.assertIn("no grant lets", self.refusal("shop.gw.localhost", "nowhere"))
        said = self.refusal("other.gw.localhost", "shop/shop", password="no.token.this")
        self.assertNotIn("host name means", said)
