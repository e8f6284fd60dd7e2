"""Seals: signatures over a session's chain, by a key whose public half is all that a verifier needs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE = 64  # bytes (RFC 8032)


@dataclass(frozen=True, slots=True)
class Seal:
    """`digest` is that of the chunk before the seal, in hex: with it the whole chain is signed."""

    session: str
    number: int  # of the seal's own chunk
    digest: str
    time: int
    key: str
    final: bool

    def body(self) -> bytes:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hex digits of the SHA-256 of the raw public key."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


class SealKey(Protocol):
    """An Ed25519PrivateKey, or one that stays in a token."""

    def sign(self, data: bytes, /) -> bytes:
        """64 bytes (RFC 8032).  Raises OperatorError where it cannot now."""

    def public_key(self) -> Ed25519PublicKey: ...


def signed(seal: Seal, key: SealKey) -> bytes:
    body = seal.body()
    return key.sign(b"hoopgw seal\0" + body) + body


def read_seal(data: bytes, key: Ed25519PublicKey) -> Seal | None:
    """The seal, or None where the signature is not that key's over exactly this."""
    signature, body = data[:SIGNATURE], data[SIGNATURE:]
    try:
        key.verify(signature, b"hoopgw seal\0" + body)
        return Seal(**json.loads(body))
    except (InvalidSignature, ValueError, TypeError):
        return None


def sealed_by(data: bytes) -> str:
    """The id of the key that a seal says it is by, unverified; "" where it says none."""
    try:
        said = str(json.loads(data[SIGNATURE:])["key"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return said if len(said) == 16 and all(char in "0123456789abcdef" for char in said) else ""
