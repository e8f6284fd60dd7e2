"""Where something was found: kept as a list, or starred in a copy at once."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from hoopgw.wire.rewriting import Rewriting


@final
class Finds:
    """`count` of what was found; `spans`, (begin, end) in no order and overlapping, where it is not starred at once."""

    __slots__ = ("_stars", "count", "spans")

    def __init__(self, stars: Rewriting | None = None) -> None:
        self.count: i64 = 0
        self.spans: list[tuple[int, int]] = []
        self._stars = stars

    def put(self, begin: i64, end: i64) -> None:
        self.count += 1
        if self._stars is not None:
            self._stars.stars(begin, end)
        else:
            self.spans.append((begin, end))
