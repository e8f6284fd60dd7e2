"""OpenSSH user certificates: who signed them, for whom, until when, under which restrictions."""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import SSHCertificate, SSHCertificateType, load_ssh_public_identity

from hoopgw.model.errors import LoginRefused, MalformedFrame
from hoopgw.model.settings import SshAuthority
from hoopgw.wire.sshmessages import read_string, string

SUFFIX = b"-cert-v01@openssh.com"
MAX_PRINCIPALS = 256  # as many as OpenSSH takes
# Fields of a public key behind its type, by the type (PROTOCOL.certkeys; RFC 4253, 6.6; PROTOCOL.u2f)
_FIELDS = {
    b"ssh-ed25519": 1,
    b"ssh-rsa": 2,
    b"ecdsa-sha2-nistp256": 2,
    b"ecdsa-sha2-nistp384": 2,
    b"ecdsa-sha2-nistp521": 2,
    b"sk-ssh-ed25519@openssh.com": 2,
    b"sk-ecdsa-sha2-nistp256@openssh.com": 3,
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of a configured authority that is good now."""

    authority: SshAuthority
    authority_key: bytes  # blob
    key: bytes  # blob of the certified key
    subject: str
    groups: frozenset[str]
    until: float  # POSIX seconds


def read_certificate(blob: bytes, authorities: tuple[SshAuthority, ...], address: str, now: float) -> Certificate:
    """Raises LoginRefused.  `address` is the client's."""
    try:
        kind, _ = read_string(blob, 0)
        found = load_ssh_public_identity(kind + b" " + b64encode(blob))
        key, authority_key, signed_by = _parts(blob, kind)
    except (ValueError, UnsupportedAlgorithm, MalformedFrame) as error:
        raise _refused("it cannot be read") from error
    if not isinstance(found, SSHCertificate) or found.type is not SSHCertificateType.USER:
        raise _refused("it is no user certificate")
    authority = next((each for each in authorities if authority_key in each.keys), None)
    if authority is None:
        raise _refused("its authority is not a configured one")
    # A revoked key of an authority makes what it signed void, whichever authority names it (CVE-2026-42508)
    revoked = {each for one in authorities for each in one.revoked}
    if authority_key in revoked or key in revoked:
        raise _refused("it is revoked")
    if signed_by == b"ssh-rsa":
        raise _refused("it is signed with SHA-1")
    try:
        found.verify_cert_signature()
    except InvalidSignature as error:
        raise _refused("its signature is not its authority's") from error
    _in_force(found, address, now)
    principals = [_text(principal) for principal in found.valid_principals]
    if not principals or len(principals) > MAX_PRINCIPALS:
        raise _refused("it names no principals")
    return Certificate(authority, authority_key, key, _text(found.key_id), frozenset(principals), found.valid_before)


def _in_force(found: SSHCertificate, address: str, now: float) -> None:
    if not found.valid_after <= now < found.valid_before:
        raise _refused("it is not valid now")
    for option, value in found.critical_options.items():
        if option != b"source-address":  # PROTOCOL.certkeys: who does not know one must refuse the certificate
            raise _refused(f"its critical option {option.decode('ascii', 'backslashreplace')} is not supported")
        if not _is_from(address, value):
            raise _refused("it is not good from this address")


def _is_from(address: str, networks: bytes) -> bool:
    try:
        here = ipaddress.ip_address(address)
        return any(here in ipaddress.ip_network(each, strict=False) for each in networks.decode("ascii").split(","))
    except ValueError:
        return False


def _parts(blob: bytes, kind: bytes) -> tuple[bytes, bytes, bytes]:
    """(the certified key's blob, the authority's, the algorithm of its signature).  Raises MalformedFrame."""
    if not kind.endswith(SUFFIX) or kind[: -len(SUFFIX)] not in _FIELDS:
        raise MalformedFrame("no certificate of a known kind")
    plain = kind[: -len(SUFFIX)]
    _, here = read_string(blob, 0)
    _, here = read_string(blob, here)  # a nonce
    key = string(plain)
    for _ in range(_FIELDS[plain]):
        field, here = read_string(blob, here)
        key += string(field)
    here += 8 + 4  # serial, type
    for _ in range(2):  # key id, principals
        _, here = read_string(blob, here)
    here += 8 + 8  # validity
    for _ in range(3):  # critical options, extensions, reserved
        _, here = read_string(blob, here)
    authority, here = read_string(blob, here)
    signature, _ = read_string(blob, here)
    return key, authority, read_string(signature, 0)[0]


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
