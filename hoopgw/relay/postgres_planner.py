"""Reads what a client asks of PostgreSQL: messages -> operations to be asked about, and answers to be expected."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import MalformedFrame, ProtocolViolation
from hoopgw.model.operation import BIND, EXECUTE, FUNCTION, PARSE, QUERY, Operation
from hoopgw.relay import postgres_expect as expecting
from hoopgw.relay.postgres_expect import Expect
from hoopgw.relay.postgres_hints import COMMITS, COPIES, DEFINES, hints
from hoopgw.relay.postgres_names import MAX_NAME, Meaning
from hoopgw.relay.postgres_parameters import UTF8
from hoopgw.relay.postgres_plan import Plan
from hoopgw.relay.postgres_replication import takes_data
from hoopgw.relay.postgres_results import Results
from hoopgw.wire import pgmessages
from hoopgw.wire.pgframes import HEADER, message_end, needed

PROTOCOL: Final = "postgresql"
# The text where a name stands for nothing that was seen: no grammar accepts a NUL, so it is refused
UNSEEN: Final = b"\0"
EXECUTES: Final = b"EXECUTE "
FETCHES: Final = b"FETCH ALL FROM "
NO_TYPES: Final = b"\0\0"  # of a Parse that is not known
UNNAMED: Final = b"<unnamed portal>"  # what the unnamed one is called where it is judged by name
MAX_MESSAGE: Final = 0x40000000  # bytes of a CopyData, which passes in pieces: PostgreSQL's own bound

# Tags (documentation, 55.7)
TAG_QUERY: Final = 81
TAG_PARSE: Final = 80
TAG_BIND: Final = 66
TAG_EXECUTE: Final = 69
TAG_FUNCTION: Final = 70
TAG_DESCRIBE: Final = 68
TAG_CLOSE: Final = 67
TAG_SYNC: Final = 83
TAG_FLUSH: Final = 72
TAG_TERMINATE: Final = 88
TAG_COPY_DATA: Final = 100
TAG_COPY_DONE: Final = 99
TAG_COPY_FAIL: Final = 102


@final
class Planner:
    """One session's reader.  `plan` stops at the first message whose meaning depends on an answer to come."""

    def __init__(self, results: Results, max_statement: int) -> None:
        self._results = results
        self._statements = results.statements
        self._portals = results.portals
        self._max_statement = max_statement
        self._segment = 0  # counts what ends a pipeline: Sync, Query, FunctionCall
        self._synced = False  # the plan that is being made has a Sync
        self._number = 0
        self._copies = False  # a statement was prepared that may take COPY data: EXECUTE in SQL runs it as well
        self.gate: Expect | None = None  # may take COPY data; behind it everything waits until that is known

    def plan(self, data: bytes, start: int) -> Plan:
        """Raises WireError for what is not of the protocol."""
        plan = Plan(data, start)
        self._synced = False
        here = start
        while True:
            end = message_end(data, here, MAX_MESSAGE)
            if end == 0:
                break
            tag = data[here]
            if tag != TAG_COPY_DATA:
                self._bound(end - here)
            expect = self._expected(plan, tag, here, end)
            if expect is None:
                plan.waits = True
                break
            plan.messages.append(expect)
            if expect.drop:
                plan.drops = True
            plan.stop = here = end
            if tag == TAG_TERMINATE:
                plan.over = True
                break
        return plan

    def rest(self, data: bytes, here: int) -> tuple[int, bool]:
        """Of the message that begins at `here` and is not whole: how many bytes it needs in all (0: unknown yet), and
        whether what there is of it may go on.  Raises WireError."""
        need = needed(data, here, MAX_MESSAGE)
        if need and data[here] == TAG_COPY_DATA:
            return need, True
        self._bound(need)
        return need, False

    @property
    def waiting(self) -> bool:
        """Nothing may follow until the target has said whether it takes COPY data."""
        return self.gate is not None and not self.gate.copying

    def _bound(self, size: int) -> None:
        if size > self._max_statement + HEADER:
            raise MalformedFrame(f"a message of {size} bytes is longer than the {self._max_statement} allowed here")

    # ---- what must wait

    def _must_wait(self, name: bytes, meaning: Meaning | None) -> bool:
        """Whether what the name means depends on an answer to come."""
        if name and self._results.answers.defining > 0:
            return True
        if meaning is None or meaning.settled:
            return False
        if meaning.skipped is not None:  # up to the Sync, whatever else is skipped with it
            return self._synced
        return meaning.segment != self._segment

    # ---- what a message is

    def _expected(self, plan: Plan, tag: int, start: int, end: int) -> Expect | None:
        """None: it must wait for an answer of the target."""
        data, body = plan.data, start + HEADER
        index = len(plan.operations)
        if self.gate is not None:
            return self._copied(tag, start, end) if self.gate.copying else None
        if tag == TAG_BIND:
            return self._bound_portal(plan, data, start, end)
        if tag == TAG_EXECUTE:
            name = pgmessages.read_name(data, body, end)
            portal = self._portals.look(name)
            if self._must_wait(name, portal):
                return None
            expect = Expect(expecting.EXECUTE, tag, start, end, index, name)
            if portal is None:
                portal = Meaning(by_name(FETCHES, name), b"", self._segment, 0)
            expect.portal = portal
            self._runs(plan, EXECUTE, expect, portal)
            if portal.bound:
                plan.operations[-1].bound = portal.bound
            return expect
        if tag == TAG_SYNC:
            self._segment += 1
            self._synced = True
            return Expect(expecting.SYNC, tag, start, end)
        if tag == TAG_QUERY:
            meaning = self._meaning(_terminated_text(data, body, end))
            if self._results.replication and takes_data(meaning.text):
                meaning.hints |= COPIES
            self._segment += 1
            return self._runs(plan, QUERY, Expect(expecting.QUERY, tag, start, end, index), meaning)
        if tag == TAG_PARSE:
            parse = pgmessages.read_parse(data, body, end)
            meaning = self._meaning(parse.text, parse.types)
            self._copies = self._copies or meaning.hints & COPIES != 0
            expect = self._asked(plan, PARSE, Expect(expecting.PARSE, tag, start, end, index, parse.name), meaning)
            expect.meaning = self._statements.change(parse.name, meaning)
            return expect
        if tag == TAG_FUNCTION:
            if end - body < 4:
                raise MalformedFrame("a FunctionCall without its function")
            oid = int.from_bytes(data[body : body + 4], "big")
            meaning = Meaning(str(oid).encode(), data[body + 4 : end], self._segment, 0)
            self._segment += 1
            return self._asked(plan, FUNCTION, Expect(expecting.FUNCTION, tag, start, end, index), meaning)
        return self._plain(data, tag, start, end)

    def _bound_portal(self, plan: Plan, data: bytes, start: int, end: int) -> Expect | None:
        bind = pgmessages.read_bind(data, start + HEADER, end)
        statement = self._statements.look(bind.statement)
        if self._must_wait(bind.statement, statement):
            return None
        if statement is None:
            return self._bound_by_name(plan, bind, start, end)
        meaning = Meaning(statement.text, statement.parameters + bind.parameters, self._segment, statement.hints)
        index = len(plan.operations)
        expect = self._asked(plan, BIND, Expect(expecting.BIND, TAG_BIND, start, end, index), meaning, bind.statement)
        if bind.portal:
            plan.operations[-1].portal = bind.portal
        expect.meaning = self._portals.change(bind.portal, meaning)
        return expect

    def _bound_by_name(self, plan: Plan, bind: pgmessages.Bind, start: int, end: int) -> Expect:
        """Of what SQL may have prepared: judged as EXECUTE of that name, and what runs then as FETCH of the portal: the
        name may stand for something else by then."""
        expect = Expect(expecting.BIND, TAG_BIND, start, end, len(plan.operations))
        meaning = Meaning(by_name(EXECUTES, bind.statement), NO_TYPES + bind.parameters, self._segment, 0)
        self._asked(plan, BIND, expect, meaning, bind.statement)
        plan.operations[-1].portal = bind.portal
        held = Meaning(by_name(FETCHES, bind.portal or UNNAMED), meaning.parameters, self._segment, DEFINES | COMMITS)
        held.bound = expect.number
        expect.meaning = self._portals.change(bind.portal, held)
        return expect

    def _meaning(self, text: bytes, parameters: bytes = b"") -> Meaning:
        return Meaning(text, parameters, self._segment, hints(text))

    def _asked(self, plan: Plan, kind: str, expect: Expect, meaning: Meaning, name: bytes | None = None) -> Expect:
        """A new operation of the plan; `name` where it is another than the message's own."""
        self._number += 1
        expect.number = self._number
        shown = expect.name if name is None else name
        operation = Operation(PROTOCOL, kind, meaning.text, shown, meaning.parameters, self._number)
        if (expect.kind == expecting.QUERY or expect.kind == expecting.PARSE) and not meaning.text.isascii():
            self._read(plan, operation, meaning)
        plan.operations.append(operation)
        return expect

    def _runs(self, plan: Plan, kind: str, expect: Expect, meaning: Meaning) -> Expect:
        """The same of one that runs a text."""
        expect.hints = meaning.hints
        if meaning.hints & DEFINES:
            self._results.sends_definition()
            if self._copies:
                expect.hints |= COPIES
        if expect.hints & COPIES:
            self.gate = expect
        return self._asked(plan, kind, expect, meaning)

    def _read(self, plan: Plan, operation: Operation, meaning: Meaning) -> None:
        """By which encoding the target does.  One of one byte a character is judged in UTF-8, where it is known."""
        parameters = self._results.parameters
        operation.encoding, operation.folds = self._encoding(plan), parameters.folds
        codec = parameters.codec
        if codec and not plan.messages and self._results.at_rest:
            try:
                meaning.text = operation.text = meaning.text.decode(codec).encode()
                operation.encoding = UTF8
            except UnicodeDecodeError:  # the target does not read it either
                pass

    def _encoding(self, plan: Plan) -> str:
        """Of the text that is read now.  UTF-8 may be taken back by what is before it and not answered, also by an
        error or the end of a transaction; anything else is not trusted to be."""
        name = self._results.parameters.texts
        return "" if name == UTF8 and (plan.messages or not self._results.at_rest) else name

    def _plain(self, data: bytes, tag: int, start: int, end: int) -> Expect:
        """Messages that need no decision."""
        if tag == TAG_DESCRIBE:
            return Expect(expecting.DESCRIBE, tag, start, end)
        if tag == TAG_CLOSE:
            return self._closed(data, start, end)
        if tag == 112:
            raise ProtocolViolation("a password message after the login")
        if tag not in (TAG_FLUSH, TAG_TERMINATE, TAG_COPY_DATA, TAG_COPY_DONE, TAG_COPY_FAIL):
            raise ProtocolViolation(f"a message of the unknown kind {tag}")
        # COPY data where no COPY is: what follows a COPY that failed; the target ignores it
        return Expect(expecting.NOTHING, tag, start, end)

    def _closed(self, data: bytes, start: int, end: int) -> Expect:
        body = start + HEADER
        name = pgmessages.read_name(data, body + 1, end)
        expect = Expect(expecting.CLOSE, TAG_CLOSE, start, end)
        if data[body] == 83:
            names = self._statements
        elif data[body] == 80:
            names = self._portals
        else:
            raise MalformedFrame("a Close of something that is neither statement nor portal")
        expect.meaning = names.change(name, Meaning(b"", b"", self._segment, 0, True))
        return expect

    def _copied(self, tag: int, start: int, end: int) -> Expect:
        """While the target takes COPY data.

        Sync and Flush are ignored by it then, and not answered (documentation, 55.2.7): they do not go on.
        """
        expect = Expect(expecting.NOTHING, tag, start, end)
        if tag in (TAG_SYNC, TAG_FLUSH):
            expect.drop = True
        elif tag in (TAG_COPY_DONE, TAG_COPY_FAIL):
            assert self.gate is not None
            self.gate.copying = False
            if self.gate.kind == expecting.EXECUTE:
                self.gate = None  # a Query's text may copy once more: there the gate stays until all of it is answered
        elif tag != TAG_COPY_DATA and tag != TAG_TERMINATE:
            raise ProtocolViolation(f"a message of the kind {tag} while data is copied")
        return expect


def by_name(verb: bytes, name: bytes) -> bytes:
    """The statement that does this with what SQL has given that name."""
    if not name or len(name) > MAX_NAME or not name.isascii():  # another one to PostgreSQL (postgres_names)
        return UNSEEN
    return verb + b'"' + name.replace(b'"', b'""') + b'"'


def _terminated_text(data: bytes, start: int, end: int) -> bytes:
    """The text of a Query.  A NUL inside it would end it for the target: refused."""
    if end <= start or data[end - 1] != 0:
        raise MalformedFrame("a Query whose text is not terminated")
    text = data[start : end - 1]
    if 0 in text:
        raise MalformedFrame("a Query whose text is terminated twice")
    return text
