"""The target's side of a PostgreSQL session: whose answer is what, what becomes of rows, errors and notices.

Bytes that nothing has to be done to go on as the very object that was read; a scan of them looks at each message's header
and no further.
"""

from __future__ import annotations

from collections import deque
from typing import Any, final

from hoopgw.model.answer import Decision, Denial
from hoopgw.model.errors import MalformedFrame, ProtocolViolation, WireError
from hoopgw.relay import postgres_words as words
from hoopgw.relay.effects import CancelTarget, CatalogueChanged, Completed, Effect, ToClient
from hoopgw.relay.postgres_expect import (
    BIND,
    CLOSE,
    DESCRIBE,
    EXECUTE,
    FUNCTION,
    PARSE,
    QUERY,
    SYNC,
    Expect,
)
from hoopgw.relay.postgres_settings import ENCODINGS
from hoopgw.wire import pgmessages
from hoopgw.wire.pgframes import HEADER, after_rows, needed, scan

MAX_CONTROL = 16 << 20  # bytes of one message that is kept whole: error texts and descriptions are far below
MAX_TARGET = 0x40000100  # bytes of one message of a target: PostgreSQL allocates at most 1 GiB

# Tags of commands that may change what names mean (documentation, 55.7, CommandComplete: the command's own name)
_DDL = (
    b"CREATE", b"ALTER", b"DROP", b"TRUNCATE", b"GRANT", b"REVOKE", b"COMMENT", b"SELECT INTO", b"DO", b"CALL", b"IMPORT",
    b"REFRESH", b"REINDEX", b"SECURITY", b"REASSIGN", b"ROLLBACK", b"DISCARD",
)  # fmt: skip
_SHOWN_FIELDS = (b"S", b"V", b"C", b"P")  # severity, SQLSTATE and position stay where the text is withheld


