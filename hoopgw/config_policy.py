"""Tables of guardrails.d/ -> guardrails, masks and patterns."""

from __future__ import annotations

from typing import Any

import re2

from hoopgw.config_files import Key
from hoopgw.config_http_rules import CONDITIONS as HTTP_CONDITIONS
from hoopgw.config_http_rules import http_conditions, http_mask, of_tunnels
from hoopgw.config_reader import Reader, nearest
from hoopgw.config_schema_http import HTTP_MASKS
from hoopgw.config_targets import Known, roles_exist, selector, who
from hoopgw.model.grant import Who
from hoopgw.model.operation import TYPED
from hoopgw.model.target import Mode
from hoopgw.model.verdict import HoldTerms, Source
from hoopgw.policy.facts import EFFECTS, Where
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.guardrails import Action, Conditions, SqlRule
from hoopgw.policy.http_json import pointer
from hoopgw.policy.http_rules import HttpRule
from hoopgw.policy.masks import BUILT_IN_PATTERNS, MaskRule, custom_pattern
from hoopgw.policy.policyset import Scoped, unenforceable
from hoopgw.policy.ssh_rules import SshConditions, SshRule

_THEN = '`then` must be "refuse", "redact", { hold = … } or { limit = … }; of typed lines "warn" or "end"'
_WHERE = {"missing": Where.MISSING, "constant": Where.CONSTANT}
_CONDITIONS = (
    "statement", "tables", "schemas", "functions", "where", "opaque", "secret", "regex",
)  # fmt: skip
_SSH_CONDITIONS = ("operation", "command", "command_not", "program", "program_not", "argument", "file", "path", "regex")
_OF_PROTOCOL: dict[str, tuple[str, ...]] = {
    "postgresql": _CONDITIONS,
    "ssh": _SSH_CONDITIONS,
    "http": HTTP_CONDITIONS,
}


def exempt(reader: Reader, values: dict[str, Any], key: Key, known: Known) -> Who | None:
    if values["except"] is None:
        return None
    where = (*key, "except")
    found = who(reader, reader.table("who", values["except"], where), where, known, everybody=False)
    if found == Who():
        reader.wrong(where, "names nobody: give groups, subjects, claims or provider")
    return found


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


def pattern(reader: Reader, name: str, values: dict[str, Any]) -> str:
    """The expression of a `[pattern.NAME]`."""
    key: Key = ("pattern", name)
    text: str = values["regex"] or ""
    if name in BUILT_IN_PATTERNS:
        reader.wrong(key, "is the name of a built-in pattern")
    compiled = expression(reader, text, (*key, "regex")) if text else None
    if compiled is not None and compiled.search(b""):
        reader.wrong((*key, "regex"), "matches the empty text, and so everywhere")
    return text


def guardrail(reader: Reader, name: str, values: dict[str, Any], known: Known) -> Scoped:
    key: Key = ("guardrail", name)
    mode = Mode(values["record"]) if values["record"] else None
    action = _action(reader, values["then"], key, mode, values["protocol"])
    _of_protocol(reader, key, values)
    _enforceable(reader, key, values["protocol"], action.controls)
    _seen(reader, key, values["operation"], action)
    chosen = selector(reader, values["target"], (*key, "target"), known)
    roles_exist(reader, values["roles"], chosen, (*key, "roles"), known)
    source = Source(reader.document.file, reader.document.line(key))
    rule: IGuardrail
    if values["protocol"] == "ssh":
        conditions = _ssh_conditions(reader, values, key)
        rule = SshRule(name, conditions, action, values["reason"], values["would_pass"], source)
    elif values["protocol"] == "http":
        if action.rows is not None:
            reader.wrong((*key, "then", "limit", "rows"), "is of result rows, which HTTP has none of: give bytes")
        pattern = expression(reader, values["regex"], (*key, "regex")) if values["regex"] else None
        of_http = http_conditions(reader, values, key, known.selected(chosen), pattern, action.hold is not None)
        of_tunnels(reader, key, of_http, known.selected(chosen))
        rule = HttpRule(name, of_http, action, values["reason"], values["would_pass"], source)
    else:
        rule = SqlRule(name, _conditions(reader, values, key), action, values["reason"], values["would_pass"], source)
    return Scoped(
        rule,
        values["protocol"],
        who(reader, values, key, known, everybody=True),
        exempt(reader, values, key, known),
        chosen,
        values["roles"],
    )


