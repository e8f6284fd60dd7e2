"""A password as SCRAM hashes it: SASLprep (RFC 4013), with the way out that PostgreSQL takes."""

from __future__ import annotations

import stringprep
import unicodedata


def prepared_password(password: bytes) -> bytes:
    """The bytes that go into the key derivation, never fails.

    As PostgreSQL does on both sides (documentation, 55.3.1): a password that is not UTF-8, or that SASLprep
    prohibits, is taken as it is.
    """
    if password.isascii():
        return password
    try:
        prepared = saslprep(password.decode())
    except ValueError:
        return password
    return prepared.encode() or password


def saslprep(text: str) -> str:
    """RFC 4013: map, normalise, check.  Raises ValueError for a prohibited or unassigned character, or for text of
    mixed direction."""
    mapped = "".join(_mapped(char) for char in text)
    normal = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)  # the Unicode version that RFC 3454 fixes
    if any(_prohibited(char) for char in normal):
        raise ValueError("a character that SASLprep prohibits")
    _check_direction(normal)
    return normal


def _mapped(char: str) -> str:
    if stringprep.in_table_c12(char):  # other spaces become a space
        return " "
    return "" if stringprep.in_table_b1(char) else char  # commonly mapped to nothing


def _prohibited(char: str) -> bool:
    return (
        stringprep.in_table_a1(char)
        or stringprep.in_table_c12(char)
        or stringprep.in_table_c21_c22(char)
        or stringprep.in_table_c3(char)
        or stringprep.in_table_c4(char)
        or stringprep.in_table_c5(char)
        or stringprep.in_table_c6(char)
        or stringprep.in_table_c7(char)
        or stringprep.in_table_c8(char)
        or stringprep.in_table_c9(char)
    )


def _check_direction(text: str) -> None:
    """RFC 3454, section 6: right-to-left text has no left-to-right letter, and starts and ends right to left."""
    if not any(stringprep.in_table_d1(char) for char in text):
        return
    if any(stringprep.in_table_d2(char) for char in text):
        raise ValueError("text of both directions")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise ValueError("right-to-left text that does not start and end so")
