"""The line that tells a target who asks: signed at once, or ahead by a thread where the key is in a token (PKCS#11)."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgw.auth.access import Access
from hoopgw.auth.identity_tokens import FRESH, IdentityTokens, Said
from hoopgw.model.answer import Answer, Denial
from hoopgw.model.errors import OperatorError, TokenUnavailable
from hoopgw.model.events import Code
from hoopgw.model.operation import REQUEST
from hoopgw.relay.effects import Ask, Effect, Typed
from hoopgw.relay.http_scope import IDENTITY
from hoopgw.servers.slow_signing import SECONDS, SlowSigning
from hoopgw.session.interfaces import IEvents
from hoopgw.session.supervision import Supervision

USABLE: Final = 45.0  # seconds of a token's minute in which it is sent: its target has the others to read it
RETRY: Final = 1.0  # seconds after a failure in which the token is not asked again: each ask may take a thread's time
MAX_SHARED: Final = 4096  # identities on targets whose tokens are kept
WHAT: Final = "who asks, for a target"
NEVER: Final = -1e12  # POSIX time

_log: Final = Logger("hoopgw.servers.http.identity")


class OwnLine:
    """Of one session; signed anew when it is no longer fresh."""

    def __init__(self, tokens: IdentityTokens, access: Access, session: str, clock: IReactorTime) -> None:
        self._tokens = tokens
        self._said = tokens.said(access, session)
        self._clock = clock
        self._until = 0.0
        self._line = b""

    def __call__(self) -> bytes:
        now = self._clock.seconds()
        if now >= self._until:
            self._line, self._until = _line(self._tokens.signed(self._said, now)), now + FRESH
        return self._line


class SharedLine:
    """Of all sessions of one identity as one role of one target."""

    def __init__(self, said: Said, who: dict[str, str], clock: IReactorTime, ask: "Asking") -> None:
        self.said = said
        self.who = who  # for events
        self.asked = False  # a signature is on its way
        self._clock = clock
        self._ask = ask
        self._signed_at = NEVER
        self._line = b""
        self._why = "it was not signed yet"
        self._waiting: list[Deferred[None]] = []

    def __call__(self) -> bytes:
        """Raises TokenUnavailable."""
        self.prepare()
        if not self.ready:
            raise TokenUnavailable(self._why)
        return self._line

    @property
    def ready(self) -> bool:
        return self._clock.seconds() < self._signed_at + USABLE

    def prepare(self) -> None:
        """So that it is there when it is wanted: another one is asked for while this one is still good."""
        if not self.asked and self._clock.seconds() >= self._signed_at + FRESH:
            self.asked = True
            self._ask(self)

    def wait(self) -> Deferred[None]:
        """Fires when it is there, or is not to be had now; never fails, but where it is cancelled."""
        self.prepare()
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        waiting.addTimeout(SECONDS, self._clock, onTimeoutCancel=self._late)
        if not self.asked:
            self._done()
        return waiting

    def _late(self, result: object, seconds: float) -> None:
        self._why = f"no signature within {seconds:g} s"

    def signed(self, token: str, at: float) -> None:
        self._line, self._signed_at = _line(token), at
        self._done()

    def failed(self, why: str) -> None:
        self._why = why
        self._done()

    def _done(self) -> None:
        self.asked = False
        waiting, self._waiting = self._waiting, []
        while waiting:  # one may take back another
            waiting.pop(0).callback(None)


Asking = Callable[[SharedLine], None]
Signing = Callable[[Callable[[Said, float], str], Said, float], Deferred[str]]  # what signs, and what it gets


def in_thread(clock: IReactorTime) -> Signing:
    """One signature at a time: what hangs takes one thread, and all others are told at once."""
    return partial(SlowSigning(clock, 1).made, True)


class IdentityLines:
    """One for the gateway."""

    def __init__(self, tokens: IdentityTokens, clock: IReactorTime, events: IEvents, signing: Signing) -> None:
        self.tokens = tokens
        self._clock = clock
        self._events = events
        self._signing = signing
        self._shared: OrderedDict[str, SharedLine] = OrderedDict()
        self._asked: deque[SharedLine] = deque()  # each once; the first is being signed
        self._failed_at = NEVER
        self._why = ""

    def of(self, access: Access, session: str) -> OwnLine | SharedLine:
        if not self.tokens.slow:
            return OwnLine(self.tokens, access, session, self._clock)
        said = self.tokens.said(access)
        key = json.dumps(said)
        line = self._shared.get(key)
        if line is None:
            who = {"issuer": access.identity.issuer, "subject": access.identity.subject, "target": access.target.name}
            line = self._shared[key] = SharedLine(said, who, self._clock, self._ask)
            if len(self._shared) > MAX_SHARED:
                self._shared.popitem(last=False)
        self._shared.move_to_end(key)
        line.prepare()
        return line

    def _ask(self, line: SharedLine) -> None:
        if self._clock.seconds() < self._failed_at + RETRY:
            line.failed(self._why)
            return
        self._asked.append(line)
        if len(self._asked) == 1:
            self._sign(line)

    def _sign(self, line: SharedLine) -> None:
        now = self._clock.seconds()
        signing = self._signing(self.tokens.signed, line.said, now)
        signing.addCallbacks(self._signed, self._failed, callbackArgs=(line, now), errbackArgs=(line,))
        signing.addErrback(lambda failure: _log.failure("a signature was lost", failure=failure))

    def _signed(self, token: str, line: SharedLine, at: float) -> None:
        self._asked.popleft()
        if self._asked:
            self._sign(self._asked[0])
        line.signed(token, at)

    def _failed(self, failure: Failure, line: SharedLine) -> None:
        """The token is away for all of them."""
        if not failure.check(OperatorError):
            _log.failure("a signature failed", failure=failure)
        self._failed_at, self._why = self._clock.seconds(), failure.getErrorMessage()
        self._events.emit(Code.SIGNING_FAILED, **line.who, what=WHAT, reason=self._why)
        asked = tuple(self._asked)
        self._asked.clear()
        for each in asked:
            each.failed(self._why)


class Introduced(Supervision):
    """A session as its pump sees it, whose requests go on when the line is there that tells who asks."""

    def __init__(self, session: Supervision, line: SharedLine) -> None:
        self._session = session
        self._line = line

    def record(self, effect: Effect) -> None:
        self._session.record(effect)

    def client_left(self) -> bool:
        return self._session.client_left()

    def typed(self, effect: Typed) -> list[Effect]:
        return self._session.typed(effect)

    def end(self, code: Code, reason: str, denial: Denial | None = None) -> None:
        self._session.end(code, reason, denial)

    def close(self, code: Code, reason: str, coverage: dict[str, Any]) -> Deferred[None]:
        return self._session.close(code, reason, coverage)

    def decide(self, ask: Ask) -> tuple[Answer, ...] | Deferred[tuple[Answer, ...]]:
        """A decision first: whoever is refused, or waits for an approval, needs no line."""
        answers = self._session.decide(ask)
        if ask.operations[0].kind != REQUEST:
            return answers
        return self._then(answers) if isinstance(answers, tuple) else answers.addCallback(self._then)

    def _then(self, answers: tuple[Answer, ...]) -> tuple[Answer, ...] | Deferred[tuple[Answer, ...]]:
        if self._line.ready or answers[0].denial is not None:
            return answers
        return self._line.wait().addCallback(lambda _: answers)


def _line(token: str) -> bytes:
    return IDENTITY + b": " + token.encode() + b"\r\n"
