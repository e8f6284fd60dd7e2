"""A network between gateway and target that falls silent or is cut, in every state of a session."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import threading
import time
from typing import Any, ClassVar

import psycopg
from psycopg.pq import ExecStatus, PGconn, PollingStatus

from hoopgw.cli.demo.stage import Options
from tests.live.between import Network
from tests.live.harness import UNTIL, LiveCase, until
from tests.live.test_large import Memory

GRANT = """[grant.silent]
groups = ["agents"]
target = { name = "silent" }
roles = ["writer"]
"""
TARGET = """[target.silent]
protocol = "postgresql"
address = ["127.0.0.1:{port}"]
database = "shop"
tls = "disable"

[target.silent.role.writer]
user = "shop_rw"
password = "file:{directory}/secrets/writer"
"""
LARGE = b"select repeat('x', 1000) from generate_series(1, 1000000)"


class Silence(LiveCase):
    options = Options(target_tls="disable")
    network: ClassVar[Network]
    _stage: ClassVar[Any] = None

    def setUp(self) -> None:
        super().setUp()
        if Silence._stage is not self.stage:
            Silence._stage = self.stage
            Silence.network = Network(self.stage.cluster.port)
            directory = self.stage.gateway.config.parent
            text = TARGET.format(port=self.network.port, directory=directory)
            (directory / "targets.d/silent.toml").write_text(text)
            (directory / "grants.d/silent.toml").write_text(GRANT)
            os.kill(self.stage.gateway.pid, signal.SIGHUP)
            log = self.stage.gateway.log
            self.assertTrue(until(lambda: "configuration.reloaded" in log.read_text()))
            self.connect_there().close()  # it has read the catalogue: the tests are of the session's own connection
        self.network.silent_after = self.network.cut_after = None
        while self.network.left.acquire(blocking=False):
            pass  # the gateway's own connections, of an earlier test
        self.other = self.connect()

    def connect_there(self) -> psycopg.Connection[Any]:
        """By way of the network."""
        given: dict[str, Any] = {"autocommit": True, "connect_timeout": int(UNTIL), "password": self.stage.agent}
        connection = psycopg.connect(self.stage.gateway_url("writer", "silent"), **given)
        self.addCleanup(connection.close)
        return connection

    def live(self) -> list[dict[str, Any]]:
        ran = self.hoopgw("sessions", "list", "--json", "--live", "--target", "silent")
        found: list[dict[str, Any]] = json.loads(ran.stdout)
        return found

    def none_is_left(self) -> None:
        """Neither in the index nor at the gateway's other side; and others were not touched."""
        self.assertEqual(until(lambda: not self.live()), True, self.live())
        self.assertEqual(self.other.execute("select 1").fetchone(), (1,))

    def test_cut_in_a_login(self) -> None:
        """A target that goes in the middle of its login, at whatever byte: the client reads an error at once, in
        PostgreSQL's terms, and nothing of it is left."""
        for cut in (0, 1, 9, 24, 60, 110, 130, 200, 330):
            self.network.cut_after = cut
            error = self.assertRaises(psycopg.OperationalError, self.connect_there)
            self.assertRegex(str(error), "FATAL:.*target", f"after {cut} bytes")
        self.nothing_took_too_long()
        self.none_is_left()

    def nothing_took_too_long(self) -> None:
        """No login at the target came to the end of the time that one may take."""
        self.assertNotIn("no login within", self.stage.gateway.log.read_text())

    def test_silent_in_a_login(self) -> None:
        """The client that does not wait as long as a login may take takes the gateway's connection with it."""
        self.network.silent_after = 20
        url = self.stage.gateway_url("writer", "silent") + f"&password={self.stage.agent}"
        connecting = PGconn.connect_start(url.encode())
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            state = connecting.connect_poll()
            self.assertNotIn(state, (PollingStatus.OK, PollingStatus.FAILED), connecting.error_message)
            writing = [connecting.socket] if state is PollingStatus.WRITING else []
            select.select([connecting.socket], writing, [], 0.1)
        connecting.finish()
        self.assertTrue(self.network.left.acquire(timeout=UNTIL), "the gateway's connection outlives its client")
        self.nothing_took_too_long()
        self.none_is_left()
        log = self.stage.gateway.log.read_text()  # its leaving is no failure of the gateway's, nor a login of its own
        self.assertNotIn("a login failed", log)
        self.assertNotIn("the gateway failed", log)

    def end_it(self) -> None:
        """By an order, which does not wait for the target."""
        (row,) = until(self.live)
        ran = self.hoopgw("sessions", "kill", row["id"], "--reason", "silent")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertTrue(self.network.left.acquire(timeout=UNTIL), "the gateway waits for a target that is silent")
        self.none_is_left()

    def test_silent_in_a_result(self) -> None:
        """Who has half of a result can be ended all the same, and reads no end of it; one who leaves is gone."""
        for leaves in (False, True):
            self.network.silent_after = 100_000
            connection = self.connect_there()
            connection.pgconn.send_query(LARGE)
            self.assertTrue(until(self.live))
            if leaves:
                with socket.socket(fileno=os.dup(connection.fileno())) as raw:
                    raw.shutdown(socket.SHUT_RDWR)  # no Terminate: the connection only ends
                self.assertTrue(self.network.left.acquire(timeout=UNTIL))
            else:
                self.end_it()
                self.assertEqual(self.read_to_its_end(connection.pgconn), ExecStatus.FATAL_ERROR)
            self.none_is_left()

    def read_to_its_end(self, connection: PGconn) -> int:
        while connection.is_busy():
            self.assertTrue(select.select([connection.socket], [], [], UNTIL)[0], "the client waits on")
            connection.consume_input()
        result = connection.get_result()
        return result.status if result is not None else ExecStatus.COMMAND_OK

    def test_silent_in_a_copy(self) -> None:
        """The client's COPY stops where buffers are full, which are bounded; ended, it fails."""
        connection, silent, failed = self.connect_there(), threading.Event(), threading.Event()

        def copy() -> None:
            try:
                with connection.cursor().copy("copy products (id, name, price) from stdin") as copying:
                    for number in range(50_000):
                        copying.write(b"%d\t%s\t1\n" % (300_000 + number, b"x" * 1000))
                        if number == 1000:
                            self.network.fall_silent()
                            silent.set()
            except psycopg.Error:
                failed.set()

        with Memory(self.stage.gateway.pid) as memory:
            copying = threading.Thread(target=copy, daemon=True)
            copying.start()
            self.assertTrue(silent.wait(UNTIL))
            copying.join(2)
            self.assertTrue(copying.is_alive())
        self.assertLess(memory.grown, 32 << 20)
        self.assertEqual(self.other.execute("select 1").fetchone(), (1,))
        self.end_it()
        copying.join(UNTIL)
        self.assertTrue(failed.is_set())
