"""DataRow messages -> the same rows, masked.  One walk, and no object for a row or for a value that stays."""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i32_be, read_i64_be
from mypy_extensions import i64

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.binary_values import INT8
from hoopgw.wire.finds import Finds
from hoopgw.wire.masking import LAST4, NONE, PASS, SCAN, SCAN_BINARY, SCAN_NUMBER, Action, ValueMask
from hoopgw.wire.rewriting import Rewriting
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.showing import hidden

_EVEN: Final = (PASS, NONE, LAST4, SCAN)  # none of them changes a length, or gives another value than stars
_NOTHING: Final = Scanner(0)
_SHORT: Final = 1_000_000_000_000  # from here on, up or down, a number has 13 digits


@final
class RowMask:
    """Masks runs of whole DataRow messages of one result.  `masked` counts the values that were changed."""

    __slots__ = ("_actions", "_even", "_kinds", "_last", "_rewriting", "_scanner", "_value", "masked")

    def __init__(self, actions: tuple[Action | None, ...], value: ValueMask) -> None:
        kinds = [PASS if action is None else action.kind for action in actions]
        if value.scanner is None:  # without patterns a search gives NULL, as in ValueMask
            kinds = [-1 if kind == SCAN else kind for kind in kinds]
        self._even = all(kind in _EVEN for kind in kinds)
        self._kinds = bytes(255 if kind < 0 else kind for kind in kinds)
        self._last: i64 = max([index for index, kind in enumerate(kinds) if kind != PASS], default=-1)
        self._actions = actions
        self._value = value
        self._scanner = value.scanner or _NOTHING
        self.masked = 0

    def apply(self, data: bytes, start: int, end: int) -> bytes | None:
        """`data[start:end]` with its values masked, in right framing; None where nothing had to be changed.

        Raises MalformedFrame for rows that are not as the result's description says.
        """
        run = Rewriting(data, start, end, self._even)
        found = Finds(run)
        here: i64 = start
        stop: i64 = end
        columns: i64 = len(self._kinds)
        masked: i64 = 0
        while here < stop:
            if here + 7 > stop:
                raise MalformedFrame("a row that ends inside its header")
            length: i64 = i64(read_i32_be(data, here + 1))
            row_end: i64 = here + 1 + length
            count: i64 = (data[here + 5] << 8) | data[here + 6]
            if row_end > stop or length < 6 or count != columns or data[here] != 68:
                raise MalformedFrame("a row that is not as its description says")
            masked += self._row(data, here, row_end, run, found)
            here = row_end
        self.masked += masked
        return run.result()

    def _row(self, data: bytes, row: i64, row_end: i64, run: Rewriting, found: Finds) -> i64:
        """One row.  Gives how many values were masked."""
        kinds = self._kinds
        last: i64 = self._last
        scanner = self._scanner
        least: i64 = scanner.least
        shift: i64 = run.shift
        masked: i64 = 0
        index: i64 = 0
        here: i64 = row + 7
        while index <= last:
            if here + 4 > row_end:
                raise MalformedFrame("a row that ends inside a value's length")
            size: i64 = i64(read_i32_be(data, here))
            kind: i64 = kinds[index]
            if size == -1:
                size = 0
            elif size < 0 or size > row_end - here - 4:
                raise MalformedFrame("a value that is longer than its row")
            elif kind != PASS:
                hits = run.hits
                if kind != SCAN:
                    self._field(data, here, here + 4 + size, index, run)
                elif size >= least:
                    scanner.search(data, here + 4, here + 4 + size, found)
                if run.hits != hits:
                    masked += 1
            here += 4 + size
            index += 1
        if run.shift != shift:  # this row has another length now
            run.patch(row + 1 + shift, row_end - row - 1 + run.shift - shift)
        return masked

    def _field(self, data: bytes, here: i64, end: i64, index: i64, run: Rewriting) -> None:
        """One value: its length begins at `here`."""
        kind: i64 = self._kinds[index]
        start: i64 = here + 4
        if kind == NONE:
            if start < end:
                run.stars(start, end)
        elif kind == LAST4:
            if start < end:
                run.stars(start, hidden(data, start, end))
        elif kind == SCAN_BINARY:
            if not self._short(data, start, end, index):
                self._other(data, here, end, index, run)
        elif kind != SCAN_NUMBER or end - start >= self._scanner.least_digits:
            self._other(data, here, end, index, run)

    def _short(self, data: bytes, start: i64, end: i64, index: i64) -> bool:
        """Whether it is an int8 with fewer digits than any pattern needs."""
        action = self._actions[index]
        if end - start != 8 or action is None or action.oid != INT8 or not self._scanner.least_digits:
            return False
        number: i64 = read_i64_be(data, start)
        return -_SHORT < number < _SHORT

    def _other(self, data: bytes, here: i64, end: i64, index: i64, run: Rewriting) -> None:
        action = self._actions[index]
        if action is not None:
            value = data[here + 4 : end]
            shown = self._value.of(action, value)
            if shown is not value:
                run.replace(here, end, shown)
