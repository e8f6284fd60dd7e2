"""The sans-IO middle of a PostgreSQL session, after both logins: bytes -> effects.  Allows nothing itself.

What the client sends is read message by message; everything up to the first point where order matters is one `Ask`, and
goes on as the very bytes that were read.  What is denied is replaced by something that fails at the target, so that
the target's transaction state is always the true one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, final

from hoopgw.model.answer import GO, Answer, Denial
from hoopgw.model.errors import WireError
from hoopgw.model.events import Code
from hoopgw.relay import postgres_expect as expecting
from hoopgw.relay import postgres_words as words
from hoopgw.relay.effects import (
    RECORDED,
    Ask,
    CatalogueChanged,
    Effect,
    Hangup,
    PauseClient,
    ResumeClient,
    ToClient,
    ToTarget,
)
from hoopgw.relay.postgres_expect import Expect
from hoopgw.relay.postgres_plan import Plan
from hoopgw.relay.postgres_planner import (
    TAG_BIND,
    TAG_EXECUTE,
    TAG_PARSE,
    TAG_QUERY,
    TAG_SYNC,
    Planner,
)
from hoopgw.relay.postgres_renaming import renaming
from hoopgw.relay.postgres_results import Results
from hoopgw.relay.postgres_tail import Tail
from hoopgw.relay.relay import Relay
from hoopgw.wire import pgmessages

LANE: Final = 0  # a PostgreSQL connection waits as a whole
MAX_KEPT: Final = 1 << 20  # bytes of the client's that wait for a decision; beyond them the client is not read
MAX_EXPECTED: Final = 8192  # messages that wait for the target's answer; beyond them the client is not read
NONCE: Final = 12  # random bytes in a substitute's identifier: no client can guess it and quote it back


@final
class PostgresRelay(Relay):
    """One session.  Never raises for what a peer sends: an error of the peer ends the session by effects."""

    def __init__(
        self,
        *,
        session: str,
        policy: str,
        parameters: dict[str, str],
        application_name: str,
        max_statement: int,
        max_masked_row: int,
        token_bytes: Callable[[int], bytes],
        ambient_masks: Any = None,
        replication: bool = False,
    ) -> None:
        """`parameters` are the target's ParameterStatus at login; `application_name` must stay ("" where it need not).

        `ambient_masks` screen notices and notifications of no statement.  Sizes are in bytes.
        `replication`: the target is a walsender, whose commands and streams are let through.
        """
        self._replication = replication
        self._name = application_name.encode("ascii", "replace")
        self._results = Results(session, policy, parameters, self._name, max_statement, max_masked_row)
        self._results.ambient_masks = ambient_masks
        self._results.replication = replication
        self._planner = Planner(self._results, max_statement)
        self._token_bytes = token_bytes
        self._skip = 0  # bytes of a CopyData that are still to come
        self._tail = Tail()  # at most max_statement and one read
        self._kept: list[bytes] = []  # behind a decision or an answer: at most MAX_KEPT and two reads
        self._kept_size = 0
        self._asked: Plan | None = None
        self._asked_data = b""
        self._blocked = False  # what comes next depends on an answer of the target
        self._flushed = False  # the target was asked for the answers that are waited for
        self._paused = False
        self._gone = False
        self._ending: list[Effect] = []  # waits for the end of a message that the client has a part of
        self._notices: list[bytes] = []  # the same
        self._ran = False

    # ---- what others ask

    @property
    def in_flight(self) -> bool:
        """Something runs at the target: a cancel makes sense."""
        return self._results.answers.waiting > 0

    @property
    def transaction_status(self) -> str:
        """Of the last ReadyForQuery: I idle, T in a transaction, E in a failed one."""
        return self._results.status

    @property
    def transaction_ran(self) -> bool:
        """The open transaction may have run something, so that its locks wait where it waits."""
        return self._results.status != "I" or self._ran or self.in_flight

    @property
    def idle(self) -> bool:
        """Nothing runs, waits or is half sent, and no pipeline is open."""
        waits = self._asked is not None or self._blocked or self._tail.held or self._skip > 0
        return self._results.at_rest and not waits

    @property
    def rows_passed(self) -> int:
        return self._results.rows_passed

    def screen(self, ambient_masks: Any) -> None:
        """Other masks from now on for notices and notifications of no statement (after a reload)."""
        self._results.ambient_masks = ambient_masks

    def coverage(self) -> dict[str, Any]:
        """What was seen exactly, inferred, or passed opaque (docs/recording-format.md)."""
        opaque = ["replication"] if self._replication else []
        return {"exact": ["statements", "parameters", "results", "errors"], "inferred": [], "opaque": opaque}

    # ---- from the client

    def from_client(self, data: bytes) -> list[Effect]:
        if self._gone:
            return []
        if self._asked is not None or self._blocked:
            self._kept.append(data)
            self._kept_size += len(data)
            return self._throttled([])
        return self._throttled(self._taken(data))

    def _taken(self, data: bytes) -> list[Effect]:
        effects: list[Effect] = []
        try:
            self._take(data, effects)
        except WireError as error:
            effects += self._violated(str(error))
        except (IndexError, ValueError, OverflowError):  # a hostile length that compiled code stopped at
            effects += self._violated("a message that cannot be read")
        return effects

    def _throttled(self, effects: list[Effect]) -> list[Effect]:
        full = self._kept_size > MAX_KEPT or self._results.answers.waiting > MAX_EXPECTED
        if full != self._paused and not self._gone:
            self._paused = full
            effects.append(PauseClient() if full else ResumeClient())
        return effects

    def _take(self, data: bytes, effects: list[Effect]) -> None:
        start = 0
        if self._skip:
            if len(data) <= self._skip:
                self._skip -= len(data)
                effects.append(ToTarget(data))
                return
            start, self._skip = self._skip, 0
            effects.append(ToTarget(data[:start]))
        elif self._tail.held:
            whole = self._tail.joined(data)
            if whole is None:
                return
            data = whole
        plan = self._planner.plan(data, start)
        self._keep_rest(plan, effects)
        if plan.operations:
            self._asked, self._asked_data = plan, plan.whole()
            effects.append(Ask(LANE, tuple(plan.operations), self._asked_data, plan.redacted))
            return
        if plan.stop > plan.start:
            self._sent(plan.messages)
            self._forward_plain(plan, effects)
        self._go_on(plan, effects)
        if self._kept and not self._blocked:
            self._continue(effects)

    def _keep_rest(self, plan: Plan, effects: list[Effect]) -> None:
        """What stands behind the plan: it waits, or is not whole."""
        data, here = plan.data, plan.stop
        if here == len(data) or plan.over:
            return
        self._blocked = plan.waits or (self._planner.waiting and not plan.operations)
        if self._blocked or plan.operations:
            self._kept.insert(0, data[here:])
            self._kept_size += len(data) - here
            return
        need, passes = self._planner.rest(data, here)
        if passes:
            self._skip = need - (len(data) - here)
            plan.stop = len(data)
            return
        self._tail.keep(data[here:], need)

    # ---- to the target

    def decided(self, lane: int, answers: Sequence[Answer]) -> list[Effect]:
        """The answers to the last Ask, one for each operation."""
        plan, data = self._asked, self._asked_data
        if self._gone or plan is None:
            return []
        if len(answers) != len(plan.operations):
            raise ValueError(f"{len(answers)} answers to {len(plan.operations)} operations")
        self._asked, self._asked_data = None, b""
        effects: list[Effect] = []
        usual = not plan.drops
        for answer in answers:
            if answer is not GO:
                usual = False
        if usual:
            self._sent(plan.messages)
            effects.append(ToTarget(data, RECORDED))
        else:
            self._send_decided(plan, data, answers, effects)
        self._go_on(plan, effects)
        return self._continued(effects)

    def _sent(self, messages: list[Expect]) -> None:
        """Where the target skips them no answer comes, and none is waited for: not up to the Sync, not behind it."""
        answers = self._results.answers
        self._flushed = self._results.at_rest = False
        skipped = answers.skipping
        for expect in messages:
            if expect.kind != expecting.NOTHING:
                answers.sent(expect)
                if expect.tag == TAG_EXECUTE:
                    self._ran = True
                elif expect.tag == TAG_SYNC or expect.tag == TAG_QUERY:
                    self._ran = False
        if skipped:
            self._unblock()

    def _forward_plain(self, plan: Plan, effects: list[Effect]) -> None:
        if not plan.drops:
            effects.append(ToTarget(plan.whole()))
            return
        kept = [plan.data[each.start : each.end] for each in plan.messages if not each.drop]
        kept.append(plan.data[plan.messages[-1].end : plan.stop])  # the beginning of a CopyData
        kept = [piece for piece in kept if piece]
        if kept:
            effects.append(ToTarget(b"".join(kept)))

    def _send_decided(self, plan: Plan, data: bytes, answers: Sequence[Answer], effects: list[Effect]) -> None:
        """As usual but for what was dropped, denied, or needs a Describe of ours."""
        begin = 0  # offsets in `data`
        for expect in plan.messages:
            answer = answers[expect.operation] if expect.operation >= 0 else GO
            start, end = expect.start - plan.start, expect.end - plan.start
            if expect.drop:
                _forward(data, begin, start, effects)
                begin = end
            elif answer is not GO:
                expect.answer = answer
                if answer.meter is not None and expect.portal is not None:
                    expect.portal.count(answer.meter)
                if answer.denial is not None:
                    _forward(data, begin, start, effects)
                    begin = end
                    effects.append(ToTarget(self._substitute(expect, answer.denial)))
                elif expect.tag == TAG_EXECUTE and answer.masks is not None:
                    _forward(data, begin, start, effects)
                    begin = start
                    self._results.answers.sent(expecting.own(expecting.DESCRIBE))
                    effects.append(ToTarget(pgmessages.describe_portal(expect.name)))
            self._sent([expect])
        _forward(data, begin, len(data), effects)

    def _substitute(self, expect: Expect, denial: Denial) -> bytes:
        """What fails at the target in place of the denied message, quoting a nonce by which its error is known."""
        nonce = b"hoopgw_" + self._token_bytes(NONCE).hex().encode()
        expect.denial, expect.nonce = denial, nonce
        if expect.tag == TAG_PARSE:
            return pgmessages.parse(expect.name, nonce)
        if expect.tag == TAG_BIND:
            return pgmessages.bind_nothing(b"", nonce)
        if expect.tag == TAG_EXECUTE:
            return pgmessages.execute(nonce)
        return pgmessages.query(nonce)

    def _go_on(self, plan: Plan, effects: list[Effect]) -> None:
        """After what was sent: bring the answers that are waited for (without Sync the target would keep them); or the
        client's goodbye."""
        if plan.over:
            self._gone = True
            effects.append(Hangup(Code.SESSION_CLOSED, "the client ended the session"))
        elif self._waits() and not self._flushed:
            self._flushed = True
            last = self._results.answers.last()
            if last is not None and last.kind not in (expecting.SYNC, expecting.QUERY, expecting.FUNCTION):
                effects.append(ToTarget(pgmessages.FLUSH))

    def _waits(self) -> bool:
        return self._blocked or (bool(self._kept) and self._planner.waiting)

    def _continued(self, effects: list[Effect]) -> list[Effect]:
        """Go on with what was kept."""
        self._continue(effects)
        return self._throttled(effects)

    def _continue(self, effects: list[Effect]) -> None:
        while self._kept and self._asked is None and not self._blocked and not self._gone:
            data = b"".join(self._kept)
            self._kept, self._kept_size = [], 0
            effects += self._taken(data)

    def _unblock(self) -> None:
        """Look again: what was waited for may be there."""
        planner = self._planner
        if planner.gate is not None and planner.gate.done:
            planner.gate = None
        self._blocked = False

    def later(self, lane: int) -> list[Effect]:
        """Nothing is due later: a result has an end that is waited for."""
        return []

    def holding(self, lane: int, notice: Denial) -> list[Effect]:
        """An operation of the Ask waits for approval: tell the client; let what ran before it answer."""
        if self._gone:
            return []
        effects: list[Effect] = []
        if self._results.answers.waiting:
            effects.append(ToTarget(pgmessages.FLUSH))
        said = words.waiting(notice, self._results.parameters.encoding)
        if self._results.left:
            self._notices.append(said)
        else:
            effects.append(ToClient(said))
        return effects

    # ---- from the target

    def from_target(self, data: bytes) -> list[Effect]:
        if self._gone:
            return self._last(data) if self._ending else []
        results = self._results
        effects = results.from_target(data)
        if results.broken is not None:
            return [*effects, *self._end(Code.PROTOCOL_VIOLATED, f"the target: {results.broken}", b"08P01", None)]
        if results.parameters.violation:
            return [*effects, *self._end(Code.PROTOCOL_VIOLATED, results.parameters.violation, b"08P01", None)]
        if self._notices and not results.left:
            for said in self._notices:
                effects.append(ToClient(said))
            self._notices.clear()
        if results.unsettled and results.status == "I":
            self._tell_of_names(effects)
        self._answered(effects)
        return self._continued(effects) if self._kept or self._paused else effects

    def _tell_of_names(self, effects: list[Effect]) -> None:
        """Where something that was let through is still to run, names stay in doubt behind this transaction's end."""
        results = self._results
        settled = results.at_rest and self._asked is None
        if settled or results.changed:
            effects.append(CatalogueChanged(results.changed, settled))
        results.changed = False
        results.unsettled = not settled

    def _answered(self, effects: list[Effect]) -> None:
        results, planner = self._results, self._planner
        if self._asked is not None:
            if planner.gate is not None and planner.gate.done:
                planner.gate = None
            return
        self._unblock()
        if results.parameters.renamed and results.at_rest and not self._skip and results.status != "E":
            self._rename(effects)

    def _rename(self, effects: list[Effect]) -> None:
        """The client named itself: the target's view gets our name back, outside of anything that failed."""
        self._results.parameters.renamed = self._results.at_rest = False
        sent, answers = renaming(self._name, self._token_bytes(NONCE).hex().encode())
        for each in answers:
            self._results.answers.sent(each)
        effects.append(ToTarget(sent))

    def _last(self, data: bytes) -> list[Effect]:
        """The session has ended inside a message: the rest of that message, and then the end."""
        left = self._results.left
        effects = self._results.from_target(data[:left])
        if not self._results.left:
            effects += self._ending
            self._ending = []
        return effects

    # ---- ends

    def target_gone(self, reason: str) -> list[Effect]:
        """The target closed.  Where it said why, that is all the client reads."""
        if self._gone:
            ending, self._ending = self._ending, []
            return ending[1:]  # no words can stand inside a message that does not end
        if self._results.fatal_seen:
            self._gone = True
            return [Hangup(Code.SESSION_CLOSED, f"the target ended the session: {reason}")]
        return self._end(Code.TARGET_UNAVAILABLE, f"the target closed the connection: {reason}", b"08006", None)

    def ended(self, reason: str, code: Code, denial: Denial | None) -> list[Effect]:
        """The gateway ends the session."""
        return self._end(code, reason, words.ADMIN_SHUTDOWN, denial)

    def _violated(self, reason: str) -> list[Effect]:
        return self._end(Code.PROTOCOL_VIOLATED, reason, words.PROTOCOL_VIOLATION, None)

    def _end(self, code: Code, reason: str, sqlstate: bytes, denial: Denial | None) -> list[Effect]:
        """FATAL at a message boundary, then the end.  Inside a message it waits for that message's rest."""
        if self._gone:
            return []
        self._gone = True
        self._kept, self._kept_size = [], 0
        self._tail.drop()
        said = words.fatal(sqlstate, reason, self._results.parameters.encoding, denial)
        effects: list[Effect] = [ToClient(said), Hangup(code, reason)]
        if not self._results.left:
            return effects
        if code is Code.TARGET_UNAVAILABLE or code is Code.RECORDING_FAILED:
            return effects[1:]  # that rest does not come
        self._ending = effects
        return []


def _forward(data: bytes, begin: int, end: int, effects: list[Effect]) -> None:
    if begin < end:
        effects.append(ToTarget(data if begin == 0 and end == len(data) else data[begin:end], RECORDED))
