"""JSON text in pieces -> the same text with values masked by name, by place, and by what patterns find.  Compiled.

Values stay of their kind, so that clients can read them: a masked text is stars, its last four characters or a hash; a
number is 0, a boolean false, an object {} and a list []; null stays.  Whatever is not masked goes on byte for byte.
Several texts behind each other (NDJSON, RFC 7464) are as good as one.  What is not JSON raises Unmaskable: its values
could not be found.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.finds import Finds
from hoopgw.wire.jsonkeys import ACTION_BITS, DEAD, KeyTable
from hoopgw.wire.jsonpieces import Pieces
from hoopgw.wire.jsonstrings import ABOUT, ends_in_escape, string_end
from hoopgw.wire.jsonvalues import JsonValues
from hoopgw.wire.masking import Action, ValueMask
from hoopgw.wire.rewriting import Rewriting

MAX_DEPTH: Final = 512  # objects and lists in one another

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
_MARK: Final = b"\xef\xbb\xbf"


@final
class _Around:
    """What an object or list stands in: to be gone on with behind it."""

    __slots__ = ("element", "in_object", "number", "place", "starts")

    def __init__(self, starts: bytes) -> None:
        self.in_object = False
        self.number: i64 = 0
        self.element: i64 = 0
        self.place: i64 = 0
        self.starts = starts


@final
class _Way:
    """A name of up to eight bytes, at a place, and where it leads."""

    __slots__ = ("place", "size", "step", "word")

    def __init__(self) -> None:
        self.word: i64 = 0
        self.size: i64 = -1
        self.place: i64 = 0
        self.step: i64 = 0


@final
class JsonMask:
    """One body.  `actions` are what the table's actions from 1 on mean for a text."""

    __slots__ = (
        "_around", "_begun", "_cut", "_depth", "_dropped", "_element", "_expect", "_finds", "_gap",
        "_in_object", "_number", "_passing", "_pending", "_pieces", "_place",
        "_run", "_scans", "_starts", "_step", "_table", "_values", "_way", "_way_before", "masked",
    )  # fmt: skip

    def __init__(self, table: KeyTable, actions: tuple[Action, ...], value: ValueMask) -> None:
        self.masked: int = 0
        self._table = table
        self._values = JsonValues(actions, value)
        self._scans = value.scanner is not None
        self._run = Rewriting(b"", 0, 0, False)  # of the bytes in hand
        self._finds = Finds(self._run)  # which it stars at once
        self._way = _Way()
        self._way_before = _Way()
        self._begun = False
        self._pieces = Pieces()
        self._passing = False  # inside a string that goes on, or is left out, as it comes
        self._cut = False  # which was cut behind a backslash
        self._depth: i64 = 0
        self._dropped: i64 = 0  # the depth of the object or list that is left out; 0: none
        self._gap: i64 = 0  # where in the bytes in hand that begins
        self._around: list[_Around] = []  # as many as there ever were: each of a depth, and used again
        self._in_object = False  # what is open is an object
        self._number: i64 = 0  # of the next element
        self._element: i64 = 0  # where it stands, and what becomes of it
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
        if self._pieces.waiting:
            joined = self._pieces.joined(data)
            if joined is None:
                return b""
            data = joined
        return self._walked(data)

    def finish(self) -> bytes:
        """What is left.  Raises Unmaskable for a text without its end."""
        out = b""
        if self._pieces.waiting:  # a number ends with the text
            out = self._walked(self._pieces.taken() + b"\n")[:-1]
        if self._pieces.waiting or self._passing or self._depth or self._expect != _VALUE:
            raise Unmaskable("a JSON text that ends too early")
        return out

    # ---- the walk

    def _walked(self, data: bytes) -> bytes:
        end: i64 = len(data)
        here: i64 = 0
        if not self._begun:
            if len(data) < 3 and _MARK.startswith(data):
                self._pieces.keep(data, 0)
                return b""
            self._begun = True
            if data.startswith(_MARK):
                here = 3
        run = self._run = Rewriting(data, 0, end, False)
        self._gap = 0
        if self._scans:
            self._finds = Finds(run)
        if self._passing:
            here = self._on(data, end)
        stopped: i64 = self._walk(data, here, end)
        if stopped < end:
            self._pieces.keep(data, stopped)
        if self._dropped:
            run.put(self._gap, stopped, b"")
        changed = run.result_until(stopped)
        if changed is not None:
            return changed
        return data if stopped == end else data[:stopped]

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
                    if here < end and data[here] == 58:  # where nearly everybody writes it
                        self._expect = _VALUE
                        here += 1
                        if here < end and data[here] == 32:
                            here += 1
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
                if here < end and data[here] == 32:
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
        if self._in_object:
            self._expect = _NAME
        else:
            self._expect = _VALUE
            if self._place != DEAD:
                self._begin_element()

    def _begin_element(self) -> None:
        """Where the next element of the open list stands."""
        if self._number == 0 or self._table.numbered[self._place]:
            self._element = self._table.element(self._place, self._number)
        self._number += 1
        self._step = self._element

    def _open(self, data: bytes, here: i64, is_object: bool) -> None:
        if self._expect > _FIRST or self._depth >= MAX_DEPTH:
            raise Unmaskable(ABOUT)
        step = self._step
        if step & _ACTION_MASK and self._dropped == 0:
            self._run.put(here, here, b"{}" if is_object else b"[]")
            self._gap = here
            self._dropped = self._depth + 1
            self.masked += 1
        if self._depth == len(self._around):
            self._around.append(_Around(self._starts))
        around = self._around[self._depth]
        around.in_object = self._in_object
        around.number = self._number
        around.element = self._element
        around.place = self._place
        around.starts = self._starts
        self._depth += 1
        self._in_object = is_object
        self._number = self._element = 0
        self._place = step >> ACTION_BITS
        self._starts = self._table.starts[self._place]
        self._step = 0
        self._expect = _FIRST_NAME if is_object else _FIRST
        if not is_object and self._place != DEAD:
            self._begin_element()

    def _close(self, data: bytes, here: i64, is_object: bool) -> None:
        expect = self._expect
        first: i64 = _FIRST_NAME if is_object else _FIRST
        if (expect != _COMMA and expect != first) or self._depth == 0 or self._in_object != is_object:
            raise Unmaskable(ABOUT)
        if self._dropped == self._depth:
            self._run.put(self._gap, here + 1, b"")
            self._dropped = 0
        self._depth -= 1
        around = self._around[self._depth]
        self._in_object = around.in_object
        self._number = around.number
        self._element = around.element
        self._place = around.place
        self._starts = around.starts
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
            self._step = self._led(data, start, end)
        if self._scans and self._dropped == 0:
            self._searched(data, start - 1, end + 1, escaped)

    def _led(self, data: bytes, start: i64, end: i64) -> i64:
        """Where a name leads.  Rows have the same few: one that is short is known without a look into a dictionary."""
        size: i64 = end - start
        if size > 8 or start + 8 > len(data):
            return self._looked_up(data, start, end)
        word: i64 = read_i64_le(data, start)
        # What is behind the name is shifted out.  (No mask of 1 << n: a constant has 32 bits in compiled code)
        word = word << ((8 - size) * 8) if size else 0
        place: i64 = self._place
        way = self._way
        if way.word == word and way.size == size and way.place == place:
            return way.step
        way = self._way_before
        if way.word != word or way.size != size or way.place != place:
            way.step = self._looked_up(data, start, end)
            way.word, way.size, way.place = word, size, place
        self._way, self._way_before = way, self._way
        return way.step

    def _looked_up(self, data: bytes, start: i64, end: i64) -> i64:
        try:
            return self._table.step(self._place, data[start:end])
        except ValueError:  # an escape that is none
            raise Unmaskable(ABOUT) from None

    def _text(self, data: bytes, start: i64, end: i64) -> i64:
        """Behind a string; -1 where it must be seen whole and is not."""
        action: i64 = self._step & _ACTION_MASK
        stop: i64 = string_end(data, start + 1, end)
        free = self._dropped != 0 or (action == 0 and not self._scans)
        if stop < 0:
            if not free:
                return -1
            self._passing = True
            self._cut = ends_in_escape(data[start + 1 : end], False)
            return end
        escaped = (stop & 1) != 0
        stop = (stop >> 1) + 1
        if action and self._dropped == 0:
            self._hidden(data, start, stop, action, escaped)
        elif not free:
            self._searched(data, start, stop, escaped)
        self._ended()
        return stop

    def _word(self, data: bytes, start: i64, end: i64) -> None:
        """A number, true, false or null."""
        if self._expect > _FIRST:
            raise Unmaskable(ABOUT)
        shown = self._values.word(data, start, end, self._step & _ACTION_MASK)
        if self._dropped == 0:
            self._replaced(start, end, shown)
        self._ended()

    def _hidden(self, data: bytes, start: i64, end: i64, action: i64, escaped: bool) -> None:
        """A string, quotes included, that a rule names."""
        visible: i64 = -1 if escaped else self._values.visible(data, start + 1, end - 1, action)
        if visible < 0:
            self._replaced(start, end, self._values.hidden(data, start, end, action, escaped))
        elif visible > start + 1:
            self._run.stars(start + 1, visible)
            self.masked += 1

    def _searched(self, data: bytes, start: i64, end: i64, escaped: bool) -> None:
        """A string, quotes included, in which patterns may find something."""
        if escaped:
            self._replaced(start, end, self._values.searched(data, start, end))
            return
        finds = self._finds
        before = finds.count
        scanner = self._values.scanner
        if scanner is not None and end - start - 2 >= scanner.least:
            scanner.search(data, start + 1, end - 1, finds)
        if finds.count != before:
            self.masked += 1

    def _replaced(self, start: i64, end: i64, shown: bytes | None) -> None:
        if shown is not None:
            self._run.put(start, end, shown)
            self.masked += 1
