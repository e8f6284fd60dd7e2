"""Makes the certificate that the gateway has before anybody gives it one.

The package runs it as `python -m hoopgw.cli.own_certificate DIRECTORY`.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CERTIFICATE, KEY = "gateway.pem", "gateway.key"
LIFETIME = timedelta(days=3650)  # clients name the file itself as what they trust: there is nobody to renew it


def names_of_this_host() -> tuple[str, ...]:
    """Host names, the full one first, without asking the network for more than the system's resolver does."""
    found = [socket.getfqdn(), socket.gethostname(), "localhost", "127.0.0.1", "::1"]
    return tuple(name for name in dict.fromkeys(found) if name)


def make(names: Sequence[str], now: datetime) -> tuple[bytes, bytes]:
    """(certificate, key), both PEM: for a server of these host names and addresses, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    # a name of more than 64 characters has no place in a subject (RFC 5280, ub-common-name)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])
    built = x509.CertificateBuilder(
        subject, subject, key.public_key(), x509.random_serial_number(), now - timedelta(minutes=5), now + LIFETIME
    )
    built = built.add_extension(x509.BasicConstraints(True, 0), True)
    built = built.add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), False)
    built = built.add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), False)
    built = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return built.sign(key, hashes.SHA256()).public_bytes(pem), secret


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def ensure(directory: Path, names: Sequence[str], now: datetime) -> bool:
    """Certificate and key are there; True if they were made.  What is there already is never replaced.

    Raises FileExistsError where only one of the two is there: which other one belongs to it is not known.
    """
    certificate, key = directory / CERTIFICATE, directory / KEY
    there = [path for path in (certificate, key) if path.is_symlink() or path.exists()]
    if len(there) == 2:
        return False
    if there:
        raise FileExistsError(f"{there[0]} is there without its other half: put that beside it, or take this one away")
    public, secret = make(names, now)
    _write(key, secret, 0o600)
    try:
        _write(certificate, public, 0o644)
    except OSError:
        key.unlink()
        raise
    return True


def _write(path: Path, content: bytes, mode: int) -> None:
    """New, whole, and never through a link that somebody put there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def main(directory: str) -> int:
    try:
        made = ensure(Path(directory), names_of_this_host(), datetime.now(UTC))
    except OSError as error:
        sys.stderr.write(f"hoopgw: {error}\n")
        return 1
    if made:
        sys.stdout.write(f"hoopgw: made a certificate of its own, {directory}/{CERTIFICATE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
