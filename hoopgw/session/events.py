"""Events: one JSON line each, on a stream that a log collector reads.

Lines are written at once, by the reactor thread.  A stream that does not take them makes the gateway wait (up to PAUSE
seconds a line) and then keep up to MAX_KEPT bytes; beyond that `emit` raises RecordingFailed, which ends what wanted to
happen: no event is ever dropped without a word.
"""

from __future__ import annotations

import os
import re
import select
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from hoopgw.model.answer import rfc3339
from hoopgw.model.errors import RecordingFailed
from hoopgw.model.events import Code
from hoopgw.session.interfaces import IEvents

PAUSE = 1.0  # seconds that one line may wait for a slow reader: traffic slows, nothing is lost
MAX_LINE = 40 * 1024  # bytes of one: journald cuts at 48 KiB (LineMax=), and neither half is JSON
_SHORTER = (4096, 1024, 256, 64)  # what is left of each long value of a longer one: bytes of it, with its escapes
MAX_KEPT = 1 << 20  # bytes of lines: some thousand events, until a full disk has room again

# JSON escapes what is below 0x20.  A terminal or a page also obeys DEL, C1, line separators and bidi controls.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")


@implementer(IEvents)
class Events:
    """`write` gets each line with its newline; `registry` counts events by code."""

    def __init__(
        self, gateway: str, write: Callable[[bytes], object], clock: IReactorTime, registry: CollectorRegistry
    ) -> None:
        self._gateway = gateway
        self._write = write
        self._clock = clock
        self._counter = Counter("hoopgw_events", "Events by code", ("code",), registry=registry)

    def emit(self, code: Code, **fields: object) -> None:
        self._counter.labels(code.value).inc()
        now = float(self._clock.seconds())
        time = f"{rfc3339(now)[:-1]}.{int(now * 1000) % 1000:03}Z"
        self._write(bounded({"time": time, "code": code.value, "gateway": self._gateway, **fields}))


def bounded(fields: dict[str, Any]) -> bytes:
    """As `line`, in at most MAX_LINE bytes: of what is too long the beginning is left, and `cut` names those fields."""
    found = line(fields)
    for size in _SHORTER:
        if len(found) <= MAX_LINE:
            break
        long = {name: value for name, value in fields.items() if len(line({"": value})) > size}
        shorter = {name: _beginning(value, size) for name, value in long.items()}
        found = line({**fields, **shorter, "cut": sorted(long)})
    return found


def _beginning(value: Any, size: int) -> Any:
    """Of a text its first characters, of a list its first ones; each takes at most `size` bytes in the line."""
    if isinstance(value, str):
        text = value[:size]
        while (has := len(line({"": text}))) > size:  # escapes: a character may take twelve bytes
            text = text[: len(text) * size // has - 1]
        return text
    if isinstance(value, frozenset | set):
        value = sorted(value, key=str)
    if isinstance(value, list | tuple):
        kept: list[Any] = []
        for each in value:
            if len(line({"": [*kept, each]})) > size:
                break
            kept.append(each)
        return kept
    return _beginning(line({"": value}).decode(), size)


def line(fields: dict[str, Any]) -> bytes:
    """One line of JSON in which every control character is escaped.  Never raises for what a peer sent."""
    try:
        text = orjson.dumps(fields, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, from bytes that are not UTF-8
        text = orjson.dumps(_decodable(fields), default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    return (_OBEYED.sub(_escape, text) + "\n").encode()


def escaped(text: str) -> str:
    """Text for people's eyes: what a terminal would obey is shown as `\\x1b`; newline and tab stay."""
    plain = text.encode("utf-8", "backslashreplace").decode()
    return re.sub("[\x00-\x08\x0b-\x1f]", lambda found: f"\\x{ord(found[0]):02x}", _OBEYED.sub(_escape, plain))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, frozenset | set):
        return sorted(value, key=str)
    return f"<{type(value).__name__}>"  # its repr could hold anything


def _decodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_decodable(str(key)): _decodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_decodable(item) for item in value]
    return value.value if isinstance(value, Enum) else value


class Lines:
    """Whole lines to a file descriptor, in order: kept while it does not take them, see the module's docstring."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept: deque[bytes] = deque()
        self._size = 0

    def write(self, line: bytes) -> None:
        """Raises RecordingFailed where MAX_KEPT bytes could not be written yet; `line` is not kept then."""
        if self._kept:
            self._flush()
            if self._size + len(line) > MAX_KEPT:
                raise RecordingFailed("the event log cannot be written")
        self._kept.append(line)
        self._size += len(line)
        self._flush()

    def _flush(self) -> None:
        while self._kept:
            line = self._kept[0]
            written = self._some(line)
            self._size -= written
            if written < len(line):
                self._kept[0] = line[written:]
                if not written:
                    return
            else:
                self._kept.popleft()

    def _some(self, line: bytes) -> int:
        """How much of it was taken: nothing where the stream is full for PAUSE seconds, or broken for now."""
        try:
            return os.write(self._descriptor, line)
        except BlockingIOError:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            if not poll.poll(PAUSE * 1000):
                return 0
        except OSError:  # ENOSPC, EPIPE: kept, and RecordingFailed once there is no more room to keep
            return 0
        try:
            return os.write(self._descriptor, line)
        except OSError:
            return 0
