"""Secrets under a passphrase: scrypt (RFC 7914) makes the key, AES-256-GCM encrypts and binds what is beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hoopgw.model.errors import OperatorError
from hoopgw.model.secret import Secret

MAGIC = b"hoopgw sealed 1\n"
SALT, NONCE = 16, 12
COST, BLOCK, PARALLEL = 1 << 17, 8, 1  # 128 MiB and about half a second for each guess
MIN_PASSPHRASE = 12  # bytes


class NotOpened(OperatorError):
    """Another passphrase, or what it seals or binds was changed."""


@dataclass(frozen=True, slots=True)
class Key:
    """One backup's.  The salt is the backup's own, so the key seals once."""

    salt: bytes
    secret: Secret


def derived(passphrase: Secret, salt: bytes) -> Key:
    """Raises OperatorError for a passphrase that is too short to keep keys by."""
    if len(passphrase.reveal()) < MIN_PASSPHRASE:
        raise OperatorError(f"the passphrase has less than {MIN_PASSPHRASE} bytes: who finds the file could guess it")
    key = Scrypt(salt=salt, length=32, n=COST, r=BLOCK, p=PARALLEL).derive(passphrase.reveal())
    return Key(salt, Secret(key))


def sealed(plain: bytes, bound: bytes, passphrase: Secret, token_bytes: Callable[[int], bytes]) -> bytes:
    """`bound` is not in it, and must be the same when it is opened."""
    key, nonce = derived(passphrase, token_bytes(SALT)), token_bytes(NONCE)
    head = MAGIC + key.salt + nonce
    return head + AESGCM(key.secret.reveal()).encrypt(nonce, plain, head + bound)


def opened(stored: bytes, bound: bytes, passphrase: Secret) -> bytes:
    """Raises NotOpened."""
    head, rest = stored[: len(MAGIC) + SALT + NONCE], stored[len(MAGIC) + SALT + NONCE :]
    if not head.startswith(MAGIC) or len(head) < len(MAGIC) + SALT + NONCE:
        raise NotOpened("its secrets are of no form that this version knows")
    key = derived(passphrase, head[len(MAGIC) : len(MAGIC) + SALT])
    try:
        return AESGCM(key.secret.reveal()).decrypt(head[-NONCE:], rest, head + bound)
    except InvalidTag as error:
        raise NotOpened("the passphrase is another one, or the backup was changed since it was made") from error
