"""A number that a pattern finds is found in whatever type and format a client asks for."""

from __future__ import annotations

from typing import Any, ClassVar

from psycopg.types.multirange import Multirange

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase

MASKS = """
[mask.cards]
patterns = ["payment-card", "email"]
"""
CARD = "4000001234567899"
NEXT = "4000001234567900"  # no card number
MAIL = "me@example.org"

# what is selected -> what is shown in text and in binary; a driver's adapters take both
HIDDEN: dict[str, tuple[Any, Any]] = {
    f"{CARD}::int8": (0, 0),
    f"{CARD}::numeric": (0, 0),
    f"-{CARD}.50::numeric": (0, 0),
    f"int8range({CARD}, {NEXT})": (None, None),
    f"numrange({CARD}, NULL)": (None, None),
    f"int8multirange(int8range(1, 5), int8range({CARD}, {NEXT}))": (None, None),
    f"ROW(1, {CARD}::numeric)": (None, None),
    f"ROW(ROW({CARD}::int8), 'x')": (None, None),
    f"'{MAIL}'::bytea": (None, None),
    f"'{MAIL}'::tsvector": (None, None),
    f"ARRAY['{MAIL}', NULL, 'plain']": (["*" * 14, None, "plain"],) * 2,
    f'\'{{"a": ["{MAIL}"]}}\'::jsonb': ({"a": ["*" * 14]},) * 2,
    f"'{{\"a\": {CARD}}}'::jsonb": ({"a": 1000000000000000},) * 2,
    f"'<a>{MAIL}</a>'::xml": ("<a>**************</a>", b"<a>**************</a>"),  # psycopg has no loader of binary xml
}
SHOWN = (
    f"{NEXT}::int8", "-7::int8", f"{NEXT}.5::numeric", "'NaN'::numeric", "0.000012::numeric", "1e40::numeric",
    f"ARRAY[1, {NEXT}]::int8[]", f"int8range(1, {NEXT})", "'empty'::numrange", "int8range(NULL, NULL)", "'{}'::int8[]",
    f"ROW(1, {NEXT}, NULL::numeric)", "'\\x00ff'::bytea", "'{}'::int8multirange",
)  # fmt: skip


class PatternTypes(LiveCase):
    options: ClassVar[Options] = Options(more={"guardrails.d/90-test.toml": MASKS})

    def value(self, expression: str, binary: bool) -> Any:
        with self.connect().cursor(binary=binary) as cursor:
            found = cursor.execute(f"SELECT {expression}".encode()).fetchone()
        assert found is not None
        return found[0]

    def test_found_in_every_format(self) -> None:
        """must-survive 19: a client that asks for binary sees no more than one that asks for text."""
        for expression, shown in HIDDEN.items():
            for binary in (False, True):
                self.assertEqual(self.value(expression, binary), shown[binary], (expression, binary))

    def test_arrays_of_numbers(self) -> None:
        """In text the element becomes stars or the array NULL, in binary the array is NULL: never the number."""
        for kind in ("int8[]", "numeric[]"):
            for binary in (False, True):
                self.assertIsNone(self.value(f"ARRAY[1, {CARD}]::{kind}", binary), (kind, binary))

    def test_bytea_as_escapes(self) -> None:
        """bytea_output is a client's choice, too."""
        with self.connect().cursor() as cursor:
            cursor.execute("SET bytea_output = escape")
            found = cursor.execute(f"SELECT '{MAIL}\\000\\377'::bytea".encode()).fetchone()
        self.assertEqual(found, (None,))

    def test_others_stay(self) -> None:
        """What no pattern finds comes as it is, in text and in binary alike."""
        for expression in SHOWN:
            text, binary = self.value(expression, False), self.value(expression, True)
            if not isinstance(text, tuple) and text == text:  # records in text are texts; NaN equals nothing
                self.assertEqual(text, binary, expression)
            self.assertTrue(binary is not None and (binary or binary == Multirange() or not text), expression)

    def test_copied(self) -> None:
        """COPY of an expression, whose type nobody says, and of a bytea."""
        for options in ("", " (FORMAT csv)", " (FORMAT binary)"):
            text = f"COPY (SELECT {CARD}::int8, {CARD}::numeric, '{MAIL}'::text) TO STDOUT{options}"
            with self.connect().cursor() as cursor, cursor.copy(text.encode()) as copy:
                data = b"".join(bytes(piece) for piece in copy)
            self.assertNotIn(CARD.encode(), data)
            self.assertNotIn(int(CARD).to_bytes(8, "big"), data)
            self.assertNotIn(b"\x0f\xa0\x00\x00\x04\xd2", data[:200])
            self.assertNotIn(MAIL.encode(), data)
