"""For `hoopgw doctor`: the certificate that clients see, and whether its key is the one that the gateway has."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from hoopgw.cli.finding import Finding
from hoopgw.model.settings import TlsSettings
from hoopgw.model.target import SecretReference

SOON = 21 * 86400.0  # a certificate that ends within this is to be renewed
MANY = 4  # names that are shown
MAKES = "/usr/lib/hoopgw/bin/python -I -m hoopgw.cli.own_certificate"


def certificates(tls: TlsSettings, sources: Mapping[str, Path], now: float) -> Iterator[Finding]:
    """`sources`: the files that systemd hands over as credentials, by name."""
    path = Path(tls.certificate)
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        yield Finding("certificate", f"{path}: {error}", "[tls] certificate names a PEM file")
        return
    wrong = [
        *_time(certificate, path, tls, now),
        *_names(certificate, path, tls.domain),
        *_key(certificate, tls, sources),
    ]
    yield from wrong
    if not wrong:
        left = (certificate.not_valid_after_utc.timestamp() - now) / 86400
        own = ", signed by itself" if _is_own(certificate) else ""
        yield Finding("certificate", f"{left:.0f} days left{own}, for {', '.join(_san(certificate)[:MANY])}")


def _time(certificate: x509.Certificate, path: Path, tls: TlsSettings, now: float) -> Iterator[Finding]:
    begins, ends = (
        each.timestamp() - now for each in (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    )
    if begins > 0:
        yield Finding(
            "certificate", f"{path} is valid from {certificate.not_valid_before_utc} on", "the clock, or another one"
        )
    if ends < SOON:
        said = f"ends in {ends / 86400:.0f} days" if ends > 0 else f"ended on {certificate.not_valid_after_utc}"
        yield Finding("certificate", f"{path} {said}", f"put a new one there, and {taken_up(tls.key)}")


def taken_up(key: SecretReference | None) -> str:
    """A key that systemd hands over is read at a start."""
    return "systemctl restart hoopgw" if key is not None and key.kind == "credential" else "systemctl reload hoopgw"


def _names(certificate: x509.Certificate, path: Path, domain: str) -> Iterator[Finding]:
    """Which names clients use is theirs to know, but for `domain` and for a certificate that was made for this host."""
    names = _san(certificate)
    if not names:
        yield Finding("certificate", f"{path} has no subject alternative name: no client accepts it", "another one")
    elif domain and f"*.{domain}" not in names:
        said = f"{path} is for {', '.join(names[:MANY])}, and not for *.{domain}, as [tls] domain needs"
        yield Finding("certificate", said, f"one for *.{domain}, or no `domain`")
    elif _is_own(certificate) and "localhost" in names and not {socket.getfqdn(), socket.gethostname()} & {*names}:
        said = f"{path} was made for {', '.join(names[:MANY])}; this host has another name by now"
        fix = f"move it and its key away; then {MAKES} {path.parent}, a restart, and the new file to the clients"
        yield Finding("certificate", said, fix)


def _key(certificate: x509.Certificate, tls: TlsSettings, sources: Mapping[str, Path]) -> Iterator[Finding]:
    """Nothing where the key cannot be read by who asks."""
    path = _key_file(tls.key, sources)
    if path is None:
        return
    try:
        public = serialization.load_pem_private_key(path.read_bytes(), None).public_key()
    except OSError:
        return
    except (ValueError, TypeError) as error:
        yield Finding("certificate", f"{path}: {error}", "[tls] key names a private key in PEM, unencrypted")
        return
    der, info = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if public.public_bytes(der, info) != certificate.public_key().public_bytes(der, info):
        said = f"{path} is not the key of {tls.certificate}"
        yield Finding("certificate", said, f"put the two that belong together there, and {taken_up(tls.key)}")


def _key_file(key: SecretReference | None, sources: Mapping[str, Path]) -> Path | None:
    if key is not None and key.kind == "credential":
        return sources.get(key.name)
    return Path(key.name) if key is not None and key.kind == "file" else None


def _is_own(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject


def _san(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [str(name.value) for name in extension.value]
