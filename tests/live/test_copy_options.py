"""COPY with every option: masked rows are read back as what they are, and what goes in arrives as it would directly."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from twisted.trial.unittest import SkipTest

from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import DEMO, Options
from hoopgw.wire.pgcopy import SIGNATURE
from tests.live.harness import LiveCase

SERVERS = Path(sys.prefix).parent / ".cache/servers/node_modules"
MASKS = """
[mask.copied]
columns = ["copied*.email", "copied*.tags", "copied*.doc", "copied*.born"]
[mask.found]
patterns = ["email"]
"""
MAIL = "me@example.org"
LONG = "long \u00fc " * 4_000  # more than one read
TABLES = """
CREATE TABLE copied (
    id int, twice int GENERATED ALWAYS AS (2) STORED, email text, gone text, note text, born date, tags text[],
    doc jsonb
);
ALTER TABLE copied DROP COLUMN gone;
CREATE TABLE copied_in (id int, email text DEFAULT 'made', note text);
GRANT ALL ON copied, copied_in TO PUBLIC;
"""
NASTY = (
    "K",
    "",
    None,
    "\\",
    "\\N",
    "\\.",
    "\t|,;",
    "\n\r\n",
    "\"'",
    "K\\\"'K",
    "NULL",
    "null",
    "*",
    "***",
    'K,"K"|\'\t\n\\',
)
# id, email, note, born, tags, doc
ROWS = [
    *(
        (n, each, f"{each} {MAIL}".replace("K", "n") if each is not None else None, "1977-08-07", [each], {"k": each})
        for n, each in enumerate(NASTY)
    ),
    (100, MAIL * 200, f"{LONG}{MAIL}\n{LONG}", None, None, None),
    (101, "K", "\u00fc", None, [], {}),
]


def shown(row: tuple[Any, ...]) -> tuple[Any, ...]:
    number, email, note, born, tags, doc = row
    return (
        number,
        None if email is None else "*" * len(email),
        None if note is None else note.replace(MAIL, "*" * len(MAIL)),
        None if born is None else "2000-01-01",
        None if tags is None else [None if each is None else "*" * len(each) for each in tags],
        None if doc is None else {key: None if each is None else "*" * len(each) for key, each in doc.items()},
    )


def written(**options: str) -> str:
    said = [f"{name} {value}" for name, value in options.items() if value]
    return f"({', '.join(said)})" if said else ""


def text_options() -> Iterator[tuple[str, str]]:
    """How rows are written, and how such are read back: text."""
    marks = product(("", "'|'", "'*'"), ("", "'NIL'", "''"), ("", "true"), ("", "'LATIN1'"))
    for delimiter, null, header, encoding in marks:
        options = written(delimiter=delimiter, null=null, header=header, encoding=encoding)
        if null != "'NIL'":  # a value could look like it: refused, see below
            yield options, options


def csv_options() -> Iterator[tuple[str, str]]:
    marks = ("", "E'\\t'", "'*'"), ("", "''''"), ("", "'\\'", "'*'"), ("", "'NULL'", "'***'")
    for number, (delimiter, quote, escape, null) in enumerate(product(*marks)):
        if "'*'" == delimiter == escape or (null == "'***'" and "'*'" in (delimiter, escape)):
            continue  # PostgreSQL refuses these
        options = {"format": "csv", "delimiter": delimiter, "quote": quote, "escape": escape, "null": null}
        options["header"], options["encoding"] = "true" * (number % 2), "'LATIN1'" * (number % 5 < 2)
        yield written(**options, force_quote=("", "*", "(email, note)", "(tags)")[number % 4]), written(**options)


class Base(LiveCase):
    options: ClassVar[Options] = DEMO
    made: ClassVar[set[str]] = set()

    def setUp(self) -> None:
        super().setUp()
        self.direct = psycopg.connect(self.stage.cluster.url("postgres", self.stage.cluster.password, "shop"))
        self.addCleanup(self.direct.close)
        if type(self).__name__ not in self.made:
            self.made.add(type(self).__name__)
            self.direct.execute(TABLES)
            insert = "INSERT INTO copied (id, email, note, born, tags, doc) VALUES (%s, %s, %s, %s, %s, %s)"
            for *values, doc in ROWS:
                self.direct.execute(insert, (*values, None if doc is None else psycopg.types.json.Jsonb(doc)))
            self.direct.commit()
        self.reader, self.writer = self.connect(), self.connect("writer", autocommit=False)

    def written(self, what: str, options: str) -> bytes:
        with self.reader.cursor().copy(f"COPY {what} TO STDOUT {options}".encode()) as copy:
            return b"".join(map(bytes, copy))

    def check(self, what: str, options: str, back: str) -> None:
        data = self.written(what, options)
        self.assertFalse(b"me@exam" in data or b"K" in data.replace(b"NULL", b""), options)
        self.direct.execute("CREATE TEMP TABLE back (id int, email text, note text, born date, tags text[], doc jsonb)")
        with self.direct.cursor().copy(f"COPY back FROM STDIN {back}".encode()) as copy:
            copy.write(data)
        found = self.direct.execute("SELECT id, email, note, born::text, tags, doc FROM back ORDER BY id").fetchall()
        self.direct.rollback()
        for row, wanted in zip(found, map(shown, ROWS), strict=True):
            if "csv" not in options and "null ''" in options:  # as it is directly: an empty text is NULL
                wanted = tuple(each or None if isinstance(each, str) else each for each in wanted)
            self.assertTrue(row == wanted, f"{options}: {str(row)[:200]} for {str(wanted)[:200]}")

    def taken(self, into: str, options: str, data: bytes) -> tuple[Any, ...]:
        """The rows that a COPY FROM makes of data, through the gateway and directly; or its SQLSTATE."""
        found: list[Any] = []
        for connection in (self.writer, self.direct):
            try:
                with connection.cursor().copy(f"COPY {into} FROM STDIN {options}".encode()) as copy:
                    for at in range(0, len(data), 7):
                        copy.write(data[at : at + 7])
                found.append(connection.execute("SELECT id, note FROM copied_in ORDER BY id").fetchall())
            except psycopg.Error as error:
                found.append(error.sqlstate)
            connection.rollback()
        return tuple(found)


class Masked(Base):
    options: ClassVar[Options] = Options(more={"guardrails.d/90-test.toml": MASKS})

    def test_text(self) -> None:
        """must-survive 19: text with each delimiter, mark of NULL, header and encoding; of the table and of a query."""
        for options, back in text_options():
            self.check("copied", options, back)
        self.check("(SELECT id, email, note, born, tags, doc FROM copied)", "", "")

    def test_csv(self) -> None:
        """must-survive 19: csv with each delimiter, quote, escape, mark of NULL, header, encoding, FORCE_QUOTE."""
        for options, back in csv_options():
            self.check("copied (id, email, note, born, tags, doc)", options, back)

    def test_binary(self) -> None:
        """must-survive 19: and in binary."""
        self.check("copied", "(format binary)", "(format binary)")
        self.check("copied", "(format binary, encoding 'LATIN1')", "(format binary, encoding 'LATIN1')")

    def test_marks_that_would_tell(self) -> None:
        """A mark of NULL that a masked value may equal is refused in text format."""
        with self.assertRaises(psycopg.DatabaseError) as refused:
            self.written("copied", "(null 'NIL')")
        self.assertIn("would tell", str(refused.exception))


class Taken(Base):
    """COPY FROM into a masked table."""

    options: ClassVar[Options] = Options(more={"guardrails.d/90-test.toml": MASKS.replace("copied", "copied_in")})

    def test_options(self) -> None:
        """Rows arrive as they would directly, whatever the options; and so does what is wrong with them."""
        for options, data in (
            ("", b"1\tK\\tK\tx\n2\t\\N\t\\\\\n\\.\n"),
            ("(delimiter '|', null 'NIL', encoding 'LATIN1')", b"1|NIL|\xfc\n"),
            ("(format csv)", b'1,"K,""K\n""",x\n2,,""\n'),
            ("(format csv, quote '''', escape '\\', delimiter E'\\t')", b"1\t'K\\''\tx\n"),
            ("(format csv, header)", b"anything,at,all\n1,K,x\n"),
            ("(format csv, header match)", b"id,email,note\n1,K,x\n"),
            ("(format csv, header match)", b"id,mail,note\n1,K,x\n"),
            ("(format csv, null 'NIL', force_null (note), force_not_null (email))", b'1,NIL,"NIL"\n'),
            ("(header)", b"id\temail\tnote\n1\tK\tx\n"),
            ("(format binary)", SIGNATURE + bytes(8) + b"\0\3\0\0\0\4\0\0\0\7" + b"\0\0\0\1K" * 2 + b"\xff\xff"),
            ("(format binary)", SIGNATURE + bytes(8) + b"\0\4"),
            ("", b"1\tK\n"),
            ("", b"K\tK\tK\n"),
        ):  # fmt: skip
            through, direct = self.taken("copied_in", options, data)
            self.assertEqual(through, direct, options)
        self.assertEqual(self.taken("copied_in (id, note)", "with csv", b"1,x\n"), ([(1, "x")],) * 2)


