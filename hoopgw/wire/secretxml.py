"""XML in pieces -> the same, at the same length, with what elements and attributes with a secret name hold starred.

An element that holds a secret name has the next one secret (`<key>password</key><string>…`), and an attribute all that
its element holds (`<param name="password">…`); where a read cuts a tag, a `value` in it is taken for secret whose name
has not come.  With a document type anything may mean anything: from there on all is starred.  Nothing is held back,
nothing is refused: HTML is looked through as well.  Compiled.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.secretnames import MAX_NAME, SecretNames
from hoopgw.wire.secretplaces import IS_BLANK

_TEXT: Final = 0
_OPEN: Final = 1  # behind `<`
_NAME: Final = 2  # of an element that begins
_CLOSE: Final = 3  # a tag that ends one
_TAG: Final = 4  # before an attribute, or between its name and `=`
_ATTRIBUTE: Final = 5
_EQUALS: Final = 6  # before a value
_QUOTED: Final = 7
_BARE: Final = 8  # a value without quotes, as HTML has them
_MARKUP: Final = 9  # behind `<!`
_COMMENT: Final = 10
_CDATA: Final = 11
_INSTRUCTION: Final = 12
_ALL: Final = 13  # nothing more is shown

_ENDINGS: Final = {_COMMENT: b"-->", _CDATA: b"]]>", _INSTRUCTION: b"?>"}
_CDATA_OPENS: Final = b"[CDATA["
_STAR: Final = 42


@final
class SecretXml:
    """One document.  `found` counts what was starred; `withheld`: nothing more of it is shown."""

    __slots__ = (
        "_depth", "_held", "_last", "_named", "_names", "_next", "_quote", "_said", "_secret", "_slash", "_span",
        "_state", "_valued", "_word", "found", "withheld",
    )  # fmt: skip

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._state: i64 = _TEXT
        self._depth: i64 = 0  # elements that are open, from a secret one on
        self._word = bytearray()  # the name or mark in hand
        self._held = bytearray()  # what an attribute or an element without others holds, as long as it may be a name
        self._last = bytearray()  # bytes that may end a comment and the like
        self._quote: i64 = 34
        self._slash = False  # the last byte of a tag was one
        self._said = False  # an attribute of this tag says that another is secret, and what its element holds
        self._named = False  # one has named what is no secret
        self._secret = False  # all of this tag's are, by the element's name
        self._valued = False  # the attribute in hand is
        self._next = False  # the next element is
        self._span: i64 = -1  # where the value of an attribute `value` begins, whose name may follow
        self.found = 0
        self.withheld = False

    def feed(self, data: bytes) -> bytes:
        """As it may be recorded; the same object where nothing is to be starred."""
        shown = bytearray(data)
        here: i64 = 0
        end: i64 = len(data)
        self._span = -1
        while here < end:
            if self._state == _TEXT:
                here = self._in_text(data, here, end, shown)
            else:
                self._take(data[here], here, shown)
                here += 1
        if self._span >= 0 and not (self._said or self._named) and _NAME <= self._state <= _BARE:
            self._say_all(shown, end)
        return data if shown == data else bytes(shown)

    def _in_text(self, data: bytes, here: i64, end: i64, shown: bytearray) -> i64:
        found: i64 = data.find(b"<", here)
        stop: i64 = end if found < 0 else found
        if self._depth > 0:
            _star(shown, here, stop)
        elif len(self._held) <= MAX_NAME:
            self._held += data[here : min(stop, here + MAX_NAME + 1)]
        if found < 0:
            return end
        self._state = _OPEN
        return found + 1

    def _take(self, c: i64, here: i64, shown: bytearray) -> None:
        """One byte of a tag, or of what is none and no text."""
        state: i64 = self._state
        if _NAME <= state <= _ATTRIBUTE and state != _CLOSE:
            self._in_tag(c)
        elif _QUOTED <= state <= _BARE:
            self._in_value(c, here, shown)
        elif state == _EQUALS:
            self._before_value(c, here, shown)
        elif state == _OPEN:
            self._opened(c)
        elif state == _CLOSE:
            if c == 62:
                self._closed()
        elif state == _MARKUP:
            self._in_markup(c)
        else:
            self._in_other(c, here, shown)

    # ---- tags

    def _opened(self, c: i64) -> None:
        del self._word[:]
        self._slash = False
        if c == 47:
            self._state = _CLOSE
        elif c == 33:
            self._state = _MARKUP
        elif c == 63:
            self._other(_INSTRUCTION)
        elif IS_BLANK[c]:  # no tag
            self._state = _TEXT
        elif c != 60:
            self._state = _NAME
            self._word.append(c)
            self._secret, self._said, self._named = self._next, False, False
            self._next = False
            self._span = -1

    def _in_tag(self, c: i64) -> None:
        """In names, and between attributes."""
        if self._state == _NAME and (c == 62 or c == 47 or IS_BLANK[c]):
            self._secret = self._secret or self._names.hides(bytes(self._word))
        if c == 62:
            self._begun()
            return
        self._slash = c == 47
        if c == 47 or IS_BLANK[c]:
            self._state = _TAG
        elif c == 61 and self._state != _NAME:
            self._state = _EQUALS
        elif self._state == _TAG:
            self._word = bytearray((c,))
            self._state = _ATTRIBUTE
        elif len(self._word) < MAX_NAME:
            self._word.append(c)

    def _before_value(self, c: i64, here: i64, shown: bytearray) -> None:
        if IS_BLANK[c]:
            return
        if c == 62:
            self._begun()
            return
        quoted = c == 34 or c == 39
        self._quote = c
        self._state = _QUOTED if quoted else _BARE
        name = bytes(self._word).lower()
        secret = self._secret and not name.startswith(b"xml")
        self._valued = self._depth > 0 or secret or self._names.hides(name) or (self._said and name.endswith(b"value"))
        self.found += self._valued and self._depth == 0
        del self._held[:]
        if not self._valued and name.endswith(b"value"):
            self._span = here + quoted
        if not quoted:
            self._in_value(c, here, shown)

    def _in_value(self, c: i64, here: i64, shown: bytearray) -> None:
        bare = self._state == _BARE
        if (not bare and c == self._quote) or (bare and (IS_BLANK[c] or c == 62)):
            self._state = _TAG
            if not self._valued and not self._said and self._is_secret_name():
                self._say(shown)
            self._named = self._named or self._word.endswith((b"name", b"key"))
            if c == 62:
                self._begun()
        elif self._valued:
            shown[here] = _STAR
        elif len(self._held) <= MAX_NAME:
            self._held.append(c)

    def _say(self, shown: bytearray) -> None:
        """A value is a secret name: of the others of this tag, one that came before may be what it names."""
        self._said = True
        stop: i64 = self._span
        if stop < 0:
            return
        while shown[stop] != 34 and shown[stop] != 39 and not IS_BLANK[shown[stop]]:
            stop += 1
        _star(shown, self._span, stop)
        self.found += stop > self._span

    def _say_all(self, shown: bytearray, end: i64) -> None:
        """What is read ends in a tag that may still name what its `value` is, and that what its element holds."""
        here: i64 = self._span
        while here < end and shown[here] != self._quote and not (self._state == _BARE and IS_BLANK[shown[here]]):
            here += 1
        _star(shown, self._span, here)
        self.found += here > self._span
        if (self._state == _QUOTED or self._state == _BARE) and self._word.endswith(b"value"):
            self._valued = True

    def _is_secret_name(self) -> bool:
        held = bytes(self._held).removesuffix(b"]]>").strip()
        return 0 < len(held) <= MAX_NAME and self._names.hides(held)

    def _begun(self) -> None:
        """A tag is whole; with a slash at its end the element is too."""
        self._state = _TEXT
        del self._held[:]
        if self._slash:
            self._next = False
        elif self._depth > 0:
            self._depth += 1
        elif self._said or self._secret:
            self._depth = 1
            self.found += 1

    def _closed(self) -> None:
        self._state = _TEXT
        if self._depth > 0:
            self._depth -= 1
            self._next = False
        else:
            self._next = self._is_secret_name()
        del self._held[:]

    # ---- what is no element

    def _in_markup(self, c: i64) -> None:
        self._word.append(c)
        if self._word == b"--":
            self._other(_COMMENT)
        elif self._word == _CDATA_OPENS:
            self._other(_CDATA if self._depth > 0 else _TEXT)  # there may be tags in it
        elif not (self._word == b"-" or _CDATA_OPENS.startswith(bytes(self._word))):
            self._doctype()

    def _doctype(self) -> None:
        """That of HTML declares nothing; of others it may."""
        word = bytes(self._word).lower()
        if b"doctype html".startswith(word) or word == b"doctype html>":
            self._state = _MARKUP if word[-1:] != b">" else _TEXT
        else:
            self._state = _ALL
            self.withheld = True

    def _other(self, state: i64) -> None:
        self._state = state
        del self._last[:]

    def _in_other(self, c: i64, here: i64, shown: bytearray) -> None:
        state: i64 = self._state
        if state == _ALL:
            shown[here] = _STAR
            return
        if self._depth > 0 and state != _INSTRUCTION:
            shown[here] = _STAR
        self._last.append(c)
        del self._last[:-3]
        if self._last.endswith(_ENDINGS[state]):
            self._state = _TEXT


def _star(shown: bytearray, start: i64, end: i64) -> None:
    here: i64 = start
    while here < end:
        if not IS_BLANK[shown[here]]:
            shown[here] = _STAR
        here += 1
