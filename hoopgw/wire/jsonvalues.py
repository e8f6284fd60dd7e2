"""One value or name of JSON text -> what is written in its place.  Compiled."""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i32_le
from mypy_extensions import i64

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.jsonstrings import ABOUT, plain, quoted
from hoopgw.wire.masking import LAST4, NONE, Action, ValueMask
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.showing import hidden

_WORDS: Final = (b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity")


_TRUE: Final = int.from_bytes(b"true", "little")
_NULL: Final = int.from_bytes(b"null", "little")
_ALSE: Final = int.from_bytes(b"alse", "little")


def _is_word(data: bytes, start: i64, end: i64) -> bool:
    """true, false, null, or what some take for a number."""
    if end >= 4 and 4 <= end - start <= 5:
        last = i64(read_i32_le(data, end - 4))
        if end - start == 4:
            return last in (_TRUE, _NULL)
        if data[start] == 102:
            return last == _ALSE
    return data[start:end] in _WORDS


@final
class JsonValues:
    """`actions` are what a table's actions from 1 on mean for a text.  None: it stays as it is."""

    __slots__ = ("_actions", "_value", "scanner")

    def __init__(self, actions: tuple[Action, ...], value: ValueMask) -> None:
        self.scanner: Scanner | None = value.scanner
        self._actions = actions
        self._value = value

    def hidden(self, data: bytes, start: i64, end: i64, action: i64, escaped: bool) -> bytes | None:
        """Of a string, quotes included, that a rule names."""
        value = data[start + 1 : end - 1]
        if not value:
            return None
        if escaped:
            value = plain(data[start:end])
        shown = self._value.of(self._actions[action - 1], value)
        return b"null" if shown is None else quoted(shown)

    def visible(self, data: bytes, start: i64, end: i64, action: i64) -> i64:
        """Up to where a text without escapes becomes stars, at its length; -1 where something else is shown of it."""
        kind = self._actions[action - 1].kind
        if kind == NONE:
            return end
        return hidden(data, start, end) if kind == LAST4 else -1

    def searched(self, data: bytes, start: i64, end: i64) -> bytes | None:
        """Of a string with escapes, quotes included, with what patterns find in it starred."""
        scanner = self.scanner
        if scanner is None or end - start - 2 < scanner.least:
            return None
        text = plain(data[start:end])
        shown = scanner.masked(text)
        return None if shown is text else quoted(shown)

    def word(self, data: bytes, start: i64, end: i64, action: i64) -> bytes | None:
        """Of a number, true, false or null.  Raises Unmaskable for what is none of them."""
        c: i64 = data[start]
        number = 48 <= c <= 57 or (c == 45 and end - start > 1 and 48 <= data[start + 1] <= 57)
        if not number and not _is_word(data, start, end):
            raise Unmaskable(ABOUT)
        if action:
            return None if c == 110 else b"false" if c == 116 or c == 102 else b"0"  # n of null, t, f
        scanner = self.scanner
        if scanner is None or not number or end - start < scanner.least_digits:
            return None
        return b"0" if scanner.spans(data, start, end) else None
