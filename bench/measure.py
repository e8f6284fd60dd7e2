"""What is measured: a burst of pgbench, a large result, a process's CPU, a disk."""

from __future__ import annotations

import multiprocessing
import os
import re
import socket
import statistics
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import psycopg

from hoopgw.cli.demo.surroundings import surroundings

TICKS = os.sysconf("SC_CLK_TCK")
READY_FOR_QUERY = b"Z\x00\x00\x00\x05I"  # PostgreSQL documentation, 55.7: idle, not in a transaction
PIECE = 1 << 20
DISK_BYTES = 64 << 20
MIN_SECONDS = 3  # of a burst: its CPU is taken between the first second and the last
NEW = 200  # statements of which the median is taken


class BenchFailed(Exception):
    """A client did not get through; a figure would be of something else."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the database.  `pid` is of the process in between, 0 for none."""

    name: str
    host: str
    port: int
    user: str
    password: str
    database: str
    sslmode: str = "disable"
    pid: int = 0

    @property
    def env(self) -> Mapping[str, str]:
        """libpq's variables."""
        where = {"PGHOST": self.host, "PGPORT": str(self.port), "PGDATABASE": self.database}
        return where | {"PGUSER": self.user, "PGPASSWORD": self.password, "PGSSLMODE": self.sslmode}


@dataclass(frozen=True, slots=True)
class Burst:
    tps: float
    cpu: float  # microseconds of the process in between, for each transaction, once all have logged in


@dataclass(frozen=True, slots=True)
class Look:
    """At a burst that is under way, each second."""

    time: float
    cpu: float  # seconds so far
    tps: float  # since the look before


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process (proc(5): fields 14 and 15 of stat)."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def burst(pgbench: Sequence[str], env: Mapping[str, str], way: Way, mode: str, clients: int, seconds: int) -> Burst:
    """SELECTs of one row by its key, from `clients` connections, for `seconds`: at least MIN_SECONDS."""
    options = ["-n", "-S", "-M", mode, "-c", str(clients), "-j", str(min(clients, os.cpu_count() or 1))]
    looks: list[Look] = []

    def told(line: str) -> None:
        found = re.match(r"progress: [0-9.]+ s, ([0-9.]+) tps", line)
        if found:
            looks.append(Look(time.perf_counter(), cpu_seconds(way.pid), float(found[1])))

    printed = run_pgbench([*pgbench, *options, "-P", "1", "-T", str(seconds)], env, way, told)
    tps = re.search(r"tps = ([0-9.]+) \(without initial connection time\)", printed)
    failed = re.search(r"number of failed transactions: (\d+)", printed)
    if not tps or (failed and int(failed[1])) or len(looks) < 2:
        raise BenchFailed(f"pgbench by way of {way.name}:\n{printed}")
    done = sum(after.tps * (after.time - before.time) for before, after in pairwise(looks))
    return Burst(float(tps[1]), (looks[-1].cpu - looks[0].cpu) / done * 1e6)


def median_latency(pgbench: Sequence[str], env: Mapping[str, str], way: Way, seconds: int, scratch: Path) -> float:
    """Microseconds of the median SELECT of one client (pgbench's own log: its third column)."""
    prefix = scratch / "latency"
    options = ["-n", "-S", "-M", "prepared", "-c", "1", "-l", f"--log-prefix={prefix}", "-T", str(seconds)]
    run_pgbench([*pgbench, *options], env, way)
    taken: list[int] = []
    for file in scratch.glob("latency.*"):
        taken += [int(line.split()[2]) for line in file.read_text().splitlines()]
        file.unlink()
    if not taken:
        raise BenchFailed(f"pgbench logged nothing by way of {way.name}")
    return statistics.median(taken)


