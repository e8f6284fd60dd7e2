"""An authority of X.509 client certificates, good and bad ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hoopgw.cli.demo.authority import private_pem

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
FIELDS = {"cn": NameOID.COMMON_NAME, "ou": NameOID.ORGANIZATIONAL_UNIT_NAME, "o": NameOID.ORGANIZATION_NAME}


def usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not signs, False, False, False, False, signs, signs, False, False)


def subject_of(parts: Iterable[tuple[str, str]]) -> x509.Name:
    return x509.Name([x509.NameAttribute(FIELDS[name], value) for name, value in parts])


class Ca:
    """`above` has signed it; without one it is a root.  Times are POSIX seconds."""

    def __init__(self, name: str = "test root", now: float = 0.0, above: Ca | None = None) -> None:
        self.now = now or datetime.now(UTC).timestamp()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = subject_of([("cn", name)])
        built = self._builder(self.name, self.key, (above or self).name, 3600 * 24, -3600)
        built = built.add_extension(x509.BasicConstraints(True, None), True).add_extension(usage(True), True)
        self.certificate = built.sign((above or self).key, hashes.SHA256())
        self.der = self.certificate.public_bytes(Encoding.DER)
        self.pem = self.certificate.public_bytes(Encoding.PEM).decode()

    def _builder(self, subject: x509.Name, key: Any, issuer: x509.Name, until: float, since: float) -> Any:
        begin, end = (datetime.fromtimestamp(self.now + each, UTC) for each in (since, until))
        return x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), begin, end)

    def issue(
        self,
        *names: x509.GeneralName,
        subject: Iterable[tuple[str, str]] = (),
        purposes: tuple[x509.ObjectIdentifier, ...] = (CLIENT,),
        until: float = 3600,
        since: float = -60,
        authority: bool = False,
        signs: bool = False,
    ) -> tuple[x509.Certificate, str]:
        """(certificate, key in PEM)."""
        key = ec.generate_private_key(ec.SECP256R1())
        built = self._builder(subject_of(subject), key, self.name, until, since)
        built = built.add_extension(x509.BasicConstraints(authority, None), True)
        built = built.add_extension(usage(signs), True)
        if purposes:
            built = built.add_extension(x509.ExtendedKeyUsage(purposes), False)
        if names:
            built = built.add_extension(x509.SubjectAlternativeName(names), False)
        return built.sign(self.key, hashes.SHA256()), private_pem(key)

    def crl(self, *revoked: x509.Certificate, until: float = 3600) -> str:
        """A revocation list, PEM."""
        end = datetime.fromtimestamp(self.now + until, UTC)
        begin = end - timedelta(days=7)
        built = x509.CertificateRevocationListBuilder(self.name, begin, end)
        for each in revoked:
            entry = x509.RevokedCertificateBuilder(each.serial_number, begin).build()
            built = built.add_revoked_certificate(entry)
        return built.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def spiffe(uri: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(uri)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def pem(*certificates: x509.Certificate) -> str:
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)
