"""What happened in a session -> lines: JSON for programs, a script of its statements for psql."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from hoopgw.model.answer import rfc3339
from hoopgw.model.escaping import escaped
from hoopgw.record.happenings import Happening
from hoopgw.record.sqltext import for_psql, literal


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

    What was not let through, and what psql could take for more than SQL, stands in comments.
    """
    yield "\\set ON_ERROR_STOP off"
    yield "SET standard_conforming_strings = on;"
    for each in happenings:
        if each.what == "open":
            fields = each.fields
            who = fields.get("identity", {}).get("subject", "?")
            yield f"-- {escaped(fields.get('session'))}: {escaped(who)} on {escaped(fields.get('target'))}"
        elif each.what == "operation" and each.fields["kind"] in ("query", "execute", "function"):
            yield from _statement(each)
        elif each.what == "gap":
            yield f"-- GAP: {escaped(each.fields.get('entries'))} entries were not recorded here"
        elif each.what == "close":
            yield f"-- closed {moment(each.time)}: {escaped(each.fields.get('reason'))}"


def _statement(each: Happening) -> Iterator[str]:
    fields = each.fields
    yield ""
    yield f"-- {fields['number']} at {moment(each.time)}: {escaped(fields['decision'])}"
    values = fields.get("parameters", [])
    for number, value in enumerate(values, 1):
        yield f"-- ${number} = {'NULL' if value is None else escaped(literal(value))}"
    text = fields["text"].rstrip().rstrip(";")
    whole = not fields.get("cut") and not fields.get("redacted") and fields["kind"] != "function"
    plain = all(value is None or value.isprintable() for value in values)
    sent = for_psql(text) if fields["decision"] == "allowed" and whole and plain else None
    if sent is not None and not (values and sent != text):
        yield from _runnable(sent, values, fields["number"])
        return
    for line in text.splitlines() or [""]:
        yield f"-- {escaped(line)}"


def _runnable(text: str, values: list[str | None], number: int) -> Iterator[str]:
    if not values:
        yield f"{text};"
        return
    given = ", ".join("NULL" if value is None else literal(value) for value in values)
    yield f"PREPARE hoopgw_{number} AS {text};"
    yield f"EXECUTE hoopgw_{number}({given});"
    yield f"DEALLOCATE hoopgw_{number};"
