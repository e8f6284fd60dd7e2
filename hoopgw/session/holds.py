"""Operations that wait for approvals: bound to the exact bytes that will run, decided by others, run at most once."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from hoopgw.auth.access import AdminAccess
from hoopgw.model.answer import Decision, Denial
from hoopgw.model.errors import NotAllowed, StoreUnavailable
from hoopgw.model.events import Code
from hoopgw.model.operation import TERMINAL
from hoopgw.model.secret import Secret
from hoopgw.model.verdict import together
from hoopgw.session.events import escaped
from hoopgw.session.hold_rights import NO_SUCH, is_by, refused_by, said, same_hands, sets, visible
from hoopgw.session.interfaces import IEvents
from hoopgw.session.resuming import misnamed
from hoopgw.session.shown import shown
from hoopgw.session.waiting import Ending, Request, Waiting
from hoopgw.store.interface import Decided, Hold, HoldState, IStore

SWEEP = 5.0  # seconds between looks for holds whose time is up
RETRY_AFTER = 5  # seconds: what a held client is told to wait before it asks again
MAX_REASON = 2000  # characters of an approver's reason that are kept
MAX_LISTED = 500  # holds of one list


class Holds:
    """All that waits in this process, and the way for approvers to decide what waits anywhere.

    `key` makes the digests of redacted operations; `status` gives the address of a hold's page, "" where none runs.
    """

    log = Logger()

    def __init__(
        self,
        store: IStore,
        events: IEvents,
        clock: IReactorTime,
        key: Secret,
        token_bytes: Callable[[int], bytes],
        status: Callable[[str], str] = lambda hold: "",
    ) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._key = key
        self._token_bytes = token_bytes
        self._status = status
        self._active: set[Waiting] = set()  # bounded by the number of sessions' lanes
        self._waiting: dict[str, list[Waiting]] = {}  # those of them that a hold stands for, by its id
        self._policy = ""
        self._stop_watching: Callable[[], None] = lambda: None
        self._sweep = LoopingCall(self._expire)
        self._sweep.clock = clock

    # ---- life

    def start(self, policy: str) -> None:
        """After the store has started.  `policy` is the digest of the policy in force."""
        self._policy = policy
        self._stop_watching = self._store.watch_holds(self._changed)
        self._sweep.start(SWEEP, now=False)

    def stop(self) -> None:
        self._stop_watching()
        if self._sweep.running:
            self._sweep.stop()

    def reloaded(self, policy: str) -> None:
        """What waits under another policy is void: nobody approves what the rules no longer ask for in this way."""
        self._policy = policy
        for waiting in tuple(self._active):
            if waiting.request.policy != policy:
                waiting.end(Ending.POLICY)

    # ---- the requester's side

    def digest(self, request: Request) -> str:
        """Of all that must be the same when it runs: two requests of one digest are one operation.

        Every part is preceded by its length, so that no two lists of parts give the same bytes.
        """
        access, identity, operation = request.access, request.access.identity, request.operation
        head = [
            [operation.protocol, access.target.name, access.database, access.role.name, request.policy],
            [[identity.issuer, identity.subject], *([actor.issuer, actor.subject] for actor in identity.actors)],
            # approved for these rules, not for others that may come to ask as well
            [[term.guardrail, term.count, sorted(term.approvers)] for term in request.terms],
        ]
        parts = [json.dumps(head).encode(), operation.text, operation.parameters, request.binding]
        made = hashlib.sha256()
        for part in parts:
            made.update(len(part).to_bytes(8, "big"))
            made.update(part)
        hides = operation.request is not None and operation.request.hides
        if request.redacted is None and not hides:
            return f"sha256:{made.hexdigest()}"
        # a plain digest of a short secret could be guessed
        return f"hmac-sha256:{hmac.digest(self._key.reveal(), made.digest(), 'sha256').hex()}"

    def ask(self, request: Request, digest: str, held: Callable[[Denial], None]) -> Waiting:
        """Claim an approval of `digest(request)`, or wait for one; `held` is called once it is stored and waits."""
        waiting = Waiting(request, digest)
        self._active.add(waiting)
        Deferred.fromCoroutine(self._course(waiting, held)).addBoth(waiting.outcome.callback)
        return waiting

    async def _course(self, waiting: Waiting, held: Callable[[Denial], None]) -> Hold | Denial:
        try:
            return await self._wait(waiting, held)
        except StoreUnavailable as error:
            self.log.warn("Approvals cannot be asked for: {why}", why=str(error))
            return self._denial(waiting, Decision.UNAVAILABLE, "approvals cannot be asked for now")
        finally:
            self._active.discard(waiting)
            self._forget(waiting)

    async def _wait(self, waiting: Waiting, held: Callable[[Denial], None]) -> Hold | Denial:
        request = waiting.request
        if request.policy != self._policy:
            return self._denial(waiting, Decision.EXPIRED, Ending.POLICY.value)
        claimed = await self._claim(waiting)
        if claimed is not None:
            return claimed
        named = await self._named(waiting) if request.resumes else None
        if isinstance(named, Denial):
            return named
        asked = self._new(request, waiting.digest)
        hold = waiting.hold = named or await self._store.create_hold(asked)
        self._waiting.setdefault(hold.id, []).append(waiting)
        self._event(Code.HOLD_CREATED if hold.id == asked.id else Code.HOLD_JOINED, request, hold)
        timer = self._clock.callLater(request.wait, waiting.end, Ending.TIME)
        try:
            if waiting.given_up is None:
                held(self._denial(waiting, Decision.HELD, hold.reason))
            latest = await self._store.hold(hold.id)  # it may have been decided before we were among the waiting
            if latest is not None:
                self._changed(latest)
            return await self._ended(waiting, await waiting.ended)
        finally:
            if timer.active():
                timer.cancel()

    async def _named(self, waiting: Waiting) -> Hold | Denial:
        """The hold that the client names and that could not be claimed, where it may still let this run."""
        hold = await self._store.hold(waiting.request.resumes)
        wrong = misnamed(hold, waiting.request, waiting.digest, self._clock.seconds())
        if wrong is None and hold is not None:
            waiting.hold = hold
            return (
                hold if hold.state is not HoldState.DENIED else self._denial(waiting, Decision.DENIED, refused_by(hold))
            )
        assert wrong is not None
        waiting.hold = hold if wrong.own else None
        denial = self._denial(waiting, wrong.decision, wrong.reason)
        return replace(denial, code=wrong.code, would_pass=wrong.would_pass)

    async def _ended(self, waiting: Waiting, why: Hold | Ending) -> Hold | Denial:
        if isinstance(why, Ending):
            return await self._given_up(waiting, why)
        claimed = await self._claim(waiting) if why.state is HoldState.APPROVED else None
        if claimed is not None:
            return claimed
        named = await self._named(waiting) if waiting.request.resumes else None
        if isinstance(named, Denial):
            return named
        if why.state is HoldState.DENIED:
            return self._denial(waiting, Decision.DENIED, refused_by(why))
        reasons = {
            HoldState.EXPIRED: "nobody approved it in time",
            HoldState.WITHDRAWN: "it was withdrawn",
        }
        return self._denial(
            waiting, Decision.EXPIRED, reasons.get(why.state, "the approval was used by another session")
        )

    async def _given_up(self, waiting: Waiting, why: Ending) -> Denial:
        hold = waiting.hold
        assert hold is not None
        if why is Ending.TIME:
            return self._denial(waiting, Decision.HELD, f"{hold.reason.removesuffix('.')}: {why.value}")
        self._forget(waiting)
        if hold.id not in self._waiting:  # another session of the same identity may wait for the same
            withdrawn = await self._store.withdraw(hold.id, self._clock.seconds())
            if withdrawn is not None:
                self._event(Code.HOLD_WITHDRAWN, waiting.request, hold, why=why.value)
        return self._denial(waiting, Decision.EXPIRED, why.value)

    async def _claim(self, waiting: Waiting) -> Hold | Denial | None:
        """Stored as used before anything is forwarded, so that it runs at most once."""
        hold = await self._store.claim(waiting.digest, self._clock.seconds(), waiting.request.resumes)
        if hold is None:
            return None
        waiting.hold = hold
        approved = [word.subject for word in hold.decided if word.approved]
        runs = waiting.given_up is None
        self._event(Code.HOLD_CLAIMED, waiting.request, hold, approved_by=approved, runs=runs)
        if waiting.given_up is not None:  # the client left, or the policy changed, while the claim was under way
            return self._denial(waiting, Decision.EXPIRED, waiting.given_up.value)
        return hold

    def _new(self, request: Request, digest: str) -> Hold:
        identity, now = request.access.identity, float(self._clock.seconds())
        return Hold(
            id="h_" + urlsafe_b64encode(self._token_bytes(16)).rstrip(b"=").decode(),
            digest=digest,
            session=request.session,
            issuer=identity.issuer,
            subject=identity.subject,
            target=request.access.target.name,
            database=request.access.database,
            role=request.access.role.name,
            guardrails=tuple(term.guardrail for term in request.terms),
            reason=escaped(together(term.reason for term in request.terms)),
            shown=shown(request.operation, request.redacted),
            approvers=tuple(tuple(sorted(term.approvers)) for term in request.terms),
            counts=tuple(term.count for term in request.terms),
            policy=request.policy,
            created=now,
            expires=now + min(term.expires for term in request.terms),
            in_transaction=request.in_transaction,
            streams=request.streams,
            details={
                "actors": [[actor.issuer, actor.subject] for actor in identity.actors],
                "kind": request.operation.kind,
                "terminal": request.operation.protocol == "ssh" and request.operation.name == TERMINAL,
            },
        )

    def _denial(self, waiting: Waiting, decision: Decision, reason: str) -> Denial:
        request, hold = waiting.request, waiting.hold
        waits = decision is Decision.HELD and hold is not None
        return Denial(
            decision=decision,
            reason=reason,
            guardrails=tuple(term.guardrail for term in request.terms),
            would_pass=together(term.would_pass for term in request.terms),
            hold=hold.id if hold is not None else "",
            status=self._status(hold.id) if hold is not None else "",
            expires=hold.expires if waits and hold is not None else None,
            retry_after=RETRY_AFTER if waits else None,
            session=request.session,
            policy=request.policy,
            accepted=waits and any(term.at_once for term in request.terms),
        )

    def _forget(self, waiting: Waiting) -> None:
        if waiting.hold is None:
            return
        waiters = self._waiting.get(waiting.hold.id, [])
        if waiting in waiters:
            waiters.remove(waiting)
        if not waiters:
            self._waiting.pop(waiting.hold.id, None)

    def _changed(self, hold: Hold) -> None:
        """News of any process."""
        if hold.state is not HoldState.WAITING:
            for waiting in tuple(self._waiting.get(hold.id, ())):
                waiting.end(hold)

    async def _sweep_once(self) -> None:
        try:
            expired = await self._store.expire(self._clock.seconds())
        except StoreUnavailable as error:  # the next sweep finds them; nothing expired is claimed meanwhile
            self.log.warn("Holds could not be expired: {why}", why=str(error))
            return
        for hold in expired:
            self._hold_event(Code.HOLD_EXPIRED, hold)

    def _expire(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._sweep_once())

    # ---- the approver's side

    def approve(self, id: str, access: AdminAccess, reason: str) -> Deferred[Hold]:
        """The hold after this word.  Fails with NotAllowed or StoreUnavailable."""
        return Deferred.fromCoroutine(self._decide(id, access, True, reason))

    def deny(self, id: str, access: AdminAccess, reason: str) -> Deferred[Hold]:
        """The hold after this word.  Fails with NotAllowed or StoreUnavailable."""
        return Deferred.fromCoroutine(self._decide(id, access, False, reason))

    async def _decide(self, id: str, access: AdminAccess, approved: bool, reason: str) -> Hold:
        hold = await self._store.hold(id)
        identity, now = access.identity, float(self._clock.seconds())
        why = self._refuses(hold, access, approved, now)
        if hold is None or why:
            self._events.emit(Code.DECISION_REFUSED, hold=id, issuer=identity.issuer, subject=identity.subject, why=why)
            raise NotAllowed(why)
        word = Decided(identity.issuer, identity.subject, approved, escaped(reason)[:MAX_REASON], now)
        after = await self._store.decide(id, word, sets(hold, identity), now)
        if after is None:
            raise NotAllowed(NO_SUCH)
        if not any(each.approved is approved for each in after.decided if is_by(each, identity)):
            why = f"the hold is {after.state.value}: this word came too late, or after another one of yours"
            self._events.emit(Code.DECISION_REFUSED, hold=id, issuer=identity.issuer, subject=identity.subject, why=why)
        if not said(hold, identity) and now in said(after, identity):
            code = Code.HOLD_APPROVED if approved else Code.HOLD_DENIED
            self._hold_event(code, after, by=identity.described(), why=word.reason)
        return after

    def _refuses(self, hold: Hold | None, access: AdminAccess, approved: bool, now: float) -> str:
        """Why this identity may not say this word; "" where it may.  Rights of `may` count for nothing here."""
        if hold is not None and same_hands(hold, access.identity):
            return "whoever asks for an operation never decides it"
        if hold is None or not access.may_decide or not sets(hold, access.identity):
            return NO_SUCH
        if now >= access.identity.expires:
            return "the approver's token has expired"
        if approved and hold.policy != self._policy:
            return "it was asked under a policy that is not in force here any more; it has to be asked again"
        return ""

    def listed(self, access: AdminAccess, everything: bool) -> Deferred[tuple[Hold, ...]]:
        """Newest first: the holds that this identity made or may decide, or all with the right "view"."""
        states = frozenset(HoldState) if everything else frozenset((HoldState.WAITING,))
        found = self._store.holds(states, MAX_LISTED)
        return found.addCallback(lambda holds: tuple(hold for hold in holds if visible(hold, access)))

    def one(self, id: str, access: AdminAccess) -> Deferred[Hold]:
        """Fails with NotAllowed, in the same words whether it does not exist or may not be seen."""

        def seen(hold: Hold | None) -> Hold:
            if hold is None or not visible(hold, access):
                raise NotAllowed(NO_SUCH)
            return hold

        return self._store.hold(id).addCallback(seen)

    # ---- events

    def _event(self, code: Code, request: Request, hold: Hold | None = None, **fields: Any) -> None:
        identity = request.access.identity
        if hold is not None:
            fields = {"hold": hold.id, "reason": hold.reason, "expires": hold.expires, **fields}
        self._events.emit(
            code,
            session=request.session,
            issuer=identity.issuer,
            subject=identity.subject,
            target=request.access.target.name,
            operation=request.operation.number,
            guardrails=[term.guardrail for term in request.terms],
            **fields,
        )

    def _hold_event(self, code: Code, hold: Hold, **fields: Any) -> None:
        self._events.emit(
            code,
            hold=hold.id,
            session=hold.session,
            issuer=hold.issuer,
            subject=hold.subject,
            target=hold.target,
            state=hold.state.value,
            **fields,
        )
