"""The body of a function, a view or a rule -> the facts of each statement in it.  Pure.

A body that is a text (AS '…') means what its names mean when it runs: by the session's search_path, or by the
function's own.  One that PostgreSQL parsed when it was made (BEGIN ATOMIC, views, rules) is bound to its objects, and
its text comes with the schema of every name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pgparse

from hoopgw.policy import search_path
from hoopgw.policy.catalogue import Catalogue, Function
from hoopgw.policy.facts import Statement
from hoopgw.policy.plpgsql import texts
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_statement import read_statement
from hoopgw.policy.sql_tree import Node, Unreadable, literal, words

MAX_READ = 16 * 1024  # bytes of one body: deeper ones could exhaust the parser's stack
BOUND = NameContext()  # of bodies whose names all have their schema

# What a function must not set for itself if its body is to mean what it says
_SHIFTS = frozenset(
    ("standard_conforming_strings", "role", "session_authorization", "session_replication_role", "client_encoding")
)


@dataclass(frozen=True, slots=True)
class Body:
    """`unknown` says why not all of it could be read; `statements` are what could."""

    statements: tuple[Statement, ...] = ()
    unknown: str = ""


def view_body(definition: str | None, catalogue: Catalogue) -> Body:
    return _read(definition, catalogue, BOUND) if definition is not None else Body(unknown="its text was not read")


def rule_body(definition: str | None, catalogue: Catalogue) -> Body:
    """The actions of CREATE RULE, and its condition."""
    if definition is None:
        return Body(unknown="its text was not read")
    try:
        rule = _parsed(definition)[0].get("RuleStmt", {})
        trees = list(rule.get("actions", []))
        if "whereClause" in rule:
            target = {"ResTarget": {"val": rule["whereClause"]}}
            trees.append({"SelectStmt": {"targetList": [target], "op": "SETOP_NONE"}})
        return _statements(trees, catalogue, BOUND)
    except Unreadable as error:
        return Body(unknown=str(error))


def function_body(function: Function, catalogue: Catalogue, context: NameContext) -> Body:
    """Of SQL and PL/pgSQL; any other language is not read."""
    if function.definition is None:
        return Body(unknown=f"{function.language} is not read" if function.language else "its text was not read")
    try:
        made = _parsed(function.definition)[0].get("CreateFunctionStmt", {})
        if "sql_body" in made:
            return _statements(_atomic(made["sql_body"]), catalogue, BOUND)
        options = [each["DefElem"] for each in made.get("options", []) if "DefElem" in each]
        inner = _own_context(function, options, context)
        if function.language == "plpgsql":
            return _plpgsql(function.definition, catalogue, inner)
        return _read(_source(options), catalogue, inner)
    except Unreadable as error:
        return Body(unknown=str(error))


def block_body(block: Node, catalogue: Catalogue, context: NameContext) -> Body:
    """Of DO, which is PL/pgSQL unless it says another language."""
    arguments = {each["DefElem"]["defname"]: each["DefElem"].get("arg", {}) for each in block.get("args", [])}
    text = str(arguments.get("as", {}).get("String", {}).get("sval", ""))
    language = arguments.get("language", {}).get("String", {}).get("sval", "plpgsql")
    if language != "plpgsql":
        return Body(unknown=f"{language} is not read")
    quote = "$do$"
    while quote in text:
        quote = f"{quote[:-1]}x$"
    try:
        _bounded(text)
        made = f"CREATE FUNCTION pg_temp.block() RETURNS void LANGUAGE plpgsql AS {quote}{text}{quote}"
        return _plpgsql(made, catalogue, context)
    except Unreadable as error:
        return Body(unknown=str(error))


def _plpgsql(definition: str, catalogue: Catalogue, context: NameContext) -> Body:
    bodies = [_read(text, catalogue, context) for text in texts(definition)]
    statements = tuple(statement for each in bodies for statement in each.statements)
    casts = _casts(catalogue)
    if casts:  # an assignment converts, and nothing says from which type
        statements = (*statements, Statement(frozenset(), calls=casts))
    return Body(statements, next((each.unknown for each in bodies if each.unknown), ""))


def _casts(catalogue: Catalogue) -> frozenset[int]:
    own = catalogue.types.own_casts if catalogue.types is not None else ()
    return frozenset(cast.function for cast in own if cast.context != "e")


def _own_context(function: Function, options: list[Node], context: NameContext) -> NameContext:
    """With the settings of the function itself.  Raises Unreadable."""
    found = context
    if function.security_definer and function.owner:  # "$user" is its owner there
        found = replace(found, schemas=tuple(dict.fromkeys((*found.schemas, function.owner))))
    for option in options:
        setting = option.get("arg", {}).get("VariableSetStmt", {}) if option.get("defname") == "set" else {}
        name = setting.get("name", "").lower()
        if name in _SHIFTS:
            raise Unreadable(f"it sets {name}")
        if name == "search_path":
            values = [literal(each) for each in setting.get("args", [])]
            value = None if None in values else search_path.quoted(map(str, values))
            found = replace(context, schemas=context.temporaries.schemas(), path_unknown=False)
            found = found.after(Statement(frozenset(), settings=((name, value),)))
    return found


def _source(options: list[Node]) -> str:
    for option in options:
        if option.get("defname") == "as":
            return words(option.get("arg", {}).get("List", {}).get("items"))[0]
    raise Unreadable("it has no text")


def _atomic(body: Any) -> list[Node]:
    """The statements of BEGIN ATOMIC … END, or of RETURN."""
    found: list[Node] = []
    stack = [body]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        elif "List" in node:
            stack.extend(node["List"].get("items", []))
        elif node:
            found.append(node)
    return found


def _read(text: str, catalogue: Catalogue, context: NameContext) -> Body:
    try:
        return _statements(_parsed(text), catalogue, context)
    except Unreadable as error:
        return Body(unknown=str(error))


def _statements(trees: list[Node], catalogue: Catalogue, context: NameContext) -> Body:
    found: list[Statement] = []
    unknown = ""
    for tree in trees:
        statement = read_statement(tree, catalogue, context)
        context = context.after(statement)
        found.append(statement)
        unknown = unknown or _doubt(statement)
    return Body(tuple(found), unknown)


def _doubt(statement: Statement) -> str:
    if statement.unknown:
        return statement.unknown[0]
    if statement.opaque:
        return f"{statement.opaque} cannot be read"
    return "it prepares or uses what a name stands for" if statement.uses or statement.defines else ""


def _parsed(text: str) -> list[Node]:
    _bounded(text)
    try:
        return [each["stmt"] for each in pgparse.parse(text)]
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error
    except pgparse.PGQueryError as error:
        raise Unreadable(f"it cannot be read: {error.args[0] if error.args else error}") from error


def _bounded(text: str) -> None:
    if len(text.encode()) > MAX_READ:
        raise Unreadable(f"a body of more than {MAX_READ} bytes")
