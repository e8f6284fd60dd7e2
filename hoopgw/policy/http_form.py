"""The body of a form, multipart or not -> names and values, read so that no target can read it otherwise."""

from __future__ import annotations

import re

from hoopgw.policy.http_query import MAX_PAIRS, Pairs, others, read_query

MAX_BODY = 16 << 20  # bytes of a form: what a rule may buffer at most
MAX_PART_HEAD = 2048  # bytes of the fields of one part

# RFC 7578, 4.2, as browsers write it (WHATWG HTML, 4.10.21.8): quoted, `"`, CR and LF as %22, %0D and %0A
_DISPOSITION = re.compile(rb'content-disposition: *form-data; *name="([^"\r\n]*)"(?:; *filename="[^"\r\n]*")?', re.I)
_OTHER = re.compile(rb"content-(?:type|length): *[\x20-\x7e]*", re.I)
# RFC 7578, 4.6 and 5.1.2: ASP.NET reads a part by the character set of its type, Jetty a form by that of a field
_CHARSET = re.compile(rb"charset[^=;]*=[ \"']*([^\"'; ]*)", re.I)
_CHARSET_FIELD = "_charset_"
_UTF8 = ("", "utf-8", "utf8", "us-ascii")
_ENCODED = {b"%22": b'"', b"%0D": b"\r", b"%0A": b"\n", b"%0d": b"\r", b"%0a": b"\n"}


def read_form(body: bytes) -> Pairs:
    """application/x-www-form-urlencoded."""
    return _written(read_query(body, MAX_BODY))


def read_multipart(body: bytes, boundary: bytes) -> Pairs:
    """multipart/form-data (RFC 7578).  Whatever is not written as browsers and libraries write it is in doubt."""
    mark = b"--" + boundary
    if not boundary or not body.startswith(mark + b"\r\n"):
        return Pairs(doubt="a form that does not begin with its boundary")
    pieces = body.split(b"\r\n" + mark)
    if pieces[-1] not in (b"--", b"--\r\n") or len(pieces) > MAX_PAIRS:
        return Pairs(doubt="a form that does not end with its boundary, or of too many parts")
    if body.count(mark) != len(pieces):  # on a line of its own for a parser that takes a bare LF
        return Pairs(doubt="a boundary inside a part of a form")
    found: list[tuple[str, str]] = []
    for index, piece in enumerate(pieces[:-1]):
        part = _part(piece[len(mark) :] if index == 0 else piece)
        if isinstance(part, str):
            return Pairs(tuple(found), doubt=part)
        found.append(part)
    return _written(Pairs(tuple(found), tuple((other, value) for name, value in found for other in others(name))))


def _written(form: Pairs) -> Pairs:
    """In doubt where a field of it names another character set."""
    if all(map(_is_utf8, form.values(_CHARSET_FIELD))):
        return form
    return Pairs(form.sure, form.other, form.doubt or "a form in another character set than UTF-8")


def _is_utf8(charset: str) -> bool:
    return charset.strip().lower() in _UTF8


def _part(piece: bytes) -> tuple[str, str] | str:
    """Name and value, or why they cannot be known."""
    head, blank, value = piece.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if not blank or lines[0] or len(head) > MAX_PART_HEAD:
        return "a part of a form without a head"
    names = [found[1] for line in lines[1:] if (found := _DISPOSITION.fullmatch(line)) is not None]
    if len(names) != 1 or not all(_DISPOSITION.fullmatch(line) or _OTHER.fullmatch(line) for line in lines[1:]):
        return "a part of a form whose head can be read in several ways"
    types = [line for line in lines[1:] if _OTHER.fullmatch(line)]
    if not all(_is_utf8(told.decode("ascii")) for line in types for told in _CHARSET.findall(line)):
        return "a part of a form in another character set than UTF-8"
    name = re.sub(rb"%22|%0[dDaA]", lambda found: _ENCODED[found[0]], names[0])
    if b"\\" in name or b"\0" in name or b"=?" in name:  # Tomcat reads words that are encoded as in mail (RFC 2047)
        return "a part of a form whose name can be read in several ways"
    try:
        return name.decode("utf-8"), value.decode("utf-8", "surrogateescape")  # a file may be any bytes
    except UnicodeDecodeError:
        return "a part of a form whose name is not UTF-8"
