"""What breaks around the gateway, with real clients and a real PostgreSQL: nothing hangs, lies, or touches another."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import ssl
import struct
import threading
import time
from typing import Any

import psycopg

from tests.live.harness import UNTIL, LiveCase, until
from tests.live.test_large import cpu


def reset(connection: psycopg.Connection[Any]) -> None:
    """Gone without a word: the peer reads ECONNRESET, no Terminate and no TLS close."""
    with socket.socket(fileno=os.dup(connection.fileno())) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.fileno())


class Faults(LiveCase):
    def backend(self, connection: psycopg.Connection[Any]) -> int:
        """The process at the target, by its own word."""
        found = connection.execute("select pg_backend_pid()").fetchone()
        assert found is not None
        return int(found[0])

    def sessions(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.hoopgw("sessions", "list", "--json", *words).stdout)
        return found

    def works(self) -> bool:
        """A new session does, or soon: a target whose process was killed starts anew."""

        def once() -> bool:
            try:
                return self.connect().execute("select count(*) from customers").fetchone() == (200,)
            except psycopg.OperationalError:
                return False

        return bool(until(once))

    def verified(self) -> None:
        ran = self.hoopgw("sessions", "verify", str(self.stage.state / "recordings"))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_target_killed_in_a_result(self) -> None:
        """The client that has half of a result reads an error, never an end; the recording is closed and verifies."""
        connection = self.connect()
        process, rows = self.backend(connection), 0
        with self.assertRaises(psycopg.OperationalError):
            for _ in connection.cursor().stream("select repeat('x', 1000) from generate_series(1, 3000000)"):
                rows += 1
                if rows == 1000:
                    os.kill(process, signal.SIGKILL)
        self.assertLess(rows, 3_000_000)
        self.assertTrue(connection.closed)
        self.assertTrue(self.works())
        self.verified()

    def test_target_killed_in_a_copy(self) -> None:
        """COPY FROM STDIN whose target dies fails at the client, and nothing of it is there."""
        connection = self.connect("writer")
        process = self.backend(connection)
        text = "copy products (id, name, price) from stdin"
        with self.assertRaises(psycopg.Error), connection.cursor().copy(text) as copy:
            for number in range(2_000_000):
                copy.write(b"%d\tkilled in a copy\t1\n" % (100_000 + number))
                if number == 1000:
                    os.kill(process, signal.SIGKILL)
        self.assertTrue(self.works())
        found = self.connect().execute("select count(*) from products where id >= 100000").fetchone()
        self.assertEqual(found, (0,))

    def test_target_that_stops_answering(self) -> None:
        """must-survive 64, 77: a target's process that hangs holds up its own session alone, and that one can be
        ended."""
        connection, other, failed = self.connect(), self.connect(), []
        process = self.backend(connection)
        text = f"select application_name from pg_stat_activity where pid = {process}"
        ((name,),) = until(lambda: self.stage.cluster.run(f"{text} and application_name like 'hoopgw:%'"))
        id = str(name).removeprefix("hoopgw:").split()[0]

        def ask() -> None:
            try:
                connection.execute("select 'hangs'")
            except psycopg.OperationalError as error:
                failed.append(error.sqlstate)

        asking = threading.Thread(target=ask)
        os.kill(process, signal.SIGSTOP)
        try:
            asking.start()
            for _ in range(50):
                other.execute("select 1")
            self.assertTrue(asking.is_alive())
            self.assertEqual(self.hoopgw("sessions", "kill", id, "--reason", "it hangs").returncode, 0)
            asking.join(UNTIL)
        finally:
            os.kill(process, signal.SIGCONT)
        self.assertEqual(failed, ["57P01"])
        self.assertEqual(other.execute("select 1").fetchone(), (1,))

    def test_clients_that_vanish(self) -> None:
        """In a login, idle, in a result, a COPY, a transaction and a hold: the target's session ends, and so does the
        gateway's, with all of it recorded."""
        known = {row["id"] for row in self.sessions("--live")}
        self.half_a_login()
        before = {name: self.connect("writer") for name in ("idle", "result", "copy", "transaction", "hold")}
        before["result"].pgconn.send_query(b"select repeat('x', 1000) from generate_series(1, 1000000)")
        before["copy"].pgconn.send_query(b"copy products (id, name, price) from stdin")
        before["transaction"].execute("begin")
        before["transaction"].execute("insert into products (id, name, price) values (9777, 'x', 1)")
        before["hold"].pgconn.send_query(b"update products set price = price + 1")
        self.held("price = price + 1")
        for words in ("repeat(", "copy products (id, name, price) from stdin"):
            self.assertTrue(self.runs(words), words)
        for connection in before.values():
            reset(connection)
        left = until(lambda: not {row["id"] for row in self.sessions("--live")} - known)
        self.assertTrue(left, self.sessions("--live"))
        text = "select count(*) from pg_stat_activity where usename = 'shop_rw'"
        self.assertTrue(until(lambda: self.stage.cluster.run(text) == [(0,)]), self.stage.cluster.run(text))
        self.assertTrue(until(lambda: not self.waiting()), self.waiting())
        self.assertEqual(self.connect().execute("select count(*) from products where id = 9777").fetchone(), (0,))
        self.verified()

    def waiting(self) -> list[dict[str, Any]]:
        listed = json.loads(self.hoopgw("approvals", "list", "--json").stdout)
        return [hold for hold in listed if hold["state"] == "waiting"]

    def half_a_login(self) -> None:
        """SSLRequest, TLS, half of a StartupMessage; then gone."""
        raw = socket.create_connection(("127.0.0.1", self.stage.gateway.port))
        raw.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
        self.assertEqual(raw.recv(1), b"S")
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as secured:
            secured.sendall(b"\0\0\0\x50\0\3\0\0user\0")

    def test_no_descriptors_left(self) -> None:
        """must-survive 33: where the process has no file descriptor left it waits without turning in circles, the
        sessions that are there go on, and new ones come in as soon as there is room."""
        pid = self.stage.gateway.pid
        there = self.connect()
        there.execute("select 1")
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir(f"/proc/{pid}/fd"))
        taken: list[socket.socket] = []
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 4, limits[1]))
        try:
            for _ in range(40):
                one = socket.create_connection(("127.0.0.1", self.stage.gateway.port))
                one.setblocking(False)
                taken.append(one)
            self.assertTrue(until(lambda: self.spent(pid, 2) < 1.0), "it turns in circles")
            self.assertEqual(there.execute("select count(*) from customers").fetchone(), (200,))
        finally:
            for one in taken:
                one.close()
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        self.assertTrue(self.works())
        self.assertEqual(there.execute("select 1").fetchone(), (1,))

    def spent(self, pid: int, seconds: float) -> float:
        """Of the CPU, in so many."""
        before = cpu(pid)
        time.sleep(seconds)
        return cpu(pid) - before