def _of_protocol(reader: Reader, key: Key, values: dict[str, Any]) -> None:
    """A condition of another protocol would never hold."""
    mine = _OF_PROTOCOL[values["protocol"]]
    for name in sorted(set().union(*_OF_PROTOCOL.values()) - set(mine)):
        if values[name]:
            reader.wrong((*key, name), f'is no condition of protocol = "{values["protocol"]}"')
    if values["protocol"] != "postgresql" and not values["temporary"]:
        reader.wrong((*key, "temporary"), f'is nothing of protocol = "{values["protocol"]}"')


def _seen(reader: Reader, key: Key, operations: frozenset[str], action: Action) -> None:
    """A line on a terminal runs before anybody can read it: no rule on it is a promise, and none may look like one."""
    late = action.warn or action.end
    if TYPED not in operations:
        if late:
            reader.wrong((*key, "then"), 'is for what cannot be refused any more: operation = ["typed"]')
        return
    if operations != {TYPED}:
        reader.wrong((*key, "operation"), '"typed" stands alone: what is asked for can be refused, what is seen cannot')
    if not late or action.controls - {"warn", "end"}:
        words = 'what is typed has run when it is seen: "warn" or "end"; a promise refuses the shell and governs exec'
        reader.wrong((*key, "then"), words)


def _ssh_conditions(reader: Reader, values: dict[str, Any], key: Key) -> SshConditions:
    if not any(values[condition] for condition in _SSH_CONDITIONS):
        reader.wrong(key, "has no condition: give one of " + ", ".join(_SSH_CONDITIONS))
    return SshConditions(
        operations=values["operation"],
        commands=frozenset(text.encode() for text in values["command"]),
        commands_not=frozenset(text.encode() for text in values["command_not"]),
        programs=values["program"],
        programs_not=values["program_not"],
        arguments=values["argument"],
        files=values["file"],
        paths=values["path"],
        pattern=expression(reader, values["regex"], (*key, "regex")) if values["regex"] else None,
    )


def _enforceable(reader: Reader, key: Key, protocol: str, asked: frozenset[str]) -> None:
    """A promise that the protocol's relay cannot keep is refused when it is made."""
    for control in sorted(unenforceable(protocol, asked)):
        reader.wrong(key, f"asks for {control}, which cannot be enforced for {protocol}")


def _conditions(reader: Reader, values: dict[str, Any], key: Key) -> Conditions:
    for effect in sorted(values["statement"] - EFFECTS):
        reader.wrong((*key, "statement"), f"{effect!r} is not an effect" + nearest(effect, sorted(EFFECTS)))
    if not any(values[condition] for condition in _CONDITIONS):
        reader.wrong(key, "has no condition: give one of " + ", ".join(_CONDITIONS))
    if values["access"] != "any" and not values["tables"] and not values["schemas"]:
        reader.wrong((*key, "access"), "does nothing without tables or schemas")
    for kind in ("tables", "functions"):
        for glob in values[kind]:
            if glob.count(".") > 1:
                reader.wrong((*key, kind), f"{glob!r} must be NAME or SCHEMA.NAME")
    for glob in values["schemas"]:
        if "." in glob:
            reader.wrong((*key, "schemas"), f"{glob!r} must be a schema's name; for a table there is `tables`")
    return Conditions(
        effects=values["statement"],
        tables=tuple(_glob(glob) for glob in values["tables"]),
        schemas=values["schemas"],
        access=values["access"],
        functions=tuple(_glob(glob) for glob in values["functions"]),
        where=frozenset(_WHERE[word] for word in values["where"]),
        opaque=values["opaque"],
        secret=values["secret"],
        temporary=values["temporary"],
        pattern=expression(reader, values["regex"], (*key, "regex")) if values["regex"] else None,
    )


def _glob(written: str) -> str:
    """A name without a schema means that name in every schema."""
    return written if "." in written else f"*.{written}"


def _action(reader: Reader, then: Any, key: Key, mode: Mode | None, protocol: str) -> Action:
    where = (*key, "then")
    if then == "refuse":
        return Action(refuse=True, mode=mode)
    if then == "redact":
        return Action(redact=True, mode=mode)
    if then in ("warn", "end"):
        return Action(warn=then == "warn", end=then == "end", mode=mode)
    if then is None and mode is not None:
        return Action(mode=mode)
    if not isinstance(then, dict):
        reader.wrong(where if then is not None else key, _THEN)
        return Action(refuse=True)
    given = reader.table("then", then, where)
    hold, rows, size = None, None, None
    if given["hold"] is not None:
        hold = _hold(reader, given["hold"], (*where, "hold"), protocol)
    if given["limit"] is not None:
        limit = reader.table("limit", given["limit"], (*where, "limit"))
        rows, size = limit["rows"], limit["bytes"]
        if rows is None and size is None:
            reader.wrong((*where, "limit"), "limits nothing: give rows or bytes")
    if given["hold"] is None and given["limit"] is None:
        reader.wrong(where, "does nothing: give hold or limit")
    return Action(hold=hold, rows=rows, bytes=size, mode=mode)


