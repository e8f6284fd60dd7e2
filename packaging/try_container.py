"""A root booted by systemd in a container with a network of its own, and clients that use it meanwhile."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import try_scenes as scenes
from try_root import CACHE
from trying import Wrong, run, until

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
NAME = f"hoopgw{os.getpid()}"


class Machine:
    """The booted container."""

    def __init__(self, root: Path) -> None:
        self.root = root
        run("ip", "netns", "add", NAME)
        run("ip", "-n", NAME, "link", "set", "lo", "up")

    def boot(self) -> None:
        self._log = (CACHE / "nspawn.log").open("ab")
        words = ["systemd-nspawn", "-D", self.root, "--boot", "--register=no", "--keep-unit", f"--machine={NAME}"]
        words += ["--console=pipe", f"--network-namespace-path=/run/netns/{NAME}"]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")

        def up() -> bool:  # the child that is seen first is one of nspawn's own, and ends
            self._first = (children.read_text().split() or ["0"])[0]
            return self.system("is-system-running") in ("running", "degraded")

        until(up, "the container is up")

    def inside(self, *words: str, good: bool = True, given: str = "") -> str:
        return run("nsenter", "-t", self._first, "-a", *words, good=good, given=given).strip()

    def beginning(self, *words: str) -> subprocess.Popen[str]:
        """A program that runs meanwhile; both ends are pipes."""
        pipe = subprocess.PIPE
        command = ["nsenter", "-t", self._first, "-a", *words]
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)

    def system(self, *words: str) -> str:
        """systemctl's answer, whatever its status."""
        done = subprocess.run(
            ["nsenter", "-t", self._first, "-a", "systemctl", *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def off(self) -> None:
        with suppress(Wrong):
            self.inside("systemctl", "poweroff")
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def gone(self) -> None:
        run("ip", "netns", "del", NAME)


class Session:
    """One psql through the gateway that stays open."""

    def __init__(self, machine: Machine) -> None:
        self._psql = machine.beginning("sh", "-c", scenes.PSQL)
        self.ask("select 1")

    def ask(self, statement: str) -> str:
        """The first line of its answer.  Raises Wrong where the session is gone."""
        self.send(statement)
        return self.answer()

    def send(self, statement: str) -> None:
        assert self._psql.stdin
        self._psql.stdin.write(f"{statement};\n")
        self._psql.stdin.flush()

    def answer(self) -> str:
        assert self._psql.stdout
        line = self._psql.stdout.readline()
        if not line or "ERROR" in line or "FATAL" in line:
            raise Wrong(f"a session that was to go on: {line + self._psql.communicate()[0]}")
        return line.strip()

    def last_words(self) -> str:
        """What psql says when its next statement finds the session ended."""
        return self._psql.communicate("select 1;\n", timeout=60)[0]


class Knocking:
    """Connects all the time, from inside the container's network, and counts who was refused."""

    def __init__(self, port: int) -> None:
        self._port, self._over = port, threading.Event()
        self.served, self.refused, self.longest = 0, 0, 0.0
        self._thread = threading.Thread(target=self._knock)

    def __enter__(self) -> Knocking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _knock(self) -> None:
        with open(f"/run/netns/{NAME}") as network:  # of this thread alone
            os_setns(network.fileno())
        while not self._over.is_set():
            started = time.monotonic()
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=60) as client:
                    client.sendall(SSL_REQUEST)
                    if client.recv(1) != b"S":
                        raise ConnectionError
                self.served += 1
            except OSError:
                self.refused += 1
            self.longest = max(self.longest, time.monotonic() - started)
            time.sleep(0.02)


def os_setns(descriptor: int) -> None:
    """setns(2), which Python has from 3.12 on."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, 0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def machine_of(root: Path) -> Iterator[Machine]:
    machine = Machine(root)
    try:
        machine.boot()
        try:
            yield machine
        finally:
            machine.off()
    finally:
        machine.gone()
