"""What happened in a session -> lines: JSON for programs, a script of its statements for psql."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from hoopgw.model.answer import rfc3339
from hoopgw.model.escaping import escaped
from hoopgw.model.operation import BIND, EXECUTE, FUNCTION, PARSE, QUERY
from hoopgw.record.copies import MAX_TEXT, CopyIn, copy_in, insert
from hoopgw.record.happenings import Happening
from hoopgw.record.sqltext import for_psql, literal

MAX_STATEMENT = 16 * 1024  # characters of a COPY that is read: deeper texts could exhaust the parser's stack
SQL_KINDS = frozenset((QUERY, PARSE, BIND, EXECUTE, FUNCTION))
_COPY = re.compile(r"\bcopy\b", re.IGNORECASE)
_FAILS = "SELECT 1/0; -- fails, as this did"  # else an open transaction would keep what came before it


def moment(nanoseconds: int) -> str:
    """`2026-11-21T10:15:00.123456Z`."""
    return f"{rfc3339(nanoseconds // 1_000_000_000)[:-1]}.{nanoseconds // 1000 % 1_000_000:06d}Z"


def jsonl(happenings: Iterable[Happening]) -> Iterator[str]:
    """One line each; printable ASCII, so that no control character reaches a terminal."""
    for each in happenings:
        line = json.dumps({"time": moment(each.time), "what": each.what, **each.fields}, ensure_ascii=True)
        yield line.replace("\x7f", "\\u007f")  # JSON lets DEL stand; it can only be inside a string


def sql(happenings: Iterable[Happening]) -> Iterator[str]:
    """A script for psql of the statements that were let through, in order, with their parameters as literals.

    What was not let through is a comment and an error, as it was one then.  What psql could take for more than SQL is a
    comment.  A COPY FROM STDIN is an INSERT of its rows.
    """
    yield "\\set ON_ERROR_STOP off"
    yield "SET standard_conforming_strings = on;"
    copying: _Copying | None = None
    for each in happenings:
        if copying is not None and each.fields.get("operation") == copying.number:
            yield from copying.of(each)
            copying = None if copying.ended else copying
        elif each.what == "operation" and each.fields["kind"] not in SQL_KINDS:
            yield f"-- {each.fields['number']}: {escaped(each.fields['kind'])}, which is no SQL"
        elif each.what == "operation":
            yield from _operation(each)
            copying = _Copying.begun(each) or copying
        else:
            if copying is not None and each.what in ("gap", "damaged", "opaque"):
                copying.lost()
            yield from _remark(each)


def _remark(each: Happening) -> Iterator[str]:
    fields = each.fields
    match each.what:
        case "open":
            who = fields.get("identity", {}).get("subject", "?")
            yield f"-- {escaped(fields.get('session'))}: {escaped(who)} on {escaped(fields.get('target'))}"
        case "gap" if "to" not in fields:
            yield "-- GAP: what follows was not recorded"
        case "gap":
            yield f"-- GAP: {escaped(fields.get('entries'))} entries were not recorded here"
        case "damaged":
            yield f"-- DAMAGED: chunks {fields['chunk']} to {fields['last_chunk']} of the recording cannot be read here"
        case "close":
            yield f"-- closed {moment(each.time)}: {escaped(fields.get('reason'))}"


# ---- statements


def _operation(each: Happening) -> Iterator[str]:
    fields = each.fields
    allowed = fields["decision"] == "allowed"
    if allowed and fields["kind"] in ("parse", "bind"):
        return
    yield ""
    yield f"-- {fields['number']} at {moment(each.time)}: {escaped(fields['decision'])}"
    values = fields.get("parameters", [])
    for number, value in enumerate(values, 1):
        yield f"-- ${number} = {_constant(value)}"
    sent = _runnable(each)
    if sent is None:
        for line in fields["text"].splitlines() or [""]:
            yield f"-- {escaped(line)}"
    if not allowed:
        yield _FAILS
    elif sent is not None and values:
        yield f"PREPARE hoopgw_{fields['number']} AS {sent};"
        yield f"EXECUTE hoopgw_{fields['number']}({', '.join(map(_constant, values))});"
        yield f"DEALLOCATE hoopgw_{fields['number']};"
    elif sent is not None:
        yield f"{sent};"


def _runnable(each: Happening) -> str | None:
    """The text as it may stand in the script."""
    fields = each.fields
    if fields["decision"] != "allowed" or fields["kind"] == "function" or fields.get("cut") or fields.get("redacted"):
        return None
    text = fields["text"].rstrip().rstrip(";")
    sent = for_psql(text)
    return None if fields.get("parameters") and sent != text else sent


def _constant(value: str | None) -> str:
    return "NULL" if value is None else literal(value)


# ---- COPY


class _Copying:
    """A COPY FROM STDIN whose data come next; they are an INSERT once they are known to have been taken."""

    def __init__(self, number: int, copy: CopyIn) -> None:
        self.number = number
        self.ended = False
        self._copy = copy
        self._data: list[str] = []
        self._size = 0
        self._whole = True

    @classmethod
    def begun(cls, each: Happening) -> _Copying | None:
        """Of an operation, where it may be one."""
        fields = each.fields
        if fields["decision"] != "allowed" or fields["kind"] not in ("query", "execute"):
            return None
        text = fields["text"]
        if fields.get("cut") or fields.get("redacted") or len(text) > MAX_STATEMENT or not _COPY.search(text):
            return None
        copy = copy_in(text)
        return cls(fields["number"], copy) if copy is not None else None

    def of(self, each: Happening) -> Iterator[str]:
        """What happened of that operation."""
        if each.what == "copy":
            self._take(each)
        elif each.what in ("done", "error"):
            self.ended = True
            yield from (_FAILS,) if each.what == "error" else self._inserted()

    def lost(self) -> None:
        """Some of the data may be missing."""
        self._whole = False

    def _take(self, each: Happening) -> None:
        fields = each.fields
        self._size += len(fields.get("data", ""))
        if fields.get("binary") or fields.get("not_utf8") or fields.get("cut") or self._size > MAX_TEXT:
            self._whole = False
        if self._whole:
            self._data.append(fields.get("data", ""))
        else:
            self._data.clear()

    def _inserted(self) -> Iterator[str]:
        data = "".join(self._data)
        if self._whole and self._readable(data):
            yield from insert(self._copy, data)
            return
        yield f"-- its {self._size} characters of data are not in this script: they are in the recording"

    def _readable(self, data: str) -> bool:
        """All of it, before any of it is said."""
        try:
            for _ in insert(self._copy, data):
                pass
        except ValueError:  # what only COPY can read stays in the recording, and the script says so
            return False
        return True
