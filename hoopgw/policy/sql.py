"""SQL text -> facts, by PostgreSQL's own grammar.  Pure; a text that cannot be read raises `Unreadable`.

What cannot be known is said (`Statement.unknown`) and never guessed.  Column references are counted by name over every
relation of the statement: that finds too much rather than too little.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pgparse

from hoopgw.policy.bodies import block_body
from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.facts import Facts, Statement
from hoopgw.policy.lineage_trace import trace
from hoopgw.policy.sql_made import as_made, with_made
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_statement import read_statement
from hoopgw.policy.sql_tree import NOWHERE, Node, Unreadable
from hoopgw.policy.temporaries import with_temporaries
from hoopgw.policy.touched import expanded, with_block

MAX_IN_PROCESS: Final = 16 * 1024  # bytes: deeper texts could exhaust the parser's stack; they are parsed in a child

__all__ = ("MAX_IN_PROCESS", "Unreadable", "analyse", "analyse_by")


def analyse(text: bytes, catalogue: Catalogue | None, context: NameContext, follow: bool = True) -> Facts:
    """The facts of every statement in `text`; with `follow` also their lineage.  Raises Unreadable."""
    if b"\0" in text:
        raise Unreadable("a NUL in the text")
    try:
        trees = pgparse.parse(text.decode("utf-8", "strict"))
    except UnicodeDecodeError as error:
        raise Unreadable("the text is not UTF-8") from error
    except RecursionError as error:
        raise Unreadable("the text is nested too deeply") from error
    except pgparse.PGQueryError as error:
        raise Unreadable(str(error.message), int(error.position) or NOWHERE) from error
    statements = []
    for place, tree in enumerate(trees):
        catalogue = with_temporaries(catalogue, context.temporaries)
        statement = _read(as_made(tree["stmt"]), catalogue, context, follow, place)
        context = context.after(statement)
        statements.append(statement)
    redacted = b""
    if any(statement.secret for statement in statements):
        redacted = "; ".join(_without_secret(statement) for statement in statements).encode()
    return Facts(tuple(statements), redacted)


def analyse_by(catalogue: Catalogue, text: bytes, context: NameContext, follow: bool) -> Facts:
    """The same, for a child that has the catalogue already."""
    return analyse(text, catalogue, context, follow)


def _read(tree: Node, catalogue: Catalogue | None, context: NameContext, follow: bool, place: int) -> Statement:
    read = read_statement(tree, catalogue, context)
    statement = _complete(read, tree, catalogue, context)
    follow = follow or read.temporary  # what a temporary table is made of may be masked by rules of later
    statement = _with_lineage(statement, tree, catalogue if follow else None, context, place)
    return with_made(statement, read, tree, catalogue, context)


def _complete(statement: Statement, tree: Node, catalogue: Catalogue | None, context: NameContext) -> Statement:
    """With what it leads to; also what PREPARE and DECLARE hold, and what DO says."""
    if "DoStmt" in tree and catalogue is not None:
        statement = with_block(statement, block_body(tree["DoStmt"], catalogue, context), catalogue, context)
    if statement.body:
        statement = replace(statement, body=tuple(expanded(each, catalogue, context) for each in statement.body))
    return expanded(statement, catalogue, context)


def _with_lineage(
    statement: Statement, tree: Node, catalogue: Catalogue | None, context: NameContext, place: int
) -> Statement:
    """Also of what PREPARE and DECLARE hold."""
    if catalogue is None or not (statement.reads or statement.writes or statement.body or statement.uses):
        return replace(statement, place=place) if place else statement
    body = tuple(
        replace(inner, lineage=trace(next(iter(tree.values()))["query"], catalogue, context.schemas))
        for inner in statement.body
    )
    return replace(statement, lineage=trace(tree, catalogue, context.schemas), place=place, body=body)


def _without_secret(statement: Statement) -> str:
    """Nothing of the text: only what it does.  Where a secret stands in a text is not guessed."""
    return ", ".join(sorted(statement.effects)).upper() + " (text redacted)"
