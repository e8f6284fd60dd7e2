"""SASLprep: the examples of RFC 4013, and PostgreSQL's way out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.saslprep import prepared_password, saslprep


class Saslprep(SynchronousTestCase):
    def test_examples_of_the_rfc(self) -> None:
        """RFC 4013, section 3: the examples give what the table says."""
        for given_text, prepared in (("I\u00adX", "IX"), ("user", "user"), ("\u00aa", "a"), ("\u2168", "IX")):
            self.assertEqual(saslprep(given_text), prepared)

    def test_prohibited_examples_of_the_rfc(self) -> None:
        """RFC 4013, section 3: a control character and text of mixed direction are refused."""
        for text in ("\u0007", "\u0627\u0031", "\u0627a\u0627"):
            with self.assertRaises(ValueError):
                saslprep(text)

    def test_other_spaces_become_a_space(self) -> None:
        """RFC 4013, section 2.1: a no-break space is a space."""
        self.assertEqual(saslprep("a\u00a0b"), "a b")

    def test_password_that_cannot_be_prepared_is_taken_as_it_is(self) -> None:
        """PostgreSQL takes a password as it is where SASLprep gives up: not UTF-8, control characters, unassigned."""
        for password in (b"\xff\xfe", "\u0007\u00e9".encode(), b"bell\x07", "\u0221".encode()):
            self.assertEqual(prepared_password(password), password)

    def test_password_is_normalised(self) -> None:
        """Two ways to write the same letter are one password."""
        self.assertEqual(prepared_password("e\u0301".encode()), prepared_password("\u00e9".encode()))

    @given(some.binary(max_size=64))
    def test_any_password_has_a_prepared_form(self, password: bytes) -> None:
        """Preparing never fails, and never gives an empty password for one that is not."""
        self.assertEqual(bool(prepared_password(password)), bool(password))
