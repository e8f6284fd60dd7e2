"""Rows of the catalogue's queries -> values; what did not change between two readings is made once."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.catalogue_queries import QUERIES, Rows, catalogue

LOWER = (b"870", b"pg_catalog", b"lower", b"f", b"internal", b"i", b"f", b"25", b"25", b"0", b"0")
MINE = (b"20000", b"public", b"mine", b"f", b"sql", b"v", b"t", b"23", b"", b"0", b"0")


def results(*functions: tuple[bytes, ...]) -> list[Rows]:
    found: list[Rows] = [() for _ in QUERIES]
    found[4] = functions
    return found


class Readings(SynchronousTestCase):
    def test_what_is_the_same_is_made_once(self) -> None:
        """Thousands of functions are PostgreSQL's own: a reading after a change of the schema makes none anew."""
        first, second = (catalogue(results(LOWER, MINE), n) for n in (1, 2))
        self.assertEqual(first.functions, second.functions)
        self.assertIs(first.function_by_oid[870], second.function_by_oid[870])
        self.assertEqual((first.function_by_oid[870].name, first.function_by_oid[870].arguments), ("lower", (25,)))

    def test_what_changed_is_seen(self) -> None:
        """A function that was replaced by one of the same OID, name and kind."""
        catalogue(results(LOWER, MINE), 1)
        changed = catalogue(results(LOWER, (*MINE[:4], b"c", *MINE[5:])), 2)
        self.assertEqual(changed.function_by_oid[20000].language, "c")

    def test_a_null_is_no_row(self) -> None:
        """However often it is read."""
        for _ in range(2):
            self.assertRaises(ValueError, catalogue, results((*LOWER[:7], None, *LOWER[8:])), 1)  # type: ignore[arg-type]
