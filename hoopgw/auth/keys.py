"""A JSON Web Key Set -> the keys that may verify a token (RFC 7517).  Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import jwt

from hoopgw.model.errors import IssuerUnavailable

# What a configuration may name.  Asymmetric only; the key type and curve that each wants (RFC 7518, RFC 8037).
FITS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
MAX_KEYS = 64  # of one issuer; issuers publish two to five
MIN_RSA = 2048  # bits; NIST SP 800-131A
MAX_RSA = 8192  # bits: verifying costs the reactor's time
PRIVATE = frozenset(("d", "p", "q", "k"))


@dataclass(frozen=True, slots=True)
class Key:
    """`kind` is key type and curve, as in FITS.  `algorithm` is "" where the issuer binds the key to none."""

    id: str
    kind: tuple[str, str]
    algorithm: str
    public: Any

    def fits(self, algorithm: str) -> bool:
        return FITS.get(algorithm) == self.kind and self.algorithm in ("", algorithm)


def parse_keys(document: bytes) -> tuple[Key, ...]:
    """The usable keys; one that is for something else, weak or unreadable is left out.

    Raises IssuerUnavailable where the document is no key set, or has no usable key.
    """
    try:
        listed = json.loads(document)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise IssuerUnavailable("the issuer's key set is not a JSON object with `keys`") from error
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise IssuerUnavailable(f"the issuer's key set is not a list of at most {MAX_KEYS} keys")
    keys = tuple(key for key in map(_key, listed) if key is not None)
    if not keys:
        raise IssuerUnavailable("the issuer's key set has no usable key")
    return keys


def _key(entry: Any) -> Key | None:
    if not isinstance(entry, dict) or not _for_verifying(entry):
        return None
    family, curve = entry.get("kty"), entry.get("crv")
    kind = (str(family), "" if family == "RSA" else str(curve))
    names = [name for name, wanted in FITS.items() if wanted == kind]
    algorithm = entry.get("alg", "")
    if not names or (algorithm and algorithm not in names):
        return None
    try:
        public = jwt.PyJWK(entry, names[0]).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError):
        return None  # one broken key must not take the others along
    if kind[0] == "RSA" and not MIN_RSA <= public.key_size <= MAX_RSA:
        return None
    identifier = entry.get("kid", "")
    return Key(identifier, kind, algorithm, public) if isinstance(identifier, str) else None


def _for_verifying(entry: dict[str, Any]) -> bool:
    """For signatures, and public only: a private key that was published is nobody's any more."""
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and not PRIVATE & entry.keys()
    )
