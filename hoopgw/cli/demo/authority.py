"""A certificate authority for loopback, for the demo and the tests."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LIFETIME = timedelta(days=2)
LOOPBACK = ("127.0.0.1", "localhost")


class Authority:
    """Keys live in memory only; `certificate` is the PEM that clients trust."""

    def __init__(self, name: str = "hoopgw demo CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        built = self._builder(self._name, self._key.public_key()).add_extension(x509.BasicConstraints(True, 0), True)
        built = built.add_extension(_usage(signs_certificates=True), True)
        self._certificate = built.sign(self._key, hashes.SHA256())
        self.certificate: str = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, names: tuple[str, ...] = LOOPBACK, *, client: bool = False) -> tuple[str, str]:
        """(certificate, key) for a server of these host names and addresses, or a client of that name; both PEM."""
        purpose = x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH if client else x509.oid.ExtendedKeyUsageOID.SERVER_AUTH
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        built = self._builder(subject, key.public_key()).add_extension(x509.BasicConstraints(False, None), True)
        built = built.add_extension(_usage(signs_certificates=False), True)
        built = built.add_extension(x509.ExtendedKeyUsage([purpose]), False)
        built = built.add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), False)
        certificate = built.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), private_pem(key)

    def _builder(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        start = datetime.now(UTC) - timedelta(minutes=5)
        serial = x509.random_serial_number()
        built = x509.CertificateBuilder(self._name, subject, public, serial, start, start + LIFETIME)
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        built = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        return built.add_extension(known, False)


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    encoding, layout = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, layout, serialization.NoEncryption()).decode()


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
