"""A gateway that is asked to stop: who works may finish, who does not goes at once, and all of it is sealed."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from hoopgw.cli.demo.children import Child
from hoopgw.cli.demo.stage import Options
from hoopgw.cli.demo.surroundings import surroundings
from tests.live.harness import UNTIL, LiveCase, until

ACTIVATE = Path("/usr/bin/systemd-socket-activate")


STATEMENT = "select 7 from pg_advisory_lock(4711)"  # waits for who has the lock


class Draining(LiveCase):
    options: ClassVar[Options] = Options(gateway=False)

    def begun(self, drain: str) -> None:
        """A gateway with this [limits] drain, until the end of the test."""
        path = self.stage.gateway.config
        before = path.read_text()
        self.addCleanup(path.write_text, before)
        path.write_text(f'{before}\n[limits]\ndrain = "{drain}"\n')
        self.stage.gateway.start()
        self.addCleanup(self.stage.gateway.stop)

    def asked_to_stop(self) -> tuple[psycopg.Connection[Any], threading.Thread, list[Any]]:
        """(who has the lock, who waits in STATEMENT, what that gets).  The gateway was told to stop, and an idle client
        has been ended."""
        lock = psycopg.connect(self.stage.direct_url(), autocommit=True)
        self.addCleanup(lock.close)
        lock.execute("select pg_advisory_lock(4711)")
        busy, idle = self.connect(), self.connect()
        idle.execute("select 1")
        got: list[Any] = []

        def work() -> None:
            try:
                got.append(busy.execute(STATEMENT).fetchone())
            except psycopg.Error as error:
                got.append(error)

        worker = threading.Thread(target=work)
        worker.start()
        self.assertTrue(self.runs(STATEMENT.partition(" from ")[2]))
        os.kill(self.stage.gateway.pid, signal.SIGTERM)
        self.assertTrue(until(lambda: self._ended(idle)))
        return lock, worker, got

    def _ended(self, connection: psycopg.Connection[Any]) -> bool:
        try:
            connection.pgconn.consume_input()
        except psycopg.OperationalError:
            return True
        return False

    def over(self, worker: threading.Thread) -> None:
        self.assertEqual(self.stage.gateway.child.process.wait(UNTIL), -signal.SIGTERM)
        worker.join(UNTIL)

    def test_what_runs_is_finished(self) -> None:
        """A statement that is done within [limits] drain has its answer; an idle session does not hold up the end, and
        the end does not wait longer than for the last session."""
        self.begun("10m")
        lock, worker, got = self.asked_to_stop()
        self.assertEqual(got, [])
        lock.execute("select pg_advisory_unlock(4711)")
        self.over(worker)
        self.assertEqual(got, [(7,)])

    def test_what_does_not_end_is_ended(self) -> None:
        """After [limits] drain a session is ended in PostgreSQL's terms, and the recordings are sealed and whole."""
        self.begun("4s")
        _, worker, got = self.asked_to_stop()
        self.over(worker)
        self.assertIsInstance(got[0], psycopg.errors.AdminShutdown)
        ran = self.hoopgw("sessions", "verify", str(self.stage.state / "recordings"))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)


class Sockets(LiveCase):
    """Endpoints that systemd passes, without a systemd."""

    options: ClassVar[Options] = Options(gateway=False)

    def configured(self, endpoints: list[str]) -> None:
        path = self.stage.gateway.config
        lines = path.read_text().splitlines()
        put = [f"postgresql = {json.dumps(endpoints)}" if each.startswith("postgresql = ") else each for each in lines]
        path.write_text("\n".join(put) + "\n")

    def test_one_that_is_not_passed(self) -> None:
        """A port that another service has stops neither the other listeners nor the admin socket; an event says so."""
        endpoint = "systemd:domain=INET:name=postgresql"
        self.configured([endpoint, f"tcp:{self.stage.gateway.port}:interface=127.0.0.1"])
        self.stage.gateway.start()
        self.addCleanup(self.stage.gateway.stop)
        self.assertEqual(self.connect().execute("select 1").fetchone(), (1,))
        events = [line for line in self.stage.gateway.log.read_text().splitlines() if "listener.missing" in line]
        self.assertEqual([json.loads(line)["endpoint"] for line in events], [endpoint])

    def test_one_that_is(self) -> None:
        """Who connects before the gateway runs waits, and is served when it does."""
        if not ACTIVATE.exists():
            self.skipTest("systemd is not installed here")
        gateway = self.stage.gateway
        self.configured(["systemd:domain=INET:name=postgresql"])
        twistd = str(Path(sys.executable).with_name("twistd"))
        service = [sys.executable, twistd, "--nodaemon", "--pidfile=", "hoopgw", "--config", str(gateway.config)]
        passed = [f"--setenv={name}={value}" for name, value in surroundings().items()]
        listen = [f"--listen=127.0.0.1:{gateway.port}", "--fdname=postgresql", *passed]
        log = self.stage.place / "activated.log"
        child = Child("the activated gateway", [str(ACTIVATE), *listen, *service], log, surroundings())
        self.addCleanup(child.stop)
        self.assertTrue(until(lambda: _listens(gateway.port)))
        try:
            self.assertEqual(self.connect(connect_timeout=60).execute("select 1").fetchone(), (1,))
        except psycopg.Error as error:
            self.fail(f"{error}\n{log.read_text()}")


def _listens(port: int) -> bool:
    """Without connecting: the first connection starts the service."""
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp") as table:
        return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in list(table)[1:])
