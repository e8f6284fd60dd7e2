"""Text of somebody else's -> text that a terminal does not obey."""

from __future__ import annotations


def escaped(text: object) -> str:
    """With every character that could move a cursor, hide, or start a sequence shown by its number; on one line."""
    return "".join(char if char.isprintable() else _by_number(char) for char in str(text))


def _by_number(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
