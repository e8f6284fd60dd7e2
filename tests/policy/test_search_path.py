"""Values of search_path are read as PostgreSQL reads them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.search_path import quoted, schemas


class SearchPath(SynchronousTestCase):
    def test_names(self) -> None:
        """must-survive 17: without quotes in small letters, with quotes as they are, at most 63 bytes of each."""
        for value, wanted in (
            ("", ()),
            ("hr", ("hr",)),
            ("HR, Open", ("hr", "open")),
            ('"HR" ,"a""b", "x, y"', ("HR", 'a"b', "x, y")),
            ("\n hr\t,\fopen", ("hr", "open")),
            ("\u00c9T\u00c9", ("\u00c9t\u00c9", "\u00e9t\u00e9")),
            ("$USER", ("$user",)),
            ("x" * 64 + ', "' + "\u00e9" * 32 + '"', ("x" * 63, "\u00e9" * 31)),
        ):
            self.assertEqual(schemas(value), wanted, value)

    def test_set(self) -> None:
        """What SET is given is one schema each, as it is written."""
        for names in (("hr", "open"), ("HR",), ("hr, open",), ('a"b',), ("$user", "public")):
            self.assertEqual(schemas(quoted(names)), names)
