"""Whether a statement's text may stand in a script: nothing in it but what psql hands to the server as it is.

psql obeys a backslash as a command of its own (`\\!` starts a shell) wherever it does not take it for quoted, and a
quote or comment that does not end would take in what follows.
PostgreSQL documentation: 4.1, and psql, "Meta-Commands".
"""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[^'\"$:/;\-]+")
_DOLLAR = re.compile(r"\$(?:[A-Za-z_\u0080-\uffff][A-Za-z_0-9\u0080-\uffff]*)?\$")
_OBEYED = re.compile(r"\\|\bcopy\b.*\bstdin\b", re.IGNORECASE | re.DOTALL)
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_COMMENT_MARK = re.compile(r"/\*|\*/")


def for_psql(text: str) -> str | None:
    """The text as psql sends it on unchanged, in one message; None where it may not stand in a script.

    Printable, every quote and comment ended, no psql variable, and no COPY FROM STDIN, behind which psql takes lines
    for data.  No backslash at all: whether one is quoted depends on settings, prefixes and continued strings, and a
    reader that is wrong about one of them would hand psql a command.  Semicolons between statements become `\\;`.
    """
    if not text.strip() or _OBEYED.search(text) or not text.replace("\n", "").replace("\t", "").isprintable():
        return None
    parts: list[str] = []
    here = 0
    while here < len(text):
        plain = _PLAIN.match(text, here)
        if text[here] == ";":
            parts.append("\\;")
            here += 1
            continue
        end = plain.end() if plain is not None else _after(text, here)
        if end < 0:
            return None
        parts.append(text[here:end])
        here = end
    return "".join(parts)


def _after(text: str, here: int) -> int:
    """Where what begins at `here` ends; -1 where it does not, or must not stand there."""
    char, two = text[here], text[here : here + 2]
    if char in "'\"":  # a doubled quote is two strings here, which end at the same place
        return text.find(char, here + 1) + 1 or -1
    if char == "$":
        return _dollar(text, here)
    if two == "--":
        return text.find("\n", here) + 1 or -1  # at the very end it would take in the semicolon
    if two == "/*":
        return _block(text, here)
    if char == ":" and two not in ("::", ":="):
        return -1
    return here + (2 if two in ("::", ":=") else 1)


def _word(text: str, at: int) -> bool:
    return at >= 0 and (text[at].isalnum() or text[at] in "_$")


def _dollar(text: str, here: int) -> int:
    opening = None if _word(text, here - 1) else _DOLLAR.match(text, here)
    if opening is None:
        return here + 1
    end = text.find(opening[0], opening.end())
    return end + len(opening[0]) if end >= 0 else -1


def _block(text: str, here: int) -> int:
    """Block comments nest."""
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, here):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return -1


def literal(value: str) -> str:
    """As a string constant that means the same whatever standard_conforming_strings is; printable, on one line."""
    quoted = value.replace("'", "''")
    if "\\" not in value and value.isprintable():
        return f"'{quoted}'"
    return "E'" + "".join(map(_escape, quoted)) + "'"


def _escape(char: str) -> str:
    if char == "\\" or not char.isprintable():
        number = ord(char)
        return _ESCAPES.get(char) or (f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}")
    return char
