"""Text in pieces -> the same text with what patterns find in its lines starred."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.scanners import Scanner

MAX_LINE: Final = 4 << 20  # bytes: a minified page is one line


@final
class TextMask:
    """One body.  Lines are searched whole, so that no cut hides anything; nothing is found across two."""

    __slots__ = ("_rest", "_scanner", "_size", "masked")

    def __init__(self, scanner: Scanner) -> None:
        self.masked = 0
        self._scanner = scanner
        self._rest: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        """What may go on now: whole lines.  Raises Unmaskable."""
        cut = data.rfind(b"\n") + 1
        if not cut:
            self._rest.append(data)
            self._size += len(data)
            if self._size > MAX_LINE:
                raise Unmaskable(f"a line of more than {MAX_LINE} bytes")
            return b""
        lines = b"".join((*self._rest, data[:cut]))
        self._rest = [data[cut:]]
        self._size = len(data) - cut
        return self._shown(lines)

    def finish(self) -> bytes:
        """The last line."""
        lines = b"".join(self._rest)
        self._rest.clear()
        return self._shown(lines)

    def _shown(self, lines: bytes) -> bytes:
        out: bytearray | None = None
        here = 0
        while here < len(lines):
            end = lines.find(b"\n", here)
            end = len(lines) if end < 0 else end
            for begin, stop in self._scanner.spans(lines, here, end):
                out = bytearray(lines) if out is None else out
                out[begin:stop] = b"*" * (stop - begin)
                self.masked += 1
            here = end + 1
        return lines if out is None else bytes(out)
