"""Output around keys that were typed -> the line that stood on the screen when it was entered, if it was shown.

Inferred, never exact: a program may show something else than what it read.  What is not shown is told by its length.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hoopgw.record.screen import Screen

MAX_SHOWN = 4096  # characters of a line


class Confidence(Enum):
    ECHOED = "echoed"  # what was typed is what stood there
    READ = "read from the screen"  # history, completion, an editor's keys, or a program that showed something else
    UNSEEN = "not shown"  # nothing stood there: a password, or a program that reads keys


@dataclass(frozen=True, slots=True)
class Line:
    """`text` is "" where nothing was shown; `keys` how many characters were typed."""

    text: str
    confidence: Confidence
    keys: int


def line(before: bytes, after: bytes, columns: int, keys: int, text: bytes) -> Line:
    """See `relay.effects.Typed`."""
    screen = Screen(columns)
    screen.feed(before.decode("utf-8", "replace"))
    start = screen.at
    screen.feed(after.decode("utf-8", "replace"))
    shown = screen.text(start)[:MAX_SHOWN]
    if not shown:
        return Line("", Confidence.UNSEEN, keys)
    same = text.decode("utf-8", "replace").strip()[:MAX_SHOWN]
    if same and (shown == same or (not before and shown.endswith(same))):  # what stands before it is a prompt
        return Line(same, Confidence.ECHOED, keys)
    return Line(shown, Confidence.READ, keys)
