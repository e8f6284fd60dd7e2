"""What patterns find: each in the middle of other text, and the same as a search of every byte."""

from __future__ import annotations

import json
from typing import Any

import re2
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban as stdnum_iban
from stdnum import luhn as stdnum_luhn
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire import finders, scanners
from hoopgw.wire.finds import Finds
from hoopgw.wire.scanners import Scanner

ALL = Scanner(31)
SAMPLES = (
    b"me@example.org", b"4000001234567899", b"4000 0012 3456 7899", b"4000-0012-3456-7899", b"123-45-6789",
    b"AB123456C", b"DE89370400440532013000", b"GB82 WEST 1234 5698 7654 32", b"ab 12 34 56 d",
    b"AB  1 2 3456A", b"\0\0\0\x20", b"4000001234567899 12 27", b"DE89370400440532013000 100 EUR", b" 12-3456 ",
)  # fmt: skip
ALPHABETS = (b"0123456789 -abAB@.", bytes(range(256)), b"0123456789abcdef", b"ABCDEFGHIJ0123456789 ")
PIECES = st.one_of(
    st.sampled_from(SAMPLES),
    *[st.lists(st.sampled_from(alphabet), max_size=24).map(bytes) for alphabet in ALPHABETS],
)
TEXTS = st.lists(PIECES, max_size=5).map(b"".join)


def everywhere(data: bytes, start: int, end: int, kinds: int) -> list[tuple[int, int]]:
    """The same, byte by byte."""
    found = Finds()
    for kind, search in (
        (scanners.EMAIL, finders.emails),
        (scanners.PAYMENT_CARD, finders.payment_cards),
        (scanners.US_SSN, finders.us_ssns),
        (scanners.IBAN, finders.ibans),
        (scanners.UK_NINO, finders.uk_ninos),
    ):
        if kinds & kind:
            search(data, start, end, found)
    return sorted(found.spans)


class Search(SynchronousTestCase):
    @settings(max_examples=500, deadline=None)
    @given(TEXTS, st.integers(1, 31), st.integers(0, 12), st.integers(0, 12))
    def test_nothing_is_passed_over(self, data: bytes, kinds: int, before: int, behind: int) -> None:
        """Whatever stands in a value or around it, the search in steps finds what a search of every byte finds."""
        start = min(before, len(data))
        end = max(start, len(data) - behind)
        self.assertEqual(sorted(Scanner(kinds).spans(data, start, end)), everywhere(data, start, end, kinds))

    @given(st.sampled_from(SAMPLES[:10]), st.binary(max_size=10), st.binary(max_size=10))
    def test_bounds(self, sample: bytes, before: bytes, behind: bytes) -> None:
        """What stands around a value changes nothing of what is found in it, and no match goes beyond it."""
        data = before + sample + behind
        found = ALL.spans(data, len(before), len(before) + len(sample))
        self.assertEqual(
            [(begin - len(before), end - len(before)) for begin, end in found], ALL.spans(sample, 0, len(sample))
        )

    def test_own_patterns(self) -> None:
        """An operator's pattern is searched in each value for itself: its anchors are those of the value."""
        own: Any = re2.compile(rb"^ORD-[0-9]{4}$|x*")
        scanner = Scanner(0, own)
        data = b"ORD-1234 ORD-1234"
        self.assertEqual(scanner.spans(data, 0, 8), [(0, 8)])
        self.assertEqual(scanner.spans(data, 0, len(data)), [])
        self.assertEqual(Scanner(1, own).masked(b"xx a@b.example"), b"** ***********")


class Json(SynchronousTestCase):
    def test_many(self) -> None:
        """must-survive 19: a large document is walked through once, and stays JSON."""
        document = {f"k{number}": ["a@b.example", 4000001234567899, '"', "\\"] for number in range(2000)}
        shown = json.loads(ALL.masked_json(json.dumps(document).encode()))
        self.assertEqual(set(map(str, shown.values())), {str(["*" * 11, 1000000000000000, '"', "\\"])})

    def test_json_stays_json(self) -> None:
        """must-survive 19: what is masked inside JSON is still JSON."""
        text = b'{"mail": "me@example.org", "card": 4000001234567899, "list": ["4000 0012 3456 7899"]}'
        shown = ALL.masked_json(text)
        found = json.loads(shown)
        self.assertNotIn(b"example.org", shown)
        self.assertNotIn(b"4567", shown)
        self.assertEqual(set(found), {"mail", "card", "list"})


class Patterns(SynchronousTestCase):
    def found(self, text: str) -> list[str]:
        data = text.encode()
        return sorted(data[begin:end].decode() for begin, end in ALL.spans(data, 0, len(data)))

    def test_found(self) -> None:
        """What each pattern is about, in the middle of other text."""
        for text in (
            "me@example.org", "first.last+tag@sub.example.co.uk", "4000001234567899", "4000 0012 3456 7899",
            "4000-0012-3456-7899", "123-45-6789", "DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "AB123456C",
        ):  # fmt: skip
            self.assertIn(text, self.found(f"see: {text}, please"), text)

    def test_beside_others(self) -> None:
        """Other numbers and capitals around it, as in the columns of a listing, hide none."""
        for text, wanted in (
            ("4000001234567899 4000001234567899", ["4000001234567899"] * 2),
            ("7 4000 0012 3456 7899 12-2027", ["4000 0012 3456 7899"]),
            ("4000-0012-3456-7899-1234-5678-9012-3456-7890", ["4000-0012-3456-7899"]),
            ("2026-11-21 3782-822463-10005 100", ["3782-822463-10005"]),
            ("DE89370400440532013000 100 EUR", ["DE89370400440532013000"]),
            ("GB82 WEST 1234 5698 7654 32 GBP AND MORE OF THIS AND THAT", ["GB82 WEST 1234 5698 7654 32"]),
            ("2026-11-21 10 15 00 2026-11-21 10 15 00 400000123456789", []),
        ):
            self.assertEqual(self.found(text), wanted, text)

    def test_not_found(self) -> None:
        """Numbers without their check digits, numbers that are never given, and what only looks alike."""
        for text in ("me@example", "@example.org", "4000001234567890", "000-12-3456", "666-12-3456", "912-12-3456",
                     "DE89370400440532013001", "1234567890", "2026-11-21 10:15:00", "a@b"):  # fmt: skip
            self.assertEqual(self.found(text), [], text)

    @given(st.text("0123456789", min_size=13, max_size=19))
    def test_check_digit(self, digits: str) -> None:
        """The check digit is Luhn's (held to python-stdnum)."""
        data = digits.encode()
        self.assertEqual(finders.luhn(data, 0, len(data)), stdnum_luhn.is_valid(digits))

    @given(st.integers(0, 10**18 - 1))
    def test_iban(self, account: int) -> None:
        """The remainder is ISO 13616's (held to python-stdnum)."""
        number = "DE" + stdnum_iban.calc_check_digits("DE00" + f"{account:018d}") + f"{account:018d}"
        self.assertIn(number, self.found(number))
