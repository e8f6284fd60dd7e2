"""A small OpenID Connect issuer on loopback over TLS, for the demo and the tests: discovery, keys, tokens.

It signs whatever it is asked to in its own process; over the network it only publishes.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from twisted.internet import ssl
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.devices import Devices

ALGORITHM = "ES256"
AUDIENCE = "hoopgw"


class DemoIssuer:
    """`start`, then `url`, `mint` and `rotate`, then `stop`."""

    def __init__(self, authority: Authority, audience: str = AUDIENCE) -> None:
        self._authority = authority
        self._audience = audience
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._current = ""
        self._port: Any = None
        self.url = ""  # `iss`, once it has started
        self.devices = Devices()
        self.rotate()

    def start(self, reactor: Any, port: int = 0) -> str:
        """Listen on 127.0.0.1 at `port`, or at a free one; gives the issuer's address."""
        certificate, key = self._authority.issue()
        options = ssl.PrivateCertificate.loadPEM(certificate + key).options()
        self._port = reactor.listenSSL(port, Site(self._pages()), options, interface="127.0.0.1")
        self.url = f"https://127.0.0.1:{self._port.getHost().port}"
        return self.url

    def stop(self) -> Deferred[Any]:
        return maybeDeferred(self._port.stopListening)

    def rotate(self, keep: bool = False) -> str:
        """Sign by a new key from now on; the old ones are published on only if `keep`.  Gives the new key's id."""
        if not keep:
            self._keys.clear()
        self._current = secrets.token_hex(8)
        self._keys[self._current] = ec.generate_private_key(ec.SECP256R1())
        return self._current

    def mint(self, subject: str, groups: tuple[str, ...] = (), lifetime: float = 3600.0, **claims: Any) -> str:
        """A token with these claims; what `claims` name replaces the usual, and None leaves it out."""
        now = time.time()
        usual: dict[str, Any] = {"iss": self.url, "aud": self._audience, "sub": subject, "groups": list(groups)}
        usual |= {"iat": int(now), "exp": int(now + lifetime), "jti": secrets.token_urlsafe(12)}
        said = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(said, self._keys[self._current], ALGORITHM, {"kid": self._current})

    # ---- what it publishes

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "jwks_uri": self.url + "/keys",
            "device_authorization_endpoint": self.url + "/device",
            "token_endpoint": self.url + "/token",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }

    def key_set(self) -> dict[str, Any]:
        keys = [ECAlgorithm.to_jwk(key.public_key(), as_dict=True) for key in self._keys.values()]
        named = zip(keys, self._keys, strict=True)
        return {"keys": [key | {"kid": name, "use": "sig", "alg": ALGORITHM} for key, name in named]}

    def _pages(self) -> Resource:
        root, well_known = Resource(), Resource()
        root.putChild(b".well-known", well_known)
        well_known.putChild(b"openid-configuration", _Page(self.discovery))
        root.putChild(b"keys", _Page(self.key_set))
        root.putChild(b"device", _Form(lambda form: self.devices.authorize(self.url)))
        root.putChild(b"token", _Form(self.devices.token))
        return root


class _Form(Resource):
    """What `answer(form)` gives: (status, JSON)."""

    isLeaf = True

    def __init__(self, answer: Callable[[dict[str, str]], tuple[int, dict[str, Any]]]) -> None:
        Resource.__init__(self)
        self._answer = answer

    def render_POST(self, request: Request) -> bytes:
        given: dict[bytes, list[bytes]] = request.args or {}
        status, said = self._answer({name.decode(): values[-1].decode() for name, values in given.items()})
        request.setResponseCode(status)
        request.setHeader(b"content-type", b"application/json")
        return json.dumps(said).encode()


class _Page(Resource):
    """What `document()` gives now, as JSON."""

    isLeaf = True

    def __init__(self, document: Any) -> None:
        Resource.__init__(self)
        self._document = document

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json")
        return json.dumps(self._document()).encode()
