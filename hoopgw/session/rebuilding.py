"""The index row of a session from its recording, where the gateway died before it was written."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hoopgw.model.answer import Decision
from hoopgw.model.errors import MalformedFrame
from hoopgw.model.events import Code
from hoopgw.record.chunks import DATA, Entry, Joined
from hoopgw.record.entries import DECISIONS, Kind, read_asked, read_completed
from hoopgw.session.opening import row_of
from hoopgw.session.totals import MAX_TABLES
from hoopgw.store.interface import SessionRow
from hoopgw.store.recordings import Recordings, session_bytes

REFUSED = frozenset(code for decision, code in DECISIONS.items() if decision is not Decision.HELD)
COUNTERS = ("operations", "refused", "held", "rows", "masked", "bytes_in", "bytes_out")


def rebuilt(recordings: Recordings, id: str) -> SessionRow | None:
    """As far as the recording tells; None where its beginning cannot be read.

    A session that was closed has its own totals.  Of another one rows are not known: nothing decodes them here.
    """
    totals = _Totals()
    joined = Joined()
    for chunk in recordings.chunks(session_bytes(id)):
        if chunk.header.kind != DATA:
            totals.seal(chunk.digest().hex(), chunk.body)
            continue
        try:
            for entry in joined.of(chunk.raw()):
                totals.take(entry)
        except (MalformedFrame, ValueError):
            continue  # damaged: the verifier tells
    return totals.row()


class _Totals:
    def __init__(self) -> None:
        self._first: SessionRow | None = None
        self._counts: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self._tables: set[str] = set()
        self._closing: dict[str, Any] | None = None
        self._time = 0
        self._digest = ""

    def take(self, entry: Entry) -> None:
        self._time = entry.time
        if entry.kind == Kind.ASKED:
            self._asked(entry.payload)
        elif entry.kind == Kind.TO_CLIENT:
            self._counts["bytes_out"] += len(entry.payload)
        elif entry.kind == Kind.COMPLETED:
            self._counts["masked"] += read_completed(entry.payload)[2]
        elif entry.kind == Kind.OPEN:
            self._first = row_of(json.loads(entry.payload))
        elif entry.kind == Kind.CLOSE:
            self._closing = json.loads(entry.payload)
        elif entry.kind == Kind.VERDICT:
            self._tables.update(json.loads(entry.payload).get("tables", ()))
        elif entry.kind == Kind.NOTE and json.loads(entry.payload).get("code") == Code.HOLD_CREATED.value:
            self._counts["held"] += 1

    def _asked(self, payload: bytes) -> None:
        operations, data = read_asked(payload)
        self._counts["operations"] += len(operations)
        self._counts["bytes_in"] += len(data)
        self._counts["refused"] += sum(decision in REFUSED for _, _, decision, _ in operations)

    def seal(self, digest: str, body: bytes) -> None:
        self._digest = digest if b'"final":true' in body else ""

    def row(self) -> SessionRow | None:
        if self._first is None:
            return None
        closing = self._closing or {}
        counts = {name: closing.get(name, count) for name, count in self._counts.items()}
        tables = tuple(sorted(closing.get("tables", self._tables))[:MAX_TABLES])
        row = replace(self._first, tables=tables, digest=self._digest, **counts)
        if self._closing is None:
            return row
        closed = closing.get("closed") or self._time / 1e9
        return replace(
            row, closed=closed, reason=closing.get("reason", ""), interrupted=bool(closing.get("interrupted"))
        )
