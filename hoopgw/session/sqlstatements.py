"""What the judge of SQL asks of one statement, or of one operation."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hoopgw.model.operation import BIND, EXECUTE, PARSE, Operation
from hoopgw.policy.catalogue_types import FIRST_OWN
from hoopgw.policy.facts import Facts, Statement
from hoopgw.policy.lineage import Lineage
from hoopgw.policy.sql_names import NEW_ALONE
from hoopgw.policy.sql_nodes import DDL

NAMING: Final = frozenset("create alter drop rename import".split())
# What changes no name, nor anything else that is read of the catalogue, though the target's word for it does not say so
RIGHTS: Final = frozenset("grant revoke comment truncate security-label discard".split())
# Effects that, with temporary objects, change no other
MADE: Final = NEW_ALONE | {"view", "insert", "execute", "transaction"}


def own_types(operation: Operation) -> list[int]:
    """OIDs of the types that Parse declared for parameters, without PostgreSQL's own."""
    parameters = operation.parameters
    if operation.kind not in (PARSE, BIND, EXECUTE) or parameters[:2] in (b"", b"\0\0"):
        return []
    ends = range(2, 2 + 4 * int.from_bytes(parameters[:2], "big"), 4)
    return [oid for at in ends for oid in [int.from_bytes(parameters[at : at + 4], "big")] if oid >= FIRST_OWN]


# Of what is text on its way to a function that takes it: text, varchar, and what Parse leaves to PostgreSQL
TEXTS: Final = frozenset((0, 25, 1043))


def with_values(facts: Facts, operation: Operation) -> Facts:
    """With the settings that parameters say: nothing of them at Parse, which does nothing yet; what was bound at Bind
    and Execute.  The same object where there are none."""
    if operation.kind not in (PARSE, BIND, EXECUTE) or not any(each.by_parameter for each in facts.statements):
        return facts
    values = [] if operation.kind == PARSE else bound_texts(operation.parameters)
    return Facts(tuple(_with_values(each, operation.kind, values) for each in facts.statements), facts.redacted)


def _with_values(statement: Statement, kind: str, values: list[str | None]) -> Statement:
    settings = dict(enumerate(statement.settings))
    for index, name, value in statement.by_parameter:
        if kind == PARSE:
            del settings[index]
            continue
        said = _value(name, values)
        settings[index] = ("*", None) if said is None else (said.lower(), _value(value, values))
    return replace(statement, settings=tuple(settings.values()))


def _value(said: str | int | None, values: list[str | None]) -> str | None:
    if isinstance(said, int):
        return values[said - 1] if said <= len(values) else None
    return said


def bound_texts(parameters: bytes) -> list[str | None]:
    """Of an operation's `parameters` with all their values: each as text; None for NULL, for what is not ASCII (in
    which encoding is not known here) and for other types."""
    types = int.from_bytes(parameters[:2], "big")
    here = 2 + 4 * types
    here += 2 + 2 * int.from_bytes(parameters[here : here + 2], "big")  # text is the same bytes in both formats
    count = int.from_bytes(parameters[here : here + 2], "big")
    here += 2
    found: list[str | None] = []
    for index in range(count):
        length = int.from_bytes(parameters[here : here + 4], "big")
        here += 4
        if length == 0xFFFFFFFF:
            found.append(None)
            continue
        value = parameters[here : here + length]
        here += length
        oid = int.from_bytes(parameters[2 + 4 * index : 6 + 4 * index], "big") if index < types else 0
        found.append(value.decode() if oid in TEXTS and value.isascii() else None)
    return found


def both(using: Statement, body: Statement) -> Statement:
    """What EXECUTE does, or CREATE TABLE AS EXECUTE: what it says itself, and what the name stands for."""
    return replace(
        body,
        effects=body.effects | using.effects,
        unknown=body.unknown + using.unknown,
        opaque=body.opaque or using.opaque,
        lineage=_explained(using, body),
        place=using.place,
        writes=body.writes | using.writes,
        functions=body.functions | using.functions,
        temporary=body.temporary or using.temporary,
        ddl=body.ddl or using.ddl,
        writes_nothing=body.writes_nothing and using.writes_nothing,
    )


def _explained(using: Statement, body: Statement) -> Lineage | None:
    """EXPLAIN EXECUTE shows a plan in place of what the name's statement would show."""
    if body.lineage is None or using.lineage is None:
        return body.lineage
    return replace(body.lineage, outputs=using.lineage.outputs, lost=body.lineage.lost or using.lineage.lost)


def for_others(statement: Statement) -> bool:
    """Whether what it does may change what names mean in other sessions: not so of temporary objects, made plainly."""
    if not statement.ddl or not statement.effects & NAMING:
        return bool(statement.ddl and statement.opaque)
    own = statement.temporary and statement.effects <= MADE and not (statement.calls or statement.opaque)
    return not own


def quiet(statement: Statement) -> bool:
    """Whether it looks like a change of names, and is none: it makes, changes or drops known temporary tables, or is
    about rights, comments, rows or the session."""
    return bool(statement.effects & (DDL | RIGHTS)) and not loud(statement)


def loud(statement: Statement) -> bool:
    """Whether the catalogue is worth reading again once it has run.  A trigger that cannot be read may do anything."""
    unread = statement.beside or statement.opaque or statement.inside or statement.unknown
    return statement.ddl or "reassign" in statement.effects or bool(statement.effects & RIGHTS and unread)


def changes(statement: Statement) -> bool:
    """Whether it changes what later texts mean, so that its verdict is not kept: it must be looked at each time."""
    return bool(statement.settings or statement.defines or statement.uses or makes(statement) or statement.ddl)


def makes(statement: Statement) -> bool:
    """Whether it makes temporary objects."""
    return bool(statement.temporary or statement.makes)
