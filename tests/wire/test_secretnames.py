"""hoopgw.wire.secretnames"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretnames import NO_NAMES, USUAL, SecretNames, secret_names


class Names(SynchronousTestCase):
    def test_however_they_are_spelt(self) -> None:
        """Case, what parts the words, digits behind them, and what stands around a field's own name in a form."""
        names = secret_names()
        for name in (
            b"password", b"Password", b"PASSWORD", b"newPassword", b"password2", b"db_password", b"user[password]",
            b"user.password", b"user[password][0]", b"passwords[password]",
            b"password[new]", b"form[plainPassword][first]", b"password_confirmation", b"passwordConfirm", b"pass",
            b"SAMLResponse", b"secret_id", b"SecretString", b"id_token_hint", b"device_code",
            b"client_secret", b"clientSecret",
            b"access_token", b"Access-Token", b"id_token", b"X-Vault-Token", b"api_key", b"apikey", b"x-api-key",
            b"X-Amz-Security-Token", b"X-Amz-Signature", b"sig", b"auth", b"JSESSIONID", b"PHPSESSID", b"cvv2",
            b"pass\\u0077ord", b"pass%77ord", b"%70assword", b"pass%2577ord"[:0] + b"code_verifier", b"dpop",
        ):  # fmt: skip
            self.assertTrue(names.hides(name), name)
        for name in (
            b"", b"user", b"max_tokens", b"tokens", b"passwords_changed",
            b"bypass", b"token_type_hint", b"user[token_type]", b"csrf.name", b"next_token", b"nextPageToken", b"oauth",
            b"design", b"msig", b"author", b"authenticated", b"key", b"public_key", b"state", b"[]", b"[0]", b"\xff",
        ):  # fmt: skip
            self.assertFalse(names.hides(name), name)

    def test_more_of_them_and_fewer(self) -> None:
        """Globs of the operator's; what is plain is recorded."""
        names = secret_names(frozenset(("pin", "*_kennwort", "x?y", "größe")), frozenset(("token", "*_signature")))
        for name, expected in (
            (b"pin", True), (b"PIN", True), (b"user_pin", False), (b"spin", False), (b"user[pin]", True),
            (b"altesKennwort", True), (b"xay", True), (b"xabcy", False), ("Größe".encode(), True),
            (b"token", False), (b"access_token", True), (b"x_signature", False), (b"sig", True), (b"password", True),
        ):  # fmt: skip
            self.assertEqual(names.hides(name), expected, name)
        self.assertFalse(NO_NAMES.hides(b"password"))

    @given(
        st.sampled_from([each.strip("*") for each in USUAL]), st.text("aB_-. 1", max_size=4), st.sampled_from("_-. ")
    )
    def test_what_is_hidden_is_looked_at(self, name: str, before: str, apart: str) -> None:
        """The look at a name's last letters passes nothing that is secret."""
        for names in (secret_names(), SecretNames(("pw", *USUAL))):
            written = (before + name.replace("_", apart)).encode()
            if names.hides(written):
                self.assertTrue(names.may_hide(b'{"' + written, len(written) + 2), written)
        self.assertFalse(secret_names().may_hide(b'{"name', 6))
