"""What is sent by one type, a body, a part of one or a message, in pieces -> the same, at the same length, with the
values of secret names starred.

One choice for all of them of how it is looked through: by its type, and by how it begins.  Compiled.
"""

from __future__ import annotations

import re
from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.secretaddresses import SecretAddresses
from hoopgw.wire.secretbinary import SecretBinary, is_packed
from hoopgw.wire.secretform import SecretForm
from hoopgw.wire.secretnames import MAX_NAME, SecretNames
from hoopgw.wire.secretrows import SecretRows
from hoopgw.wire.secrettext import SecretText
from hoopgw.wire.secretxml import SecretXml

NONE: Final = 0  # by its type it has no named fields, unless it begins as JSON, XML, MessagePack or CBOR does
TEXT: Final = 1
FORM: Final = 2
PARTS: Final = 3  # not for here
WITHHELD: Final = 4  # it has some, and they cannot be found
LINES: Final = 5  # text whose lines have names as well
UNTYPED: Final = 6
MARKUP: Final = 7  # XML
PLAIN: Final = 8  # text as in LINES, unless it is XML
ROWS: Final = 9

_TEXTUAL: Final = re.compile(rb"text/|[^;]*(?:json|graphql|javascript|ya?ml)\b")
_MARKED_UP: Final = re.compile(rb"[^;]*\bxml\b")
# They have named fields and are not read here
_UNREAD: Final = re.compile(
    rb"[^;]*\b(?:x-)?(?:cbor(?:-seq)?|x-amz-cbor-1\.[01]|msgpack|messagepack|bson|smile|ubjson|ion|amf|hessian|plist|xop"
    rb"|toml|hjson|java-properties|ini)\b"
)
_LINED: Final = re.compile(rb"[^;]*ya?ml\b|(?:application|message)/http\b")
_PLAIN: Final = re.compile(
    rb"(?:text/(?:plain|x-[\w-]*)|application/(?:sql|x-sql|x-sh|x-csh|x-shellscript|x-python|x-perl|x-php|x-httpd-php))"
    rb"[ \t]*(?:;|\Z)"
)
# Windows calls CSV the last
_ROWS: Final = re.compile(rb"[^;]*\b(?:csv|tab-separated-values|vnd\.ms-excel(?![.\w]))\b")
_CHARSET: Final = re.compile(rb";[ \t]*charset=[\"']?([^\"'; \t]*)", re.IGNORECASE)
_ASCII: Final = frozenset((b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin1", b"windows-1252"))
_PAIR: Final = re.compile(rb"[A-Za-z0-9_.%+\[\]-]+(?:=|\Z)")  # how a form begins
TABULAR: Final = (TEXT, PLAIN, UNTYPED)  # they may be tables
MAX_LINE: Final = 8192  # bytes of one that names columns
_APART: Final = re.compile(rb"[,;\t|]")
_AROUND: Final = b" \"'\r\xef\xbb\xbf"
_TAG: Final = b"<"  # how XML begins
_OPENS: Final = (b"{", b"[")  # how a text of JSON begins
_BLANKS: Final = b" \t\r\n"
_MARKED: Final = b"\xef\xbb\xbf"  # what may stand before it
_MARK: Final = 0xFE  # what both bytes of UTF-16's mark are at least


def way_of(told: bytes) -> int:
    """By a type, in lower case; PARTS where its boundary has to be known."""
    charset = _CHARSET.search(told)
    if charset is not None and charset.group(1) not in _ASCII:
        return WITHHELD if _named(told) else NONE
    return _named(told)


def _named(told: bytes) -> int:
    if told.startswith(b"application/x-www-form-urlencoded"):
        return FORM
    if told.startswith(b"multipart/"):
        return PARTS
    if _MARKED_UP.match(told) and b"xop" not in told:
        return MARKUP
    if _ROWS.match(told):
        return ROWS
    if _LINED.match(told):
        return LINES
    if _PLAIN.match(told):
        return PLAIN
    if _TEXTUAL.match(told):
        return TEXT
    return WITHHELD if _UNREAD.match(told) else NONE


def may_open(body: bytes) -> bool:
    """Whether what has no named fields by its type begins as what has some, or has not begun."""
    first = body[:4].removeprefix(_MARKED).lstrip(_BLANKS) or body.removeprefix(_MARKED).lstrip(_BLANKS)
    if first[:1] in _OPENS or first[:1] == _TAG or not first or first == _MARKED[: len(first)]:
        return True
    return is_packed(body)


def is_form(body: bytes) -> bool:
    return _PAIR.match(body) is not None


def is_table(body: bytes, names: SecretNames) -> bool:
    """Whether its first line has a secret name among others."""
    line = body[: MAX_LINE + 1].partition(b"\n")[0]
    if len(line) > MAX_LINE or len(line) == len(body) or is_json(body):
        return False
    cells = _APART.split(line)
    return len(cells) > 1 and any(names.hides(each.strip(_AROUND)) for each in cells if len(each) <= MAX_NAME)


def is_markup(body: bytes) -> bool:
    return body.removeprefix(_MARKED).lstrip(_BLANKS)[:1] == _TAG


def is_json(body: bytes) -> bool:
    return body.removeprefix(_MARKED).lstrip(_BLANKS)[:1] in _OPENS


def is_wide(body: bytes) -> bool:
    """UTF-16 or UTF-32, by its mark, or by its first bytes: one of two that are a character of ASCII is NUL."""
    if len(body) < 2:
        return False
    first: i64 = body[0]
    second: i64 = body[1]
    return first == 0 or second == 0 or (first >= _MARK and second >= _MARK)


@final
class SecretBody:
    """Follows one; `way` is none of PARTS.

    found     values that were starred so far
    withheld  nothing more of it is shown
    more      what it is fed is not the last of it
    """

    __slots__ = (
        "_addresses", "_binary", "_first", "_form", "_line", "_names", "_rows", "_single", "_text", "_way", "_xml",
        "more", "withheld",
    )  # fmt: skip

    def __init__(self, way: int, names: SecretNames) -> None:
        self._way = way
        self._names = names
        self._first = b""  # byte of it
        self._single = False  # and there is no other yet
        self._line = b""  # what came of the first line, where it may name columns and has not ended
        self._text: SecretText | None = None
        self._xml: SecretXml | None = None
        self._form: SecretForm | None = None
        self._rows: SecretRows | None = None
        self._binary: SecretBinary | None = None
        self._addresses: SecretAddresses | None = None
        self.withheld = False
        self.more = True

    @property
    def found(self) -> int:
        for each in (self._text, self._form, self._xml, self._rows, self._binary):
            if each is not None:
                return each.found + (0 if self._addresses is None else self._addresses.found)
        return 0

    def feed(self, data: bytes) -> bytes:
        """As it may be recorded; the same object where nothing is to be starred."""
        if not data:
            return data
        if not self._first:
            self._first = data[:1]
            self._begin(data)
            self._single = len(data) == 1
            return self._shown(data)
        if self._single:
            self._single = False
            known = self._text is not None or self._xml is not None
            self.withheld = self.withheld or (known and is_wide(self._first + data[:1]))
        if self._line:
            self._line_goes_on(data)
        return self._shown(data)

    def _line_goes_on(self, data: bytes) -> None:
        line = self._line + data[:MAX_LINE]
        self.withheld = self.withheld or is_table(line, self._names)
        self._line = b"" if b"\n" in line or len(line) > MAX_LINE else line

    def _shown(self, data: bytes) -> bytes:
        if self.withheld:
            return b"*" * len(data)
        shown = self._by_names(data)
        addresses = self._addresses
        return shown if addresses is None else addresses.star(data, shown, self.more)

    def _by_names(self, data: bytes) -> bytes:
        if self._text is not None:
            return self._text.feed(data)
        if self._form is not None:
            self._form.more = self.more
            return self._form.feed(data)
        if self._xml is not None:
            shown = self._xml.feed(data)
            self.withheld = self._xml.withheld
            return shown
        if self._rows is not None:
            shown = self._rows.feed(data)
            self.withheld = self._rows.withheld
            return shown
        if self._binary is not None:
            shown = self._binary.feed(data)
            self.withheld = self._binary.withheld
            return shown
        return data

    def _begin(self, data: bytes) -> None:
        """A form may be anything: curl says that all it sends are forms."""
        way = self._way
        opens = is_json(data)
        if way == FORM and not opens and (is_markup(data) or not is_form(data)):
            way = PLAIN
        if (way in TABULAR or way == FORM) and not opens:
            if way != FORM and is_table(data, self._names):
                way = ROWS
            elif self.more and b"\n" not in data:
                self._line = data[:MAX_LINE]
        if way == WITHHELD or (way not in (FORM, NONE) and is_wide(data)):
            self.withheld = True
        elif (way == MARKUP and not opens) or (way in (NONE, TEXT, UNTYPED, PLAIN) and is_markup(data)):
            self._xml = SecretXml(self._names)
        elif (way == FORM and not opens) or (way == UNTYPED and is_form(data)):
            self._form = SecretForm(self._names)
        elif way == ROWS:
            self._rows = SecretRows(self._names)
        elif way in (NONE, UNTYPED) and data[0] >= 0x80 and not data.startswith(_MARKED[: len(data)]):
            self._binary = SecretBinary(self._names)
        elif way != NONE or may_open(data):
            self._text = SecretText(self._names, way in (LINES, PLAIN) and not opens)
        else:
            return  # it is not read
        self._addresses = SecretAddresses(self._form is not None)
