"""Where a secret name stands before its colon, in a text of whatever kind.  Compiled."""

from __future__ import annotations

from typing import Final

from librt.strings import read_i64_le
from mypy_extensions import i64

from hoopgw.wire.secretnames import KINDS, MAX_NAME, SecretNames
from hoopgw.wire.secretpairs import lists_one, may_have_pairs, pairs

_COLONS: Final = 0x3A3A3A3A3A3A3A3A
_ONES: Final = 0x0101010101010101
_NUMBERS: Final = 0x0001020304050607  # of bytes: times the lowest bit of one, its number is in the highest byte
_BLANKS: Final = b" \t\r\n"
IS_BLANK: Final = bytes(1 if c in _BLANKS else 0 for c in range(256))
_BLANK: Final = 32
_LF: Final = 10
_DASH: Final = 45
_ESCAPED: Final = 1
_ASSIGNED: Final = 2
_LISTED: Final = 4
LONGEST_TYPE: Final = 64  # bytes of one of GraphQL, with blanks


def mentions(data: bytes, names: SecretNames) -> bool:
    """Whether there is a secret name before a colon or `=`, or in a pair, in a text that is whole."""
    if may_mention(data, names):
        return True
    return may_have_pairs(data) and bool(pairs(data, names))


def may_mention(data: bytes, names: SecretNames) -> bool:
    """Whether there is one anywhere, by what stands beside it: in whatever else it is."""
    return mentions_within(data, 0, len(data), names, signs_of(data))


def signs_of(data: bytes) -> i64:
    """Which of the signs by which a name may be told are in it at all."""
    signs: i64 = 0
    if b"\\u" in data:
        signs |= _ESCAPED
    if b"=" in data:
        signs |= _ASSIGNED
    if b'",' in data:
        signs |= _LISTED
    return signs


def mentions_within(data: bytes, start: i64, end: i64, names: SecretNames, signs: i64) -> bool:
    """`may_mention` of data[start:end], where what is around it has no part in its names.  `signs`: those of `data`."""
    if behind(data, start, end, names, signs & _ESCAPED != 0, start) >= 0:
        return True
    if signs & _ASSIGNED and assigned(data, start, end, names, start) >= 0:
        return True
    return signs & _LISTED != 0 and lists_one(data, start, end, names)


def assigned(data: bytes, start: i64, end: i64, names: SecretNames, least: i64 = 0) -> i64:
    """Where the `=` stands behind the next secret name; -1 for none.  `least`: no name begins before it."""
    here: i64 = data.find(b"=", start, end)
    while here >= 0:
        stop: i64 = here
        while stop > least and (data[stop - 1] == _BLANK or data[stop - 1] == 9):
            stop -= 1
        quoted = stop > least and (data[stop - 1] == 34 or data[stop - 1] == 39)
        stop -= quoted
        if _hides(data, stop, names, quoted, least):
            return here
        if not quoted and _hides(data, _typed(data, stop, least), names, False, least):
            return here
        here = data.find(b"=", here + 1, end)
    return -1


def _hides(data: bytes, end: i64, names: SecretNames, quoted: bool, least: i64) -> bool:
    """Whether a secret name ends there."""
    if not names.may_hide(data, end):
        return False
    name = _name(data, end, quoted, least)
    return len(name) > 0 and names.hides(name)


def behind(data: bytes, start: i64, end: i64, names: SecretNames, escaped: bool, least: i64 = 0) -> i64:
    """Where the colon stands behind the next secret name; -1 for none.

    escaped  some names may be
    least    none of them begins before it
    """
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
        while stop > least and IS_BLANK[data[stop - 1]]:
            stop -= 1
        if stop > least:
            c: i64 = data[stop - 1]
            quoted = c == 34 or c == 39
            if quoted:
                stop -= 1
                while stop > least and data[stop - 1] == 92:
                    stop -= 1
            elif escaped and is_quote(data, stop):
                stop -= 5
                while stop > least and data[stop - 1] == 92:
                    stop -= 1
                if _names_escaped(data, stop, names, least):
                    return here
                stop = least
            elif KINDS[c] == 0:
                stop = least
            if stop > least and (careful or names.may_hide(data, stop)):
                name = _name(data, stop, quoted, least)
                if (not careful or names.every or b"\\" in name or names.may_hide(data, stop)) and names.hides(name):
                    return here
        here += 1


def _typed(data: bytes, end: i64, least: i64) -> i64:
    """Where the name ends whose type, behind a colon, ends at `end` (`$password: String! = …`); `least`, where no name
    does, for none."""
    here: i64 = end
    longest: i64 = max(end - LONGEST_TYPE, least)
    while here > longest and (KINDS[data[here - 1]] != 0 or data[here - 1] == 33 or data[here - 1] == _BLANK):
        here -= 1
    if here >= end or here <= least or data[here - 1] != 58:
        return least
    here -= 1
    while here > least and data[here - 1] == _BLANK:
        here -= 1
    return here


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
            return here + ((found & -found) * _NUMBERS >> 56 & 7)
        here += 8
    while here < end:
        if data[here] == 58:
            return here
        here += 1
    return -1


def _name(data: bytes, end: i64, quoted: bool, least: i64) -> bytes:
    """The name that ends there: between quotes, or of what names without quotes have."""
    here: i64 = end
    longest: i64 = max(end - MAX_NAME, least)
    while here > longest:
        c: i64 = data[here - 1]
        if c == 34 or c == 39 or (not quoted and (KINDS[c] == 0 or c == 32)):
            break
        here -= 1
    return data[here:end]


def is_quote(data: bytes, end: i64) -> bool:
    """Whether a quote ends there that is written as \u0022, as some do with what stands in a text."""
    return end >= 6 and data[end - 6 : end] == b"\\u0022"


def _names_escaped(data: bytes, end: i64, names: SecretNames, least: i64) -> bool:
    """Whether a secret name ends there, between quotes that are written so."""
    begin: i64 = data.rfind(b"\\u0022", max(end - MAX_NAME, least), end)
    return begin >= 0 and names.hides(data[begin + 6 : end])


def indent(data: bytes, end: i64) -> i64:
    """How far the name that ends there is from the begin of its line; -1 where something is between."""
    here: i64 = end
    while here > 0 and KINDS[data[here - 1]] != 0 and data[here - 1] != _BLANK:
        here -= 1
    begin: i64 = here
    while here > 0 and (data[here - 1] == _BLANK or data[here - 1] == 9 or data[here - 1] == _DASH):
        here -= 1
    return begin - here if here == 0 or data[here - 1] == _LF else -1


def last_of(data: bytes, count: i64) -> bytes:
    """So many of its last bytes, among which a name may stand whose colon is to come; blanks behind it are one."""
    size = len(data)
    if size and IS_BLANK[data[size - 1]]:
        return data.rstrip(_BLANKS)[-count:] + b" "
    return data[-count:]
