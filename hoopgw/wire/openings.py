"""Where at the end of a text something may still be under way that a pattern finds when it is whole.  Compiled loops.

A stream is shown up to there; the rest waits for what follows.  More than has to may be said to be under way: that
costs a moment, and nothing else.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.scanners import EMAIL, IBAN, PAYMENT_CARD, UK_NINO, US_SSN, earlier

MAX_CARD: Final = 19  # digits of the longest payment card
MAX_IBAN: Final = 34  # letters and digits of the longest account number
# How much of a number may be shown while it is not known what it is: a card's issuer, an account's country and bank,
# an area and group, a person's first digits
SHOWN_CARD: Final = 8
SHOWN_IBAN: Final = 8
SHOWN_SSN: Final = 7
SHOWN_NINO: Final = 4

_SSN: Final = b"ddd-dd-dddd"

# 1: digit; 2: capital; 4: other letter; 8: may be part of an e-mail address besides; 16: "_", which is part of a word
_CLASS: Final = bytes(
    (1 if 48 <= c <= 57 else 2 if 65 <= c <= 90 else 4 if 97 <= c <= 122 else 0)
    | (8 if c >= 128 or c in b"._-%+'&*/=?^{}~!#$|`@" else 0)
    | (16 if c == 95 else 0)
    for c in range(256)
)


@final
class Opening:
    """From `begin` on something may be under way; from `doubt` on it is too much of it to be shown unfinished."""

    __slots__ = ("begin", "doubt")

    def __init__(self, end: i64) -> None:
        self.begin: i64 = end
        self.doubt: i64 = end

    def put(self, begin: i64, doubt: i64) -> None:
        self.begin = earlier(self.begin, begin)
        self.doubt = earlier(self.doubt, doubt)


def opening(kinds: int, data: bytes, start: i64, end: i64) -> Opening:
    """Of the patterns that `kinds` is the sum of (wire.scanners), at the end of the line `data[start:end]`."""
    found = Opening(end)
    if start < end:
        if kinds & EMAIL:
            _email(data, start, end, found)
        if kinds & PAYMENT_CARD:
            _card(data, start, end, found)
        if kinds & US_SSN:
            _ssn(data, start, end, found)
        if kinds & IBAN:
            _iban(data, start, end, found)
        if kinds & UK_NINO:
            _nino(data, start, end, found)
    return found


def _kind(data: bytes, at: i64) -> i64:
    kind: i64 = _CLASS[data[at]]
    return kind


def _begins(data: bytes, start: i64, at: i64) -> bool:
    """No letter, digit or _ stands before it."""
    return at == start or not _kind(data, at - 1) & 23


def _email(data: bytes, start: i64, end: i64, found: Opening) -> None:
    """Any run of what addresses are made of; with an @ in it, what stands behind the first one is in doubt."""
    here: i64 = end
    domain: i64 = end
    while here > start and _kind(data, here - 1):
        here -= 1
        if data[here] == 64 and here + 1 < end:
            domain = here + 1
    found.put(here, domain)


def _card(data: bytes, start: i64, end: i64, found: Opening) -> None:
    """Digits with single spaces or hyphens between them.  Of more than any card has, the last of the groups."""
    here: i64 = end
    group: i64 = end
    count: i64 = 0
    while here > start and count <= MAX_CARD:
        c: i64 = data[here - 1]
        if _kind(data, here - 1) & 1:
            count += 1
        elif (c != 32 and c != 45) or here - 1 == start or not _kind(data, here - 2) & 1:
            break
        elif count:
            group = here
        here -= 1
    if count > MAX_CARD:
        here = group
    if here < end and count:
        found.put(here, _behind(data, here, end, SHOWN_CARD, 1))


def _behind(data: bytes, here: i64, end: i64, count: i64, kinds: i64) -> i64:
    """Where the first `count` characters of these kinds have passed; `end` where there are no more."""
    while here < end:
        if _kind(data, here) & kinds:
            if not count:
                return here
            count -= 1
        here += 1
    return end


def _ssn(data: bytes, start: i64, end: i64, found: Opening) -> None:
    """Whole, too: a letter that follows says that it is none."""
    size: i64 = earlier(len(_SSN), end - start)
    while size:
        begin: i64 = end - size
        index: i64 = 0
        while index < size and _is(data, begin + index, _SSN[index]):
            index += 1
        if index == size and _begins(data, start, begin):
            found.put(begin, begin + SHOWN_SSN if size > SHOWN_SSN else end)
            return
        size -= 1


def _is(data: bytes, at: i64, wanted: i64) -> bool:
    c: i64 = data[at]
    return c == 45 if wanted == 45 else 48 <= c <= 57


def _iban(data: bytes, start: i64, end: i64, found: Opening) -> None:
    left: i64 = end
    while left > start and (_kind(data, left - 1) & 3 or data[left - 1] == 32):
        left -= 1
    while left < end:
        if _begins(data, start, left) and _begun_iban(data, left, end):
            found.put(left, _behind(data, left, end, SHOWN_IBAN, 3))
            return
        left += 1


def _begun_iban(data: bytes, here: i64, end: i64) -> bool:
    """Two letters, two digits, then either, with single spaces between; as much of that as there is."""
    first: i64 = here
    count: i64 = 0
    while here < end:
        kind: i64 = _kind(data, here)
        if here - first < 4:
            if not kind & (2 if here - first < 2 else 1):
                return False
            count += 1
        elif kind & 3:
            count += 1
        elif here + 1 < end and not _kind(data, here + 1) & 3:  # not one space alone
            return False
        here += 1
    return count <= MAX_IBAN


def _nino(data: bytes, start: i64, end: i64, found: Opening) -> None:
    """Two letters; digits, at most six, and spaces; a letter."""
    here: i64 = end
    if end - start > 2 and _kind(data, end - 1) & 6 and not _kind(data, end - 2) & 6:
        here -= 1  # the last letter, or the first of another one
        if _begins(data, start, here):
            found.put(here, end)
    digits: i64 = 0
    while here > start and (_kind(data, here - 1) & 1 or data[here - 1] == 32):
        here -= 1
        digits += _kind(data, here) & 1
    if digits > 6:
        return
    letters: i64 = 0
    while letters < 2 and here > start and _kind(data, here - 1) & 6:
        here -= 1
        letters += 1
    whole = letters == 2 or here + letters == end
    if letters and whole and _begins(data, start, here):
        found.put(here, _behind(data, here + letters, end, SHOWN_NINO, 1))
