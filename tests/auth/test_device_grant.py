"""The device authorization grant: what is shown, how often the issuer is asked, and when that ends."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth import device_grant
from hoopgw.auth.device_grant import DeviceGrant
from hoopgw.model.errors import IssuerUnavailable, LoginRefused
from hoopgw.model.settings import OidcSettings

ISSUER = "https://idp.example"
SETTINGS = OidcSettings("corp", ISSUER, "hoopgw", client_id="ssh", scope="openid groups")
DISCOVERY = {
    "issuer": ISSUER,
    "device_authorization_endpoint": ISSUER + "/device",
    "token_endpoint": ISSUER + "/token",
}
CODE = {
    "device_code": "s3cret",
    "user_code": "AB-CD",
    "verification_uri": ISSUER + "/enter",
    "expires_in": 120,
    "interval": 5,
}
PENDING, SLOW = {"error": "authorization_pending"}, {"error": "slow_down"}


class Issuer:
    """Answers in turn; None: it does not answer."""

    def __init__(self, *tokens: Any, code: Any = None, discovery: Any = None) -> None:
        self.clock = Clock()
        self.asked: list[tuple[float, str, dict[str, str]]] = []
        self._tokens = list(tokens)
        self._code = CODE if code is None else code
        self._discovery = DISCOVERY if discovery is None else discovery
        self.grant = DeviceGrant(SETTINGS, self.fetch, self.post, self.clock)

    def fetch(self, address: str) -> Deferred[bytes]:
        return succeed(json.dumps(self._discovery).encode())

    def post(self, address: str, form: dict[str, str]) -> Deferred[tuple[int, bytes]]:
        self.asked.append((self.clock.seconds(), address, form))
        if address.endswith("/device"):
            body = self._code if isinstance(self._code, bytes) else json.dumps(self._code).encode()
            return succeed((200, body))
        said = self._tokens.pop(0) if self._tokens else PENDING
        return fail(IssuerUnavailable("away")) if said is None else succeed((400, json.dumps(said).encode()))

    def times(self) -> list[float]:
        return [when for when, address, _ in self.asked if address.endswith("/token")]


class Grants(SynchronousTestCase):
    def waiting(self, issuer: Issuer) -> Deferred[Any]:
        return issuer.grant.token(self.successResultOf(issuer.grant.begin()))

    def test_confirmed(self) -> None:
        """Asked each interval, five seconds later after `slow_down`, half as often where nobody answers; the token."""
        issuer = Issuer(PENDING, SLOW, PENDING, None, {"access_token": "a.b.c"})
        got = self.waiting(issuer)
        issuer.clock.pump([1.0] * 60)
        self.assertEqual(self.successResultOf(got).reveal(), b"a.b.c")
        self.assertEqual(issuer.times(), [5, 10, 20, 30, 50])
        first, then = issuer.asked[0][2], issuer.asked[1][2]
        self.assertEqual(first, {"client_id": "ssh", "scope": "openid groups"})
        self.assertEqual((then["device_code"], then["grant_type"]), ("s3cret", device_grant.GRANT))

    def test_which_token(self) -> None:
        """The access token where it is a JWT, else that of OpenID Connect; neither: refused."""
        got = self.waiting(issuer := Issuer({"access_token": "opaque", "id_token": "d.e.f"}))
        issuer.clock.advance(5)
        self.assertEqual(self.successResultOf(got).reveal(), b"d.e.f")
        got = self.waiting(issuer := Issuer({"access_token": "opaque"}))
        issuer.clock.advance(5)
        self.failureResultOf(got, LoginRefused)

    def test_refused(self) -> None:
        """Denied, expired, or an error nobody knows: refused, and not asked again."""
        for error in ("access_denied", "expired_token", "invalid_grant", "\x1b[2J"):
            got = self.waiting(issuer := Issuer({"error": error}))
            issuer.clock.advance(5)
            detail = self.failureResultOf(got, LoginRefused).value.detail
            self.assertNotIn("\x1b", detail)
            issuer.clock.pump([10.0] * 20)
            self.assertEqual(len(issuer.times()), 1)

    def test_deadline(self) -> None:
        """Nobody confirms: it ends with the code, and never later than LONGEST."""
        for seconds, last in ((120, 115), (1e9, 295)):
            got = self.waiting(issuer := Issuer(code=CODE | {"expires_in": seconds}))
            issuer.clock.pump([1.0] * 400)
            self.failureResultOf(got, LoginRefused)
            self.assertEqual(issuer.times()[-1], last)
            self.assertEqual(issuer.clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """The client has gone: nothing is asked any more."""
        got = self.waiting(issuer := Issuer())
        issuer.clock.advance(5)
        got.cancel()
        self.failureResultOf(got, CancelledError)
        self.assertEqual(issuer.clock.getDelayedCalls(), [])

    def test_crowd(self) -> None:
        """must-survive 31: so many wait at a time, and no more; who leaves makes room."""
        issuer = Issuer()
        waiting = [self.waiting(issuer) for _ in range(device_grant.MAX_WAITING)]
        self.failureResultOf(issuer.grant.begin(), LoginRefused)
        waiting[0].cancel()
        self.failureResultOf(waiting[0], CancelledError)
        self.successResultOf(issuer.grant.begin())

    def test_what_is_shown(self) -> None:
        """must-survive 36: an address that is none, a code that moves a cursor, or half an answer is not shown."""
        for code in (
            CODE | {"verification_uri": "http://idp.example/enter"},
            CODE | {"verification_uri": "javascript:alert(1)"},
            CODE | {"user_code": "\x1b[2J"},
            CODE | {"user_code": "x" * 600},
            CODE | {"expires_in": "soon"},
            {"user_code": "x"},
            b'{"device_code":"d","user_code":"u","verification_uri":"https://a/","expires_in":NaN}',
            b"[]",
            b"junk",
        ):
            self.failureResultOf(Issuer(code=code).grant.begin(), IssuerUnavailable)
        for discovery in (DISCOVERY | {"issuer": "https://other"}, {"issuer": ISSUER}, []):
            self.failureResultOf(Issuer(discovery=discovery).grant.begin(), IssuerUnavailable)
