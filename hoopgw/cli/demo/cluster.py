"""A PostgreSQL cluster of one's own on loopback, with TLS and SCRAM, never as root."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.children import ATTEMPTS, READY, Child, ChildFailed, Unprivileged
from hoopgw.cli.demo.place import free_port, new_password, write_secret
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.surroundings import surroundings

HBA = "".join(
    f"{how} {what} all 127.0.0.1/32 scram-sha-256\n"
    for how in ("hostssl", "hostnossl")
    for what in ("all", "replication")
)
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "ssl": "on",
    "password_encryption": "scram-sha-256",
    "max_connections": "120",
    "shared_buffers": "256MB",
    "fsync": "off",  # the data lives as long as the demo
    "jit": "off",  # its library may not have been unpacked
    "log_statement": "none",
}


class Cluster:
    """`start`, then `port`, `password` and `run`, then `stop`.  Everything lies in `directory`."""

    def __init__(
        self, directory: Path, authority: Authority, programs: Programs, settings: Mapping[str, str] | None = None
    ) -> None:
        """`settings` are the server's, beside those above or in their place."""
        self._settings = SETTINGS | dict(settings or {})
        self._directory, self._authority = directory, authority
        self._user = Unprivileged.of_caller()
        directory.mkdir()
        directory.chmod(0o711)  # whatever the caller's umask: the server's user passes through
        self.programs = programs.reachable(directory) if self._user else programs
        self.password = new_password()
        self.port = 0
        self._child: Child | None = None

    def start(self) -> None:
        """Initialised, running, and answering.  Raises ChildFailed."""
        self._initialise()
        for attempt in range(ATTEMPTS):
            self.port = free_port()
            options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
            command: list[str | Path] = [self.programs["postgres"], "-D", self._data, "-p", str(self.port), *options]
            # SIGINT is PostgreSQL's fast shutdown: clients are sent away, and only a checkpoint is waited for, which
            # takes long after much work.  SIGQUIT does without.  SIGKILL would leave the checkpointer behind, to write
            # on while the directory is removed.
            self._child = Child(
                "PostgreSQL",
                command,
                self._directory / "postgres.log",
                self._env(),
                self._user,
                signal.SIGINT,
                self._data,
                signal.SIGQUIT,
            )
            try:
                self._wait_until_ready(self._child)
                return
            except ChildFailed:
                self.stop()
                if attempt == ATTEMPTS - 1:
                    raise

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise ChildFailed("PostgreSQL does not run")
        return self._child.pid

    def run(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Statements by the superuser, each by itself; the rows of the last one."""
        with self._connect(database) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        where = {"host": "127.0.0.1", "port": self.port, "dbname": database}
        who = {"user": "postgres", "password": self.password, "sslmode": "disable"}
        return psycopg.connect(**where, **who, connect_timeout=60, autocommit=True)  # type: ignore[arg-type]

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _env(self) -> dict[str, str]:
        # nothing of the caller's home: the server's user may not look there
        kept = {name: value for name, value in surroundings().items() if name in {"PATH", "LC_ALL", "LD_LIBRARY_PATH"}}
        return kept | {"HOME": str(self._data)} | dict(self.programs.environment)

    def _initialise(self) -> None:
        self._data.mkdir(mode=0o700)
        phrase = write_secret(self._data.with_name("password"), self.password)
        if self._user:
            self._user.owns(self._data)
            self._user.owns(phrase)
        command = [self.programs["initdb"], "-D", self._data, "-U", "postgres", "--pwfile", phrase, "--no-sync"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]
        done = subprocess.run(
            [str(word) for word in command],
            env=self._env(),
            cwd=self._data,
            capture_output=True,
            check=False,
            **(self._user.popen() if self._user else {}),
        )
        phrase.unlink()
        if done.returncode:
            raise ChildFailed(f"initdb ended with status {done.returncode}:\n{done.stderr.decode(errors='replace')}")
        certificate, key = self._authority.issue()
        for name, text in (("server.crt", certificate), ("server.key", key), ("pg_hba.conf", HBA)):
            path = write_secret(self._data / name, text)
            if self._user:
                self._user.owns(path)

    def _wait_until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + READY
        while True:
            child.must_live()
            try:
                self._connect("postgres").close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise ChildFailed(f"PostgreSQL does not answer: {error}") from error
            time.sleep(0.05)
