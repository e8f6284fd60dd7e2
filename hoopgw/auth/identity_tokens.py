"""Who asks, told to a target in a way that it can verify: short-lived JWTs, and the keys for them (RFC 7517)."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hoopgw.auth.access import Access

KEY_FILE: Final = "keys/identity.key"  # under the state directory
LIFETIME: Final = 60.0  # seconds: a token that a target leaks is soon good for nothing
FRESH: Final = 30.0  # seconds in which the same token is used again: a signature costs 60 us
MAX_GROUPS: Final = 100  # that are told: a header of a target's server has a bound


class IdentityTokens:
    """Signed by Ed25519 with a key of this gateway's own."""

    def __init__(self, gateway: str, key: Ed25519PrivateKey) -> None:
        self.issuer = f"hoopgw:{gateway}"
        self._key = key
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._public = {"kty": "OKP", "crv": "Ed25519", "x": _encoded(raw)}
        thumbprint = json.dumps(dict(sorted(self._public.items())), separators=(",", ":"))  # RFC 7638, RFC 8037
        self._name = _encoded(hashlib.sha256(thumbprint.encode()).digest())

    def keys(self) -> dict[str, Any]:
        """The JWK set that is published."""
        return {"keys": [{**self._public, "kid": self._name, "use": "sig", "alg": "EdDSA"}]}

    def mint(self, access: Access, session: str, now: float) -> str:
        """For the target of `access` and nobody else (`aud`)."""
        identity = access.identity
        claims: dict[str, Any] = {"iss": self.issuer, "aud": access.target.name, "sub": identity.subject}
        claims |= {"iat": int(now), "exp": int(now + LIFETIME), "sid": session, "idp": identity.issuer}
        claims |= {"role": access.role.name, "groups": sorted(identity.groups)[:MAX_GROUPS]}
        actor: dict[str, Any] = {}
        for each in reversed(identity.actors):
            actor = {"iss": each.issuer, "sub": each.subject, **({"act": actor} if actor else {})}
        if actor:
            claims["act"] = actor
        return jwt.encode(claims, self._key, "EdDSA", headers={"kid": self._name})


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
