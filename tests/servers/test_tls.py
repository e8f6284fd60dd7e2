"""Files of certificates and keys: what is taken, and what is said of the others."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo.authority import LOOPBACK, Authority
from hoopgw.model.errors import OperatorError
from hoopgw.model.secret import Secret
from hoopgw.servers.tls import load_authority, server_context


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        self.certificate, self.key = Authority().issue(LOOPBACK)
        self.file = Path(self.mktemp())

    def said(self, certificate: bytes, key: str) -> str:
        self.file.write_bytes(certificate)
        words = str(self.assertRaises(OperatorError, server_context, str(self.file), Secret(key.encode())))
        before = f"the gateway's certificate {self.file} and its key cannot be used: "
        self.assertTrue(words.startswith(before), words)
        return words.removeprefix(before)

    def test_certificate(self) -> None:
        """A file that holds none in PEM is named as that, whatever else it holds."""
        der = x509.load_pem_x509_certificate(self.certificate.encode()).public_bytes(Encoding.DER)
        for other in (b"hello", self.key.encode(), self.certificate.encode()[:200], der):
            self.assertEqual(self.said(other, self.key), "there is no certificate in it, in PEM")
        self.assertEqual(self.said(b"", self.key), "it is empty")

    def test_key(self) -> None:
        """Nobody is asked for a passphrase: at a terminal OpenSSL would wait for one."""
        certificate, other = self.certificate.encode(), Authority().issue(LOOPBACK)[1]
        locked = load_pem_private_key(self.key.encode(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hush")
        )
        self.assertEqual(self.said(certificate, "hello"), "the key is no private key in PEM")
        self.assertEqual(self.said(certificate, other), "key values mismatch")
        self.assertIn("the key is encrypted", self.said(certificate, locked.decode()))

    def test_authority(self) -> None:
        """Bundles have names of authorities between the certificates, in letters of many languages."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.file.write_text(f"# Főtanúsítvány\n{Authority().certificate}", encoding="utf-8")
        load_authority(context, str(self.file))
        self.assertEqual(context.cert_store_stats()["x509_ca"], 1)
