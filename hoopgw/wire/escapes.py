"""Terminal output -> the text that a person reads in it, and where that stands.

Colours, the erasing of a line's rest and shifts between character sets change no text: what they stand in the middle of
is read across them, as `grep --color` shows it (with a shift at the end of a colour where TERM is `screen` or `linux`).
Anything else that a terminal is told to do ends a word.  Layouts: ECMA-48, 5.4; xterm's control sequences for the rest.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final, final

ESCAPE: Final = b"\x1b"
MAX_ESCAPE: Final = 64  # bytes of a sequence; what goes on longer is none

_TRANSPARENT: Final = b"mK"  # SGR, EL
_MARK: Final = re.compile(rb"[\x0e\x0f\x1b]")  # shift-out, shift-in, escape
_BREAK: Final = b"\0"


def marked(data: bytes) -> bool:
    """Whether its text is not the data itself."""
    return ESCAPE in data or b"\x0f" in data or b"\x0e" in data


@final
class Plain:
    """`text` is without escapes; `open`: where an unfinished one begins at the end of the data, else its length."""

    __slots__ = ("text", "open", "_ends", "_shifts")

    def __init__(self, data: bytes) -> None:
        pieces: list[bytes] = []
        self._ends: list[int] = [0]  # from this offset in `text` on …
        self._shifts: list[int] = [0]  # … it stands that much later in the data
        self.open = len(data)
        size = here = 0
        while here < len(data):
            mark = _MARK.search(data, here)
            at = mark.start() if mark is not None else len(data)
            pieces.append(data[here:at])
            size += at - here
            here = at
            if at == len(data):
                break
            end = _end(data, at) if data[at] == 0x1B else at + 1
            if end < 0:
                self.open = at
                break
            if data[at] == 0x1B and not _transparent(data, at, end):
                pieces.append(_BREAK)
                size += 1
            here = end
            self._ends.append(size)
            self._shifts.append(here - size)
        self.text = b"".join(pieces)

    def place(self, offset: int) -> int:
        """Where in the data `text[offset]` stands."""
        if offset >= len(self.text):
            return self.open
        return offset + self._shifts[bisect_right(self._ends, offset) - 1]


def _end(data: bytes, at: int) -> int:
    """Behind the sequence that begins at `at`; -1 where that is not there yet."""
    here = at + 1
    if here == len(data):
        return -1
    if data[here] == 0x5B:  # CSI: parameters, intermediates, one final byte
        here += 1
        while here < len(data) and 0x20 <= data[here] <= 0x3F and here - at < MAX_ESCAPE:
            here += 1
    else:
        while here < len(data) and 0x20 <= data[here] <= 0x2F and here - at < MAX_ESCAPE:
            here += 1
    if here == len(data):
        return -1
    return here + 1 if data[here] >= 0x30 else here


def _transparent(data: bytes, at: int, end: int) -> bool:
    """A colour, or the choice of a character set, which goes with the end of one (terminfo's sgr0)."""
    if data[at + 1] == 0x5B:
        return data[end - 1] in _TRANSPARENT
    return data[at + 1] in b"()*+"
