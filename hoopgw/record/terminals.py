"""What ran on one terminal of a session -> its moments, and asciicast v3 of them (docs.asciinema.org)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hoopgw.model.escaping import escaped
from hoopgw.record.happenings import Happening
from hoopgw.record.harmless import Harmless

COLUMNS, ROWS = 80, 24  # where a command had no terminal, or one of no size
MAX_SIDE = 1000  # columns or rows that a player is told of
RUNS = ("exec", "shell")


@dataclass(frozen=True, slots=True)
class Moment:
    """`code` is asciicast's: o output, i input, r resize ("80x24"), m marker, x exit status."""

    time: int  # ns since 1970
    code: str
    data: str


@dataclass(frozen=True, slots=True)
class Start:
    """One command or shell that ran; `terminal` is empty where it had none."""

    number: int
    time: int
    text: str
    terminal: dict[str, Any]

    @property
    def size(self) -> tuple[int, int]:
        return _size(self.terminal)


def starts(happenings: Iterable[Happening]) -> Iterator[Start]:
    """In order; what was not let through ran on no terminal."""
    for each in happenings:
        fields = each.fields
        if each.what == "operation" and fields["kind"] in RUNS and fields["decision"] == "allowed":
            yield Start(fields["number"], each.time, fields["text"], fields.get("terminal", {}))


def chosen(found: Iterable[Start], number: int | None) -> Start | None:
    """Operation `number`; by default the first on a terminal, or the first of all."""
    first: Start | None = None
    for start in found:
        if (number is None and start.terminal) or start.number == number:
            return start
        first = first or start
    return first if number is None else None


def moments(happenings: Iterable[Happening], start: Start, *, typed: bool = False) -> Iterator[Moment]:
    """Of what began with `start`; nothing in its output does more to a terminal than to draw.

    `typed`: with what the client sent: on a terminal keys by their number, as they are recorded.
    """
    drawn = {"stdout": Harmless(), "stderr": Harmless()}
    ended: Moment | None = None
    for each in happenings:
        if each.what in ("gap", "damaged"):
            drawn = {name: Harmless() for name in drawn}
            yield Moment(each.time, "m", "the recording is not whole here")
        if each.fields.get("operation") != start.number:
            continue
        if each.what == "output":
            data = drawn[each.fields["stream"]].of(each.fields["data"])
            yield Moment(each.time, "o", data if start.terminal else data.replace("\n", "\r\n"))
        elif each.what == "input" and typed:
            yield Moment(each.time, "i", each.fields["data"])
        elif each.what == "resize":
            yield Moment(each.time, "r", "{}x{}".format(*_size(each.fields)))
        elif each.what == "exit":
            ended = Moment(each.time, "x", _status(each.fields))
    if ended is not None:
        yield ended


def asciicast(happenings: Iterable[Happening], start: Start, *, typed: bool = False) -> Iterator[str]:
    """Lines; printable ASCII."""
    columns, rows = start.size
    term = {"cols": columns, "rows": rows, "type": escaped(start.terminal.get("type", ""))}
    header: dict[str, Any] = {"version": 3, "term": {name: value for name, value in term.items() if value}}
    header["timestamp"] = start.time // 1_000_000_000
    if start.text:
        header["command"] = escaped(start.text)
    yield json.dumps(header)
    last = start.time
    for each in moments(happenings, start, typed=typed):
        line = json.dumps([max(0, each.time - last) // 1000 / 1_000_000, each.code, each.data])
        yield line.replace("\x7f", "\\u007f")
        last = max(last, each.time)


def _size(fields: dict[str, Any]) -> tuple[int, int]:
    columns, rows = fields.get("columns", 0), fields.get("rows", 0)
    return min(columns, MAX_SIDE) or COLUMNS, min(rows, MAX_SIDE) or ROWS


def _status(fields: dict[str, Any]) -> str:
    """A signal is told as a shell tells it; which one it was the other exports say."""
    return str(fields["status"]) if "status" in fields else "128"
