"""Text in pieces -> the same text, at the same length, with the values of secret members starred.  Compiled.

Members are known by their names, wherever they stand: in JSON, in JSON that is a text of JSON, in the arguments of a
document of GraphQL, and in texts of lines (YAML, fields of a head) at the begin of one; those called `value` by the
name beside them, and what follows a name in a list.  Of what is set with `=` all is starred up to the end of the text
that it is in, or of the line where that is no JSON.  Nothing is held back, nothing is refused: what is none of these
goes on as it is.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.secretnames import SecretNames
from hoopgw.wire.secretpairs import REACH, Pairs, lines
from hoopgw.wire.secretplaces import IS_BLANK, assigned, behind, indent, is_quote, last_of

_PLAIN: Final = 0
_VALUE: Final = 1  # it begins here
_QUOTED: Final = 2  # the same, of a name without quotes: it has some itself, or it is none
_TEXT: Final = 3
_WORD: Final = 4
_NUMBER: Final = 5
_BLOCK: Final = 6  # an object or list
_CLOSED: Final = 7  # a text without anything in it, or the begin of one with three quotes (GraphQL)
_TRIPLE: Final = 8
_REST: Final = 9  # of the text that the name is in: its quotes are written as \u0022
_LINES: Final = 10  # all of a line, and of those behind it that are indented deeper
_SET: Final = 11  # behind `=`: in quotes, or the rest of the line
_LINE: Final = 12

_STAR: Final = 42
_ZERO: Final = 48
_BLANK: Final = 32
_LF: Final = 10
_DASH: Final = 45
_OPENS: Final = b'{["'
_MARK: Final = b"\xef\xbb\xbf"
# What a bare word ends at
_ENDS: Final = bytes(1 if c in b",}])&<;\"' \t\r\n" else 0 for c in range(256))


@final
class SecretText:
    """One text; `lines`: each of its lines may be a name, a colon and a value.  `found` counts the values."""

    __slots__ = (
        "_before", "_begun", "_column", "_depth", "_empty", "_escaped", "_in_text", "_indent", "_json", "_level",
        "_lines", "_names", "_pairs", "_places", "_quote", "_quotes", "_run", "_state", "found",
    )  # fmt: skip

    def __init__(self, names: SecretNames, lines: bool = False) -> None:
        self._names = names
        self._lines = lines
        self._indent: i64 = 0  # of the line whose value is starred
        self._column: i64 = -1  # blanks at the begin of the line in hand; -1: behind them
        self._empty = False  # nothing of a text came behind its quote
        self._quotes: i64 = 0  # of the three that end a text, how many came
        self._before = b""  # the last bytes of what came before: a name may stand there
        self._state: i64 = _PLAIN
        self._level: i64 = 0  # backslashes before each quote: of JSON in a text of JSON
        self._run: i64 = 0  # backslashes before what comes next
        self._quote: i64 = 34
        self._depth: i64 = 0
        self._in_text = False
        self._escaped = False  # there are escapes in the bytes in hand
        self._begun = False
        self._json = False
        self._pairs = Pairs(names)
        self._places: list[int] = []  # signs before the values of secret pairs in them, the first one last
        self.found = 0

    def feed(self, data: bytes) -> bytes:
        """As it may be recorded; the same object where nothing is to be starred."""
        text = self._before + data if self._before else data
        start: i64 = len(self._before)
        end: i64 = len(text)
        here: i64 = start
        self._escaped = b"\\u" in text
        if not self._begun:
            self._begin_as(data)
        self._places = self._pairs.places(text, start)
        if self._lines:
            self._places += lines(text, self._names)
        self._places.sort(reverse=True)
        if self._state == _PLAIN:
            here = self._behind_name(text, start, end)
            if here < 0:
                self._before = self._kept(text)
                return data
        shown = bytearray(text)
        while 0 <= here < end:
            if self._state == _PLAIN:
                here = self._behind_name(text, here, end)
            elif self._state <= _QUOTED:
                here = self._begin(text, here, end)
            elif self._state == _TEXT:
                here = self._in_quotes(text, here, end, shown)
            elif self._state == _BLOCK:
                here = self._in_block(text, here, end, shown)
            elif self._state == _LINES:
                here = self._in_lines(text, here, end, shown)
            elif self._state == _REST:
                here = self._in_rest(text, here, end, shown)
            elif self._state == _TRIPLE:
                here = self._in_triple(text, here, end, shown)
            elif self._state == _CLOSED:
                here = self._behind_closed(text, here, end)
            elif self._state == _SET:
                here = self._set(text, here)
            elif self._state == _LINE:
                here = self._in_line(text, here, end, shown)
            else:
                here = self._in_word(text, here, end, shown)
        if self._state > _QUOTED:
            self._before = b""
        else:
            self._before = self._kept(text)
        return bytes(shown[start:]) if start else bytes(shown)

    def _begin_as(self, data: bytes) -> None:
        first = data.removeprefix(_MARK).lstrip()[:1]
        self._begun = bool(first)
        self._json = self._begun and first in _OPENS

    def _kept(self, data: bytes) -> bytes:
        """Of what was read, what has to be known for the next bytes."""
        return data[-REACH:] if self._lines else last_of(data, REACH)  # a pair may have begun

    # ---- names

    def _behind_name(self, data: bytes, start: i64, end: i64) -> i64:
        """Behind the sign of the next secret name; -1 where there is none."""
        while self._places and self._places[-1] < start:
            self._places.pop()
        here: i64 = self._places[-1] if self._places else -1
        found: i64 = behind(data, start, end if here < 0 else here, self._names, self._escaped)
        if found >= 0:
            here = found
        found = assigned(data, start, end if here < 0 else here, self._names)
        if found >= 0:
            self.found += 1
            self._state = _REST if self._json else _SET
            self._level = 1  # up to a quote without backslashes
            self._run = 0
            return found + 1
        if here < 0:
            return -1
        stop: i64 = here
        while IS_BLANK[data[stop - 1]]:
            stop -= 1
        quoted = data[stop - 1] == 34 or data[stop - 1] == 39
        level: i64 = 0
        self._run = 0
        escaped = self._escaped and is_quote(data, stop)
        if self._lines and not quoted and not escaped:
            self._indent = indent(data, stop)
            if self._indent >= 0:
                self._state = _LINES
                self._column = -1
                self.found += 1
                return here + 1
        if quoted or escaped:
            stop -= 5 if escaped else 1
            while stop > 0 and data[stop - 1] == 92:
                stop -= 1
                level += 1
        self._state = _REST if escaped else _VALUE if quoted else _QUOTED
        if escaped:
            self.found += 1
        self._level = level
        return here + 1

    # ---- values

    def _begin(self, data: bytes, here: i64, end: i64) -> i64:
        """What kind of value it is; `_level` is that of its name's quotes until it has some itself."""
        c: i64 = data[here]
        if IS_BLANK[c]:
            return here + 1
        if c == 92:
            self._run += 1
            return here + 1
        if self._run > 0 and c in b"nrt":  # a blank, in a text
            self._run = 0
            return here + 1
        quoted = self._state == _QUOTED
        if c == 34 and self._run < self._level:  # the text ends that the name is in
            self._state = _PLAIN
            return here
        if c == 34 or c == 39:
            self._found(_TEXT)
            self._level = self._run
            self._run = 0
            self._quote = c
            self._empty = True
            return here + 1
        if quoted or c in b",}])":
            self._state = _PLAIN
            return here
        if c == 123 or c == 91:
            self._found(_BLOCK)
            self._depth = 1
            self._run = 0
            self._in_text = False
            return here + 1
        for word in (b"null", b"true", b"false"):
            if data[here : here + len(word)] == word:
                self._state = _PLAIN
                return here + len(word)
        if c == 45 or 48 <= c <= 57:
            self._found(_NUMBER)
        else:
            self._found(_WORD)
        return here

    def _found(self, state: i64) -> None:
        self._state = state
        self.found += 1

    def _in_quotes(self, data: bytes, here: i64, end: i64, shown: bytearray) -> i64:
        quote: i64 = self._quote
        while here < end:
            c: i64 = data[here]
            if c == quote:
                run: i64 = self._run
                if run < self._level or run % (self._level + self._level + 2) == self._level:
                    self._unstarred(data, here, shown)
                    self._state = _CLOSED if self._empty and quote == 34 and run == self._level else _PLAIN
                    self._run = 0
                    return here + 1
                self._empty = False
                self._run = 0
            elif c == 92:
                self._run += 1
            else:
                self._run = 0
                self._empty = False
            shown[here] = _STAR
            here += 1
        return end

    def _behind_closed(self, data: bytes, here: i64, end: i64) -> i64:
        """A third quote begins a text that ends with three."""
        while here < end and data[here] == 92:
            self._run += 1
            here += 1
        if here == end:
            return end
        triple = data[here] == 34 and self._run == self._level
        self._state = _TRIPLE if triple else _PLAIN
        self._run = 0
        self._quotes = 0
        return here + 1 if triple else here

    def _in_triple(self, data: bytes, here: i64, end: i64, shown: bytearray) -> i64:
        while here < end:
            c: i64 = data[here]
            if c == 92:
                self._run += 1
            elif c == 34:
                if self._run < self._level:  # the text ends that it is in
                    self._unstarred(data, here, shown)
                    self._state = _PLAIN
                    return here
                self._quotes = self._quotes + 1 if self._run == self._level else 0
                self._run = 0
                if self._quotes == 3:
                    begin: i64 = max(here - 3 * self._level - 2, 0)
                    shown[begin:here] = data[begin:here]
                    self._state = _PLAIN
                    return here + 1
            else:
                self._run = 0
                self._quotes = 0
            shown[here] = _STAR
            here += 1
        return end

    def _in_rest(self, data: bytes, here: i64, end: i64, shown: bytearray) -> i64:
        while here < end:
            c: i64 = data[here]
            if c == 34 and self._run < self._level:
                self._unstarred(data, here, shown)
                self._state = _PLAIN
                return here
            self._run = self._run + 1 if c == 92 else 0
            shown[here] = _STAR
            here += 1
        return end

    def _in_lines(self, data: bytes, here: i64, end: i64, shown: bytearray) -> i64:
        """Elements of a list may stand as deep as the name of the list."""
        while here < end:
            c: i64 = data[here]
            if c == _LF:
                self._column = 0
            elif self._column >= 0 and (c == _BLANK or c == 9):
                self._column += 1
            elif c != 13:
                deeper: i64 = self._column if c != _DASH else self._column + 1
                if self._column >= 0 and deeper <= self._indent:
                    self._state = _PLAIN
                    return here
                self._column = -1
                if c != _BLANK:
                    shown[here] = _STAR
            here += 1
        return end

    def _set(self, data: bytes, here: i64) -> i64:
        c: i64 = data[here]
        if c == _BLANK or c == 9 or c == 61 or c == 62:  # == and => as well
            return here + 1
        if c == 34 or c == 39:
            self._state = _TEXT
            self._level = 0
            self._run = 0
            self._quote = c
            self._empty = True
            return here + 1
        self._state = _LINE
        return here

    def _in_line(self, data: bytes, here: i64, end: i64, shown: bytearray) -> i64:
        while here < end:
            if data[here] == _LF:
                self._state = _PLAIN
                return here
            if data[here] != 13:
                shown[here] = _STAR
            here += 1
        return end

    def _unstarred(self, data: bytes, here: i64, shown: bytearray) -> None:
        """The backslashes that belong to the quote at `here`."""
        least: i64 = here - self._level
        while here > 0 and here > least and data[here - 1] == 92:
            here -= 1
            shown[here] = 92

    def _in_block(self, data: bytes, here: i64, end: i64, shown: bytearray) -> i64:
        """All of it is blank: what is in it may be anything."""
        level: i64 = self._level
        while here < end:
            c: i64 = data[here]
            run: i64 = self._run
            self._run = 0
            if c == 92:
                self._run = run + 1
            elif c == 34:
                if run < level:  # the text ends that the block is in
                    self._state = _PLAIN
                    return here
                if run % (level + level + 2) == level:
                    self._in_text = not self._in_text
            elif not self._in_text:
                if c == 123 or c == 91:
                    self._depth += 1
                elif c == 125 or c == 93:
                    self._depth -= 1
                    if self._depth == 0:
                        self._state = _PLAIN
                        return here + 1
            shown[here] = _BLANK
            here += 1
        return end

    def _in_word(self, data: bytes, here: i64, end: i64, shown: bytearray) -> i64:
        """A number stays one."""
        while here < end:
            if _ENDS[data[here]]:
                self._state = _PLAIN
                return here
            shown[here] = _STAR if self._state == _WORD else _ZERO if self._run == 0 else _BLANK
            self._run = 1
            here += 1
        return end
