"""The target's side of a PostgreSQL session: whose answer is what, what becomes of rows and of the target's words.

Bytes that nothing has to be done to go on as the very object that was read; a scan of them looks at each message's
header and no further.
"""

from __future__ import annotations

from typing import Any, Final, final

from hoopgw.model.errors import MalformedFrame, ProtocolViolation, WireError
from hoopgw.model.events import Code
from hoopgw.relay import postgres_words as words
from hoopgw.relay.effects import Defined, Effect, Observed, ToClient
from hoopgw.relay.postgres_answers import Answers, report
from hoopgw.relay.postgres_commands import Commands, is_usual
from hoopgw.relay.postgres_expect import BIND, CLOSE, DESCRIBE, EXECUTE, FUNCTION, PARSE, QUERY, SYNC, Expect
from hoopgw.relay.postgres_hints import CREATES
from hoopgw.relay.postgres_names import Names
from hoopgw.relay.postgres_parameters import UTF8, Parameters, text_of
from hoopgw.relay.postgres_rows import COPY_DATA, FUNCTION_RESULT, ROW, Rows, cut, looked_at, receives
from hoopgw.relay.postgres_screen import Fields, ends_session, noticed, notification, screened, without_text
from hoopgw.relay.postgres_tail import Tail
from hoopgw.wire import pgmessages
from hoopgw.wire.pgframes import HEADER, Run, after_rows, needed

MAX_CONTROL: Final = 16 << 20  # bytes of one message that is kept whole: error texts and descriptions are far below
MAX_TARGET: Final = 0x40000100  # bytes of one message of a target: PostgreSQL allocates at most 1 GiB


