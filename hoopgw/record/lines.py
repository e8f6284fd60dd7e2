"""What a program wrote to its terminal -> the lines that stood there, each as it was when the next began."""

from __future__ import annotations

from collections.abc import Iterator

from hoopgw.model.escaping import escaped
from hoopgw.record.sequences import Sequences, Token, What

MAX_LINE = 4096  # characters: a longer one goes on in the next


class Lines:
    """Follows the cursor in one line: carriage returns, backspaces, and what line editors do.

    Programs that use the whole screen (vim, top) give a line wherever they put the cursor.  Nothing in a line is obeyed
    by a terminal.
    """

    def __init__(self) -> None:
        self._sequences = Sequences()
        self._cells: list[str] = []
        self._at = 0

    def of(self, text: str) -> Iterator[str]:
        for token in self._sequences.of(text):
            if token.what is What.TEXT:
                yield from self._printed(token.value)
            elif token.what is What.CONTROL:
                yield from self._control(token.value)
            elif token.what is What.CSI:
                yield from self._moved(token)

    def rest(self) -> Iterator[str]:
        """The line that was not ended, if there is something in it."""
        if self._cells:
            yield self._ended()

    def _ended(self) -> str:
        line, self._cells, self._at = "".join(self._cells).rstrip(), [], 0
        return escaped(line)

    def _printed(self, text: str) -> Iterator[str]:
        while text:
            room = MAX_LINE - self._at
            piece, text = text[:room], text[room:]
            self._reach(self._at)
            self._cells[self._at : self._at + len(piece)] = piece
            self._at += len(piece)
            if self._at == MAX_LINE:
                yield self._ended()

    def _reach(self, column: int) -> None:
        self._cells += " " * (column - len(self._cells))

    def _control(self, char: str) -> Iterator[str]:
        if char in "\n\v\f":
            yield self._ended()
        elif char == "\r":
            self._at = 0
        elif char == "\b":
            self._at = max(0, self._at - 1)
        elif char == "\t":
            self._at = min(MAX_LINE - 1, self._at // 8 * 8 + 8)

    def _moved(self, token: Token) -> Iterator[str]:
        count = _number(token.value)
        match token.final:
            case "C":
                self._at = min(MAX_LINE - 1, self._at + max(1, count))
            case "D":
                self._at = max(0, self._at - max(1, count))
            case "G" | "`":
                self._at = min(MAX_LINE, max(1, count)) - 1
            case "K":
                self._erase(token.value)
            case "P":
                del self._cells[self._at : self._at + max(1, count)]
            case "@":
                self._reach(self._at)
                self._cells[self._at : self._at] = " " * min(max(1, count), MAX_LINE - self._at)
                del self._cells[MAX_LINE:]
            case "H" | "f" | "A" | "B" | "d":
                yield from self.rest()
                self._at = 0

    def _erase(self, which: str) -> None:
        if which in ("", "0"):
            del self._cells[self._at :]
        elif which == "1":
            self._cells[: self._at + 1] = " " * min(self._at + 1, len(self._cells))
        elif which == "2":
            self._cells.clear()


def _number(parameters: str) -> int:
    return int(parameters) if parameters.isascii() and parameters.isdigit() and len(parameters) < 6 else 0
