"""Whose a token is, and which tokens are nobody's."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as some
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from twisted.cred.checkers import ICredentialsChecker
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from hoopgw.auth.credentials import BearerToken, IBearerToken
from hoopgw.model.errors import HoopgwError, IssuerUnavailable, LoginRefused, OperatorError
from hoopgw.model.identity import Actor
from hoopgw.model.secret import Secret
from tests.auth.tokens_for_tests import CURVE, ISSUER, SETTINGS, World, jwk


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


class Refusals(SynchronousTestCase):
    def refused(self, world: World, token: str | bytes) -> LoginRefused:
        error = self.failureResultOf(world.identify(token), LoginRefused).value
        raw = token if isinstance(token, bytes) else token.encode()
        for part in raw.split(b"."):
            if len(part) > 8:
                self.assertNotIn(part.decode("latin-1"), error.detail + str(error))
        return error


class Accepted(SynchronousTestCase):
    def test_interfaces(self) -> None:
        """The checker and the credentials are what twisted.cred expects."""
        verifyObject(ICredentialsChecker, World().checker)
        verifyObject(IBearerToken, BearerToken(Secret(b"x"), ""))

    def test_identity(self) -> None:
        """A good token binds subject, groups, expiry, claims and issuer."""
        world = World()
        identity = self.successResultOf(world.identify(world.mint(groups=["agents", "dev"], team="x")))
        self.assertEqual((identity.provider, identity.issuer, identity.subject), ("corp", ISSUER, "alice"))
        self.assertEqual(identity.groups, {"agents", "dev"})
        self.assertEqual(identity.expires, world.clock.seconds() + 600)
        self.assertEqual(identity.claims["team"], "x")

    def test_subject_and_groups_are_configurable(self) -> None:
        """`subject` and `groups` name the claims; a path reaches into objects, and a text is one group."""
        settings = replace(SETTINGS, subject="email", groups="realm_access.roles")
        world = World(settings)
        token = world.mint(email="a@example.com", email_verified=True, realm_access={"roles": ["dba"]})
        identity = self.successResultOf(world.identify(token))
        self.assertEqual((identity.subject, identity.groups), ("a@example.com", {"dba"}))
        world = World(replace(SETTINGS, groups="https://example.com/groups"))
        identity = self.successResultOf(world.identify(world.mint(**{"https://example.com/groups": "one group"})))
        self.assertEqual(identity.groups, {"one group"})

    def test_delegation(self) -> None:
        """RFC 8693, 4.1: the chain of actors, the current one first; an actor without issuer is the token's."""
        world = World()
        chain = {"sub": "agent", "act": {"sub": "ci", "iss": "https://ci.example.com"}}
        identity = self.successResultOf(world.identify(world.mint(act=chain)))
        self.assertEqual(identity.actors, (Actor(ISSUER, "agent"), Actor("https://ci.example.com", "ci")))
        self.assertNotIn("act", identity.claims)

    def test_audience_in_a_list(self) -> None:
        """A token for several audiences is good here if this one is among them."""
        world = World()
        identity = self.successResultOf(world.identify(world.mint(aud=["other", "hoopgw"])))
        self.assertEqual(identity.subject, "alice")

    def test_other_algorithms(self) -> None:
        """RS256, PS256 and EdDSA work where the configuration names them."""
        prime, edwards = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()
        world = World(replace(SETTINGS, algorithms=("RS256", "PS256", "EdDSA")))
        world.keys = [
            json.loads(RSAAlgorithm.to_jwk(prime.public_key())) | {"kid": "r"},
            json.loads(OKPAlgorithm.to_jwk(edwards.public_key())) | {"kid": "e"},
        ]
        for key, name, kid in ((prime, "RS256", "r"), (prime, "PS256", "r"), (edwards, "EdDSA", "e")):
            identity = self.successResultOf(world.identify(jwt.encode(world.claims(), key, name, {"kid": kid})))
            self.assertEqual(identity.subject, "alice", name)

    def test_access_token_type(self) -> None:
        """RFC 9068: `at+jwt` logs in, in any case and with its full media type."""
        world = World()
        for kind in ("at+jwt", "AT+JWT", "application/at+jwt", "JWT"):
            self.assertEqual(self.successResultOf(world.identify(world.mint({"typ": kind}))).subject, "alice", kind)


