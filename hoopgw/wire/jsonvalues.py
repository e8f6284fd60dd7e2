"""Values and names of JSON text -> what is written in their places.  Compiled."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.finds import Finds
from hoopgw.wire.jsonskips import is_word
from hoopgw.wire.jsonstrings import ABOUT, plain, quoted
from hoopgw.wire.masking import LAST4, NONE, Action, ValueMask
from hoopgw.wire.rewriting import Rewriting
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.showing import hidden


@final
class JsonValues:
    """Of one body, piece by piece.  `actions` are what a table's actions from 1 on mean for a text.

    run     the piece in hand, as it is shown
    masked  how many values were not shown as they are
    """

    __slots__ = ("_actions", "_finds", "_scanner", "_stars", "_value", "masked", "run")

    def __init__(self, actions: tuple[Action, ...], value: ValueMask) -> None:
        self.masked: int = 0
        self.run = Rewriting(b"", 0, 0, True)
        self._finds = Finds(self.run)  # which it stars at once
        self._scanner: Scanner | None = value.scanner
        self._actions = actions
        self._stars = bytes([0, *(action.kind == NONE for action in actions)])  # of each action: a text is all stars
        self._value = value

    def begin(self, data: bytes, start: i64, end: i64, chunk: bool) -> None:
        """Another piece: `data[start:end]`; `chunk`: it is shown as one."""
        self.run.begin(data, start, end, chunk)

    def text(self, data: bytes, start: i64, end: i64, action: i64, escaped: bool) -> None:
        """A string between the quotes at `start` and `end`; `escaped`: a backslash is in it.  Raises Unmaskable."""
        if action == 0:
            self._searched(data, start, end + 1, escaped)
        elif escaped or self._stars[action] == 0:
            self._hidden(data, start, end + 1, action, escaped)
        elif start + 1 < end:
            self.run.stars(start + 1, end)
            self.masked += 1

    def word(self, data: bytes, start: i64, end: i64, action: i64, dropped: bool) -> None:
        """A number, true, false or null.  Raises Unmaskable for what is none of them."""
        c: i64 = data[start]
        number = 48 <= c <= 57 or (c == 45 and end - start > 1 and 48 <= data[start + 1] <= 57)
        if not number and not is_word(data, start, end):
            raise Unmaskable(ABOUT)
        if dropped:
            return
        if action:
            self._replaced(start, end, None if c == 110 else b"false" if c == 116 or c == 102 else b"0")  # null, t, f
            return
        scanner = self._scanner
        if scanner is not None and number and end - start >= scanner.least_digits and scanner.spans(data, start, end):
            self._replaced(start, end, b"0")

    def _hidden(self, data: bytes, start: i64, end: i64, action: i64, escaped: bool) -> None:
        """A string, quotes included, that a rule names."""
        chosen = self._actions[action - 1]
        if not escaped and chosen.kind == LAST4:
            visible: i64 = hidden(data, start + 1, end - 1)
            if visible > start + 1:
                self.run.stars(start + 1, visible)
                self.masked += 1
            return
        value = plain(data[start:end]) if escaped else data[start + 1 : end - 1]
        if value:
            shown = self._value.of(chosen, value)
            self._replaced(start, end, b"null" if shown is None else quoted(shown))

    def _searched(self, data: bytes, start: i64, end: i64, escaped: bool) -> None:
        """A string, quotes included, in which patterns may find something."""
        scanner = self._scanner
        if scanner is None or end - start - 2 < scanner.least:
            return
        if escaped:
            text = plain(data[start:end])
            shown = scanner.masked(text)
            self._replaced(start, end, None if shown is text else quoted(shown))
            return
        finds = self._finds
        before = finds.count
        scanner.search(data, start + 1, end - 1, finds)
        if finds.count != before:
            self.masked += 1

    def _replaced(self, start: i64, end: i64, shown: bytes | None) -> None:
        """None: it stays as it is."""
        if shown is not None:
            self.run.put(start, end, shown)
            self.masked += 1
