"""OpenSSH user certificates: who signed them, for whom, until when, under which restrictions."""

from __future__ import annotations

import ipaddress
from collections.abc import Container
from dataclasses import dataclass

from hoopgw.auth.ssh_signatures import verify
from hoopgw.model.bounds import Bounds
from hoopgw.model.errors import LoginRefused, MalformedFrame
from hoopgw.model.settings import SshAuthority, SshSettings
from hoopgw.wire import sshcertificates as wire
from hoopgw.wire.sshmessages import read_string

SOURCES, COMMAND, VERIFIED = b"source-address", b"force-command", b"verify-required"  # PROTOCOL.certkeys
PERMITS = frozenset(
    (b"permit-pty", b"permit-port-forwarding", b"permit-agent-forwarding", b"permit-X11-forwarding", b"permit-user-rc")
)


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate of a configured authority that is good now."""

    authority: SshAuthority
    authority_key: bytes  # blob
    key: bytes  # blob of the certified key
    subject: str
    groups: frozenset[str]
    until: float  # POSIX seconds
    bounds: Bounds
    verified: bool  # the login's signature must say that the security key knew who touched it


def checked(blob: bytes, trusted: Container[bytes], settings: SshSettings, now: float) -> wire.Certificate:
    """One whose authority is among the `trusted` keys (blobs), and that is good now.  Raises LoginRefused."""
    try:
        found = wire.read(blob)
        signed_by, _ = read_string(found.signature, 0)
    except MalformedFrame as error:
        raise _refused("it cannot be read") from error
    if found.kind != wire.USER:
        raise _refused("it is no user certificate")
    if found.authority not in trusted:
        raise _refused("its authority is not a configured one")
    if is_revoked(found, settings):
        raise _refused("it is revoked")
    try:
        verify(signed_by, found.authority, found.signed, found.signature)
    except LoginRefused as error:  # SHA-1 is among what nobody verifies
        raise _refused(f"its authority's signature is not accepted ({error.detail})") from error
    if not found.after <= now < found.before:
        raise _refused("it is not valid now")
    return found


def certified(found: wire.Certificate, settings: SshSettings, address: str) -> Certified:
    """What one of a configured authority, `checked`, says.  Raises LoginRefused.  `address` is the client's."""
    authority = next((each for each in settings.authorities if found.authority in each.keys), None)
    if authority is None:
        raise _refused("its authority is not a configured one")
    bounds, verified = _restrictions(found, address)
    groups = frozenset(_text(principal) for principal in found.principals)
    if not groups:
        raise _refused("it names no principals")
    return Certified(
        authority, found.authority, found.key, _text(found.id), groups, float(found.before), bounds, verified
    )


def is_revoked(found: wire.Certificate, settings: SshSettings) -> bool:
    """A revoked key of an authority makes what it signed void, whichever authority names it (CVE-2026-42508)."""
    return any(key_is_revoked(key, settings) for key in (found.key, found.authority)) or any(
        one.revocations.has_certificate(found.authority, found.serial, found.id)
        for each in settings.authorities
        for one in each.lists
    )


def key_is_revoked(blob: bytes, settings: SshSettings) -> bool:
    """Of a plain key: by whichever authority's list."""
    return any(
        blob in each.revoked or any(one.revocations.has_key(blob) for one in each.lists)
        for each in settings.authorities
    )


def _restrictions(found: wire.Certificate, address: str) -> tuple[Bounds, bool]:
    """Who does not know a critical option must refuse the certificate; an extension that is not known says nothing."""
    for option, value in found.critical.items():
        if option not in (SOURCES, COMMAND, VERIFIED):
            raise _refused(f"its critical option {option.decode('ascii', 'backslashreplace')} is not supported")
        if option == SOURCES and not _is_from(address, value):
            raise _refused("it is not good from this address")
        if option == COMMAND and not value:
            raise _refused("it forces an empty command")
    permits = frozenset(name.decode() for name in PERMITS & set(found.extensions))
    return Bounds(found.critical.get(COMMAND), permits), VERIFIED in found.critical


def _is_from(address: str, networks: bytes) -> bool:
    """By a list that is good as a whole, as OpenSSH has it.  A listener of both families shows IPv4 inside of IPv6."""
    try:
        here = ipaddress.ip_address(address.partition("%")[0])
        here = getattr(here, "ipv4_mapped", None) or here
        known = [ipaddress.ip_network(each, strict=False) for each in networks.decode("ascii").split(",")]
        return any(here in each for each in known)
    except ValueError:
        return False


def _text(value: bytes) -> str:
    """Names that stand in events and rules: readable, or nobody's."""
    try:
        name = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused("a name in it is not UTF-8") from error
    if not name or not name.isprintable():
        raise _refused("a name in it is empty or not printable")
    return name


def _refused(why: str) -> LoginRefused:
    return LoginRefused("the certificate is not accepted", detail=f"certificate: {why}")
