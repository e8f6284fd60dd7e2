"""The two ends of the gateway in a key exchange: a server to its clients, a client to its targets."""

# mypy: allow-untyped-calls
# (Conch is untyped)

from __future__ import annotations

from typing import Any

from twisted.conch.ssh import keys
from twisted.conch.ssh.transport import SSHClientTransport, SSHServerTransport

from hoopgw.auth.ssh_host_keys import HostKeys
from hoopgw.model.errors import MalformedFrame, ProtocolViolation
from hoopgw.servers.ssh.exchange import begun
from hoopgw.servers.ssh.hostkeys import HostKey
from hoopgw.servers.ssh.transport import Hardened
from hoopgw.wire import sshmessages as wire
from hoopgw.wire.sshcertificates import plain_name


class ServerLeg(Hardened, SSHServerTransport):
    """The gateway to its clients.  `host_keys` by signature algorithm."""

    host_keys: dict[bytes, HostKey]

    def exchanged(self, fields: bytes) -> None:
        self.ssh_KEX_DH_GEX_REQUEST_OLD(fields)

    def _getHostKeys(self, keyAlg: bytes) -> tuple[Any, Any]:
        """(what is shown, what signs)."""
        key = self.host_keys[keyAlg]
        return key, key

    ssh_KEXINIT = Hardened.ssh_KEXINIT  # Conch's own would agree on what it offers

    def sendExtInfo(self, extensions: Any) -> None:
        """Conch asks for it before the new keys are in use; `_newKeys` sends it after."""


class ClientLeg(Hardened, SSHClientTransport):
    """The gateway to its targets.  `known` says which host keys it accepts."""

    known: HostKeys
    _host_key = b""  # the first exchange's

    def connectionMade(self) -> None:
        Hardened.connectionMade(self)
        self._gotNewKeys = 0

    ssh_KEXINIT = Hardened.ssh_KEXINIT

    def begin_exchange(self) -> None:
        self._begun = begun(self.kexAlg)
        self.sendPacket(wire.EXCHANGE_INIT, wire.string(self._begun.share))

    def exchanged(self, fields: bytes) -> None:
        """K_S, the server's share, its signature.  The signature's algorithm is the one agreed on: a key of RSA could
        sign with SHA-1 as well."""
        blob, here = wire.read_string(fields, 0)
        share, here = wire.read_string(fields, here)
        signature, here = wire.read_string(fields, here)
        if here != len(fields):
            raise MalformedFrame("an exchange with something behind it")
        key = self.known.key(blob, self.clock.seconds())
        if self._host_key and key != self._host_key:
            raise ProtocolViolation("another host key than the connection began with")
        self._host_key = key
        if wire.read_string(signature, 0)[0] != plain_name(self.keyAlg):
            raise ProtocolViolation("a signature by another algorithm than the one agreed on")
        ours, secret = self._begun, self._begun.secret(share)
        texts = (self.ourVersionString, self.otherVersionString, self.ourKexInitPayload, self.otherKexInitPayload)
        digest = ours.digest(b"".join(map(wire.string, (*texts, blob, ours.share, share))) + secret)
        if not keys.Key.fromString(key).verify(signature, digest):
            raise ProtocolViolation("a signature that is not of the target's host key")
        self._keySetup(secret, digest)

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        if packet:
            raise ProtocolViolation("NEWKEYS with something in it")
        self._newKeys()

    def connectionSecure(self) -> None:
        """See `secured`."""
