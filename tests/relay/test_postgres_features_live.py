"""What else clients do on a PostgreSQL connection, through the relay, with drivers that do it."""

from __future__ import annotations

import psycopg
import psycopg2

from hoopgw.model.operation import FUNCTION
from tests.relay.test_postgres_live import Live


class Features(Live):
    def test_notifications(self) -> None:
        """LISTEN and NOTIFY: a notification reaches the listener while it is idle, with its payload."""
        listener, sender = self.connect(autocommit=True), self.connect(autocommit=True)
        listener.execute("listen news")
        sender.execute("notify news, 'all is well'")
        [found] = listener.notifies(timeout=60, stop_after=1)
        self.assertEqual((found.channel, found.payload), ("news", "all is well"))

    def test_large_objects(self) -> None:
        """Large objects by function calls of the protocol (F), each one asked about; 1 MB both ways."""
        connection = psycopg2.connect(self.dsn(self.bridge.port))
        self.addCleanup(connection.close)
        content = bytes(range(256)) * 4096
        written = connection.lobject(0, "wb")
        written.write(content)
        written.close()
        read = connection.lobject(written.oid, "rb")
        self.assertEqual(read.read(), content)
        read.close()
        connection.lobject(written.oid).unlink()
        connection.commit()
        self.assertIn(FUNCTION, {operation.kind for operation in self.bridge.operations})

    def test_cursors(self) -> None:
        """A cursor of the server's, read in parts and held over its transaction."""
        connection = self.connect()
        with connection.cursor("rows", withhold=True) as cursor:
            cursor.execute("select generate_series(1, 1000)")
            self.assertEqual(len(cursor.fetchmany(10)), 10)
            connection.commit()
            self.assertEqual(len(cursor.fetchall()), 990)

    def test_notices(self) -> None:
        """Notices come in the order in which they were raised."""
        connection = self.connect(autocommit=True)
        found: list[str | None] = []
        connection.add_notice_handler(lambda said: found.append(said.message_primary))
        connection.execute("do $$ begin raise notice 'one'; raise warning 'two'; end $$")
        self.assertEqual(found, ["one", "two"])

    def test_what_the_client_is_told(self) -> None:
        """ParameterStatus of what a SET changed reaches the client."""
        connection = self.connect(autocommit=True)
        connection.execute("set timezone to 'UTC'")
        self.assertEqual(connection.info.parameter_status("TimeZone"), "UTC")
        self.assertEqual(connection.info.transaction_status, psycopg.pq.TransactionStatus.IDLE)
