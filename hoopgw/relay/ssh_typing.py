"""What is typed on one terminal: which of the target's output is its echo, and what of it may be recorded.

Keys are recorded by their number; what the target shows of them stands in its output.  So a password, which is not
shown, is in no record.  Reads no screen: a line is given with the output that it stands in, for others to read.
"""

from __future__ import annotations

import re
from typing import Final, final

from hoopgw.relay.effects import Typed
from hoopgw.wire import sshmessages as wire

MAX_BEFORE: Final = 2048  # bytes of the line that stands before what is typed: a prompt, with its colours
MAX_OUT: Final = 8192  # bytes of output in which the end of a line that was typed must be
MAX_TEXT: Final = 4096  # bytes of a line that are compared with its echo
MAX_COLUMNS: Final = 1000  # of a terminal
MAX_ENTERED: Final = 64  # lines whose end has not been seen

# Keys that say nothing but what they do pass as they are: controls, and what cursor and function keys send
_KEYS: Final = re.compile(rb"(\x1b(?:\[[0-?]{0,8}[ -/]?[@-~]|O[ -~]))")
_HIDDEN: Final = bytes(c if c < 32 or c == 127 else 42 for c in range(256))
# Programs that use the whole screen ask for another one first (xterm's modes)
MAX_SCREEN: Final = 8  # bytes of the longest of these
_SCREENS: Final = (b"\x1b[?1049", b"\x1b[?1047", b"\x1b[?47")


def hidden(data: bytes) -> bytes:
    """What is recorded of keys: the same number of bytes."""
    # (`in` asks first whether a number is sought, by an exception: `find` costs a third)
    if data.find(b"\x1b") < 0:
        return data.translate(_HIDDEN)
    pieces = _KEYS.split(data)
    return b"".join(piece if index & 1 else piece.translate(_HIDDEN) for index, piece in enumerate(pieces))


@final
class Entered:
    """A line that was entered: where in the output its first key was typed, and Enter."""

    __slots__ = ("keys", "text", "mark", "at")

    def __init__(self, keys: int, text: bytes, mark: int, at: int) -> None:
        self.keys = keys
        self.text = text
        self.mark = mark
        self.at = at


@final
class Typing:
    """`operation` is the number of what runs on the terminal."""

    __slots__ = (
        "operation", "columns", "_out", "_keys", "_text", "_edited", "_escape", "_mark", "_entered", "_late", "_full",
        "_edge",
    )  # fmt: skip

    def __init__(self, columns: int) -> None:
        self.operation = 0
        self.columns = columns
        self._out = b""  # output from the line on in which keys are typed
        self._keys = 0  # of the line that is being typed
        self._text = b""
        self._edited = False  # by keys that change the line otherwise than by what they are
        self._escape = False  # inside of what such a key sends
        self._mark = -1  # where in the output its first key was typed; -1: no key was
        self._entered: list[Entered] = []
        self._late: list[Typed] = []  # found by a key, and told with what is shown next
        self._full = False  # a program has the whole screen
        self._edge = b""

    # ---- keys

    def typed(self, data: bytes) -> None:
        if self._full:
            return
        for c in data:
            if c == 13 or c == 10:
                self._enter()
            elif c == 3:  # the line is given up
                self._line_over()
            else:
                self._key(c)

    def _key(self, c: int) -> None:
        if self._mark < 0:
            self._without_end()
            self._mark = len(self._out)
        if c < 32 or c == 127:
            self._edited = True
            self._escape = c == 27
        elif self._escape:
            self._escape = c == 91 or c == 79 or 48 <= c <= 59  # "[", "O", parameters
        else:
            self._keys += 1
            if len(self._text) < MAX_TEXT:
                self._text += bytes((c,))

    def _without_end(self) -> None:
        """Something answered to Enter, and no line ended: what reads a password often shows nothing of it at all."""
        while self._entered and len(self._out) > self._entered[0].at:
            entered = self._entered.pop(0)
            self._late.append(self._line(entered, entered.at))

    def _enter(self) -> None:
        if self._mark >= 0 and len(self._entered) < MAX_ENTERED:
            text = b"" if self._edited else self._text
            self._entered.append(Entered(self._keys, text, self._mark, len(self._out)))
        self._line_over()

    def _line_over(self) -> None:
        self._keys = 0
        self._text = b""
        self._edited = self._escape = False
        self._mark = -1

    # ---- what is shown

    def shown(self, data: bytes) -> list[Typed]:
        """Output, as the client gets it.  Gives the lines whose end is in it."""
        found, self._late = self._late, []
        probe = self._edge + data
        end, full = _screen(probe) if probe.find(b"\x1b[?") >= 0 else (-1, False)
        self._edge = data[-MAX_SCREEN:]
        if end < 0:
            return found if self._full else found + self._lines(data)
        if not self._full:
            found += self._lines(data[: max(0, end - len(probe) + len(data))])
        self._full = full
        self._entered.clear()
        self._line_over()
        self._out = b""
        return found

    def ended(self) -> list[Typed]:
        """No more output: the end of what was entered has not been seen."""
        found = self._late + [self._line(each, len(self._out)) for each in self._entered]
        self._entered, self._late = [], []
        return found

    def _lines(self, data: bytes) -> list[Typed]:
        out = self._out = self._out + data
        found: list[Typed] = []
        done = 0
        while self._entered:
            first = self._entered[0]
            end = out.find(b"\n", max(first.at, done))
            if end < 0:
                break
            del self._entered[0]
            found.append(self._line(first, end))
            done = end + 1
        for each in self._entered:  # each has an end of its own
            each.at = max(each.at, done)
        if len(out) > MAX_OUT:
            found += self.ended()
            self._line_over()
        self._trim()
        return found

    def _line(self, entered: Entered, end: int) -> Typed:
        """Where a line ended since its first key, that key stood in another: nobody knows where its prompt ends."""
        begin = self._out.rfind(b"\n", 0, end) + 1
        mark = entered.mark if entered.mark >= begin else begin
        before, after = self._out[begin:mark], self._out[mark:end]
        return Typed(self.operation, before[-MAX_BEFORE:], after, self.columns, entered.keys, entered.text)

    def _trim(self) -> None:
        """All but the line in which something is typed, or will be."""
        mark = self._entered[0].mark if self._entered else self._mark if self._mark >= 0 else len(self._out)
        begin = self._out.rfind(b"\n", 0, mark) + 1
        begin = max(begin, mark - MAX_BEFORE)
        self._out = self._out[begin:]
        for each in self._entered:
            each.mark -= begin
            each.at -= begin
        if self._mark >= 0:
            self._mark -= begin


def _screen(output: bytes) -> tuple[int, bool]:
    """Where a program last took another screen, or gave it back, and which of both; -1: nowhere."""
    last, full = -1, False
    for mode in _SCREENS:
        for end in (b"h", b"l"):
            at = output.rfind(mode + end)
            if at > last:
                last, full = at, end == b"h"
    return last, full


def columns_of(body: bytes, start: int) -> int:
    """Of a terminal (RFC 4254, 6.2 and 6.7); 80 where it says none."""
    return min(wire.read_u32(body, start), MAX_COLUMNS) or 80
