"""What CommandComplete says of names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.postgres_commands import is_usual

USUAL = (b"SELECT 1", b"INSERT 0 1", b"UPDATE 0", b"DELETE 12", b"BEGIN")
OTHERS = (
    b"CREATE TABLE", b"BEGINNING", b"COMMIT", b"ROLLBACK", b"PREPARE", b"DECLARE CURSOR", b"DISCARD ALL", b"DEALLOCATE",
    b"DO", b"CALL", b"SET", b"MERGE 1", b"COPY 3", b"FETCH 1", b"select 1", b"",
)  # fmt: skip


class Usual(SynchronousTestCase):
    def test_tags(self) -> None:
        """Those that say nothing of names, wherever they stand; a message that ends its read may be looked at whole."""
        behind = b"\0Z\0\0\0\5I"
        for tag in USUAL:
            self.assertTrue(is_usual(b"xy" + tag + behind, 2), tag)
            self.assertFalse(is_usual(tag[:5], 0), tag)
        for tag in OTHERS:
            self.assertFalse(is_usual(b"xy" + tag + behind, 2), tag)

    @given(st.binary(max_size=20), st.integers(0, 24))
    def test_junk(self, data: bytes, start: int) -> None:
        """Any other bytes are not usual."""
        self.assertFalse(is_usual(data.replace(b"E", b"e"), start))
