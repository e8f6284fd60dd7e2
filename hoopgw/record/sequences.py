"""What a program wrote to a terminal -> its printed text, controls and escape sequences (ECMA-48), one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

MAX_SEQUENCE = 64  # characters of parameters: xterm's longest useful one, a full colour, has 30
MAX_STRING = 1 << 20  # of a title, clipboard or picture: what never ends must not hide all that follows
_PLAIN = re.compile("[^\x00-\x1f\x7f-\x9f]+")
_CANCELS = "\x18\x1a"  # CAN, SUB: end any sequence
_STRINGS = "]PX^_"  # behind ESC: OSC, DCS, SOS, PM, APC


class What(Enum):
    TEXT = 0  # printed characters
    CONTROL = 1  # one of C0 or C1, or DEL
    ESCAPE = 2  # ESC, intermediates and final character; `value` is all behind ESC
    CSI = 3  # `value` is parameters and intermediates, `final` its last character
    STRING = 4  # OSC, DCS, SOS, PM, APC: `value` is empty, nobody wants what they say


@dataclass(frozen=True, slots=True)
class Token:
    what: What
    value: str
    final: str = ""


class _State(Enum):
    GROUND = 0
    ESCAPE = 1
    CSI = 2
    STRING = 3


class Sequences:
    """Takes the text in pieces, cut anywhere; keeps no more than an unfinished sequence.

    What is too long, or holds what belongs in none, gives no token.  A C1 control as one character (U+0080 to U+009F)
    is a CONTROL and begins nothing: what follows it is text.
    """

    def __init__(self) -> None:
        self._state = _State.GROUND
        self._kept = ""
        self._size = 0  # of a string so far

    def of(self, text: str) -> Iterator[Token]:
        here = 0
        while here < len(text):
            if self._state is _State.GROUND and (plain := _PLAIN.match(text, here)):
                yield Token(What.TEXT, plain.group())
                here = plain.end()
                continue
            if self._state is _State.STRING and (plain := _PLAIN.match(text, here)):
                self._size += plain.end() - here
                here = plain.end()
                if self._size > MAX_STRING:
                    self._state = _State.GROUND
                continue
            yield from self._one(text[here])
            here += 1

    def _one(self, char: str) -> Iterator[Token]:
        if char == "\x1b":
            if self._state is _State.STRING:
                yield Token(What.STRING, "")
            self._state, self._kept = _State.ESCAPE, ""
        elif char in _CANCELS:
            self._state = _State.GROUND
        elif self._state is _State.STRING:
            if char in "\x07\x9c":
                self._state = _State.GROUND
                yield Token(What.STRING, "")
        elif char < " " or "\x7f" <= char <= "\x9f":
            yield Token(What.CONTROL, char)
        elif self._state is _State.ESCAPE:
            yield from self._escape(char)
        else:
            yield from self._csi(char)

    def _escape(self, char: str) -> Iterator[Token]:
        if not self._kept and char == "[":
            self._state = _State.CSI
        elif not self._kept and char in _STRINGS:
            self._state, self._size = _State.STRING, 0
        elif char <= "/" and len(self._kept) < MAX_SEQUENCE:
            self._kept += char
        else:
            self._state = _State.GROUND
            if char <= "~":
                yield Token(What.ESCAPE, self._kept + char)

    def _csi(self, char: str) -> Iterator[Token]:
        if char <= "?":
            self._kept = (self._kept + char)[: MAX_SEQUENCE + 1]
            return
        self._state = _State.GROUND
        if char <= "~" and len(self._kept) <= MAX_SEQUENCE:
            yield Token(What.CSI, self._kept, char)
