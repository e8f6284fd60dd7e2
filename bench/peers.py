"""The peers between the same clients and the same target: pgbouncer, which also makes a target with room for many
sessions, and HAProxy, which only passes bytes."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.children import Child, ChildFailed, Unprivileged
from hoopgw.cli.demo.place import free_port, write_secret
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.surroundings import surroundings

READY = 20.0  # seconds
CONFIGURATION = """[databases]
shop = host=127.0.0.1 port={target} dbname=shop user={user} password={password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = {auth}
auth_file = {directory}/users
pool_mode = {mode}
max_client_conn = {clients}
default_pool_size = 100
server_tls_sslmode = disable
client_tls_sslmode = allow
client_tls_cert_file = {directory}/server.pem
client_tls_key_file = {directory}/server.key
log_connections = 0
log_disconnections = 0
log_stats = 0
"""
HAPROXY = """global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 600s
  timeout server 600s
"""
PASSED = """listen {name}
  bind 127.0.0.1:{port}
  server target 127.0.0.1:{target}
"""


@dataclass(frozen=True, slots=True)
class Kind:
    mode: str
    auth: str
    clients: int


PEER = Kind("session", "trust", 200)
MANY = Kind("transaction", "scram-sha-256", 20_000)


class Pgbouncer:
    """Started when made; `port`, `pid`, `stop`."""

    def __init__(
        self, directory: Path, authority: Authority, target: int, user: str, password: str, kind: Kind = PEER
    ) -> None:
        programs, unprivileged = Programs.find("pgbouncer"), Unprivileged.of_caller()
        directory.mkdir()
        directory.chmod(0o711)
        if unprivileged:
            programs = programs.reachable(directory)
        self.port = free_port()
        certificate, key = authority.issue()
        facts = {"target": target, "user": user, "password": password, "port": self.port, "directory": directory}
        text = CONFIGURATION.format(**facts, mode=kind.mode, auth=kind.auth, clients=kind.clients)
        files = {
            "pgbouncer.ini": text,
            "users": f'"{user}" "{password}"\n',
            "server.pem": certificate,
            "server.key": key,
        }
        for name, content in files.items():
            path = write_secret(directory / name, content)
            if unprivileged:
                unprivileged.owns(path)
        command: list[str | Path] = [programs["pgbouncer"], "-q", directory / "pgbouncer.ini"]
        env = surroundings(programs.environment)
        self._child = Child("pgbouncer", command, directory / "log", env, unprivileged)
        _wait_for(self._child, self.port)

    @property
    def pid(self) -> int:
        return self._child.pid

    def stop(self) -> None:
        self._child.stop()


def _wait_for(child: Child, *ports: int) -> None:
    deadline = time.monotonic() + READY
    for port in ports:
        while True:
            child.must_live()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ChildFailed(f"{child.name} does not answer: {error}") from error
            time.sleep(0.05)


class Haproxy:
    """One process for several targets, started when made; `ports` by the targets' names, `pid`, `stop`."""

    def __init__(self, place: Path, targets: Mapping[str, int]) -> None:
        place.mkdir()
        self.ports = {name: free_port() for name in targets}
        sections = [PASSED.format(name=name, port=self.ports[name], target=target) for name, target in targets.items()]
        file = place / "haproxy.cfg"
        file.write_text(HAPROXY + "".join(sections))
        programs = Programs.find("haproxy")
        command: list[str | Path] = [programs["haproxy"], "-db", "-f", file]
        self._child = Child("haproxy", command, place / "log", surroundings(dict(programs.environment)))
        _wait_for(self._child, *self.ports.values())

    @property
    def pid(self) -> int:
        return self._child.pid

    def stop(self) -> None:
        self._child.stop()