def new_statements(way: Way, size: int) -> float:
    """Microseconds of the median statement of about `size` bytes that nobody has sent before."""
    rows = max(1, size // len("(100000,'word 100000'),"))
    taken: list[float] = []
    with connected(way) as connection:
        for first in range(0, NEW * rows, rows):
            values = ",".join(f"({number},'word {number}')" for number in range(first, first + rows))
            begun = time.perf_counter()
            connection.execute(f"SELECT count(*) FROM (VALUES {values}) AS given".encode())
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1e6


def run_pgbench(
    command: Sequence[str], env: Mapping[str, str], way: Way, told: Callable[[str], None] = lambda line: None
) -> str:
    """What it prints; `told` hears of each line at once."""
    lines: list[str] = []
    with subprocess.Popen(
        command,
        env=surroundings({**env, **way.env}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as pgbench:
        assert pgbench.stdout is not None
        for line in pgbench.stdout:
            told(line)
            lines.append(line)
    printed = "".join(lines)
    if pgbench.returncode:
        raise BenchFailed(f"pgbench by way of {way.name} ended with {pgbench.returncode}:\n{printed}")
    return printed


def connected(way: Way) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=way.host,
        port=way.port,
        user=way.user,
        password=way.password,
        dbname=way.database,
        sslmode=way.sslmode,
        gssencmode="disable",
        autocommit=True,
    )


def bulk(way: Way, sql: str) -> float:
    """MB/s of the result of one SELECT or COPY, read off the socket and thrown away; in the clear."""
    with (
        connected(replace(way, sslmode="disable")) as connection,
        socket.socket(fileno=os.dup(connection.fileno())) as raw,
    ):
        raw.setblocking(True)
        text = sql.encode() + b"\0"
        started = time.perf_counter()
        raw.sendall(b"Q" + struct.pack("!i", len(text) + 4) + text)
        size = _drain(raw, way)
        return size / (time.perf_counter() - started) / 1e6


def copied_in(way: Way, sql: str, data: bytes) -> float:
    """MB/s of one COPY FROM STDIN; in the clear."""
    with connected(replace(way, sslmode="disable")) as connection, connection.cursor() as cursor:
        started = time.perf_counter()
        with cursor.copy(sql.encode()) as copy:
            for at in range(0, len(data), PIECE):
                copy.write(data[at : at + PIECE])
        connection.commit()
        return len(data) / (time.perf_counter() - started) / 1e6


def _drain(raw: socket.socket, way: Way) -> int:
    buffer, tail, size, first = bytearray(PIECE), b"", 0, b""
    view = memoryview(buffer)
    while tail != READY_FOR_QUERY:
        got = raw.recv_into(view)
        if not got:
            raise BenchFailed(f"{way.name} closed the connection")
        first = first or bytes(view[:1])
        size += got
        tail = (tail + bytes(view[max(0, got - 6) : got]))[-6:]
    if first not in (b"T", b"H"):
        raise BenchFailed(f"{way.name} refused the statement: {bytes(view[:200])!r}")
    return size


def disk(directory: Path) -> float:
    """MB/s that the disk itself takes, in writes of 1 MiB with fdatasync after each 8."""
    block, path = os.urandom(1 << 20), directory / "disk.probe"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        started = time.perf_counter()
        for number in range(DISK_BYTES >> 20):
            os.write(descriptor, block)
            if number % 8 == 7:
                os.fdatasync(descriptor)
        return DISK_BYTES / (time.perf_counter() - started) / 1e6
    finally:
        os.close(descriptor)
        path.unlink()


@contextmanager
def pinned(pids: Sequence[int], cpu: int) -> Iterator[None]:
    """All threads of these processes on one CPU, which never sleeps meanwhile; as before afterwards.

    A virtual machine's CPU that halts between two packets takes 50 us to come back, with cold caches, and does so or
    not by what else runs there: that is the machine's figure, not the gateway's.
    """
    tasks = [int(path.name) for pid in pids if pid for path in Path(f"/proc/{pid}/task").iterdir()]
    before = {task: os.sched_getaffinity(task) for task in tasks}
    for task in tasks:
        os.sched_setaffinity(task, {cpu})
    spinning = multiprocessing.Process(target=_spin, args=(cpu,), daemon=True)
    spinning.start()
    try:
        yield
    finally:
        spinning.terminate()
        spinning.join()
        for task, cpus in before.items():
            if Path(f"/proc/{task}").exists():
                os.sched_setaffinity(task, cpus)


def _spin(cpu: int) -> None:
    """Runs where nobody else wants to (sched(7): SCHED_IDLE)."""
    os.sched_setaffinity(0, {cpu})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while True:
        pass
