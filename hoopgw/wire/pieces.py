"""The values within a value: where each stands, and the same value with others in their places.

Whoever cuts a value into pieces leaves nothing between them but what its type is written with (brackets, commas,
lengths, names), and gives None for what is not laid out as its type says.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

SIZED: Final = 0  # binary: a length, and as many bytes
ELEMENT: Final = 1  # of an array as text (documentation, 8.15.6)
FIELD: Final = 2  # of a composite as text (documentation, 8.16.6)
QUOTED: Final = 3  # in quotes, with a backslash before quotes and backslashes: hstore
STRING: Final = 4  # of JSON
BARE: Final = 5  # as it is: a number or boolean of JSON, what stands in a comment of XML
MARKUP: Final = 6  # between tags or in an attribute of XML

_HEX: Final = b"0123456789abcdef"


@final
class Piece:
    """`data[start:end]` stands for `value`, None for NULL.  `part` says what of the whole it is, in the whole's own
    terms; `oid` is the type that binary formats name, else 0."""

    __slots__ = ("end", "form", "oid", "part", "start", "value")

    def __init__(self, start: i64, end: i64, value: bytes | None, form: i64, part: i64 = 0, oid: i64 = 0) -> None:
        self.start: i64 = start
        self.end: i64 = end
        self.value = value
        self.form: i64 = form
        self.part: i64 = part
        self.oid: i64 = oid


def behind_quotes(data: bytes, here: i64) -> i64:
    """Behind the quotes that open at `here`; -1 where they do not end."""
    size: i64 = len(data)
    here += 1
    while here < size:
        c: i64 = data[here]
        if c == 34:
            return here + 1
        here += 2 if c == 92 else 1
    return -1


def rejoined(data: bytes, pieces: list[Piece], shown: list[bytes | None], delimiter: i64) -> bytes:
    """`data` with what is shown of each piece in its place; `delimiter` is an array's.

    A piece whose own value is shown (the same object) stays as it was written.
    """
    out: list[bytes] = []
    here: i64 = 0
    index: i64 = 0
    for piece in pieces:
        value = shown[index]
        index += 1
        if value is piece.value:
            continue
        out.append(data[here : piece.start])
        out.append(written(value, piece.form, delimiter))
        here = piece.end
    out.append(data[here:])
    return b"".join(out)


def written(value: bytes | None, form: i64, delimiter: i64) -> bytes:
    """A value as it stands inside of another."""
    if form == SIZED:
        return b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
    if form == FIELD:
        return b"" if value is None else b'"' + escaped(value) + b'"'
    if form == ELEMENT:
        return b"NULL" if value is None else _element(value, delimiter)
    if form == QUOTED:
        return b"NULL" if value is None else b'"' + escaped(value) + b'"'
    if form == STRING:
        return b"null" if value is None else _string(value)
    if form == BARE:
        return b"" if value is None else value
    return b"" if value is None else _markup(value)


def escaped(value: bytes) -> bytes:
    return value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _element(value: bytes, delimiter: i64) -> bytes:
    """In quotes where array_out() would put it in quotes."""
    quotes = not value or value.upper() == b"NULL"
    for c in value:
        if c == 123 or c == 125 or c == 34 or c == 92 or c == delimiter or c == 32 or 9 <= c <= 13:
            quotes = True
            break
    return b'"' + escaped(value) + b'"' if quotes else value


def _string(value: bytes) -> bytes:
    out = bytearray(b'"')
    for c in value:
        if c == 34 or c == 92:
            out.append(92)
            out.append(c)
        elif c < 32:
            out += b"\\u00"
            out.append(_HEX[c >> 4])
            out.append(_HEX[c & 15])
        else:
            out.append(c)
    out.append(34)
    return bytes(out)


def _markup(value: bytes) -> bytes:
    value = value.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")
    return value.replace(b'"', b"&quot;").replace(b"'", b"&apos;")
