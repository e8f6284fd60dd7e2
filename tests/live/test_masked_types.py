"""What is shown of a masked column is a value of its type, in text, csv and binary: PostgreSQL reads it back."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import asyncpg
import psycopg
from psycopg.pq import Format

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase

SHOWS = ("none", "last4", "hash")
MASKS = "".join(
    f'[mask.kinds-{show}]\ncolumns = ["kinds_{show}.v*", "keyed_{show}.*"]\nshow = "{show}"\n' for show in SHOWS
)
PARTS = '[mask.parts]\ncolumns = ["parted.*"]\njson = ["email", "/list/*/x"]\n'
PARTED = """
CREATE TABLE parted (id int, j json, b jsonb, h hstore, t text, a jsonb[]);
INSERT INTO parted VALUES (7, '{"Email": "K", "n": 1}',
    '{"list": [{"x": 2, "y": 3}], "a": {"email": ["K", {"b": "L"}]}}', 'email=>K, b=>L', 'KLM',
    ARRAY['{"email": "K", "b": "L"}'::jsonb, '1']);
CREATE VIEW parted_view AS SELECT * FROM parted;
GRANT SELECT ON parted, parted_view TO PUBLIC;
"""
TYPES = """
CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('KLMsad', 'KLMglad');
CREATE DOMAIN word AS text CHECK (length(value) > 0);
CREATE TYPE inside AS (word word, at date);
CREATE TYPE whole AS (a text, b int8, c text[], d inside, e numeric, f jsonb);
CREATE TYPE span AS RANGE (subtype = text);
CREATE TABLE rows_of (a text, gone int, b bytea);
ALTER TABLE rows_of DROP COLUMN gone;
CREATE DOMAIN of_whole AS whole;
"""
# A type -> a value of it; KLM stands wherever there is room for letters, 7 and 8 where there is for digits
VALUES = {
    "text[]": """ARRAY['KLMxyzKLM', NULL, '', 'K"L,M\\{} ', 'NULL']""",
    "text[][]": "'[0:1][5:6]={{KLM,\"K L\"},{NULL,M}}'",
    "varchar": "'KLM'",
    '"char"': "'K'",
    "name": "'KLM'",
    "bpchar": "'KLM'",
    "refcursor": "'KLM'",
    "word": "'KLMKLMKLM'",
    "word[]": "ARRAY['KLM', 'L']::word[]",
    "mood": "'KLMsad'",
    "mood[]": "ARRAY['KLMsad', 'KLMglad']::mood[]",
    "whole": "ROW('KLM (\"),\\', 77, ARRAY['KLM', NULL], ROW('KLM', '1977-08-07'), 77.88, '{\"k\": \"KLM\"}')",
    "of_whole": "ROW('', NULL, '{}', NULL, 'NaN', 'null')",
    "whole[]": "ARRAY[ROW('KLM', 77, NULL, NULL, NULL, NULL), NULL]::whole[]",
    "rows_of": "ROW('KLM', 'KLM')",
    "int8range": "'[77,88)'",
    "span": "'[KLM,KLMM]'",
    "int4multirange": "'{[7,8),[77,88)}'",
    "int4multirange[]": "ARRAY['{[7,8)}'::int4multirange]",
    "daterange[]": "ARRAY['[1977-01-01,)'::daterange, NULL]",
    "hstore": """'"K L"=>"KLM\\"", a=>NULL, b=>""'""",
    "hstore[]": "ARRAY['a=>KLM'::hstore]",
    "json": """'{"k": ["KLM\\\\n", 77, true, null, {"l": 7.7e7}], "k": -8}'""",
    "jsonb": """'{"k": ["KLM\\\\n", 77, true, null, {"l": 7.7e7}], "m": -8}'""",
    "jsonb[]": "ARRAY['\"KLM\"'::jsonb, '7']",
    "xml": """'<?xml version="1.0"?><a xmlns:p="urn:KLM" p:k="K&amp;L"><!-- KLM --><b>K<![CDATA[KLM]]></b>M<c/></a>'""",
    "xml[]": "ARRAY['<a xml:id=\"KLM\">KLM</a>'::xml, 'KLM<?t KLM?>']",
    "bytea": "'KLMKLMKLM\\\\000'",
    "bytea[]": "ARRAY['KLM'::bytea, '', NULL]",
    "bit(5)": "B'10101'",
    "varbit": "B'101010101'",
    "money": "77.88",
    "money[]": "ARRAY[77.88::money]",
    "numeric": "77.88",
    "numeric[]": "ARRAY[77.88, 'NaN', NULL]",
    "inet": "'77.77.77.77/8'",
    "inet[]": "ARRAY['77::88'::inet]",
    "cidr": "'77.0.0.0/8'",
    "macaddr": "'77:88:77:88:77:88'",
    "macaddr8": "'77:88:77:88:77:88:77:88'",
    "point": "'(77,88)'",
    "lseg": "'[(7,7),(8,8)]'",
    "line": "'{7,8,7}'",
    "path": "'[(7,7),(8,8)]'",
    "polygon": "'((7,7),(8,8),(7,8))'",
    "box": "'(7,7),(8,8)'",
    "box[]": "ARRAY['(7,7),(8,8)'::box, '(7,7),(8,8)']",
    "circle": "'<(7,7),8>'",
    "pg_lsn": "'77/88'",
    "tsvector": "'KLM:7 L'",
    "tsquery": "'KLM & L'",
    "jsonpath": "'$.KLM'",
    "uuid[]": "ARRAY[gen_random_uuid()]",
    "interval": "'77 days'",
    "timetz": "'07:07:08+07'",
    "timestamptz[]": "ARRAY['1977-08-07'::timestamptz, 'infinity']",
    "time": "'07:08'",
    "bool[]": "ARRAY[true, NULL]",
    "float8[]": "ARRAY[77.88]",
    "tid": "'(7,8)'",
    "xid": "'77'",
    "xid8": "'77'",
    "regclass": "'pg_class'::regclass",
    "int2vector": "'7 8'",
}
MAY_BE_NULL = {"mood", "regclass", "int2vector"}  # types for which no value is known that says nothing
COLUMNS = ", ".join(f"v{n} {kind}" for n, kind in enumerate(VALUES))


class Masked(LiveCase):
    options: ClassVar[Options] = Options(more={"guardrails.d/90-test.toml": MASKS + PARTS})
    made: ClassVar[bool] = False

    def setUp(self) -> None:
        super().setUp()
        if not Masked.made:
            self.direct(TYPES)
            self.direct(PARTED)
            for show in SHOWS:
                self.direct(f"CREATE TABLE kinds_{show} (id int, {COLUMNS})")
                self.direct(f"INSERT INTO kinds_{show} VALUES (1, {', '.join(VALUES.values())})")
                self.direct(f"INSERT INTO kinds_{show} VALUES (2)")
                self.direct(f"GRANT SELECT ON kinds_{show} TO PUBLIC")
            Masked.made = True

    def direct(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.direct_url(), autocommit=True) as connection:
            found = connection.execute(text.encode())
            return found.fetchall() if found.description else []

    def direct_url(self) -> str:
        return self.stage.cluster.url("postgres", self.stage.cluster.password, "shop")

    def raw(self, show: str, form: Format) -> list[bytes | None]:
        """Each value of the first row as it comes."""
        with self.connect().cursor(binary=form is Format.BINARY) as cursor:
            cursor.execute(f"SELECT * FROM kinds_{show} ORDER BY id".encode())
            assert cursor.pgresult is not None
            self.assertEqual([cursor.pgresult.get_value(1, n) for n in range(1, len(VALUES) + 1)], [None] * len(VALUES))
            return [cursor.pgresult.get_value(0, n) for n in range(1, len(VALUES) + 1)]

    def test_text(self) -> None:
        """must-survive 19: each value goes back through its type's input function, and says nothing."""
        connection = psycopg.connect(self.direct_url(), autocommit=True)
        self.addCleanup(connection.close)
        for show in SHOWS:
            for (kind, original), value in zip(VALUES.items(), self.raw(show, Format.TEXT), strict=True):
                self.assertEqual(value is None, kind in MAY_BE_NULL, kind)
                if value is None:
                    continue
                if show == "none":
                    self.assertNotIn(b"KLM", value, kind)
                    self.assertFalse(set(b"78") & set(value) and kind != "xml", (kind, value))  # a namespace's hash
                found = connection.execute(f"SELECT (%s::{kind})::text".encode(), [value.decode()]).fetchone()
                self.assertTrue(found is not None and found[0] is not None, (kind, original, value))

    def test_copied(self) -> None:
        """must-survive 19: COPY in each format is read back by COPY, and all three say the same."""
        for show in SHOWS:
            found = []
            for form in ("text", "csv", "binary"):
                with self.connect().cursor().copy(f"COPY kinds_{show} TO STDOUT (FORMAT {form})") as copy:
                    data = b"".join(map(bytes, copy))
                if show == "none":
                    self.assertNotIn(b"KLM", data)
                with psycopg.connect(self.direct_url()) as connection:
                    connection.execute(f"CREATE TEMP TABLE back (LIKE kinds_{show})".encode())
                    with connection.cursor().copy(f"COPY back FROM STDIN (FORMAT {form})".encode()) as back:
                        back.write(data)
                    rows = connection.execute("SELECT * FROM back ORDER BY id", binary=False)
                    assert rows.pgresult is not None
                    found.append(
                        [[rows.pgresult.get_value(row, n) for n in range(len(VALUES) + 1)] for row in range(2)]
                    )
            self.assertEqual(found[0], found[1])
            for kind, text, binary in zip(("id", *VALUES), found[0][0], found[2][0], strict=True):
                self.assertEqual(text, binary, kind)

    def test_binary(self) -> None:
        """must-survive 19: drivers that decode binary read all of them."""
        for show in SHOWS:
            for kind, value in zip(VALUES, self.raw(show, Format.BINARY), strict=True):
                self.assertEqual(value is None, kind in MAY_BE_NULL, kind)
                if show == "none" and value is not None:
                    self.assertNotIn(b"KLM", value, kind)
        with self.connect().cursor(binary=True) as cursor:
            names = ", ".join(f"v{n}" for n, kind in enumerate(VALUES) if not kind.startswith("money"))
            self.assertEqual(len(cursor.execute(f"SELECT {names} FROM kinds_none".encode()).fetchall()), 2)
        rows = asyncio.run(self.by_asyncpg())
        self.assertEqual(rows[0][1], ["*" * 9, None, "", "*" * 9, "****"])
        self.assertEqual(rows[0]["v11"]["d"]["word"], "***")

    def test_json_by_name_and_pointer(self) -> None:
        """must-survive 19: of JSON and hstore what is named is masked, with all below it; other types whole.  What is
        computed with such a column is NULL, and a view of it and a COPY show as much as the column."""
        documents = {"Email": "*", "n": 1}, {"a": {"email": ["*", {"b": "*"}]}, "list": [{"x": 0, "y": 3}]}
        wanted = (0, *documents, '"b"=>"L", "email"=>"*"', "***", [{"b": "L", "email": "*"}, 1])
        for relation in ("parted", "parted_view", "(SELECT * FROM parted UNION ALL SELECT * FROM parted LIMIT 1) s"):
            for binary in (False, True):
                with self.connect().cursor(binary=binary) as cursor:
                    found = cursor.execute(f"SELECT id, j, b, h, t, a FROM {relation}".encode()).fetchone()
                assert found is not None
                if binary:
                    self.assertIn(b"email\0\0\0\x01*", found[3])
                    found = (*found[:3], wanted[3], *found[4:])
                self.assertEqual(found, wanted, relation)
        with self.connect().cursor() as cursor:
            self.assertEqual(cursor.execute("SELECT b->'list', j->>'n' FROM parted").fetchone(), (None, None))
            with cursor.copy("COPY parted (j, h) TO STDOUT") as copy:
                data = b"".join(map(bytes, copy))
        self.assertEqual(data, b'{"Email": "*", "n": 1}\t"b"=>"L", "email"=>"*"\n')

    async def by_asyncpg(self) -> list[Any]:
        connection = await asyncpg.connect(self.stage.gateway_url("reader"), password=self.stage.agent)
        try:
            return list(await connection.fetch("SELECT * FROM kinds_none ORDER BY id"))
        finally:
            await connection.close()
