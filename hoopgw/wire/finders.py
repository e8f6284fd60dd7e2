"""Finds what looks like personal data in one value: e-mail addresses, payment cards, government ids.  Compiled loops.

A match never goes beyond the value that is searched, so that a length of the framing can never join one.
"""

from __future__ import annotations

from typing import Any, Final, final

from mypy_extensions import i64

EMAIL: Final = 1
PAYMENT_CARD: Final = 2
US_SSN: Final = 4
IBAN: Final = 8
UK_NINO: Final = 16

STAR: Final = 42
ZERO: Final = 48

# 1: may stand before the @ of an address (RFC 5321 dot-string, the characters that are used); 2: behind it
_CLASS: Final = bytes(
    [
        (3 if chr(c).isascii() and (chr(c).isalnum() or c == 45) else 0) | (1 if c in b"._%+'&*/=?^{}~!#$|`" else 0)
        | (2 if c == 46 else 0)
        for c in range(128)
    ]
    + [3] * 128  # bytes of other letters: addresses may have them (RFC 6531)
)  # fmt: skip


def _digit(c: i64) -> bool:
    return 48 <= c <= 57


def _letter(c: i64) -> bool:
    return 65 <= c <= 90 or 97 <= c <= 122


def _word(c: i64) -> bool:
    return 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 95


def luhn(data: bytes, start: int, end: int) -> bool:
    """Whether the digits of `data[start:end]` end with their check digit (ISO/IEC 7812-1, annex B)."""
    total: i64 = 0
    double = False
    here: i64 = end
    first: i64 = start
    while here > first:
        here -= 1
        c: i64 = data[here]
        if 48 <= c <= 57:
            value: i64 = c - 48
            if double:
                value *= 2
                if value > 9:
                    value -= 9
            total += value
            double = not double
    return total % 10 == 0