def _hold(reader: Reader, values: Any, key: Key, protocol: str) -> HoldTerms:
    given = reader.table("hold", values, key)
    for shorter, longer in (("wait", "expires"), ("in_transaction", "expires")):
        if given[shorter] > given[longer]:
            reader.wrong((*key, shorter), f"is longer than {longer}: nobody could be asked for so long")
    at_once = given["at_once"]
    if at_once and protocol != "http":
        reader.wrong((*key, "at_once"), 'does nothing without protocol = "http"')
    if at_once and given["wait"] != reader.defaults("hold")["wait"]:
        reader.wrong((*key, "wait"), "does nothing with `at_once`")
    return HoldTerms(
        "",
        "",
        given["approvers"] or frozenset(),
        given["count"],
        0.0 if at_once else given["wait"],
        given["in_transaction"],
        given["expires"],
        at_once=at_once,
    )


def mask(reader: Reader, name: str, values: dict[str, Any], patterns: dict[str, str], known: Known) -> MaskRule:
    key: Key = ("mask", name)
    _enforceable(reader, key, values["protocol"], frozenset(("mask",)))
    http = values["protocol"] == "http"
    if not http:
        _mask_of_protocol(reader, key, values)
    _json(reader, (*key, "json"), values["json"], http)
    _what_is_masked(reader, key, values, [*BUILT_IN_PATTERNS, *patterns])
    chosen = selector(reader, values["target"], (*key, "target"), known)
    if http:
        of_tunnels(reader, key, None, known.selected(chosen))
    built_in = tuple(each for each in values["patterns"] if each in BUILT_IN_PATTERNS)
    custom = _custom(reader, key, values, patterns)
    return MaskRule(
        name=name,
        protocol=values["protocol"],
        target=chosen,
        exempt=exempt(reader, values, key, known),
        columns=values["columns"],
        patterns=built_in,
        custom=custom,
        show=values["show"],
        predicates=values["predicates"],
        aggregates=values["aggregates"],
        json=values["json"],
        source=Source(reader.document.file, reader.document.line(key)),
        http=http_mask(reader, values, key, known.selected(chosen), built_in, custom) if http else None,
    )


def _mask_of_protocol(reader: Reader, key: Key, values: dict[str, Any]) -> None:
    """Of PostgreSQL or SSH: keys of another protocol do nothing, nor do those of columns where there are none."""
    if not values["columns"] and not values["patterns"]:
        reader.wrong(key, "masks nothing: give columns or patterns")
    for alien in HTTP_MASKS:
        if values[alien] != HTTP_MASKS[alien].default:
            reader.wrong((*key, alien), f'does nothing with protocol = "{values["protocol"]}"')
    if values["protocol"] == "ssh":
        for alien in ("columns", "show", "predicates", "aggregates", "json"):
            if values[alien] not in ((), "none", "refuse", frozenset()):
                reader.wrong((*key, alien), "is of columns, which a command's output has none of: give patterns")
    for idle in ("predicates", "aggregates", "json"):
        if not values["columns"] and values[idle] not in ("refuse", frozenset(), ()):
            reader.wrong((*key, idle), "does nothing without `columns`")


def _what_is_masked(reader: Reader, key: Key, values: dict[str, Any], patterns: list[str]) -> None:
    for each in values["patterns"]:
        if each not in patterns:
            reader.wrong((*key, "patterns"), f"{each!r} is not a pattern" + nearest(each, patterns))
    for column in values["columns"]:
        if not 2 <= len(column.split(".")) <= 3 or not all(column.split(".")):
            reader.wrong((*key, "columns"), f'{column!r} must be "table.column", "schema.table.column" or "*.column"')


def _json(reader: Reader, key: Key, members: tuple[str, ...], http: bool) -> None:
    for each in members:
        try:
            pointer(each)
        except ValueError as error:
            reader.wrong(key, f"{each!r} {error}")
        if not http and not each.isascii():  # what its bytes are depends on the encoding of a session
            reader.wrong(key, f"{each!r} must be ASCII; a ? or * may stand for other letters")


def _custom(reader: Reader, key: Key, values: dict[str, Any], patterns: dict[str, str]) -> tuple[str, ...]:
    """Expressions that are right one by one may still be wrong as the one alternation that they are searched as."""
    found = tuple(sorted(patterns[each] for each in values["patterns"] if patterns.get(each)))
    try:
        custom_pattern(frozenset(found))
    except re2.error as error:
        words = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        reader.wrong((*key, "patterns"), f"cannot be searched together: {words}")
    return found