class Algorithms(Refusals):
    def test_none_and_hmac(self) -> None:
        """must-survive 55: `none` and HMAC by the public key are refused, whatever the header says."""
        world = World()
        world.keys.append({"kty": "oct", "k": "c2VjcmV0", "kid": "h"})
        claims = encoded(world.claims())
        self.refused(world, encoded({"alg": "none", "typ": "JWT"}) + "." + claims + ".")
        for kid in ("h", "k1"):
            self.refused(world, jwt.encode(world.claims(), "secret" * 8, "HS256", {"kid": kid}))

    def test_algorithm_that_the_configuration_does_not_name(self) -> None:
        """must-survive 55: the list is the configuration's; an ES384 key of the issuer's own is not enough."""
        world, key = World(), ec.generate_private_key(ec.SECP384R1())
        world.keys.append(jwk(key, "k2"))
        self.refused(world, jwt.encode(world.claims(), key, "ES384", {"kid": "k2"}))

    def test_key_of_another_kind(self) -> None:
        """must-survive 47: a key whose type, curve, use or own algorithm is another verifies nothing."""
        for change in ({"use": "enc"}, {"key_ops": ["sign"]}, {"alg": "ES384"}, {"crv": "P-384"}, {"kty": "RSA"}):
            world = World()
            world.keys = [jwk(world.key) | change, jwk(ec.generate_private_key(CURVE), "other")]
            self.refused(world, world.mint())

    def test_key_of_one_algorithm(self) -> None:
        """A key that the issuer binds to one algorithm verifies no other, though both are allowed."""
        world, key = World(replace(SETTINGS, algorithms=("RS256", "RS512"))), rsa.generate_private_key(65537, 2048)
        world.keys = [json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": "r", "alg": "RS512"}]
        self.refused(world, jwt.encode(world.claims(), key, "RS256", {"kid": "r"}))
        self.successResultOf(world.identify(jwt.encode(world.claims(), key, "RS512", {"kid": "r"})))

    def test_settings_that_let_the_token_choose(self) -> None:
        """must-survive 55: symmetric algorithms, none, or no list at all are refused in the configuration."""
        for algorithms in ((), ("HS256",), ("none",), ("ES256", "HS512")):
            with self.assertRaises(OperatorError):
                World(replace(SETTINGS, algorithms=algorithms))

    def test_weak_rsa(self) -> None:
        """An RSA key below 2048 bits is not used."""
        world, key = World(replace(SETTINGS, algorithms=("RS256",))), rsa.generate_private_key(65537, 1024)
        strong = rsa.generate_private_key(65537, 2048)
        world.keys = [
            json.loads(RSAAlgorithm.to_jwk(one.public_key())) | {"kid": k} for one, k in ((key, "w"), (strong, "s"))
        ]
        self.refused(world, jwt.encode(world.claims(), key, "RS256", {"kid": "w"}))

    def test_published_private_key(self) -> None:
        """must-survive 55: a key set that shows the private half of a key loses that key."""
        world = World()
        world.keys = [ECJWK(world.key), jwk(ec.generate_private_key(CURVE), "other")]
        self.refused(world, world.mint())


def ECJWK(key: Any) -> dict[str, Any]:
    shown: dict[str, Any] = ECAlgorithm.to_jwk(key, as_dict=True)
    return shown | {"kid": "k1"}


class Headers(Refusals):
    def test_critical_extensions(self) -> None:
        """must-survive 55: any `crit` is refused: no extension is known here, `b64` neither."""
        world = World()
        self.successResultOf(world.identify(signed(world, {"alg": "ES256", "kid": "k1"})))
        for critical in (["exp"], ["b64"], [], "b64", None):
            for more in ({}, {"b64": True}, {"b64": False}, {"exp": 1}):
                self.refused(world, signed(world, {"alg": "ES256", "kid": "k1", "crit": critical} | more))

    def test_types_for_other_purposes(self) -> None:
        """must-survive 50: a logout token, a DPoP proof or a security event is not a login."""
        world = World()
        for kind in ("logout+jwt", "dpop+jwt", "secevent+jwt", "JWE", "x"):
            self.refused(world, world.mint({"typ": kind}))
        self.refused(world, world.mint(events={"http://schemas.openid.net/event/backchannel-logout": {}}))

    def test_key_id_is_only_a_name(self) -> None:
        """must-survive 55: a path, an address, SQL, a list or a huge `kid` finds no key and fetches nothing."""
        world = World()
        for kid in ("/dev/null", "../../etc/passwd", "' OR 1=1 --", "https://evil.example/keys", "x" * 300):
            self.refused(world, world.mint({"kid": kid}))
        for kid in (["k1"], {"a": 1}, 7):
            self.refused(world, encoded({"alg": "ES256", "kid": kid}) + "." + encoded(world.claims()) + ".AAAA")
        self.assertEqual(
            {asked.removeprefix(ISSUER) for asked in world.asked}, {"/.well-known/openid-configuration", "/keys"}
        )

    def test_keys_in_the_token(self) -> None:
        """must-survive 55: a key or an address of keys in the header is ignored."""
        world, own = World(), ec.generate_private_key(CURVE)
        header = {"kid": "k1", "jwk": jwk(own), "jku": "https://evil.example/keys", "x5u": "https://evil.example/"}
        self.refused(world, jwt.encode(world.claims(), own, "ES256", header))
        self.assertFalse([asked for asked in world.asked if "evil" in asked])

    def test_no_key_id(self) -> None:
        """Without `kid` the only fitting key is used; of two, none."""
        world = World()
        token = jwt.encode(world.claims(), world.key, "ES256")
        self.successResultOf(world.identify(token))
        world = World()
        world.keys.append(jwk(ec.generate_private_key(CURVE), "k2"))
        self.refused(world, jwt.encode(world.claims(), world.key, "ES256"))


class Claims(Refusals):
    def test_issuer_is_exact(self) -> None:
        """must-survive 55: `iss` with a slash more, another case, a prefix, a list or none is nobody's."""
        world = World()
        for issuer in (ISSUER + "/", ISSUER.upper(), ISSUER + ".evil.example", ISSUER[:-1], "", None):
            self.refused(world, world.mint(iss=issuer))
        listed = encoded(world.claims(iss=[ISSUER]))
        self.refused(world, encoded({"alg": "ES256", "kid": "k1"}) + "." + listed + ".AAAA")

    def test_audience(self) -> None:
        """must-survive 50: a token for another audience is not good here, nor one for none."""
        world = World()
        for audience in ("other", ["other"], "hoopgw2", "hoop", [], "", None, {"hoopgw": 1}):
            self.refused(world, world.mint(aud=audience))

    def test_expired(self) -> None:
        """must-survive 9: an expired token is rejected, the skew once passed; the client is told."""
        world = World()
        token = world.mint()
        world.clock.advance(629)
        self.successResultOf(world.identify(token))
        world.clock.advance(1)
        self.assertIn("expired", str(self.refused(world, token)))

    def test_dates(self) -> None:
        """`exp` must be there; what is no date is refused; `nbf` and `iat` beyond the skew are too early."""
        world = World()
        later = int(world.clock.seconds()) + 31
        self.successResultOf(world.identify(world.mint(nbf=later - 1, iat=later - 1)))
        for claims in ({"nbf": later}, {"iat": later}, {"exp": None}):
            self.refused(world, world.mint(**claims))
        for wrong in (True, "9999999999", [1], 1e300, float("inf"), float("nan"), 10**400):
            for name in ("exp", "nbf", "iat"):
                self.refused(world, raw_token(world, **{name: wrong}))

    def test_subject(self) -> None:
        """must-survive 36: a subject that is missing, empty, long or not printable is refused."""
        world = World()
        for subject in (None, "", "x" * 257, "a\nb", "a\x00b", "a\u202eb", "a\x1b[2Jb", "a\u200bb"):
            self.refused(world, world.mint(sub=subject))

    def test_unverified_email(self) -> None:
        """An address that the issuer has not verified is nobody's name."""
        world = World(replace(SETTINGS, subject="email"))
        self.successResultOf(world.identify(world.mint(email="a@example.com")))
        for said in (False, "false", None):
            self.refused(world, raw_token(world, email="a@example.com", email_verified=said))

    def test_groups(self) -> None:
        """Groups that are no texts, or that the issuer left out, are refused: a rule would not see its member."""
        world = World()
        for groups in ([1], [["a"]], {"a": 1}, 7, [""], ["a\nb"]):
            self.refused(world, world.mint(groups=groups))
        self.refused(world, world.mint(_claim_names={"groups": "src1"}, _claim_sources={}))
        self.assertEqual(self.successResultOf(world.identify(world.mint())).groups, frozenset())

    def test_delegation_is_bounded(self) -> None:
        """A chain of more than 8 actors, or one that is no chain, is refused."""
        world = World()
        chain: Any = None
        for depth in range(9):
            chain = {"sub": f"a{depth}"} | ({"act": chain} if chain else {})
        for wrong in (chain, "bob", [], {"sub": 1}, {"iss": "x"}, {"sub": "a", "act": 1}, {"sub": "a\nb"}):
            self.refused(world, world.mint(act=wrong))

    def test_token_bound_to_a_key(self) -> None:
        """must-survive 50: a token bound to a key (`cnf`) is no bearer token."""
        world = World()
        self.refused(world, world.mint(cnf={"jkt": "x"}))

    def test_signature_of_another_key(self) -> None:
        """must-survive 47: a token signed by anybody else, or changed after it was signed, is refused."""
        world = World()
        forged = jwt.encode(world.claims(), ec.generate_private_key(CURVE), "ES256", {"kid": "k1"})
        self.refused(world, forged)
        head, body, signature = world.mint().split(".")
        other = encoded(world.claims(sub="root"))
        for token in (f"{head}.{other}.{signature}", f"{head}.{body}.", f"{head}.{body}.{signature[:-4]}"):
            self.refused(world, token)


def signed(world: World, header: dict[str, Any]) -> str:
    """With a header that PyJWT would not write."""
    body = encoded(header) + "." + encoded(world.claims())
    signature = ECAlgorithm(ECAlgorithm.SHA256).sign(body.encode(), world.key)
    return body + "." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def raw_token(world: World, **claims: Any) -> str:
    """Signed as it is: PyJWT would not encode some of these."""
    payload = json.dumps(world.claims() | claims).encode()
    return jwt.PyJWS().encode(payload, world.key, "ES256", {"kid": "k1"})


class Junk(Refusals):
    def test_no_token(self) -> None:
        """must-survive 55: what is no signed token, too large, or deep, is refused before anything is fetched."""
        world = World()
        self.successResultOf(world.identify(world.mint(x="y" * 11_000)))
        world.asked.clear()
        self.refused(world, world.mint(x="y" * 13_000))
        deep = base64.urlsafe_b64encode(b"[" * 5000).rstrip(b"=").decode()
        signed = world.mint()
        for junk in ("!", "\n", "=", " ", "\0"):  # a decoder that skips it would find the signature right
            self.refused(world, signed + junk)
            self.refused(world, signed[:-9] + junk + signed[-9:])
        for token in ("", "x", "..", "a.b.c", "a.b.c.d", "a.b.c.d.e", "\u00e9.b.c", "x" * 20_000, f"{deep}.{deep}.x"):
            self.refused(world, token)
        self.refused(world, encoded({"alg": "ES256"}) + "." + encoded([1]) + ".x")
        self.assertEqual(world.asked, [])

    @settings(max_examples=60)
    @given(some.binary(max_size=300), some.integers(0, 400))
    def test_any_change_is_refused(self, junk: bytes, where: int) -> None:
        """Junk, and a good token with junk in it, is refused as a login and as nothing else."""
        world = World()
        token = world.mint().encode()
        for tried in (junk, token[:where] + junk + token[where:] if junk else b"x"):
            self.failureResultOf(world.identify(tried), HoopgwError)


class Reload(Refusals):
    def test_issuer_that_left_the_configuration(self) -> None:
        """A token of an issuer that is no longer configured is refused."""
        world = World()
        self.successResultOf(world.identify(world.mint()))
        world.checker.configure((), lambda _: world.fetch, None)
        self.refused(world, world.mint())

    def test_keys_are_kept_and_checked(self) -> None:
        """A reload with the same settings asks for the keys again, and uses the known ones while the issuer is down."""
        world = World()
        self.successResultOf(world.identify(world.mint()))
        world.checker.configure((SETTINGS,), lambda _: world.fetch, None)
        world.down = True
        self.successResultOf(world.identify(world.mint()))
        self.assertEqual(len(world.failures), 1)

    def test_same_issuer_twice(self) -> None:
        """Two entries for one issuer are a mistake, and the old configuration stays."""
        world = World()
        with self.assertRaises(OperatorError):
            world.checker.configure((SETTINGS, replace(SETTINGS, name="again")), lambda _: world.fetch, None)
        self.successResultOf(world.identify(world.mint()))

    def test_audience_is_the_new_one(self) -> None:
        """After a reload the new settings decide."""
        world = World()
        world.checker.configure((replace(SETTINGS, audience="new"),), lambda _: world.fetch, None)
        self.refused(world, world.mint())
        self.successResultOf(world.identify(world.mint(aud="new")))


class Down(SynchronousTestCase):
    def test_never_had_keys(self) -> None:
        """must-survive 55: keys that were never there: nobody gets in, and it is called unavailable, not refused."""
        world = World()
        world.down = True
        self.failureResultOf(world.identify(world.mint()), IssuerUnavailable)
        self.assertEqual(world.failures, [(ISSUER, "down")])
