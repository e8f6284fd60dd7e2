"""What a terminal's output tells of lines: where one begins and ends, and which program reads what is typed."""

from __future__ import annotations

import re
from typing import Final

# Programs that use the whole screen ask for another one first (xterm's modes)
MAX_MODE: Final = 8  # bytes of the longest of these
SCREENS: Final = re.compile(rb"\x1b\[\?(?:1049|1047|47)([hl])")
# A line editor asks for the marks of a paste (mode 2004), and gives them back when the line was entered: bash behind
# the line's end, zsh before it
EDITOR_BEGINS: Final = b"\x1b[?2004h"
EDITOR_ENDS: Final = b"\x1b[?2004l"


def switched(output: bytes) -> tuple[int, bool]:
    """Where a line editor's mode was last set or reset, and whether it was set; -1: nowhere."""
    on, off = output.rfind(EDITOR_BEGINS), output.rfind(EDITOR_ENDS)
    return max(on, off), on > off


def edited_end(out: bytes, start: int) -> int:
    """Where the line ends that was entered into a line editor at `start`: such a line may be drawn anew first, with
    line ends where it wraps.  -1: not yet."""
    over = out.find(EDITOR_ENDS, start)
    if over < 0:
        return -1
    end = out.rfind(b"\n", start, over)
    return end if end >= 0 and over - end <= 2 else out.find(b"\n", over)


def beginning(out: bytes, end: int) -> int:
    """Of the line that ends there: readline ends a row that is full by a line's end and a return, which may follow."""
    at = out.rfind(b"\n", 0, end)
    while at >= 0 and (at + 1 == len(out) or out[at + 1] == 13):
        at = out.rfind(b"\n", 0, at)
    return at + 1
