"""An issuer without a network: what it publishes is what the test says, by a clock of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from hoopgw.auth.checker import TokenChecker
from hoopgw.auth.credentials import BearerToken
from hoopgw.auth.local import LocalTokens
from hoopgw.model.errors import IssuerUnavailable
from hoopgw.model.identity import Identity
from hoopgw.model.secret import Secret
from hoopgw.model.settings import OidcSettings

NOW = 1_800_000_000.0
ISSUER = "https://idp.example.com"
SETTINGS = OidcSettings("corp", ISSUER, "hoopgw", ("ES256",))
CURVE = ec.SECP256R1()


def jwk(key: Any, kid: str | None = "k1", **more: Any) -> dict[str, Any]:
    shown: dict[str, Any] = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return shown | ({"kid": kid} if kid is not None else {}) | more


class World:
    """A checker of one issuer.  `documents` are what it publishes; `asked` is what was fetched."""

    def __init__(self, settings: OidcSettings = SETTINGS, local: LocalTokens | None = None) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.key = ec.generate_private_key(CURVE)
        self.settings = settings
        self.keys: list[dict[str, Any]] = [jwk(self.key)]
        self.down = False
        self.waiting: Deferred[bytes] | None = None
        self.asked: list[str] = []
        self.failures: list[tuple[str, str]] = []
        self.discovery: dict[str, Any] = {"issuer": settings.issuer, "jwks_uri": settings.issuer + "/keys"}
        self.checker = TokenChecker(self.clock, lambda issuer, why: self.failures.append((issuer, why)))
        self.checker.configure((settings,), lambda _: self.fetch, local)

    def fetch(self, address: str) -> Deferred[bytes]:
        self.asked.append(address)
        if self.waiting is not None:
            return self.waiting
        if self.down:
            return fail(IssuerUnavailable("down"))
        document = self.discovery if address.endswith("openid-configuration") else {"keys": self.keys}
        return succeed(json.dumps(document).encode())

    def claims(self, **claims: Any) -> dict[str, Any]:
        now = int(self.clock.seconds())
        usual: dict[str, Any] = {"iss": ISSUER, "aud": "hoopgw", "sub": "alice", "iat": now, "exp": now + 600}
        return {name: value for name, value in (usual | claims).items() if value is not None}

    def mint(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        return jwt.encode(self.claims(**claims), self.key, "ES256", {"kid": "k1"} | (header or {}))

    def identify(self, token: str | bytes) -> Deferred[Identity]:
        raw = token.encode() if isinstance(token, str) else token
        return self.checker.requestAvatarId(BearerToken(Secret(raw), "192.0.2.1"))

    def fetches_of(self, address: str) -> int:
        return len([asked for asked in self.asked if asked.endswith(address)])


Minted = Callable[..., str]
