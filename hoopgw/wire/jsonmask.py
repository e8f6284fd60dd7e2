"""JSON text in pieces -> the same text with values masked by name, by place, and by what patterns find.  Compiled.

Values stay of their kind, so that clients can read them: a masked text is stars, its last four characters or a hash; a
number is 0, a boolean false, an object {} and a list []; null stays.  Whatever is not masked goes on byte for byte.
Several texts behind each other (NDJSON, RFC 7464) are as good as one.  What is not JSON raises Unmaskable: its values
could not be found.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.finds import Finds
from hoopgw.wire.jsonkeys import ACTION_BITS, DEAD, KeyTable
from hoopgw.wire.jsonstrings import ABOUT, ends_in_escape, plain, quoted, string_end
from hoopgw.wire.masking import Action, ValueMask
from hoopgw.wire.scanners import Scanner

MAX_DEPTH: Final = 512  # objects and lists in one another
MAX_TEXT: Final = 16 << 20  # bytes of one string that must be seen whole
MAX_NUMBER: Final = 4096  # bytes of one number

_ACTION_MASK: Final = (1 << ACTION_BITS) - 1

# What may come next
_VALUE: Final = 0
_FIRST: Final = 1  # a value, or the end of the list
_NAME: Final = 2
_FIRST_NAME: Final = 3  # a name, or the end of the object
_COLON: Final = 4
_COMMA: Final = 5  # or the end of what is open

# 1: white space (and RS, which begins a text of RFC 7464); 2: part of a number or a word
_CLASS: Final = bytes(
    1 if c in b" \t\r\n\x1e" else 2 if chr(c).isascii() and (chr(c).isalnum() or c in b"+-.") else 0 for c in range(256)
)
_WORDS: Final = (b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity")
_MARK: Final = b"\xef\xbb\xbf"


@final
class JsonMask:
    """One body.  `actions` are what the table's actions from 1 on mean for a text."""

    __slots__ = (
        "_actions", "_begun", "_copied", "_cut", "_depth", "_dropped", "_element", "_expect", "_finds", "_kinds",
        "_number", "_out", "_passing", "_pending", "_pieces", "_place", "_places", "_scanner", "_size", "_starts",
        "_step", "_table", "_value", "masked",
    )  # fmt: skip

    def __init__(self, table: KeyTable, actions: tuple[Action, ...], value: ValueMask) -> None:
        self.masked: int = 0
        self._table = table
        self._actions = actions
        self._value = value
        self._scanner = value.scanner
        self._finds = Finds()
        self._out = BytesWriter()
        self._copied: i64 = 0
        self._begun = False
        self._pieces: list[bytes] = []  # of a token that is not whole
        self._size: i64 = 0
        self._cut = False  # they end behind a backslash
        self._passing = False  # inside a string that goes on, or is left out, as it comes
        self._depth: i64 = 0
        self._dropped: i64 = 0  # the depth of the object or list that is left out; 0: none
        self._kinds: list[bool] = []  # of what is open: True is an object
        self._places: list[i64] = []
        self._number: list[i64] = []  # of the next element
        self._element: list[i64] = []  # where it stands, and what becomes of it
        self._expect: i64 = _VALUE
        place, action = table.root()
        self._place: i64 = place  # of the container that is open
        self._starts = table.starts[place]
        self._step: i64 = (place << ACTION_BITS) | action  # where the next value stands, and what becomes of it
        self._pending: i64 = self._step  # of a whole text, again and again

    def feed(self, data: bytes) -> bytes:
        """What may go on now.  Raises Unmaskable."""
        if not data:
            return b""
        if self._pieces:
            joined = self._joined(data)
            if joined is None:
                return b""
            data = joined
        return self._walked(data)

    def finish(self) -> bytes:
        """What is left.  Raises Unmaskable for a text without its end."""
        out = b""
        if self._pieces:  # a number ends with the text
            out = self._walked(self._taken() + b"\n")[:-1]
        if self._pieces or self._passing or self._depth or self._expect != _VALUE:
            raise Unmaskable("a JSON text that ends too early")
        return out

    # ---- pieces of a token

    def _taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._cut = False
        return data

    def _joined(self, data: bytes) -> bytes | None:
        """The token's pieces with what ends it; None while it does not: a long string is joined once."""
        whole = self._pieces[0][0] != 34
        if not whole:
            begin: i64 = 1 if self._cut else 0
            whole = string_end(data, begin, len(data)) >= 0
        self._pieces.append(data)
        if whole:
            return self._taken()
        self._size += len(data)
        if self._size > MAX_TEXT:
            raise Unmaskable(f"a JSON string of more than {MAX_TEXT} bytes")
        self._cut = ends_in_escape(data, self._cut)
        return None

    def _keep(self, data: bytes, start: i64) -> None:
        rest = data[start:]
        self._pieces.append(rest)
        self._size = len(rest)
        text = rest[0] == 34
        if self._size > (MAX_TEXT if text else MAX_NUMBER):
            raise Unmaskable("a JSON value that is too long to be read")
        self._cut = text and ends_in_escape(rest, False)

    # ---- the walk

    def _walked(self, data: bytes) -> bytes:
        end: i64 = len(data)
        here: i64 = 0
        self._copied = 0
        if not self._begun:
            if len(data) < 3 and _MARK.startswith(data):
                self._pieces.append(data)
                return b""
            self._begun = True
            if data.startswith(_MARK):
                here = 3
        if self._passing:
            here = self._on(data, end)
        stopped: i64 = self._walk(data, here, end)
        if stopped < end:
            self._keep(data, stopped)
        return self._result(data, stopped)

    def _result(self, data: bytes, end: i64) -> bytes:
        """`data` up to `end` as changed."""
        if self._copied == 0 and end == len(data) and len(self._out) == 0 and self._dropped == 0:
            return data
        self._copy(data, end)
        found = self._out.getvalue()
        self._out = BytesWriter()
        return found

    def _copy(self, data: bytes, end: i64) -> None:
        """Up to `end` what goes on as it is; nothing where it is left out."""
        if self._copied < end:
            if self._dropped == 0:
                self._out.write(data[self._copied : end])
            self._copied = end

    def _on(self, data: bytes, end: i64) -> i64:
        """The rest of a string that goes on as it comes."""
        begin: i64 = 1 if self._cut else 0
        if begin > end:
            return end
        stop: i64 = string_end(data, begin, end)
        if stop < 0:
            self._cut = ends_in_escape(data, self._cut)
            return end
        self._passing = False
        self._cut = False
        self._ended()
        return (stop >> 1) + 1

    def _walk(self, data: bytes, here: i64, end: i64) -> i64:
        """Up to where `data` is read: its end, or where a token begins that is not whole."""
        table = _CLASS
        while here < end:
            c: i64 = data[here]
            if c == 34:
                expect: i64 = self._expect
                if _NAME <= expect <= _FIRST_NAME:
                    stop: i64 = string_end(data, here + 1, end)
                    if stop < 0:
                        return here
                    self._named(data, here + 1, stop >> 1, (stop & 1) != 0)
                    here = (stop >> 1) + 1
                elif expect <= _FIRST:
                    stop = self._text(data, here, end)
                    if stop < 0:
                        return here
                    here = stop
                else:
                    raise Unmaskable(ABOUT)
            elif c == 44:
                self._next()
                here += 1
            elif c == 58:
                if self._expect != _COLON:
                    raise Unmaskable(ABOUT)
                self._expect = _VALUE
                here += 1
            elif c == 123 or c == 91:
                self._open(data, here, c == 123)
                here += 1
            elif c == 125 or c == 93:
                self._close(data, here, c == 125)
                here += 1
            else:
                kind: i64 = table[c]
                if kind == 1:
                    here += 1
                elif kind == 2:
                    stop = here + 1
                    while stop < end and table[data[stop]] == 2:
                        stop += 1
                    if stop == end:
                        return here
                    self._word(data, here, stop)
                    here = stop
                else:
                    raise Unmaskable(ABOUT)
        return end

    def _next(self) -> None:
        if self._expect != _COMMA:
            raise Unmaskable(ABOUT)
        if self._kinds[-1]:
            self._expect = _NAME
        else:
            self._expect = _VALUE
            if self._place != DEAD:
                self._begin_element()

    def _begin_element(self) -> None:
        """Where the next element of the open list stands."""
        number = self._number[-1]
        self._number[-1] = number + 1
        if number == 0 or self._table.numbered[self._place]:
            self._element[-1] = self._table.element(self._place, number)
        self._step = self._element[-1]

    def _open(self, data: bytes, here: i64, is_object: bool) -> None:
        if self._expect > _FIRST or self._depth >= MAX_DEPTH:
            raise Unmaskable(ABOUT)
        step = self._step
        if step & _ACTION_MASK and self._dropped == 0:
            self._copy(data, here)
            self._out.write(b"{}" if is_object else b"[]")
            self._dropped = self._depth + 1
            self.masked += 1
        self._depth += 1
        self._kinds.append(is_object)
        self._places.append(self._place)
        self._number.append(0)
        self._element.append(0)
        self._place = step >> ACTION_BITS
        self._starts = self._table.starts[self._place]
        self._step = 0
        self._expect = _FIRST_NAME if is_object else _FIRST
        if not is_object and self._place != DEAD:
            self._begin_element()

    def _close(self, data: bytes, here: i64, is_object: bool) -> None:
        expect = self._expect
        first: i64 = _FIRST_NAME if is_object else _FIRST
        if (expect != _COMMA and expect != first) or self._depth == 0 or self._kinds[-1] != is_object:
            raise Unmaskable(ABOUT)
        if self._dropped == self._depth:
            self._copied = here + 1
            self._dropped = 0
        self._depth -= 1
        self._kinds.pop()
        self._number.pop()
        self._element.pop()
        self._place = self._places.pop()
        self._starts = self._table.starts[self._place]
        self._ended()

    def _ended(self) -> None:
        """Behind a value."""
        if self._depth:
            self._expect = _COMMA
            self._step = 0
        else:
            self._expect = _VALUE
            self._step = self._pending

    # ---- names and values

    def _named(self, data: bytes, start: i64, end: i64, escaped: bool) -> None:
        self._expect = _COLON
        self._step = 0
        if self._starts[data[start]]:  # of an empty name, by its quote
            try:
                self._step = self._table.step(self._place, data[start:end])
            except ValueError:  # an escape that is none
                raise Unmaskable(ABOUT) from None
        if self._scanner is not None and self._dropped == 0 and end - start >= self._scanner.least:
            self._searched(data, start, end, escaped)

    def _text(self, data: bytes, start: i64, end: i64) -> i64:
        """Behind a string; -1 where it must be seen whole and is not."""
        action: i64 = self._step & _ACTION_MASK
        stop: i64 = string_end(data, start + 1, end)
        free = self._dropped != 0 or (action == 0 and self._scanner is None)
        if stop < 0:
            if not free:
                return -1
            self._passing = True
            self._cut = ends_in_escape(data[start + 1 : end], False)
            return end
        escaped = (stop & 1) != 0
        stop >>= 1
        if action and self._dropped == 0:
            self._hidden(data, start, stop + 1, action, escaped)
        elif not free:
            scanner = self._scanner
            if scanner is not None and stop - start > scanner.least:
                self._searched(data, start + 1, stop, escaped)
        self._ended()
        return stop + 1

    def _hidden(self, data: bytes, start: i64, end: i64, action: i64, escaped: bool) -> None:
        """A text that a rule names."""
        value = data[start + 1 : end - 1]
        if not value:
            return
        if escaped:
            value = plain(data[start:end])
        shown = self._value.of(self._actions[action - 1], value)
        self._replace(data, start, end, b"null" if shown is None else quoted(shown))

    def _searched(self, data: bytes, start: i64, end: i64, escaped: bool) -> None:
        """A text between its quotes, with what patterns find in it starred."""
        scanner = self._scanner
        if scanner is None:
            return
        if escaped:
            text = plain(data[start - 1 : end + 1])
            shown = scanner.masked(text)
            if shown is not text:
                self._replace(data, start - 1, end + 1, quoted(shown))
            return
        finds = self._finds
        scanner.search(data, start, end, finds)
        if finds.count:
            starred = bytearray(data[start:end])
            for begin, stop in finds.spans:
                starred[begin - start : stop - start] = b"*" * (stop - begin)
            finds.count = 0
            finds.spans = []
            self._replace(data, start, end, bytes(starred))

    def _word(self, data: bytes, start: i64, end: i64) -> None:
        """A number, true, false or null."""
        if self._expect > _FIRST:
            raise Unmaskable(ABOUT)
        c: i64 = data[start]
        number = 48 <= c <= 57 or (c == 45 and end - start > 1 and 48 <= data[start + 1] <= 57)
        if not number and data[start:end] not in _WORDS:
            raise Unmaskable(ABOUT)
        if self._dropped == 0:
            scanner = self._scanner
            if self._step & _ACTION_MASK:
                if c != 110:  # null
                    self._replace(data, start, end, b"false" if c == 116 or c == 102 else b"0")
            elif (
                scanner is not None
                and number
                and end - start >= scanner.least_digits
                and scanner.spans(data, start, end)
            ):
                self._replace(data, start, end, b"0")
        self._ended()

    def _counted(self, data: bytes, start: i64, end: i64, scanner: Scanner) -> None:
        if scanner.spans(data, start, end):
            self._replace(data, start, end, b"0")

    def _replace(self, data: bytes, start: i64, end: i64, value: bytes) -> None:
        self._copy(data, start)
        self._out.write(value)
        self._copied = end
        self.masked += 1
