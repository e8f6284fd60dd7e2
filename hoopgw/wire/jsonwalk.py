"""A walk through JSON text: what is open around it, and whether what comes next is selected by a table of keys."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.jsonkeys import ACTION_BITS, KeyTable

_ARRAY: Final = 91
_OBJECT: Final = 123
_ACTION: Final = (1 << ACTION_BITS) - 1


@final
class Walk:
    """`selected` is about the value that comes next.  Without a table everything is; below what is selected, too."""

    __slots__ = ("_counts", "_keys", "_open", "_place", "_places", "_selected", "selected")

    def __init__(self, keys: KeyTable | None) -> None:
        self._keys = keys
        self._open = bytearray()  # the bytes that opened the containers
        self._places: list[int] = []  # of the table, for each of them
        self._selected: list[bool] = []  # whether all of it is
        self._counts: list[int] = []  # how many elements of each array are behind
        self._place = 0  # of what comes next
        self.selected = True
        if keys is not None:
            self._take(keys.root(), False)

    @property
    def whole(self) -> bool:
        """Whether nothing is open."""
        return not self._open

    def opens(self, c: i64) -> None:
        self._open.append(c)
        if self._keys is not None:
            self._places.append(self._place)
            self._selected.append(self.selected)
            self._counts.append(0)
            self._element()

    def closes(self, c: i64) -> bool:
        """Whether there was one to close."""
        if not self._open or self._open.pop() != c - 2:
            return False
        if self._keys is not None:
            self._places.pop()
            self._selected.pop()
            self._counts.pop()
        return True

    def name(self, written: bytes) -> bool:
        """A member's name as it is written; whether this is a place for one, and it can be read."""
        if not self._open or self._open[-1] != _OBJECT:
            return False
        keys = self._keys
        if keys is not None:
            try:
                word = keys.step(self._places[-1], written)
            except ValueError:
                return False
            self._take((word >> ACTION_BITS, word & _ACTION), self._selected[-1])
        return True

    def comma(self) -> None:
        if self._keys is not None and self._counts:
            self._counts[-1] += 1
            self._element()

    def _element(self) -> None:
        keys = self._keys
        if keys is not None and self._open[-1] == _ARRAY:
            word = keys.element(self._places[-1], self._counts[-1])
            self._take((word >> ACTION_BITS, word & _ACTION), self._selected[-1])

    def _take(self, found: tuple[int, int], around: bool) -> None:
        self._place, action = found
        self.selected = around or action != 0


def selects(keys: KeyTable, key: bytes) -> bool:
    """Whether a table selects a value of an hstore by its key."""
    written = key.replace(b"\\", b"\\\\").replace(b'"', b'\\"') if b"\\" in key else key
    place, action = keys.root()
    return action != 0 or keys.step(place, written) & _ACTION != 0
