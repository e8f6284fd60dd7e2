"""SPIFFE IDs: which URIs name a workload (SPIFFE-ID and X.509-SVID, spiffe.io)."""

from __future__ import annotations

import re

from cryptography import x509

MAX_ID = 2048  # bytes (SPIFFE-ID, 2.3)
TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_ID = re.compile(r"spiffe://([a-z0-9._-]{1,255})((?:/[A-Za-z0-9._-]+)*)")


def check_id(uri: str, trust_domain: str) -> None:
    """Raises ValueError in words for what is no ID of a workload in this trust domain."""
    found = _ID.fullmatch(uri) if len(uri) <= MAX_ID else None
    if found is None or any(part in (".", "..") for part in found[2].split("/")):
        raise ValueError("its URI is no SPIFFE ID")
    if found[1] != trust_domain:
        raise ValueError(f"its SPIFFE ID is of another trust domain than {trust_domain}")
    if not found[2]:
        raise ValueError("its SPIFFE ID names a trust domain, and no workload")


def check_leaf(certificate: x509.Certificate) -> None:
    """What a certificate may be good for (X.509-SVID, 4.3).  Raises ValueError in words."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        raise ValueError("it does not say what its key is for") from None
    if not usage.digital_signature or usage.key_cert_sign or usage.crl_sign:
        raise ValueError("its key is for something else than a workload's signatures")
