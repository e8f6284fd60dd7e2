"""Text in pieces -> the same text, at the same length, with the values of secret members starred.  Compiled.

Members are known by their names, wherever they stand: in JSON, in JSON that is a text of JSON, in the arguments of a
document of GraphQL.  Nothing is held back, nothing is refused: what is no JSON goes on as it is.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64

from hoopgw.wire.secretnames import KINDS, MAX_NAME, SecretNames

_COLONS: Final = 0x3A3A3A3A3A3A3A3A
_ONES: Final = 0x0101010101010101
_BLANKS: Final = b" \t\r\n"
_IS_BLANK: Final = bytes(1 if c in _BLANKS else 0 for c in range(256))

_PLAIN: Final = 0
_VALUE: Final = 1  # it begins here
_QUOTED: Final = 2  # the same, of a name without quotes: it has some itself, or it is none
_TEXT: Final = 3
_WORD: Final = 4
_NUMBER: Final = 5
_BLOCK: Final = 6  # an object or list

_STAR: Final = 42
_ZERO: Final = 48
_BLANK: Final = 32
# What a bare word ends at
_ENDS: Final = bytes(1 if c in b",}])&<;\"' \t\r\n" else 0 for c in range(256))


@final
class SecretText:
    """One text.  `found` counts the values."""

    __slots__ = ("_before", "_depth", "_escaped", "_in_text", "_level", "_names", "_quote", "_run", "_state", "found")

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._before = b""  # the last bytes of what came before: a name may stand there
        self._state: i64 = _PLAIN
        self._level: i64 = 0  # backslashes before each quote: of JSON in a text of JSON
        self._run: i64 = 0  # backslashes before what comes next
        self._quote: i64 = 34
        self._depth: i64 = 0
        self._in_text = False
        self._escaped = False  # there are escapes in the bytes in hand
        self.found = 0

    def feed(self, data: bytes) -> bytes:
        """As it may be recorded; the same object where nothing is to be starred."""
        text = self._before + data if self._before else data
        start: i64 = len(self._before)
        end: i64 = len(text)
        here: i64 = start
        self._escaped = b"\\u" in text
        if self._state == _PLAIN:
            here = self._behind_name(text, start, end)
            if here < 0:
                self._before = _last(text)
                return data
        shown = bytearray(text)
        while 0 <= here < end:
            if self._state == _PLAIN:
                here = self._behind_name(text, here, end)
            elif self._state <= _QUOTED:
                here = self._begin(text, here, end)
            elif self._state == _TEXT:
                here = self._in_quotes(text, here, end, shown)
            elif self._state == _BLOCK:
                here = self._in_block(text, here, end, shown)
            else:
                here = self._in_word(text, here, end, shown)
        self._before = _last(text) if self._state == _PLAIN else b""
        return bytes(shown[start:]) if start else bytes(shown)

    # ---- names

    def _behind_name(self, data: bytes, start: i64, end: i64) -> i64:
        """Behind the colon of the next secret name; -1 where there is none."""
        here: i64 = _behind(data, start, end, self._names, self._escaped)
        if here < 0:
            return -1
        stop: i64 = here
        while _IS_BLANK[data[stop - 1]]:
            stop -= 1
        quoted = data[stop - 1] == 34 or data[stop - 1] == 39
        level: i64 = 0
        if quoted:
            stop -= 1
            while stop > 0 and data[stop - 1] == 92:
                stop -= 1
                level += 1
        self._state = _VALUE if quoted else _QUOTED
        self._level = level
        self._run = 0
        return here + 1

    # ---- values

    def _begin(self, data: bytes, here: i64, end: i64) -> i64:
        """What kind of value it is; `_level` is that of its name's quotes until it has some itself."""
        c: i64 = data[here]
        if _IS_BLANK[c]:
            return here + 1
        if c == 92:
            self._run += 1
            return here + 1
        quoted = self._state == _QUOTED
        if c == 34 and self._run < self._level:  # the text ends that the name is in
            self._state = _PLAIN
            return here
        if c == 34 or c == 39:
            self._found(_TEXT)
            self._level = self._run
            self._run = 0
            self._quote = c
            return here + 1
        if quoted or c in b",}])":
            self._state = _PLAIN
            return here
        if c == 123 or c == 91:
            self._found(_BLOCK)
            self._depth = 1
            self._run = 0
            self._in_text = False
            return here + 1
        for word in (b"null", b"true", b"false"):
            if data[here : here + len(word)] == word:
                self._state = _PLAIN
                return here + len(word)
        if c == 45 or 48 <= c <= 57:
            self._found(_NUMBER)
        else:
            self._found(_WORD)
        return here

    def _found(self, state: i64) -> None:
        self._state = state
        self.found += 1

    def _in_quotes(self, data: bytes, here: i64, end: i64, shown: bytearray) -> i64:
        quote: i64 = self._quote
        while here < end:
            c: i64 = data[here]
            if c == quote:
                run: i64 = self._run
                if run < self._level or run % (self._level + self._level + 2) == self._level:
                    self._unstarred(data, here, shown)
                    self._state = _PLAIN
                    return here + 1
                self._run = 0
            elif c == 92:
                self._run += 1
            else:
                self._run = 0
            shown[here] = _STAR
            here += 1
        return end

    def _unstarred(self, data: bytes, here: i64, shown: bytearray) -> None:
        """The backslashes that belong to the quote at `here`."""
        least: i64 = here - self._level
        while here > 0 and here > least and data[here - 1] == 92:
            here -= 1
            shown[here] = 92

    def _in_block(self, data: bytes, here: i64, end: i64, shown: bytearray) -> i64:
        """All of it is blank: what is in it may be anything."""
        level: i64 = self._level
        while here < end:
            c: i64 = data[here]
            run: i64 = self._run
            self._run = 0
            if c == 92:
                self._run = run + 1
            elif c == 34:
                if run < level:  # the text ends that the block is in
                    self._state = _PLAIN
                    return here
                if run % (level + level + 2) == level:
                    self._in_text = not self._in_text
            elif not self._in_text:
                if c == 123 or c == 91:
                    self._depth += 1
                elif c == 125 or c == 93:
                    self._depth -= 1
                    if self._depth == 0:
                        self._state = _PLAIN
                        return here + 1
            shown[here] = _BLANK
            here += 1
        return end

    def _in_word(self, data: bytes, here: i64, end: i64, shown: bytearray) -> i64:
        """A number stays one."""
        while here < end:
            if _ENDS[data[here]]:
                self._state = _PLAIN
                return here
            shown[here] = _STAR if self._state == _WORD else _ZERO if self._run == 0 else _BLANK
            self._run = 1
            here += 1
        return end


