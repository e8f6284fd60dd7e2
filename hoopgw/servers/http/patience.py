"""How long an HTTP session is waited for: by looks from time to time, what has taken too long.  No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

IDLE_SECONDS: Final = 75.0  # that a connection is kept without a request, as nginx's keepalive_timeout
UNTAKEN_SECONDS: Final = 60.0  # in which a client takes nothing of what is there for it, as nginx's send_timeout


class Late(Enum):
    """What it was; the value is what client and record are told."""

    IDLE = "nothing was asked for a while"
    HEAD = "the client took too long with the head of a request"
    BODY = "the client took too long with the body of a request"
    SLOW = "the body of a request came too slowly"
    SILENT = "the target is silent"
    UNTAKEN = "the client takes nothing of an answer"
    LONG = "an answer has lasted as long as one may"


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds, but for `rate`: bytes a second."""

    head: float = 30.0  # from its first byte to its last
    body: float = 60.0  # of a body, without a byte; and what one may take before `rate` counts
    rate: int = 500
    silent: float = 300.0  # that the target owes an answer, and nothing moves
    longest: float = 86400.0  # of one answer, in all


class Watched(Protocol):
    """What is looked at of a relay (`relay.http.HttpRelay`)."""

    @property
    def moved(self) -> int: ...

    @property
    def requests(self) -> int: ...

    @property
    def idle(self) -> bool: ...

    @property
    def in_head(self) -> bool: ...

    @property
    def paces(self) -> bool: ...

    @property
    def busy(self) -> bool: ...


class Patience:
    """Of one session."""

    def __init__(self, terms: Terms, now: float) -> None:
        self._terms = terms
        self._last = now
        self._seen = -1  # bytes at the last look, and since when there are no others
        self._since = now
        self._head_since = now
        self._untaken = 0, now  # bytes that wait for the client, and since when it takes none of them
        self._body: tuple[int, float, int] | None = None  # of which request, since when, from how many bytes on
        self._answer: tuple[int, float] | None = None  # to which request, and since when

    def waiting(self, now: float) -> None:
        """The gateway decides: nobody else is waited for."""
        self._since = self._head_since = self._last = now
        self._body = self._answer = None

    def look(self, relay: Watched, now: float, held_back: bool, untaken: int = 0, full: bool = False) -> Late | None:
        """`held_back`: the gateway takes nothing from the client just now; `full`: nothing from the target.  `untaken`:
        bytes that the client has not taken."""
        passed, self._last = now - self._last, now
        if not relay.in_head:
            self._head_since = now
        if relay.moved != self._seen:
            self._seen, self._since = relay.moved, now
        if self._takes_nothing(untaken, now):
            return Late.UNTAKEN
        if untaken and (full or relay.idle):  # it is neither the target's fault nor is there nothing to do
            self._since = now
        quiet = now - self._since
        if relay.idle and quiet > IDLE_SECONDS:
            return Late.IDLE
        if now - self._head_since > self._terms.head:
            return Late.HEAD
        return self._of_body(relay, now, held_back, passed, quiet) or self._of_answer(relay, now, quiet)

    def _takes_nothing(self, untaken: int, now: float) -> bool:
        if not untaken or untaken != self._untaken[0] or self._since == now:
            self._untaken = untaken, now
        return now - self._untaken[1] > UNTAKEN_SECONDS

    def _of_body(self, relay: Watched, now: float, held_back: bool, passed: float, quiet: float) -> Late | None:
        if not relay.paces:
            self._body = None
            return None
        if self._body is None or self._body[0] != relay.requests:
            self._body = relay.requests, now, relay.moved
        request, since, moved = self._body
        if held_back:
            self._body = request, since + passed, moved
            return None
        if quiet > self._terms.body:
            return Late.BODY
        late = now - since > self._terms.body + (relay.moved - moved) / self._terms.rate
        return Late.SLOW if late else None

    def _of_answer(self, relay: Watched, now: float, quiet: float) -> Late | None:
        if not relay.busy:
            self._answer = None
            return None
        if self._answer is None or self._answer[0] != relay.requests:
            self._answer = relay.requests, now
        if quiet > self._terms.silent:
            return Late.SILENT
        return Late.LONG if now - self._answer[1] > self._terms.longest else None
