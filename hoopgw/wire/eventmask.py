"""Server-sent events (WHATWG HTML, 9.2) in pieces -> the same events with their data masked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, final

from hoopgw.model.errors import Unmaskable

MAX_EVENT: Final = 16 << 20  # bytes of one event

_BLANK: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE: Final = re.compile(rb"[^\r\n]*(?>\r\n|\n|\r|$)")


@final
class EventMask:
    """One stream.  `shown` gives what is to be seen of the data of one event, `line` of any other line."""

    __slots__ = ("_line", "_rest", "_shown", "masked")

    def __init__(self, shown: Callable[[bytes], bytes], line: Callable[[bytes], bytes]) -> None:
        self.masked = 0
        self._shown = shown
        self._line = line
        self._rest = bytearray()

    def feed(self, data: bytes) -> bytes:
        """What may go on now: whole events.  Raises Unmaskable."""
        search = max(0, len(self._rest) - 3)
        self._rest += data
        here = 0
        out: list[bytes] = []
        while (blank := _BLANK.search(self._rest, search)) is not None:
            out.append(self._event(bytes(self._rest[here : blank.end()])))
            here = search = blank.end()
        del self._rest[:here]
        if len(self._rest) > MAX_EVENT:
            raise Unmaskable(f"an event of more than {MAX_EVENT} bytes")
        return b"".join(out)

    def finish(self) -> bytes:
        """An event without its end: some clients take it for one."""
        rest = bytes(self._rest)
        self._rest.clear()
        return self._event(rest)

    def _event(self, event: bytes) -> bytes:
        lines: list[bytes] = _LINE.findall(event)
        data = [_value(each) for each in lines if _field(each) == b"data"]
        text = b"\n".join(data)
        shown = self._shown(text) if data else text
        out: list[bytes] = []
        waiting = [b"data: " + each + b"\n" for each in shown.split(b"\n")]
        for line in lines:
            if _field(line) != b"data":
                out.append(self._line(line))
            elif shown == text:
                out.append(line)
            else:  # all of it stands where its first line stood
                out.extend(waiting)
                waiting = []
        found = b"".join(out)
        self.masked += found != event
        return found


def _field(line: bytes) -> bytes:
    return line.rstrip(b"\r\n").partition(b":")[0].removeprefix(b"\xef\xbb\xbf")


def _value(line: bytes) -> bytes:
    return line.rstrip(b"\r\n").partition(b":")[2].removeprefix(b" ")
