"""A login's scope: the target's credential, what the target is told, what its redirects may name."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import Address, AwsKey, Role, SecretReference, TlsMode
from hoopgw.relay.http_scope import HttpScope, Route, no_body
from hoopgw.servers.http.scoping import Calls, HttpLogin, scope_of
from hoopgw.wire.sigv4 import Keys
from tests.auth.test_identity_tokens import TARGET, access
from tests.relay.aws_receiver import NOW

REFERENCE = SecretReference("env", "X")
ROUTE: Route = (b"gw:8443", b"", b"authorization", b"Bearer abc")


def scope(
    role: Role,
    secret: bytes = b"hush",
    route: Route = ROUTE,
    prefix: bytes = b"/api",
    public: str = "",
    **target: Any,
) -> HttpScope:
    who = replace(access(), role=role, target=replace(TARGET, **target))
    login = HttpLogin(who, route, prefix, "192.0.2.1", "s_1", "p", True, public)
    calls = Calls(lambda reference: Secret(secret), bytes, no_body, no_body, bytes, lambda: NOW)
    return scope_of(login, calls, None, False)


class Credentials(SynchronousTestCase):
    def test_each_way(self) -> None:
        """Bearer, basic, a field, a parameter; what the client sends in that place is dropped."""
        pair = b64encode(b"ada:hush")
        for role, line, query, replaced in (
            (Role("r", "", bearer=REFERENCE), b"Authorization: Bearer hush\r\n", b"", {b"authorization"}),
            (Role("r", "ada", REFERENCE), b"Authorization: Basic " + pair + b"\r\n", b"", {b"authorization"}),
            (Role("r", "", header="X_Key", value=REFERENCE), b"X_Key: hush\r\n", b"", {b"x-key"}),
            (Role("r", "", query="key", value=REFERENCE), b"", b"key=hush", set()),
            (Role("r", ""), b"", b"", set()),
        ):
            found = scope(role)
            self.assertEqual((found.credential, found.query, set(found.replaced)), (line, query, replaced))

    def test_what_no_answer_shows(self) -> None:
        """The credential in each way in which it is sent, without what every request has beside it."""
        secret = b"a-long/secret"
        pair = b64encode(b"ada:" + secret).rstrip(b"=")
        key = AwsKey("eu-central-1", "s3", REFERENCE, REFERENCE, REFERENCE)
        for role, given, words in (
            (Role("r", "", bearer=REFERENCE), secret, {secret}),
            (Role("r", "ada", REFERENCE), secret, {pair, secret}),
            (Role("r", "", header="X-Key", value=REFERENCE), b"Token " + secret, {b"Token " + secret, secret}),
            (Role("r", "", query="key", value=REFERENCE), secret, {secret, b"a-long%2Fsecret"}),
            (Role("r", "", sigv4=key), secret, {secret}),
            (Role("r", "", sigv4=replace(key, session_token=None)), secret, set()),
            (Role("r", "", bearer=REFERENCE), b"hush", set()),
            (Role("r", ""), secret, set()),
        ):
            found = set(scope(role, given).words().each)
            self.assertTrue(words <= found and bool(words) == bool(found), (role, found))

    def test_a_secret_is_one_line(self) -> None:
        """One with a line's end in it would add fields of its own."""
        with self.assertRaises(SecretUnavailable):
            scope(Role("r", "", bearer=REFERENCE), b"hush\r\nX: 1")
        self.assertEqual(scope(Role("r", "", query="key", value=REFERENCE), b"a&b=c#").query, b"key=a%26b%3Dc%23")

    def test_the_clients_own_authorization(self) -> None:
        """It is for the target only where it is neither the gateway's token nor in the credential's place."""
        other: Route = (b"gw", b"", b"x-hoopgw-token", b"abc")
        self.assertFalse(scope(Role("r", "")).keep_authorization)
        self.assertTrue(scope(Role("r", ""), route=other).keep_authorization)
        self.assertFalse(scope(Role("r", "", bearer=REFERENCE), route=other).keep_authorization)


class Signing(SynchronousTestCase):
    def key(self) -> Role:
        return Role("r", "", sigv4=AwsKey("eu-central-1", "s3", REFERENCE, REFERENCE, REFERENCE))

    def test_the_key_of_the_moment(self) -> None:
        """It is read for each request; the client's Authorization and dates are not the target's."""
        found = scope(self.key(), tls=TlsMode.DISABLE)
        assert found.signing is not None
        keys = found.signing.keys()
        self.assertEqual((keys.id, keys.secret.reveal(), keys.token.reveal()), (b"hush", b"hush", b"hush"))
        self.assertEqual((found.signing.encrypted, found.signing.now()), (False, NOW))
        self.assertTrue(found.replaced >= {b"authorization", b"x-amz-date", b"x-amz-security-token"})
        self.assertFalse(found.keep_authorization)
        self.assertIsInstance(keys, Keys)
        encrypted = scope(self.key(), tls=TlsMode.VERIFY_FULL).signing
        assert encrypted is not None
        self.assertTrue(encrypted.encrypted)

    def test_a_key_is_one_word(self) -> None:
        """One with a line's end in it would add fields of its own; the login is refused."""
        with self.assertRaises(SecretUnavailable):
            scope(self.key(), b"hush\r\nX: 1")


class Told(SynchronousTestCase):
    def test_who_asks(self) -> None:
        """Address, host, prefix and subject, each on one line; nothing of the identity where it is not wanted."""
        told = scope(Role("r", "")).told
        for line in (b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Host: gw:8443", b"X-Forwarded-Prefix: /api"):
            self.assertIn(line + b"\r\n", told)
        self.assertIn(b"X-Hoopgw-Subject: ada@example.com\r\n", told)
        for prefix, seen in ((b"/api", b"gw.example.com"), (b"", b"gw:8443")):
            told = scope(Role("r", ""), prefix=prefix, public="https://gw.example.com").told
            self.assertIn(b"X-Forwarded-Host: " + seen + b"\r\n", told)
        named = scope(Role("r", ""), secret_fields=frozenset(("x_pin",)), plain_fields=frozenset(("token",))).named
        hidden = [name for name in (b"x-pin", b"X_Pin", b"password", b"token", b"pin") if named.hides(name)]
        self.assertEqual(hidden, [b"x-pin", b"X_Pin", b"password"])
        found = scope(Role("r", ""), tells_identity=False)
        self.assertNotIn(b"ada", found.told)

    def test_names_of_the_target(self) -> None:
        """Its redirects may name any of its addresses, with the port or without the usual one."""
        found = scope(Role("r", ""), addresses=(Address("a", 443), Address("b", 8443)), host="API.example.com")
        self.assertEqual(found.host, b"API.example.com")
        self.assertEqual(found.names, {b"api.example.com", b"a", b"b:8443"})
        public = scope(Role("r", ""), prefix=b"/api", public="https://gw.example.com:443")
        self.assertEqual(public.own, {b"gw.example.com", b"gw:8443"})
        self.assertEqual(scope(Role("r", "")).own, {b"gw:8443"})
        self.assertEqual(scope(Role("r", "")).host, b"api")
