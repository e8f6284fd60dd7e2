"""JSON text in pieces -> the same text with values masked by name, by place, and by what patterns find.  Compiled.

Values stay of their kind, so that clients can read them: a masked text is stars, its last four characters or a hash; a
number is 0, a boolean false, an object {} and a list []; null stays.  Whatever is not masked goes on byte for byte.
Several texts behind each other (NDJSON, RFC 7464) are as good as one.  What is not JSON raises Unmaskable: its values
could not be found.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i32_le, read_i64_le
from mypy_extensions import i64

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.httpchunks import chunk_of
from hoopgw.wire.jsonkeys import ACTION_BITS, DEAD, KeyTable
from hoopgw.wire.jsonskips import CLASS, bare_end, list_behind, string_behind
from hoopgw.wire.jsonstrings import ABOUT, ends_in_escape, string_end
from hoopgw.wire.jsontoken import PartialToken
from hoopgw.wire.jsonvalues import JsonValues
from hoopgw.wire.jsonways import NEAR, NOWHERE, STRAYS, Open
from hoopgw.wire.masking import Action, ValueMask

MAX_DEPTH: Final = 512  # objects and lists in one another

_ACTION_MASK: Final = 15  # of ACTION_BITS; a sum would be looked up each time

# What may come next
_VALUE: Final = 0
_FIRST: Final = 1  # a value, or the end of the list
_NAME: Final = 2
_FIRST_NAME: Final = 3  # a name, or the end of the object
_COLON: Final = 4
_COMMA: Final = 5  # or the end of what is open

_NEXT_ROW: Final = 0x7B202C7D  # b"}, {", the lowest byte first
_MARK: Final = b"\xef\xbb\xbf"


@final
class JsonMask:
    """One body.  `actions` are what the table's actions from 1 on mean for a text."""

    __slots__ = (
        "_all", "_begun", "_busy", "_cut", "_depth", "_dropped", "_expect", "_gap", "_open", "_passing",
        "_pending", "_pieces", "_step", "_table", "_values", "_ways",
    )  # fmt: skip

    def __init__(self, table: KeyTable, actions: tuple[Action, ...], value: ValueMask) -> None:
        self._table = table
        self._ways = table.ways
        self._values = JsonValues(actions, value)
        self._busy = value.scanner is not None  # every text is searched
        self._begun = False
        self._pieces = PartialToken()
        self._passing = False  # inside a string that goes on, or is left out, as it comes
        self._cut = False  # which was cut behind a backslash
        self._depth: i64 = 0
        self._dropped: i64 = 0  # the depth of the object or list that is left out; 0: none
        self._gap: i64 = 0  # where in the bytes in hand that begins
        self._expect: i64 = _VALUE
        place, action = table.root()
        self._step: i64 = (place << ACTION_BITS) | action  # where the next value stands, and what becomes of it
        self._pending: i64 = self._step  # of a whole text, again and again
        self._open = Open(table.starts[DEAD], table.ways.begin())
        self._all: list[Open] = [self._open]  # as many as there ever were: each of a depth, and used again

    @property
    def masked(self) -> int:
        """How many values were not shown as they are."""
        return self._values.masked

    def feed(self, data: bytes) -> bytes:
        """What may go on now.  Raises Unmaskable."""
        return self._fed(data, False)

    def chunk(self, data: bytes) -> bytes:
        """The same as one chunk of a body (RFC 9112, 7.1), copied once; nothing where nothing may go on."""
        return self._fed(data, True)

    def _fed(self, data: bytes, chunk: bool) -> bytes:
        if not data:
            return b""
        before = b""
        here: i64 = 0
        if self._pieces.waiting:
            here = self._pieces.takes(data)
            if here < 0:
                return b""
            before = self._walked(self._pieces.taken(), 0, b"", False)
            if here == len(data):
                return chunk_of(before) if chunk else before
            if self._pieces.waiting:  # what ended it begins another one
                before += self._fed(data[here:], False)
                return chunk_of(before) if chunk else before
        return self._walked(data, here, before, chunk)

    def finish(self) -> bytes:
        """What is left.  Raises Unmaskable for a text without its end."""
        out = b""
        if self._pieces.waiting:  # a number ends with the text
            out = self._walked(self._pieces.taken() + b"\n", 0, b"", False)[:-1]
        if self._pieces.waiting or self._passing or self._depth or self._expect != _VALUE:
            raise Unmaskable("a JSON text that ends too early")
        return out

    # ---- the walk

    def _walked(self, data: bytes, start: i64, before: bytes, chunk: bool) -> bytes:
        """What of `data` is shown from `start` on, behind what was shown before."""
        end: i64 = len(data)
        here: i64 = start
        if not self._begun:
            if len(data) < 3 and _MARK.startswith(data):
                self._pieces.keep(data, 0)
                return b""
            self._begun = True
            if data.startswith(_MARK):
                here = 3
        self._values.begin(data, start, end, chunk)
        run = self._values.run
        if before:
            run.put(start, start, before)
        self._gap = start
        if self._passing:
            here = self._on(data, start, end)
        stopped: i64 = self._walk(data, here, end)
        if stopped < end:
            self._pieces.keep(data, stopped)
        if self._dropped:
            run.put(self._gap, stopped, b"")
        changed = run.result_until(stopped)
        if changed is not None:
            return changed
        same = data if start == 0 and stopped == end else data[start:stopped]
        return chunk_of(same) if chunk else same

    def _on(self, data: bytes, start: i64, end: i64) -> i64:
        """The rest of a string that goes on as it comes."""
        begin: i64 = start
        if self._cut:
            begin += 1
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
        table = CLASS
        while here < end:
            c: i64 = data[here]
            if c == 34:
                expect: i64 = self._expect
                if _NAME <= expect <= _FIRST_NAME:
                    stop: i64 = self._member(data, -1, here, end)  # what was before it was in another read
                elif expect <= _FIRST:
                    stop = self._text(data, here, end)
                else:
                    raise Unmaskable(ABOUT)
                if stop < 0:
                    return here
                here = stop
            elif c == 44:
                here = self._next(data, here, end)
            elif c == 58:
                if self._expect != _COLON:
                    raise Unmaskable(ABOUT)
                self._expect = _VALUE
                here += 1
            elif c == 123:
                self._opens(here, True)
                stop = self._members(data, here, end)
                here = stop if stop != here else self._ahead(data, here, end)
            elif c == 91:
                self._opens(here, False)
                here += 1
            elif c == 125:
                self._closes(here, True)
                here += 1
            elif c == 93:
                self._closes(here, False)
                here += 1
            elif table[c] == 1:
                here += 1
            elif table[c] == 2:
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

    def _next(self, data: bytes, here: i64, end: i64) -> i64:
        """Behind a comma, and what of the next member or element is read with it."""
        if self._expect != _COMMA:
            raise Unmaskable(ABOUT)
        inside = self._open
        if not inside.in_object:
            self._expect = _VALUE
            if inside.place != DEAD:
                self._begin_element(inside)
            return here + 1
        stop: i64 = self._members(data, here, end)
        if stop != here:
            return stop
        self._expect = _NAME
        return self._ahead(data, here, end)

    def _ahead(self, data: bytes, since: i64, end: i64) -> i64:
        """Behind the brace or comma at `since`, white space, and a name, if they are next."""
        start: i64 = since + 1
        while start < end and CLASS[data[start]] == 1:
            start += 1
        if start < end and data[start] == 34:
            stop: i64 = self._member(data, since, start, end)
            if stop >= 0:
                return stop
        return start

    def _begin_element(self, inside: Open) -> None:
        """Where the next element of the open list stands."""
        if inside.number == 0 or inside.numbered:
            inside.element = self._table.element(inside.place, inside.number)
        inside.number += 1
        self._step = inside.element

    def _opens(self, here: i64, is_object: bool) -> None:
        if self._expect > _FIRST or self._depth >= MAX_DEPTH:
            raise Unmaskable(ABOUT)
        step = self._step
        if step & _ACTION_MASK and self._dropped == 0:
            self._values.run.put(here, here, b"{}" if is_object else b"[]")
            self._gap = here
            self._dropped = self._depth + 1
            self._values.masked += 1
        around = self._open
        self._depth += 1
        inside = around.inner
        if inside is None:
            inside = around.inner = Open(self._table.starts[DEAD], around.holder)
            self._all.append(inside)
        self._open = inside
        inside.in_object = is_object
        inside.number = inside.element = 0
        place: i64 = step >> ACTION_BITS
        if inside.place != place:
            inside.place = place
            inside.starts = self._table.starts[place]
            inside.numbered = self._table.numbered[place]
        inside.holder = around.way if around.in_object else around.holder
        self._step = 0
        if is_object:
            self._expect = _FIRST_NAME
            inside.way = inside.brace = self._ways.into(inside.holder, place)
        else:
            self._expect = _FIRST
            if place != DEAD:
                self._begin_element(inside)

    def _closes(self, here: i64, is_object: bool) -> None:
        expect = self._expect
        if expect != _COMMA and expect != (_FIRST_NAME if is_object else _FIRST):
            raise Unmaskable(ABOUT)
        if self._depth == 0 or self._open.in_object != is_object:
            raise Unmaskable(ABOUT)
        if self._dropped == self._depth:
            self._values.run.put(self._gap, here + 1, b"")
            self._dropped = 0
        self._depth -= 1
        self._open = self._all[self._depth]
        self._ended()

    def _ended(self) -> None:
        """Behind a value."""
        if self._depth:
            self._expect = _COMMA
            self._step = 0
        else:
            self._expect = _VALUE
            self._step = self._pending

    # ---- what comes as it came before

    def _members(self, data: bytes, here: i64, end: i64) -> i64:
        """From a brace or comma on, behind the members that come as they came before; `here` where none does.

        One that is reached, and whose value is not for here, is left where that begins.
        """
        if self._dropped:
            return here
        inside = self._open
        way = last = inside.way
        around = self._all[self._depth - 1]
        turns = not (around.in_object or around.numbered)  # where elements are not told apart, nor counted
        busy = self._busy
        while True:
            at: i64 = here
            one = way.ahead
            looked: i64 = 0
            while (
                at + one.reach > end
                or (read_i64_le(data, at) ^ one.word) & one.mask
                or (one.size > 8 and read_i64_le(data, at + one.size - 8) != one.last)
                or (one.size > 16 and one.differs(data, at))
            ):
                if looked == 0 and at < end and data[at] == 125:
                    if turns and inside.brace.strays < STRAYS:
                        at = self._turn(data, at, end)
                        if at >= 0:
                            last = way
                            way = inside.brace
                            one = way.ahead
                            continue
                    one = NOWHERE
                    break
                looked += 1
                if looked == NEAR:
                    one = NOWHERE
                    break
                one = one.ahead
            if one.size == 0:
                if way is inside.brace:  # back to before the turn: what comes there is learned
                    way = last
                break
            way = one
            here = at + way.size
            step = way.step
            stop: i64 = -1
            if here < end:
                c: i64 = data[here]
                if step & _ACTION_MASK or busy:
                    if c == 34:
                        stop = string_end(data, here + 1, end)
                        if stop >= 0:
                            self._values.text(data, here, stop >> 1, step & _ACTION_MASK, (stop & 1) != 0)
                            stop = (stop >> 1) + 1
                elif c == 34:
                    stop = string_behind(data, here + 1, end)
                elif c != 91:
                    stop = bare_end(data, here, end)
                elif step == DEAD and self._depth < MAX_DEPTH:
                    stop = list_behind(data, here, end)
            if stop < 0:
                self._expect = _VALUE
                self._step = step
                break
            self._expect = _COMMA
            here = stop
        inside.way = way
        return here

    def _turn(self, data: bytes, here: i64, end: i64) -> i64:
        """From the brace that ends an object, to that of the next element; -1: there is none, or it is not here.

        That stands where this one does, so nothing has to be done for it.
        """
        if here + 4 > end or data[here] != 125:
            return -1
        at: i64 = here + 1
        if self._depth > 1:
            if read_i32_le(data, here) == _NEXT_ROW:  # as nearly everybody writes it
                return here + 3
            if data[at] != 44:
                return -1
            at += 1
        while at < end and CLASS[data[at]] == 1:
            at += 1
        if at < end and data[at] == 123:
            return at
        return -1

    # ---- names and values

    def _member(self, data: bytes, since: i64, start: i64, end: i64) -> i64:
        """Behind a name, and its colon where that is next; -1: it is not whole.

        `since`: where the brace or comma before it is; -1: not here.
        """
        stop: i64 = string_end(data, start + 1, end)
        if stop < 0:
            return -1
        found = self._values.masked
        self._named(data, start + 1, stop >> 1, (stop & 1) != 0)
        here: i64 = (stop >> 1) + 1
        if here < end and data[here] == 58:  # where nearly everybody writes it
            self._expect = _VALUE
            here += 1
            if here < end and data[here] == 32:
                here += 1
            if since >= 0 and here < end and self._dropped == 0 and self._values.masked == found:
                inside = self._open
                inside.way = self._ways.learned(inside.brace, inside.way, data[since:here], self._step)
        return here

    def _named(self, data: bytes, start: i64, end: i64, escaped: bool) -> None:
        self._expect = _COLON
        self._step = 0
        if self._open.starts[data[start]]:  # of an empty name, by its quote
            self._step = self._looked_up(data, start, end)
        if self._busy and self._dropped == 0:
            self._values.text(data, start - 1, end, 0, escaped)

    def _looked_up(self, data: bytes, start: i64, end: i64) -> i64:
        try:
            return self._table.step(self._open.place, data[start:end])
        except ValueError:  # an escape that is none
            raise Unmaskable(ABOUT) from None

    def _text(self, data: bytes, start: i64, end: i64) -> i64:
        """Behind a string; -1 where it must be seen whole and is not."""
        action: i64 = self._step & _ACTION_MASK
        stop: i64 = string_end(data, start + 1, end)
        free = self._dropped != 0 or (action == 0 and not self._busy)
        if stop < 0:
            if not free:
                return -1
            self._passing = True
            self._cut = ends_in_escape(data[start + 1 : end], False)
            return end
        if not free:
            self._values.text(data, start, stop >> 1, action, (stop & 1) != 0)
        self._ended()
        return (stop >> 1) + 1

    def _word(self, data: bytes, start: i64, end: i64) -> None:
        """A number, true, false or null."""
        if self._expect > _FIRST:
            raise Unmaskable(ABOUT)
        self._values.word(data, start, end, self._step & _ACTION_MASK, self._dropped != 0)
        self._ended()
