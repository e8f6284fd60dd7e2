"""What happened in a session -> lines for a person's terminal, which obeys nothing in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hoopgw.model.escaping import escaped
from hoopgw.model.events import Code
from hoopgw.record.binary import summed
from hoopgw.record.export import moment
from hoopgw.record.happenings import Happening, limited

MAX_PASSED = 160  # characters of a body or message that are told
_MARKS = {"stdin": ">", "stdout": "<", "stderr": "!"}
_UNDER = " " * 21  # under the words of an operation


def told(happenings: Iterable[Happening], rows: int) -> Iterator[str]:
    """At most `rows` rows of each result."""
    for each in limited(summed(happenings), rows):
        for line in _lines(each):
            yield escaped(line)


def _lines(each: Happening) -> Iterator[str]:
    fields, clock = each.fields, moment(each.time)[11:23]
    match each.what:
        case "operation":
            yield from _operation(clock, fields)
        case "row":
            yield f"{_UNDER[:13]} row  {_row(fields['values'])}"
        case "copy":
            yield f"{_UNDER[:13]}copy  {_copy(fields)}"
        case "input" | "output":
            yield from _stream(each)
        case "bytes":
            yield f"{_UNDER[:13]} bytes  {_MARKS[fields['stream']]} {fields['bytes']}"
        case "content" | "message":
            yield f"{_UNDER[:10]}{each.what:>7}  {_passed(fields)}"
        case "more":
            yield f"{_UNDER[:19]}… {fields['rows']} more"
        case "coverage":
            yield from fields["words"]
        case _:
            yield f"{clock}  {_label(each):6} {_said(each)}"


def _label(each: Happening) -> str:
    return {"completed": "note", "gap": "GAP", "damaged": "DAMAGE", "notification": "notify"}.get(each.what, each.what)


def _said(each: Happening) -> str:
    fields = each.fields
    match each.what:
        case "open":
            who = fields.get("identity", {}).get("subject", "?")
            place = "/".join(filter(None, (fields.get("target"), fields.get("database"))))
            return f"{who} on {place} as {fields.get('role')}"
        case "done":
            took = f" in {fields['milliseconds']} ms" if "milliseconds" in fields else ""
            return f"{_number(fields)}{fields['tag']}{took}"
        case "error" | "notice":
            detail = f" ({fields['detail']})" if fields.get("detail") else ""
            return f"{_number(fields)}{fields['sqlstate']} {fields['message']}{detail}"
        case "completed":
            words = f"operation {fields['operation']}: {fields['rows']} rows, {fields['masked']} values masked"
            return f"{words}, {fields['note']}" if fields["note"] else words
        case "notification":
            return f"{fields['channel']}: {fields['payload']}"
        case "resize":
            return f"{_number(fields)}{fields['columns']} columns, {fields['rows']} rows"
        case "answer":
            return f"{_number(fields)}{fields['status']} {fields['message']}"
        case "exit":
            ended = f"signal {fields['signal']}" if "signal" in fields else f"status {fields['status']}"
            return f"{_number(fields)}{ended}"
        case "gap" if "to" not in fields:
            return "what follows was not recorded"
        case "gap":
            return f"{fields.get('entries')} entries, {fields.get('bytes')} bytes were not recorded"
        case "opaque":
            return f"{fields['bytes']} bytes {fields['direction']}: {fields['reason']}"
        case "damaged":
            return _damage(fields)
        case "close":
            return str(fields.get("reason", ""))
    if each.fields.get("code") == Code.TERMINAL_TYPED.value:
        return _typed(fields)
    words = ", ".join(f"{name} {_fact(value)}" for name, value in fields.items() if name != "code")
    return f"{fields.get('code', '')} {words}"


def _typed(fields: dict[str, Any]) -> str:
    """A line as the screen showed it, and how sure that is."""
    text = f": {fields['text']}" if fields.get("text") else ""
    rules = f" [{', '.join(fields['guardrails'])}]" if fields.get("guardrails") else ""
    return f"{_number(fields)}typed{rules} ({fields['confidence']}, {fields['keys']} keys){text}"


def _fact(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_fact, value)) + "]"
    if not isinstance(value, dict):
        return str(value)
    return "(" + ", ".join(f"{name}={_fact(each)}" for name, each in value.items() if each != "") + ")"


def _damage(fields: dict[str, Any]) -> str:
    first, last = fields["chunk"], fields["last_chunk"]
    chunks = f"chunk {first}" if first == last else f"chunks {first} to {last}"
    match fields.get("operations", []):
        case [begin, end]:
            covers = f", operations {begin} to {end}"
        case [begin]:
            covers = f", operations from {begin} on"
        case _:
            covers = ""
    return f"{chunks}{covers}: {fields['reason']}"


def _number(fields: dict[str, Any]) -> str:
    return f"#{fields['operation']} " if "operation" in fields else ""


def _operation(clock: str, fields: dict[str, Any]) -> Iterator[str]:
    rules = f" [{', '.join(fields['guardrails'])}]" if fields.get("guardrails") else ""
    name = f" {fields['name']}" if fields.get("name") else ""
    lines = fields["text"].splitlines() or [""]
    seen = f" on {_terminal(fields['terminal'])}" if fields.get("terminal") else ""
    said = f": {lines[0]}" if lines[0] else ""
    yield f"{clock}  {fields['kind']:6} #{fields['number']}{name} {fields['decision']}{rules}{seen}{said}"
    for line in lines[1:]:
        yield _UNDER + line
    if fields.get("cut"):
        yield f"{_UNDER}… {fields['cut']} bytes more"
    for number, value in enumerate(fields.get("parameters", []), 1):
        yield f"{_UNDER}${number} = {_value(value)}"


def _terminal(fields: dict[str, Any]) -> str:
    return f"{fields['type']}, {fields['columns']}x{fields['rows']}"


def _row(values: dict[str, str | None] | list[str | None]) -> str:
    if isinstance(values, dict):
        return "  ".join(f"{name}={_value(value)}" for name, value in values.items())
    return "  ".join(map(_value, values))


def _stream(each: Happening) -> Iterator[str]:
    mark = _MARKS[each.fields["stream"]]
    for line in each.fields["data"].splitlines():
        yield f"{_UNDER[:13]}{each.what:>6}  {mark} {line}"


def _passed(fields: dict[str, Any]) -> str:
    """Content, or a message: its first line."""
    mark = ">" if fields["direction"] == "to target" else "<"
    data = fields["data"]
    first = data.split("\n", 1)[0][:MAX_PASSED]
    kind = f" {fields['kind']}" if fields.get("kind", "text") != "text" else ""
    more = f" … {len(data)} {'of base64' if fields.get('base64') else 'characters'}" if len(first) < len(data) else ""
    return f"{mark}{kind} {first}{more}"


def _copy(fields: dict[str, Any]) -> str:
    if "failed" in fields:
        return f"given up: {fields['failed']}"
    return f"{'>' if fields['direction'] == 'to target' else '<'} {fields['data'].rstrip()}"


def _value(value: str | None) -> str:
    return "NULL" if value is None else value
