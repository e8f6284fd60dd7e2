"""A statement's shape: its text without its literals, so that statements that differ in nothing else share a verdict.

This is a second lexer in a security decision, so it knows almost nothing: whole numbers and decimals, and strings
without a backslash.  Whatever could begin another kind of token is a miss, and the text is judged by itself.  Two texts
of one shape have the same facts (tests/policy/test_sql_shape.py holds that to PostgreSQL's own grammar).
"""

from __future__ import annotations

import re

NUMBER = b"\x01"
STRING = b"\x02"

# dollar quotes and parameters, backslashes, quoted identifiers, other alphabets, control characters, comments, and
# prefixed strings (E'', U&'', B'', X'', N'')
_UNKNOWN = re.compile(rb"[$\\\"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]|--|/\*|[A-Za-z0-9_&]'")
_LITERAL = re.compile(rb"'[^']*'|(?<![A-Za-z0-9_.])[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_.])")


def shape(text: bytes) -> bytes | None:
    """The shape, or None where this text has none.  Linear in the text's length."""
    if _UNKNOWN.search(text) is not None or text.count(b"'") & 1:
        return None
    return _LITERAL.sub(_placeholder, text)


def _placeholder(found: re.Match[bytes]) -> bytes:
    return STRING if found[0][0] == 39 else NUMBER
