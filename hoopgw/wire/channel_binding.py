"""What binds a SCRAM exchange to the TLS connection it runs in: tls-server-end-point (RFC 5929, section 4)."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography import x509

from hoopgw.model.errors import MalformedFrame

WEAK: Final = ("md5", "sha1")  # RFC 5929: SHA-256 stands in for them


def tls_server_end_point(certificate: bytes) -> bytes:
    """The digest of a server's certificate (DER), by the hash of the certificate's own signature algorithm.

    b"" where that algorithm has no hash of its own (Ed25519): channel binding is not defined for it.
    Raises MalformedFrame where the bytes are no certificate, or name a signature algorithm that nobody knows.
    """
    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
        if algorithm is None:
            return b""
        name = "sha256" if algorithm.name in WEAK else algorithm.name.replace("-", "_")
        return hashlib.new(name, certificate).digest()
    except Exception as error:  # cryptography raises ValueError, UnsupportedAlgorithm and parser errors of its own
        raise MalformedFrame("the target's certificate cannot be read") from error
