"""DataRow messages -> the same rows, masked.  Compiled loops; knows no user and no rule."""

from __future__ import annotations

import base64
import hmac
from typing import Final, final

from mypy_extensions import i64

from hoopgw.model.errors import MalformedFrame
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

MAX_HASHES: Final = 4096  # values whose hash is kept: about 500 KiB


@final
class Action:
    """What becomes of one column in one format."""

    __slots__ = ("constant", "kind")

    def __init__(self, kind: int, constant: bytes = b"") -> None:
        self.kind = kind
        self.constant = constant


def last4(value: bytes) -> bytes:
    """Stars for all but the last four characters (UTF-8); all of them where there are fewer than eight."""
    characters: i64 = 0
    index: i64 = len(value)
    cut: i64 = len(value)
    while index > 0:
        index -= 1
        if (value[index] & 0xC0) != 0x80:
            characters += 1
            if characters == 4:
                cut = index
    if characters < 8:
        return b"*" * len(value)
    return b"*" * cut + value[cut:]


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
            found = base64.b32encode(hmac.digest(self._key, value, "sha256")[:10]).lower()
            if len(self._known) >= MAX_HASHES:
                self._known.clear()
            self._known[value] = found
        return found

    def __repr__(self) -> str:
        return "Hashes()"


@final
class ValueMask:
    """One action on one value.  Gives the value to show; None is NULL; the same object where nothing changed."""

    __slots__ = ("_hashes", "_scanner")

    def __init__(self, scanner: Scanner | None, hashes: Hashes) -> None:
        self._scanner = scanner
        self._hashes = hashes

    def of(self, action: Action, value: bytes) -> bytes | None:
        kind = action.kind
        if kind == NONE:
            return b"*" * len(value)
        if kind == LAST4:
            return last4(value)
        if kind == HASH:
            return self._hashes.of(value)
        if kind == CONSTANT:
            return action.constant
        if kind == NULL or self._scanner is None:
            return None
        if kind == SCAN:
            return self._scanner.masked(value)
        if kind == SCAN_JSON:
            return self._scanner.masked_json(value)
        if kind == SCAN_JSONB:
            masked = self._scanner.masked_json(value[1:])
            return value if masked == value[1:] else value[:1] + masked
        if kind == SCAN_NUMBER:
            return action.constant if self._scanner.spans(value, 0, len(value)) else value
        if kind == SCAN_ARRAY:
            return self._array(value)
        return None if self._scanner.spans(value, 0, len(value)) else value

    def _array(self, value: bytes) -> bytes | None:
        """Binary array (src/backend/utils/adt/arrayfuncs.c, array_send): dimensions, flags, element type, bounds,
        then elements with their lengths.  What does not look like that is NULL."""
        if len(value) < 12 or self._scanner is None:
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
                for begin, stop in self._scanner.spans(value, here, here + length):
                    out[begin:stop] = b"*" * (stop - begin)
                    changed = True
                here += length
        return bytes(out) if changed else value


@final
class RowMask:
    """Masks runs of whole DataRow messages of one result."""

    __slots__ = ("_actions", "_last", "_value", "masked", "rows")

    def __init__(self, actions: tuple[Action | None, ...], value: ValueMask) -> None:
        self._actions = actions
        self._value = value
        self._last = max([index for index, action in enumerate(actions) if action is not None], default=-1)
        self.rows = 0
        self.masked = 0

    def apply(self, data: bytes, start: int, end: int) -> bytes:
        """`data[start:end]` with its values masked, in right framing.  Raises MalformedFrame for rows that are not."""
        out = bytearray()
        here: i64 = start
        stop: i64 = end
        copied: i64 = start
        actions = self._actions
        columns: i64 = len(actions)
        last: i64 = self._last
        while here < stop:
            row: i64 = here
            if here + 7 > stop:
                raise MalformedFrame("a row that ends inside its header")
            length: i64 = (data[here + 1] << 24) | (data[here + 2] << 16) | (data[here + 3] << 8) | data[here + 4]
            row_end: i64 = here + 1 + length
            count: i64 = (data[here + 5] << 8) | data[here + 6]
            if row_end > stop or length < 6 or count != columns or data[here] != 68:
                raise MalformedFrame("a row that is not as its description says")
            here += 7
            grown: i64 = 0
            header: i64 = -1  # where this row's header stands in `out`, once something of it was changed
            index: i64 = 0
            while index <= last:
                if here + 4 > row_end:
                    raise MalformedFrame("a row that ends inside a value's length")
                size: i64 = (data[here] << 24) | (data[here + 1] << 16) | (data[here + 2] << 8) | data[here + 3]
                if size == 0xFFFFFFFF:
                    here += 4
                    index += 1
                    continue
                if size > row_end - here - 4:
                    raise MalformedFrame("a value that is longer than its row")
                action = actions[index]
                if action is not None:
                    value = data[here + 4 : here + 4 + size]
                    shown = self._value.of(action, value)
                    if shown is not value:
                        self.masked += 1
                        if header < 0:
                            header = len(out) + (row - copied)
                        out += data[copied:here]
                        if shown is None:
                            out += b"\xff\xff\xff\xff"
                            grown -= size
                        else:
                            out += len(shown).to_bytes(4, "big")
                            out += shown
                            grown += len(shown) - size
                        copied = here + 4 + size
                here += 4 + size
                index += 1
            if grown != 0:
                out += data[copied:row_end]
                copied = row_end
                out[header + 1 : header + 5] = int(length + grown).to_bytes(4, "big")
            here = row_end
            self.rows += 1
        if copied == start:
            return data[start:end]
        out += data[copied:stop]
        return bytes(out)
