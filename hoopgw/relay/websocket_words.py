"""Why the gateway closes a WebSocket: the object of a denial, as far as 123 bytes hold it."""

from __future__ import annotations

import json
from typing import Any, Final

from hoopgw.model.answer import Denial
from hoopgw.wire.websocket import MAX_REASON

# In this order as long as there is room: a program acts on the first ones, and a person finds the rest by the session
_FIELDS: Final = ("decision", "hold", "guardrails", "session", "reason")


def closing(denial: Denial) -> str:
    """JSON of at most MAX_REASON bytes; the reason is cut, other fields are whole or left out."""
    fields = denial.fields()
    told: dict[str, Any] = {}
    for name in _FIELDS:
        if name in fields:
            told = _with(told, name, fields[name])
    return _text(told)


def _with(told: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    if _fits({**told, name: value}):
        return {**told, name: value}
    if name != "reason":
        return told
    for size in range(len(value), 3, -1):
        if _fits({**told, name: value[:size] + "..."}):
            return {**told, name: value[:size] + "..."}
    return told


def _fits(told: dict[str, Any]) -> bool:
    return len(_text(told)) <= MAX_REASON


def _text(told: dict[str, Any]) -> str:
    return json.dumps(told, separators=(",", ":"))
