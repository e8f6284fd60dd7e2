"""Bodies of requests as the record has them: values of fields with a secret name are stars, of the same length."""

from __future__ import annotations

import re
from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.httpfields import CHUNKED, Block, Field
from hoopgw.wire.secretform import SecretForm, has_secret
from hoopgw.wire.secretnames import SecretNames
from hoopgw.wire.secretparts import SecretParts
from hoopgw.wire.secrettext import SecretText, mentions

# How a body is looked through
UNREAD: Final = 0  # by its type it has no named fields, or none that are known here
TEXT: Final = 1
FORM: Final = 2
PARTS: Final = 3
WITHHELD: Final = 4  # it has some, and they cannot be found

_TEXTUAL: Final = re.compile(rb"text/|[^;]*(?:json|graphql|javascript|ya?ml|x-amz-cbor-1\.0)\b")
_BOUNDARY: Final = re.compile(rb";[ \t]*boundary=(?:\"([^\"]+)\"|([^\"; \t]+))", re.IGNORECASE)
_CHARSET: Final = re.compile(rb";[ \t]*charset=\"?([^\"; \t]*)", re.IGNORECASE)
_ASCII: Final = frozenset((b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin1", b"windows-1252"))
_OPENS: Final = (b"{", b"[")  # how a text of JSON begins
_MARK: Final = 0xFE  # what both bytes of UTF-16's mark are at least


@final
class BodyKind:
    """Of the bodies that come with one block of fields."""

    __slots__ = ("boundary", "way")

    def __init__(self, way: int, boundary: bytes = b"") -> None:
        self.way = way
        self.boundary = boundary


_UNREAD: Final = BodyKind(UNREAD)
_PLAIN: Final = BodyKind(TEXT)


def kind_of(block: Block) -> BodyKind:
    """By Content-Type and Content-Encoding.  A body without a type, or with several, is looked through as text."""
    types = block.values(b"content-type")
    told = types[0].strip(b" \t").lower() if types else b""
    if len(types) != 1:
        way, boundary = TEXT, b""
    elif told.startswith(b"application/x-www-form-urlencoded"):
        way, boundary = FORM, b""
    elif told.startswith(b"multipart/"):
        found = _BOUNDARY.search(types[0])
        boundary = b"" if found is None else found.group(1) or found.group(2)
        way = PARTS if boundary else WITHHELD
    elif _TEXTUAL.match(told):
        way, boundary = TEXT, b""
    else:
        return _UNREAD
    charset = _CHARSET.search(told)
    coded = any(each.strip(b" \t").lower() not in (b"", b"identity") for each in block.values(b"content-encoding"))
    if coded or (charset is not None and charset.group(1) not in _ASCII):
        return BodyKind(WITHHELD)
    return _PLAIN if way == TEXT else BodyKind(way, boundary)


def is_clean(kind: BodyKind, body: bytes, names: SecretNames) -> bool:
    """Nothing of a body that is whole is kept out of the record: most bodies need no more than this."""
    if kind.way == FORM:
        return body[:1] > b" " and body[:1] not in _OPENS and not has_secret(body, names)
    if kind.way != TEXT:
        return False
    return not mentions(body, names) and not _is_wide(body)


def _is_wide(body: bytes) -> bool:
    """UTF-16 or UTF-32, by its mark, or by its first bytes: one of two that are a character of ASCII is NUL."""
    if len(body) < 2:
        return False
    first: i64 = body[0]
    second: i64 = body[1]
    return first == 0 or second == 0 or (first >= _MARK and second >= _MARK)


@final
class BodySecrets:
    """Follows one body.

    found     values that were starred so far
    withheld  the record has no more of it than its length
    """

    __slots__ = ("_began", "_chunked", "_form", "_kind", "_names", "_parts", "_text", "withheld")

    def __init__(self, kind: BodyKind, names: SecretNames, framing: int) -> None:
        self._kind = kind
        self._names = names
        self._chunked = framing == CHUNKED
        self._began = False
        self._text: SecretText | None = None
        self._form: SecretForm | None = None
        self._parts: SecretParts | None = None
        self.withheld = False

    @property
    def found(self) -> int:
        for each in (self._text, self._form, self._parts):
            if each is not None:
                return each.found
        return 0

    def recorded(self, data: bytes, content: list[bytes], ended: bool, trailers: list[Field]) -> bytes:
        """`data` as the record has it, of which `content` is what is in its chunks; the same object where nothing is
        left out of it.  Chunks are others than the client's: what is left out may have been cut by them."""
        if not self._chunked:
            return self._starred(data)
        whole = self._starred(content[0] if len(content) == 1 else b"".join(content))
        framed = b"%x\r\n%s\r\n" % (len(whole), whole) if whole else b""
        if ended:
            lines = [name + b": " + value + b"\r\n" for name, value in trailers]
            framed += b"0\r\n" + b"".join(lines) + b"\r\n"
        return framed

    def _starred(self, data: bytes) -> bytes:
        if not self._began and data:
            self._began = True
            self._begin(data)
        if self._text is not None:
            return self._text.feed(data)
        if self._form is not None:
            return self._form.feed(data)
        if self._parts is not None:
            return self._parts.feed(data)
        return b"*" * len(data)

    def _begin(self, data: bytes) -> None:
        """A form may be JSON: curl says that all it sends are forms."""
        way = self._kind.way
        opens = data.lstrip(b" \t\r\n")[:1] in _OPENS
        if way == PARTS:
            self._parts = SecretParts(self._names, self._kind.boundary)
        elif way == WITHHELD or (way == TEXT and _is_wide(data)):
            self.withheld = True
        elif way == FORM and not opens:
            self._form = SecretForm(self._names)
        else:
            self._text = SecretText(self._names)
