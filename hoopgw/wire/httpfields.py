"""The fields of an HTTP/1.1 head, and what they say of its body (RFC 9112, 5 and 6).  No I/O, no policy.

Strict: what two parsers could read differently is an error, and nothing is repaired.
"""

from __future__ import annotations

import re
from typing import Final, final

from hoopgw.model.errors import HeadTooLong, MalformedFrame
from hoopgw.model.http import alike

MAX_FIELDS: Final = 200  # nginx and Node take more; Apache 100
MAX_LENGTH_DIGITS: Final = 18  # of Content-Length: below 2^63, which every parser can hold

# Framing of a body
NO_BODY: Final = 0
LENGTH: Final = 1
CHUNKED: Final = 2
UNTIL_CLOSE: Final = 3  # of responses only

TOKEN: Final = bytes(sorted(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # HTAB may stand inside a value
_DIGITS: Final = re.compile(rb"[0-9]+\Z")
# What frames or routes: named with another mark than a hyphen, a CGI-like server takes it for the real one
_IMITABLE: Final = frozenset((b"content-length", b"transfer-encoding", b"host", b"connection", b"authorization"))
# What no `Connection` may make hop-by-hop: it would vanish on the way
_END_TO_END: Final = frozenset(
    (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"authorization",
        b"cookie",
        b"content-type",
        b"content-encoding",
    )
)

Field = tuple[bytes, bytes]


@final
class Block:
    """The fields of one head.  Shared by every message whose fields are the same bytes.

    fields      (name in lower case, value without blanks around it), in order
    lines       the same as they stood there, without CR LF
    framing     NO_BODY, LENGTH or CHUNKED, by the fields alone
    length      bytes of the body for LENGTH
    hops        names that `Connection` makes hop-by-hop, without `close` and `keep-alive`
    close       `Connection: close` was said
    keep_alive  `Connection: keep-alive` was said
    host        of a request: its only Host, once it was looked at
    """

    __slots__ = ("fields", "lines", "framing", "length", "hops", "close", "keep_alive", "host")

    def __init__(self, fields: tuple[Field, ...], lines: tuple[bytes, ...]) -> None:
        self.fields = fields
        self.lines = lines
        self.framing, self.length = _framing(fields)
        said = _connection(fields)
        self.close = b"close" in said
        self.keep_alive = b"keep-alive" in said
        self.hops = said - {b"close", b"keep-alive"}
        self.host = b""

    def values(self, name: bytes) -> list[bytes]:
        """Of every field with this name, in lower case."""
        return [value for each, value in self.fields if each == name]

    def one(self, name: bytes) -> bytes:
        """The field's only value; b"" where there is none.  Raises MalformedFrame where there are several."""
        found = self.values(name)
        if len(found) > 1:
            raise MalformedFrame(f"{name.decode('ascii')} is given {len(found)} times")
        return found[0] if found else b""


def read_block(block: bytes) -> Block:
    """The lines between start line and empty line, each with its CR LF (RFC 9112, 5).

    Raises MalformedFrame for whatever is not exactly `name: value`: folded lines, blanks before the colon, control
    characters, a CR or LF alone; and for a body whose end two parsers could see at different places.
    """
    if not block:
        return Block((), ())
    if not block.endswith(b"\r\n"):
        raise MalformedFrame("a field that does not end in CR LF")
    lines = block[:-2].split(b"\r\n")
    if len(lines) > MAX_FIELDS:
        raise HeadTooLong(f"more than {MAX_FIELDS} fields")
    return Block(tuple([field_of(line) for line in lines]), tuple(lines))


def field_of(line: bytes) -> Field:
    """(name in lower case, value) of one line without CR LF."""
    colon = line.find(b":")
    name = line[:colon] if colon > 0 else b""
    if not name or name.translate(None, TOKEN):
        raise MalformedFrame("a field without a name that is a token right before the colon")
    if _CONTROL.search(line) is not None:
        raise MalformedFrame("a control character in a field")
    name = name.lower()
    other = alike(name)
    if other != name and other in _IMITABLE:
        raise MalformedFrame(f"{name.decode('ascii')} could be taken for another field")
    return name, line[colon + 1 :].strip(b" \t")


def _framing(fields: tuple[Field, ...]) -> tuple[int, int]:
    """RFC 9112, 6: one Content-Length in digits, or one Transfer-Encoding that says `chunked`, never both."""
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if codings:
        if lengths:
            raise MalformedFrame("both Transfer-Encoding and Content-Length")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise MalformedFrame("a transfer coding other than chunked")
        return CHUNKED, 0
    if not lengths:
        return NO_BODY, 0
    if len(lengths) > 1:
        raise MalformedFrame("more than one Content-Length")
    if len(lengths[0]) > MAX_LENGTH_DIGITS or _DIGITS.match(lengths[0]) is None:
        raise MalformedFrame("a Content-Length that is no number")
    return LENGTH, int(lengths[0])


def _connection(fields: tuple[Field, ...]) -> frozenset[bytes]:
    said: set[bytes] = set()
    for name, value in fields:
        if name == b"connection":
            said.update(option.strip(b" \t").lower() for option in value.split(b","))
    said.discard(b"")
    wrong = said & _END_TO_END
    if wrong:
        raise MalformedFrame(f"Connection names {b', '.join(sorted(wrong)).decode('latin-1')}")
    return frozenset(said)
