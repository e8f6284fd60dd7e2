"""Runs of CopyData messages in text or csv -> the same rows with stars in them.  Takes what is plain, leaves the rest.

Plain is a message of whole lines in which no value that is masked is escaped or quoted.  Its stars stand where the
value stood, so that lines, delimiters and message lengths stay.  `pgcopy` reads all others.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i32_be
from mypy_extensions import i64

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.finds import Finds
from hoopgw.wire.masking import LAST4, NONE, PASS, SCAN
from hoopgw.wire.rewriting import Rewriting
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.showing import hidden

EVEN: Final = frozenset((PASS, NONE, LAST4, SCAN))  # kinds of masks that keep a length
MESSAGE: Final[i64] = 5  # bytes in front of a payload


@final
class CopyRows:
    """`kinds` has the kind of mask of each field; `every` is for all of them, -1 where there is none.

    `special` are the bytes that only `pgcopy` can read; `null` stands for NULL; `backslash`: it escapes the next byte.
    """

    __slots__ = ("_every", "_kinds", "_null_mark", "_scanner", "_special", "masked")

    def __init__(
        self,
        kinds: bytes,
        every: int,
        scanner: Scanner | None,
        delimiter: bytes,
        null: bytes,
        special: bytes,
        backslash: bool,
    ) -> None:
        self._kinds = kinds
        self._every: i64 = every
        self._scanner = scanner or Scanner(0)
        self._null_mark = null
        table = bytearray(256)  # 1: ends a field; 2: escapes the next byte; 3: not plain
        for each in special:
            table[each] = 3
        if backslash:
            table[92] = 2
        table[10] = table[delimiter[0]] = 1
        self._special = bytes(table)
        self.masked = 0

    def apply(self, data: bytes, start: int, end: int) -> tuple[bytes | None, int]:
        """Whole messages from `start` on: what goes on in their place (None: they do), and up to where they are plain.

        Raises MalformedFrame for what is not CopyData.
        """
        run = Rewriting(data, start, end, False)  # it may end at any message
        found = Finds(run)
        here: i64 = start
        stop: i64 = end
        while here < stop:
            if here + MESSAGE > stop or data[here] != 100:
                raise MalformedFrame("a COPY with something else in it")
            behind: i64 = here + 1 + i64(read_i32_be(data, here + 1))
            if behind > stop or behind < here + MESSAGE:
                raise MalformedFrame("a COPY message that is longer than its read")
            masked = self._lines(data, here + MESSAGE, behind, run, found)
            if masked < 0:
                break
            self.masked += masked
            here = behind
        return run.result_until(here), here

    def _lines(self, data: bytes, start: i64, end: i64, run: Rewriting, found: Finds) -> i64:
        """One payload.  Gives how many values were masked; -1 where it is not plain."""
        if start == end or data[end - 1] != 10:
            return -1
        special = self._special
        columns: i64 = len(self._kinds)
        kind: i64 = self._every
        masked: i64 = 0
        index: i64 = 0
        begin: i64 = start
        escaped = False
        here: i64 = start
        while here < end:
            what: i64 = special[data[here]]
            if what == 0:
                here += 1
                continue
            if what == 2:
                if data[here + 1] == 10:  # a line goes on: no server writes that
                    return -1
                escaped = True
                here += 2
                continue
            if what == 3:
                return -1
            if self._every < 0:
                if index >= columns:
                    return -1
                kind = self._kinds[index]
            if kind != PASS and begin < here:
                hits = run.hits
                if not self._field(data, begin, here, kind, escaped, run, found):
                    return -1
                if run.hits != hits:
                    masked += 1
            index += 1
            if data[here] == 10:
                index = 0
            here += 1
            begin = here
            escaped = False
        return masked if begin == end else -1

    def _field(self, data: bytes, start: i64, end: i64, kind: i64, escaped: bool, run: Rewriting, found: Finds) -> bool:
        """One value that is not empty.  Gives whether it was plain, or NULL."""
        null = self._null_mark
        size: i64 = len(null)
        if end - start == size and data[start] == null[0] and data[start:end] == null:
            return True
        if escaped:
            return False
        if kind == SCAN:
            if end - start >= self._scanner.least:
                self._scanner.search(data, start, end, found)
        elif kind == NONE:
            run.stars(start, end)
        elif kind == LAST4:
            run.stars(start, hidden(data, start, end))
        else:
            return False
        return True
