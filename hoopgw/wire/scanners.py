"""Searches single values for what looks like personal data.  Compiled loops.

Most values hold nothing, and are passed over eight bytes at a time: where not all of these can be part of a number, as
their bits say, none is.  What could be part of one is measured, and only a run that is long enough is searched
(`finders`).  What is found is the same as by a search of every byte.
"""

from __future__ import annotations

from typing import Any, Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64

from hoopgw.wire.finders import emails, ibans, payment_cards, uk_ninos, us_ssns
from hoopgw.wire.finds import Finds

EMAIL: Final = 1
PAYMENT_CARD: Final = 2
US_SSN: Final = 4
IBAN: Final = 8
UK_NINO: Final = 16

LEAST: Final = 5  # bytes of the shortest thing that any pattern but an operator's own finds: a@b.c
LEAST_DIGITS: Final = (
    13  # digits of a payment card: all that is found in a number, which has no other letter than its e
)

STAR: Final = 42
ZERO: Final = 48

# One bit of each of eight bytes.  Digits, spaces and hyphens have neither of the bits 6 and 7 (the highest); what an
# IBAN is made of has not both 5 and 6, and not 7.  (A constant of 2**62 or more would be an object in compiled code.)
_BIT5: Final = 0x2020202020202020

# 1: digit; 2: what may stand between the digits of a number; 4: part of an IBAN
_CLASS: Final = bytes(
    (5 if 48 <= c <= 57 else 0) | (2 if c in (32, 45) else 0) | (4 if c == 32 or 65 <= c <= 90 else 0)
    for c in range(256)
)


@final
class Scanner:
    """`kinds` is a sum of the numbers above; `custom` a compiled RE2 pattern over bytes.

    `least`: in shorter values nothing can be found, `least_digits`: in shorter ones that are a number.
    """

    __slots__ = ("_custom", "_digits", "_kinds", "_run_least", "least", "least_digits")

    def __init__(self, kinds: int, custom: Any = None) -> None:
        self._kinds: i64 = kinds
        self._custom = custom
        self.least: i64 = 0 if custom is not None else LEAST
        self.least_digits: i64 = 0 if custom is not None else LEAST_DIGITS
        # The shortest run of digits and what may stand between them: AB123456C, ddd-dd-dddd, 13 digits
        self._run_least: i64 = 6 if kinds & UK_NINO else 11 if kinds & US_SSN else 13 if kinds & PAYMENT_CARD else 0
        self._digits: i64 = 6 if kinds & UK_NINO else 9 if kinds & US_SSN else 13

    @property
    def kinds(self) -> int:
        return self._kinds

    @property
    def by_line(self) -> bool:
        """There is a pattern of an operator's own, which may find anything."""
        return self._custom is not None

    def search(self, data: bytes, start: i64, end: i64, found: Finds) -> None:
        """Gives what is in `data[start:end]` to `found`."""
        kinds = self._kinds
        if end - start >= LEAST:
            if kinds & EMAIL:
                emails(data, start, end, found)
            if self._run_least:
                self._numbers(data, start, end, found)
            if kinds & IBAN:
                _accounts(data, start, end, found)
        if self._custom is not None:
            for match in self._custom.finditer(data[start:end]):
                if match.end() > match.start():
                    found.put(start + match.start(), start + match.end())

    def _numbers(self, data: bytes, start: i64, end: i64, found: Finds) -> None:
        """Looks for runs of digits, spaces and hyphens that are long enough for one of the numbers."""
        shortest: i64 = self._run_least
        six = shortest == 6
        step: i64 = 3
        last: i64 = end - 6
        if not six:
            step = shortest - 7  # so that somewhere eight bytes are all of one run
            last = end - 8
        safe: i64 = len(data)
        safe -= 8
        here: i64 = start
        while here <= last:
            if here > safe:  # the last bytes of all: one look at each
                here = self._run(data, here, start, end, found)
                continue
            word: i64 = read_i64_le(data, here)
            could: i64 = ~((word >> 1) | (word >> 2)) & _BIT5
            if six:
                two: i64 = could & (could >> 8)
                if two & (two >> 16) & (two >> 32):
                    here = self._run(data, here + 2, start, end, found)
                else:
                    here += step
            elif could == _BIT5:
                here = self._run(data, here, start, end, found)
            else:
                here += step

    def _run(self, data: bytes, here: i64, start: i64, end: i64, found: Finds) -> i64:
        """Searches the run that has a byte at `here`, if there is one and it has digits enough.  Gives what is next."""
        table = _CLASS
        kind: i64 = table[data[here]]
        if not kind & 3:
            return here + 1
        digits: i64 = 0
        left: i64 = here
        while left > start:
            kind = table[data[left - 1]]
            if not kind & 3:
                break
            left -= 1
            digits += kind & 1
        while here < end:
            kind = table[data[here]]
            if not kind & 3:
                break
            digits += kind & 1
            here += 1
        if digits >= self._digits:
            self._measured(data, left, here, digits, start, end, found)
        return here + 1

    def _measured(self, data: bytes, left: i64, right: i64, digits: i64, start: i64, end: i64, found: Finds) -> None:
        """One such run, with as much around it as the finders look at."""
        kinds = self._kinds
        if digits >= 13 and kinds & PAYMENT_CARD:
            payment_cards(data, left, right, found)
        if digits >= 9 and kinds & US_SSN:
            us_ssns(data, _later(left - 1, start), earlier(right + 1, end), found)
        if digits == 6 and kinds & UK_NINO and left - start >= 2 and right < end and data[left - 1] >= 65:
            uk_ninos(data, _later(left - 3, start), earlier(right + 2, end), found)

    def spans(self, data: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Where something was found in `data[start:end]`; in no order, and they may overlap."""
        found = Finds()
        self.search(data, start, end, found)
        return found.spans

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
        found.sort()
        out = bytearray(data)
        inside = False
        here: i64 = 0
        for begin, stop in found:
            while here < begin:  # on from the last one: a text is walked through once
                c: i64 = data[here]
                if c == 92 and inside:
                    here += 1
                elif c == 34:
                    inside = not inside
                here += 1
            for index in range(begin, stop):
                c = data[index]
                if inside and c != 34 and c != 92:
                    out[index] = STAR
                elif not inside and 48 <= c <= 57:
                    out[index] = ZERO if index > begin else 49  # no number begins with 0
        return bytes(out)


def _accounts(data: bytes, start: i64, end: i64, found: Finds) -> None:
    """Looks for runs of 15 and more capitals, digits and spaces: an IBAN is in one of them."""
    table = _CLASS
    kind: i64 = 0
    safe: i64 = len(data)
    safe -= 8
    here: i64 = start
    while end - here >= 8:
        if here <= safe:
            word: i64 = read_i64_le(data, here)
            if (word & (word >> 1) | (word >> 2)) & _BIT5:
                here += 8
                continue
        left: i64 = here
        while left > start:
            kind = table[data[left - 1]]
            if not kind & 4:
                break
            left -= 1
        while here < end:
            kind = table[data[here]]
            if not kind & 4:
                break
            here += 1
        if here - left >= 15:
            ibans(data, _later(left - 1, start), here, found)
        here += 1


def _later(one: i64, other: i64) -> i64:
    """As max(), which takes objects."""
    return one if one > other else other


def earlier(one: i64, other: i64) -> i64:
    return one if one < other else other
