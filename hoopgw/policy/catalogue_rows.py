"""Rows of a catalogue's queries -> numbers, names and pairs.  All raise ValueError for NULL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

Rows = Sequence[Sequence[bytes | None]]


def number(value: bytes | None) -> int:
    if value is None:
        raise ValueError("NULL in place of a number")
    return int(value)


def text(value: bytes | None) -> str:
    if value is None:
        raise ValueError("NULL in place of a name")
    return value.decode()


def pairs(rows: Rows) -> dict[int, frozenset[int]]:
    """First column -> all second columns."""
    found: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        found[number(row[0])].add(number(row[1]))
    return {key: frozenset(values) for key, values in found.items()}
