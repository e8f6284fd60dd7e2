"""Asks an SSH host for its host keys: one key exchange for each kind.  Trusts nothing of what it is told."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.task import Clock

from hoopgw.auth.ssh_host_keys import HostKeys
from hoopgw.model.errors import ProtocolViolation, TargetUnavailable
from hoopgw.model.target import Address, Target
from hoopgw.servers.ssh.algorithms import COMPATIBLE, Algorithms, chosen
from hoopgw.servers.ssh.ends import ClientLeg
from hoopgw.servers.ssh.hostkeys import algorithms_of

PATIENCE = 10.0  # seconds for each answer
KINDS = (  # of signatures, best first; what a host has none of is passed over
    (b"ssh-ed25519",),
    (b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp521"),
    (b"rsa-sha2-512", b"rsa-sha2-256"),
)
NOTHING_IN_COMMON = "no host key algorithm in common"


def scanned(address: Address) -> list[bytes]:
    """Blobs of its plain host keys, in the order of KINDS.  Raises TargetUnavailable."""
    found = []
    for kinds in KINDS:
        blob = _asked(address, _Asking(kinds, COMPATIBLE, _Shown()))
        if blob:
            found.append(blob)
    if not found:
        raise TargetUnavailable(f"{address} has no host key of a kind that is accepted here")
    return found


def accepted(target: Target, address: Address, now: float) -> bytes:
    """The blob by which it shows itself to the gateway: a key of `host_keys`, or a certificate by one of
    `host_authorities`.  Raises TargetUnavailable, with why it is not accepted."""
    kinds = algorithms_of(target.host_keys, bool(target.host_authorities))
    leg = _Asking(kinds, chosen("default", target.compatibility), _Accepted(target, address, now))
    blob = _asked(address, leg)
    if not blob:
        raise TargetUnavailable(f"{address} has no host key of a kind that is configured")
    return blob


class _Shown(HostKeys):
    """Keeps the key and goes no further: nobody has said yet whose it is."""

    def __init__(self) -> None:
        super().__init__((), (), "")
        self.blob = b""

    def key(self, blob: bytes, now: float) -> bytes:
        self.blob = blob
        raise ProtocolViolation("enough")


class _Accepted(_Shown):
    """Keeps what the gateway would go on with."""

    def __init__(self, target: Target, address: Address, now: float) -> None:
        super().__init__()
        self._known = HostKeys(target.host_keys, target.host_authorities, address.host)
        self._now = now

    def key(self, blob: bytes, now: float) -> bytes:
        return super().key(self._known.key(blob, self._now) and blob, now)


class _Asking(ClientLeg):
    """Over a blocking socket."""

    def __init__(self, kinds: tuple[bytes, ...], algorithms: Algorithms, known: _Shown) -> None:
        super().__init__()
        self.signatures, self.algorithms, self.clock = kinds, algorithms, Clock()
        self.known: _Shown = known
        self.why = ""

    def failed(self, reason: str) -> None:
        self.why = reason

    def lost(self, reason: str) -> None:
        """The loop of `_asked` sees it."""


class _Socket:
    """What a leg takes for its transport."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)

    def loseConnection(self) -> None:
        """The caller closes it."""

    def setTcpNoDelay(self, on: bool) -> None:
        """For one exchange it does not matter; the same is true of keepalives."""

    setTcpKeepAlive = setTcpNoDelay


def _asked(address: Address, leg: Any) -> bytes:
    """b"": it has no such key.  `leg` is an `_Asking`."""
    try:
        with socket.create_connection((address.host, address.port), PATIENCE) as connection:
            leg.makeConnection(_Socket(connection))
            while not leg.closing:
                data = connection.recv(65536)
                if not data:
                    raise TargetUnavailable(f"{address}: it closed before it had shown a key")
                leg.dataReceived(data)
    except OSError as error:
        raise TargetUnavailable(f"{address}: {error}") from error
    if leg.known.blob or leg.why == NOTHING_IN_COMMON:
        return bytes(leg.known.blob)
    raise TargetUnavailable(f"{address}: {leg.why or leg.said or 'it speaks no SSH that is accepted here'}")
