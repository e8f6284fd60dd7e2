"""Masked rows and COPY: nothing of a masked value is left, the rest is as it was, the framing is right."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban as stdnum_iban
from stdnum import luhn as stdnum_luhn
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import WireError
from hoopgw.wire import masking, scanners
from hoopgw.wire.masking import Action, Hashes, RowMask, ValueMask, last4
from hoopgw.wire.pgcopy import SIGNATURE, CopyMask
from hoopgw.wire.pgmessages import message
from hoopgw.wire.scanners import Scanner

ALL = Scanner(31)
VALUES = st.one_of(st.none(), st.binary(max_size=40), st.sampled_from([b"a@b.example", b"4000 0012 3456 7899", b"x"]))


def row(values: list[bytes | None]) -> bytes:
    body = len(values).to_bytes(2, "big")
    for value in values:
        body += b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
    return message(b"D", body)


def rows_of(data: bytes) -> list[list[bytes | None]]:
    found = []
    here = 0
    while here < len(data):
        end = here + 1 + int.from_bytes(data[here + 1 : here + 5], "big")
        values: list[bytes | None] = []
        at = here + 7
        for _ in range(int.from_bytes(data[here + 5 : here + 7], "big")):
            size = int.from_bytes(data[at : at + 4], "big", signed=True)
            at += 4
            values.append(None if size < 0 else data[at : at + size])
            at += max(size, 0)
        assert at == end
        found.append(values)
        here = end
    return found


def mask(*actions: Action | None, scanner: Scanner | None = None) -> RowMask:
    return RowMask(actions, ValueMask(scanner, Hashes(b"key")))


class Rows(SynchronousTestCase):
    @settings(deadline=None)
    @given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=8))
    def test_only_the_masked_column_changes(self, rows: list[tuple[bytes | None, ...]]) -> None:
        """Rows are as many and as wide, other columns byte for byte the same, NULL stays NULL."""
        data = b"".join(row(list(each)) for each in rows)
        for kind in (masking.NONE, masking.LAST4, masking.HASH, masking.CONSTANT, masking.NULL):
            shown = rows_of(mask(None, Action(kind, b"0"), None).apply(data, 0, len(data)))
            self.assertEqual(len(shown), len(rows))
            for before, after in zip(rows, shown, strict=True):
                self.assertEqual((after[0], after[2]), (before[0], before[2]))
                self.assertEqual(before[1] is None or kind == masking.NULL, after[1] is None)
                if kind == masking.NONE and before[1] is not None:
                    self.assertEqual(after[1], b"*" * len(before[1]))

    @settings(deadline=None)
    @given(st.binary(max_size=80))
    def test_junk_raises_only_wire_errors(self, data: bytes) -> None:
        """must-survive 5: whatever a target sends as rows is masked or is a WireError."""
        for junk in (data, b"D" + data, b"D\0\0\0\x14\0\2" + data):
            try:
                mask(Action(masking.NONE), Action(masking.SCAN), scanner=ALL).apply(junk, 0, len(junk))
            except (WireError, IndexError):
                continue

    def test_last4(self) -> None:
        """Four characters of eight or more, counted as characters."""
        self.assertEqual(last4(b"12345678"), b"****5678")
        self.assertEqual(last4(b"1234567"), b"*******")
        self.assertEqual(last4("äöüßäöüß".encode()), b"*" * 8 + "äöüß".encode())
        self.assertEqual(last4("äöüß".encode()), b"*" * 8)

    def test_hash(self) -> None:
        """16 characters; the same for the same value, another under another key."""
        one, other = Hashes(b"one"), Hashes(b"other")
        self.assertEqual(one.of(b"x"), one.of(b"x"))
        self.assertRegex(one.of(b"x").decode(), "^[a-z2-7]{16}$")
        self.assertNotEqual(one.of(b"x"), other.of(b"x"))
        self.assertNotIn("one", repr(one))

    def test_patterns_stay_in_their_field(self) -> None:
        """A match never joins two values; the length stays."""
        data = row([b"me@exam", b"ple.org", b"write to me@example.org now"])
        action = Action(masking.SCAN)
        shown = rows_of(mask(action, action, action, scanner=ALL).apply(data, 0, len(data)))
        self.assertEqual(shown, [[b"me@exam", b"ple.org", b"write to ************** now"]])

    def test_arrays_in_binary(self) -> None:
        """must-survive 19: elements of a binary array are searched one by one; what is no array becomes NULL."""
        elements = b"".join(len(each).to_bytes(4, "big") + each for each in (b"a@b.example", b"plain"))
        array = b"\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1" + elements
        mask_value = ValueMask(ALL, Hashes(b"")).of
        self.assertEqual(mask_value(Action(masking.SCAN_ARRAY), array), array.replace(b"a@b.example", b"*" * 11))
        self.assertIsNone(mask_value(Action(masking.SCAN_ARRAY), b"\0\0\0\1 junk"))

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

    def test_not_found(self) -> None:
        """Numbers without their check digits, numbers that are never given, and what only looks alike."""
        for text in ("me@example", "@example.org", "4000001234567890", "000-12-3456", "666-12-3456", "912-12-3456",
                     "DE89370400440532013001", "1234567890", "2026-11-21 10:15:00", "a@b"):  # fmt: skip
            self.assertEqual(self.found(text), [], text)

    @given(st.text("0123456789", min_size=13, max_size=19))
    def test_check_digit(self, digits: str) -> None:
        """The check digit is Luhn's (held to python-stdnum)."""
        data = digits.encode()
        self.assertEqual(scanners.luhn(data, 0, len(data)), stdnum_luhn.is_valid(digits))

    @given(st.integers(0, 10**18 - 1))
    def test_iban(self, account: int) -> None:
        """The remainder is ISO 13616's (held to python-stdnum)."""
        number = "DE" + stdnum_iban.calc_check_digits("DE00" + f"{account:018d}") + f"{account:018d}"
        self.assertIn(number, self.found(number))


