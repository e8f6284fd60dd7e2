"""A client's half of a key exchange: its share, and the secret that comes of the server's.  Both as SSH fields.

Conch computes the server's half.
"""

from __future__ import annotations

from hashlib import sha256, sha384, sha512

from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hoopgw.servers.ssh.algorithms import HYBRID
from hoopgw.wire.sshmessages import string

CURVE_SHARE = 32  # bytes
_CURVES = {
    b"ecdh-sha2-nistp256": (ec.SECP256R1, sha256),
    b"ecdh-sha2-nistp384": (ec.SECP384R1, sha384),
    b"ecdh-sha2-nistp521": (ec.SECP521R1, sha512),
}


class Exchange:
    """curve25519 (RFC 8731).  `secret` raises ValueError for a share that is none."""

    def __init__(self) -> None:
        self._private = x25519.X25519PrivateKey.generate()
        self.share = self._private.public_key().public_bytes_raw()

    def secret(self, share: bytes) -> bytes:
        return _mpint(self._shared(share))

    def digest(self, data: bytes) -> bytes:
        """By the exchange's own hash."""
        return sha256(data).digest()

    def _shared(self, share: bytes) -> bytes:
        return self._private.exchange(x25519.X25519PublicKey.from_public_bytes(share))


class Hybrid(Exchange):
    """ML-KEM-768 beside it: SHA-256 over both secrets, as a string (draft-ietf-sshm-mlkem-hybrid-kex, 2.4)."""

    def __init__(self) -> None:
        super().__init__()
        self._kem = mlkem.MLKEM768PrivateKey.generate()
        self.share = self._kem.public_key().public_bytes_raw() + self.share

    def secret(self, share: bytes) -> bytes:
        sealed, curve = share[:-CURVE_SHARE], share[-CURVE_SHARE:]
        return string(sha256(self._kem.decapsulate(sealed) + self._shared(curve)).digest())


class Nist(Exchange):
    """On a NIST curve (RFC 5656, 4)."""

    def __init__(self, name: bytes) -> None:
        self._curve, self._hash = _CURVES[name]
        self._key = ec.generate_private_key(self._curve())
        self.share = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def digest(self, data: bytes) -> bytes:
        return self._hash(data).digest()

    def _shared(self, share: bytes) -> bytes:
        return self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(self._curve(), share))


def begun(name: bytes) -> Exchange:
    """A new one of that name."""
    if name == HYBRID:
        return Hybrid()
    return Nist(name) if name in _CURVES else Exchange()


def _mpint(shared: bytes) -> bytes:
    """RFC 4251, 5: without leading zeros, and one where the first bit is set."""
    number = shared.lstrip(b"\0")
    return string(b"\0" + number if number and number[0] & 0x80 else number)
