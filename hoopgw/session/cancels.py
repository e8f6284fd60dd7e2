"""Cancel keys: which session a CancelRequest is about, and how many wrong ones a source may try."""

from __future__ import annotations

import hmac
from collections import OrderedDict

from twisted.internet.interfaces import IReactorTime

from hoopgw.auth.penalties import source_of
from hoopgw.session.session import Session

MAX_WRONG = 20  # wrong keys a minute from one source; then all of its requests are refused until the minute is over
WINDOW = 60.0  # seconds
MAX_SOURCES = 10_000  # sources that are remembered, some 2 MB; the one seen longest ago goes first
MAX_KEY = 256  # bytes of a key (PostgreSQL documentation, 55.7: CancelRequest)


class CancelKeys:
    """A key is 32 random bits at least and the only proof that a CancelRequest has: guesses are bounded by source."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._sessions: dict[int, tuple[bytes, Session]] = {}
        self._wrong: OrderedDict[str, tuple[float, int]] = OrderedDict()  # source -> since when, how many

    def register(self, pid: int, key: bytes, session: Session) -> bool:
        """False where the number is taken: draw another one."""
        if pid in self._sessions or not 4 <= len(key) <= MAX_KEY:
            return False
        self._sessions[pid] = (key, session)
        return True

    def forget(self, pid: int) -> None:
        self._sessions.pop(pid, None)

    def find(self, pid: int, key: bytes, source: str) -> Session | None:
        """The session, or None: no such number, another key, or too many wrong ones from that source.

        Which of the three it was takes the same time and looks the same.
        """
        source = source_of(source)
        known, session = self._sessions.get(pid, (b"\0" * 4, None))
        right = hmac.compare_digest(known, key)
        if self._too_many(source):
            return None
        if right and session is not None:
            return session
        self._count(source)
        return None

    def _too_many(self, source: str) -> bool:
        since, wrong = self._wrong.get(source, (0.0, 0))
        return wrong >= MAX_WRONG and self._clock.seconds() - since < WINDOW

    def _count(self, source: str) -> None:
        now = float(self._clock.seconds())
        since, wrong = self._wrong.pop(source, (now, 0))
        if now - since >= WINDOW:
            since, wrong = now, 0
        self._wrong[source] = (since, wrong + 1)
        while len(self._wrong) > MAX_SOURCES:
            self._wrong.popitem(last=False)
