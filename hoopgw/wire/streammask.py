"""A stream of bytes without messages, as a command's output is -> the same with what patterns find starred.

Each line is searched as a whole, however it was cut on its way: what may still become something waits (`wire.openings`)
until it has, or until it is asked for by `released`.  Nothing gets longer or shorter.
"""

from __future__ import annotations

from typing import Final, final

from hoopgw.wire.escapes import Plain, marked
from hoopgw.wire.finds import Finds
from hoopgw.wire.openings import Opening, opening
from hoopgw.wire.scanners import STAR, Scanner

MAX_LINE: Final = 2048  # bytes of a line that are remembered, and at most as many wait: a longer match is found in part


@final
class StreamMask:
    """One direction of one stream."""

    __slots__ = ("_line", "_scanner", "_shown", "masked")

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._line = b""  # the last line, as it came
        self._shown = 0  # how much of it has been given
        self.masked = 0  # what was found so far

    @property
    def waiting(self) -> int:
        """How many bytes wait for what follows."""
        return len(self._line) - self._shown

    def feed(self, data: bytes) -> bytes:
        """What may be shown now; the same object where that is all of `data` as it came."""
        window = self._line + data if self._line else data
        plain = Plain(window) if marked(window) else None
        text = plain.text if plain is not None else window
        line = _last_line(text)
        spans = self._search(text)
        begun = _settled(spans, self._opening(text, line).begin)
        if len(text) - begun > MAX_LINE:
            begun = len(text) - MAX_LINE // 2
        given = self._give(window, plain, spans, begun if plain is None else plain.place(begun))
        self._forget(line if plain is None or not line else plain.place(line - 1) + 1)
        return data if given == data else given

    def released(self, final: bool) -> bytes:
        """All that waits, with stars for what is found in it; not `final`: and for what is too much to be shown of
        something that is not whole."""
        window = self._line
        plain = Plain(window) if marked(window) else None
        text = plain.text if plain is not None else window
        spans = self._search(text)
        doubt = len(text) if final else self._opening(text, 0).doubt
        if doubt < len(text):
            spans.append((doubt, len(text)))
        given = self._give(window, plain, spans, len(window))
        self._forget(0)
        return given

    def _opening(self, text: bytes, line: int) -> Opening:
        """An operator's own pattern may find anything in a line, so that all of the line waits."""
        found = opening(self._scanner.kinds, text, max(line, len(text) - MAX_LINE), len(text))
        if self._scanner.by_line:
            found.begin = line
        return found

    def _search(self, text: bytes) -> list[tuple[int, int]]:
        found = Finds()
        if self._scanner.by_line:
            for begin, end in _lines(text):
                self._scanner.search(text, begin, end, found)
        else:
            self._scanner.search(text, 0, len(text), found)
        return found.spans

    def _give(self, window: bytes, plain: Plain | None, spans: list[tuple[int, int]], settled: int) -> bytes:
        """`window` up to `settled`, less what was given before."""
        shown = self._shown
        self._line, self._shown = window, max(shown, settled)
        out: bytearray | None = None
        for begin, end in spans:
            last = end - 1 if plain is None else plain.place(end - 1)
            if last < shown or (begin if plain is None else plain.place(begin)) >= settled:
                continue
            if out is None:
                out = bytearray(window)
            if last < settled:
                self.masked += 1
            for offset in range(begin, end):
                at = offset if plain is None else plain.place(offset)
                if window[at] >= 32:
                    out[at] = STAR
        return window[shown : self._shown] if out is None else bytes(out[shown : self._shown])

    def _forget(self, line: int) -> None:
        """What is not of the last line, and of that all but the last that was given."""
        begin = max(line, self._shown - MAX_LINE)
        self._line = self._line[begin:]
        self._shown -= begin


def _last_line(text: bytes) -> int:
    """Where it begins.  A carriage return ends a line, too: what follows stands in its place."""
    return max(text.rfind(b"\n"), text.rfind(b"\r")) + 1


def _lines(text: bytes) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    begin = 0
    for line in text.splitlines(keepends=True):
        end = begin + len(line)
        found.append((begin, begin + len(line.rstrip(b"\r\n"))))
        begin = end
    return found


def _settled(spans: list[tuple[int, int]], begun: int) -> int:
    """Nothing that is found reaches over it."""
    while True:
        across = [begin for begin, end in spans if begin < begun < end]
        if not across:
            return begun
        begun = min(across)
