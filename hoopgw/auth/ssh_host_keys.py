"""Whether a host key is the target's: one that the configuration names, or that an authority of it certifies."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hoopgw.auth.ssh_signatures import verify
from hoopgw.model.errors import LoginRefused, MalformedFrame, ProtocolViolation
from hoopgw.wire import sshcertificates as wire
from hoopgw.wire.sshmessages import read_string


class HostKeys:
    """Of one target at one address.  Nothing is trusted because it was seen before."""

    def __init__(self, pinned: tuple[bytes, ...], authorities: tuple[bytes, ...], host: str) -> None:
        self._pinned = pinned
        self._authorities = authorities
        self._host = host

    def key(self, blob: bytes, now: float) -> bytes:
        """The plain key, which must have signed.  Raises ProtocolViolation for one that is not the target's."""
        if blob in self._pinned:
            return blob
        try:
            if not self._authorities or not wire.is_certificate(blob):
                raise ProtocolViolation("a host key that is not the target's configured one")
            return self._certified(wire.read(blob), now)
        except MalformedFrame as error:
            raise ProtocolViolation("a host certificate that cannot be read") from error

    def _certified(self, found: wire.Certificate, now: float) -> bytes:
        if found.kind != wire.HOST or found.authority not in self._authorities:
            raise ProtocolViolation("a host certificate of another authority than the target's")
        if not found.after <= now < found.before:
            raise ProtocolViolation("a host certificate that is not valid now")
        if found.critical:  # none is defined for hosts (PROTOCOL.certkeys)
            raise ProtocolViolation("a host certificate with a critical option")
        # As OpenSSH: a principal may be a pattern, and one without principals is for no host
        if not any(
            fnmatchcase(self._host.lower(), name.decode("utf-8", "replace").lower()) for name in found.principals
        ):
            raise ProtocolViolation(f"a host certificate that is not for {self._host}")
        try:
            verify(read_string(found.signature, 0)[0], found.authority, found.signed, found.signature)
        except LoginRefused as error:
            raise ProtocolViolation("a host certificate whose signature is not its authority's") from error
        return found.key