@final
class Results:
    """The stream from the target.  `answers` is what it owes; `from_target` gives effects for the client."""

    def __init__(
        self,
        session: str,
        policy: str,
        parameters: dict[str, str],
        application_name: bytes,
        max_statement: int,
        max_masked_row: int,
    ) -> None:
        self.answers = Answers()
        self.statements = Names(max_statement)
        self.portals = Names(max_statement)
        self.status = "I"  # of the last ReadyForQuery: I, T or E
        encodings = parameters.get("client_encoding", UTF8), parameters.get("server_encoding", "")
        self.parameters = Parameters(*encodings, application_name)
        self.rows_passed = 0
        self.broken: WireError | None = None  # the target did what it must not: the session ends
        self.fatal_seen = False
        self.changed = False  # a transaction has ended that may have changed what names mean; nobody was told yet
        self.unsettled = False  # the same, or a statement that would have has failed
        self.at_rest = True  # ReadyForQuery was the last: no pipeline is open
        self.ambient_masks: Any = None
        self.replication = False  # the target is a walsender
        self._commands = Commands(self.statements, self.portals)
        self._rows = Rows(session, policy, max_masked_row)
        self._max_masked_row = max_masked_row
        self._tail = Tail()  # of a message that is kept whole: at most MAX_CONTROL, or max_masked_row
        self._run = Run()
        self._walked = 0  # up to where this read was whole and right
        self._begin = 0  # where in this read the bytes begin that have neither gone on nor been dropped
        self._skip = 0  # bytes of a bulk message that are still to come
        self._skip_dropped = False
        self._muted = False  # after an error of ours: nothing up to ReadyForQuery

    @property
    def defining(self) -> bool:
        """Answers are to come to texts that may PREPARE or DECLARE."""
        return self.answers.defining > 0

    def sends_definition(self) -> None:
        self.answers.defining += 1

    @property
    def left(self) -> int:
        """Bytes to come of a message that the client has a part of: nothing of ours may stand before they are there."""
        return 0 if self._skip_dropped else self._skip

    # ---- bytes

    def from_target(self, data: bytes) -> list[Effect]:
        """Never raises for what a target sends: `broken` says that the session must end."""
        effects: list[Effect] = []
        try:
            self._read(data, effects)
        except WireError as error:
            self.broken = error
        except (IndexError, ValueError, OverflowError) as error:  # a hostile length that compiled code stopped at
            self.broken = MalformedFrame(f"the target's message cannot be read: {type(error).__name__}")
        return effects

    def _read(self, data: bytes, effects: list[Effect]) -> None:
        here = self._begin = 0
        if self._skip:
            if len(data) <= self._skip:
                self._skip -= len(data)
                if not self._skip_dropped:
                    effects.append(ToClient(data))
                elif not self._skip:
                    self._skip_dropped = False
                return
            here = self._skip
            self._skip = 0
            if self._skip_dropped:
                self._skip_dropped = False
                self._begin = here
        elif self._tail.held:
            whole = self._tail.joined(data)
            if whole is None:
                return
            data = whole
        try:
            self._walk(data, here, effects)
        finally:  # also what was whole and right before something that was not
            self._pass(data, self._walked, effects)

    def _walk(self, data: bytes, here: int, effects: list[Effect]) -> None:
        size = len(data)
        self._walked = here
        run = self._run
        while here < size:
            run.scan(data, here)
            if run.bulk > here:
                self._bulk(run.tag, data, here, run.bulk, run.rows, effects)
                self._walked = run.bulk
            elif run.end == here:
                break
            if run.end > run.bulk:
                self._control(data, run.bulk, run.end, effects)
            self._walked = here = run.end
        if here < size:
            self._rest(data, here, effects)

    def _pass(self, data: bytes, end: int, effects: list[Effect]) -> None:
        """These bytes go on as they are; the whole read as the object that it was."""
        begin = self._begin
        if begin < end:
            effects.append(ToClient(data if begin == 0 and end == len(data) else data[begin:end]))
            self._begin = end

    def _rest(self, data: bytes, here: int, effects: list[Effect]) -> None:
        """What is not a whole message: of a bulk one that only passes, go on; else keep it until it is whole."""
        size = len(data)
        need = needed(data, here, MAX_TARGET)
        tag = data[here]
        if need and tag in (ROW, COPY_DATA, FUNCTION_RESULT):
            if self._drops():
                self._skip, self._skip_dropped = need - (size - here), True
                return
            head = self._receiver(tag)
            if not looked_at(head, tag):
                self._pass_part(data, here, need, head, effects)
                return
            if need > self._max_masked_row:
                self._rows.cut_unmaskable(head, effects)
                self._skip, self._skip_dropped = need - (size - here), True
                return
        elif need > MAX_CONTROL:
            raise MalformedFrame(f"a message of {need} bytes that has to be read whole")
        self._tail.keep(data[here:], need)

    def _pass_part(self, data: bytes, here: int, need: int, head: Expect, effects: list[Effect]) -> None:
        """The beginning of a row that nobody looks at: counted now, the rest goes on as it comes."""
        meter = head.answer.meter
        self._skip = need - (len(data) - here)
        if meter is not None and meter.take(1, need) == 0:
            self._skip_dropped = True
            cut(head, effects)
            return
        self.rows_passed += 1
        head.rows += 1
        self._walked = len(data)

    # ---- rows

    def _drops(self) -> bool:
        head = self.answers.head()
        return self._muted or (head is not None and (head.cut or head.own))

    def _receiver(self, tag: int) -> Expect:
        """Whose rows these are.  Rows that nobody asked for, or whose masks nobody could choose, end the session."""
        head = self.answers.head()
        if head is None or not receives(head, tag):
            raise ProtocolViolation("the target sent a result that was not asked for")
        return head

    def _bulk(self, tag: int, data: bytes, start: int, end: int, rows: int, effects: list[Effect]) -> None:
        """A run of whole rows."""
        if self._drops():
            self._pass(data, start, effects)
            self._begin = end
            return
        head = self._receiver(tag)
        meter = head.answer.meter
        passed = meter.take(rows, end - start) if meter is not None else rows
        head.rows += passed
        self.rows_passed += passed
        if passed == rows and not looked_at(head, tag):
            return
        stop = end if passed == rows else after_rows(data, start, passed)
        if tag != ROW:
            self._pass(data, start, effects)
        shown = self._rows.masked(tag, head, data, start, stop, effects) if stop > start else None
        if shown is None:  # as they are
            self._pass(data, stop, effects)
        else:
            self._pass(data, start, effects)
            if shown:
                effects.append(ToClient(shown))
        self._begin = end
        if passed < rows and not head.cut:
            cut(head, effects)

    # ---- messages

    def _control(self, data: bytes, start: int, end: int, effects: list[Effect]) -> None:
        """One message that is no row."""
        tag = data[start]
        head = self.answers.head()
        shown: bytes | None = None  # what goes in its place; None: the message itself
        recorded: bytes | None = None
        dropped = self._muted or (head is not None and head.own)
        if tag == 90:  # Z
            if head is not None and head.cut:
                self._pass(data, start, effects)
                self._end_cut(head, effects, completed=True)
            dropped = self._ready(data, start, end, effects)
        elif tag in (67, 73, 115):  # C, I, s: CommandComplete, EmptyQueryResponse, PortalSuspended
            if head is not None and head.cut:
                self._pass(data, start, effects)
                self._end_cut(head, effects, completed=tag == 67)
                dropped = True
            elif self._muted and head is not None:
                report(head, effects, "ran, and was not shown")
            self._result_ended(head, data, start, end, effects)
        elif tag == 69:  # E
            self._pass(data, start, effects)
            self._begin = end
            self._error(data[start + HEADER : end], effects)
            return
        elif tag in (84, 110):  # T, n
            self._described(data[start + HEADER : end] if tag == 84 else None)
        elif tag == 83:  # S
            dropped = self._parameter(data[start + HEADER : end], effects)
        elif tag == 78:  # N
            shown, recorded = noticed(data[start + HEADER : end], head, self._masks(head), self.answers.withholds())
        elif tag == 65:  # A: of no statement, and so never of what is muted
            dropped = False
            if self.ambient_masks is not None:
                shown = notification(data[start + HEADER : end], self.ambient_masks)
        elif tag == 49:  # 1
            self.answers.settled(PARSE)
        elif tag == 50:  # 2
            self.answers.settled(BIND)
        elif tag == 51:  # 3
            self.answers.settled(CLOSE)
        elif tag == 99:  # c: CopyDone of a COPY TO
            shown = self._rows.copy_out_ends(head, data[start:end], effects)
        else:
            self._begins(tag, data[start + HEADER : end], head)
        if not dropped and shown is None:
            return
        self._pass(data, start, effects)
        self._begin = end
        if not dropped and shown:
            effects.append(ToClient(shown, recorded))

    def _begins(self, tag: int, body: bytes, head: Expect | None) -> None:
        """A COPY, or the answer to a Describe; nothing else has a place here."""
        if tag == 116:  # t: the first half of the answer
            if head is None or head.kind != DESCRIBE:
                raise ProtocolViolation("the target described what was not asked")
        elif tag == 71:  # G
            self._rows.copy_in_begins(head)
        elif tag == 72:  # H
            self._rows.copy_out_begins(head, body)
        elif tag == 87 and self.replication:  # W
            self._rows.copy_in_begins(head)
            self._rows.copy_out_begins(head, body)
        else:
            raise ProtocolViolation(f"the target sent a message of the kind {tag}, which has no place here")

    def _result_ended(self, head: Expect | None, data: bytes, start: int, end: int, effects: list[Effect]) -> None:
        if head is None or (head.kind != EXECUTE and head.kind != QUERY):
            raise ProtocolViolation("the target completed what was not asked")
        usual = data[start] != 67 or (not head.hints & CREATES and is_usual(data, start + HEADER))
        if not usual and self._commands.completed(data[start + HEADER : end - 1], head.hints):
            effects.append(Defined(head.number))
        head.results += 1
        head.copying = head.sends = head.described = False
        head.row_mask = head.copy_mask = None
        if head.kind == EXECUTE:
            self.answers.answered(done=True)
            report(head, effects, "")
        elif head.nonce:
            raise ProtocolViolation("the target carried out what was denied")

    def _described(self, body: bytes | None) -> None:
        """RowDescription, or NoData (None): the answer to a Describe, or the head of a Query's next result."""
        head = self.answers.head()
        if head is None or (head.kind != DESCRIBE and head.kind != QUERY):
            raise ProtocolViolation("the target described what was not asked")
        target: Expect | None = head
        if head.kind == DESCRIBE:
            self.answers.answered(done=True)
            target = self.answers.head() if head.own else None  # the Execute that it was sent for
        if target is not None and body is not None:
            target.described = True
            if target.answer.masks is not None:
                fields = pgmessages.read_row_description(body)
                target.row_mask = target.answer.masks.row_mask(fields, self._max_masked_row, target.results)

    # ---- the end of an exchange

    def _ready(self, data: bytes, start: int, end: int, effects: list[Effect]) -> bool:
        """ReadyForQuery.  Gives whether the client must not see it."""
        head = self.answers.head()
        if head is None or head.kind not in (QUERY, FUNCTION, SYNC) or end - start != HEADER + 1:
            raise ProtocolViolation("the target is ready for what was not asked")
        status = _status(data[start + HEADER])
        self.answers.answered(done=not head.failed)
        self.status = status
        self.at_rest = not self.answers.waiting
        self._muted = False
        report(head, effects, "")
        if status == "I":
            self.answers.tainted = False
            if self._commands.transaction_ended():
                self.changed = self.unsettled = True
        return head.own

    def _error(self, body: bytes, effects: list[Effect]) -> None:
        """ErrorResponse: of a statement, of our substitute for one, of our cancel, or the target's last word."""
        head = self.answers.head()
        fields = pgmessages.report_fields(body)
        if ends_session(fields):
            self.fatal_seen = True
        if head is None or self.fatal_seen:
            self._tell(fields, head, effects)
            return
        head.failed = self.unsettled = True
        head.copying = head.sends = False
        if head.cut:
            self._end_cut(head, effects, completed=False)
        elif head.denial is not None and head.nonce in body:
            if not self._muted:
                effects.append(ToClient(words.denied(head.denial, self.parameters.encoding)))
            report(head, effects, head.denial.decision.value)
        else:
            # of our own Describe: as the Execute behind it would have failed
            if not self._muted and (not head.own or head.kind == DESCRIBE):
                self._tell(fields, head, effects)
            failed_otherwise = "; the target failed it for another reason"
            report(head, effects, head.denial.decision.value + failed_otherwise if head.denial is not None else "")
        self.answers.skipped(head)

    def _end_cut(self, head: Expect, effects: list[Effect], completed: bool) -> None:
        """A result that was cut ends: with our error, and whether the target had completed the statement.

        For the client this is an error, so it expects nothing more before ReadyForQuery.
        """
        denial = self._rows.cut_denial(head)
        if not self._muted:
            effects.append(ToClient(words.denied(denial, self.parameters.encoding, {"completed": completed})))
        report(head, effects, denial.decision.value + (", completed" if completed else ""))
        self._muted = True
        head.cut = False

    # ---- what the target says in words

    def _tell(self, fields: Fields, head: Expect | None, effects: list[Effect]) -> None:
        shown = screened(fields, self._masks(head), self.answers.withholds())
        effects.append(ToClient(pgmessages.report(b"E", shown), without_text(b"E", shown, head)))

    def _masks(self, head: Expect | None) -> Any:
        if head is not None and head.answer.masks is not None:
            return head.answer.masks
        return self.ambient_masks

    def _parameter(self, body: bytes, effects: list[Effect]) -> bool:
        """ParameterStatus.  Gives whether the client must not see it."""
        name, _, value = body[:-1].partition(b"\0")
        head = self.answers.head()
        if name in (b"session_authorization", b"is_superuser"):
            effects.append(Observed(Code.SETTING_CHANGED, {"setting": name.decode(), "value": text_of(value)}))
        return self.parameters.changed(name, value, head is not None and head.own)


def _status(said: int) -> str:
    """What ReadyForQuery says of the transaction."""
    if said == 73:
        return "I"
    if said == 84:
        return "T"
    if said == 69:
        return "E"
    raise ProtocolViolation("a transaction status that there is none of")