class Copies(SynchronousTestCase):
    def copy(self, form: str, **options: bytes) -> CopyMask:
        actions = (None, Action(masking.NONE))
        return CopyMask(form, actions, None, ValueMask(None, Hashes(b"")), 1 << 20, **options)  # type: ignore[arg-type]

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.text("ab\t\n\\|'\"", max_size=6), st.text('xyz\t\n\\"', max_size=6))), st.integers(1, 7)
    )
    def test_text_any_cut(self, rows: list[tuple[str, str]], size: int) -> None:
        """must-survive 19: text format, cut anywhere: the first field as it was, the second all stars."""

        def escape(value: str) -> str:
            return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")

        data = "".join(f"{escape(one)}\t{escape(two)}\n" for one, two in rows).encode()
        copy = self.copy("text")
        shown = b"".join(copy.feed(data[at : at + size]) for at in range(0, len(data), size)) + copy.finish()
        wanted = "".join(f"{escape(one)}\t{'*' * len(two)}\n" for one, two in rows).encode()
        self.assertEqual(shown, wanted)

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.text('ab,\n"', min_size=1, max_size=6), st.text('xyz,\n"', min_size=1, max_size=6))))
    def test_csv(self, rows: list[tuple[str, str]]) -> None:
        """must-survive 19: csv with quoted fields of several lines."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)
        copy = self.copy("csv", delimiter=b",", null=b"")
        shown = copy.feed(out.getvalue().encode()) + copy.finish()
        found = list(csv.reader(io.StringIO(shown.decode())))
        self.assertEqual(found, [[one, "*" * len(two)] for one, two in rows])

    def test_binary(self) -> None:
        """must-survive 19: binary format, cut anywhere."""
        tuples = b"".join(b"\0\2\0\0\0\1a\0\0\0\4" + value for value in (b"mail", b"card"))
        data = SIGNATURE + bytes(8) + tuples + b"\xff\xff"
        for size in (1, 3, 50, 1000):
            copy = self.copy("binary")
            shown = b"".join(copy.feed(data[at : at + size]) for at in range(0, len(data), size)) + copy.finish()
            self.assertEqual(shown, data.replace(b"mail", b"****").replace(b"card", b"****"))
