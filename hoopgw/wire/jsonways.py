"""Members of JSON objects that come as they came before: known by their bytes, without a look at each.  Compiled.

Rows of a list, and the answers of one service, have the same names in the same order, written alike.  So the text from
behind one value up to the next is compared with what came there last time, eight bytes at once.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64

LONGEST: Final = 64  # bytes of what is kept of one member: its name and the white space around it
MOST: Final = 1024  # members that are kept: about 300 KiB
NEAR: Final = 8  # members ahead that are compared with what comes: some may be left out
PATIENCE: Final = 4  # times that another member comes than those that are known, until one more is
STRAYS: Final = 32  # members of one object that came so, until all of it is learned anew
_ENDLESS: Final = 0x7FFFFFFFFFFF  # bytes, more than there ever are
FAR: Final = 32  # members ahead among which one is looked for by its text


@final
class Way:
    """A member: its text from the comma or brace before it up to its value, and where it leads.

    Without text it stands for the brace of an object at `place`.  What is in it is never another one later; the links
    change, and may be wrong: what they lead to is compared before it is believed.

    step    where the member leads, as `KeyTable.step` has it
    ahead   the next of the members of such objects that are known; NOWHERE behind the last one
    within  the brace of the objects that were its value, or in the list that was
    end     of a brace: the last of the members that are known; None while there is none
    missed  of a brace: how many members came that were none of those, since one was learned
    strays  of a brace: how many of its members were learned elsewhere than behind the last one
    """

    __slots__ = (
        "ahead", "end", "last", "mask", "missed", "place", "reach", "size", "step", "strays", "text", "within", "word",
    )  # fmt: skip

    def __init__(self, text: bytes, place: i64, step: i64, ahead: Way | None) -> None:
        """`ahead`: None for what stands behind the last one, itself."""
        size: i64 = len(text)
        padded = text + bytes(8)
        mask: i64 = 0
        here: i64 = 0
        while here < size and here < 8:
            mask = mask << 8 | 255
            here += 1
        self.text = text
        self.size = size
        self.reach: i64 = size if size > 8 else 8  # bytes that are read
        self.mask = mask
        self.word: i64 = read_i64_le(padded, 0) & mask
        self.last: i64 = read_i64_le(padded, size - 8) if size > 8 else 0
        self.place = place
        self.step = step
        self.missed: i64 = 0
        self.strays: i64 = 0
        self.within: Way | None = None
        self.end: Way | None = None
        self.ahead: Way = self if ahead is None else ahead

    def differs(self, data: bytes, here: i64) -> bool:
        """Whether what is between the first and the last eight bytes is another text."""
        at: i64 = 8
        while at < self.size - 8:
            if read_i64_le(data, here + at) != read_i64_le(self.text, at):
                return True
            at += 8
        return False


NOWHERE: Final = Way(b"", 0, 0, None)  # behind the last member that is known; no text is it
NOWHERE.reach = _ENDLESS


@final
class Open:
    """An object or list that is open; the outermost one is what the whole text stands in.

    number   of the next element, where elements are told apart; else 0 before the first
    inner    what was open in it last
    numbered it matters which element it is
    element  where elements stand, and what becomes of them
    starts   by the first byte of a name: it may matter here
    holder   the member whose value it is, or is in
    brace    of an object: where its members are known from
    way      of an object: the last of its members that is known
    """

    __slots__ = ("brace", "element", "holder", "in_object", "inner", "number", "numbered", "place", "starts", "way")

    def __init__(self, starts: bytes, holder: Way) -> None:
        self.in_object = False
        self.inner: Open | None = None
        self.numbered = False
        self.number: i64 = 0
        self.element: i64 = 0
        self.place: i64 = 0
        self.starts = starts
        self.holder = holder
        self.brace = holder
        self.way = holder


@final
class Ways:
    """Of all bodies under one set of rules, bounded."""

    __slots__ = ("_braces", "_count", "text")

    def __init__(self) -> None:
        self.text = Way(b"", 0, 0, NOWHERE)  # what holds a whole text
        self._braces: list[Way] = []
        self._count: i64 = 0

    def begin(self) -> Way:
        """What holds another whole text.  Where no more would be kept all is forgotten: most may be of the past."""
        if self._count >= MOST:
            self._count = 0
            self._braces = []
            self.text = Way(b"", 0, 0, NOWHERE)
        return self.text

    def into(self, held: Way, place: i64) -> Way:
        """The brace of an object at `place`, in the value of `held`."""
        brace = held.within
        if brace is not None and brace.place == place:
            return self._ready(brace)
        if brace is None and self._count < MOST:
            self._count += 1
            brace = held.within = Way(b"", place, 0, NOWHERE)
            return brace
        while place >= len(self._braces):
            self._braces.append(Way(b"", len(self._braces), 0, NOWHERE))
        return self._ready(self._braces[place])

    def _ready(self, brace: Way) -> Way:
        """Its members are learned anew, in the order in which they come now, where too many came out of it."""
        if brace.strays >= STRAYS:
            each = brace.ahead
            while each is not NOWHERE:
                self._count -= 1
                each = each.ahead
            brace.ahead, brace.end = NOWHERE, None
            brace.strays = 0
        return brace

    def learned(self, brace: Way, way: Way, text: bytes, step: i64) -> Way:
        """Behind `way`, in an object with that brace, came none of the members that come next.  Gives what is known of
        it, or `way` where it is not kept."""
        size: i64 = len(text)
        each = way.ahead
        looked: i64 = 0
        while each is not NOWHERE and looked < FAR:
            if each.size == size and each.text == text:
                return each
            each = each.ahead
            looked += 1
        if size > LONGEST or self._count >= MOST:
            return way
        if way.ahead is not NOWHERE:
            brace.missed += 1
            if brace.missed < PATIENCE:
                return way
            brace.missed = 0
            brace.strays += 1
        self._count += 1
        end = brace.end
        found = Way(text, brace.place, step, NOWHERE)
        if end is None:
            brace.ahead = found
        else:
            end.ahead = found
        brace.end = found
        return found
