"""Drains the spool: every few milliseconds one chunk for each session that wrote, one write, one sync.

One thread.  The ring's tail moves only after the sync.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hoopgw.store.batches import MOST, taken
from hoopgw.store.chains import Chains, Sealed
from hoopgw.store.segments import Segments
from hoopgw.store.spool import Spool

ROUND = 0.02  # seconds between rounds: what a power loss may take besides one sync
RETRY = 0.5  # seconds between tries after a failed write or sync
STOPPING = 30.0  # seconds for the last rounds


class Writer:
    """`told(offset, failure, sealed)` is called in the writer's thread after each round.

    Everything of the spool before `offset` is on disk; `failure` says why no more is, "" where all is well; `sealed`
    are this round's seals.  `rolled()` is called when a segment is full and another one begins.
    """

    def __init__(
        self,
        spool: Spool,
        chains: Chains,
        segments: Segments,
        told: Callable[[int, str, list[Sealed]], None],
        rolled: Callable[[], None],
    ) -> None:
        self._spool = spool
        self._chains = chains
        self._segments = segments
        self._told = told
        self._rolled = rolled
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.failure = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> bool:
        """Drains what there is, and ends.  False where a round does not come back: the next start drains the spool."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(STOPPING)
            if self._thread.is_alive():
                return False
        self.drain()
        self._segments.close()
        return True

    def hurry(self) -> None:
        """Somebody waits for the disk: the next round begins now."""
        self._wake.set()

    def drain(self, stored: dict[bytes, tuple[int, int]] | None = None) -> None:
        """Rounds until the spool is empty or one fails, in the caller's thread.  `stored` as in `batches.taken`."""
        while self._spool.head != self._spool.tail:
            self._round(stored)
            if self.failure:
                return

    def _run(self) -> None:
        while not self._stopping:
            if self.failure or not self._behind():
                self._wake.wait(RETRY if self.failure else ROUND)
                self._wake.clear()
            self._round()

    def _behind(self) -> bool:
        """So much is there that readers will be paused soon: the next round does not wait."""
        return self._spool.head - self._spool.tail > min(MOST, self._spool.capacity) // 2

    def _round(self, stored: dict[bytes, tuple[int, int]] | None = None) -> None:
        sealed: list[Sealed] = []
        try:
            if self._spool.head != self._spool.tail or self._chains.due(time.monotonic()):
                sealed = self._stored(stored)
        except Exception as error:  # whatever it is: nothing was dropped, and the sessions are told
            self.failure = str(error) or type(error).__name__
            self._segments.abandon()
            self._told(self._spool.tail, self.failure, [])
            return
        self.failure = ""
        self._spool.rounds_at = time.monotonic()
        self._told(self._spool.tail, "", sealed)
        if self._segments.full:
            self._segments.close()
            self._rolled()

    def _stored(self, stored: dict[bytes, tuple[int, int]] | None) -> list[Sealed]:
        batch = taken(self._spool, stored)
        try:
            chunks, sealed = self._chains.chunks(batch, time.monotonic())
        finally:
            batch.release()
        if chunks:
            self._segments.write(chunks)
        self._chains.commit(time.monotonic())
        if batch.size:
            self._spool.drop(batch.size)
        return sealed
