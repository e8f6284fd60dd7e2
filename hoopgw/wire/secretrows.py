"""Rows of cells (CSV, RFC 4180, with whatever between them) in pieces -> the same, starred behind a secret name.

A name may be that of a column or of a row, and readers do not agree on quotes: from the first cell that is a secret
name on, nothing is shown.  Compiled.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.secretnames import MAX_NAME, SecretNames

_PARTS: Final = bytes(1 if c in b",;\t|\r\n" else 0 for c in range(256))
_QUOTES: Final = b" \"'\xef\xbb\xbf"


@final
class SecretRows:
    """One table.  `found` counts what was starred; `withheld`: nothing more of it is shown."""

    __slots__ = ("_cell", "_names", "found", "withheld")

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._cell = b""  # what came of the cell in hand
        self.found = 0
        self.withheld = False

    def feed(self, data: bytes) -> bytes:
        """As it may be recorded; the same object where nothing is to be starred."""
        if self.withheld:
            return b"*" * len(data)
        text = self._cell + data
        here: i64 = 0
        begin: i64 = 0
        end: i64 = len(text)
        while here < end:
            if _PARTS[text[here]]:
                if here - begin <= MAX_NAME and self._is_secret(text[begin:here].strip(_QUOTES)):
                    self.withheld = True
                    self.found += 1
                    shown: i64 = max(here - len(self._cell), 0)
                    return data[:shown] + b"*" * (len(data) - shown)
                begin = here + 1
            here += 1
        self._cell = text[begin : begin + MAX_NAME + 1]
        return data

    def _is_secret(self, cell: bytes) -> bool:
        return self._names.may_hide(cell, len(cell)) and self._names.hides(cell)
