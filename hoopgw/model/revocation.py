"""What was revoked: keys, and certificates by number or name.  Compare OpenSSH's KRL; read by `wire.sshkrl`."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from hashlib import sha1, sha256


@dataclass(frozen=True, slots=True)
class RevokedCertificates:
    """Of one authority, by its key's blob; b"": of any.

    `ranges` are in order, apart, and count their ends in; of `bitmaps` the lowest bit of the last byte is the first
    serial's.
    """

    authority: bytes = b""
    serials: frozenset[int] = frozenset()
    ranges: tuple[tuple[int, int], ...] = ()
    bitmaps: tuple[tuple[int, bytes], ...] = ()  # (first serial, bits)
    ids: frozenset[bytes] = frozenset()

    def has(self, serial: int, id: bytes) -> bool:
        if serial in self.serials or id in self.ids:
            return True
        at = bisect_right(self.ranges, serial, key=lambda each: each[0])
        if at and serial <= self.ranges[at - 1][1]:
            return True
        return any(_bit(bits, serial - first) for first, bits in self.bitmaps)


@dataclass(frozen=True, slots=True)
class Revocations:
    """`keys` are blobs; the others are digests of blobs."""

    keys: frozenset[bytes] = frozenset()
    sha1: frozenset[bytes] = frozenset()
    sha256: frozenset[bytes] = frozenset()
    certificates: tuple[RevokedCertificates, ...] = ()

    def has_key(self, blob: bytes) -> bool:
        """Of a plain key: that of a certificate without the rest."""
        if blob in self.keys or (self.sha256 and sha256(blob).digest() in self.sha256):
            return True
        return bool(self.sha1) and sha1(blob, usedforsecurity=False).digest() in self.sha1

    def has_certificate(self, authority: bytes, serial: int, id: bytes) -> bool:
        """By its own number or name; its keys are asked for apart."""
        return any(each.authority in (b"", authority) and each.has(serial, id) for each in self.certificates)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A file of it as it was read.  `state` says which file that was, as `auth.revocation_files.state` has it; () where
    one that is read now could say something else and look the same."""

    path: str
    revocations: Revocations
    state: tuple[int, ...] = ()


def _bit(bits: bytes, number: int) -> bool:
    at = number // 8
    return 0 <= at < len(bits) and bool(bits[-1 - at] >> number % 8 & 1)
