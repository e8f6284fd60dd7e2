"""A PL/pgSQL function -> the SQL that stands in it.  Pure.

Its statements are those of libpg_query's PL/pgSQL parser, a closed list: what is not on it is not read.
"""

from __future__ import annotations

import re
from typing import Any

import pgparse

from hoopgw.policy.sql_tree import Unreadable, nodes

_READ = frozenset(
    f"PLpgSQL_stmt_{name}"
    for name in (
        "block assign if case loop while fori fors forc foreach_a exit return return_next return_query raise assert "
        "execsql perform call commit rollback getdiag open fetch close"
    ).split()
)
_PART = r'(?:"[^"]*"|[\w$])+'
# a variable, or a field or an element of one that is plain to see
_TARGET = re.compile(rf"\s*{_PART}(?:\s*\.\s*{_PART})*\s*(?:\[[\w\s$:+-]*\]\s*)*(?::=|=)")
_EXPRESSION, _STATEMENT = 2, 0  # PLpgSQL_expr.parseMode; 3 to 5 are assignments


def texts(definition: str) -> list[str]:
    """Every statement, and every expression as a SELECT.  `definition` is CREATE FUNCTION, or DO.

    Raises Unreadable where something of it is dynamic, or not known.
    """
    try:
        functions = pgparse.parse_pgsql(definition)
    except pgparse.PGQueryError as error:
        raise Unreadable(f"its PL/pgSQL cannot be read: {error.args[0] if error.args else error}") from error
    except RecursionError as error:
        raise Unreadable("its PL/pgSQL is nested too deeply") from error
    found: list[str] = []
    for key, node in nodes(functions):
        if "dynquery" in node or key in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"):
            raise Unreadable("EXECUTE of a text that it makes")
        if key.startswith("PLpgSQL_stmt_") and key not in _READ:
            raise Unreadable(f"{key} is not known here")
        if key == "PLpgSQL_expr":
            found.append(_text(node))
        elif key == "PLpgSQL_type" and not node.get("typname", "").rstrip().endswith(("%TYPE", "%ROWTYPE")):
            found += _cast(node.get("typname", ""))
    return found


def _text(node: dict[str, Any]) -> str:
    query, mode = node["query"], node.get("parseMode", _STATEMENT)
    if mode == _STATEMENT:
        return str(query)
    if mode == _EXPRESSION:
        return f"SELECT {query}"
    target = _TARGET.match(query)
    if target is None:
        raise Unreadable("an assignment to what is not plainly a variable")
    return f"SELECT {query[target.end() :]}"


def _cast(name: str) -> list[str]:
    """A variable of a domain calls its checks, as a cast to it does."""
    plain = name.strip().lower()
    # of PostgreSQL's own, as libpg_query writes them: pg_catalog."integer"
    pseudo = (
        plain.startswith("pg_catalog.")
        or plain in ("record", "trigger", "void", "event_trigger", "unknown", "")
        or plain.startswith("any")
    )
    return [] if pseudo else [f"SELECT NULL::{name}"]
