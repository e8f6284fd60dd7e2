"""Whether an SSH signature is good, and whose key made it.  An offer of a key proves nothing and never comes here."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from hoopgw.auth.credentials import ISshSignature
from hoopgw.auth.ssh_certificates import SUFFIX, read_certificate
from hoopgw.model.errors import LoginRefused, MalformedFrame
from hoopgw.model.identity import Identity
from hoopgw.model.settings import OidcSettings, SshSettings
from hoopgw.wire.sshmessages import read_string, read_u32, u32

MIN_RSA = 2048  # bits
TOUCHED = 1  # flag of a security key: somebody was there
_HASHES: dict[bytes, hashes.HashAlgorithm] = {
    b"rsa-sha2-256": hashes.SHA256(),
    b"rsa-sha2-512": hashes.SHA512(),
    b"ecdsa-sha2-nistp256": hashes.SHA256(),
    b"ecdsa-sha2-nistp384": hashes.SHA384(),
    b"ecdsa-sha2-nistp521": hashes.SHA512(),
}
# The type of the key, by the algorithm of its signature
KEY_TYPES = {name: b"ssh-rsa" if name.startswith(b"rsa") else name for name in _HASHES} | {
    name: name for name in (b"ssh-ed25519", b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com")
}


def fingerprint(blob: bytes) -> str:
    """As OpenSSH shows it."""
    return "SHA256:" + b64encode(sha256(blob).digest()).rstrip(b"=").decode()


def still_known(settings: SshSettings, proof: tuple[str, ...]) -> bool:
    """Whether the configuration in force would still take the keys of `Identity.proof`."""
    rule, *prints = proof
    for each in settings.keys:
        if rule == f"ssh_key.{each.name}":
            return prints[0] in map(fingerprint, each.keys)
    for authority in settings.authorities:
        if rule == f"ssh_ca.{authority.name}":
            void = {fingerprint(blob) for one in settings.authorities for blob in one.revoked}
            return prints[1] in map(fingerprint, authority.keys) and not void & set(prints)
    return False


@implementer(ICredentialsChecker)
class SshKeyChecker:
    """The one checker of SSH keys and certificates."""

    credentialInterfaces = (ISshSignature,)

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._settings = SshSettings()
        self._issuers: dict[str, str] = {}

    def configure(self, settings: SshSettings, issuers: tuple[OidcSettings, ...]) -> None:
        """Take the configuration, at start and on each reload."""
        self._settings = settings
        self._issuers = {issuer.name: issuer.issuer for issuer in issuers}

    def knows(self, algorithm: bytes, blob: bytes, address: str) -> bool:
        """Whether a signature by this key could let somebody in: for the answer to an offer, and for nothing else."""
        try:
            self._identity(algorithm, blob, address)
        except LoginRefused:
            return False
        return True

    def requestAvatarId(self, credentials: Any) -> Deferred[Identity]:  # type: ignore[override]  # Twisted: bytes
        """The identity.  Fails with LoginRefused."""
        try:
            identity, key = self._identity(credentials.algorithm, credentials.blob, credentials.address)
            verify(_plain(credentials.algorithm), key, credentials.signed, credentials.signature)
        except LoginRefused as refused:
            return fail(refused)
        return succeed(identity)

    def _identity(self, algorithm: bytes, blob: bytes, address: str) -> tuple[Identity, bytes]:
        """(who, the key that must have signed)."""
        now = self._clock.seconds()
        if algorithm.endswith(SUFFIX):
            return self._certified(blob, address, now)
        for each in self._settings.keys:
            if blob in each.keys:
                proof = (f"ssh_key.{each.name}", fingerprint(blob))
                expires = now + each.session
                issuer = self._issuers[each.provider]
                return Identity(each.provider, issuer, each.subject, each.groups, expires, proof=proof), blob
        raise _refused(f"{fingerprint(blob)} is not a configured key")

    def _certified(self, blob: bytes, address: str, now: float) -> tuple[Identity, bytes]:
        found = read_certificate(blob, self._settings.authorities, address, now)
        authority = found.authority
        proof = (f"ssh_ca.{authority.name}", fingerprint(found.key), fingerprint(found.authority_key))
        expires = min(found.until, now + authority.session)
        issuer = self._issuers[authority.provider]
        return Identity(authority.provider, issuer, found.subject, found.groups, expires, proof=proof), found.key


def _plain(algorithm: bytes) -> bytes:
    return algorithm[: -len(SUFFIX)] if algorithm.endswith(SUFFIX) else algorithm


def verify(algorithm: bytes, blob: bytes, signed: bytes, signature: bytes) -> None:
    """Raises LoginRefused unless `signature` is one by the key `blob`, by exactly this algorithm, over `signed`."""
    try:
        kind, _ = read_string(blob, 0)
        made_by, here = read_string(signature, 0)
        if KEY_TYPES.get(algorithm) != kind or made_by != algorithm:
            raise _refused("a signature by another algorithm than the login named")
        value, here = read_string(signature, here)
        if kind.startswith(b"sk-"):
            signed = _by_hardware(blob, signed, signature, here)
        elif here != len(signature):
            raise MalformedFrame("a signature with something behind it")
        _verify(load_ssh_public_key(kind + b" " + b64encode(blob)), algorithm, signed, value)
    except (InvalidSignature, MalformedFrame, ValueError, UnsupportedAlgorithm) as error:
        raise _refused(f"the signature is not good ({type(error).__name__})") from error


def _verify(key: Any, algorithm: bytes, signed: bytes, value: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(value, signed)
    elif isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA:
            raise _refused(f"an RSA key of {key.key_size} bits")
        key.verify(value, signed, padding.PKCS1v15(), _HASHES[algorithm])
    elif isinstance(key, ec.EllipticCurvePublicKey):
        first, here = read_string(value, 0)
        second, end = read_string(value, here)
        if end != len(value):
            raise MalformedFrame("a signature with something behind it")
        pair = encode_dss_signature(int.from_bytes(first, "big"), int.from_bytes(second, "big"))
        key.verify(pair, signed, ec.ECDSA(_HASHES.get(algorithm, hashes.SHA256())))
    else:
        raise _refused("a key of a kind that is not known")


def _by_hardware(blob: bytes, signed: bytes, signature: bytes, here: int) -> bytes:
    """What a security key signs in place of the login (PROTOCOL.u2f): somebody must have touched it."""
    if here + 5 != len(signature) or not signature[here] & TOUCHED:
        raise _refused("a security key that nobody touched")
    fields, at = [], 0
    while at < len(blob):
        field, at = read_string(blob, at)
        fields.append(field)
    application = sha256(fields[-1]).digest()
    counter = u32(read_u32(signature, here + 1))
    return application + signature[here : here + 1] + counter + sha256(signed).digest()


def _refused(why: str) -> LoginRefused:
    return LoginRefused("the key is not accepted", detail=f"key: {why}")
