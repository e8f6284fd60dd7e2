"""hoopgw.policy.http_json"""

from __future__ import annotations

from decimal import Decimal

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.http_json import MAX_DEPTH, number, pointer, read_json


class Numbers(SynchronousTestCase):
    def test_what_every_reader_agrees_on(self) -> None:
        """Fifteen digits, whatever zeros stand around them, of an exponent that is no trick."""
        for text, value in (
            ("1", 1),
            ("-1.50", Decimal("-1.5")),
            ("123456789012345", 123456789012345),
            ("123456789012345000", 123456789012345000),
            ("1e40", Decimal("1e40")),
        ):
            self.assertEqual(number(text), value)
        for text in ("", "x", "1234567890123456", "1e41", "1e-41", "NaN", "sNaN", "Infinity", "-Infinity", "0" * 41):
            self.assertIsNone(number(text), text)


class Bodies(SynchronousTestCase):
    def test_halves_of_surrogate_pairs(self) -> None:
        """Become whatever a parser likes, as a value or as a name; a pair is one character."""
        for half in ("\\ud800", "\\uD83d", "\\udfff", "\\uDFFF", "\\ude00\\ud83d"):
            for text in (f'"{half}"', f'{{"{half}":1}}', f'[[{{"a":"x{half}"}}]]'):
                self.assertTrue(read_json(text.encode()).doubt, text)
        self.assertEqual(read_json(b'["\\ud83d\\ude00", "\\uD83D\\uDE00"]').value, ["\U0001f600"] * 2)

    def test_levels(self) -> None:
        """As many as may be, and one more."""
        for levels, doubt in ((MAX_DEPTH, False), (MAX_DEPTH + 1, True)):
            self.assertEqual(bool(read_json(b"[" * levels + b"1" + b"]" * levels).doubt), doubt)


class Pointers(SynchronousTestCase):
    def test_where_they_lead(self) -> None:
        """To every value, and with each whether its names are written alike, on all of the way."""
        value = {"a": {"b": 1, "B": 2}, "A": {"b": 3}, "l": [{"b": 4}], "x/y": {"~": 5}}
        for text, found in (
            ("/a/b", [(1, True), (2, False), (3, False)]),
            ("/l/0/b", [(4, True)]),
            ("/l/*/b", [(4, True)]),
            ("/x~1y/~0", [(5, True)]),
            ("/a/b/c", []),
        ):
            self.assertEqual(list(pointer(text).found(value)), found, text)
        self.assertCountEqual(pointer("b").found(value), [(1, True), (2, False), (3, True), (4, True)])
        self.assertEqual(list(pointer("0").found(value)), [])  # an index is no member's name

    def test_what_is_none(self) -> None:
        """RFC 6901: a tilde is written ~0 or ~1."""
        for text in ("", "/a~", "/~2", "/a/b~x"):
            self.assertRaises(ValueError, pointer, text)
