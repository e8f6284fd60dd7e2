"""Private keys of the gateway: its own host keys, and those by which its roles log in to targets."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh import keys

from hoopgw.auth.keys import MIN_RSA
from hoopgw.auth.secret_file import make_secret_file
from hoopgw.model.errors import MalformedFrame, OperatorError
from hoopgw.model.secret import Secret
from hoopgw.relay.ssh_target_login import Signer
from hoopgw.servers.ssh.algorithms import SIGNATURES
from hoopgw.wire import sshcertificates
from hoopgw.wire.sshcertificates import Certificate, certified_name, plain_name
from hoopgw.wire.sshmessages import read_string

RSA_BITS = 3072  # of a key that is made here
MAX_FILE = 64 * 1024  # bytes of a certificate's file
RSA_ALGORITHMS = (b"rsa-sha2-512", b"rsa-sha2-256")  # never SHA-1


def private_key(secret: Secret, name: str) -> keys.Key:
    """OpenSSH's own format or PEM, without a passphrase.  Raises OperatorError, which names it by `name`."""
    data = secret.reveal() + b"\n"  # OpenSSH's format ends with one, and what reads secrets takes it off
    try:
        if b"OPENSSH PRIVATE KEY" in data:
            found: Any = serialization.load_ssh_private_key(data, None)
        else:
            found = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise OperatorError(f"{name} is not a private key without a passphrase, in OpenSSH's format or PEM") from error
    if isinstance(found, rsa.RSAPrivateKey) and found.key_size < MIN_RSA:
        raise OperatorError(f"{name} is an RSA key of {found.key_size} bits: it must have {MIN_RSA}")
    if not isinstance(found, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        raise OperatorError(f"{name} is a key of a kind that SSH has no use for here")
    return keys.Key(found)


def algorithms(key: keys.Key) -> tuple[bytes, ...]:
    """Of the signatures that it makes."""
    kind: bytes = key.sshType()
    return RSA_ALGORITHMS if kind == b"ssh-rsa" else (kind,)


def algorithms_of(blobs: tuple[bytes, ...], certified: bool = False) -> tuple[bytes, ...]:
    """Of the signatures by which somebody with these public keys proves that it has one of them; `certified`: or that
    its key has a certificate."""
    if certified:
        return (*map(certified_name, SIGNATURES), *algorithms_of(blobs))
    kinds = [read_string(blob, 0)[0] for blob in blobs]
    return tuple(dict.fromkeys(name for kind in kinds for name in (RSA_ALGORITHMS if kind == b"ssh-rsa" else (kind,))))


def signer(secret: Secret, name: str) -> Signer:
    """For a login by key.  Raises OperatorError."""
    key = private_key(secret, name)
    algorithm = algorithms(key)[0]
    return Signer(algorithm, key.public().blob(), lambda data: key.sign(data, algorithm))


class HostKey:
    """What Conch signs an exchange by, and shows: a key, or its certificate.  `good` says from when until when."""

    def __init__(self, key: keys.Key, certificate: Certificate | None = None, blob: bytes = b"") -> None:
        self._key = key
        self._blob: bytes = blob or key.public().blob()
        self._certificate = certificate

    def good(self, now: float) -> bool:
        return self._certificate is None or self._certificate.after <= now < self._certificate.before

    def blob(self) -> bytes:
        return self._blob

    def sign(self, data: bytes, signatureType: bytes) -> bytes:
        signed: bytes = self._key.sign(data, plain_name(signatureType))
        return signed


def by_algorithm(found: list[keys.Key], certificates: list[bytes]) -> dict[bytes, HostKey]:
    """What signs by each algorithm, in the order of preference: certificates (blobs) first.

    Raises OperatorError for one of another key.
    """
    made: dict[bytes, HostKey] = {}
    by_blob = {key.public().blob(): key for key in found}
    for blob in certificates:
        try:
            certificate = sshcertificates.read(blob)
        except MalformedFrame as error:
            raise OperatorError("a host certificate cannot be read") from error
        key = by_blob.get(certificate.key)
        if key is None or certificate.kind != sshcertificates.HOST:
            raise OperatorError("a host certificate is not of one of the gateway's host keys")
        for algorithm in algorithms(key):
            made.setdefault(certified_name(algorithm), HostKey(key, certificate, blob))
    for key in found:
        for algorithm in algorithms(key):
            made.setdefault(algorithm, HostKey(key))
    return made


def certificate_in(path: str) -> bytes:
    """The blob of a file as ssh-keygen writes it.  Raises OperatorError."""
    try:
        with open(path, "rb") as file:
            return b64decode(file.read(MAX_FILE).split()[1], validate=True)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, IndexError) as error:
        raise OperatorError(f"{path} is no certificate as ssh-keygen writes it") from error


def make_host_key(path: Path) -> None:
    """An RSA key where its name says so, else Ed25519: OpenSSH's format, mode 0600.  What is there stays.  Raises
    SecretUnavailable."""
    if path.exists():
        return
    key: Any = ed25519.Ed25519PrivateKey.generate()
    if path.name.endswith("rsa"):
        key = rsa.generate_private_key(65537, RSA_BITS)
    data = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    make_secret_file(path, data)
