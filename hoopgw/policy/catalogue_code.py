"""Rows of CODE_QUERIES -> what runs by itself where a relation is used or a function called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hoopgw.policy.catalogue import ForeignKey, Rule, Trigger
from hoopgw.policy.catalogue_rows import Rows, number, pairs, text

MAX_BODIES = 64 << 20  # bytes of all bodies of one database together; beyond it the rest counts as unknown

_EVENTS = ((4, "insert"), (8, "delete"), (16, "update"), (32, "truncate"))  # bits of pg_trigger.tgtype
_RULED = {"2": "update", "3": "insert", "4": "delete"}  # pg_rewrite.ev_type


@dataclass(frozen=True, slots=True)
class Code:
    """By OID; `of_relation` and `of_function` give the fields of `Relation` and `Function` that stand here."""

    views: dict[int, str]
    rules: dict[int, tuple[Rule, ...]]
    triggers: dict[int, tuple[Trigger, ...]]
    referenced: dict[int, tuple[ForeignKey, ...]]
    stores: dict[int, frozenset[int]]
    policy_calls: dict[int, frozenset[int]]
    policy_reads: dict[int, frozenset[int]]
    functions: dict[int, tuple[str, str | None]]  # owner, definition
    calls: dict[int, frozenset[int]]
    event_triggers: frozenset[int]

    def of_relation(self, oid: int) -> dict[str, Any]:
        return {
            "definition": self.views.get(oid),
            "rules": self.rules.get(oid, ()),
            "triggers": self.triggers.get(oid, ()),
            "referenced": self.referenced.get(oid, ()),
            "store_calls": self.stores.get(oid, frozenset()),
            "policy_calls": self.policy_calls.get(oid, frozenset()),
            "policy_reads": self.policy_reads.get(oid, frozenset()),
        }

    def of_function(self, oid: int) -> dict[str, Any]:
        """Nothing for most: PostgreSQL's own."""
        if oid not in self.functions and oid not in self.calls:
            return {}
        owner, definition = self.functions.get(oid, ("", None))
        return {"definition": definition, "owner": owner, "calls": self.calls.get(oid, frozenset())}


class _Bodies:
    """Counts their bytes."""

    def __init__(self) -> None:
        self._left = MAX_BODIES

    def take(self, body: bytes | None) -> str | None:
        if body is None or len(body) > self._left:
            return None
        self._left -= len(body)
        return body.decode()


def code(results: Sequence[Rows]) -> Code:
    """From the rows of CODE_QUERIES, in their order.  Raises ValueError for rows that are no such thing."""
    _, views, rules, functions, calls, triggers, keys, stores, policy_calls, policy_reads, events = results
    bodies = _Bodies()
    ruled: dict[int, list[Rule]] = defaultdict(list)
    for row in rules:
        event = _RULED[text(row[1])]
        ruled[number(row[0])].append(Rule(event, row[2] == b"t", bodies.take(row[3])))
    triggered: dict[int, list[Trigger]] = defaultdict(list)
    for row in triggers:
        kinds = frozenset(event for bit, event in _EVENTS if number(row[2]) & bit)
        triggered[number(row[0])].append(Trigger(text(row[1]), number(row[3]), kinds))
    referenced: dict[int, list[ForeignKey]] = defaultdict(list)
    for row in keys:
        referenced[number(row[0])].append(ForeignKey(number(row[1]), text(row[2]), text(row[3])))
    shown = {number(row[0]): bodies.take(row[1]) for row in views}
    return Code(
        views={oid: body for oid, body in shown.items() if body is not None},
        rules={oid: tuple(found) for oid, found in ruled.items()},
        triggers={oid: tuple(found) for oid, found in triggered.items()},
        referenced={oid: tuple(found) for oid, found in referenced.items()},
        stores=pairs(stores),
        policy_calls=pairs(policy_calls),
        policy_reads=pairs(policy_reads),
        functions={number(row[0]): (text(row[1]), bodies.take(row[2])) for row in functions},
        calls=pairs(calls),
        event_triggers=frozenset(number(row[0]) for row in events),
    )
