"""Who asks, told to a target in a way that it can verify: short-lived JWTs, and the keys for them (RFC 7517)."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from typing import Any, Final

from hoopgw.auth.access import Access
from hoopgw.record.seals import SealKey

LIFETIME: Final = 60.0  # seconds: a token that a target leaks is soon good for nothing
FRESH: Final = 30.0  # seconds in which the same token is used again: a signature costs 60 us
MAX_GROUPS: Final = 100  # that are told: a header of a target's server has a bound

Said = dict[str, Any]


class IdentityTokens:
    """Signed by Ed25519 with a key of this gateway's own."""

    def __init__(self, gateway: str, key: SealKey, slow: bool = False) -> None:
        """`slow`: the key is in a token (PKCS#11), and `signed` not for the reactor's thread."""
        self.issuer = f"hoopgw:{gateway}"
        self.slow = slow
        self._key = key
        self._public = {"kty": "OKP", "crv": "Ed25519", "x": _encoded(key.public_key().public_bytes_raw())}
        thumbprint = json.dumps(dict(sorted(self._public.items())), separators=(",", ":"))  # RFC 7638, RFC 8037
        self._name = _encoded(hashlib.sha256(thumbprint.encode()).digest())
        self._head = _encoded(_compact({"alg": "EdDSA", "kid": self._name, "typ": "JWT"})) + "."

    def keys(self) -> dict[str, Any]:
        """The JWK set that is published."""
        return {"keys": [{**self._public, "kid": self._name, "use": "sig", "alg": "EdDSA"}]}

    def said(self, access: Access, session: str = "") -> Said:
        """What is told, but for when: to the target of `access` and nobody else (`aud`); "": of whatever session."""
        identity = access.identity
        claims: Said = {"iss": self.issuer, "aud": access.target.name, "sub": identity.subject}
        claims |= {"sid": session} if session else {}
        claims |= {"idp": identity.issuer, "role": access.role.name, "groups": sorted(identity.groups)[:MAX_GROUPS]}
        actor: dict[str, Any] = {}
        for each in reversed(identity.actors):
            actor = {"iss": each.issuer, "sub": each.subject, **({"act": actor} if actor else {})}
        if actor:
            claims["act"] = actor
        return claims

    def signed(self, said: Said, now: float) -> str:
        """Good from now on for LIFETIME.  Raises TokenUnavailable, PinRefused where the key is in a token."""
        text = self._head + _encoded(_compact({**said, "iat": int(now), "exp": int(now + LIFETIME)}))
        return f"{text}.{_encoded(self._key.sign(text.encode()))}"


def _compact(value: Said) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
