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
PATIENCE: Final = 4  # times that another member comes than the one that is known, until that is forgotten


@final
class Way:
    """A member: its text from behind a comma or brace up to its value, and where it leads.

    Without text it stands for the brace of an object at `place`.  What is in it is never another one later; `ahead`,
    `within` and `missed` change, and may be wrong: what they lead to is compared before it is believed.

    step    where the member leads, as `KeyTable.step` has it
    ahead   the member that followed last time
    within  the brace of the objects that were its value, or in the list that was
    """

    __slots__ = ("ahead", "last", "mask", "missed", "place", "reach", "size", "step", "text", "within", "word")

    def __init__(self, text: bytes, place: i64, step: i64) -> None:
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
        self.ahead: Way | None = None
        self.within: Way | None = None

    def comes(self, data: bytes, here: i64, end: i64) -> bool:
        """Whether `data` goes on with this member."""
        size = self.size
        if here + self.reach > end or (read_i64_le(data, here) ^ self.word) & self.mask:
            return False
        return size <= 8 or (read_i64_le(data, here + size - 8) == self.last and not self.differs(data, here))

    def differs(self, data: bytes, here: i64) -> bool:
        """Whether what is between the first and the last eight bytes is another text."""
        at: i64 = 8
        while at < self.size - 8:
            if read_i64_le(data, here + at) != read_i64_le(self.text, at):
                return True
            at += 8
        return False


@final
class Open:
    """An object or list that is open; the outermost one is what the whole text stands in.

    number   of the next element
    inner    what was open in it last
    numbered it matters which element it is
    element  where elements stand, and what becomes of them
    starts   by the first byte of a name: it may matter here
    holder   the member whose value it is, or is in
    way      of an object: the last of its members that is known
    """

    __slots__ = ("element", "holder", "in_object", "inner", "number", "numbered", "place", "starts", "way")

    def __init__(self, starts: bytes, holder: Way) -> None:
        self.in_object = False
        self.inner: Open | None = None
        self.numbered = False
        self.number: i64 = 0
        self.element: i64 = 0
        self.place: i64 = 0
        self.starts = starts
        self.holder = holder
        self.way = holder


@final
class Ways:
    """Of all bodies under one set of rules, bounded."""

    __slots__ = ("_braces", "_count", "text")

    def __init__(self) -> None:
        self.text = Way(b"", 0, 0)  # what holds a whole text
        self._braces: list[Way] = []
        self._count: i64 = 0

    def into(self, held: Way, place: i64) -> Way:
        """The brace of an object at `place`, in the value of `held`."""
        brace = held.within
        if brace is not None and brace.place == place:
            return brace
        if brace is None and self._count < MOST:
            self._count += 1
            brace = held.within = Way(b"", place, 0)
            return brace
        while place >= len(self._braces):
            self._braces.append(Way(b"", len(self._braces), 0))
        return self._braces[place]

    def learned(self, way: Way, text: bytes, step: i64) -> Way:
        """Behind `way` came another member than was known.  Gives it, or `way` where it is not kept."""
        known = way.ahead
        if len(text) > LONGEST:
            return way
        if known is None:
            if self._count >= MOST:
                return way
            self._count += 1
        else:
            known.missed += 1
            if known.missed < PATIENCE:
                return way
        found = Way(text, way.place, step)
        if known is not None:
            found.ahead = known.ahead
        way.ahead = found
        return found
