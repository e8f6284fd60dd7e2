"""The options of a COPY TO are read as PostgreSQL reads them: by them its rows are cut, and masked."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.facts import Copy
from hoopgw.policy.sql import Unreadable, analyse
from hoopgw.policy.sql_names import NameContext


def read(options: str) -> Copy:
    (statement,) = analyse(f"copy (select 1) to stdout {options}".encode(), None, NameContext()).statements
    assert statement.copy is not None
    return replace(statement.copy, fields=())


class Options(SynchronousTestCase):
    def test_header(self) -> None:
        """HEADER 0 is no header: the first row is masked as the others are."""
        for said in ("0", "00", "off", "false", "FALSE", "'Off'"):
            self.assertFalse(read(f"(format csv, header {said})").header, said)
        for options in ("csv header", "(header)", "(header 1)", "(header on)", "(header True)"):
            self.assertTrue(read(options).header, options)

    def test_marks(self) -> None:
        """A mark may be written as a string, a word, a number or a star."""
        self.assertEqual(read("(delimiter *)").delimiter, b"*")
        self.assertEqual(read("(format csv, quote *, escape 7)"), Copy("csv", b",", b"*", b"7", b""))
        self.assertEqual(read("(null 1.5)").null, b"1.5")
        self.assertEqual(read("(null 0)").null, b"0")
        self.assertEqual(read("(format csv)"), Copy("csv", b",", b'"', b'"', b""))
        self.assertEqual(read("csv quote '''' force quote *").escape, b"'")
        self.assertEqual(read("").null, b"\\N")

    def test_doubt(self) -> None:
        """What would be cut otherwise than by PostgreSQL is refused: a mark of more bytes, half characters."""
        for options in (
            "(delimiter '§')",
            "(format csv, quote 'é')",
            "(delimiter (a, b))",
            "(encoding 'SJIS')",
            "(encoding 'win932')",
            "(encoding 'GB18030', delimiter '0')",
            "encoding 'big-5'",
            "(encoding *)",
            "(format json)",
            "(compression 'gzip')",
        ):
            with self.subTest(options):
                self.assertRaises(Unreadable, read, options)
        for options in ("(encoding 'utf-8')", "encoding 'latin1'", "(encoding 'Windows-1252')", "(encoding 'euc_jp')"):
            with self.subTest(options):
                self.assertEqual(read(options), Copy())
