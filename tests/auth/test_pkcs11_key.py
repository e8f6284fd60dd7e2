"""hoopgw.auth.pkcs11_key, with a token of SoftHSM in this process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pkcs11
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.pkcs11_key import TokenKey, Tokens, public_key
from hoopgw.auth.pkcs11_pins import RefusedPins
from hoopgw.auth.pkcs11_uri import key_uri
from hoopgw.config_secrets import read_secret
from hoopgw.model.errors import PinRefused, TokenUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import SecretReference
from tests.softhsm import SoftHsm

DATA = b"what is sealed"


class Keys(SynchronousTestCase):
    def setUp(self) -> None:
        self.hsm = SoftHsm(Path(self.mktemp()).absolute())
        self.addCleanup(self.hsm.begin())
        self.reads = 0
        self.refused = RefusedPins()
        self.tokens = Tokens(self.read, self.refused)
        self.own = self.hsm.put("seal")
        pkcs11.lib(str(self.hsm.module)).reinitialize()  # it is this process's, and knows the token of an earlier test

    def read(self, reference: SecretReference) -> Secret:
        self.reads += 1
        return read_secret(reference)

    def key(self, name: str = "seal", **more: str) -> TokenKey:
        return self.tokens.key(key_uri(self.hsm.uri(name, **more)))

    @contextmanager
    def away(self) -> Iterator[None]:
        """The token is not there."""
        gone = self.hsm.tokens.with_name("gone")
        self.hsm.tokens.rename(gone)
        self.hsm.tokens.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(self.hsm.tokens)
            gone.rename(self.hsm.tokens)

    def test_signs(self) -> None:
        """As the key itself would: its public half verifies.  Opened once, logged in once, whoever asks for it."""
        key = self.key()
        public = self.own.public_key()
        self.assertEqual(key.public_key(), public)
        for _ in range(3):
            public.verify(key.sign(DATA), DATA)
        self.assertIs(self.key(), key)
        self.assertEqual(self.reads, 1)

    def test_two_keys(self) -> None:
        """Of one token, at the same time: the second finds the first logged in."""
        other = self.hsm.put("login")
        first, second = self.key(), self.key("login")
        other.public_key().verify(second.sign(DATA), DATA)
        self.own.public_key().verify(first.sign(DATA), DATA)
        self.assertRaises(TokenUnavailable, self.key, "nothing")
        self.own.public_key().verify(first.sign(DATA), DATA)

    def test_which(self) -> None:
        """A key that is not there, a name that two keys have, another token: refused by name.  Ids tell apart."""
        self.assertIn("no such private key", str(self.assertRaises(TokenUnavailable, self.key, "other")))
        other = self.hsm.put("seal")
        self.assertIn("2 such private keys", str(self.assertRaises(TokenUnavailable, self.key)))
        self.assertEqual(self.key(id="%02").public_key(), other.public_key())
        for more in ({"token": "else"}, {"manufacturer": "else"}, {"model": "else"}, {"serial": "0"}):
            error = self.assertRaises(TokenUnavailable, self.key, "seal", id="%02", **more)
            self.assertIn("no such token", str(error))

    def test_wrong_pin(self) -> None:
        """It is tried once: tokens count.  Another PIN may be tried.  Neither is shown."""
        self.hsm.say("1111")
        for said in ("PinIncorrect", "is not tried again"):
            error = self.assertRaises(PinRefused, self.key)
            self.assertIn(said, str(error))
            self.assertNotIn("1111", str(error) + repr(error.__cause__))
        self.hsm.say("2741")
        self.own.public_key().verify(self.key().sign(DATA), DATA)
        self.assertEqual(repr(self.key()), "TokenKey()")

    def test_away_and_back(self) -> None:
        """While the token is away nothing is signed, in words; when it is back, it is found without a restart."""
        key = self.key()
        with self.away():
            for _ in range(3):
                self.assertIn("token hoopgw", str(self.assertRaises(TokenUnavailable, key.sign, DATA)))
            self.assertEqual(key.public_key(), self.own.public_key())
        self.own.public_key().verify(key.sign(DATA), DATA)

    def test_another_key(self) -> None:
        """One that has the name of the first, on a token that was put in its place, signs nothing."""
        key = self.key()
        with self.away():
            other = SoftHsm(Path(self.mktemp()).absolute())
            other.put("seal")
            shutil.copytree(other.tokens, self.hsm.tokens, dirs_exist_ok=True)
            self.assertIn("another key now", str(self.assertRaises(TokenUnavailable, key.sign, DATA)))

    def test_no_library(self) -> None:
        """A module that is no such library is named."""
        uri = self.hsm.uri("seal").replace(str(self.hsm.module), "/usr/lib/nothing.so")
        self.assertIn("/usr/lib/nothing.so", str(self.assertRaises(TokenUnavailable, self.tokens.key, key_uri(uri))))

    def test_points(self) -> None:
        """A public key in each form that modules give it; what is none is refused."""
        raw = self.own.public_key().public_bytes_raw()
        for form in (raw, b"\x04\x20" + raw, b"\x03\x21\x00" + raw):
            self.assertEqual(public_key(form, "x"), Ed25519PublicKey.from_public_bytes(raw))
        for wrong in (b"", raw[1:], b"\x04\x41\x04" + bytes(64)):
            self.assertRaises(TokenUnavailable, public_key, wrong, "x")
