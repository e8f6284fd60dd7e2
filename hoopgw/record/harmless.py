"""What a program wrote to its terminal -> what another's terminal may be given: it draws, and does nothing else.

Only what is listed passes.  So nothing sets a title, a clipboard or a link, asks the terminal for an answer (which
would be typed into the viewer's shell), prints, moves the window, or changes what keys and mouse send.
"""

from __future__ import annotations

import re

from hoopgw.record.sequences import Sequences, Token, What

RESET = "\x1b(B\x0f\x1b[m\x1b[r\x1b[?7h\x1b[?6l\x1b[4l\x1b[?1049l\x1b[?25h"  # the viewer's terminal as it was
CLEAR = RESET + "\x1b[H\x1b[2J"
_CONTROLS = frozenset("\b\t\n\v\f\r\x0e\x0f")
_ESCAPES = frozenset(("7", "8", "D", "E", "M", "(B", "(0", ")B", ")0"))
_FINALS = frozenset("@ABCDEFGHIJKLMPSTXZ`adefgmr")  # moves, erases, inserts, deletes, scrolls, colours
_MODES = frozenset(("6", "7", "25", "47", "1047", "1048", "1049"))  # origin, wrap, cursor, alternate screen
_PLAIN = re.compile("[0-9;:]*")
# Characters that turn the order of those around them (Trojan source, CVE-2021-42574)
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Harmless:
    """Takes one terminal's output in pieces, cut anywhere."""

    def __init__(self) -> None:
        self._sequences = Sequences()

    def of(self, text: str) -> str:
        return "".join(map(_passed, self._sequences.of(text)))


def _passed(token: Token) -> str:
    match token.what:
        case What.TEXT:
            return _TURNS.sub("\ufffd", token.value)
        case What.CONTROL:
            return token.value if token.value in _CONTROLS else ""
        case What.ESCAPE:
            return f"\x1b{token.value}" if token.value in _ESCAPES else ""
        case What.CSI:
            return f"\x1b[{token.value}{token.final}" if _draws(token) else ""
        case What.STRING:
            return ""


def _draws(token: Token) -> bool:
    if token.final in "hl":
        if token.value == "4":  # insert mode
            return True
        return token.value.startswith("?") and set(token.value[1:].split(";")) <= _MODES
    return token.final in _FINALS and _PLAIN.fullmatch(token.value) is not None
