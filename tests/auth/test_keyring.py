"""How long an issuer's keys are used, and how often they are asked for."""

from __future__ import annotations

import json

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as some
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.keyring import keys_address
from hoopgw.auth.keys import parse_keys
from hoopgw.model.errors import IssuerUnavailable, LoginRefused
from tests.auth.tokens_for_tests import CURVE, ISSUER, World, jwk


class Ages(SynchronousTestCase):
    def test_fresh_keys_are_not_fetched_again(self) -> None:
        """Within `keys_fresh` one fetch serves every login."""
        world = World()
        for _ in range(5):
            self.successResultOf(world.identify(world.mint()))
            world.clock.advance(50)
        self.assertEqual(world.fetches_of("/keys"), 1)

    def test_old_keys_are_fetched_again(self) -> None:
        """After `keys_fresh` a key that the issuer removed verifies nothing more (must-survive 55)."""
        world = World()
        self.successResultOf(world.identify(world.mint()))
        world.keys = [jwk(ec.generate_private_key(CURVE), "k2")]
        world.clock.advance(299)
        self.successResultOf(world.identify(world.mint()))
        world.clock.advance(1)
        self.failureResultOf(world.identify(world.mint()), LoginRefused)

    def test_issuer_down(self) -> None:
        """must-survive 55: known keys are used up to `keys_stale`, then no token can be checked."""
        world = World()
        self.successResultOf(world.identify(world.mint()))
        world.down = True
        world.clock.advance(86_399)
        self.successResultOf(world.identify(world.mint()))
        world.clock.advance(1)
        self.failureResultOf(world.identify(world.mint()), IssuerUnavailable)
        world.down = False
        world.clock.advance(10)
        self.successResultOf(world.identify(world.mint()))

    def test_attempts_are_rare(self) -> None:
        """While the issuer is down one attempt in ten seconds is made, whoever asks."""
        world = World()
        world.down = True
        for _ in range(100):
            self.failureResultOf(world.identify(world.mint()), IssuerUnavailable)
            world.clock.advance(0.25)
        self.assertEqual(len(world.asked), 3)

    def test_clock_set_back(self) -> None:
        """A clock that jumps back makes the keys old: they are fetched again."""
        world = World()
        self.successResultOf(world.identify(world.mint()))
        world.clock.rightNow -= 3600
        self.successResultOf(world.identify(world.mint()))
        self.assertEqual(world.fetches_of("/keys"), 2)


class Rotation(SynchronousTestCase):
    def test_new_key(self) -> None:
        """A token by a key that is new at the issuer is accepted at once, by one fetch."""
        world = World()
        self.successResultOf(world.identify(world.mint()))
        new = ec.generate_private_key(CURVE)
        world.keys.append(jwk(new, "k2"))
        world.clock.advance(10)
        self.successResultOf(world.identify(jwt.encode(world.claims(), new, "ES256", {"kid": "k2"})))
        self.assertEqual(world.fetches_of("/keys"), 2)

    def test_unknown_keys_do_not_hammer(self) -> None:
        """A thousand tokens with invented key ids cost one fetch in ten seconds."""
        world = World()
        self.successResultOf(world.identify(world.mint()))
        world.clock.advance(10)
        for number in range(1000):
            self.failureResultOf(world.identify(world.mint({"kid": f"x{number}"})), LoginRefused)
        self.assertEqual(world.fetches_of("/keys"), 2)

    def test_single_flight(self) -> None:
        """However many logins wait for the keys, one fetch is under way, and one that gives up does not stop it."""
        world = World()
        world.waiting = Deferred()
        logins = [world.identify(world.mint()) for _ in range(20)]
        self.assertEqual(len(world.asked), 1)
        logins[0].cancel()
        self.failureResultOf(logins[0])
        waiting, world.waiting = world.waiting, None
        waiting.callback(json.dumps(world.discovery).encode())
        for login in logins[1:]:
            self.successResultOf(login)
        self.assertEqual(len(world.asked), 2)


class Documents(SynchronousTestCase):
    def test_discovery_of_another_issuer(self) -> None:
        """Discovery 1.0, 4.3: the document's `issuer` must be the configured one exactly."""
        world = World()
        world.discovery["issuer"] = ISSUER + "/"
        self.failureResultOf(world.identify(world.mint()), IssuerUnavailable)

    def test_keys_at_a_bad_address(self) -> None:
        """must-survive 49: `jwks_uri` may not lead to clear HTTP off this machine, a file, or a user's password."""
        for address in (
            "http://idp.example.com/k",
            "file:///etc/passwd",
            "https://u:p@x/",
            "//x",
            "",
            7,
            None,
            "https://",
        ):
            document = json.dumps({"issuer": ISSUER, "jwks_uri": address}).encode()
            with self.assertRaises(IssuerUnavailable):
                keys_address(document, ISSUER)

    def test_key_sets_that_are_none(self) -> None:
        """A key set that is empty, too long, of another shape or deep is unavailable, not empty trust."""
        many = json.dumps({"keys": [jwk(ec.generate_private_key(CURVE))] * 65}).encode()
        for document in (b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": []}', b'{"keys": [1, {}]}', b"[" * 99_999, many):
            with self.assertRaises(IssuerUnavailable):
                parse_keys(document)

    def test_broken_key_beside_a_good_one(self) -> None:
        """One key that cannot be read does not take the others along."""
        good = jwk(ec.generate_private_key(CURVE))
        others = [{"kty": "EC", "crv": "P-256", "x": "!", "y": "?"}, {"kty": ["EC"]}, {"kty": "EC"}, good | {"kid": 7}]
        keys = parse_keys(json.dumps({"keys": [*others, good]}).encode())
        self.assertEqual([key.id for key in keys], ["k1"])

    @given(some.binary(max_size=200))
    def test_junk(self, junk: bytes) -> None:
        """Junk is unavailable, as a key set and as a discovery document."""
        with self.assertRaises(IssuerUnavailable):
            parse_keys(junk)
        with self.assertRaises(IssuerUnavailable):
            keys_address(junk, ISSUER)
