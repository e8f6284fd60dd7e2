"""Tokens by client credentials: what is asked, what is taken for a token, what is said where there is none."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from hoopgw.auth.kept_secrets import PATIENCE, YOUNG, KeptSecrets
from hoopgw.auth.oauth_client import MAX_SECONDS, MAX_TOKEN, UNSAID, OAuthTokens
from hoopgw.model.errors import IssuerUnavailable, SecretUnavailable
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.model.target import OAuthClient, SecretReference

ENDPOINT = "https://idp.example.com/token"
REFERENCE = SecretReference("oauth", "api/user#access_token")
SECRET = "s3 cret&/ä"
BASIC = OAuthClient(ENDPOINT, "gate way:1", SecretReference("env", "X"), "read write", "https://api")
POST = OAuthClient(ENDPOINT, "gate way:1", SecretReference("env", "X"), authentication="client_secret_post")


def granted(token: str = "t1", **more: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 90} | more).encode()


class Endpoint:
    """Gives `answers` in turn."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str], bytes | None]] = []

    def __call__(self, method: str, address: str, headers: dict[str, str], body: bytes | None) -> Any:
        self.asked.append((method, address, headers, body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Deferred) else succeed(answer)


def tokens(endpoint: Endpoint, client: OAuthClient = BASIC) -> OAuthTokens:
    return OAuthTokens("api", {"user": client}, {"user": endpoint}, lambda reference: Secret(SECRET.encode()))


class Fetching(TestCase):
    async def test_what_is_asked(self) -> None:
        """The secret in a header field or in the form, encoded as RFC 6749 says, and never in both."""
        endpoint = Endpoint(granted(), granted())
        await tokens(endpoint).read("user")
        await tokens(endpoint, POST).read("user")
        (method, address, headers, body), (_, _, others, form) = endpoint.asked
        self.assertEqual((method, address), ("POST", ENDPOINT))
        pair = b64decode(headers["Authorization"].removeprefix("Basic "))
        self.assertEqual(pair, b"gate+way%3A1:s3+cret%26%2F%C3%A4")
        said = {"grant_type": ["client_credentials"], "scope": ["read write"], "audience": ["https://api"]}
        self.assertEqual(parse_qs((body or b"").decode()), said)
        self.assertNotIn("Authorization", others)
        shown = {"client_id": ["gate way:1"], "client_secret": [SECRET], "grant_type": ["client_credentials"]}
        self.assertEqual(parse_qs((form or b"").decode()), shown)

    async def test_how_long(self) -> None:
        """As it says, in either manner; no longer than a day; a while where it says nothing."""
        for said, seconds in ((90, 90.0), ("90", 90.0), (1.5, 1.5), (1e9, MAX_SECONDS), (None, UNSAID)):
            found = await tokens(Endpoint(granted(expires_in=said))).read("user")
            self.assertEqual((found.seconds, found.fields["access_token"].reveal()), (seconds, b"t1"))
            self.assertNotIn("t1", repr(found))

    async def test_what_is_no_token(self) -> None:
        """Each is SecretUnavailable in words, without the secret and without the token."""
        for answer, words in (
            (granted(token_type="mac"), "no bearer token"),
            (granted(token_type=None), "no bearer token"),
            (granted(token="two words"), "without a token"),
            (granted(token="t\r\nX: 1"), "without a token"),
            (granted(token=""), "without a token"),
            (granted(token="x" * (MAX_TOKEN + 1)), "without a token"),
            (granted(expires_in=0), "sound end"),
            (granted(expires_in=True), "sound end"),
            (granted(expires_in="soon"), "sound end"),
            ((200, b"<html>"), "no JSON object"),
            ((200, b"[]"), "no JSON object"),
            ((401, b'{"error": "invalid_client", "error_description": "who?"}'), "status 401: invalid_client: who?"),
            ((400, json.dumps({"error": "invalid", "error_description": SECRET}).encode()), "status 400"),
            ((503, b"<html>"), "status 503"),
            (IssuerUnavailable(f"{ENDPOINT}: refused"), "refused"),
        ):
            with self.assertRaises(SecretUnavailable) as raised:
                await tokens(Endpoint(answer)).read("user")
            said = str(raised.exception)
            self.assertTrue(said.startswith("oauth:api/user: ") and words in said, said)
            for secret in (SECRET, "two words"):
                self.assertNotIn(secret, said)


class Keeping(TestCase):
    """With a clock: renewed in time, once for all who want it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.kept = KeptSecrets(self.clock, self)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.kept.stop()))

    def emit(self, code: Code, **fields: object) -> None:
        self.events.append((code.value, fields))

    def ready(self, *answers: Any) -> Endpoint:
        endpoint = Endpoint(*answers)
        self.assertTrue(self.kept.configure([tokens(endpoint)], [REFERENCE]).called)
        return endpoint

    def now(self) -> bytes:
        return self.kept.get(REFERENCE).reveal()

    def test_before_its_end(self) -> None:
        """Another one is there at two thirds of its time, and that is no event."""
        self.ready(granted(), granted("t2"))
        self.clock.advance(60)
        self.assertEqual((self.now(), self.events), (b"t2", []))

    def test_an_endpoint_that_is_down(self) -> None:
        """One event; the token is used until it ends, then there is none; and it comes back by itself."""
        down = [(503, b"")] * 7
        self.ready(granted(), *down, granted("t2"))
        self.clock.advance(60)
        for _ in range(6):
            self.assertEqual(self.now(), b"t1")
            self.clock.advance(5)
        self.assertRaises(SecretUnavailable, self.now)
        self.assertEqual([code for code, _ in self.events], ["credential.unavailable"])
        self.assertEqual(self.events[0][1]["secret"], "oauth:api/user")
        self.clock.advance(5)
        self.assertEqual(self.now(), b"t2")

    def test_one_that_is_not_taken(self) -> None:
        """Not in its first seconds; then once for all who wait, and none for who has used an older one."""
        slow: Deferred[Any] = Deferred()
        endpoint = self.ready(granted(), slow)
        used = self.kept.get(REFERENCE)
        self.assertFalse(self.kept.ripe(REFERENCE))
        self.assertTrue(self.kept.another(REFERENCE, used).called)
        self.clock.advance(YOUNG)
        self.assertTrue(self.kept.ripe(REFERENCE))
        waiting = [self.kept.another(REFERENCE, used) for _ in range(3)]
        self.assertEqual((len(endpoint.asked), [each.called for each in waiting]), (2, [False] * 3))
        slow.callback(granted("t2"))
        self.assertEqual((self.now(), [each.called for each in waiting]), (b"t2", [True] * 3))
        self.clock.advance(YOUNG)
        self.assertTrue(self.kept.another(REFERENCE, used).called)
        self.assertEqual(len(endpoint.asked), 2)

    def test_nobody_waits_for_ever(self) -> None:
        """An endpoint that says nothing; a request that is given up meanwhile."""
        silent: Deferred[Any] = Deferred()
        self.ready(granted(expires_in=900), silent)
        used = self.kept.get(REFERENCE)
        self.clock.advance(YOUNG)
        first, second = self.kept.another(REFERENCE, used), self.kept.another(REFERENCE, used)
        second.addErrback(lambda failure: None)
        second.cancel()
        self.clock.advance(PATIENCE)
        self.assertTrue(first.called)
        silent.callback(granted("t2"))
        self.assertEqual(self.now(), b"t2")
