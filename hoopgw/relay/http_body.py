"""One body on its way through: where it ends, whatever frames it."""

from __future__ import annotations

from typing import final

from hoopgw.wire.httpchunks import Chunks
from hoopgw.wire.httpfields import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE, Field


@final
class Body:
    """Of one message.  `ended` from the start where there is none."""

    __slots__ = ("framing", "left", "ended", "_chunks")

    def __init__(self, framing: int, length: int) -> None:
        self.framing = framing
        self.left = length  # bytes still to come, for LENGTH
        self.ended = framing == NO_BODY or (framing == LENGTH and length == 0)
        self._chunks: Chunks | None = Chunks() if framing == CHUNKED else None

    @property
    def trailers(self) -> list[Field]:
        """The fields behind the last chunk, as far as they are here."""
        return [] if self._chunks is None else self._chunks.trailers

    @property
    def between(self) -> bool:
        """It is in chunks, and none is open."""
        return self._chunks is not None and self._chunks.between

    def take(self, data: bytes, start: int, content: list[bytes] | None = None) -> int:
        """Follow `data` from `start`; gives where the body ended in it, or its length.

        What the body holds, without chunks, is appended to `content`.  Raises MalformedFrame.
        """
        if self.ended:
            return start
        chunks = self._chunks
        if chunks is not None:
            end = chunks.take(data, start, content)
            self.ended = chunks.ended
            return end
        end = len(data)
        if self.framing != UNTIL_CLOSE:
            end = min(end, start + self.left)
            self.left -= end - start
            self.ended = self.left == 0
        if content is not None:
            content.append(data if start == 0 and end == len(data) else data[start:end])
        return end
