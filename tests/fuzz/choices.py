"""Bytes of a fuzzer -> choices: numbers, picks and pieces, in the order in which a target asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Reads from the front.  At the end every number is 0, and every piece is empty: no input is too short."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._here = 0

    @property
    def more(self) -> bool:
        return self._here < len(self._data)

    def number(self, below: int) -> int:
        """0 to `below` - 1."""
        size = 1 if below <= 256 else 2 if below <= 65536 else 4
        found = self.piece(size)
        return int.from_bytes(found, "big") % below

    def flag(self) -> bool:
        return self.number(2) == 1

    def pick(self, among: Sequence[T]) -> T:
        return among[self.number(len(among))]

    def piece(self, size: int) -> bytes:
        """So many bytes, or what there is."""
        found = self._data[self._here : self._here + size]
        self._here += len(found)
        return found

    def some(self) -> bytes:
        """At most 255 bytes, their number first."""
        return self.piece(self.number(256))

    def rest(self) -> bytes:
        return self.piece(len(self._data))


def cut(data: bytes, places: bytes) -> list[bytes]:
    """`data` in pieces, none of them empty: each byte of `places` is the size of one, then the rest."""
    found: list[bytes] = []
    here = 0
    for size in places:
        if size and here < len(data):
            found.append(data[here : here + size])
            here += size
    return found + [data[here:]] * (here < len(data))
