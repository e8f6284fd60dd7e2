"""Carries out what a relay wants, in order, on one client and one target connection.  Decides nothing.

Every effect is recorded by the session before it happens.  Where the spool has no room, what is left waits and neither
side is read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgw.model.answer import Answer, Denial
from hoopgw.model.errors import RecordingFailed, SpoolFull
from hoopgw.model.events import Code
from hoopgw.relay.effects import (
    Ask,
    CancelTarget,
    Effect,
    End,
    EndTarget,
    Hangup,
    Later,
    PauseClient,
    Reach,
    Renew,
    ResumeClient,
    ToClient,
    ToTarget,
    Typed,
    Withdraw,
)
from hoopgw.relay.relay import Relay
from hoopgw.servers.conduit import Receiver, sink_of
from hoopgw.servers.endings import Endings
from hoopgw.servers.parting import LINGER, QUIET, hear_out, part
from hoopgw.servers.timers import Timers
from hoopgw.session.supervision import Supervision

ROOM: Final = 0.01  # seconds between tries when the spool is full: the writer empties it every 10 to 20 ms
PATIENCE: Final = 30.0  # seconds that an effect may wait for room: a writer that slow has failed
SOON: Final = 0.05  # seconds after which a client that sends nothing has read why its session ends
LINGER_KILLED: Final = 0.5  # seconds for what was sent before an end by the gateway: a kill is done within a second
CLIENT_CLOSED: Final = "the client closed the connection"
_log: Final = Logger("hoopgw.servers.pump")


class Pump:
    """One session's edge.

    `cancel_target` opens a connection of its own to the target and fires when that closed; `closed` is called with the
    session when its last entry is written.  `endings` says when an end has its turn; nothing is forwarded meanwhile.
    `hears_out`: a client that still sends at the end of a session reads why, when it does read.
    """

    def __init__(
        self,
        session: Supervision,
        relay: Relay,
        client: Any,
        target: Any,
        cancel_target: Callable[[], Deferred[None]],
        closed: Callable[[Any], None],
        clock: IReactorTime,
        endings: Endings,
        *,
        hears_out: bool = False,
    ) -> None:
        self._session = session
        self._relay = relay
        self._to_client = sink_of(client)
        self._to_target = sink_of(target)
        self._client = client
        self._target = target
        self._cancel_target = cancel_target
        self._closed = closed
        self._clock = clock
        self._endings = endings
        self._full_since: float | None = None
        self._waiting: list[Effect] = []  # behind a full spool, in order
        self._inputs: list[tuple[bool, bytes]] = []  # (from client, bytes) that came in meanwhile: at most a read each
        self._for_target: list[bytes] | None = None  # while a cancel is under way; bounded by the paused client
        self._client_pauses: set[str] = set()
        self._target_pauses: set[str] = set()
        self._deciding: dict[int, Deferred[tuple[Answer, ...]]] = {}
        self._timers = Timers(clock, self._target_pauses, self._is_due)
        self._typed: list[Typed] = []  # what nobody has looked at yet
        self.ended = False
        self._linger = LINGER
        self._hears_out = hears_out
        self._unheard = 0  # bytes of the client that came after the end
        client.registerProducer(self.reading_target, True)
        target.registerProducer(self.reading_client, True)

    # ---- bytes

    @property
    def reading_client(self) -> Reading:
        """Who is given what is read of the client.  Kept here it would be a cycle, for the garbage collector."""
        return Reading(self, from_client=True)

    @property
    def reading_target(self) -> Reading:
        """The same of the target."""
        return Reading(self, from_client=False)

    def client_bytes(self, data: bytes) -> None:
        if self._waiting:
            self._inputs.append((True, data))
        elif not self.ended:
            self._carry_out(self._relay.from_client(data))
        else:
            self._unheard += len(data)

    def target_bytes(self, data: bytes) -> None:
        if self._waiting:
            self._inputs.append((False, data))
        elif not self.ended:
            self._carry_out(self._relay.from_target(data))

    def go_on(self, effects: list[Effect]) -> None:
        """What the relay wants of what its target's edge has told it."""
        if not self.ended:
            self._carry_out(effects)

    def _carry_out(self, effects: list[Effect]) -> None:
        while effects:
            if self._waiting:  # a kill or a notice while the spool is full: behind what waits already
                self._waiting.extend(effects)
                return
            if len(effects) > 1:
                effects = self._carry_out_all(effects)
                continue
            effect = effects[0]  # the usual read: one Ask, answered at once, or bytes that pass
            try:
                if isinstance(effect, Ask):
                    answers = self._session.decide(effect)
                    if not isinstance(answers, tuple):
                        self._wait_for(effect.lane, answers)
                        return
                    effects = self._relay.decided(effect.lane, answers)
                    continue
                self._session.record(effect)
            except SpoolFull:
                self._wait_for_room(effects)
                return
            except RecordingFailed as error:
                self._recorder_failed(str(error))
                return
            if isinstance(effect, ToClient):
                self._to_client.write(effect.data)
            elif isinstance(effect, ToTarget) and self._for_target is None:
                self._to_target.write(effect.data)
            else:
                self._do(effect)
            return

    def _carry_out_all(self, effects: list[Effect]) -> list[Effect]:
        """Gives what the last answers make of it: a row of them must not become a depth of calls."""
        to_client: list[bytes] = []  # what goes out with one write each, when all of it is recorded
        to_target: list[bytes] = []
        answered: list[tuple[int, tuple[Answer, ...]]] = []
        session = self._session
        for index, effect in enumerate(effects):
            kind = type(effect)
            try:
                if kind is Ask:
                    answers = session.decide(effect)  # type: ignore[arg-type]
                    if type(answers) is tuple:
                        answered.append((effect.lane, answers))  # type: ignore[attr-defined]
                    else:
                        self._wait_for(effect.lane, answers)  # type: ignore[attr-defined, arg-type]
                    continue
                session.record(effect)
            except SpoolFull:
                self._wait_for_room(effects[index:])
                break
            except RecordingFailed as error:
                self._write(to_client, to_target)
                self._recorder_failed(str(error))
                return []
            if kind is ToClient:
                to_client.append(effect.data)  # type: ignore[attr-defined]
            elif kind is ToTarget:
                to_target.append(effect.data)  # type: ignore[attr-defined]
            else:
                self._write(to_client, to_target)
                to_client, to_target = [], []
                self._do(effect)
        self._write(to_client, to_target)
        for lane, answers in answered[:-1]:
            self._carry_out(self._relay.decided(lane, answers))
        return self._relay.decided(*answered[-1]) if answered else []

    def _write(self, to_client: list[bytes], to_target: list[bytes]) -> None:
        if to_target:
            if self._for_target is not None:
                self._for_target += to_target
            else:
                self._to_target.write(to_target[0] if len(to_target) == 1 else b"".join(to_target))
        if to_client:
            self._to_client.write(to_client[0] if len(to_client) == 1 else b"".join(to_client))

    def _do(self, effect: Effect) -> None:
        kind = type(effect)
        if kind is CancelTarget:
            self._cancel()
        elif kind is PauseClient:
            self.pause(from_client=True, why="relay")
        elif kind is ResumeClient:
            self.resume(from_client=True, why="relay")
        elif kind is Hangup:
            self._hang_up(effect.code, effect.reason)  # type: ignore[attr-defined]
        elif kind is Reach:
            self._target.reach()
        elif kind is EndTarget:
            self._target.end_target()
        elif kind is Renew:
            self._target.renew(self._renewed)
        elif kind is Withdraw:
            self._withdraw(effect.lane)  # type: ignore[attr-defined]
        elif kind is Later:
            self._timers.begin(effect.lane, effect.seconds)  # type: ignore[attr-defined]
        elif kind is Typed:
            if not self._typed:
                self._clock.callLater(0, self._read_typed)
            self._typed.append(effect)  # type: ignore[arg-type]
        elif kind is End:
            self._session.end(effect.code, effect.reason, effect.denial)  # type: ignore[attr-defined]
        elif kind is ToTarget:  # while a cancel is under way
            self._write([], [effect.data])  # type: ignore[attr-defined]

    # ---- decisions that take time

    def _wait_for(self, lane: int, deciding: Deferred[tuple[Answer, ...]]) -> None:
        self._deciding[lane] = deciding
        deciding.addCallback(self._decided, lane)
        deciding.addErrback(self._undecided)

    def _withdraw(self, lane: int) -> None:
        deciding = self._deciding.pop(lane, None)
        if deciding is not None:
            deciding.cancel()

    def _decided(self, answers: tuple[Answer, ...], lane: int) -> None:
        del self._deciding[lane]
        if not self.ended:
            self._carry_out(self._relay.decided(lane, answers))

    def _undecided(self, failure: Failure) -> None:
        if self.ended or failure.check(CancelledError):
            return
        if failure.check(RecordingFailed):
            self._recorder_failed(failure.getErrorMessage())
            return
        _log.failure("a decision failed", failure=failure)
        self.end(Code.OPERATION_UNAVAILABLE, "the gateway could not decide", None)

    def holding(self, lane: int, notice: Denial) -> None:
        """An operation waits for approval: the client is told now."""
        if not self.ended:
            self._carry_out(self._relay.holding(lane, notice))

    # ---- what is due later

    def _is_due(self, lane: int) -> None:
        self._carry_out(self._relay.later(lane))

    def _renewed(self) -> None:
        if not self.ended:
            self._carry_out(self._relay.later(0))

    def _read_typed(self) -> None:
        """When what came with it has been passed on."""
        typed, self._typed = self._typed, []
        for each in typed:
            self._carry_out(self._session.typed(each))

    # ---- a full spool

    def _wait_for_room(self, effects: list[Effect]) -> None:
        self._waiting = list(effects)
        if self._full_since is None:
            self._full_since = self._clock.seconds()
        elif self._clock.seconds() - self._full_since > PATIENCE:
            self._recorder_failed(f"there was no room in the spool for {PATIENCE:.0f} s")
            return
        self.pause(from_client=True, why="spool")
        self.pause(from_client=False, why="spool")
        self._clock.callLater(ROOM, self._room)

    def _room(self) -> None:
        effects, self._waiting = self._waiting, []
        inputs, self._inputs = self._inputs, []
        if self.ended:
            return
        self._carry_out(effects)
        while inputs and not self._waiting and not self.ended:
            from_client, data = inputs.pop(0)
            (self.client_bytes if from_client else self.target_bytes)(data)
        self._inputs = inputs + self._inputs
        if not self._waiting:
            self._full_since = None
            self.resume(from_client=True, why="spool")
            self.resume(from_client=False, why="spool")

    def _recorder_failed(self, reason: str) -> None:
        """Forward nothing more: the client gets its protocol's error, unrecorded because nothing can be."""
        if self.ended:
            return
        for effect in self._relay.ended(f"recording failed: {reason}", Code.RECORDING_FAILED, None):
            if type(effect) is ToClient:
                self._to_client.write(effect.data)
        self._hang_up(Code.RECORDING_FAILED, reason)

    # ---- cancel

    def _cancel(self) -> None:
        if self._for_target is not None or self.ended:
            return
        self._for_target = []
        self.pause(from_client=True, why="cancel")
        self._cancel_target().addErrback(self._cancel_failed).addCallback(self._cancelled)

    def _cancel_failed(self, failure: Failure) -> None:
        _log.warn("the target could not be asked to cancel: {error}", error=failure.getErrorMessage())

    def _cancelled(self, _: object) -> None:
        kept, self._for_target = self._for_target, None
        if not self.ended:
            for data in kept or ():
                self._to_target.write(data)
            self.resume(from_client=True, why="cancel")

    def cancel_target(self) -> None:
        """A CancelRequest of the client's own, for what runs now."""
        self._carry_out([CancelTarget()])

    # ---- who is read

    def pause(self, *, from_client: bool, why: str) -> None:
        reasons = self._client_pauses if from_client else self._target_pauses
        if not reasons:
            (self._client if from_client else self._target).pauseProducing()
        reasons.add(why)

    @property
    def holds_client_back(self) -> bool:
        """Nothing is read from the client: that nothing comes is not its fault."""
        return bool(self._client_pauses)

    @property
    def holds_target_back(self) -> bool:
        """The same of the target."""
        return bool(self._target_pauses)

    def resume(self, *, from_client: bool, why: str) -> None:
        reasons = self._client_pauses if from_client else self._target_pauses
        reasons.discard(why)
        if not reasons and not self.ended:
            (self._client if from_client else self._target).resumeProducing()

    # ---- ends

    def client_gone(self, reason: str = CLIENT_CLOSED) -> None:
        if not self.ended:
            self._session.client_left()
            self._hang_up(Code.SESSION_CLOSED, reason)

    def target_gone(self, reason: str) -> None:
        if not self.ended:
            self._carry_out(self._relay.target_gone(reason))

    def end(self, code: Code, reason: str, denial: Denial | None) -> None:
        """End the session with its protocol's error, and cancel what the target runs."""
        if self.ended:
            return
        if self._relay.in_flight:
            self._cancel_target().addErrback(self._cancel_failed)
        self._linger = LINGER_KILLED
        self._carry_out(self._relay.ended(reason, code, denial))
        if self._waiting:  # the spool is full: the end does not wait for room
            self._hang_up(code, reason)
        elif not self.ended:  # it waits for the rest of a message
            self._abort_later(self._client, self._target)

    def _hang_up(self, code: Code, reason: str) -> None:
        if self.ended:
            return
        if self._typed:
            self._read_typed()
            if self._waiting:
                _log.warn("lines that were typed last are not in the record: the spool is full")
        self.ended = True
        self._waiting.clear()
        self._inputs.clear()
        for deciding in list(self._deciding.values()):
            deciding.cancel()
        self._timers.end()
        self._endings.add(partial(self._end, code, reason))

    def _end(self, code: Code, reason: str) -> None:
        closing = self._session.close(code, reason, self._relay.coverage())
        closing.addErrback(self._unclosed).addCallback(lambda _: self._closed(self._session))
        for transport in (self._client, self._target):
            transport.unregisterProducer()
            transport.resumeProducing()  # a paused transport would not notice that its peer is gone
        self._target.loseConnection()
        if code is Code.SESSION_CLOSED or not self._hears_out:
            self._client.loseConnection()
            self._abort_later(self._client, self._target)
            return
        self._abort_later(self._target)
        first = QUIET if code is Code.PROTOCOL_VIOLATED else SOON
        hear_out(self._clock, self._client, lambda: self._unheard, first, self._linger)

    def _unclosed(self, failure: Failure) -> None:
        _log.failure("a session could not be closed", failure=failure)

    def _abort_later(self, *transports: Any) -> None:
        for transport in transports:
            part(self._clock, transport, self._linger)


class Reading(Receiver):
    """What is read of one side goes to the pump, and is read only while the other side takes what it is sent (twisted's
    IPushProducer)."""

    def __init__(self, pump: Pump, *, from_client: bool) -> None:
        self._pump = pump
        self._from_client = from_client

    def received(self, data: bytes) -> None:
        if self._from_client:
            self._pump.client_bytes(data)
        else:
            self._pump.target_bytes(data)

    def pauseProducing(self) -> None:
        self._pump.pause(from_client=self._from_client, why="slow peer")

    def resumeProducing(self) -> None:
        self._pump.resume(from_client=self._from_client, why="slow peer")

    def stopProducing(self) -> None:
        """The consumer's connection is gone; `connectionLost` of its protocol tells the pump."""
