"""XML text -> what stands between its tags and in its attributes (XML 1.0).  Compiled loops.

Tags, names and white space between tags stay.  What has a document type, whose entities may say anything, and what is
no XML is not cut.
"""

from __future__ import annotations

import re
from typing import Final

from mypy_extensions import i64

from hoopgw.wire.pieces import BARE, MARKUP, Piece

TEXT: Final = 0  # parts
NAMESPACE: Final = 1  # the value of xmlns or xmlns:prefix: prefixes with different ones must stay different
NAME: Final = 2  # of a tag, an attribute or a processing instruction

_DECLARATION: Final = re.compile(
    rb"<\?xml[ \t\r\n]+version=([\"'])1\.[0-9]\1([ \t\r\n]+encoding=([\"'])[A-Za-z][A-Za-z0-9._-]{0,39}\3)?"
    rb"([ \t\r\n]+standalone=([\"'])(yes|no)\5)?[ \t\r\n]*\?>"
)
_ENTITY: Final = re.compile(rb"&(?:#([0-9]{1,3})|#x([0-9a-fA-F]{1,2})|(amp|lt|gt|quot|apos));")
_NAMED: Final = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_NO_NAME: Final = frozenset(b" \t\r\n\"'<>=/&?!")


def xml_pieces(data: bytes) -> list[Piece] | None:
    found: list[Piece] = []
    size: i64 = len(data)
    here: i64 = 0
    declared = _DECLARATION.match(data)
    if declared is not None:
        here = declared.end()
    while here < size:
        if data[here] != 60:
            end: i64 = data.find(b"<", here)
            if end < 0:
                end = size
            if not data[here:end].isspace():
                found.append(Piece(here, end, plain(data[here:end]), MARKUP, TEXT))
            here = end
            continue
        here = _behind_markup(data, here, found)
        if here < 0:
            return None
    return found


def plain(text: bytes) -> bytes:
    """What references to characters of ASCII and the five entities of XML itself stand for."""
    return _ENTITY.sub(_meant, text) if b"&" in text else text


def _meant(match: re.Match[bytes]) -> bytes:
    decimal, hexadecimal, name = match.groups()
    if name is not None:
        return _NAMED[name]
    code = int(decimal) if decimal is not None else int(hexadecimal, 16)
    return bytes((code,)) if code < 128 else match.group()


def _behind_markup(data: bytes, here: i64, found: list[Piece]) -> i64:
    """Behind what begins with this `<`; -1 where it does not end, or is not known here."""
    if data[here : here + 4] == b"<!--":
        return _up_to(data, here + 4, b"-->", found)
    if data[here : here + 9] == b"<![CDATA[":
        return _up_to(data, here + 9, b"]]>", found)
    if data[here : here + 2] == b"<?":
        end = _behind_name(data, here + 2, found)
        return _up_to(data, end, b"?>", found) if end > 0 else -1
    if data[here : here + 2] == b"</":
        end = _behind_name(data, here + 2, found)
        end = _behind_space(data, end) if end > 0 else len(data)
        return end + 1 if data[end : end + 1] == b">" else -1
    return _behind_tag(data, here, found)


def _up_to(data: bytes, start: i64, mark: bytes, found: list[Piece]) -> i64:
    """Up to and with `mark`, with what stands before it as a piece."""
    start = _behind_space(data, start)
    end: i64 = data.find(mark, start)
    if end < 0:
        return -1
    if end > start:
        found.append(Piece(start, end, data[start:end], BARE, TEXT))
    return end + len(mark)


def _behind_name(data: bytes, start: i64, found: list[Piece]) -> i64:
    """-1 where no name is."""
    here: i64 = start
    size: i64 = len(data)
    while here < size and data[here] not in _NO_NAME:
        here += 1
    if here == start:
        return -1
    found.append(Piece(start, here, data[start:here], BARE, NAME))
    return here


def _behind_space(data: bytes, here: i64) -> i64:
    size: i64 = len(data)
    while here < size:
        c: i64 = data[here]
        if c != 32 and c != 10 and c != 13 and c != 9:
            break
        here += 1
    return here


def _behind_tag(data: bytes, here: i64, found: list[Piece]) -> i64:
    """An opening or empty tag with its attributes."""
    here = _behind_name(data, here + 1, found)
    while here > 0:
        begin: i64 = here
        here = _behind_space(data, here)
        if data[here : here + 1] == b">":
            return here + 1
        if data[here : here + 2] == b"/>":
            return here + 2
        here = _behind_attribute(data, here, found) if here > begin else -1
    return -1


def _behind_attribute(data: bytes, start: i64, found: list[Piece]) -> i64:
    here: i64 = _behind_name(data, start, found)
    if here < 0:
        return -1
    name = data[start:here]
    here = _behind_space(data, here)
    if data[here : here + 1] != b"=":
        return -1
    here = _behind_space(data, here + 1)
    quote = data[here : here + 1]
    if quote != b'"' and quote != b"'":
        return -1
    end: i64 = data.find(quote, here + 1)
    if end < 0 or data.find(b"<", here, end) >= 0:
        return -1
    if end > here + 1:
        spaces = name == b"xmlns" or name.startswith(b"xmlns:")
        found.append(Piece(here + 1, end, plain(data[here + 1 : end]), MARKUP, NAMESPACE if spaces else TEXT))
    return end + 1
