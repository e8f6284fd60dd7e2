"""Masked rows and COPY: nothing of a masked value is left, the rest is as it was, the framing is right."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from textwrap import wrap
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import WireError
from hoopgw.wire import masking
from hoopgw.wire.binary_values import finds, numeric_text
from hoopgw.wire.masking import Action, ValueMask
from hoopgw.wire.pgmessages import message
from hoopgw.wire.rowmask import RowMask
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.showing import Hashes, last4

ALL = Scanner(31)
FIELDS = (
    st.lists(
        st.sampled_from(
            [
                b"a@b.example",
                b"4000 0012 3456 7899",
                b"AB123456C",
                b"x",
                b" ",
                b"1",
                b"DE89370400440532013000",
                b"{}",
                b"\xc3\xa4",
            ]
        ),
        max_size=6,
    ).map(b"".join)
    | st.none()
)
KINDS = st.integers(masking.PASS, masking.LAST_KIND)
PARTS = (Action(masking.SCAN),) * 4
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


def pairs(ones: Iterable[Any], others: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(ones, others, strict=True)


def mask(*actions: Action | None, scanner: Scanner | None = None) -> RowMask:
    return RowMask(actions, ValueMask(scanner, Hashes(b"key")))


def shown(row_mask: RowMask, data: bytes) -> bytes:
    masked = row_mask.apply(data, 0, len(data))
    return data if masked is None else masked


class Rows(SynchronousTestCase):
    @settings(deadline=None)
    @given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=8))
    def test_only_the_masked_column_changes(self, rows: list[tuple[bytes | None, ...]]) -> None:
        """Rows are as many and as wide, other columns byte for byte the same, NULL stays NULL."""
        data = b"".join(row(list(each)) for each in rows)
        for kind in (masking.NONE, masking.LAST4, masking.HASH, masking.CONSTANT, masking.NULL):
            found = rows_of(shown(mask(None, Action(kind, b"0"), None), data))
            self.assertEqual(len(found), len(rows))
            for before, after in zip(rows, found, strict=True):
                self.assertEqual((after[0], after[2]), (before[0], before[2]))
                self.assertEqual(before[1] is None or kind == masking.NULL, after[1] is None)
                if kind == masking.NONE and before[1] is not None:
                    self.assertEqual(after[1], b"*" * len(before[1]))

    @settings(deadline=None)
    @given(st.binary(max_size=80))
    def test_junk_raises_only_wire_errors(self, data: bytes) -> None:
        """must-survive 5: whatever a target sends as rows is masked or is a WireError: nothing else is raised, but the
        IndexError that compiled code stops at, which Results takes for one."""
        for junk in (data, b"D" + data, b"D\0\0\0\x14\0\2" + data):
            try:
                mask(Action(masking.NONE), Action(masking.SCAN), scanner=ALL).apply(junk, 0, len(junk))
            except (WireError, IndexError):
                continue

    @settings(deadline=None)
    @given(st.lists(st.tuples(FIELDS, FIELDS, FIELDS), max_size=8), st.lists(KINDS, min_size=3, max_size=3))
    @example([(None, None, b"a@b.example")], [masking.PASS, masking.PASS, masking.SCAN_NUMBER])
    def test_as_value_by_value(self, rows: list[tuple[bytes | None, ...]], kinds: list[int]) -> None:
        """The walk over rows gives what ValueMask gives for each value, in right framing, and counts what changed."""
        actions = tuple(None if kind == masking.PASS else Action(kind, b"0", parts=PARTS) for kind in kinds)
        data, value = b"".join(row(list(each)) for each in rows), ValueMask(ALL, Hashes(b"key"))
        wanted = [
            [one if one is None or action is None else value.of(action, one) for one, action in pairs(each, actions)]
            for each in rows
        ]
        row_mask = RowMask(actions, value)
        masked = row_mask.apply(b"before" + data + b"behind", 6, 6 + len(data))
        self.assertEqual(rows_of(data if masked is None else masked), wanted)
        changed = sum(one != other for each, now in pairs(rows, wanted) for one, other in pairs(each, now))
        self.assertLessEqual(changed, row_mask.masked)
        self.assertEqual(masked is None, row_mask.masked == 0)

    def test_numbers(self) -> None:
        """A number in which a payment card stands is shown as 0, a shorter one stays."""
        data = row([b"4000001234567899", b"400000123456", b"-4000001234567899.5"])
        number = Action(masking.SCAN_NUMBER, b"0")
        self.assertEqual(
            rows_of(shown(mask(number, number, number, scanner=ALL), data)), [[b"0", b"400000123456", b"0"]]
        )

    def test_nothing_found(self) -> None:
        """Where nothing has to be changed no copy is made."""
        data = row([b"plain", None, b""]) * 3
        action = Action(masking.SCAN)
        self.assertIsNone(mask(action, action, action, scanner=ALL).apply(data, 0, len(data)))

    def test_rows_that_are_not_as_described(self) -> None:
        """must-survive 19: other columns, lengths that go beyond a row or its read, no row: none goes on."""
        good = row([b"me@example.org", b"x"])
        for bad in (
            row([b"x"]), row([b"x"] * 3), good[:-1], b"d" + good[1:], good.replace(b"\0\0\0\x0e", b"\0\0\0\x40"),
            good.replace(b"\0\0\0\x0e", b"\x7f\xff\xff\xff"), good.replace(b"\0\0\0\x0e", b"\xff\xff\xff\xfe"),
        ):  # fmt: skip
            with self.assertRaises(WireError):
                mask(Action(masking.SCAN), Action(masking.NONE), scanner=ALL).apply(good + bad, 0, len(good + bad))

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
        found = rows_of(shown(mask(action, action, action, scanner=ALL), data))
        self.assertEqual(found, [[b"me@exam", b"ple.org", b"write to ************** now"]])

    def test_arrays_in_binary(self) -> None:
        """must-survive 19: elements of a binary array are searched one by one; what is no array becomes NULL."""
        elements = b"".join(len(each).to_bytes(4, "big") + each for each in (b"a@b.example", b"plain"))
        array = b"\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1" + elements
        mask_value = ValueMask(ALL, Hashes(b"")).of
        action = Action(masking.BINARY_ARRAY, oid=25, parts=(Action(masking.SCAN),))
        self.assertEqual(mask_value(action, array), array.replace(b"a@b.example", b"*" * 11))
        self.assertIsNone(mask_value(action, b"\0\0\0\1 junk"))
        self.assertIsNone(mask_value(action, array.replace(b"\x19", b"\x1a")))

    @settings(max_examples=200, deadline=None)
    @given(st.decimals(allow_infinity=False, allow_nan=False, places=4, min_value=-(10**30), max_value=10**30))
    @example(Decimal(0))
    @example(Decimal("0.00001200"))
    def test_numerics_are_written_as_postgresql_does(self, number: Decimal) -> None:
        """Whatever the pattern looks at is the number's text, so that no format hides a card."""
        self.assertEqual(Decimal(numeric_text(numeric(number)).decode()), number)

    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from((20, 1700, 1016, 1231, 2249, 2287, 3926, 3906, 3927, 4536, 4532, 99999)), st.binary())
    def test_junk_in_binary_ends(self, oid: int, value: bytes) -> None:
        """What is not laid out as its type says is a find for a known type, and never an error."""
        self.assertIn(finds(ALL, oid, value), (True, False))
        if oid == 20 and len(value) != 8:
            self.assertTrue(finds(ALL, oid, value))

    def test_arrays_in_text(self) -> None:
        """An array stays one: a brace may belong to an e-mail address, and bounds and quotes to what a pattern says."""
        of = ValueMask(ALL, Hashes(b"")).of
        action = Action(masking.TEXT_ARRAY, parts=(Action(masking.SCAN),))
        for array, masked in (
            (b"{me@b.example,x}", b"{************,x}"),
            (b"[0:1]={x,me@b.example}", b"[0:1]={x,************}"),
            (b'{"a,me@b.example",NULL}', b'{"a,************",NULL}'),
            (b"{{{me@b.example}}}", b"{{{************}}}"),
        ):
            self.assertEqual(of(action, array), masked)
        self.assertEqual(of(action, b"{x}"), b"{x}")

    def test_values_within_values(self) -> None:
        """Deeper ones than may be looked into count as a find."""
        record = (1).to_bytes(4, "big") + b"\0\0\0\x17" + b"\0\0\0\4\0\0\0\7"
        for depth in range(20):
            self.assertEqual(finds(ALL, 2249, record), depth > 15, depth)
            record = b"\0\0\0\1" + (2249).to_bytes(4, "big") + len(record).to_bytes(4, "big") + record


def numeric(number: Decimal) -> bytes:
    """As numeric_send() writes it."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    scale = max(-exponent, 0)
    text = "".join(map(str, digits)) + "0" * max(exponent, 0)
    text = text.rjust(scale + 1, "0")
    whole, after = (text[:-scale], text[-scale:]) if scale else (text, "")
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    after = after.ljust(-(-len(after) // 4) * 4, "0")
    groups = [int(each) for each in wrap(whole + after, 4)]
    weight = len(whole) // 4 - 1
    while groups and not groups[0]:
        groups.pop(0)
        weight -= 1
    while groups and not groups[-1]:
        groups.pop()
    head = (len(groups), weight if groups else 0, 0x4000 if sign else 0, scale)
    return b"".join((each & 0xFFFF).to_bytes(2, "big") for each in (*head, *groups))
