"""A number that a pattern finds is found in whatever type and format a client asks for."""

from __future__ import annotations

from typing import Any, ClassVar

import psycopg
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase

MASKS = """
[mask.cards]
patterns = ["payment-card", "email"]
"""
CARD = "4000001234567899"
NEXT = "4000001234567900"  # no card number
MAIL = "me@example.org"

XML = f'<a b="{"*" * 14}">{"*" * 14}</a>'
TYPES = f"""
CREATE TYPE pattern_row AS (a text, b bigint, c text[]);
CREATE DOMAIN pattern_word AS text;
CREATE TABLE pattern_table (a text, gone text, b bigint);
ALTER TABLE pattern_table DROP COLUMN gone;
INSERT INTO pattern_table VALUES ('{MAIL}', {CARD});
GRANT SELECT ON pattern_table TO PUBLIC;
"""

# what is selected -> what is shown in text and in binary; a driver's adapters take both
HIDDEN: dict[str, tuple[Any, Any]] = {
    f"{CARD}::int8": (0, 0),
    f"{CARD}::numeric": (0, 0),
    f"-{CARD}.50::numeric": (0, 0),
    f"int8range({CARD}, {NEXT})": (Range(empty=True),) * 2,
    f"numrange({CARD}, NULL)": (Range(empty=True),) * 2,
    f"int8multirange(int8range(1, 5), int8range({CARD}, {NEXT}))": (Multirange(),) * 2,
    f"ROW(1, {CARD}::numeric)": (("1", "*" * 16), (1, 0)),
    f"ROW(ROW({CARD}::int8), 'x'::text)": (('(****************)', "x"), ((0,), "x")),
    f"ARRAY[1, {CARD}]::int8[]": ([1, 0],) * 2,
    f"ARRAY[[1, {CARD}, NULL]]::numeric[]": ([[1, 0, None]],) * 2,
    f"'{MAIL}'::bytea": (b"*" * 14,) * 2,
    f"'{MAIL}'::tsvector": ("", bytes(4)),
    f"ARRAY['{MAIL}', NULL, 'plain']": (["*" * 14, None, "plain"],) * 2,
    f"ARRAY['\"{MAIL}\"'::jsonb, '1']": (["*" * 14, 1],) * 2,
    f'\'{{"a": ["{MAIL}"]}}\'::jsonb': ({"a": ["*" * 14]},) * 2,
    f"'{{\"a\": {CARD}}}'::jsonb": ({"a": 1000000000000000},) * 2,
    "'\"me\\u0040example.org\"'::json": ("*" * 14,) * 2,
    f"'<a b=\"{MAIL}\">{MAIL}</a>'::xml": (XML, XML.encode()),  # psycopg has no loader of binary xml
    f"'{MAIL}'::pattern_word": ("*" * 14,) * 2,
}  # fmt: skip
STARS = "*" * 14
# the same of types that a driver does not know: as text
OWN = {
    f"ROW('{MAIL}', {CARD}, ARRAY['{MAIL}'])::pattern_row": f'("{STARS}","0","{{{STARS}}}")',
    f"ARRAY[ROW('{MAIL}', 1, NULL)::pattern_row]": f'{{"(\\"{STARS}\\",1,)"}}',
    "(SELECT t FROM pattern_table t)": f'("{STARS}","0")',
    f"ARRAY['{MAIL}'::pattern_word]": f"{{{STARS}}}",
}
SHOWN = (
    f"{NEXT}::int8", "-7::int8", f"{NEXT}.5::numeric", "'NaN'::numeric", "0.000012::numeric", "1e40::numeric",
    f"ARRAY[1, {NEXT}]::int8[]", f"int8range(1, {NEXT})", "'empty'::numrange", "int8range(NULL, NULL)", "'{}'::int8[]",
    f"ROW(1, {NEXT}, NULL::numeric)", "'\\x00ff'::bytea", "'{}'::int8multirange",
)  # fmt: skip


class PatternTypes(LiveCase):
    options: ClassVar[Options] = Options(more={"guardrails.d/90-test.toml": MASKS})

    made: ClassVar[bool] = False

    def setUp(self) -> None:
        super().setUp()
        if PatternTypes.made:
            return
        PatternTypes.made = True
        with psycopg.connect(self.stage.cluster.url("postgres", self.stage.cluster.password, "shop")) as connection:
            connection.execute(TYPES.encode())

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

    def test_types_of_ones_own(self) -> None:
        """must-survive 19: composites, rows of tables, arrays of domains: element by element in both formats."""
        for expression, shown in OWN.items():
            for binary in (False, True):
                with self.connect().cursor(binary=binary) as cursor:
                    cursor.execute(f"SELECT {expression}".encode())
                    assert cursor.pgresult is not None
                    found = cursor.pgresult.get_value(0, 0) or b""
                self.assertNotIn(MAIL.encode(), found)
                self.assertIn(STARS.encode(), found)
                if not binary:
                    self.assertEqual(found.decode(), shown)
                elif CARD in expression or "pattern_table" in expression:
                    self.assertIn(b"\0\0\0\x08" + bytes(8), found)

    def test_bytea_as_escapes(self) -> None:
        """bytea_output is a client's choice, too."""
        with self.connect().cursor() as cursor:
            cursor.execute("SET bytea_output = escape")
            found = cursor.execute(f"SELECT '{MAIL}\\000\\377'::bytea".encode()).fetchone()
        self.assertEqual(found, (b"*" * 14 + b"\0\xff",))

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
