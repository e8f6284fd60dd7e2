"""A PostgreSQL of a test's own on loopback, with every way to log in: TLS, SCRAM, MD5, clear text, certificates."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import psycopg
from twisted.trial.unittest import SkipTest

from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.programs import Programs
from tests.programs import SERVER, environment, found

TIMEOUT = 60.0  # seconds that a slow machine may take
HBA = """
hostssl all bound    127.0.0.1/32 scram-sha-256
host    all bound    127.0.0.1/32 scram-sha-256
host    all trusted  127.0.0.1/32 trust
host    all reading  127.0.0.1/32 scram-sha-256
host    all old      127.0.0.1/32 md5
host    all clear    127.0.0.1/32 password
hostssl all certified 127.0.0.1/32 cert
hostssl all postgres 127.0.0.1/32 trust
"""
ROLES = """
SET password_encryption = 'scram-sha-256';
CREATE ROLE bound LOGIN PASSWORD 'h\u00e9slo \u00aa';
CREATE ROLE clear LOGIN PASSWORD 'plain';
CREATE ROLE trusted LOGIN;
CREATE ROLE certified LOGIN;
CREATE ROLE reading LOGIN PASSWORD 'plain';
ALTER ROLE reading SET default_transaction_read_only = on;
SET password_encryption = 'md5';
CREATE ROLE old LOGIN PASSWORD 'old';
"""


_RUNNING: dict[bool, Cluster] = {}


def running(*, standby: bool = False) -> Cluster:
    """One for all tests of this process.  Raises SkipTest where no PostgreSQL is installed."""
    programs = found(*SERVER)
    if programs is None:
        raise SkipTest("no PostgreSQL server is installed")
    if standby not in _RUNNING:
        _RUNNING[standby] = Cluster(programs, standby=standby)
        atexit.register(_RUNNING[standby].stop)  # trial knows no tearDownClass
    return _RUNNING[standby]


class Cluster:
    """One PostgreSQL with TLS, on a free port of loopback, as nobody.  `standby`: it only ever recovers."""

    def __init__(self, programs: Programs, *, standby: bool = False) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="hoopgw-login-"))
        self.authority = Authority()
        certificate, key = self.authority.issue()
        data = self.directory / "data"
        self._own(self.directory)
        self.directory.chmod(0o711)
        self.programs = programs.reachable(self.directory) if os.geteuid() == 0 else programs
        self._run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        trusted = ("ca.crt", self.authority.certificate)
        for name, text in (("server.crt", certificate), ("server.key", key), ("pg_hba.conf", HBA), trusted):
            (data / name).write_text(text)
            (data / name).chmod(0o600)
            self._own(data / name)
        self.start()
        self.execute(ROLES)
        if standby:
            self.end()
            (data / "standby.signal").touch()
            self.start()

    def start(self) -> None:
        self.port = free_port()
        settings = [
            "ssl=on",
            "ssl_ca_file=ca.crt",
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "jit=off",
        ]
        options = [option for setting in settings for option in ("-c", setting)]
        self.log = (self.directory / "log").open("wb")
        command = [*self._as_nobody(), str(self.programs["postgres"]), "-D", str(self.directory / "data"), *options]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd="/", env=self._env())
        self._wait()

    def _wait(self) -> None:
        for _ in range(600):
            try:
                self.execute("select 1")
                return
            except psycopg.OperationalError:
                threading.Event().wait(0.1)
        words = (self.directory / "log").read_text()
        self.stop()
        raise AssertionError(words)

    def execute(self, sql: str) -> None:
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres", autocommit=True) as link:
            link.execute(sql.encode())

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)  # fast shutdown: sessions are ended
        self.process.wait(TIMEOUT)
        self.log.close()

    def stop(self) -> None:
        self.end()
        shutil.rmtree(self.directory)

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(path, nobody.pw_uid, nobody.pw_gid)

    def _as_nobody(self) -> list[str]:
        return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_nobody(), str(self.programs[program]), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/", env=self._env())

    def _env(self) -> dict[str, str]:
        return environment(self.programs)
