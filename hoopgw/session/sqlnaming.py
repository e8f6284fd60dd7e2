"""What the names of prepared statements and cursors stand for where a text uses them.  Compiled in packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hoopgw.policy.facts import Facts, Statement
from hoopgw.policy.sql import MAX_IN_PROCESS, analyse
from hoopgw.policy.sql_names import Meaning, NameContext, SessionNames
from hoopgw.session.sqlbuiltin import unseen
from hoopgw.session.sqlscopes import Scope
from hoopgw.session.sqlstatements import both


def reading_of(scope: Scope, context: NameContext) -> tuple[int, NameContext]:
    """What a text's names are read by: a text that was read by another one is read again."""
    return scope.catalogue.generation if scope.catalogue is not None else -1, context


def _meant(
    names: SessionNames,
    name: str,
    cursor: bool,
    scope: Scope,
    context: NameContext,
    told: Mapping[bytes, Meaning],
    within: bool = False,
) -> list[Statement]:
    """What a name stands for in `context`: a prepared text is read again where its names may mean something else.
    `told`: what the text that uses it has made of it before.  `within`: what it stands for itself says EXECUTE."""
    found: list[Statement] = []
    for text, meaning in (*names.of(name, cursor), *told.items()):
        if meaning.reading is not None and meaning.reading != reading_of(scope, context):
            meaning = _read_again(names, name, text, scope, context)
        found += meaning.statements if within else _inside(names, meaning.statements, scope, context)
    return found


def _inside(
    names: SessionNames, statements: tuple[Statement, ...], scope: Scope, context: NameContext
) -> list[Statement]:
    """Where one says EXECUTE itself, what that runs."""
    found: list[Statement] = []
    for each in statements:
        bodies = []
        if each.uses:
            bodies = _meant(names, each.uses, "fetch" in each.effects, scope, context, {}, True)
        found += [both(each, body) for body in bodies] or [each]
    return found


def _read_again(names: SessionNames, name: str, text: bytes, scope: Scope, context: NameContext) -> Meaning:
    if len(text) > MAX_IN_PROCESS:
        return Meaning((Statement(frozenset(), unknown=(f"{name!r} was prepared before names changed",)),))
    read = analyse(text, scope.catalogue, context, scope.follows).statements
    held = tuple(body for each in read if each.defines == name for body in each.body)
    meaning = Meaning(held or read, reading_of(scope, context))
    if any(known == text for known, _ in names.of(name, cursor=False)):
        names.define(name, text, meaning)
    return meaning


def with_names(
    names: SessionNames,
    facts: Facts,
    text: bytes,
    scope: Scope,
    context: NameContext,
    within: bool = False,
    bound: int = 0,
) -> Facts:
    """EXECUTE and FETCH are judged by what the name stands for, here or earlier in the text; a name that was not
    seen keeps its `uses`, and is refused by `built_in`."""
    if not any(statement.uses for statement in facts.statements):
        return facts
    statements: list[Statement] = []
    told: dict[tuple[bool, str], dict[bytes, Meaning]] = {}  # by whether it is a cursor, and its name
    for statement in facts.statements:
        meant = [statement]
        if statement.uses:
            key = "fetch" in statement.effects, statement.uses
            if bound:
                bodies = _inside(names, names.bound(bound), scope, context)
            else:
                bodies = _meant(names, statement.uses, key[0], scope, context, told.get(key, {}), within)
            meant = [both(statement, body) for body in bodies]
        if not meant:
            meant = [replace(statement, unknown=(*statement.unknown, unseen(statement.uses)))]
        if statement.defines:
            reading = reading_of(scope, context) if "prepare" in statement.effects else None
            key = reading is None, statement.defines
            earlier = told.get(key, {}).get(text)
            held = statement.body if earlier is None else earlier.statements + statement.body
            told[key] = {text: Meaning(held, reading)}
        for each in meant:
            context = context.after(each)
        statements += meant
    return Facts(tuple(statements), facts.redacted)
