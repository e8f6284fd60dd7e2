"""hoopgw.auth.pkcs11_uri: RFC 7512, as far as it says which key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.pkcs11_uri import key_uri
from hoopgw.model.target import SecretReference

END = "?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/hoopgw/hsm.pin"


class Uris(SynchronousTestCase):
    def test_read(self) -> None:
        """Attributes in any order, percent-encoded; an id is bytes."""
        found = key_uri("pkcs11:object=seal%20one;token=The%20HSM;id=%00%ff;type=private;serial=42" + END)
        self.assertEqual((found.token, found.serial, found.object, found.id), ("The HSM", "42", "seal one", b"\0\xff"))
        self.assertEqual(found.module, "/usr/lib/softhsm/libsofthsm2.so")
        self.assertEqual(found.pin, SecretReference("file", "/etc/hoopgw/hsm.pin"))
        named = key_uri("pkcs11:token=t;id=%01?pin-source=credential:hsm_pin&module-path=/m.so")
        self.assertEqual((named.pin, named.object), (SecretReference("credential", "hsm_pin"), ""))

    def test_refused(self) -> None:
        """A PIN in the address, what is not known, twice or not enough, another type, no module, no PIN: in words."""
        for text, said in (
            ("pkcs11:token=t;object=o?pin-value=1234&module-path=/m.so", "must not have the PIN"),
            ("pkcs11:token=t;object=o;slot-id=1" + END, "'slot-id'"),
            ("pkcs11:token=t;object=o;token=u" + END, "twice"),
            ("pkcs11:object=o" + END, "must name the token"),
            ("pkcs11:token=t" + END, "must name the token"),
            ("pkcs11:token=t;object=o;type=public" + END, "another type"),
            ("pkcs11:token=t;object=o?pin-source=file:/p", "module-path"),
            ("pkcs11:token=t;object=o?module-path=m.so&pin-source=file:/p", "absolute"),
            ("pkcs11:token=t;object=o?module-path=/m.so", "where the PIN is"),
            ("pkcs11:token=t;object=o?module-path=/m.so&pin-source=|/bin/pin", "'pin-source'"),
            ("pkcs11:token=t;object=o?module-path=/m.so&pin-source=file:pin", "where the PIN is"),
            ("pkcs11:token=%ff;object=o" + END, "not UTF-8"),
            ("pkcs11:token=t%0a;object=o" + END, "not printable"),
            ("pkcs11:token=t o;object=o" + END, "'token'"),
            ("file:/x", "pkcs11:"),
        ):
            error = self.assertRaises(ValueError, key_uri, text)
            self.assertIn(said, str(error), text)

    @given(st.text())
    def test_junk(self, text: str) -> None:
        """Whatever is written raises ValueError and nothing else."""
        for junk in (text, "pkcs11:" + text, f"pkcs11:token=t;object=o;{text}{END}"):
            try:
                key_uri(junk)
            except ValueError:
                continue
