"""The target's side of a PostgreSQL session: whose answer is what, what becomes of rows and of the target's words.

Bytes that nothing has to be done to go on as the very object that was read; a scan of them looks at each message's
header and no further.
"""

from __future__ import annotations

from collections import deque
from typing import Any, final

from hoopgw.model.answer import Decision, Denial
from hoopgw.model.errors import MalformedFrame, ProtocolViolation, WireError
from hoopgw.model.events import Code
from hoopgw.relay import postgres_words as words
from hoopgw.relay.effects import CancelTarget, CatalogueChanged, Completed, Effect, Observed, ToClient
from hoopgw.relay.postgres_expect import (
    BIND,
    CLOSE,
    COMMITS,
    COPIES,
    CREATES,
    DEFINES,
    DESCRIBE,
    EXECUTE,
    FUNCTION,
    PARSE,
    QUERY,
    SYNC,
    Expect,
)
from hoopgw.relay.postgres_names import Names
from hoopgw.relay.postgres_screen import Fields, notification, screened, withheld
from hoopgw.relay.postgres_settings import ENCODINGS
from hoopgw.wire import pgmessages
from hoopgw.wire.pgframes import HEADER, after_rows, needed, scan

MAX_CONTROL = 16 << 20  # bytes of one message that is kept whole: error texts and descriptions are far below
MAX_TARGET = 0x40000100  # bytes of one message of a target: PostgreSQL allocates at most 1 GiB

ROW = 68  # D
COPY_DATA = 100  # d
FUNCTION_RESULT = 86  # V

# Tags of commands that may change what names mean (documentation, 55.7, CommandComplete: the command's own name)
_DDL = (
    b"CREATE", b"ALTER", b"DROP", b"TRUNCATE", b"GRANT", b"REVOKE", b"COMMENT", b"DO", b"CALL", b"IMPORT", b"REFRESH",
    b"SECURITY", b"REASSIGN", b"DISCARD",
)  # fmt: skip


