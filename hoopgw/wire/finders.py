"""What looks like personal data in one value: e-mail addresses, payment cards, government ids.  Compiled loops.

Each takes `data[start:end]`, and gives what it finds to `found` as (begin, end).  A match never goes beyond these
bounds, so that a length of the framing can never join one.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i64_le
from mypy_extensions import i64

from hoopgw.wire.finds import Finds

# An @ in each of seven bytes, and what tells whether one of seven bytes is 0.  A word has eight: without its last one
# nothing here is negative or too large.
_AT: Final = 0x40404040404040
_ONES: Final = 0x01010101010101
_HIGH: Final = 0x80808080808080
_SEVEN: Final = 0xFFFFFFFFFFFFFF

# 1: may stand before the @ of an address (RFC 5321 dot-string, the characters that are used); 2: behind it
_CLASS: Final = bytes(
    [
        (3 if chr(c).isascii() and (chr(c).isalnum() or c == 45) else 0) | (1 if c in b"._%+'&*/=?^{}~!#$|`" else 0)
        | (2 if c == 46 else 0)
        for c in range(128)
    ]
    + [3] * 128  # bytes of other letters: addresses may have them (RFC 6531)
)  # fmt: skip


_PRINTED: Final = (b"\4\4\4\4\3", b"\4\4\4\4", b"\4\6\5", b"\4\6\4")  # sizes of the groups


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


def _at_sign(data: bytes, start: i64, end: i64) -> i64:
    """Where the first @ stands; `end` where there is none.  Seven bytes at a time."""
    here: i64 = start
    safe: i64 = len(data)
    safe -= 8
    while here < end and here <= safe:
        word: i64 = (read_i64_le(data, here) & _SEVEN) ^ _AT
        if (word - _ONES) & ~word & _HIGH:
            break
        here += 7
    while here < end and data[here] != 64:
        here += 1
    return here if here < end else end


def emails(data: bytes, start: i64, end: i64, found: Finds) -> None:
    here: i64 = _at_sign(data, start, end)
    if here == end:
        return
    table = _CLASS
    c: i64 = 0
    kind: i64 = 0
    while here < end:
        left: i64 = here
        while left > start:
            c = data[left - 1]
            kind = table[c]
            if not kind & 1:
                break
            left -= 1
        right: i64 = here + 1
        dot = False  # one that something follows
        last: i64 = 0
        while right < end:
            c = data[right]
            kind = table[c]
            if last == 46 and c != 46 and kind & 1:
                dot = True
            if not kind & 2:
                break
            last = c
            right += 1
        if left < here and dot and right - here > 3:
            found.put(left, right)
        here = _at_sign(data, right, end)


def payment_cards(data: bytes, start: i64, end: i64, found: Finds) -> None:
    """13 to 19 digits with single spaces or hyphens between them, and a right check digit.

    Other numbers may stand beside it: of what is no card as a whole, what is written as one is looked at.
    """
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
            elif (c != 32 and c != 45) or here + 1 == stop or not _digit(data[here + 1]):
                break
            here += 1
        if 13 <= count <= 19 and luhn(data, begin, here):
            found.put(begin, here)
        elif count > 13:
            _among_others(data, begin, here, found)


def _among_others(data: bytes, start: i64, end: i64, found: Finds) -> None:
    """Cards in a row of groups of digits: one group that is long enough, or groups as they are printed on cards."""
    here: i64 = start
    while end - here >= 13:
        size: i64 = _group(data, here, end)
        right: i64 = here
        if size < 13:
            right = _printed(data, here, end)
        elif size <= 19 and luhn(data, here, here + size):
            right += size
        if right > here:
            found.put(here, right)
            here = right + 1
        else:
            here += size + 1


def _group(data: bytes, here: i64, end: i64) -> i64:
    """How many digits stand together."""
    begin: i64 = here
    while here < end and _digit(data[here]):
        here += 1
    return here - begin


def _printed(data: bytes, here: i64, end: i64) -> i64:
    """Where a card ends whose groups are parted by one kind of separator; `here`: there is none."""
    for shape in _PRINTED:
        right: i64 = here
        between: i64 = 0
        for wanted in shape:
            if right > here:
                if right + 1 >= end or (between and data[right] != between):
                    break
                between = data[right]
                right += 1
            size: i64 = _group(data, right, end)
            if size != wanted:
                break
            right += size
        else:
            if luhn(data, here, right):
                return right
    return here


def us_ssns(data: bytes, start: i64, end: i64, found: Finds) -> None:
    """ddd-dd-dddd with the numbers that are never given left out (SSA: area 000, 666, 9xx; group 00; serial 0000)."""
    here: i64 = start
    stop: i64 = end
    while stop - here >= 11:
        if data[here + 3] != 45 or data[here + 6] != 45:
            here += 1
            continue
        good = not (here > start and _word(data[here - 1])) and not (here + 11 < stop and _word(data[here + 11]))
        offset: i64 = 0
        while good and offset < 11:
            good = offset == 3 or offset == 6 or _digit(data[here + offset])
            offset += 1
        area = data[here : here + 3]
        given = area not in (b"000", b"666") and data[here] != 57 and data[here + 4 : here + 6] != b"00"
        if good and given and data[here + 7 : here + 11] != b"0000":
            found.put(here, here + 11)
            here += 11
            continue
        here += 1


def ibans(data: bytes, start: i64, end: i64, found: Finds) -> None:
    """Two letters, two check digits, 11 to 30 letters or digits, single spaces allowed (ISO 13616: remainder 1).

    Where capitals and digits follow behind a space, they may be of the number or not: the longest one that is right.
    """
    here: i64 = start
    stop: i64 = end
    while stop - here >= 15:
        begins = not (here > start and _word(data[here - 1]))
        upper = 65 <= data[here] <= 90 and 65 <= data[here + 1] <= 90
        if not (begins and upper and _digit(data[here + 2]) and _digit(data[here + 3])):
            here += 1
            continue
        right: i64 = _account(data, here, stop)
        if right > here:
            found.put(here, right)
            here = right
        else:
            here += 1


def _account(data: bytes, here: i64, stop: i64) -> i64:
    """Where an account number that begins here ends; `here`: there is none."""
    right: i64 = here
    count: i64 = 0
    longest: i64 = here
    while right < stop and count < 35:
        c: i64 = data[right]
        if _digit(c) or 65 <= c <= 90:
            count += 1
        else:
            if 15 <= count <= 34 and _mod97(data, here, right) == 1:
                longest = right
            if c != 32 or right + 1 == stop or not (_digit(data[right + 1]) or 65 <= data[right + 1] <= 90):
                return longest
        right += 1
    return right if 15 <= count <= 34 and _mod97(data, here, right) == 1 else longest


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


def uk_ninos(data: bytes, start: i64, end: i64, found: Finds) -> None:
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
        suffix = digits == 6 and right < stop and 65 <= (data[right] & 0xDF) <= 68
        if suffix and _nino_letters(data, here) and not (right + 1 < stop and _word(data[right + 1])):
            found.put(here, right + 1)
            here = right + 1
            continue
        here += 1


def _nino_letters(data: bytes, here: i64) -> bool:
    """Whether numbers are given with these two letters (HMRC NIM39110)."""
    return data[here] not in b"DFIQUVdfiquv" and data[here + 1] not in b"DFIOQUVdfioquv"
