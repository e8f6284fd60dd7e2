"""The sans-IO middle of a PostgreSQL session, after both logins: bytes -> effects.  Allows nothing itself.

What the client sends is read whole message by message; everything up to the first point where order matters is one `Ask`,
and goes on as the very bytes that were read.  What is denied is replaced by something that fails at the target, so that
the target's transaction state is always the true one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

from hoopgw.model.answer import GO, Answer, Denial
from hoopgw.model.errors import MalformedFrame, ProtocolViolation, WireError
from hoopgw.model.events import Code
from hoopgw.model.operation import BIND, EXECUTE, FUNCTION, PARSE, QUERY, Operation
from hoopgw.relay import postgres_expect as expecting
from hoopgw.relay import postgres_words as words
from hoopgw.relay.effects import (
    RECORDED,
    Ask,
    Effect,
    Hangup,
    PauseClient,
    ResumeClient,
    ToClient,
    ToTarget,
)
from hoopgw.relay.postgres_expect import Expect
from hoopgw.relay.postgres_names import MAX_NAMES, Meaning, change, unsettled
from hoopgw.relay.postgres_plan import Planned, Redaction
from hoopgw.relay.postgres_results import Results
from hoopgw.wire import pgmessages
from hoopgw.wire.pgframes import HEADER, message_ends, needed

LANE = 0  # a PostgreSQL connection waits as a whole
MAX_KEPT = 1 << 20  # bytes of the client's that wait for a decision; beyond them the client is not read
MAX_EXPECTED = 8192  # messages that wait for the target's answer; beyond them the client is not read
NONCE = 12  # random bytes in a substitute's identifier: no client can guess it and quote it back
MAX_MESSAGE = 0x40000000  # bytes of a CopyData, which passes in pieces: PostgreSQL's own bound
COPY_TAGS = (100, 99, 102)  # d, c, f
PROTOCOL = "postgresql"


@final
class PostgresRelay:
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
    ) -> None:
        """`parameters` are the target's ParameterStatus at login; `application_name` must stay ("" where it need not).

        `ambient_masks` screen notices and notifications of no statement.  Sizes are in bytes.
        """
        self._name = application_name.encode("ascii", "replace")
        self._results = Results(session, policy, parameters, self._name, max_masked_row)
        self._results.ambient_masks = ambient_masks
        self._max_statement = max_statement
        self._token_bytes = token_bytes
        self._statements: dict[bytes, Meaning] = {}
        self._portals: dict[bytes, Meaning] = {}
        self._segment = 0  # counts what ends a pipeline: Sync, Query, FunctionCall
        self._number = 0
        self._skip = 0  # bytes of a CopyData that are still to come
        self._tail: list[bytes] = []  # of a message that is not whole: at most max_statement
        self._tail_size = 0
        self._tail_need = 0
        self._kept: list[bytes] = []  # behind a decision or an answer: at most MAX_KEPT and one read
        self._kept_size = 0
        self._asked: list[Planned] | None = None
        self._asked_data = b""
        self._flushed = False  # the target was asked for the answers that are waited for
        self._blocked = False  # what comes next depends on an answer of the target
        self._gate: Expect | None = None  # what may start COPY FROM STDIN; only COPY's own messages may follow
        self._copy_ended = False  # the client has said CopyDone or CopyFail behind the gate
        self._paused = False
        self._gone = False
        self._ending: list[Effect] = []  # waits for the end of a message that the client has a part of
        self._notices: list[bytes] = []
        self._ran = False

    # ---- what others ask

    @property
    def in_flight(self) -> bool:
        """Something runs at the target: a cancel makes sense."""
        return len(self._results.expected) > 0

    @property
    def transaction_ran(self) -> bool:
        """The open transaction has run something, so that its locks wait where it waits."""
        return self._results.status != "I" or self._ran

    @property
    def rows_passed(self) -> int:
        return self._results.rows_passed

    def coverage(self) -> dict[str, Any]:
        """What was seen exactly, inferred, or passed opaque (docs/recording-format.md)."""
        return {"exact": ["statements", "parameters", "results", "errors"], "inferred": [], "opaque": []}

    # ---- from the client

    def from_client(self, data: bytes) -> list[Effect]:
        if self._gone:
            return []
        if self._asked is not None or self._blocked:
            self._kept.append(data)
            self._kept_size += len(data)
            return self._throttled([])
        return self._taken(data)

    def _taken(self, data: bytes) -> list[Effect]:
        effects: list[Effect] = []
        try:
            self._take(data, effects)
        except WireError as error:
            return [*effects, *self._violated(str(error))]
        except (IndexError, ValueError, OverflowError):  # a hostile length that compiled code stopped at
            return [*effects, *self._violated("a message that cannot be read")]
        return self._throttled(effects)

    def _throttled(self, effects: list[Effect]) -> list[Effect]:
        full = self._kept_size > MAX_KEPT or len(self._results.expected) > MAX_EXPECTED
        if full and not self._paused:
            self._paused = True
            effects.append(PauseClient())
        elif self._paused and not full:
            self._paused = False
            effects.append(ResumeClient())
        return effects

    def _take(self, data: bytes, effects: list[Effect]) -> None:
        start = 0
        if self._skip:
            if len(data) <= self._skip:
                self._skip -= len(data)
                effects.append(ToTarget(data))
                return
            start, self._skip = self._skip, 0
        elif self._tail:
            self._tail.append(data)
            self._tail_size += len(data)
            if self._tail_size < self._tail_need:
                return
            data = b"".join(self._tail)
            self._tail = []
        ends = message_ends(data, start, MAX_MESSAGE)
        if self._results.copy_in and ends:
            data = self._without_syncs(data, start, ends)
            ends = message_ends(data, start, MAX_MESSAGE)
        plan, operations, stop, blocked = self._planned(data, start, ends)
        if blocked:
            self._blocked = True
            self._kept.insert(0, data[stop:])
            self._kept_size += len(data) - stop
        elif stop < len(data):
            stop = self._rest(data, stop, len(operations))
        whole = data if stop == len(data) else data[:stop]
        if operations:
            self._asked, self._asked_data = plan, whole
            kinds = [operation.kind for operation in operations]
            redaction = Redaction(whole, plan, kinds)
            if start:
                effects.append(ToTarget(whole[:start]))
                # the rest of a CopyData goes first; what is asked about is what stands behind it
                plan = _shifted(plan, start)
                self._asked, self._asked_data = plan, whole[start:]
                redaction = Redaction(self._asked_data, plan, kinds)
            effects.append(Ask(LANE, tuple(operations), self._asked_data, redaction.apply))
        elif whole:
            self._sent(plan)
            effects.append(ToTarget(whole))
            self._flush_if_blocked(plan, effects)
            self._terminated(plan, effects)
        if blocked and not operations and not whole:
            self._flush_if_blocked(plan, effects)

    def _rest(self, data: bytes, here: int, undecided: int) -> int:
        """What is not whole: of a CopyData what there is goes on, else it is kept.  Gives up to where it goes on.

        Behind something undecided in the same read a CopyData is kept as well.
        """
        need = needed(data, here, MAX_MESSAGE)
        size = len(data)
        if need and data[here] == 100 and not undecided:
            self._skip = need - (size - here)
            return size
        if need > self._max_statement + HEADER:
            raise MalformedFrame(f"a message of {need} bytes is longer than the {self._max_statement} allowed here")
        self._tail = [data[here:]]
        self._tail_size = size - here
        self._tail_need = need or HEADER
        return here

    def _planned(self, data: bytes, start: int, ends: list[int]) -> tuple[list[Planned], list[Operation], int, bool]:
        """The messages up to the first that must wait.  Gives them, what is asked, where they end, whether one waits."""
        plan: list[Planned] = []
        operations: list[Operation] = []
        here = start
        for end in ends:
            tag = data[here]
            if self._must_wait(data, tag, here + HEADER, end):
                return plan, operations, here, True
            plan.append(self._plan(data, tag, here, end, operations))
            here = end
            if tag == 88:  # X: nothing behind it counts
                break
        return plan, operations, here, False

    def _without_syncs(self, data: bytes, start: int, ends: list[int]) -> bytes:
        """While data is copied the target ignores Sync and Flush (documentation, 55.2.7), and answers none: they are
        left out, so that no answer is expected."""
        kept = [data[:start]]
        here = start
        copying = True
        for end in ends:
            tag = data[here]
            if tag in (99, 102):  # c, f
                copying = False
            if not (copying and tag in (72, 83)):  # H, S
                kept.append(data[here:end])
            here = end
        kept.append(data[here:])
        return b"".join(kept)

    # ---- what a message is

    def _must_wait(self, data: bytes, tag: int, body: int, end: int) -> bool:
        """Whether what this message means depends on an answer that is not there yet."""
        if self._gate is not None:
            if tag in COPY_TAGS or tag == 88:
                return False
            return self._copy_ended or tag not in (72, 83)  # H, S
        results = self._results
        if tag == 66:  # B
            portal = pgmessages.read_name(data, body, end)
            name = pgmessages.read_name(data, body + len(portal) + 1, end)
            return bool(name and results.marks) or unsettled(self._statements.get(name), self._segment)
        if tag == 69:  # E
            name = pgmessages.read_name(data, body, end)
            return bool(name and results.marks) or unsettled(self._portals.get(name), self._segment)
        return False

    def _plan(self, data: bytes, tag: int, start: int, end: int, operations: list[Operation]) -> Planned:
        body = start + HEADER
        if self._results.copy_in and tag not in (100, 99, 102, 88):  # d, c, f, X
            raise ProtocolViolation(f"a message '{chr(tag)}' while data is copied")
        index = len(operations)
        portal = b""
        expect: Expect | None = None
        if tag == 81:  # Q
            text = _terminated_text(data, body, end)
            operation = self._operation(QUERY, text)
            expect = self._expect(expecting.QUERY, operation)
            self._segment += 1
            self._watch_copy(text, expect)
            operations.append(operation)
        elif tag == 80:  # P
            parse = pgmessages.read_parse(data, body, end)
            operation = self._operation(PARSE, parse.text, parse.name, parse.types)
            portal = parse.name
            expect = self._expect(expecting.PARSE, operation)
            self._bounded(self._statements)
            meaning = Meaning(parse.text, parse.types, self._segment)
            expect.name = change(self._statements, parse.name, meaning)
            operations.append(operation)
        elif tag == 66:  # B
            bind = pgmessages.read_bind(data, body, end)
            statement = self._statements.get(bind.statement)
            text = statement.text if statement is not None else b""
            types = statement.parameters if statement is not None else b""
            operation = self._operation(BIND, text, bind.statement, types + bind.parameters)
            expect = self._expect(expecting.BIND, operation)
            self._bounded(self._portals)
            meaning = Meaning(text, operation.parameters, self._segment)
            expect.name = change(self._portals, bind.portal, meaning)
            operations.append(operation)
        elif tag == 69:  # E
            portal = pgmessages.read_name(data, body, end)
            bound = self._portals.get(portal)
            text = bound.text if bound is not None else b""
            operation = self._operation(EXECUTE, text, portal, bound.parameters if bound is not None else b"")
            expect = self._expect(expecting.EXECUTE, operation)
            self._watch_copy(text, expect)
            operations.append(operation)
        elif tag == 70:  # F
            if end - body < 4:
                raise MalformedFrame("a FunctionCall without its function")
            oid = int.from_bytes(data[body : body + 4], "big")
            operation = self._operation(FUNCTION, str(oid).encode(), b"", data[body + 4 : end])
            expect = self._expect(expecting.FUNCTION, operation)
            self._segment += 1
            operations.append(operation)
        else:
            return self._plain(data, tag, start, end)
        return Planned(tag, start, end, expect, index, portal)

    def _plain(self, data: bytes, tag: int, start: int, end: int) -> Planned:
        """Messages that need no decision."""
        body = start + HEADER
        expect: Expect | None = None
        if tag == 68:  # D
            expect = Expect(expecting.DESCRIBE)
        elif tag == 67:  # C
            expect = Expect(expecting.CLOSE)
            name = pgmessages.read_name(data, body + 1, end)
            if data[body] == 83:
                expect.name = change(self._statements, name, None)
            elif data[body] == 80:
                expect.name = change(self._portals, name, None)
            else:
                raise MalformedFrame("a Close of something that is neither statement nor portal")
        elif tag == 83:  # S
            expect = Expect(expecting.SYNC)
            self._segment += 1
        elif tag in (99, 102):  # c, f
            if self._gate is not None:
                self._copy_ended = True
            self._results.copy_in = False
        elif tag == 112:
            raise ProtocolViolation("a password message after the login")
        elif tag not in (72, 100, 88):  # H, d, X
            raise ProtocolViolation(f"a message '{chr(tag) if 32 < tag < 127 else tag}' that there is none of")
        return Planned(tag, start, end, expect, -1, b"")

    def _operation(self, kind: str, text: bytes, name: bytes = b"", parameters: bytes = b"") -> Operation:
        self._number += 1
        return Operation(PROTOCOL, kind, text, name, parameters, self._number)

    def _expect(self, kind: int, operation: Operation) -> Expect:
        lowered = operation.text.lower()
        marks = kind in (expecting.QUERY, expecting.EXECUTE) and (b"prepare" in lowered or b"declare" in lowered)
        if marks:
            self._results.marks += 1  # counted from now on; `_sent` does not count again
        return Expect(kind, operation.number, None, marks)

    def _watch_copy(self, text: bytes, expect: Expect) -> None:
        lowered = text.lower()
        if b"copy" in lowered and b"stdin" in lowered:
            self._gate, self._copy_ended = expect, False

    def _bounded(self, table: dict[bytes, Meaning]) -> None:
        if len(table) >= MAX_NAMES:
            raise ProtocolViolation(f"more than {MAX_NAMES} prepared statements or portals")

    # ---- what was decided

    def decided(self, lane: int, answers: Sequence[Answer]) -> list[Effect]:
        """The answers to the last Ask, one for each operation."""
        plan, data = self._asked, self._asked_data
        if self._gone or plan is None:
            return []
        self._asked, self._asked_data = None, b""
        effects: list[Effect] = []
        usual = True
        for answer in answers:
            if answer is not GO:
                usual = False
        if usual:
            self._sent(plan)
            effects.append(ToTarget(data, RECORDED))
        else:
            self._send_decided(plan, data, answers, effects)
        self._flush_if_blocked(plan, effects)
        self._terminated(plan, effects)
        return self._continued(effects)

    def _sent(self, plan: list[Planned]) -> None:
        expected = self._results.expected
        self._flushed = False
        for planned in plan:
            if planned.expect is not None:
                expected.append(planned.expect)
                if planned.tag == 83 or planned.tag == 81:
                    self._ran = False
                elif planned.tag == 69:
                    self._ran = True

    def _send_decided(self, plan: list[Planned], data: bytes, answers: Sequence[Answer], effects: list[Effect]) -> None:
        begin = 0
        for planned in plan:
            expect = planned.expect
            answer = answers[planned.operation] if planned.operation >= 0 else GO
            if answer is GO or expect is None:
                self._sent([planned])
                continue
            expect.answer = answer
            if answer.denial is not None:
                _forward(data, begin, planned.start, effects)
                begin = planned.end
                effects.append(ToTarget(self._substitute(planned, expect, answer.denial)))
            elif planned.tag == 69 and answer.masks is not None:
                _forward(data, begin, planned.start, effects)
                begin = planned.start
                own = Expect(expecting.DESCRIBE)
                own.own = True
                self._results.expected.append(own)
                effects.append(ToTarget(pgmessages.describe_portal(planned.portal)))
            self._sent([planned])
        _forward(data, begin, len(data), effects)

    def _substitute(self, planned: Planned, expect: Expect, denial: Denial) -> bytes:
        """What fails at the target in place of the denied message, quoting a nonce by which its error is known."""
        nonce = b"hoopgw_" + self._token_bytes(NONCE).hex().encode()
        expect.denial, expect.nonce = denial, nonce
        if self._gate is expect:
            self._gate = None
        if planned.tag == 80:
            return pgmessages.parse(planned.portal, nonce)
        if planned.tag == 66:
            return pgmessages.bind_nothing(b"", nonce)
        if planned.tag == 69:
            return pgmessages.execute(nonce)
        return pgmessages.query(nonce)

    def _flush_if_blocked(self, plan: list[Planned], effects: list[Effect]) -> None:
        """Answers that are waited for must come: without Sync the target would keep them."""
        if self._blocked and not self._flushed and (not plan or plan[-1].tag not in (83, 81, 70)):
            self._flushed = True
            effects.append(ToTarget(pgmessages.FLUSH, RECORDED))

    def _terminated(self, plan: list[Planned], effects: list[Effect]) -> None:
        if plan and plan[-1].tag == 88:
            self._gone = True
            effects.append(Hangup(Code.SESSION_CLOSED, "the client ended the session"))

    def _continued(self, effects: list[Effect]) -> list[Effect]:
        """Go on with what was kept."""
        while self._kept and self._asked is None and not self._blocked and not self._gone:
            data = b"".join(self._kept)
            self._kept, self._kept_size = [], 0
            if data:
                effects += self._taken(data)
        return self._throttled(effects)

    def holding(self, lane: int, notice: Denial) -> list[Effect]:
        """An operation of the Ask waits for approval: tell the client; let what ran before it answer."""
        if self._gone:
            return []
        effects: list[Effect] = []
        if self._results.expected:
            effects.append(ToTarget(pgmessages.FLUSH, RECORDED))
        said = words.waiting(notice, self._results.encoding)
        if self._results.mid_message():
            self._notices.append(said)
        else:
            effects.append(ToClient(said))
        return effects

    # ---- from the target

    def from_target(self, data: bytes) -> list[Effect]:
        if self._gone and not self._ending:
            return []
        results = self._results
        effects = results.from_target(data)
        if results.broken is not None:
            return [*effects, *self._end(Code.PROTOCOL_VIOLATED, f"the target: {results.broken}", b"08P01", None)]
        if not results.mid_message():
            if self._ending:
                return [*effects, *self._ending]
            for said in self._notices:
                effects.append(ToClient(said))
            self._notices.clear()
        if results.violation:
            return [*effects, *self._end(Code.PROTOCOL_VIOLATED, results.violation, b"08P01", None)]
        self._after_answers(effects)
        return self._continued(effects) if self._kept or self._paused else effects

    def _after_answers(self, effects: list[Effect]) -> None:
        results = self._results
        if results.reset_statements:
            results.reset_statements = False
            self._statements.clear()
        if results.reset_portals:
            results.reset_portals = False
            if self._portals:
                self._portals = {name: bound for name, bound in self._portals.items() if not bound.settled}
        gate = self._gate
        if gate is not None and (gate.copying or gate.failed or gate not in results.expected):
            if gate.copying and self._copy_ended:
                results.copy_in = False
            self._gate = None
        if self._blocked and self._asked is None and self._gate is None:
            self._blocked = False  # look again: what was waited for may be there
        if results.renamed and not results.expected and self._asked is None and not self._blocked:
            self._rename(effects)

    def _rename(self, effects: list[Effect]) -> None:
        """The client named itself: the target's view gets our name back, outside of anything that failed."""
        if self._results.status == "E" or self._tail or self._skip:
            return
        self._results.renamed = False
        own = Expect(expecting.QUERY)
        own.own = True
        self._results.expected.append(own)
        self._segment += 1
        quoted = self._name.replace(b"'", b"''")
        effects.append(ToTarget(pgmessages.query(b"SET application_name = '" + quoted + b"'")))

    # ---- ends

    def target_gone(self, reason: str) -> list[Effect]:
        """The target closed.  Where it said why, that is all the client reads."""
        if self._gone:
            return []
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
        said = words.fatal(sqlstate, reason, self._results.encoding, denial)
        effects: list[Effect] = [ToClient(said), Hangup(code, reason)]
        if self._results.mid_message() and code is not Code.TARGET_UNAVAILABLE:
            self._ending = effects
            return []
        return effects if not self._results.mid_message() else effects[1:]


def _terminated_text(data: bytes, start: int, end: int) -> bytes:
    """The text of a Query.  A NUL inside it would end it for the target: refused."""
    if end <= start or data[end - 1] != 0 or data.find(b"\0", start, end - 1) >= 0:
        raise MalformedFrame("a Query whose text is not terminated once")
    return data[start : end - 1]


def _forward(data: bytes, begin: int, end: int, effects: list[Effect]) -> None:
    if begin < end:
        effects.append(ToTarget(data if begin == 0 and end == len(data) else data[begin:end], RECORDED))


def _shifted(plan: list[Planned], by: int) -> list[Planned]:
    return [
        Planned(each.tag, each.start - by, each.end - by, each.expect, each.operation, each.portal) for each in plan
    ]
