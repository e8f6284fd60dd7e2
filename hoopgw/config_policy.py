"""Tables of guardrails.d/ -> guardrails, masks and patterns."""

from __future__ import annotations

from typing import Any

import re2

from hoopgw.config_files import Key
from hoopgw.config_reader import Reader, nearest
from hoopgw.model.grant import Who
from hoopgw.model.target import Mode, Selector
from hoopgw.model.verdict import HoldTerms, Source
from hoopgw.policy.facts import EFFECTS, Where
from hoopgw.policy.guardrails import Action, Conditions, SqlRule
from hoopgw.policy.masks import BUILT_IN_PATTERNS, MaskRule
from hoopgw.policy.policyset import Scoped

_WHERE = {"missing": Where.MISSING, "constant": Where.CONSTANT}
_CONDITIONS = (
    "statement", "tables", "schemas", "functions", "where", "opaque", "secret", "regex",
)  # fmt: skip


def who(reader: Reader, values: dict[str, Any], *, everybody: bool) -> Who:
    """Of a grant, guardrail or `except`; nothing given is everybody in a guardrail and nobody elsewhere."""
    given = {name: values[name] for name in ("groups", "subjects", "claims", "provider")}
    return Who(**given, anyone=everybody and not any(given.values()))


def exempt(reader: Reader, values: dict[str, Any], key: Key) -> Who | None:
    if values["except"] is None:
        return None
    found = who(reader, reader.table("who", values["except"], (*key, "except")), everybody=False)
    if found == Who():
        reader.wrong((*key, "except"), "names nobody: give groups, subjects or claims")
    return found


def selector(reader: Reader, values: Any, key: Key) -> Selector:
    if values is None:
        return Selector()
    found = reader.table("selector", values, key)
    if not found["name"] and not found["labels"]:
        reader.wrong(key, "selects nothing: give name or labels")
    return Selector(found["name"], found["labels"])


def expression(reader: Reader, text: str, key: Key) -> Any:
    """A compiled RE2 expression over bytes, or None with a mistake."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        return re2.compile(text.encode(), options)
    except re2.error as error:
        words = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        hint = " (RE2 has no look-ahead, look-behind or back-references)" if "(?" in text or "\\" in text else ""
        reader.wrong(key, f"is not an RE2 expression: {words}{hint}")
        return None


def guardrail(reader: Reader, name: str, values: dict[str, Any]) -> Scoped:
    key: Key = ("guardrail", name)
    source = Source(reader.document.file, reader.document.line(key))
    for effect in sorted(values["statement"] - EFFECTS):
        reader.wrong((*key, "statement"), f"{effect!r} is not an effect" + nearest(effect, sorted(EFFECTS)))
    if not any(values[condition] for condition in _CONDITIONS):
        reader.wrong(key, "has no condition: give one of " + ", ".join(_CONDITIONS))
    conditions = Conditions(
        effects=values["statement"],
        tables=tuple(_glob(glob) for glob in values["tables"]),
        schemas=values["schemas"],
        access=values["access"],
        functions=tuple(_glob(glob) for glob in values["functions"]),
        where=frozenset(_WHERE[word] for word in values["where"]),
        opaque=values["opaque"],
        secret=values["secret"],
        pattern=expression(reader, values["regex"], (*key, "regex")) if values["regex"] else None,
    )
    mode = Mode(values["record"]) if values["record"] else None
    rule = SqlRule(
        name, conditions, _action(reader, values["then"], key, mode), values["reason"], values["would_pass"], source
    )
    return Scoped(
        rule,
        values["protocol"],
        who(reader, values, everybody=True),
        exempt(reader, values, key),
        selector(reader, values["target"], (*key, "target")),
        values["roles"],
    )


def _glob(written: str) -> str:
    """A name without a schema means that name in every schema."""
    return written if "." in written else f"*.{written}"


def _action(reader: Reader, then: Any, key: Key, mode: Mode | None) -> Action:
    where = (*key, "then")
    if then == "refuse":
        return Action(refuse=True)
    if then == "redact":
        return Action(redact=True, mode=mode)
    if then is None and mode is not None:
        return Action(mode=mode)
    if not isinstance(then, dict):
        reader.wrong(
            where if then is not None else key, '`then` must be "refuse", "redact", { hold = … } or { limit = … }'
        )
        return Action(refuse=True)
    given = reader.table("then", then, where)
    hold, rows, size = None, None, None
    if given["hold"] is not None:
        terms = reader.table("hold", given["hold"], (*where, "hold"))
        if terms["approvers"] is not None:
            hold = HoldTerms(
                "", "", terms["approvers"], terms["count"], terms["wait"], terms["in_transaction"], terms["expires"]
            )
    if given["limit"] is not None:
        limit = reader.table("limit", given["limit"], (*where, "limit"))
        rows, size = limit["rows"], limit["bytes"]
        if rows is None and size is None:
            reader.wrong((*where, "limit"), "limits nothing: give rows or bytes")
    if given["hold"] is None and given["limit"] is None:
        reader.wrong(where, "does nothing: give hold or limit")
    return Action(hold=hold, rows=rows, bytes=size, mode=mode)


def mask(reader: Reader, name: str, values: dict[str, Any], patterns: dict[str, str]) -> MaskRule:
    key: Key = ("mask", name)
    if not values["columns"] and not values["patterns"]:
        reader.wrong(key, "masks nothing: give columns or patterns")
    known = [*BUILT_IN_PATTERNS, *patterns]
    for pattern in values["patterns"]:
        if pattern not in known:
            reader.wrong((*key, "patterns"), f"{pattern!r} is not a pattern" + nearest(pattern, known))
    for column in values["columns"]:
        if not 2 <= len(column.split(".")) <= 3:
            reader.wrong((*key, "columns"), f'{column!r} must be "table.column", "schema.table.column" or "*.column"')
    return MaskRule(
        name=name,
        protocol=values["protocol"],
        target=selector(reader, values["target"], (*key, "target")),
        exempt=exempt(reader, values, key),
        columns=values["columns"],
        patterns=tuple(pattern for pattern in values["patterns"] if pattern in BUILT_IN_PATTERNS),
        custom=tuple(sorted(patterns[pattern] for pattern in values["patterns"] if pattern in patterns)),
        show=values["show"],
        source=Source(reader.document.file, reader.document.line(key)),
    )
