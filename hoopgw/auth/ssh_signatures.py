"""Whether an SSH signature is good.  By one of no other algorithm than was named, and never by SHA-1."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from hoopgw.auth.keys import MIN_RSA
from hoopgw.model.errors import LoginRefused, MalformedFrame
from hoopgw.wire.sshmessages import read_string, read_u32, u32

TOUCHED, VERIFIED = 1, 4  # flags of a security key: somebody was there; it knew who (PROTOCOL.u2f)
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


def public_line(blob: bytes) -> str:
    """As in a `.pub` file: a key or certificate."""
    return f"{read_string(blob, 0)[0].decode()} {b64encode(blob).decode()}"


def public_key(line: str) -> bytes:
    """The blob of a line as in an OpenSSH `.pub` file.  Raises ValueError with words for whoever wrote it."""
    parts = line.split()
    try:
        load_ssh_public_key(" ".join(parts[:2]).encode())
        return b64decode(parts[1], validate=True)
    except (IndexError, ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f'{line[:40]!r} must be a public key as in a .pub file: "ssh-ed25519 AAAA…"') from error


def check_key(blob: bytes) -> None:
    """Raises LoginRefused for what is no plain public key that a login could be signed by."""
    try:
        kind, _ = read_string(blob, 0)
        if kind not in KEY_TYPES.values():
            raise _refused("it is of a kind that logs nobody in")
        key = load_ssh_public_key(kind + b" " + b64encode(blob))
    except (MalformedFrame, ValueError, UnsupportedAlgorithm) as error:
        raise _refused("it cannot be read") from error
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA:
        raise _refused(f"an RSA key of {key.key_size} bits")


def verify(algorithm: bytes, blob: bytes, signed: bytes, signature: bytes, verified: bool = False) -> None:
    """Raises LoginRefused unless `signature` is one by the key `blob`, by exactly this algorithm, over `signed`.

    `verified`: a security key must have known who touched it (by PIN or finger); of other keys nothing is asked.
    """
    try:
        kind, _ = read_string(blob, 0)
        made_by, here = read_string(signature, 0)
        if KEY_TYPES.get(algorithm) != kind or made_by != algorithm:
            raise _refused("a signature by another algorithm than the login named")
        value, here = read_string(signature, here)
        if kind.startswith(b"sk-"):
            signed = _by_hardware(blob, signed, signature, here, TOUCHED | VERIFIED if verified else TOUCHED)
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


def _by_hardware(blob: bytes, signed: bytes, signature: bytes, here: int, flags: int) -> bytes:
    """What a security key signs in place of the login (PROTOCOL.u2f): somebody must have touched it."""
    if here + 5 != len(signature) or signature[here] & flags != flags:
        raise _refused("a security key that nobody touched, or that did not know who did")
    fields, at = [], 0
    while at < len(blob):
        field, at = read_string(blob, at)
        fields.append(field)
    application = sha256(fields[-1]).digest()
    counter = u32(read_u32(signature, here + 1))
    return application + signature[here : here + 1] + counter + sha256(signed).digest()


def _refused(why: str) -> LoginRefused:
    return LoginRefused("the key is not accepted", detail=f"key: {why}")