@final
class Results:
    """The stream from the target.  `expected` is what was sent to it; `from_target` gives effects for the client."""

    def __init__(
        self,
        session: str,
        policy: str,
        parameters: dict[str, str],
        application_name: bytes,
        max_statement: int,
        max_masked_row: int,
    ) -> None:
        self.expected: deque[Expect] = deque()
        self.statements = Names(max_statement)
        self.portals = Names(max_statement)
        self.status = "I"  # of the last ReadyForQuery: I, T or E
        self.encoding = parameters.get("client_encoding", "UTF8")
        self.rows_passed = 0
        self.defining = 0  # answers to come to texts that may PREPARE or DECLARE
        self.broken: WireError | None = None  # the target did what it must not: the session ends
        self.fatal_seen = False
        self.at_rest = True  # ReadyForQuery was the last: no pipeline is open
        self.renamed = False  # the client gave itself another application_name
        self.violation = ""  # a setting that must not change did
        self.ambient_masks: Any = None
        self._session = session
        self._policy = policy
        self._application_name = application_name
        self._max_masked_row = max_masked_row
        self._tail: list[bytes] = []  # of a message that is kept whole: at most MAX_CONTROL, or max_masked_row
        self._tail_size = 0
        self._tail_need = 0
        self._walked = 0  # up to where this read was whole and right
        self._begin = 0  # where in this read the bytes begin that have neither gone on nor been dropped
        self._skip = 0  # bytes of a bulk message that are still to come
        self._skip_dropped = False
        self._muted = False  # after an error of ours: nothing up to ReadyForQuery
        self._changed = False  # names may mean something else after this transaction
        self._tainted = False  # this transaction has read a masked column: what is deferred may tell of it
        self._statements_doubt = False  # SQL has removed statements: a PREPARE could give their names another meaning
        self._portals_doubt = False  # the same of portals and DECLARE

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
                return
            here = self._skip
            self._skip = 0
            if self._skip_dropped:
                self._skip_dropped = False
                self._begin = here
        elif self._tail:
            self._tail.append(data)
            self._tail_size += len(data)
            if self._tail_size < self._tail_need:
                return
            data = b"".join(self._tail)
            self._tail = []
        try:
            self._walk(data, here, effects)
        finally:  # also what was whole and right before something that was not
            self._pass(data, self._walked, effects)

    def _walk(self, data: bytes, here: int, effects: list[Effect]) -> None:
        size = len(data)
        self._walked = here
        while here < size:
            run = scan(data, here)
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
            if not _looked_at(head, tag):
                self._pass_part(data, here, need, head, effects)
                return
            if need > self._max_masked_row:
                self._cut_unmaskable(head, effects)
                self._skip, self._skip_dropped = need - (size - here), True
                return
        elif need > MAX_CONTROL:
            raise MalformedFrame(f"a message of {need} bytes that has to be read whole")
        self._tail = [data[here:]]
        self._tail_size = size - here
        self._tail_need = need or HEADER

    def _pass_part(self, data: bytes, here: int, need: int, head: Expect, effects: list[Effect]) -> None:
        """The beginning of a row that nobody looks at: counted now, the rest goes on as it comes."""
        meter = head.answer.meter
        self._skip = need - (len(data) - here)
        if meter is not None and meter.take(1, need) == 0:
            self._skip_dropped = True
            self._cut(head, effects)
            return
        self.rows_passed += 1
        head.rows += 1
        self._walked = len(data)

    # ---- rows

    def _head(self) -> Expect | None:
        return self.expected[0] if self.expected else None

    def _drops(self) -> bool:
        head = self._head()
        return self._muted or (head is not None and (head.cut or head.own))

    def _receiver(self, tag: int) -> Expect:
        """Whose rows these are.  Rows that nobody asked for, or whose masks nobody could choose, end the session."""
        head = self._head()
        if head is not None and not head.nonce:
            if tag == ROW and (head.kind == QUERY or head.kind == EXECUTE):
                if head.described or head.answer.masks is None:
                    return head
            elif (tag == COPY_DATA and head.sends) or (tag == FUNCTION_RESULT and head.kind == FUNCTION):
                return head
        raise ProtocolViolation("the target sent a result that was not asked for")

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
        if passed == rows and not _looked_at(head, tag):
            return
        stop = end if passed == rows else after_rows(data, start, passed)
        shown = self._masked(tag, head, data, start, stop, effects) if stop > start else None
        if shown is None:  # as they are
            self._pass(data, stop, effects)
        else:
            self._pass(data, start, effects)
            if shown:
                effects.append(ToClient(shown))
        self._begin = end
        if passed < rows and not head.cut:
            self._cut(head, effects)

    def _masked(self, tag: int, head: Expect, data: bytes, start: int, end: int, effects: list[Effect]) -> bytes | None:
        """What goes on in place of these rows; None: they do."""
        if tag == ROW and head.row_mask is not None:
            before = head.row_mask.masked
            shown: bytes | None = head.row_mask.apply(data, start, end)
            head.masked += head.row_mask.masked - before
            return shown
        if tag == COPY_DATA and head.copy_mask is not None:
            self._pass(data, start, effects)
            return self._masked_copy(head, data, start, end, effects)
        if tag == FUNCTION_RESULT and head.answer.masks is not None:
            head.masked += 1  # what a function call gives has no origin: NULL
            return pgmessages.message(b"V", b"\xff\xff\xff\xff")
        return None

    def _masked_copy(self, head: Expect, data: bytes, start: int, end: int, effects: list[Effect]) -> bytes:
        before = head.copy_mask.masked
        pieces: list[bytes] = []
        here = start
        while here < end and not head.cut:
            stop = after_rows(data, here, 1)
            try:
                piece: bytes = head.copy_mask.feed(data[here + HEADER : stop])
            except WireError:  # a row that is longer than may be kept, or cannot be read: nothing of it goes on
                self._cut_unmaskable(head, effects)
                break
            if piece:
                pieces.append(pgmessages.message(b"d", piece))
            here = stop
        head.masked += head.copy_mask.masked - before
        return b"".join(pieces)

    def _cut_unmaskable(self, head: Expect, effects: list[Effect]) -> None:
        reason = f"a row that cannot be masked within {self._max_masked_row} bytes; the result ends before it"
        self._cut(head, effects, Denial(Decision.UNAVAILABLE, reason, session=self._session, policy=self._policy))

    def _cut(self, head: Expect, effects: list[Effect], by: Denial | None = None) -> None:
        head.cut = True
        head.cut_by = by
        effects.append(CancelTarget())

    # ---- messages

    def _control(self, data: bytes, start: int, end: int, effects: list[Effect]) -> None:
        """One message that is no row."""
        tag = data[start]
        head = self._head()
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
                self._report(head, effects, "ran, and was not shown")
            self._result_ended(head, data[start + HEADER : end - 1] if tag == 67 else b"", effects)
        elif tag == 69:  # E
            self._pass(data, start, effects)
            self._begin = end
            self._error(data[start + HEADER : end], effects)
            return
        elif tag == 84:  # T
            dropped = self._described(data[start + HEADER : end], dropped)
        elif tag == 110:  # n
            dropped = self._described(None, dropped)
        elif tag == 83:  # S
            dropped = self._parameter(data[start + HEADER : end], effects)
        elif tag == 78:  # N
            shown, recorded = self._noticed(data[start + HEADER : end], head)
        elif tag == 65:  # A: of no statement, and so never of what is muted
            dropped = False
            if self.ambient_masks is not None:
                shown = notification(data[start + HEADER : end], self.ambient_masks)
        elif tag == 49:  # 1
            self._settled(PARSE)
        elif tag == 50:  # 2
            self._settled(BIND)
        elif tag == 51:  # 3
            self._settled(CLOSE)
        elif tag == 71:  # G
            self._copy_in_begins(head)
        elif tag == 72:  # H
            self._copy_out_begins(head)
        elif tag == 99:  # c: CopyDone of a COPY TO
            shown = self._copy_out_ends(head, data[start:end], effects)
        elif tag == 116:  # t: the first half of the answer to a Describe
            if head is None or head.kind != DESCRIBE:
                raise ProtocolViolation("the target described what was not asked")
        else:
            raise ProtocolViolation(f"the target sent a message of the kind {tag}, which has no place here")
        if not dropped and shown is None:
            return
        self._pass(data, start, effects)
        self._begin = end
        if not dropped and shown:
            effects.append(ToClient(shown, recorded))

    def _settled(self, kind: int) -> None:
        head = self._head()
        if head is None or head.kind != kind:
            raise ProtocolViolation("the target answered what was not asked")
        self._answered(done=True)

    def _answered(self, done: bool) -> Expect:
        """The first of what is expected has its answer; `done`: the target did it."""
        head = self.expected.popleft()
        head.done = True
        if head.nonce and done:
            raise ProtocolViolation("the target carried out what was denied")
        if head.hints & DEFINES:
            self.defining -= 1
        if head.meaning is not None:
            if done:
                head.meaning.settle()
            else:
                head.meaning.undo()
        if head.answer.masks is not None and head.answer.masks.errors:
            self._tainted = True
        return head

    def _result_ended(self, head: Expect | None, command: bytes, effects: list[Effect]) -> None:
        if head is None or (head.kind != EXECUTE and head.kind != QUERY):
            raise ProtocolViolation("the target completed what was not asked")
        self._names_changed(command, head)
        head.copying = head.sends = head.described = False
        head.row_mask = head.copy_mask = None
        if head.kind == EXECUTE:
            self._answered(done=True)
            self._report(head, effects, "")
        elif head.nonce:
            raise ProtocolViolation("the target carried out what was denied")

    def _report(self, expect: Expect, effects: list[Effect], note: str) -> None:
        """A Completed where the bytes do not say it themselves."""
        if expect.number and (expect.masked or note):
            effects.append(Completed(expect.number, expect.rows, expect.masked, note))
            expect.masked = 0

    def _names_changed(self, command: bytes, head: Expect) -> None:
        """What a command's tag says of names: those of the catalogue, of prepared statements and of portals.

        A removed name that the client gives again by SQL would have another text than the one known here.
        """
        if command.startswith(_DDL) or (command.startswith(b"SELECT") and head.hints & CREATES):
            self._changed = True
        if command in (b"DISCARD ALL", b"DEALLOCATE ALL"):
            self.statements.forget()
        elif command == b"DEALLOCATE":
            self._statements_doubt = True
        elif command == b"PREPARE" and self._statements_doubt:
            self.statements.forget()
            self._statements_doubt = False
        if command in (b"COMMIT", b"DISCARD ALL"):
            self.portals.forget()
        elif command.startswith((b"CLOSE", b"ROLLBACK", b"DO", b"CALL")):
            self._portals_doubt = True
        elif command.startswith(b"DECLARE") and self._portals_doubt:
            self.portals.forget()
            self._portals_doubt = False

    def _described(self, body: bytes | None, dropped: bool) -> bool:
        """RowDescription, or NoData: the answer to a Describe, or the head of a Query's next result.

        Gives whether the client must not see it.
        """
        head = self._head()
        if head is None or (head.kind != DESCRIBE and head.kind != QUERY):
            raise ProtocolViolation("the target described what was not asked")
        target: Expect | None = head
        if head.kind == DESCRIBE:
            self._answered(done=True)
            target = self._head() if head.own else None  # the Execute that it was sent for
        if target is not None and body is not None:
            target.described = True
            if target.answer.masks is not None:
                fields = pgmessages.read_row_description(body)
                target.row_mask = target.answer.masks.row_mask(fields, self._max_masked_row)
        return dropped

    # ---- COPY

    def _copy_in_begins(self, head: Expect | None) -> None:
        if head is None or not head.hints & COPIES or head.nonce:
            raise ProtocolViolation("the target asked for data that was not offered")
        head.copying = True

    def _copy_out_begins(self, head: Expect | None) -> None:
        if head is None or (head.kind != QUERY and head.kind != EXECUTE) or head.nonce:
            raise ProtocolViolation("the target sends data that was not asked for")
        head.sends = True
        if head.answer.masks is not None:
            head.copy_mask = head.answer.masks.copy_mask(self._max_masked_row)

    def _copy_out_ends(self, head: Expect | None, done: bytes, effects: list[Effect]) -> bytes | None:
        if head is None or not head.sends:
            raise ProtocolViolation("the target ended a COPY that there was none of")
        if head.copy_mask is None or head.cut:
            return b"" if head.cut else None
        before = head.copy_mask.masked
        try:
            rest: bytes = head.copy_mask.finish()
        except WireError:
            self._cut_unmaskable(head, effects)
            return b""
        head.masked += head.copy_mask.masked - before
        return pgmessages.message(b"d", rest) + done if rest else None

    # ---- the end of an exchange

    def _ready(self, data: bytes, start: int, end: int, effects: list[Effect]) -> bool:
        """ReadyForQuery.  Gives whether the client must not see it."""
        head = self._head()
        if head is None or head.kind not in (QUERY, FUNCTION, SYNC) or end - start != HEADER + 1:
            raise ProtocolViolation("the target is ready for what was not asked")
        status = chr(data[start + HEADER])
        if status not in "ITE":
            raise ProtocolViolation("a transaction status that there is none of")
        self._answered(done=not head.failed)
        self.status = status
        self.at_rest = not self.expected
        self._muted = False
        self._report(head, effects, "")
        if status == "I":
            self._tainted = self._portals_doubt = False
            self.portals.forget()
            if self._changed:
                self._changed = False
                effects.append(CatalogueChanged())
        return head.own

    def _error(self, body: bytes, effects: list[Effect]) -> None:
        """ErrorResponse: of a statement, of our substitute for one, of our cancel, or the target's last word."""
        head = self._head()
        fields = pgmessages.report_fields(body)
        severity = b""
        for name, value in fields:
            if name == b"V" or (name == b"S" and not severity):
                severity = value
        if severity in (b"FATAL", b"PANIC"):
            self.fatal_seen = True
        if head is None or self.fatal_seen:
            self._tell(fields, head, effects)
            return
        head.failed = True
        head.copying = head.sends = False
        if head.cut:
            self._end_cut(head, effects, completed=False)
        elif head.denial is not None and head.nonce in body:
            if not self._muted:
                effects.append(ToClient(words.denied(head.denial, self.encoding)))
            self._report(head, effects, head.denial.decision.value)
        else:
            # of our own Describe: as the Execute behind it would have failed
            if not self._muted and (not head.own or head.kind == DESCRIBE):
                self._tell(fields, head, effects)
            failed_otherwise = "; the target failed it for another reason"
            self._report(
                head, effects, head.denial.decision.value + failed_otherwise if head.denial is not None else ""
            )
        self._skipped(head)

    def _skipped(self, head: Expect) -> None:
        """After an error in the extended protocol the target skips up to Sync; a Query and a function call end with
        ReadyForQuery of their own.  What was skipped is undone last first, as it was done."""
        if head.kind in (QUERY, FUNCTION, SYNC):
            return
        while self.expected and self.expected[0].kind != SYNC:
            self._answered(done=False)

    def _end_cut(self, head: Expect, effects: list[Effect], completed: bool) -> None:
        """A result that was cut ends: with our error, and whether the target had completed the statement.

        For the client this is an error, so it expects nothing more before ReadyForQuery.
        """
        denial = head.cut_by or self._over_budget(head)
        if not self._muted:
            effects.append(ToClient(words.denied(denial, self.encoding, {"completed": completed})))
        self._report(head, effects, denial.decision.value + (", completed" if completed else ""))
        self._muted = True
        head.cut = False

    def _over_budget(self, head: Expect) -> Denial:
        meter = head.answer.meter
        exceeded = meter.exceeded if meter is not None else None
        name = exceeded.name if exceeded is not None else "its limit"
        return Denial(
            decision=Decision.OVER_BUDGET,
            reason=f"the result was cut after {head.rows} rows: {name}",
            guardrails=(name,),
            expires=exceeded.resets if exceeded is not None else None,
            session=self._session,
            policy=self._policy,
        )

    # ---- what the target says in words

    def _tell(self, fields: Fields, head: Expect | None, effects: list[Effect]) -> None:
        shown = screened(fields, self._masks(head), self._withholds(head))
        effects.append(ToClient(pgmessages.report(b"E", shown), self._without_text(b"E", shown, head)))

    def _noticed(self, body: bytes, head: Expect | None) -> tuple[bytes | None, bytes | None]:
        """A notice, masked, and the record's form of it; None where nothing changes."""
        masks, withhold = self._masks(head), self._withholds(head)
        if masks is None and not withhold and not (head is not None and head.answer.redact):
            return None, None
        fields = screened(pgmessages.report_fields(body), masks, withhold)
        return pgmessages.report(b"N", fields), self._without_text(b"N", fields, head)

    def _masks(self, head: Expect | None) -> Any:
        if head is not None and head.answer.masks is not None:
            return head.answer.masks
        return self.ambient_masks

    def _withholds(self, head: Expect | None) -> bool:
        """Whether these words may tell of a masked column: of a statement that reads one, or deferred by one."""
        if head is not None and head.answer.masks is not None and head.answer.masks.errors:
            return True
        return self._tainted and (head is None or head.kind == SYNC or head.hints & COMMITS != 0)

    def _without_text(self, tag: bytes, fields: Fields, head: Expect | None) -> bytes | None:
        """What the record gets of a redacted operation's errors; None: the same."""
        if head is None or not head.answer.redact:
            return None
        return pgmessages.report(tag, withheld(fields))

    def _parameter(self, body: bytes, effects: list[Effect]) -> bool:
        """ParameterStatus: what text means must not shift; the target's own name for us must stand.

        Gives whether the client must not see it: the answer to our own SET.
        """
        name, _, value = body[:-1].partition(b"\0")
        said = value.decode("utf-8", "backslashreplace")
        if name == b"standard_conforming_strings" and value != b"on":
            self.violation = "standard_conforming_strings was set to another value than on"
        elif name == b"client_encoding":
            self.encoding = said
            if said not in ENCODINGS:
                self.violation = f"client_encoding was set to {said}, which cannot be judged safely"
        elif name == b"application_name" and self._application_name:
            head = self._head()
            if head is not None and head.own:
                self._application_name = value  # as the target writes it: shortened to 63 bytes, say
            if value == self._application_name:
                return True
            self.renamed = True
        elif name in (b"session_authorization", b"is_superuser"):
            effects.append(Observed(Code.SETTING_CHANGED, {"setting": name.decode(), "value": said}))
        return False


def _looked_at(head: Expect, tag: int) -> bool:
    """Whether rows have to be looked at, and so must be whole."""
    if tag == ROW:
        return head.row_mask is not None
    if tag == COPY_DATA:
        return head.copy_mask is not None
    return head.answer.masks is not None
