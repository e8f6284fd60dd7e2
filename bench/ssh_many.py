"""Many interactive SSH sessions in one gateway: what each keeps of memory, and how long a key's echo takes among them.

asyncssh is both ends: an sshd has two processes for each connection, and a thousand of them fill a machine first.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from bench.idle import anonymous
from bench.measure import BenchFailed
from hoopgw.cli.demo.place import free_port

SESSIONS = 1000
WARM = 50  # sessions before the first look
AT_ONCE = 8  # logins
BURST = 256 * 1024  # bytes that each session echoes at once
CIPHER = "aes128-gcm@openssh.com"
TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """KiB a session as it is opened, and after each has moved BURST bytes, in the gateway and in the target behind it;
    median microseconds of an echo among them; sessions opened a second, over all three processes."""

    kept: tuple[float, float]
    after: tuple[float, float]
    echo: float
    rate: float


@contextmanager
def echo_host(key: str) -> Iterator[tuple[int, str, int]]:
    """(port, public host key, pid) of a host whose only program gives back what it reads; `key` logs in."""
    port = free_port()
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    arguments = (port, host_key.export_private_key(), asyncssh.import_private_key(key).export_public_key())
    running = multiprocessing.Process(target=_host, args=arguments, daemon=True)
    running.start()
    try:
        yield port, host_key.export_public_key().decode().strip(), running.pid or 0
    finally:
        running.terminate()
        running.join()


def _host(port: int, host_key: bytes, authorized: bytes) -> None:
    async def run() -> None:
        keys = asyncssh.import_authorized_keys(authorized.decode())
        await asyncssh.listen(
            "127.0.0.1",
            port,
            server_host_keys=[asyncssh.import_private_key(host_key)],
            authorized_client_keys=keys,
            process_factory=_gives_back,
            encoding=None,
            line_editor=False,
            backlog=AT_ONCE * 4,
        )
        await asyncio.Event().wait()

    asyncio.run(run())


async def _gives_back(process: Any) -> None:
    while data := await process.stdin.read(65536):
        process.stdout.write(data)
    process.exit(0)


def many(port: int, target: str, token: str, known: Path, pids: tuple[int, int]) -> Found:
    """`known` is the file of known hosts; `pids` the gateway's and the target's.  Raises BenchFailed."""
    return asyncio.run(_many(port, target, token, known, pids))


async def _many(port: int, target: str, token: str, known: Path, pids: tuple[int, int]) -> Found:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one() -> tuple[Any, Any]:
        async with turn:
            made = asyncssh.connect(
                "127.0.0.1", port, username=target, password=token, known_hosts=str(known), client_keys=None,
                config=None, agent_path=None, encryption_algs=[CIPHER], connect_timeout=TIMEOUT, login_timeout=TIMEOUT,
            )  # fmt: skip
            connection = await made
            process = await connection.create_process("cat", term_type="xterm", encoding=None)
            await _echoed(process, b"x")
            return connection, process

    warm = await asyncio.gather(*(one() for _ in range(WARM)))
    before, begun = tuple(map(anonymous, pids)), time.perf_counter()
    more = await asyncio.gather(*(one() for _ in range(SESSIONS - WARM)))
    rate = len(more) / (time.perf_counter() - begun)
    kept = _each(pids, before, len(more))
    taken = []
    for _, process in (*warm, *more):
        begun = time.perf_counter()
        await _echoed(process, b"y")
        taken.append(time.perf_counter() - begun)
    for at in range(0, SESSIONS, AT_ONCE):
        await asyncio.gather(*(_echoed(process, b"z" * BURST) for _, process in (*warm, *more)[at : at + AT_ONCE]))
    after = _each(pids, before, len(more))
    for connection, _ in (*warm, *more):
        connection.abort()
    return Found(kept, after, statistics.median(taken) * 1e6, rate)


def _each(pids: tuple[int, int], before: tuple[int, ...], sessions: int) -> tuple[float, float]:
    ours, theirs = ((anonymous(pid) - earlier) / sessions for pid, earlier in zip(pids, before, strict=True))
    return ours, theirs


async def _echoed(process: Any, data: bytes) -> None:
    process.stdin.write(data)
    size = 0
    while size < len(data):
        got = await asyncio.wait_for(process.stdout.read(65536), TIMEOUT)
        if not got:
            raise BenchFailed("an interactive session has ended")
        size += len(got)
