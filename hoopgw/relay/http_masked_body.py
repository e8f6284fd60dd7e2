"""The body of one response on its way to the client, masked as it comes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, final

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.codings import Decoding
from hoopgw.wire.eventmask import EventMask
from hoopgw.wire.httpchunks import chunk_of
from hoopgw.wire.jsonkeys import KeyTable
from hoopgw.wire.jsonmask import JsonMask
from hoopgw.wire.masking import Action, ValueMask
from hoopgw.wire.textmask import TextMask

MAX_BLANK: Final = 4096  # bytes of white space before a body says what it is
WITHHELD: Final = b"The body of this response is withheld: it cannot be masked.\n"

_BEGINS_JSON: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*(?:\{[ \t\r\n]*[\"}]|\[[ \t\r\n]*[\[\]{\"0-9tfn-])")
# A style sheet begins with no brace, and with a bracket only before a name; images, sound and fonts with neither
_HOLDS_JSON: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*(?:\{|\[[ \t\r\n]*[\[\]{\"0-9])")
_OPENS: Final = (b"", b"{", b"[")
LOOKED_AT: Final = 64  # bytes of a body between blanks, by which it is told whether it is JSON
# Of control characters, those of lines and terminals
_TEXT: Final = re.compile(rb"[^\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]*")
_ENDS: Final = frozenset((b"[DONE]", b""))  # what streams of language models and keep-alives send beside JSON


@final
class MaskedBody:
    """`fields` are those of the response that the client gets."""

    def __init__(self, fields: tuple[tuple[bytes, bytes], ...], walk: Any, decoding: Decoding | None) -> None:
        self.masked = 0
        self.fields = fields
        self._walk = walk
        self._decoding = decoding

    def feed(self, data: bytes) -> bytes:
        """What may go on now.  Raises Unmaskable: the rest must not pass."""
        return self._fed(data, self._walk.feed)

    def chunk(self, data: bytes) -> bytes:
        """The same as one chunk (RFC 9112, 7.1).  Raises Unmaskable."""
        return self._fed(data, self._walk.chunk) if isinstance(self._walk, JsonMask) else chunk_of(self.feed(data))

    def _fed(self, data: bytes, walked: Callable[[bytes], bytes]) -> bytes:
        found = walked(data if self._decoding is None else self._decoding.feed(data))
        self.masked = self._walk.masked
        return found

    def finish(self) -> bytes:
        """What is left.  Raises Unmaskable."""
        if self._decoding is not None:
            self._decoding.finish()
        found: bytes = self._walk.finish()
        self.masked = self._walk.masked
        return found


@final
class Passed:
    """Nothing is masked in it."""

    masked = 0

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


@final
class NoData:
    """A body whose type holds no data: passed, unless it begins as JSON: some services let clients name the type."""

    masked = 0

    def __init__(self) -> None:
        self._begin = b""
        self._known = False

    def feed(self, data: bytes) -> bytes:
        if self._known:
            return data
        self._begin += data
        few = len(self._begin.strip()) < LOOKED_AT and len(self._begin) < MAX_BLANK
        return b"" if few else self._looked_at()

    def _looked_at(self) -> bytes:
        if _HOLDS_JSON.match(self._begin) or _is_padded(self._begin):
            raise Unmaskable("JSON, though its type says that it is none")
        self._known = True
        data, self._begin = self._begin, b""
        return data

    def finish(self) -> bytes:
        return b"" if self._known else self._looked_at()


@final
class Withheld:
    """Nothing of it is shown."""

    masked = 1

    def feed(self, data: bytes) -> bytes:
        return b""

    def finish(self) -> bytes:
        return WITHHELD


@final
class Sniffed:
    """How it begins says what reads it: `choose` gives that, or None where more has to come of what has not ended."""

    def __init__(self, choose: Callable[[bytes, bool], Any]) -> None:
        self._choose = choose
        self._begin = b""
        self._walk: Any = None

    @property
    def masked(self) -> int:
        return 0 if self._walk is None else int(self._walk.masked)

    def feed(self, data: bytes) -> bytes:
        if self._walk is None:
            self._begin += data
            self._walk = self._choose(self._begin, False)
            if self._walk is None:
                return b""
            data, self._begin = self._begin, b""
        found: bytes = self._walk.feed(data)
        return found

    def finish(self) -> bytes:
        data = b""
        if self._walk is None:
            self._walk = self._choose(self._begin, True)
            data, self._begin = self._begin, b""
        found: bytes = self._walk.feed(data) + self._walk.finish()
        return found


def _is_short(begin: bytes) -> bool:
    """Too short to tell whether it is JSON."""
    if len(begin) >= MAX_BLANK:
        return False
    stripped = begin.removeprefix(b"\xef\xbb\xbf").lstrip()
    return len(stripped) < 2 or (stripped[:1] in (b"{", b"[") and not stripped[1:].strip())


def _is_padded(begin: bytes) -> bool:
    """So many blanks, and nothing that tells what comes behind them: it is taken for JSON."""
    return len(begin) >= MAX_BLANK and begin.removeprefix(b"\xef\xbb\xbf").strip() in _OPENS


def _is_text(begin: bytes) -> bool:
    """UTF-8; its last character may be cut."""
    if _TEXT.fullmatch(begin) is None:
        return False
    try:
        begin.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(begin) - error.start < 4 and error.reason == "unexpected end of data"
    return True


@final
class Bodies:
    """Makes what walks through bodies of each kind.  `strict`: what is not JSON must not pass."""

    def __init__(self, table: KeyTable, actions: tuple[Action, ...], value: ValueMask, strict: bool) -> None:
        self._table = table
        self._actions = actions
        self._value = value
        self._strict = strict

    def json(self) -> JsonMask:
        return JsonMask(self._table, self._actions, self._value)

    def text(self) -> TextMask | Passed:
        return TextMask(self._value.scanner) if self._value.scanner is not None else Passed()

    def no_data(self) -> NoData:
        return NoData()

    def events(self) -> EventMask:
        return EventMask(self.message, self._line)

    def sniffed(self) -> Sniffed:
        return Sniffed(self._json_alone if self._strict else self._json_or_text)

    def unknown(self) -> Sniffed:
        """Of a type that says nothing."""
        return Sniffed(self._text_alone)

    def message(self, data: bytes) -> bytes:
        """One whole message: JSON, or text where that may pass."""
        if data.strip() in _ENDS:
            return data
        if self._strict or _BEGINS_JSON.match(data):
            walk = self.json()
            try:
                return walk.feed(data) + walk.finish()
            except Unmaskable:
                if self._strict:
                    raise
        return self._line(data)

    def hidden(self, action: Action, value: bytes) -> bytes:
        """A header field's value."""
        shown = self._value.of(action, value) if value else value
        return b"" if shown is None else shown

    def _line(self, line: bytes) -> bytes:
        scanner = self._value.scanner
        return line if scanner is None else scanner.masked(line)

    def _json_alone(self, begin: bytes, ended: bool) -> JsonMask | None:
        if not ended and _is_short(begin):
            return None
        if _BEGINS_JSON.match(begin) or _is_padded(begin):
            return self.json()
        raise Unmaskable("a body that is not JSON")

    def _json_or_text(self, begin: bytes, ended: bool) -> JsonMask | TextMask | Passed | None:
        if not ended and _is_short(begin):
            return None
        return self.json() if _BEGINS_JSON.match(begin) or _is_padded(begin) else self.text()

    def _text_alone(self, begin: bytes, ended: bool) -> Sniffed | Passed | None:
        """What is neither JSON nor other text passes."""
        if not _is_text(begin[:MAX_BLANK]):
            return Passed()
        return Sniffed(self._json_or_text) if ended or len(begin) >= LOOKED_AT else None
