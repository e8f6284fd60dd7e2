"""The public keys of the seals, for those who verify: the one in use first, earlier ones behind it."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hoopgw.store.recordings import synced

_END = b"-----END PUBLIC KEY-----\n"


def each_key(text: bytes) -> list[bytes]:
    """The keys of such a file, in PEM, one by one."""
    return [block + _END for block in text.split(_END) if block.strip()]


def publish(path: Path, key: Ed25519PublicKey) -> None:
    """Put `key` first in the file; whole or not at all.  Raises OSError."""
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    known = path.read_bytes() if path.exists() else b""
    if known.startswith(pem):
        return
    earlier = [each for each in each_key(known) if each != pem]
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(b"".join([pem, *earlier]))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    synced(path.parent)