def emails(data: bytes, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    here: i64 = start
    first: i64 = start
    stop: i64 = end
    while True:
        found: i64 = data.find(b"@", here, stop)
        if found < 0:
            return
        left: i64 = found
        while left > first and _CLASS[data[left - 1]] & 1:
            left -= 1
        right: i64 = found + 1
        dot = False
        while right < stop and _CLASS[data[right]] & 2:
            if data[right] == 46 and right + 1 < stop and _CLASS[data[right + 1]] & 1 and data[right + 1] != 46:
                dot = True
            right += 1
        if left < found and dot and right - found > 3:
            spans.append((left, right))
        here = right


def payment_cards(data: bytes, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    """13 to 19 digits with single spaces or hyphens between them, and a right check digit."""
    here: i64 = start
    stop: i64 = end
    while stop - here >= 13:
        c: i64 = data[here]
        if not _digit(c):
            here += 1
            continue
        begin: i64 = here
        count: i64 = 0
        while here < stop:
            c = data[here]
            if _digit(c):
                count += 1
            elif not (c in (32, 45) and here + 1 < stop and _digit(data[here + 1])):
                break
            here += 1
        if 13 <= count <= 19 and luhn(data, begin, here):
            spans.append((begin, here))


def us_ssns(data: bytes, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    """ddd-dd-dddd with the numbers that are never given left out (SSA: area 000, 666, 9xx; group 00; serial 0000)."""
    here: i64 = start
    stop: i64 = end
    while stop - here >= 11:
        if data[here + 3] != 45 or data[here + 6] != 45:
            here += 1
            continue
        good = not (here > start and _word(data[here - 1])) and not (here + 11 < stop and _word(data[here + 11]))
        for offset in (0, 1, 2, 4, 5, 7, 8, 9, 10):
            if not _digit(data[here + offset]):
                good = False
        area = data[here : here + 3]
        given = area not in (b"000", b"666") and data[here] != 57 and data[here + 4 : here + 6] != b"00"
        if good and given and data[here + 7 : here + 11] != b"0000":
            spans.append((here, here + 11))
            here += 11
            continue
        here += 1


def ibans(data: bytes, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    """Two letters, two check digits, 11 to 30 letters or digits, single spaces allowed (ISO 13616: remainder 1)."""
    here: i64 = start
    stop: i64 = end
    while stop - here >= 15:
        begins = not (here > start and _word(data[here - 1]))
        upper = 65 <= data[here] <= 90 and 65 <= data[here + 1] <= 90
        if not (begins and upper and _digit(data[here + 2]) and _digit(data[here + 3])):
            here += 1
            continue
        right: i64 = here
        count: i64 = 0
        while right < stop and count < 35:
            c: i64 = data[right]
            if _digit(c) or 65 <= c <= 90:
                count += 1
            elif not (c == 32 and right + 1 < stop and (_digit(data[right + 1]) or 65 <= data[right + 1] <= 90)):
                break
            right += 1
        if 15 <= count <= 34 and _mod97(data, here, right) == 1:
            spans.append((here, right))
            here = right
        else:
            here += 1


def _mod97(data: bytes, start: i64, end: i64) -> i64:
    value: i64 = 0
    here: i64 = start
    skipped: i64 = 0
    while skipped < 4 and here < end:  # the first four characters stand last
        if data[here] != 32:
            skipped += 1
        here += 1
    for first, last in ((here, end), (start, here)):
        index: i64 = first
        while index < last:
            c: i64 = data[index]
            if _digit(c):
                value = (value * 10 + c - 48) % 97
            elif c != 32:
                value = (value * 100 + c - 55) % 97
            index += 1
    return value


def uk_ninos(data: bytes, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    """Two letters, six digits, A to D, spaces between pairs allowed (HMRC NIM39110)."""
    here: i64 = start
    stop: i64 = end
    while stop - here >= 9:
        if (here > start and _word(data[here - 1])) or not (_letter(data[here]) and _letter(data[here + 1])):
            here += 1
            continue
        right: i64 = here + 2
        digits: i64 = 0
        while right < stop and digits < 6 and (_digit(data[right]) or data[right] == 32):
            if data[right] != 32:
                digits += 1
            right += 1
        if digits == 6 and right < stop and data[right] == 32:
            right += 1
        suffix = digits == 6 and right < stop and data[right] in b"ABCDabcd"
        given = data[here] not in b"DFIQUVdfiquv" and data[here + 1] not in b"DFIOQUVdfioquv"
        if suffix and given and not (right + 1 < stop and _word(data[right + 1])):
            spans.append((here, right + 1))
            here = right + 1
            continue
        here += 1


@final
class Scanner:
    """Searches single values.  `kinds` is a sum of the numbers above; `custom` a compiled RE2 pattern over bytes."""

    __slots__ = ("_custom", "_kinds")

    def __init__(self, kinds: int, custom: Any = None) -> None:
        self._kinds = kinds
        self._custom = custom

    def spans(self, data: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Where something was found in `data[start:end]`; in no order, and they may overlap."""
        found: list[tuple[int, int]] = []
        kinds = self._kinds
        if kinds & EMAIL:
            emails(data, start, end, found)
        if kinds & PAYMENT_CARD:
            payment_cards(data, start, end, found)
        if kinds & US_SSN:
            us_ssns(data, start, end, found)
        if kinds & IBAN:
            ibans(data, start, end, found)
        if kinds & UK_NINO:
            uk_ninos(data, start, end, found)
        if self._custom is not None:
            for match in self._custom.finditer(data[start:end]):
                if match.end() > match.start():
                    found.append((start + match.start(), start + match.end()))
        return found

    def masked(self, data: bytes) -> bytes:
        """A whole text with what is found starred; the same object where nothing is."""
        found = self.spans(data, 0, len(data))
        if not found:
            return data
        out = bytearray(data)
        for begin, stop in found:
            out[begin:stop] = b"*" * (stop - begin)
        return bytes(out)

    def masked_json(self, data: bytes) -> bytes:
        """The same inside JSON text, which stays JSON: outside of strings only digits change, to 0."""
        found = self.spans(data, 0, len(data))
        if not found:
            return data
        out = bytearray(data)
        for begin, stop in found:
            quoted = _inside_string(data, begin)
            for index in range(begin, stop):
                c = data[index]
                if quoted and c not in (34, 92):
                    out[index] = STAR
                elif not quoted and 48 <= c <= 57:
                    out[index] = ZERO if index > begin else 49  # no number begins with 0
        return bytes(out)


def _inside_string(data: bytes, position: int) -> bool:
    inside = False
    index: i64 = 0
    stop: i64 = position
    while index < stop:
        c: i64 = data[index]
        if c == 92 and inside:
            index += 1
        elif c == 34:
            inside = not inside
        index += 1
    return inside
