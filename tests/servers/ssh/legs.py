"""Both legs of the gateway, face to face in memory."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from twisted.conch.ssh import keys
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hoopgw.auth.ssh_host_keys import HostKeys
from hoopgw.servers.ssh.ends import ClientLeg, ServerLeg
from hoopgw.servers.ssh.hostkeys import by_algorithm

ED25519 = keys.Key(ed25519.Ed25519PrivateKey.generate())
OTHER = keys.Key(ed25519.Ed25519PrivateKey.generate())
RSA = keys.Key(rsa.generate_private_key(65537, 2048))


class Wire:
    """A transport whose bytes wait until they are carried over."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.reads = True

    def pauseProducing(self) -> None:
        self.reads = False

    def resumeProducing(self) -> None:
        self.reads = True

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def unsent(self) -> int:
        return sum(map(len, self.written))

    def loseConnection(self) -> None:
        self.closed = True

    abortConnection = loseConnection

    def setTcpNoDelay(self, on: bool) -> None:
        pass

    setTcpKeepAlive = setTcpNoDelay


class Told:
    """What a leg was told."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[bytes] = []
        self.runs: list[bytes] = []
        self.failures: list[str] = []
        self.is_secure = False

    def told(self, message: bytes) -> None:
        self.messages.append(message)

    def received(self, run: bytes) -> None:
        self.runs.append(run)

    def failed(self, reason: str) -> None:
        self.failures.append(reason)

    def secured(self) -> None:
        self.is_secure = True

    def lost(self, reason: str) -> None:
        pass


class Server(Told, ServerLeg):
    signatures = (b"ssh-ed25519", b"rsa-sha2-512", b"rsa-sha2-256")
    host_keys = by_algorithm([ED25519, RSA], [])


class Client(Told, ClientLeg):
    signatures = (b"ssh-ed25519",)
    known = HostKeys((ED25519.public().blob(),), (), "here")


def connected(server: Any = None, client: Any = None) -> tuple[Any, Any]:
    """The two, with their first bytes written and not carried yet."""
    clock = Clock()
    legs = server or Server(), client or Client()
    for leg in legs:
        leg.clock = clock
        leg.makeConnection(Wire())
    return legs


def carry(server: Any, client: Any, step: int = 0) -> None:
    """All that is written, in pieces of `step` bytes (0: as written), until nothing moves."""
    moved = True
    while moved:
        moved = False
        for here, there in ((server, client), (client, server)):
            written, here.transport.written = b"".join(here.transport.written), []
            pieces = [written[at : at + step] for at in range(0, len(written), step)] if step else [written]
            for piece in pieces:
                if piece and not there.transport.closed:
                    there.dataReceived(piece)
                    there.clock.advance(0)
                    moved = True


def established() -> tuple[Any, Any]:
    server, client = connected()
    carry(server, client)
    server.established = client.established = True
    return server, client


def gone(leg: Any) -> None:
    leg.connectionLost(Failure(ConnectionError("test")))
