"""Tokens of the gateway's own, for whoever may read its key file: rights on the admin interface and nothing else."""

from __future__ import annotations

import os
import stat
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopgw.auth.claims import check_times
from hoopgw.auth.secret_file import make_secret_file
from hoopgw.auth.tokens import Presented, refuse, verified_claims
from hoopgw.model.errors import OperatorError, SecretUnavailable
from hoopgw.model.identity import Identity
from hoopgw.model.secret import Secret
from hoopgw.model.settings import LocalIssuer

LIFETIME = 900.0  # seconds
SKEW = 5.0  # seconds: one machine, one clock, which may be stepped
PROVIDER = "local"
KEY_FILE = "keys/local.key"  # under the state directory


def local_issuer(gateway: str) -> str:
    """The `iss` of a gateway's own tokens; no `[oidc.NAME]` can have it, as theirs are addresses."""
    return f"hoopgw:local:{gateway}"


class LocalTokens:
    def __init__(self, gateway: str, key: Ed25519PrivateKey, accounts: tuple[LocalIssuer, ...]) -> None:
        self.issuer = local_issuer(gateway)
        self._key = key
        self.accounts: Mapping[str, LocalIssuer] = {account.name: account for account in accounts}

    def mint(self, name: str, now: float, token_bytes: Callable[[int], bytes]) -> Secret:
        """A token for `[local.NAME]`; raises OperatorError if there is none.  `token_bytes` is a CSPRNG."""
        if name not in self.accounts:
            raise OperatorError(f"the configuration has no [local.{name}]")
        claims: dict[str, Any] = {"iss": self.issuer, "aud": self.issuer, "sub": name, "iat": int(now)}
        claims["exp"] = int(now + LIFETIME)
        claims["jti"] = urlsafe_b64encode(token_bytes(16)).rstrip(b"=").decode()
        return Secret(jwt.encode(claims, self._key, "EdDSA").encode())

    def identify(self, presented: Presented, now: float) -> Identity:
        """Raises LoginRefused."""
        if presented.algorithm != "EdDSA":
            refuse("a local token is signed by EdDSA")
        claims = verified_claims(presented, self._key.public_key(), self.issuer, self.issuer)
        expires = check_times(claims, now, SKEW)
        name = claims.get("sub")
        if name not in self.accounts:
            refuse("no such [local.NAME] any more")
        if expires > now + LIFETIME + SKEW:
            refuse("a local token that lives too long")
        return Identity(PROVIDER, self.issuer, str(name), frozenset(), expires)


def load_key(path: Path) -> Ed25519PrivateKey:
    """The signing key, PKCS 8 in PEM.  Raises SecretUnavailable where it is missing, open to others, or no such key."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
                raise SecretUnavailable(f"{path} may be read by others than its owner: chmod 600")
            key = serialization.load_pem_private_key(file.read(4096), None)
    except (OSError, ValueError, TypeError) as error:
        raise SecretUnavailable(f"{path} cannot be used: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SecretUnavailable(f"{path} is not an Ed25519 key")
    return key


def load_or_make_key(path: Path) -> Ed25519PrivateKey:
    """As `load_key`; made first, with mode 0600, where there is no file."""
    if not path.exists():
        _make_key(path)
    return load_key(path)


def _make_key(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    make_secret_file(path, pem)
