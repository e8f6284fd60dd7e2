"""What happened in a session -> lines: JSON for programs, a script of its statements for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from hoopgw.model.answer import rfc3339
from hoopgw.record.postgres import Happening


def moment(nanoseconds: int) -> str:
    """`2026-11-21T10:15:00.123456Z`."""
    return f"{rfc3339(nanoseconds // 1_000_000_000)[:-1]}.{nanoseconds // 1000 % 1_000_000:06d}Z"


def jsonl(happenings: Iterable[Happening]) -> Iterator[str]:
    """One line each; ASCII, so that no control character reaches a terminal."""
    for each in happenings:
        yield json.dumps({"time": moment(each.time), "what": each.what, **each.fields}, ensure_ascii=True)


def sql(happenings: Iterable[Happening]) -> Iterator[str]:
    """The statements that ran, in order, with their parameters; what did not run stands as a comment."""
    for each in happenings:
        if each.what == "open":
            fields = each.fields
            who = fields.get("identity", {}).get("subject", "?")
            yield f"-- {_comment(fields.get('session'))}: {_comment(who)} on {_comment(fields.get('target'))}"
        elif each.what == "operation" and each.fields["kind"] in ("query", "execute", "function"):
            yield from _statement(each)
        elif each.what == "close":
            yield f"-- closed {moment(each.time)}: {_comment(each.fields.get('reason'))}"


def _statement(each: Happening) -> Iterator[str]:
    fields = each.fields
    yield ""
    yield f"-- {fields['number']} at {moment(each.time)}: {fields['decision']}"
    for number, value in enumerate(fields.get("parameters", []), 1):
        yield f"-- ${number} = {_comment(value)}"
    text = fields["text"].rstrip().rstrip(";")
    if fields["decision"] == "allowed" and not _obeyed(text):
        yield f"{text};"
    else:
        for line in text.splitlines():
            yield f"-- {_comment(line)}"


def _obeyed(text: str) -> bool:
    """Whether a terminal, or psql by a backslash command, would obey something in it."""
    return "\\" in text or any(not (char.isprintable() or char in "\n\t") for char in text)


def _comment(value: Any) -> str:
    """On one line, with nothing that a terminal would obey."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(value))