@final
class Results:
    """The stream from the target.  `expect` what was sent to it; `from_target` gives effects for the client."""

    def __init__(
        self, session: str, policy: str, parameters: dict[str, str], application_name: bytes, max_masked_row: int
    ) -> None:
        self.expected: deque[Expect] = deque()
        self.status = "I"  # of the last ReadyForQuery: I, T or E
        self.encoding = parameters.get("client_encoding", "UTF8")
        self.rows_passed = 0
        self.marks = 0  # expected answers to texts that may PREPARE or DECLARE
        self.copy_in = False  # the target takes COPY data
        self.broken: WireError | None = None  # the target did what it must not: the session ends
        self.fatal_seen = False
        self.renamed = False  # the client gave itself another application_name
        self.reset_statements = False  # SQL may have defined or removed statements
        self.reset_portals = False
        self.ambient_masks: Any = None
        self.violation = ""  # a setting that must not change did
        self._session = session
        self._policy = policy
        self._application_name = application_name
        self._max_masked_row = max_masked_row
        self._tail: list[bytes] = []  # of a message that is kept whole: at most MAX_CONTROL, or max_masked_row
        self._tail_size = 0
        self._tail_need = 0
        self._skip = 0  # bytes of a bulk message that are still to come
        self._skip_dropped = False
        self._muted = False  # after an error of ours: nothing up to ReadyForQuery
        self._changed = False  # names may mean something else after this transaction

    def mid_message(self) -> bool:
        """The client has got a part of a message: nothing of ours may stand here."""
        return self._skip > 0 and not self._skip_dropped

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
        begin = here = 0
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
                begin = here
        elif self._tail:
            self._tail.append(data)
            self._tail_size += len(data)
            if self._tail_size < self._tail_need:
                return
            data = b"".join(self._tail)
            self._tail = []
        while True:
            run = scan(data, here)
            if run.bulk > here:
                begin = self._bulk(data, begin, here, run.bulk, run.rows, effects)
            if run.end == run.bulk:
                here = run.bulk
                break
            begin = self._control(data, begin, run.bulk, run.end, effects)
            here = run.end
        self._rest(data, begin, here, effects)

    def _rest(self, data: bytes, begin: int, here: int, effects: list[Effect]) -> None:
        """What is not a whole message: of a bulk one that only passes, go on; else keep it until it is whole."""
        size = len(data)
        if here == size:
            _pass(data, begin, here, effects)
            return
        need = needed(data, here, MAX_TARGET)
        if need and data[here] in (68, 100, 86):  # D, d, V
            if self._drops():
                _pass(data, begin, here, effects)
                self._skip, self._skip_dropped = need - (size - here), True
                return
            if not self._whole_rows():
                self.rows_passed += 1
                self._count_rows(1)
                _pass(data, begin, size, effects)
                self._skip = need - (size - here)
                return
            if need > self._max_masked_row:
                _pass(data, begin, here, effects)
                self._cut_long_row(effects)
                self._skip, self._skip_dropped = need - (size - here), True
                return
        elif need > MAX_CONTROL:
            raise MalformedFrame(f"a message of {need} bytes that has to be read whole")
        _pass(data, begin, here, effects)
        self._tail = [data[here:]]
        self._tail_size = size - here
        self._tail_need = need or HEADER

    # ---- rows

    def _head(self) -> Expect | None:
        return self.expected[0] if self.expected else None

    def _drops(self) -> bool:
        head = self._head()
        return self._muted or (head is not None and (head.cut or head.own))

    def _whole_rows(self) -> bool:
        """Whether rows have to be looked at, and so must be whole."""
        head = self._head()
        return head is not None and (
            head.row_mask is not None or head.copy_mask is not None or head.answer.meter is not None
        )

    def _count_rows(self, rows: int) -> None:
        head = self._head()
        if head is not None:
            head.rows += rows

    def _bulk(self, data: bytes, begin: int, start: int, end: int, rows: int, effects: list[Effect]) -> int:
        """A run of whole rows.  Gives where bytes begin that have not gone on yet."""
        if self._drops():
            _pass(data, begin, start, effects)
            return end
        if not self._whole_rows():
            self.rows_passed += rows
            self._count_rows(rows)
            return begin
        head = self.expected[0]
        _pass(data, begin, start, effects)
        meter = head.answer.meter
        passed = meter.take(rows, end - start) if meter is not None else rows
        stop = end if passed == rows else after_rows(data, start, passed)
        if stop > start:
            effects.append(ToClient(self._masked(head, data, start, stop)))
        self.rows_passed += passed
        head.rows += passed
        if passed < rows:
            head.cut = True
            effects.append(CancelTarget())
        return end

    def _masked(self, head: Expect, data: bytes, start: int, end: int) -> bytes:
        if head.row_mask is not None:
            before = head.row_mask.masked
            shown: bytes = head.row_mask.apply(data, start, end)
            head.masked += head.row_mask.masked - before
            return shown
        if head.copy_mask is not None:
            before = head.copy_mask.masked
            pieces: list[bytes] = []
            here = start
            while here < end:
                stop = here + 1 + int.from_bytes(data[here + 1 : here + 5], "big")
                piece: bytes = head.copy_mask.feed(data[here + 5 : stop])
                if piece:
                    pieces.append(pgmessages.message(b"d", piece))
                here = stop
            head.masked += head.copy_mask.masked - before
            return b"".join(pieces)
        return data[start:end]

    def _cut_long_row(self, effects: list[Effect]) -> None:
        head = self.expected[0]
        head.cut = True
        head.denial = Denial(
            decision=Decision.UNAVAILABLE,
            reason=f"a row of more than {self._max_masked_row} bytes cannot be masked; the result ends here",
            session=self._session,
            policy=self._policy,
        )
        effects.append(CancelTarget())

    # ---- messages

    def _control(self, data: bytes, begin: int, start: int, end: int, effects: list[Effect]) -> int:
        """One message that is no row.  Gives where bytes begin that have not gone on yet."""
        tag = data[start]
        head = self._head()
        shown: bytes | None = None  # what goes in its place; None: the message itself
        recorded: bytes | None = None
        dropped = self._muted or (head is not None and head.own)
        if tag == 90:  # Z
            dropped = self._ready(data, start, end, effects)
        elif tag == 67:  # C
            self._completed_tag(data[start + HEADER : end - 1])
            if head is not None and head.cut:
                _pass(data, begin, start, effects)
                self._end_cut(head, effects, completed=True)
                return end
            self._result_ended(head, effects)
        elif tag == 69:  # E
            _pass(data, begin, start, effects)
            self._error(data, start, end, effects)
            return end
        elif tag == 84:  # T
            dropped = self._described(data[start + HEADER : end], dropped)
        elif tag == 110:  # n
            dropped = self._described(None, dropped)
        elif tag == 83:  # S
            dropped = self._parameter(data[start + HEADER : end], dropped)
        elif tag in (78, 65):  # N, A
            dropped = False if tag == 65 else dropped
            shown, recorded = self._spoken(tag, data[start + HEADER : end], head)
        elif tag == 49:  # 1
            self._settled(PARSE)
        elif tag == 50:  # 2
            self._settled(BIND)
        elif tag == 51:  # 3
            self._settled(CLOSE)
        elif tag in (73, 115):  # I, s
            self._result_ended(head, effects)
        elif tag == 71:  # G
            self._copy_in_begins()
        elif tag == 72:  # H
            self._copy_out_begins(data[start + HEADER : end])
        elif tag == 99:  # c: CopyDone of a COPY TO
            if head is not None and head.copy_mask is not None:
                rest: bytes = head.copy_mask.finish()
                if rest:
                    shown = pgmessages.message(b"d", rest) + data[start:end]
        elif tag == 116:  # t belongs to a Describe that goes on
            pass
        else:
            raise ProtocolViolation(f"the target sent a message '{chr(tag)}', which has no place here")
        if not dropped and shown is None:
            return begin
        _pass(data, begin, start, effects)
        if not dropped and shown is not None:
            effects.append(ToClient(shown, recorded))
        return end

    def _settled(self, kind: int) -> None:
        head = self._head()
        if head is None or head.kind != kind:
            raise ProtocolViolation("the target answered what was not asked")
        self._popped(self.expected.popleft(), done=True)

    def _popped(self, expect: Expect, done: bool) -> None:
        if expect.marks:
            self.marks -= 1
        if expect.name is not None:
            if done:
                expect.name.settle()
            else:
                expect.name.undo()

    def _result_ended(self, head: Expect | None, effects: list[Effect]) -> None:
        """CommandComplete, EmptyQueryResponse or PortalSuspended."""
        if head is None:
            raise ProtocolViolation("the target completed what was not asked")
        self.copy_in = False
        if head.kind == EXECUTE:
            self.expected.popleft()
            self._popped(head, done=True)
            self._report(head, effects, "")
        elif head.kind == QUERY:
            head.row_mask = head.copy_mask = None
        else:
            raise ProtocolViolation("the target completed what was not asked")

    def _report(self, expect: Expect, effects: list[Effect], note: str) -> None:
        """A Completed where the bytes do not say it themselves."""
        if expect.number and (expect.masked or note):
            effects.append(Completed(expect.number, expect.rows, expect.masked, note))

    def _completed_tag(self, tag: bytes) -> None:
        if tag.startswith(_DDL):
            self._changed = True
        if tag.startswith((b"PREPARE", b"DISCARD", b"DEALLOCATE ALL")):
            self.reset_statements = True
        if tag.startswith((b"DECLARE", b"CLOSE")):
            self.reset_portals = True

    def _described(self, body: bytes | None, dropped: bool) -> bool:
        """RowDescription, or NoData: the answer to a Describe, or the head of a Query's next result."""
        head = self._head()
        if head is None:
            raise ProtocolViolation("the target described what was not asked")
        if head.kind == DESCRIBE:
            self.expected.popleft()
            target = self._head()
            if not head.own or target is None or body is None:
                return dropped or head.own
        elif head.kind == QUERY:
            target = head
        else:
            raise ProtocolViolation("the target described what was not asked")
        if body is not None and target.answer.masks is not None:
            fields = pgmessages.read_row_description(body)
            target.row_mask = target.answer.masks.row_mask(fields, self._max_masked_row)
        return dropped or head.own

    # ---- COPY

    def _copy_in_begins(self) -> None:
        """What was sent behind the statement in the meantime is only Sync: the target ignores it while it copies."""
        head = self._head()
        if head is None or head.kind not in (QUERY, EXECUTE):
            raise ProtocolViolation("the target asked for data that was not offered")
        self.copy_in = head.copying = True
        if head.kind == EXECUTE:
            while len(self.expected) > 1 and self.expected[1].kind == SYNC:
                del self.expected[1]

    def _copy_out_begins(self, body: bytes) -> None:
        head = self._head()
        if head is None or head.kind not in (QUERY, EXECUTE):
            raise ProtocolViolation("the target sends data that was not asked for")
        if head.answer.masks is not None:
            head.copy_mask = head.answer.masks.copy_mask(self._max_masked_row)

    # ---- the end of an exchange

    def _ready(self, data: bytes, start: int, end: int, effects: list[Effect]) -> bool:
        """ReadyForQuery.  Gives whether the client must not see it."""
        head = self._head()
        if head is None or head.kind not in (QUERY, FUNCTION, SYNC) or end - start != HEADER + 1:
            raise ProtocolViolation("the target is ready for what was not asked")
        status = chr(data[start + HEADER])
        if status not in "ITE":
            raise ProtocolViolation("a transaction status that there is none of")
        self.expected.popleft()
        self._popped(head, done=not head.failed)
        self.status = status
        self._muted = self.copy_in = False
        if head.kind != SYNC:
            self._report(head, effects, "")
        if status == "I":
            self.reset_portals = True
            if self._changed:
                self._changed = False
                effects.append(CatalogueChanged())
        return head.own

    def _error(self, data: bytes, start: int, end: int, effects: list[Effect]) -> None:
        """ErrorResponse: of a statement, of our substitute for one, of our cancel, or the target's last word."""
        body = data[start + HEADER : end]
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
        self.copy_in = False
        head.failed = True
        if head.cut:
            self._end_cut(head, effects, completed=False)
        elif head.denial is not None and head.nonce in body:
            if not self._muted:
                effects.append(ToClient(words.denied(head.denial, self.encoding)))
            self._report(head, effects, head.denial.decision.value)
        elif not self._muted and (not head.own or head.kind == DESCRIBE):  # as the Execute behind it would have failed
            self._tell(fields, head, effects)
        self._skipped(head)

    def _skipped(self, head: Expect) -> None:
        """After an error in the extended protocol the target skips up to Sync; a Query and a function call end with
        ReadyForQuery of their own."""
        if head.kind in (QUERY, FUNCTION, SYNC):
            return
        while self.expected and self.expected[0].kind != SYNC:
            self._popped(self.expected.popleft(), done=False)

    def _end_cut(self, head: Expect, effects: list[Effect], completed: bool) -> None:
        """A result that was cut ends: with our error, and whether the target had completed the statement."""
        denial = head.denial or self._over_budget(head)
        if not self._muted:
            effects.append(ToClient(words.denied(denial, self.encoding, {"completed": completed})))
        self._report(head, effects, denial.decision.value + (", completed" if completed else ""))
        head.masked = 0
        if completed:
            self._muted = True  # for the client this is an error: it expects nothing more before ReadyForQuery
            if head.kind == EXECUTE:
                self.expected.popleft()
                self._popped(head, done=True)

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

    def _tell(self, fields: list[tuple[bytes, bytes]], head: Expect | None, effects: list[Effect]) -> None:
        shown = self._screened(fields, head)
        data = pgmessages.report(b"E", shown)
        effects.append(ToClient(data, self._without_text(b"E", shown, head)))

    def _spoken(self, tag: int, body: bytes, head: Expect | None) -> tuple[bytes | None, bytes | None]:
        """A notice or a notification, masked; None where nothing changes."""
        masks = self._masks(head)
        redacted = head is not None and head.answer.redact
        if masks is None and not redacted:
            return None, None
        if tag == 65:
            here = body.find(b"\0", 4) + 1
            payload = body[here:-1]
            text = masks.text(payload) if masks is not None else payload
            return pgmessages.message(b"A", body[:here] + text + b"\0"), None
        fields = self._screened(pgmessages.report_fields(body), head)
        return pgmessages.report(b"N", fields), self._without_text(b"N", fields, head)

    def _masks(self, head: Expect | None) -> Any:
        if head is not None and head.answer.masks is not None:
            return head.answer.masks
        return self.ambient_masks

    def _screened(self, fields: list[tuple[bytes, bytes]], head: Expect | None) -> list[tuple[bytes, bytes]]:
        """Withheld where the statement reads a masked column; masked by pattern elsewhere."""
        masks = self._masks(head)
        if masks is None:
            return fields
        if masks.errors:
            return _withheld(fields)
        return [(name, value if name in _SHOWN_FIELDS else masks.text(value)) for name, value in fields]

    def _without_text(self, tag: bytes, fields: list[tuple[bytes, bytes]], head: Expect | None) -> bytes | None:
        """What the record gets of a redacted operation's errors; None: the same."""
        if head is None or not head.answer.redact:
            return None
        return pgmessages.report(tag, _withheld(fields))

    def _parameter(self, body: bytes, dropped: bool) -> bool:
        """ParameterStatus: what text means must not shift; the target's own name for us must stand."""
        name, _, value = body[:-1].partition(b"\0")
        if name == b"standard_conforming_strings" and value != b"on":
            self.violation = "standard_conforming_strings was set to another value than on"
        elif name == b"client_encoding":
            said = value.decode("ascii", "replace")
            self.encoding = said
            if said not in ENCODINGS:
                self.violation = f"client_encoding was set to {said}, which cannot be judged safely"
        elif name == b"application_name" and self._application_name:
            if value == self._application_name:
                return True  # our own doing
            self.renamed = True
        return False


def _withheld(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in fields if name in _SHOWN_FIELDS]
    return [*kept, (b"M", words.HIDDEN)]


def _pass(data: bytes, begin: int, end: int, effects: list[Effect]) -> None:
    """These bytes go on as they are; the whole read as the object that it was."""
    if begin == 0 and end == len(data):
        if end:
            effects.append(ToClient(data))
    elif begin < end:
        effects.append(ToClient(data[begin:end]))
