"""The beginning of a message that is not whole, kept until the rest of it is there."""

from __future__ import annotations

from typing import final

from hoopgw.wire.pgframes import HEADER


@final
class Tail:
    """Of one direction.  `held`: there is one.  Its owner bounds what a message may need; a read more may be kept."""

    __slots__ = ("_need", "_pieces", "_size", "held")

    def __init__(self) -> None:
        self.held = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._need = 0

    def keep(self, piece: bytes, need: int) -> None:
        """`need` bytes are the message; 0 where not even its length is known."""
        self.held = True
        self._pieces = [piece]
        self._size = len(piece)
        self._need = need or HEADER

    def joined(self, data: bytes) -> bytes | None:
        """With `data` behind it, once that is as much as it needs: then it is not held any more."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size < self._need:
            return None
        whole = b"".join(self._pieces)
        self.drop()
        return whole

    def drop(self) -> None:
        self.held = False
        self._pieces = []
