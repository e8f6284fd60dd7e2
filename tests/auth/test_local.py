"""Tokens of the gateway's own."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.credentials import BearerToken
from hoopgw.auth.local import LocalTokens, load_key, load_or_make_key, local_issuer
from hoopgw.model.errors import LoginRefused, OperatorError, SecretUnavailable
from hoopgw.model.settings import LocalIssuer
from tests.auth.tokens_for_tests import NOW, SETTINGS, World

KEY = Ed25519PrivateKey.generate()
OPS = LocalIssuer("ops", frozenset({"list", "kill"}))


def world() -> World:
    return World(local=LocalTokens("gw", KEY, (OPS,)))


class Local(SynchronousTestCase):
    def mint(self, name: str = "ops", now: float = NOW, tokens: LocalTokens | None = None) -> bytes:
        return (tokens or LocalTokens("gw", KEY, (OPS,))).mint(name, now, os.urandom).reveal()

    def test_identity(self) -> None:
        """A local token is its [local.NAME], of no group, for 15 minutes."""
        identity = self.successResultOf(world().identify(self.mint()))
        self.assertEqual((identity.issuer, identity.subject, identity.groups), (local_issuer("gw"), "ops", frozenset()))
        self.assertEqual(identity.expires, NOW + 900)

    def test_token_ids_are_random(self) -> None:
        """must-survive 43: the token's id comes from the CSPRNG that was given, 16 bytes of it."""
        asked: list[int] = []

        def token_bytes(count: int) -> bytes:
            asked.append(count)
            return bytes(count)

        LocalTokens("gw", KEY, (OPS,)).mint("ops", NOW, token_bytes)
        self.assertEqual(asked, [16])

    def test_refused(self) -> None:
        """Another gateway's, an expired, an unknown or a removed name's token is refused; so is one that lives long."""
        other = LocalTokens("gw", Ed25519PrivateKey.generate(), (OPS,))
        elsewhere = LocalTokens("gw2", KEY, (OPS,))
        more = LocalTokens("gw", KEY, (OPS, replace(OPS, name="gone")))
        claims = {"iss": local_issuer("gw"), "aud": local_issuer("gw"), "sub": "ops", "exp": int(NOW) + 7200}
        for token in (
            self.mint(tokens=other),
            self.mint(tokens=elsewhere),
            self.mint("gone", tokens=more),
            self.mint(now=NOW - 910),
            self.mint(now=NOW + 60),
            jwt.encode(claims, KEY, "EdDSA"),
            jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), "ES256"),
            jwt.encode(claims | {"exp": int(NOW) + 60, "aud": "hoopgw"}, KEY, "EdDSA"),
        ):
            self.failureResultOf(world().identify(token), LoginRefused)

    def test_name_that_is_not_configured(self) -> None:
        """Nothing is minted for a name that the configuration does not have."""
        with self.assertRaises(OperatorError):
            self.mint("root")

    def test_issuer_cannot_be_impersonated(self) -> None:
        """must-survive 47: no [oidc.NAME] can have the gateway's own `iss`, and its keys never verify a local token."""
        with self.assertRaises(OperatorError):
            World(replace(SETTINGS, issuer=local_issuer("gw")))
        tried = world()
        token = jwt.encode(tried.claims(iss=local_issuer("gw"), aud=local_issuer("gw"), sub="ops"), tried.key, "ES256")
        self.failureResultOf(tried.identify(token), LoginRefused)

    def test_credentials_show_nothing(self) -> None:
        """must-survive 46: neither the token nor the credentials that hold it can be printed into a log."""
        token = LocalTokens("gw", KEY, (OPS,)).mint("ops", NOW, os.urandom)
        for thing in (token, BearerToken(token, "192.0.2.1")):
            self.assertNotIn(token.reveal().decode()[:10], f"{thing!r} {thing}")


class KeyFile(SynchronousTestCase):
    def test_made_once(self) -> None:
        """The key is made with mode 0600 where there is none, and is the same from then on."""
        path = Path(self.mktemp()) / "keys" / "local.key"
        made = load_or_make_key(path)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(made.private_bytes_raw(), load_or_make_key(path).private_bytes_raw())

    def test_refused(self) -> None:
        """A key file that others may read, a link, a broken or missing one is refused."""
        path = Path(self.mktemp())
        load_or_make_key(path)
        link = Path(self.mktemp())
        link.symlink_to(path.absolute())
        broken = Path(self.mktemp())
        broken.write_bytes(b"nothing")
        broken.chmod(0o600)
        for wrong in (link, broken, Path(self.mktemp())):
            with self.assertRaises(SecretUnavailable):
                load_key(wrong)
        path.chmod(0o640)
        with self.assertRaises(SecretUnavailable):
            load_key(path)
