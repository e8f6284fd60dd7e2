"""Names that another database writes in small letters."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.sql_folding import may_fold


class Folding(SynchronousTestCase):
    def test_capitals(self) -> None:
        """A capital of a name without quotes; none in quotes, in literals, or in ASCII."""
        for text in ("select \u00c9", "execute \u00c9t\u00e9", "select 'a''b' from \u00c9", 'select "a" from t.\u00c9'):
            self.assertTrue(may_fold(text.encode()), text)
        for text in (
            "select \u00e9 from A", "insert into t values ('\u00c9', '\u00c9''s \"')", 'select "\u00c9" from t',
            "select '\"' || \"'\" || '\u00c9'", "", "execute \u6f22",
        ):  # fmt: skip
            self.assertFalse(may_fold(text.encode()), text)

    def test_where_quotes_are_not_sure(self) -> None:
        """Comments, dollar quotes and escapes may hide where a quote begins; a body is a text of its own."""
        for text in (
            "select 1 -- '\n, \u00c9 --'", "select /*'*/ \u00c9 /*'*/", "select $$'$$, \u00c9, $$'$$",
            "select E'\\'', \u00c9, '", "select 1; do 'select \u00c9'",
            "create function f() returns int language sql as 'select \u00c9'", "DO 'select \u00c9'",
            "create procedure p() language sql as 'select \u00c9'",
        ):  # fmt: skip
            self.assertTrue(may_fold(text.encode()), text)
        self.assertFalse(may_fold("insert into t values ('\u00c9') on conflict do nothing".encode()))
