"""A gateway that is asked to stop: who works may finish, who does not goes at once, and all of it is sealed."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from hoopgw.cli.demo.children import Child
from hoopgw.cli.demo.stage import Options
from hoopgw.cli.demo.surroundings import surroundings
from tests.live.harness import LiveCase

ACTIVATE = Path("/usr/bin/systemd-socket-activate")


class Draining(LiveCase):
    options: ClassVar[Options] = Options(more={"hoopgw.toml": '[limits]\ndrain = "4s"\n'})

    def stopped_while(self, statement: str) -> tuple[Any, float, float]:
        """(what the client of `statement` got, seconds until an idle client was ended, seconds until all was over)."""
        busy, idle = self.connect(), self.connect()
        idle.execute("select 1")
        got: list[Any] = []

        def work() -> None:
            try:
                got.append(busy.execute(statement).fetchone())
            except psycopg.Error as error:
                got.append(error)

        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(0.5)  # the statement runs by now
        started = time.monotonic()
        os.kill(self.stage.gateway.pid, signal.SIGTERM)
        self.assertRaises(psycopg.OperationalError, self._wait_for_end, idle)
        idle_after = time.monotonic() - started
        self.assertEqual(self.stage.gateway.child.process.wait(30), -signal.SIGTERM)
        over_after = time.monotonic() - started
        worker.join()
        self.stage.gateway.stop()
        self.stage.gateway.start()
        return got[0], idle_after, over_after

    def _wait_for_end(self, connection: psycopg.Connection[Any]) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            connection.pgconn.consume_input()
            time.sleep(0.02)

    def test_what_runs_is_finished(self) -> None:
        """A statement that is done within [limits] drain has its answer; an idle session does not hold up the end."""
        got, idle, over = self.stopped_while("select 7 from pg_sleep(2)")
        self.assertEqual(got, (7,))
        self.assertLess(idle, 1.2)
        self.assertLess(over, 3.9)  # not the whole drain: the last session left earlier

    def test_what_does_not_end_is_ended(self) -> None:
        """After [limits] drain a session is ended in PostgreSQL's terms, and the recordings are sealed and whole."""
        got, idle, over = self.stopped_while("select 7 from pg_sleep(20)")
        self.assertIsInstance(got, psycopg.errors.AdminShutdown)
        self.assertLess(idle, 1.2)
        self.assertGreater(over, 3.5)
        self.assertLess(over, 10)
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
        deadline = time.monotonic() + 10
        while not _listens(gateway.port) and time.monotonic() < deadline:
            time.sleep(0.05)
        try:
            self.assertEqual(self.connect(connect_timeout=60).execute("select 1").fetchone(), (1,))
        except psycopg.Error as error:
            self.fail(f"{error}\n{log.read_text()}")


def _listens(port: int) -> bool:
    """Without connecting: the first connection starts the service."""
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp") as table:
        return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in list(table)[1:])
