"""What one session does to others while it is a burden, with a real PostgreSQL: they go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase, until

# a matcher that backtracks takes more than 2^30 steps for it over a text of x alone
REDOS = """[guardrail.redos]
regex = '(x+x+)+y'
then = "refuse"
"""
STATEMENTS = 200
WAIT = 240.0
MEMORY_MB = 100  # what the process may grow by; the result is twice that


class Beside(LiveCase):
    options = Options(shipped_guardrails=False, more={"guardrails.d/90-test.toml": REDOS})

    def others_go_on(self) -> None:
        """So many statements of another session, and a new session, each answered."""
        other = self.connect()
        other.execute("set statement_timeout = '30s'")
        for number in range(STATEMENTS):
            self.assertEqual(other.execute("select %s::int", (number,)).fetchone(), (number,))
        self.assertEqual(self.connect().execute("select count(*) from customers").fetchone(), (200,))

    def resident(self) -> float:
        """MB of the gateway."""
        text = Path(f"/proc/{self.stage.gateway.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS:"))

    def while_it_runs(self, load: Callable[[threading.Event], Any]) -> list[Any]:
        """`load` repeats until its event is set, and the others go on meanwhile: what it gave each time."""
        given: list[Any] = []
        enough, begun = threading.Event(), threading.Event()

        def run() -> None:
            while not given or not enough.is_set():
                begun.set()
                given.append(load(enough))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            begun.wait(WAIT)
            self.others_go_on()
        finally:
            enough.set()
            thread.join(WAIT)
        self.assertFalse(thread.is_alive())
        self.assertTrue(given, "the load failed")
        return given

    def test_large_result(self) -> None:
        """must-survive 64: one large result comes whole, in bounded memory, and others' statements are answered while
        it flows."""
        before, rows = self.resident(), 20_000

        def load(_: threading.Event) -> int:
            with self.connect() as connection, connection.cursor() as cursor:
                text = f"select repeat('x', 10000) from generate_series(1, {rows})"
                return sum(len(value) for (value,) in cursor.stream(text))

        self.assertEqual(set(self.while_it_runs(load)), {rows * 10_000})
        self.assertLess(self.resident() - before, MEMORY_MB)

    def test_client_that_never_reads(self) -> None:
        """must-survive 64: what a client does not read stays at the target, not in the gateway, and nobody waits for
        it."""
        before, connection = self.resident(), self.connect()
        backend = connection.execute("select pg_backend_pid()").fetchone()
        connection.pgconn.send_query(b"select repeat('x', 10000) from generate_series(1, 20000)")
        connection.pgconn.flush()
        time.sleep(1)
        self.others_go_on()
        self.assertLess(self.resident() - before, MEMORY_MB)
        assert backend is not None
        text = f"select wait_event from pg_stat_activity where pid = {backend[0]}"
        self.assertTrue(until(lambda: self.stage.cluster.run(text) == [("ClientWrite",)]), self.stage.cluster.run(text))
        self.assertEqual(connection.pgconn.transaction_status, psycopg.pq.TransactionStatus.ACTIVE)

    def test_expression_that_is_hard_to_match(self) -> None:
        """must-survive 64: a rule's expression that a backtracking matcher would not finish is one pass over the text,
        and it still refuses what it is about."""
        connection = self.connect()

        def load(enough: threading.Event) -> int:
            number = 0
            while not number or not enough.is_set():
                connection.execute(f"select {number} /* {'x' * 30_000} */".encode())
                number += 1
            return number

        self.assertGreater(sum(self.while_it_runs(load)), 0)
        error = self.assertRaises(psycopg.Error, connection.execute, f"select 1 /* {'x' * 30_000}y */".encode())
        assert isinstance(error, psycopg.Error)
        self.assertTrue((error.sqlstate or "").startswith("ZG"), error)
