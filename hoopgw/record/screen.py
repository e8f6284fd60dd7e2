"""A terminal's screen as far as one line that is typed on it needs: text, wrapping, the cursor, line editing."""

from __future__ import annotations

from unicodedata import combining, east_asian_width

from hoopgw.record.sequences import Sequences, Token, What

MAX_ROWS = 200  # a line that is longer loses its beginning
_BLANK = " "
_BESIDE = ""  # the second cell of a wide character


class Screen:
    """Grows downwards; what stands above its first row is not known.  `at` is the cursor: (row, column)."""

    def __init__(self, columns: int) -> None:
        self._columns = max(2, columns)
        self._rows: list[list[str]] = [[]]
        self._row = self._column = 0
        self._sequences = Sequences()

    @property
    def at(self) -> tuple[int, int]:
        """A full row's cursor stands behind it until something is printed (the VT100's pending wrap)."""
        return self._row, self._column

    def feed(self, text: str) -> None:
        for token in self._sequences.of(text):
            if token.what is What.TEXT:
                for char in token.value:
                    self._print(char)
            elif token.what is What.CONTROL:
                self._control(token.value)
            elif token.what is What.CSI:
                self._moved(token)

    def text(self, start: tuple[int, int]) -> str:
        """What stands from `start` on; a row that is full goes on in the next, another ends with a line's end."""
        row, column = start
        pieces: list[str] = []
        for number in range(row, len(self._rows)):
            cells = self._rows[number][column if number == row else 0 :]
            full = len(self._rows[number]) >= self._columns
            pieces.append("".join(cells) if full else "".join(cells).rstrip() + "\n")
        return "".join(pieces).strip()

    def _print(self, char: str) -> None:
        if combining(char):
            cells = self._rows[self._row]
            if 0 < self._column <= len(cells) and len(cells[self._column - 1]) < 8:
                cells[self._column - 1] += char
            return
        width = 2 if east_asian_width(char) in "WF" else 1
        if self._column + width > self._columns:
            self._down()
            self._column = 0
        cells = self._rows[self._row]
        self._reach(cells, self._column)
        cells[self._column : self._column + width] = [char, _BESIDE][:width]
        self._column += width

    @staticmethod
    def _reach(cells: list[str], column: int) -> None:
        cells += _BLANK * (column - len(cells))

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append([])
            if len(self._rows) > MAX_ROWS:
                del self._rows[0]
                self._row -= 1

    def _control(self, char: str) -> None:
        if char in "\n\v\f":
            self._down()
        elif char == "\r":
            self._column = 0
        elif char == "\b":
            self._column = max(0, min(self._column, self._columns - 1) - 1)
        elif char == "\t":
            self._column = min(self._columns - 1, self._column // 8 * 8 + 8)

    def _moved(self, token: Token) -> None:
        count = max(1, min(_number(token.value), self._columns))
        column = min(self._column, self._columns - 1)
        cells = self._rows[self._row]
        match token.final:
            case "A":
                self._row = max(0, self._row - count)
            case "B":
                for _ in range(min(count, MAX_ROWS)):
                    self._down()
            case "C":
                self._column = min(self._columns - 1, column + count)
            case "D":
                self._column = max(0, column - count)
            case "G" | "`":
                self._column = count - 1
            case "K":
                self._erase(token.value, column)
            case "J":
                self._erase(token.value, column)
                if token.value in ("", "0"):
                    del self._rows[self._row + 1 :]
            case "P":
                del cells[column : column + count]
            case "@":
                self._reach(cells, column)
                cells[column:column] = _BLANK * count
                del cells[self._columns :]
            case "X":
                self._reach(cells, column + count)
                cells[column : column + count] = _BLANK * count

    def _erase(self, which: str, column: int) -> None:
        cells = self._rows[self._row]
        if which in ("", "0"):
            del cells[column:]
        elif which == "1":
            cells[: column + 1] = _BLANK * min(column + 1, len(cells))
        elif which == "2":
            cells.clear()


def _number(parameters: str) -> int:
    return int(parameters) if parameters.isascii() and parameters.isdigit() and len(parameters) < 6 else 0
