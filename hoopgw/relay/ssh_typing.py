"""What is typed on one terminal: which of the target's output is its echo, and what of it may be recorded.

Keys are recorded by their number; what the target shows of them stands in its output.  So a password, which is not
shown, is in no record.  Reads no screen: a line is given with the output that it stands in, for others to read.
"""

from __future__ import annotations

import re
from typing import Final, final

from hoopgw.relay.effects import Typed
from hoopgw.relay.ssh_lines import EDITOR_BEGINS, MAX_MODE, SCREENS, beginning, edited_end, switched
from hoopgw.wire import sshmessages as wire

MAX_BEFORE: Final = 2048  # bytes of the line that stands before what is typed: a prompt, with its colours
MAX_OUT: Final = 8192  # bytes of output in which the end of a line that was typed must be
MAX_TEXT: Final = 4096  # bytes of a line that are compared with its echo
MAX_COLUMNS: Final = 1000  # of a terminal
MAX_ENTERED: Final = 64  # lines whose end has not been seen

# Keys that say nothing but what they do pass as they are: controls, and what cursor and function keys send
_KEYS: Final = re.compile(rb"(\x1b(?:\[[0-?]{0,8}[ -/]?[@-~]|O[ -~]))")
_HIDDEN: Final = bytes(c if c < 32 or c == 127 else 42 for c in range(256))
# What a client's terminal sends around a paste where it was asked to: within, the keys of Enter end no line
_PASTE: Final = b"[200~"
MAX_SEQUENCE: Final = 16  # bytes of what a key sends that are looked at
# At the beginning of a line they end what reads, stop it, or have the screen drawn anew: the prompt comes again
_NO_LINE: Final = frozenset((4, 12, 26, 28))  # ^D ^L ^Z ^\


def hidden(data: bytes) -> bytes:
    """What is recorded of keys: the same number of bytes."""
    # (`in` asks first whether a number is sought, by an exception: `find` costs a third)
    if data.find(b"\x1b") < 0:
        return data.translate(_HIDDEN)
    pieces = _KEYS.split(data)
    return b"".join(piece if index & 1 else piece.translate(_HIDDEN) for index, piece in enumerate(pieces))


@final
class Entered:
    """A line that was entered: where in the output its first key was typed, and Enter; `editor`: into a line editor;
    `rows`: with ends of lines in it, which were pasted."""

    __slots__ = ("keys", "text", "mark", "at", "editor", "rows")

    def __init__(self, keys: int, text: bytes, mark: int, at: int, editor: bool, rows: bool) -> None:
        self.keys = keys
        self.text = text
        self.mark = mark
        self.at = at
        self.editor = editor
        self.rows = rows


@final
class Typing:
    """`operation` is the number of what runs on the terminal."""

    __slots__ = (
        "operation", "columns", "_out", "_keys", "_text", "_edited", "_escape", "_mark", "_entered", "_late", "_full",
        "_editor", "_edge", "_sequence", "_pasting", "_rows",
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
        self._editor = False
        self._edge = b""
        self._sequence = b""  # of a key, behind its escape
        self._pasting = False  # into a line editor
        self._rows = False  # more than one line was pasted

    # ---- keys

    def typed(self, data: bytes) -> None:
        if self._full:
            return
        for c in data:
            if (c == 13 or c == 10) and not self._pasting:
                self._enter()
            elif c == 3:  # the line is given up
                self._line_over()
            elif self._mark >= 0 or c not in _NO_LINE:
                self._key(c)

    def _key(self, c: int) -> None:
        if self._mark < 0:
            self._without_end()
            self._mark = len(self._out)
        if c < 32 or c == 127:
            self._edited = True
            self._rows = self._rows or c == 13 or c == 10
            self._escape = c == 27
            self._sequence = b""
        elif self._escape:
            self._escape = c == 91 or c == 79 or 48 <= c <= 59  # "[", "O", parameters
            if len(self._sequence) < MAX_SEQUENCE:
                self._sequence += bytes((c,))
            if not self._escape:  # whoever reads without an editor takes a paste's marks for keys like any other
                self._pasting = self._sequence == _PASTE and self._editor
        else:
            if c < 128 or c >= 192:  # the bytes behind are of the same character
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
            entered = Entered(self._keys, text, self._mark, len(self._out), self._editor, self._rows)
            self._entered.append(entered)
        self._line_over()

    def _line_over(self) -> None:
        self._keys = 0
        self._text = b""
        self._edited = self._escape = self._pasting = self._rows = False
        self._mark = -1

    # ---- what is shown

    def shown(self, data: bytes) -> list[Typed]:
        """Output, as the client gets it.  Gives the lines whose end is in it."""
        found, self._late = self._late, []
        probe = self._edge + data
        known = -1  # where the last mode begins: none is found twice
        here = 0
        if probe.find(b"\x1b[?") >= 0:
            before = len(self._edge)
            for mode in SCREENS.finditer(probe):
                known, end, on = mode.start(), mode.end() - before, mode.group(1) == b"h"
                if on and not self._full:
                    found += self._lines(data[here : max(here, known - before)])
                    found += self._whole_screen()
                here = end if on != self._full else here
                self._full = on
            at, editor = switched(probe)
            self._editor = editor if at >= 0 else self._editor
            self._pasting = self._pasting and self._editor
            known = max(known, at)
        self._edge = probe[max(known + 1, len(probe) - MAX_MODE + 1) :]
        return found if self._full else found + self._lines(data[here:] if here else data)

    def _whole_screen(self) -> list[Typed]:
        """Nothing is read from here on; of what was entered ahead nobody knows what it is for: its length is told.
        What is shown behind the program begins anew."""
        found = [Typed(self.operation, b"", b"", self.columns, each.keys, b"") for each in self._entered]
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
            start = max(first.at, done)
            end = edited_end(out, start) if first.editor and not done else out.find(b"\n", start)
            if end < 0:
                break
            del self._entered[0]
            found.append(self._line(first, end))
            done = end + 1
        if done:
            for each in self._entered:  # each has an end of its own; the editor was given up with the first
                each.at, each.editor = max(each.at, done), False
        if len(out) > MAX_OUT:
            found += self.ended()
            self._line_over()
        self._trim()
        return found

    def _line(self, entered: Entered, end: int) -> Typed:
        """Where a line ended since its first key, that key stood in another: where the prompt ends is only known if the
        same one was shown again."""
        out, mark = self._out, entered.mark
        first = beginning(out, mark)
        prompt = out[first:mark].rpartition(EDITOR_BEGINS)[2]
        begin = first if entered.rows else beginning(out, end)
        if mark < begin:
            mark = begin + (len(prompt) if out.startswith(prompt, begin) else 0)
        again = out.rfind(b"J" + prompt, mark, end) if prompt else -1  # behind what clears a screen
        if again >= 0:
            begin, mark = again + 1, again + 1 + len(prompt)
        return Typed(
            self.operation, out[begin:mark][-MAX_BEFORE:], out[mark:end], self.columns, entered.keys, entered.text
        )

    def _trim(self) -> None:
        """All but the line in which something is typed, or will be."""
        mark = self._entered[0].mark if self._entered else self._mark if self._mark >= 0 else len(self._out)
        begin = max(beginning(self._out, mark), mark - MAX_BEFORE)
        self._out = self._out[begin:]
        for each in self._entered:
            each.mark -= begin
            each.at -= begin
        if self._mark >= 0:
            self._mark -= begin


def columns_of(body: bytes, start: int) -> int:
    """Of a terminal (RFC 4254, 6.2 and 6.7); 80 where it says none."""
    return min(wire.read_u32(body, start), MAX_COLUMNS) or 80
