"""hoopgw.wire.jsonskips, beside json of the standard library."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.jsonskips import bare_end, list_behind, string_behind

TEXTS = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('"\\')), max_size=30)
BARE = st.none() | st.booleans() | st.integers(-(10**12), 10**20) | st.floats(allow_nan=True, allow_infinity=True)
BEHIND = st.sampled_from([b"", b"}", b",", b"]", b" ", b'"', b"1", b"e", b"x", b"\xff", b":"])
PAD = b" " * 16


class Skips(SynchronousTestCase):
    @given(TEXTS, st.booleans(), st.binary(max_size=12), st.integers(0, 12))
    def test_a_string(self, text: str, ascii_only: bool, behind: bytes, cut: int) -> None:
        """Where it ends, or that it is not told; told where no backslash is at its end and enough comes behind."""
        whole = json.dumps(text, ensure_ascii=ascii_only).encode()
        data = whole + behind
        found = string_behind(data, 1, len(data) - min(cut, len(data) - 1))
        self.assertIn(found, (-1, len(whole)))
        if b'\\"' not in whole and not whole.endswith(b'\\"'):
            self.assertEqual(string_behind(whole + PAD, 1, len(whole) + len(PAD)), len(whole))

    @given(BARE, BEHIND, st.booleans())
    def test_a_number_or_word(self, value: Any, behind: bytes, padded: bool) -> None:
        """Up to what cannot be part of it, which must be there."""
        whole = json.dumps(value).encode()
        data = whole + behind + (PAD if padded and behind else b"")
        found = bare_end(data, 0, len(data))
        if not behind:
            self.assertEqual(found, -1)
        elif behind.isalnum():
            self.assertIn(found, (-1, len(whole) + 1 if padded else -1))
        else:
            self.assertEqual(found, len(whole))

    def test_what_is_no_value(self) -> None:
        """Words that JSON does not have, signs alone, and what begins otherwise."""
        for text in (
            b"tru",
            b"truth",
            b"True",
            b"nul",
            b"falsf",
            b"-",
            b"-x",
            b"+1",
            b".5",
            b"undefined",
            b"{",
            b"[",
            b'"',
        ):
            self.assertEqual(bare_end(text + b",       ", 0, len(text) + 8), -1, text)
        for text in (b"7", b"1234567", b"12345678", b"123456789", b"1234567.5", b"-0", b"12345678e9", b"Infinity"):
            self.assertEqual(bare_end(text + b",       ", 0, len(text) + 8), len(text), text)

    @given(st.lists(BARE | TEXTS, max_size=6), st.sampled_from([None, 1]), st.booleans())
    def test_a_list(self, values: list[Any], indent: int | None, ascii_only: bool) -> None:
        """Told where its strings are; never told of one that has something else in it, or is none."""
        whole = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
        found = list_behind(whole + PAD, 0, len(whole) + len(PAD))
        self.assertIn(found, (-1, len(whole)))
        if b"\\" not in whole:
            self.assertEqual(found, len(whole))
        self.assertEqual(list_behind(whole, 0, len(whole) - 1), -1)

    def test_lists_that_are_none(self) -> None:
        """Commas without a value, values without a comma, other brackets, and lists of lists."""
        for text in (
            b"[,]",
            b"[1,]",
            b"[1 2]",
            b"[1}",
            b"[[]]",
            b"[{}]",
            b'["a" "b"]',
            b'["a":1]',
            b"[",
            b"[1",
            b"[x]",
        ):
            self.assertEqual(list_behind(text + PAD, 0, len(text) + len(PAD)), -1, text)