class Latest(Base):
    """The options that PostgreSQL has had since 16 (DEFAULT) and 17 (ON_ERROR, FORCE_NULL *)."""

    options: ClassVar[Options] = Options(
        more={"guardrails.d/90-test.toml": MASKS}, programs=Programs(SERVERS / "postgresql-18")
    )

    def setUp(self) -> None:
        if not (SERVERS / "postgresql-18/native/bin/postgres").exists():
            raise SkipTest("PostgreSQL 18 is not here: `make test` fetches it")
        super().setUp()

    def test_options_of_to(self) -> None:
        """must-survive 19: they mask as before."""
        for options, back in (("", ""), ("(format csv, force_quote *)", "(format csv)"), ("(format binary)",) * 2):
            self.check("copied", options, back)

    def test_options_of_from(self) -> None:
        """They pass."""
        for options, data in (
            ("(default '\\D')", b"1\t\\D\tx\n"),
            ("(format csv, default 'D', null '')", b"1,D,D\n2,,\n"),
            ("(format csv, force_null *, null 'N')", b'1,"N","N"\n'),
            ("(on_error ignore)", b"K\tK\tK\n2\tK\tx\n"),
            ("(format csv, on_error ignore, reject_limit 1)", b"K,K,K\nK,K,K\n"),
        ):
            through, direct = self.taken("copied_in", options, data)
            self.assertEqual(through, direct, options)
