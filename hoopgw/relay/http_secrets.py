"""Bodies of requests, and what asks for a WebSocket, as the record has them: values of fields with a secret name are
stars, of the same length."""

from __future__ import annotations

import re
from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.httpchunks import chunk_of
from hoopgw.wire.httpfields import CHUNKED, Block, Field
from hoopgw.wire.secretform import SecretForm, has_secret
from hoopgw.wire.secretnames import SecretNames
from hoopgw.wire.secretpairs import may_have_pairs
from hoopgw.wire.secretparts import SecretParts
from hoopgw.wire.secretplaces import mentions
from hoopgw.wire.secrettext import SecretText
from hoopgw.wire.secretxml import SecretXml

# How a body is looked through
NONE: Final = 0  # by its type it has no named fields, unless it begins as JSON or XML does
TEXT: Final = 1
FORM: Final = 2
PARTS: Final = 3
WITHHELD: Final = 4  # it has some, and they cannot be found
LINES: Final = 5  # text whose lines have names as well
UNTYPED: Final = 6
MARKUP: Final = 7  # XML
PLAIN: Final = 8  # text as in LINES, unless it is XML

_TEXTUAL: Final = re.compile(rb"text/|[^;]*(?:json|graphql|javascript|ya?ml)\b")
_MARKED_UP: Final = re.compile(rb"[^;]*\bxml\b")
# They have named fields and are not read here
_UNREAD: Final = re.compile(
    rb"[^;]*\b(?:x-)?(?:cbor(?:-seq)?|x-amz-cbor-1\.[01]|msgpack|messagepack|bson|smile|ubjson|ion|amf|hessian|plist|xop"
    rb"|toml|hjson|java-properties|ini)\b"
)
_LINED: Final = re.compile(rb"[^;]*ya?ml\b|(?:application|message)/http\b")
_BOUNDARY: Final = re.compile(rb";[ \t]*boundary=(?:\"([^\"]+)\"|([^\"; \t]+))", re.IGNORECASE)
_CHARSET: Final = re.compile(rb";[ \t]*charset=\"?([^\"; \t]*)", re.IGNORECASE)
_ASCII: Final = frozenset((b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin1", b"windows-1252"))
_PAIR: Final = re.compile(rb"[A-Za-z0-9_.%+\[\]-]+(?:=|\Z)")  # how a form begins
_PROTOCOLS: Final = re.compile(rb"(?im)^(sec-websocket-protocol:)([^\r\n]*)")
_TAG: Final = b"<"  # how XML begins
_OPENS: Final = (b"{", b"[")  # how a text of JSON begins
_BLANKS: Final = b" \t\r\n"
_MARKED: Final = b"\xef\xbb\xbf"  # what may stand before it
_MARK: Final = 0xFE  # what both bytes of UTF-16's mark are at least


@final
class BodyKind:
    """Of the bodies that come with one block of fields."""

    __slots__ = ("boundary", "way")

    def __init__(self, way: int, boundary: bytes = b"") -> None:
        self.way = way
        self.boundary = boundary


_NONE: Final = BodyKind(NONE)
_PLAIN: Final = BodyKind(TEXT)


def kind_of(block: Block) -> BodyKind:
    """By Content-Type and Content-Encoding.  A body without a type, or with several, is text, or a form where it begins
    as one; a text may be XML as well."""
    types = block.values(b"content-type")
    told = types[0].strip(b" \t").lower() if types else b""
    if len(types) != 1 or not told:
        way, boundary = UNTYPED, b""
    elif told.startswith(b"application/x-www-form-urlencoded"):
        way, boundary = FORM, b""
    elif told.startswith(b"multipart/"):
        found = _BOUNDARY.search(types[0])
        boundary = b"" if found is None else found.group(1) or found.group(2)
        way = PARTS if boundary else WITHHELD
    elif _MARKED_UP.match(told) and b"xop" not in told:
        way, boundary = MARKUP, b""
    elif _LINED.match(told):
        way, boundary = LINES, b""
    elif told.partition(b";")[0].rstrip() == b"text/plain":
        way, boundary = PLAIN, b""
    elif _TEXTUAL.match(told):
        way, boundary = TEXT, b""
    elif _UNREAD.match(told):
        way, boundary = WITHHELD, b""
    else:
        return _NONE
    charset = _CHARSET.search(told)
    coded = any(each.strip(b" \t").lower() not in (b"", b"identity") for each in block.values(b"content-encoding"))
    if coded or (charset is not None and charset.group(1) not in _ASCII):
        return BodyKind(WITHHELD)
    return _PLAIN if way == TEXT else BodyKind(way, boundary)


def is_clean(kind: BodyKind, body: bytes, names: SecretNames) -> bool:
    """Nothing of a body that is whole is kept out of the record: most bodies need no more than this."""
    if kind.way == FORM:
        return b" " < body[:1] < b"\x80" and body[:1] not in _OPENS and not has_secret(body, names)
    if kind.way in (PARTS, WITHHELD) or (kind.way == UNTYPED and _PAIR.match(body)) or _is_markup(body):
        return False
    if kind.way in (LINES, PLAIN) and may_have_pairs(body):
        return False
    return not mentions(body, names) and not _is_wide(body)


def starred_protocols(lines: bytes, names: SecretNames) -> bytes:
    """Lines that ask for a WebSocket; the same object where nothing is starred.  Scripts in browsers can set no other
    field: a protocol behind one that is called `bearer`, or has a secret name, is a token, and so is all behind
    `bearer.` in one (Kubernetes)."""
    shown = _PROTOCOLS.sub(lambda found: found[1] + _starred_list(found[2], names), lines) if lines else lines
    return lines if shown == lines else shown


def _starred_list(value: bytes, names: SecretNames) -> bytes:
    shown: list[bytes] = []
    secret = False
    for each in value.split(b","):
        word = each.strip(b" \t")
        begin = 0 if secret else word.lower().find(b"bearer.") + 7
        starred = word[:begin] + b"*" * (len(word) - begin) if secret or begin > 6 else word
        shown.append(each.replace(word, starred) if starred != word else each)
        secret = word.lower() == b"bearer" or names.hides(word)
    return b",".join(shown)


def may_open(body: bytes) -> bool:
    """Whether it begins as JSON or XML does, or has not begun."""
    first = body[:4].removeprefix(_MARKED).lstrip(_BLANKS) or body.removeprefix(_MARKED).lstrip(_BLANKS)
    return first[:1] in _OPENS or first[:1] == _TAG or not first or first == _MARKED[: len(first)]


def _is_markup(body: bytes) -> bool:
    return body.removeprefix(_MARKED).lstrip(_BLANKS)[:1] == _TAG


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

    __slots__ = ("_chunked", "_first", "_form", "_kind", "_names", "_parts", "_single", "_text", "_xml", "withheld")

    def __init__(self, kind: BodyKind, names: SecretNames, framing: int) -> None:
        self._kind = kind
        self._names = names
        self._chunked = framing == CHUNKED
        self._first = b""  # byte of it
        self._single = False  # and there is no other yet
        self._text: SecretText | None = None
        self._xml: SecretXml | None = None
        self._form: SecretForm | None = None
        self._parts: SecretParts | None = None
        self.withheld = False

    @property
    def found(self) -> int:
        for each in (self._text, self._form, self._parts, self._xml):
            if each is not None:
                return each.found
        return 0

    def recorded(self, data: bytes, content: list[bytes], ended: bool, trailers: list[Field]) -> bytes:
        """`data` as the record has it, of which `content` is what is in its chunks; the same object where nothing is
        left out of it.  Chunks are others than the client's: what is left out may have been cut by them."""
        if not self._chunked:
            return self._starred(data)
        whole = self._starred(content[0] if len(content) == 1 else b"".join(content))
        framed = chunk_of(whole)
        if ended:
            lines = [name + b": " + value + b"\r\n" for name, value in trailers]
            framed += b"0\r\n" + b"".join(lines) + b"\r\n"
        return framed

    def _starred(self, data: bytes) -> bytes:
        if not self._first and data:
            self._first = data[:1]
            self._begin(data)
            self._single = len(data) == 1
        elif self._single and data:
            self._single = False
            known = self._text is not None or self._xml is not None
            self.withheld = self.withheld or (known and _is_wide(self._first + data[:1]))
        if self.withheld:
            return b"*" * len(data)
        if self._text is not None:
            return self._text.feed(data)
        if self._form is not None:
            return self._form.feed(data)
        if self._parts is not None:
            return self._parts.feed(data)
        if self._xml is not None:
            shown = self._xml.feed(data)
            self.withheld = self._xml.withheld
            return shown
        return data

    def _begin(self, data: bytes) -> None:
        """A form may be JSON: curl says that all it sends are forms."""
        way = self._kind.way
        opens = data.removeprefix(_MARKED).lstrip(_BLANKS)[:1] in _OPENS
        if way == PARTS:
            self._parts = SecretParts(self._names, self._kind.boundary)
        elif way == WITHHELD or (way != FORM and _is_wide(data)):
            self.withheld = True
        elif (way == MARKUP and not opens) or (way in (NONE, TEXT, UNTYPED, PLAIN) and _is_markup(data)):
            self._xml = SecretXml(self._names)
        elif (way == FORM and not opens) or (way == UNTYPED and _PAIR.match(data)):
            self._form = SecretForm(self._names)
        else:
            self._text = SecretText(self._names, way in (LINES, PLAIN) and not opens)