def mentions(data: bytes, names: SecretNames) -> bool:
    """Whether there is a secret name before a colon, in a text that is whole."""
    return _behind(data, 0, len(data), names, b"\\u" in data) >= 0


def _behind(data: bytes, start: i64, end: i64, names: SecretNames, escaped: bool) -> i64:
    """Where the colon stands behind the next secret name; -1 for none.  `escaped`: some names may be."""
    careful = names.every or escaped
    ends = names.ends
    here: i64 = start
    while True:
        here = _colon(data, here, end)
        if here < 0:
            return -1
        if here >= 8 and not careful and _is_harmless(read_i64_le(data, here - 8), ends):
            here += 1
            continue
        stop: i64 = here
        while stop > 0 and _IS_BLANK[data[stop - 1]]:
            stop -= 1
        if stop > 0:
            c: i64 = data[stop - 1]
            quoted = c == 34 or c == 39
            if quoted:
                stop -= 1
                while stop > 0 and data[stop - 1] == 92:
                    stop -= 1
            elif KINDS[c] == 0:
                stop = 0
            if stop > 0 and (careful or names.may_hide(data, stop)):
                name = _name(data, stop, quoted)
                if (not careful or names.every or b"\\" in name or names.may_hide(data, stop)) and names.hides(name):
                    return here
        here += 1


def _is_harmless(word: i64, ends: bytes) -> bool:
    """Of the eight bytes before a colon: the usual name, three letters and a quote at its end, and no secret one."""
    last: i64 = word >> 48 & 0xFF
    middle: i64 = word >> 40 & 0xFF
    first: i64 = word >> 32 & 0xFF
    if word >> 56 != 34 or not (_is_letter(last) and _is_letter(middle) and _is_letter(first)):
        return False
    return ends[(last & 31) | (middle & 31) << 5 | (first & 31) << 10] == 0


def _is_letter(c: i64) -> bool:
    return 97 <= (c | 32) <= 122


def _colon(data: bytes, start: i64, end: i64) -> i64:
    """Where the next colon stands; -1 for none."""
    here: i64 = start
    while here + 8 <= end:  # eight bytes at a time
        word: i64 = read_i64_le(data, here) ^ _COLONS
        found: i64 = ((word - _ONES) & ~word) >> 7 & _ONES
        if found:
            # the lowest is exact: how many bytes are below it
            return here + (((((found & -found) - 1) & _ONES) * _ONES) >> 56 & 15)
        here += 8
    while here < end:
        if data[here] == 58:
            return here
        here += 1
    return -1


def _name(data: bytes, end: i64, quoted: bool) -> bytes:
    """The name that ends there: between quotes, or of what names without quotes have."""
    here: i64 = end
    least: i64 = max(end - MAX_NAME, 0)
    while here > least:
        c: i64 = data[here - 1]
        if c == 34 or c == 39 or (not quoted and (KINDS[c] == 0 or c == 32)):
            break
        here -= 1
    return data[here:end]


def _last(data: bytes) -> bytes:
    """The last of its bytes among which a name may stand whose colon is still to come; blanks behind it are one."""
    size = len(data)
    if size and _IS_BLANK[data[size - 1]]:
        rest = data[-MAX_NAME:].rstrip(_BLANKS) or data.rstrip(_BLANKS)
        return rest[-MAX_NAME:] + b" "
    return data[-MAX_NAME:]
