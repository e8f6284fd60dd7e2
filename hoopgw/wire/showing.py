"""What a column mask leaves of a text: its last four characters, or a hash."""

from __future__ import annotations

import hmac
from typing import Final, final

from librt.strings import read_i64_be
from mypy_extensions import i64

_BASE32: Final = b"abcdefghijklmnopqrstuvwxyz234567"
MAX_HASHES: Final = 4096  # values whose hash is kept: about 500 KiB


def hidden(data: bytes, start: i64, end: i64) -> i64:
    """Up to where `last4` hides `data[start:end]`: all but the last four characters (UTF-8) of eight or more."""
    characters: i64 = 0
    here: i64 = end
    cut: i64 = end
    while here > start:
        here -= 1
        if (data[here] & 0xC0) != 0x80:
            characters += 1
            if characters == 4:
                cut = here
            elif characters == 8:
                return cut
    return end


def last4(value: bytes) -> bytes:
    """Stars for all but the last four characters (UTF-8); all of them where there are fewer than eight."""
    cut = hidden(value, 0, len(value))
    return b"*" * cut + value[cut:]


def base32(digest: bytes) -> bytes:
    """The first ten bytes as sixteen characters (RFC 4648, in lower case)."""
    out = bytearray()
    for start in (0, 5):
        word: i64 = read_i64_be(digest, start)
        shift: i64 = 59
        while shift > 19:
            out.append(_BASE32[(word >> shift) & 31])
            shift -= 5
    return bytes(out)


@final
class Hashes:
    """The `hash` mask: equal values give equal texts, and nobody without the key can try values out."""

    __slots__ = ("_key", "_known")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[bytes, bytes] = {}

    def of(self, value: bytes) -> bytes:
        found = self._known.get(value)
        if found is None:
            found = base32(hmac.digest(self._key, value, "sha256"))
            if len(self._known) >= MAX_HASHES:
                self._known.clear()
            self._known[value] = found
        return found

    def __repr__(self) -> str:
        return "Hashes()"
