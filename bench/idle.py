"""Sessions that do nothing: what each of them keeps of memory, in the gateway and in pgbouncer behind it.

The target is pgbouncer in transaction mode, which asks for SCRAM: PostgreSQL's own processes would fill the machine
before either was tried.
"""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.measure import BenchFailed, Way, connected

SESSIONS = 10_000
WARM = 200  # sessions before the first look: what the first ones load, the others share
OTHERS = 200  # descriptors of the gateway that are no session's
AT_ONCE = 4  # logins


@dataclass(frozen=True, slots=True)
class Kept:
    """KiB that one session keeps, as anonymous memory: what is mapped from files does not grow with sessions."""

    gateway: float
    target: float


def sessions_that_fit() -> int:
    """Two descriptors each in the gateway, whose limit is this process's hard one.  Raises the soft one to it, for the
    children that are started afterwards."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return SESSIONS if hard == resource.RLIM_INFINITY else min(SESSIONS, (hard - OTHERS) // 2)


def anonymous(pid: int) -> int:
    """KiB of a process's memory that no file stands behind (proc(5))."""
    found = re.search(r"^RssAnon:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if found is None:
        raise BenchFailed(f"process {pid} does not say what memory it has")
    return int(found[1])


def kept(way: Way, target: int, sessions: int) -> Kept:
    """Of `sessions` by `way`, each after one statement; `target` is the pid of what is behind the gateway."""
    with ExitStack() as stack:
        for connection in _opened(way, WARM):
            stack.enter_context(connection)
        before = anonymous(way.pid), anonymous(target)
        more = sessions - WARM
        for connection in _opened(way, more):
            stack.enter_context(connection)
        return Kept((anonymous(way.pid) - before[0]) / more, (anonymous(target) - before[1]) / more)


def _opened(way: Way, count: int) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(lambda _: _used(way), range(count))


def _used(way: Way) -> psycopg.Connection[tuple[object, ...]]:
    connection = connected(way)
    connection.execute("SELECT 1")
    return connection
