"""A real PostgreSQL on loopback for the tests of the shared store: one for the process, gone when it ends."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg2

from hoopgw.cli.demo.place import free_port
from tests.programs import SERVER, environment, found

PATIENCE = 60.0  # seconds that a slow machine may take


class Cluster:
    _one: "Cluster | None" = None

    @classmethod
    def running(cls) -> "Cluster":
        if cls._one is None:
            cls._one = cls()
        return cls._one

    def __init__(self) -> None:
        programs = found(*SERVER)
        assert programs is not None
        self._directory = Path(tempfile.mkdtemp(prefix="hoopgw-store-"))
        self._user: str | None = None
        if os.getuid() == 0:  # the server refuses to run as root
            self._user = "nobody"
            entry = pwd.getpwnam(self._user)
            os.chown(self._directory, entry.pw_uid, entry.pw_gid)
            self._directory.chmod(0o711)
        self._programs = programs.reachable(self._directory) if self._user else programs
        atexit.register(self._remove)
        self._run("initdb", "-D", str(self._directory / "data"), "-U", "gateway", "-A", "trust", "-E", "UTF8", "-N")
        self.port = free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._server = subprocess.Popen(
            [
                str(self._programs["postgres"]),
                *("-D", str(self._directory / "data"), "-p", str(self.port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"),
                *("-c", "shared_buffers=16MB", "-c", "max_connections=40", "-c", "logging_collector=off"),
                *("-c", "jit=off"),  # its library may not have been unpacked
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(self._programs),
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            cwd="/",
        )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:  # its port is open before it takes anybody
                psycopg2.connect(host="127.0.0.1", port=self.port, user="gateway", dbname="postgres").close()
                return
            except psycopg2.OperationalError:
                time.sleep(0.05)
        raise AssertionError("PostgreSQL did not start")

    def stop(self) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)  # fast shutdown
            self._server.wait(PATIENCE)
            self._server = None

    def pids(self) -> list[int]:
        """The server, and every process that it has now."""
        assert self._server is not None
        children = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children").read_text()
        return [self._server.pid, *map(int, children.split())]

    def database(self, name: str) -> dict[str, str]:
        """A new, empty database; libpq's parameters for it."""
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="gateway", dbname="postgres")
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                cursor.execute(f'CREATE DATABASE "{name}"')
        finally:
            connection.close()
        return {"host": "127.0.0.1", "port": str(self.port), "user": "gateway", "dbname": name, "sslmode": "disable"}

    def _run(self, program: str, *arguments: str) -> None:
        group = pwd.getpwnam(self._user).pw_gid if self._user else None
        subprocess.run(
            [str(self._programs[program]), *arguments],
            check=True,
            env=environment(self._programs),
            stdout=subprocess.DEVNULL,
            user=self._user,
            group=group,
            extra_groups=[] if self._user else None,
            cwd="/",
        )

    def _remove(self) -> None:
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)
