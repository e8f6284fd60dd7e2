"""Index rows and holds <-> the columns that both providers keep them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import orjson

from hoopgw.store.interface import Decided, Hold, HoldState, SessionRow

SESSION_COLUMNS = tuple(field.name for field in fields(SessionRow))
HOLD_COLUMNS = tuple(field.name for field in fields(Hold))
_SESSION_LISTS = frozenset(("groups", "tables"))  # kept as JSON text
_HOLD_LISTS = frozenset(("guardrails", "approvers", "counts", "details"))  # kept as JSON text


def session_values(row: SessionRow) -> tuple[Any, ...]:
    """In the order of SESSION_COLUMNS."""
    return tuple(
        _text(getattr(row, name)) if name in _SESSION_LISTS else getattr(row, name) for name in SESSION_COLUMNS
    )


def session_row(values: Sequence[Any]) -> SessionRow:
    """The row of one result in the order of SESSION_COLUMNS."""
    found = dict(zip(SESSION_COLUMNS, values, strict=True))
    for name in _SESSION_LISTS:
        found[name] = tuple(orjson.loads(found[name]))
    found["interrupted"] = bool(found["interrupted"])
    return SessionRow(**found)


def hold_values(hold: Hold) -> tuple[Any, ...]:
    """In the order of HOLD_COLUMNS."""
    return tuple(_hold_value(hold, name) for name in HOLD_COLUMNS)


def _hold_value(hold: Hold, name: str) -> Any:
    value = getattr(hold, name)
    if name in _HOLD_LISTS:
        return _text(value)
    if name == "decided":
        return decided_text(value)
    return value.value if name == "state" else value


def hold_row(values: Sequence[Any]) -> Hold:
    """The hold of one result in the order of HOLD_COLUMNS."""
    found = dict(zip(HOLD_COLUMNS, values, strict=True))
    found["guardrails"] = tuple(orjson.loads(found["guardrails"]))
    found["approvers"] = tuple(tuple(groups) for groups in orjson.loads(found["approvers"]))
    found["counts"] = tuple(orjson.loads(found["counts"]))
    found["details"] = orjson.loads(found["details"])
    found["decided"] = tuple(_decided(word) for word in orjson.loads(found["decided"]))
    found["state"] = HoldState(found["state"])
    for name in ("in_transaction", "streams"):
        found[name] = bool(found[name])
    return Hold(**found)


def decided_text(decided: tuple[Decided, ...]) -> str:
    """Every word so far, as JSON text."""
    return _text([asdict(word) for word in decided])


def _decided(found: dict[str, Any]) -> Decided:
    return Decided(**{**found, "sets": tuple(found["sets"])})


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
