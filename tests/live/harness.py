"""A cluster, an issuer and the gateway for a live test case: shared by its tests, in a directory of their own."""

from __future__ import annotations

import atexit
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo.stage import DEMO, Options, Stage, on_stage
from hoopgw.cli.demo.surroundings import forget_misleading, surroundings

UNTIL = 30.0  # seconds that a slow machine may take


def command_lines() -> Iterator[bytes]:
    """Of every process of this machine, the words with spaces between."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            yield path.read_bytes().replace(b"\0", b" ")


def port_for_later() -> int:
    """A TCP port of 127.0.0.1 that nobody gets by chance before it is used: systems give others out (ip(7))."""
    below = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(max(1024, below - 16384), below)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def until(done: Callable[[], Any]) -> Any:
    """What `done` gives as soon as it is true, else what it gave last."""
    deadline = time.monotonic() + UNTIL
    while True:
        found = done()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


class LiveCase(SynchronousTestCase):
    """`self.stage` runs from the first test of the class to its last; `options` say how it differs from the demo's.

    Tests call blocking clients: the gateway is a process of its own, and no reactor runs here.
    """

    options: ClassVar[Options] = DEMO
    stage: ClassVar[Stage]
    _stack: ClassVar[ExitStack] = ExitStack()
    _owner: ClassVar[type | None] = None

    def setUp(self) -> None:
        """Trial knows no setUpClass: the first test of a class starts its stage.

        It ends when another class's begins, or with the process.
        """
        forget_misleading()
        if LiveCase._owner is not type(self):
            _end()
            with ExitStack() as stack:
                LiveCase.stage = stack.enter_context(on_stage(self.options))
                LiveCase._stack = stack.pop_all()
            LiveCase._owner = type(self)

    def connect(self, role: str = "reader", token: str = "", **settings: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """Through the gateway, as the agent unless `token` says otherwise; closed with the test."""
        given = {"autocommit": True, "connect_timeout": 20, "password": token or self.stage.agent} | settings
        connection = psycopg.connect(self.stage.gateway_url(role), **given)
        self.addCleanup(connection.close)
        return connection

    def hoopgw(self, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
        """The command, as the approver unless `token` says otherwise."""
        return self.stage.gateway.command(*words, token=token or self.stage.approver)

    def listed(self, *words: str, count: int = 1) -> list[dict[str, Any]]:
        """`hoopgw sessions list`, once it has so many: the index is written in the background."""
        deadline = time.monotonic() + 20
        while True:
            found: list[dict[str, Any]] = json.loads(self.hoopgw("sessions", "list", "--json", *words).stdout)
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.2)


@atexit.register
def _end() -> None:
    LiveCase._owner = None
    LiveCase._stack.close()


def command(*words: str) -> list[str]:
    """`hoopgw WORDS`, of the tree under test, by this Python."""
    return [sys.executable, "-c", "from hoopgw.cli.main import main; main()", *words]


def environment() -> dict[str, str]:
    """For `command`: the caller's without what would mislead; TERM as in a plain terminal."""
    return surroundings({"TERM": os.environ.get("TERM", "dumb")})
