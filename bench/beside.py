"""What runs beside a measured session: a large result, a client that never reads, a rule that is hard to match."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.measure import BenchFailed, Way, bulk, connected

RESULT_MB = 2000
ROW = 10_000  # bytes
# expression and text for which a matcher that backtracks takes 2^30 steps and more; an RE2 takes one for each byte
REDOS = """[guardrail.bench-redos]
target = { labels = { bench = "redos" } }
regex = '(x+x+)+y'
then = "refuse"
"""
REDOS_BYTES = 30_000
SETTLES = 1.0  # seconds until a load is what it is for the rest of its time


def large_result(way: Way) -> None:
    """2 GB in one result, read as fast as it comes; and again."""
    while True:
        bulk(way, f"SELECT repeat('x', {ROW}) FROM generate_series(1, {RESULT_MB * 1_000_000 // ROW})")


def never_reads(way: Way) -> None:
    """Asks for 2 GB and takes none of it."""
    with connected(way) as connection:
        connection.pgconn.send_query(f"SELECT repeat('x', {ROW}) FROM generate_series(1, 200000)".encode())
        connection.pgconn.flush()
        while True:
            time.sleep(60)


def redos(way: Way) -> None:
    """Statement after statement, each of another text, that the rule has to look at to the last byte."""
    with connected(way) as connection:
        number = 0
        while True:
            connection.execute(f"SELECT {number} /* {'x' * REDOS_BYTES} */".encode())
            number += 1


LOADS: dict[str, Callable[[Way], None]] = {"large-result": large_result, "never-reads": never_reads, "redos": redos}


@contextmanager
def load(name: str, way: Way) -> Iterator[None]:
    """The load of this name in a process of its own, which must still be at it in the end."""
    process = multiprocessing.get_context("spawn").Process(target=LOADS[name], args=(way,), daemon=True)
    process.start()
    try:
        time.sleep(SETTLES)
        yield
        if not process.is_alive():
            raise BenchFailed(f"the load {name} by way of {way.name} ended by itself")
    finally:
        process.terminate()
        process.join()


def p99(way: Way, seconds: float) -> float:
    """Microseconds that 99 of 100 SELECTs of one client take at most."""
    taken: list[float] = []
    with connected(way) as connection:
        end = time.perf_counter() + seconds
        while (begun := time.perf_counter()) < end:
            connection.execute("SELECT abalance FROM pgbench_accounts WHERE aid = 1")
            taken.append(time.perf_counter() - begun)
    return sorted(taken)[len(taken) * 99 // 100] * 1e6
