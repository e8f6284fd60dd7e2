"""What becomes of sessions that are over, for their index rows: the final seal, an interruption, retirement."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from hoopgw.store.interface import IStore, SessionRow

MAX_CHANGES = 20_000  # kept while the store is away; the oldest go then: recordings have it all
MAX_BATCH = 500  # rows of one transaction: some tens of milliseconds


class Aftermath:
    """Changes wait until the session's own last row is in the index; then `write` adds them."""

    def __init__(self, store: IStore) -> None:
        self._store = store
        self._changes: dict[str, dict[str, Any]] = {}

    def sealed(self, id: str, digest: str) -> None:
        """The recording is closed: `digest` is that of its final seal."""
        self._change(id, digest=digest)

    def retired(self, ids: Iterable[str], now: float) -> None:
        """The recordings are deleted."""
        for id in ids:
            self._change(id, retired=now)

    def _change(self, id: str, **fields: Any) -> None:
        self._changes.setdefault(id, {}).update(fields)
        while len(self._changes) > MAX_CHANGES:
            del self._changes[next(iter(self._changes))]

    async def write(self, busy: Callable[[str], bool]) -> None:
        """Of all sessions but those that are `busy`: their own rows come first.  Raises StoreUnavailable."""
        ready = [id for id in self._changes if not busy(id)][:MAX_BATCH]
        rows: list[SessionRow] = []
        for id in ready:
            row = await self._store.session(id)
            if row is not None:
                rows.append(replace(row, **self._changes[id]))
        if rows:
            await self._store.put_sessions(tuple(rows))
        for id in ready:
            self._changes.pop(id, None)
