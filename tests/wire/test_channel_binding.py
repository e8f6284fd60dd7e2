"""tls-server-end-point: which hash of which certificate."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.channel_binding import tls_server_end_point


def certificate(key: Any, algorithm: Any, **options: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "db")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, algorithm, **options).public_bytes(serialization.Encoding.DER)


class EndPoint(SynchronousTestCase):
    def test_hash_of_the_signature(self) -> None:
        """RFC 5929, 4.1: the certificate's own hash, for ECDSA, RSA and RSA-PSS."""
        curve = ec.generate_private_key(ec.SECP256R1())
        prime = rsa.generate_private_key(65537, 2048)
        pss = padding.PSS(padding.MGF1(hashes.SHA512()), padding.PSS.DIGEST_LENGTH)
        for der, hashed in (
            (certificate(curve, hashes.SHA256()), hashlib.sha256),
            (certificate(curve, hashes.SHA384()), hashlib.sha384),
            (certificate(prime, hashes.SHA512()), hashlib.sha512),
            (certificate(prime, hashes.SHA512(), rsa_padding=pss), hashlib.sha512),
        ):
            self.assertEqual(tls_server_end_point(der), hashed(der).digest())

    def test_signature_without_a_hash(self) -> None:
        """Ed25519 has no hash of its own: there is nothing to bind to, and the caller is told so."""
        self.assertEqual(tls_server_end_point(certificate(ed25519.Ed25519PrivateKey.generate(), None)), b"")

    def test_weak_hashes_are_replaced(self) -> None:
        """RFC 5929, 4.1: a certificate signed with MD5 or SHA-1 is bound by SHA-256."""
        der = certificate(rsa.generate_private_key(65537, 2048), hashes.SHA256())
        with_rsa = bytes.fromhex("06092a864886f70d0101")
        for last in (b"\x05", b"\x04"):  # sha1WithRSAEncryption, md5WithRSAEncryption
            weak = der.replace(with_rsa + b"\x0b", with_rsa + last)
            self.assertNotEqual(weak, der)
            self.assertEqual(tls_server_end_point(weak), hashlib.sha256(weak).digest())

    @given(some.binary(max_size=200))
    def test_junk_raises_only_wire_errors(self, junk: bytes) -> None:
        """What is no certificate is refused as the peer's fault."""
        with self.assertRaises(MalformedFrame):
            tls_server_end_point(junk)
