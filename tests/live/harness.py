"""A cluster, an issuer and the gateway for a live test case: shared by its tests, in a directory of their own."""

from __future__ import annotations

import atexit
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo.stage import DEMO, Options, Stage, on_stage
from hoopgw.cli.demo.surroundings import forget_misleading, surroundings
from hoopgw.wire.pglogin import SSL_REQUEST

UNTIL = 60.0  # seconds that a slow machine may take


def command_lines() -> Iterator[bytes]:
    """Of every process of this machine, the words with spaces between."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            yield path.read_bytes().replace(b"\0", b" ")


def built(name: str) -> list[str]:
    """The words that start a program which `make` has built (packaging/clients.py); none where it could not."""
    commands = Path(sys.prefix).parent / ".cache/clients/commands.json"
    found: dict[str, list[str]] = json.loads(commands.read_text()) if commands.exists() else {}
    return found.get(name, [])


def until(done: Callable[[], Any]) -> Any:
    """What `done` gives as soon as it is true, else what it gave last."""
    deadline = time.monotonic() + UNTIL
    while True:
        found = done()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


@inlineCallbacks
def until_later(done: Callable[[], Any]) -> Generator[Deferred[Any], Any, Any]:
    """The same where the test's own reactor has to run for it."""
    from twisted.internet import reactor

    deadline = time.monotonic() + UNTIL
    while True:
        found = done()
        if found or time.monotonic() > deadline:
            return found
        yield deferLater(reactor, 0.05)  # type: ignore[arg-type]


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
            atexit.unregister(_end)
            # after those that were registered: the directory is removed by one of them, and not yet
            atexit.register(_end)

    def connect(self, role: str = "reader", token: str = "", **settings: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """Through the gateway, as the agent unless `token` says otherwise; closed with the test."""
        given = {"autocommit": True, "connect_timeout": int(UNTIL), "password": token or self.stage.agent} | settings
        connection = psycopg.connect(self.stage.gateway_url(role), **given)
        self.addCleanup(connection.close)
        return connection

    def by_hand(self) -> ssl.SSLSocket:
        """A session of `writer`, ready for a statement.  Client libraries send in pieces of their own choice, and read
        meanwhile."""
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        plain = socket.create_connection(("127.0.0.1", self.stage.gateway.port), timeout=4 * UNTIL)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.sendall((8).to_bytes(4, "big") + SSL_REQUEST.to_bytes(4, "big"))
        self.assertEqual(plain.recv(1), b"S")
        session = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.addCleanup(session.close)
        settings = b"\0\x03\0\0user\0writer\0database\0shop\0\0"
        session.sendall((len(settings) + 4).to_bytes(4, "big") + settings)
        token = self.stage.agent.encode() + b"\0"
        session.sendall(b"p" + (len(token) + 4).to_bytes(4, "big") + token)
        seen = b""
        while not seen.endswith(b"Z\0\0\0\x05I"):
            piece = session.recv(65536)
            self.assertTrue(piece, seen)
            seen += piece
        return session

    def hoopgw(self, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
        """The command, as the approver unless `token` says otherwise."""
        return self.stage.gateway.command(*words, token=token or self.stage.approver)

    def listed(self, *words: str, count: int = 1) -> list[dict[str, Any]]:
        """`hoopgw sessions list`, once it has so many: the index is written in the background."""
        deadline = time.monotonic() + UNTIL
        while True:
            found: list[dict[str, Any]] = json.loads(self.hoopgw("sessions", "list", "--json", *words).stdout)
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def newest(self) -> str:
        """The id of the session that was opened last: the log has it before its client can ask anything, and the index
        has it when this returns."""
        lines = self.stage.gateway.log.read_text(errors="replace").splitlines()
        id = str(json.loads([line for line in lines if '"code":"session.opened"' in line][-1])["session"])
        self.assertTrue(until(lambda: self.hoopgw("sessions", "show", id, "--quick").returncode == 0))
        return id

    def held(self, words: str = "") -> dict[str, Any]:
        """The operation that waits for an approval and has these words, as soon as it does: others may wait too."""

        def waiting() -> list[dict[str, Any]]:
            listed = json.loads(self.hoopgw("approvals", "list", "--json").stdout)
            return [each for each in listed if words in json.dumps(each)]

        found = until(waiting)
        self.assertTrue(found, f"nothing with {words!r} waits")
        return dict(found[0])

    def runs(self, words: str) -> bool:
        """Soon: a statement with these words runs at the target."""
        text = "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
        return bool(until(lambda: self.stage.cluster.run(f"{text} and query like '%{words}%'") != [(0,)]))

    @contextmanager
    def meanwhile(self, *steps: Callable[[], object]) -> Iterator[None]:
        """These, one after the other, beside what is in the block; what one raises is raised behind it."""
        failed: list[BaseException] = []

        def run() -> None:
            try:
                for step in steps:
                    step()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join(UNTIL)
        if failed:
            raise failed[0]
        self.assertFalse(thread.is_alive(), "what was to happen meanwhile is not over")


def _end() -> None:
    LiveCase._owner = None
    LiveCase._stack.close()


def command(*words: str) -> list[str]:
    """`hoopgw WORDS`, of the tree under test, by this Python."""
    return [sys.executable, "-c", "from hoopgw.cli.main import main; main()", *words]


def environment() -> dict[str, str]:
    """For `command`: the caller's without what would mislead; TERM as in a plain terminal."""
    return surroundings({"TERM": os.environ.get("TERM", "dumb")})
