"""Small things of an SSH session: how long a key's echo takes, and what a session costs until its command has run."""

from __future__ import annotations

import multiprocessing
import os
import select
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.measure import BenchFailed, pinned
from bench.ssh import SshWays

ECHOES = 2000
WARM = 100  # of them that do not count
SETUPS = 20
TIMEOUT = 20.0
# Each byte by itself, as a terminal program that reads keys has it
PROGRAM = "stty raw -echo; printf ready; exec cat"


@contextmanager
def tcp_proxy(target: int) -> Iterator[tuple[int, int]]:
    """(port, pid) of a proxy in a process of its own that reads and writes, and looks at nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = multiprocessing.Process(target=_proxy, args=(listening, target), daemon=True)
        running.start()
        try:
            yield listening.getsockname()[1], running.pid or 0
        finally:
            running.terminate()
            running.join()


def _proxy(listening: socket.socket, target: int) -> None:
    while True:
        client, _ = listening.accept()
        other = socket.create_connection(("127.0.0.1", target))
        for each in (client, other):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for here, there in ((client, other), (other, client)):
            threading.Thread(target=_pass, args=(here, there), daemon=True).start()


def _pass(here: socket.socket, there: socket.socket) -> None:
    """A blocking read and a write: nothing in Python is nearer to the wire."""
    try:
        while data := here.recv(65536):
            there.sendall(data)
        there.shutdown(socket.SHUT_WR)
    except OSError:  # the other thread has closed
        return


def echo(ways: SshWays, way: str, port: int = 0) -> float:
    """Median microseconds from a key to its echo on a terminal."""
    command = [*ways.command(way, port)[:1], "-tt", *ways.command(way, port)[1:], PROGRAM]
    with subprocess.Popen(
        command, env=ways.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as running:
        try:
            assert running.stdin is not None and running.stdout is not None
            to, back = running.stdin.fileno(), running.stdout.fileno()
            seen = b""
            while not seen.endswith(b"ready"):
                seen += _read(back)
            taken = []
            for _ in range(WARM + ECHOES):
                begun = time.perf_counter()
                os.write(to, b"x")
                _read(back)
                taken.append(time.perf_counter() - begun)
        finally:
            running.kill()
    return statistics.median(taken[WARM:]) * 1e6


def _read(descriptor: int) -> bytes:
    if not select.select([descriptor], [], [], TIMEOUT)[0]:
        raise BenchFailed("ssh shows nothing")
    data = os.read(descriptor, 4096)
    if not data:
        raise BenchFailed("ssh has ended")
    return data


@contextmanager
def on_one_cpu(pids: list[int]) -> Iterator[None]:
    """All that a key passes, and what is started meanwhile: over two, most of it is the time in which a CPU wakes."""
    with ExitStack() as stack:
        if (os.cpu_count() or 1) > 1:
            stack.enter_context(pinned([os.getpid(), *pids], 0))
        yield


def setup(ways: SshWays, way: str, pid: int) -> float:
    """Milliseconds of CPU of the process `pid`, and of its children that have ended, for a session of one command."""
    before = _spent(pid)
    for _ in range(SETUPS):
        done = subprocess.run(
            [*ways.command(way), "true"], env=ways.env, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace")[-300:]
            raise BenchFailed(f"ssh ({way}) ended with {done.returncode}: {said}")
    return (_spent(pid) - before) / SETUPS * 1e3


def _spent(pid: int) -> float:
    """Seconds (proc(5): utime, stime, cutime, cstime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
