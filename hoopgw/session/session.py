"""A client on a target: what it asks is decided and recorded here, before anything moves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from time import monotonic
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater

from hoopgw.auth.access import Access
from hoopgw.model.answer import Answer, Decision, Denial
from hoopgw.model.errors import RecordingFailed, SpoolFull
from hoopgw.model.events import Code
from hoopgw.model.operation import TYPED, Operation
from hoopgw.model.verdict import IMasks, Sighting, together
from hoopgw.record.entries import Kind, completed
from hoopgw.record.typed import Line, line
from hoopgw.relay.effects import (
    Ask,
    CatalogueChanged,
    Completed,
    Defined,
    Effect,
    End,
    Hangup,
    Observed,
    ToClient,
    ToTarget,
    Typed,
)
from hoopgw.session.budgets import Spending
from hoopgw.session.deciding import PATIENCE, ROOM, Decider
from hoopgw.session.holds import Holds
from hoopgw.session.interfaces import IEdge, IEvents, IJudge
from hoopgw.session.rulings import note
from hoopgw.session.supervision import Supervision
from hoopgw.session.totals import Totals
from hoopgw.session.waiting import Ending
from hoopgw.store.interface import SessionRow
from hoopgw.store.journal import Journal

_TO_CLIENT: Final = Kind.TO_CLIENT  # a lookup in an Enum is a call
_TO_TARGET: Final = Kind.TO_TARGET


class State(Enum):
    OPEN = "open"
    ENDING = "ending"  # the edge was told to end; what is still asked is refused
    CLOSED = "closed"


class Session(Supervision):
    """One client's session.  The edge calls `decide` for each Ask and `record` for every other effect, in order.

    judge     of this session's operations; another one after `reloaded`
    spending  what the grant's budget leaves, or None where it has no bound
    row       the index row as it stands at the start (store/interface.py)
    policy    digest of the policy in force
    ambient_masks   what masks the target's words that belong to no operation, for the relay
    """

    def __init__(
        self,
        *,
        row: SessionRow,
        access: Access,
        judge: IJudge,
        journal: Journal,
        holds: Holds,
        spending: Spending | None,
        events: IEvents,
        edge: IEdge,
        clock: IReactorTime,
        policy: str,
        ambient_masks: IMasks | None = None,
    ) -> None:
        self.id = row.id
        self.ambient_masks = ambient_masks
        self.access = access
        self.policy = policy
        self.state = State.OPEN
        self.totals = Totals(row)
        self.judge = judge
        self._journal = journal
        self._opaque = access.destination is not None
        self._spending = spending
        self._events = events
        self._edge = edge
        self._clock = clock
        self._timers: dict[Code, IDelayedCall] = {}
        self._decider = Decider(
            id=row.id,
            access=access,
            judge=judge,
            journal=journal,
            holds=holds,
            spending=spending,
            edge=edge,
            clock=clock,
            policy=policy,
            totals=self.totals,
            emit=self.emit,
        )

    def decide(self, ask: Ask) -> tuple[Answer, ...] | Deferred[tuple[Answer, ...]]:
        """For each Ask of the relay (see Decider)."""
        return self._decider.decide(ask)

    # ---- life

    def ready(self) -> Deferred[None]:
        """Fires when the first statement will not have to wait for a budget; it never fails."""
        return self._spending.ready() if self._spending is not None else succeed(None)

    def accepted(self, protocol: str) -> None:
        """The login is good; the target is still to be reached."""
        identity = self.access.identity
        self.emit(
            Code.LOGIN_ACCEPTED,
            protocol=protocol,
            client=self.totals.row.client,
            issuer=identity.issuer,
            actors=[actor.subject for actor in identity.actors],
            **({"proof": list(identity.proof)} if identity.proof else {}),
        )

    def opened(self, facts: dict[str, Any]) -> None:
        """The target is connected too (`facts` say to what): say so, and set the times at which the session must end.

        Raises SpoolFull or RecordingFailed.
        """
        note(self._journal, {"code": Code.SESSION_OPENED.value, **facts})
        identity = self.access.identity
        self.emit(
            Code.SESSION_OPENED,
            issuer=identity.issuer,
            actors=[actor.subject for actor in identity.actors],
            target=self.access.target.name,
            database=self.access.database,
            role=self.access.role.name,
            grant=self.access.grant.name,
            client=self.totals.row.client,
            policy=self.policy,
        )
        self._set_timer(Code.SESSION_EXPIRED, self.access.expires, self._expired)
        seconds = self.access.grant.budget.session_seconds
        if seconds is not None:
            self._set_timer(Code.BUDGET_EXCEEDED, self.totals.row.opened + seconds, self._time_is_up)

    def _set_timer(self, code: Code, at: float, call: Callable[[], None]) -> None:
        timer = self._timers.pop(code, None)
        if timer is not None and timer.active():
            timer.cancel()
        left = max(0.0, at - self._clock.seconds())
        self._timers[code] = self._clock.callLater(left, self._due, code, at, monotonic() + left, call)

    def _due(self, code: Code, at: float, latest: float, call: Callable[[], None]) -> None:
        """Timers move with a clock that is set back: once it is right again they are early by as much."""
        left = min(at - self._clock.seconds(), latest - monotonic())
        if left > 0:
            self._timers[code] = self._clock.callLater(left, self._due, code, at, latest, call)
        else:
            call()

    def _expired(self) -> None:
        self.end(Code.SESSION_EXPIRED, "the login's time is up; log in again")

    def _time_is_up(self) -> None:
        seconds = self.access.grant.budget.session_seconds
        reason = f"the session has lasted its {seconds} seconds"
        denial = Denial(Decision.OVER_BUDGET, reason, session=self.id, policy=self.policy)
        self.end(Code.BUDGET_EXCEEDED, reason, denial)

    def kill(self, by: str, reason: str) -> None:
        """Somebody with the right ended it; the event says who."""
        self.end(Code.SESSION_KILLED, reason or "the session was ended", by=by)

    def end(self, code: Code, reason: str, denial: Denial | None = None, **fields: object) -> None:
        """Once: an event, a note, and the edge ends both sides.  The edge then calls `close`."""
        if self.state is not State.OPEN:
            return
        self.state = State.ENDING
        self._decider.stop(Ending.OVER)
        self.totals.reason = f"{code.value}: {reason}"
        self.emit(code, reason=reason, **fields)
        # Ending does not wait for room in the spool: the closing entry says the same.
        with suppress(SpoolFull, RecordingFailed):
            note(self._journal, {"code": code.value, "reason": reason, **fields})
        self._edge.end(code, reason, denial)

    def in_transaction(self) -> bool:
        """Something runs, or a transaction is open: ending the session now takes that from its client."""
        return bool(self._edge.transaction_ran())

    def reloaded(self, policy: str, judge: IJudge, access: Access | None) -> None:
        """For later operations.  `access` is None where the identity's grant is gone: the session ends.

        A hold that waits under the old policy is void (Holds.reloaded).
        """
        if self.state is not State.OPEN:
            return
        self.policy = policy
        if access is None:
            self.end(Code.SESSION_REVOKED, "no grant allows this session any more")
            return
        self.access = access
        self.judge = judge
        self._decider.reloaded(policy, judge, access)
        self._set_timer(Code.SESSION_EXPIRED, access.expires, self._expired)

    def close(self, code: Code, reason: str, coverage: dict[str, Any] | None = None) -> Deferred[None]:
        """Both sides are gone: the last entry, the index row, the budgets.  Once; fires when the entry is written.

        `coverage` is what the relay and the edge say was seen exactly, inferred, or passed opaque.
        """
        return Deferred.fromCoroutine(self._close(code, reason, coverage or {}))

    async def _close(self, code: Code, reason: str, coverage: dict[str, Any]) -> None:
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        for timer in self._timers.values():
            if timer.active():
                timer.cancel()
        self._decider.stop(Ending.LEFT)
        await self._decider.idle()
        totals = self.totals
        totals.close(self._clock.seconds(), totals.reason or f"{code.value}: {reason}", self._edge.rows_passed())
        if self._spending is not None:
            self._spending.close()
        try:
            await self._when_room(lambda: self._journal.close({**totals.closing(), "coverage": coverage}))
        except RecordingFailed as error:
            self.emit(Code.RECORDING_FAILED, reason=str(error))
        self.emit(Code.SESSION_CLOSED, reason=totals.reason, **totals.counters())

    def row(self) -> SessionRow:
        """The index row as it is now."""
        return self.totals.as_row(self._edge.rows_passed())

    # ---- the client takes something back

    def cancel(self) -> bool:
        """A CancelRequest: what waits for approval is withdrawn (True); False where nothing waits."""
        return self._decider.give_up(Ending.CANCELLED)

    def client_left(self) -> bool:
        """The client is gone: nothing of it may run any more."""
        return self._decider.give_up(Ending.LEFT)

    # ---- recording what is not asked

    def record(self, effect: Effect) -> None:
        """Before the effect is carried out.  Raises SpoolFull (nothing was kept: stop reading, call again when there is
        room) or RecordingFailed (the effect must not happen)."""
        if isinstance(effect, ToClient):
            if self._spending is not None and self._spending.starved():
                raise SpoolFull("the next part of the budget is being fetched")
            data = effect.data if effect.recorded is None else effect.recorded
            if data:
                self._journal.append(_TO_CLIENT, data)
            self.totals.bytes_out += len(effect.data)
        elif isinstance(effect, ToTarget):
            data = effect.data if effect.recorded is None else effect.recorded
            if data:
                self._journal.append(_TO_TARGET, data)
                self.totals.bytes_in += len(data)
            elif self._opaque:  # of a tunnel nothing is kept, and all counts
                self.totals.bytes_in += len(effect.data)
        elif isinstance(effect, Completed):
            self._journal.append(Kind.COMPLETED, completed(effect.number, effect.rows, effect.masked, effect.note))
            self.totals.masked += effect.masked
            self._cut(effect)
        elif isinstance(effect, Observed):
            note(self._journal, {"code": effect.code.value, **effect.fields})
            if effect.told:
                self.emit(effect.code, **effect.told)
        elif isinstance(effect, Hangup):
            note(self._journal, {"code": effect.code.value, "reason": effect.reason})
            if self.state is State.OPEN and effect.code is not Code.SESSION_CLOSED:  # `end` has said its own
                self.emit(effect.code, reason=effect.reason)
            self.totals.reason = self.totals.reason or f"{effect.code.value}: {effect.reason}"
        elif isinstance(effect, CatalogueChanged):
            self.judge.catalogue_changed(effect.changed, effect.settled)
        elif isinstance(effect, Defined):
            self.judge.defined(effect.number)

    def typed(self, effect: Typed) -> list[Effect]:
        """What to do about a line that was typed on a terminal: here it is read, behind the data's back."""
        found = line(effect.before, effect.after, effect.columns, effect.keys, effect.text)
        fields: dict[str, object] = {"operation": effect.operation, "exact": False, "keys": found.keys}
        fields |= {"confidence": found.confidence.value}
        if found.text:
            fields["text"] = found.text
        seen = self._seen(effect.operation, found)
        if not seen:
            return [Observed(Code.TERMINAL_TYPED, fields, {})]
        ends = [each for each in seen if each.ends]
        said = {"guardrails": [each.guardrail for each in seen], "reason": together(each.reason for each in seen)}
        told = {name: value for name, value in fields.items() if name not in ("text", "keys")}
        effects: list[Effect] = [Observed(Code.TERMINAL_TYPED, {**fields, **said}, {**told, **said})]
        if ends:
            rules, reason = tuple(each.guardrail for each in ends), ends[0].reason
            denial = Denial(Decision.REFUSED, reason, rules, session=self.id, policy=self.policy)
            effects.append(End(Code.SESSION_STOPPED, reason, denial))
        return effects

    def _seen(self, number: int, found: Line) -> tuple[Sighting, ...]:
        if not found.text:
            return ()
        return self.judge.sightings(Operation("ssh", TYPED, found.text.encode(), number=number))

    def _cut(self, completed: Completed) -> None:
        """A result that ended at a bound in its middle; what was denied before it began has its event already."""
        if completed.number in self._decider.over_budget:
            self._decider.over_budget.discard(completed.number)
        elif completed.note.startswith(Decision.OVER_BUDGET.value):
            self.emit(
                Code.BUDGET_EXCEEDED,
                operation=completed.number,
                rows=completed.rows,
                reason="the result was cut at a bound",
                completed=completed.note != Decision.OVER_BUDGET.value,
            )

    async def _when_room(self, call: Callable[[], None]) -> None:
        begun = self._clock.seconds()
        while True:
            try:
                call()
                return
            except SpoolFull as error:
                if self._clock.seconds() - begun > PATIENCE:
                    raise RecordingFailed(str(error)) from error
                await deferLater(self._clock, ROOM, lambda: None)

    def emit(self, code: Code, **fields: object) -> None:
        """An event of this session: who it is stands in each."""
        self._events.emit(code, **{**fields, "session": self.id, "subject": self.access.identity.subject})
