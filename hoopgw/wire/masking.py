"""One value of a result -> what is shown of it.  Knows no user and no rule."""

from __future__ import annotations

import hmac
from typing import Final, final

from librt.strings import read_i64_be
from mypy_extensions import i64

from hoopgw.wire.binary_values import finds
from hoopgw.wire.scanners import Scanner

PASS: Final = 0
NONE: Final = 1  # every byte a star
LAST4: Final = 2  # stars, and the last four characters of eight or more
HASH: Final = 3  # 16 base32 characters of an HMAC
CONSTANT: Final = 4
NULL: Final = 5
SCAN: Final = 6  # what a pattern finds becomes stars, at the same length
SCAN_JSON: Final = 7  # the same, and it stays JSON
SCAN_JSONB: Final = 8  # binary jsonb: a version byte in front
SCAN_NUMBER: Final = 9  # a value in which a pattern finds something becomes the constant
SCAN_OPAQUE: Final = 10  # cannot be read: NULL where a pattern finds something anywhere in it
SCAN_ARRAY: Final = 11  # binary array of text: each element
SCAN_BINARY: Final = 12  # numbers in binary, and what may hold them: the constant where a pattern finds something
SCAN_ARRAY_TEXT: Final = 14  # array of text in text format: what is found becomes stars, and it stays an array
SCAN_BYTEA: Final = 13  # bytea in text format, hex or escape: NULL where a pattern finds something in the bytes

_BASE32: Final = b"abcdefghijklmnopqrstuvwxyz234567"
MAX_HASHES: Final = 4096  # values whose hash is kept: about 500 KiB


@final
class Action:
    """What becomes of one column in one format."""

    __slots__ = ("constant", "kind", "oid")

    def __init__(self, kind: int, constant: bytes = b"", oid: int = 0) -> None:
        self.kind = kind
        self.constant = constant  # of SCAN_BINARY, empty: NULL
        self.oid = oid  # of the type, for SCAN_BINARY


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


def bytea(text: bytes) -> bytes:
    """What a bytea in hex or escape format holds; what is neither is taken as it is."""
    if text.startswith(b"\\x"):
        try:
            return bytes.fromhex(text[2:].decode("ascii"))
        except ValueError:
            return text
    if b"\\" not in text:
        return text
    out = bytearray()
    here = 0
    while here < len(text):
        c = text[here]
        octal = text[here + 1 : here + 4]
        if (
            c == 92
            and len(octal) == 3
            and octal.isdigit()
            and octal < b"400"
            and b"8" not in octal
            and b"9" not in octal
        ):
            out.append(int(octal, 8))
            here += 4
            continue
        out.append(c)
        here += 2 if text[here : here + 2] == b"\\\\" else 1
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


@final
class ValueMask:
    """One action on one value.  Gives the value to show; None is NULL; the same object where nothing changed."""

    __slots__ = ("_hashes", "scanner")

    def __init__(self, scanner: Scanner | None, hashes: Hashes) -> None:
        self.scanner = scanner
        self._hashes = hashes

    def of(self, action: Action, value: bytes) -> bytes | None:
        kind = action.kind
        if kind == NONE:
            return b"*" * len(value) if value else value
        if kind == LAST4:
            return last4(value) if value else value
        if kind == HASH:
            return self._hashes.of(value)
        if kind == CONSTANT:
            return action.constant
        if kind == NULL or self.scanner is None:
            return None
        if kind == SCAN:
            return self.scanner.masked(value)
        if kind == SCAN_JSON:
            return self.scanner.masked_json(value)
        if kind == SCAN_JSONB:
            masked = self.scanner.masked_json(value[1:])
            return value if masked == value[1:] else value[:1] + masked
        if kind == SCAN_NUMBER and len(value) < self.scanner.least_digits:
            return value  # as in RowMask: a number this short holds no card or id
        if kind == SCAN_NUMBER:
            return action.constant if self.scanner.spans(value, 0, len(value)) else value
        if kind == SCAN_ARRAY:
            return self._array(value)
        if kind == SCAN_ARRAY_TEXT:
            return self.scanner.masked_array(value)
        if kind == SCAN_BINARY:
            return (action.constant or None) if finds(self.scanner, action.oid, value) else value
        if kind == SCAN_BYTEA:
            return None if self._in_bytea(self.scanner, value) else value
        return None if self.scanner.spans(value, 0, len(value)) else value

    def _in_bytea(self, scanner: Scanner, value: bytes) -> bool:
        """Whether something is found in the bytes that this text means (documentation, 8.4), or in the text."""
        data = bytea(value)
        return bool(scanner.spans(data, 0, len(data)) or scanner.spans(value, 0, len(value)))

    def _array(self, value: bytes) -> bytes | None:
        """Binary array (src/backend/utils/adt/arrayfuncs.c, array_send): dimensions, flags, element type, bounds,
        then elements with their lengths.  What does not look like that is NULL."""
        if len(value) < 12 or self.scanner is None:
            return None
        dimensions = int.from_bytes(value[:4], "big")
        here = 12 + 8 * dimensions
        if dimensions > 6 or here > len(value):
            return None
        out = bytearray(value)
        changed = False
        while here < len(value):
            if here + 4 > len(value):
                return None
            length = int.from_bytes(value[here : here + 4], "big", signed=True)
            here += 4
            if length < -1 or (length > 0 and here + length > len(value)):
                return None
            if length > 0:
                for begin, stop in self.scanner.spans(value, here, here + length):
                    out[begin:stop] = b"*" * (stop - begin)
                    changed = True
                here += length
        return bytes(out) if changed else value
