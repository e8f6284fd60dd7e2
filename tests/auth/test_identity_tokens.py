"""Tokens that tell a target who asks: signed, for it alone, soon out of date."""

from __future__ import annotations

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.access import Access
from hoopgw.auth.identity_tokens import LIFETIME, IdentityTokens
from hoopgw.model.grant import Grant, Who
from hoopgw.model.identity import Actor, Identity
from hoopgw.model.target import Address, Role, Target, TlsMode

NOW = 1_800_000_000.0
TARGET = Target("api", "http", (Address("api", 443),), TlsMode.VERIFY_FULL, {})


def access(*actors: Actor) -> Access:
    identity = Identity("corp", "https://idp", "ada@example.com", frozenset(("b", "a")), NOW + 900, actors)
    return Access(identity, TARGET, Role("reader", ""), "", Grant("g", Who(anyone=True)), NOW + 900)


class Tokens(SynchronousTestCase):
    def setUp(self) -> None:
        self.tokens = IdentityTokens("bastion", Ed25519PrivateKey.generate())

    def minted(self, *actors: Actor, session: str = "s_1") -> str:
        return self.tokens.signed(self.tokens.said(access(*actors), session), NOW)

    def test_published_key_verifies(self) -> None:
        """Whoever has the published set finds the key by its name, and what the token says."""
        token = self.minted(Actor("https://idp", "bot"), Actor("https://idp", "job"))
        (published,) = self.tokens.keys()["keys"]
        self.assertNotIn("d", published)
        self.assertEqual(jwt.get_unverified_header(token)["kid"], published["kid"])
        key = jwt.PyJWK(published)
        said = jwt.decode(token, key, ["EdDSA"], audience="api", options={"verify_exp": False, "verify_iat": False})
        self.assertEqual((said["iss"], said["sub"], said["sid"]), ("hoopgw:bastion", "ada@example.com", "s_1"))
        self.assertEqual((said["role"], said["groups"], said["idp"]), ("reader", ["a", "b"], "https://idp"))
        self.assertEqual((said["iat"], said["exp"]), (NOW, NOW + LIFETIME))
        inner = {"iss": "https://idp", "sub": "job"}
        self.assertEqual(said["act"], {"iss": "https://idp", "sub": "bot", "act": inner})

    def test_for_one_target_alone(self) -> None:
        """Another target must not take it, nor one that has another gateway's keys."""
        token = self.minted()
        options = {"verify_exp": False, "verify_iat": False}
        key = jwt.PyJWK(self.tokens.keys()["keys"][0])
        with self.assertRaises(jwt.InvalidAudienceError):
            jwt.decode(token, key, ["EdDSA"], audience="other", options=options)
        other = jwt.PyJWK(IdentityTokens("bastion", Ed25519PrivateKey.generate()).keys()["keys"][0])
        with self.assertRaises(jwt.InvalidSignatureError):
            jwt.decode(token, other, ["EdDSA"], audience="api", options=options)

    def test_of_any_session(self) -> None:
        """One that all sessions of an identity share names none; what it is about is the same each time."""
        options = {"verify_signature": False}
        said = jwt.decode(self.minted(session=""), options=options)
        self.assertNotIn("sid", said)
        self.assertEqual(said.keys() | {"sid"}, jwt.decode(self.minted(), options=options).keys())
        self.assertEqual(self.tokens.said(access()), self.tokens.said(access()))
