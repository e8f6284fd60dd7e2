"""What a session adds up to: the counters of its index row and of its closing entry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

from hoopgw.store.interface import SessionRow

MAX_TABLES: Final = 256  # of one session in the index; the recording has all of them


class Totals:
    """Counters only; the session counts."""

    __slots__ = (
        "row", "operations", "refused", "held", "masked", "bytes_in", "bytes_out", "tables", "reason",
        "_closed", "_rows",
    )  # fmt: skip

    def __init__(self, row: SessionRow) -> None:
        self.row = row  # as it was at the start
        self.operations = 0
        self.refused = 0
        self.held = 0
        self.masked = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.tables: set[str] = set()
        self.reason = ""
        self._closed: float | None = None
        self._rows = 0

    def read(self, tables: frozenset[str]) -> None:
        """Tables that an operation named."""
        if tables and len(self.tables) < MAX_TABLES:
            self.tables.update(sorted(tables)[: MAX_TABLES - len(self.tables)])

    def close(self, now: float, reason: str, rows: int) -> None:
        self._closed = now
        self.reason = reason
        self._rows = rows

    def counters(self) -> dict[str, int]:
        return {
            "operations": self.operations,
            "refused": self.refused,
            "held": self.held,
            "rows": self._rows,
            "masked": self.masked,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
        }

    def closing(self) -> dict[str, Any]:
        """What the CLOSE entry says besides the coverage."""
        return {"reason": self.reason, "closed": self._closed, **self.counters(), "tables": sorted(self.tables)}

    def as_row(self, rows: int) -> SessionRow:
        if self._closed is None:
            self._rows = rows
        ended = self._closed is not None
        row = replace(self.row, closed=self._closed, reason=self.reason if ended else "")
        return replace(row, tables=tuple(sorted(self.tables)), **cast(dict[str, Any], self.counters()))
