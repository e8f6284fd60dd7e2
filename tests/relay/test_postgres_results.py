"""What becomes of a target's rows and words: masks, limits, errors, notices; plain values only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import GO, NEXT_STATEMENT, Allowance, Answer, Meter
from hoopgw.model.errors import MalformedFrame
from hoopgw.model.operation import EXECUTE, Operation
from hoopgw.relay.effects import CancelTarget, CatalogueChanged, Completed, Hangup, ToClient
from hoopgw.wire.pgmessages import message, report_fields
from tests.relay.pgbytes import (
    BOUND,
    COPY_OUT,
    NO_DATA,
    PARSED,
    SUSPENDED,
    SYNC,
    SYNTAX_ERROR,
    Session,
    always,
    bind,
    columns,
    complete,
    copy_data,
    describe,
    execute,
    failed,
    function,
    notice,
    of,
    parse,
    query,
    ready,
    refused,
    relay,
    row,
    shown,
    to_client,
    to_target,
)

EXTENDED = parse(b"", b"select") + bind(b"", b"") + execute(b"") + SYNC


class Stars:
    """A mask that puts stars for every value: rows keep their framing, so that it shows where it was called."""

    def __init__(self) -> None:
        self.masked = 0

    def apply(self, data: bytes, start: int, end: int) -> bytes:
        shown, here = [], start
        while here < end:
            stop = here + 1 + int.from_bytes(data[here + 1 : here + 5], "big")
            assert data[here : here + 1] == b"D" and stop <= end, "not a run of whole rows"
            shown.append(message(b"D", b"*" * (stop - here - 5)))
            self.masked += 1
            here = stop
        return b"".join(shown)


class StarsInCopy:
    """Lets whole lines go on, masked."""

    def __init__(self, most: int) -> None:
        self.masked = 0
        self._kept = b""
        self._most = most

    def apply(self, data: bytes, start: int, end: int) -> tuple[bytes | None, int]:
        return None, start

    def feed(self, payload: bytes) -> bytes:
        *lines, self._kept = (self._kept + payload).split(b"\n")
        if len(self._kept) > self._most:
            raise MalformedFrame("a row that is too long")
        self.masked += len(lines)
        return b"*\n" * len(lines)

    def finish(self) -> bytes:
        return b"(rest)\n" if self._kept else b""


class Masks:
    """As policy's: what it was asked for is kept."""

    def __init__(self, errors: bool = False, rows: bool = True) -> None:
        self.errors = errors
        self.rows = rows
        self.asked: list[list[bytes]] = []

    def __and__(self, other: object) -> "Masks":
        return self

    def row_mask(self, fields: Sequence[tuple[bytes, int, int, int, int]], max_row: int, place: int) -> Stars | None:
        self.asked.append([name for name, *_ in fields])
        return Stars() if self.rows else None

    def copy_mask(self, max_row: int, fields: int) -> StarsInCopy:
        return StarsInCopy(max_row)

    def text(self, data: bytes) -> bytes:
        return data.replace(b"secret", b"******")


def masking(masks: Masks, word: bytes = b"") -> Session:
    return Session(relay(max_masked_row=200), lambda operation: Answer(masks=masks) if word in operation.text else GO)


def limited(rows: int | None = None, size: int | None = None) -> Session:
    return Session(relay(), always(Answer(meter=Meter((Allowance("so many", rows, size, "few", resets=1e9),)))))


def error(data: bytes) -> dict[bytes, bytes]:
    here = 0
    while data[here : here + 1] != b"E":
        here += 1 + int.from_bytes(data[here + 1 : here + 5], "big")
    return dict(report_fields(data[here + 5 : here + 1 + int.from_bytes(data[here + 1 : here + 5], "big")]))


class Masked(SynchronousTestCase):
    def test_query(self) -> None:
        """Rows are masked by the columns that their own RowDescription names, statement by statement."""
        masks = Masks()
        session = masking(masks)
        session.client(query(b"a; b"))
        effects = session.target(
            columns(b"x") + row(b"1") + complete(b"SELECT 1") + columns(b"y", b"z") + row(b"2", b"3") * 2
            + complete(b"SELECT 2") + ready()
        )  # fmt: skip
        self.assertEqual(masks.asked, [[b"x"], [b"y", b"z"]])
        told = to_client(effects)
        self.assertEqual(told.count(b"*" * 7), 1 + 2 * 1)
        self.assertEqual(told[-6:], ready())
        self.assertEqual(shown(of(effects, Completed)), [("Completed", 1, 3, 3, "")])

    def test_execute_without_describe(self) -> None:
        """The gateway asks for the columns itself, and the client sees nothing of that."""
        masks = Masks()
        session = masking(masks)
        sent = to_target(session.client(EXTENDED))
        own = describe(b"P", b"")
        self.assertEqual(sent, parse(b"", b"select") + bind(b"", b"") + own + execute(b"") + SYNC)
        effects = session.target(PARSED + BOUND + columns(b"x") + row(b"1") + complete(b"SELECT 1") + ready())
        expected = PARSED + BOUND + message(b"D", b"*" * 7) + complete(b"SELECT 1") + ready()
        self.assertEqual((to_client(effects), masks.asked), (expected, [[b"x"]]))

    def test_execute_that_gives_no_rows(self) -> None:
        """NoData is swallowed as well."""
        session = masking(Masks())
        session.client(EXTENDED)
        effects = session.target(PARSED + BOUND + NO_DATA + complete(b"INSERT 0 1") + ready())
        self.assertEqual(to_client(effects), PARSED + BOUND + complete(b"INSERT 0 1") + ready())

    def test_own_describe_fails(self) -> None:
        """Where the gateway's Describe fails the Execute would have failed: the client gets that error, once."""
        session = masking(Masks())
        session.client(execute(b"p") + SYNC)
        wrong = failed(b"34000", b"portal does not exist")
        self.assertEqual(to_client(session.target(wrong + ready())), wrong + ready())
        self.assertFalse(session.relay.in_flight)

    def test_rows_without_columns(self) -> None:
        """must-survive 19: rows that must be masked and were not described end the session; none is shown."""
        for asked, answer in ((query(b"a"), b""), (EXTENDED, PARSED + BOUND + NO_DATA)):
            session = masking(Masks())
            session.client(asked)
            effects = session.target(answer + row(b"secret"))
            self.assertNotIn(b"secret", to_client(effects))
            self.assertIn(Hangup, map(type, effects))

    def test_rows_that_nobody_asked_for(self) -> None:
        """Rows where none are expected end the session; none is shown."""
        for asked, answer in (
            (b"", row(b"secret")),
            (SYNC, row(b"secret")),
            (query(b"a"), copy_data(b"secret")),
            (query(b"a"), message(b"V", b"secret")),
            (function(1), row(b"secret")),
            (EXTENDED, PARSED + row(b"secret")),
            (SYNC, row(b"secret")[:12]),
            (query(b"drop"), row(b"secret")),
        ):
            session = Session(relay(), lambda each: refused() if each.text == b"drop" else GO)
            if asked:
                session.client(asked)
            effects = session.target(answer)
            self.assertNotIn(b"secr", to_client(effects))
            self.assertIn(Hangup, map(type, effects), asked)

    def test_only_its_own_statement(self) -> None:
        """The masks of one statement are not those of the next."""
        session = masking(Masks(), b"mask")
        session.client(query(b"mask") + query(b"other"))
        answer = columns(b"x") + row(b"1") + complete(b"SELECT 1") + ready()
        told = to_client(session.target(answer * 2))
        self.assertEqual((told.count(b"*"), told[-len(answer) :]), (7, answer))

    def test_nothing_to_mask(self) -> None:
        """Masks that have nothing to do with a result leave the bytes as the object that they were."""
        session = masking(Masks(rows=False))
        session.client(query(b"a"))
        answer = columns(b"x") + row(b"1") + complete(b"SELECT 1") + ready()
        (told,) = session.target(answer)
        assert isinstance(told, ToClient)
        self.assertIs(told.data, answer)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.integers(0, 400)))
    def test_any_cut(self, places: list[int]) -> None:
        """must-survive 19: rows split over reads in any way are masked the same."""
        answer = columns(b"x") + row(b"1" * 9) * 9 + complete(b"SELECT 9") + ready()
        edges = [0, *sorted({place % (len(answer) + 1) for place in places}), len(answer)]
        session = masking(Masks())
        session.client(query(b"a"))
        told = b"".join([to_client(session.target(answer[a:b])) for a, b in pairwise(edges)])
        self.assertEqual(told, columns(b"x") + message(b"D", b"*" * 15) * 9 + complete(b"SELECT 9") + ready())

    def test_row_too_long(self) -> None:
        """A row over the bound ends the result: cancelled upstream, ZG006, nothing of the row or behind it."""
        session = masking(Masks())
        session.client(query(b"a"))
        effects = session.target(columns(b"x") + row(b"1") + row(b"y" * 300)[:40])
        self.assertIn(CancelTarget, map(type, effects))
        effects = session.target(row(b"y" * 300)[40:] + row(b"2") + failed(b"57014", b"canceled") + ready())
        self.assertEqual(error(to_client(effects))[b"C"], b"ZG006")
        self.assertNotIn(b"yy", to_client(effects))
        self.assertEqual(to_client(effects)[-6:], ready())

    def test_copy(self) -> None:
        """COPY TO STDOUT: whole rows go on, reframed; what is left comes with CopyDone."""
        session = masking(Masks())
        session.client(query(b"copy"))
        effects = session.target(COPY_OUT + copy_data(b"a\nb") + copy_data(b"c\n") + copy_data(b"d"))
        self.assertEqual(to_client(effects), COPY_OUT + copy_data(b"*\n") * 2)
        end = message(b"c", b"") + complete(b"COPY 3") + ready()
        effects = session.target(end)
        self.assertEqual(to_client(effects), copy_data(b"(rest)\n") + end)
        self.assertEqual(shown(of(effects, Completed)), [("Completed", 1, 3, 2, "")])

    def test_copy_row_too_long(self) -> None:
        """A row of a COPY over the bound ends it in the same way."""
        session = masking(Masks())
        session.client(query(b"copy"))
        effects = session.target(COPY_OUT + copy_data(b"a\n") + copy_data(b"y" * 150) + copy_data(b"y" * 150))
        self.assertEqual(to_client(effects), COPY_OUT + copy_data(b"*\n"))
        self.assertIn(CancelTarget, map(type, effects))
        effects = session.target(copy_data(b"z\n") + message(b"c", b"") + complete(b"COPY 2") + ready())
        fields = error(to_client(effects))
        self.assertEqual((fields[b"C"], json.loads(fields[b"D"])["completed"]), (b"ZG006", True))
        self.assertNotIn(b"z", to_client(effects))

    def test_function_result(self) -> None:
        """What a function call gives has no origin: with masks it is NULL."""
        session = masking(Masks())
        session.client(function(5))
        told = to_client(session.target(message(b"V", b"\0\0\0\6secret") + ready()))
        self.assertEqual(told, message(b"V", b"\xff\xff\xff\xff") + ready())


class Limited(SynchronousTestCase):
    def test_within(self) -> None:
        """Within its limits a read goes on as the object that it was, counted."""
        session = limited(3)
        session.client(query(b"a"))
        answer = columns(b"x") + row(b"1") * 3 + complete(b"SELECT 3") + ready()
        (told,) = session.target(answer)
        assert isinstance(told, ToClient)
        self.assertIs(told.data, answer)
        self.assertEqual(session.relay.rows_passed, 3)

    def test_cut(self) -> None:
        """Cut at the row, cancelled, the rest swallowed, the target's 57014 replaced; then its true state."""
        session = limited(2)
        session.client(query(b"a"))
        effects = session.target(columns(b"x") + row(b"1") * 5 + row(b"2")[:4])
        self.assertEqual(to_client(effects), columns(b"x") + row(b"1") * 2)
        self.assertEqual(len(of(effects, CancelTarget)), 1)
        effects = session.target(row(b"2")[4:] + row(b"3") + failed(b"57014", b"canceling") + ready(b"E"))
        fields = error(to_client(effects))
        detail = json.loads(fields[b"D"])
        self.assertEqual((fields[b"C"], detail["decision"], detail["completed"]), (b"ZG005", "over-budget", False))
        self.assertEqual(detail["expires"], "2001-09-09T01:46:40Z")
        self.assertEqual(to_client(effects)[-6:], ready(b"E"))
        self.assertEqual(shown(of(effects, Completed)), [("Completed", 1, 2, 0, "over-budget")])
        self.assertEqual((session.relay.rows_passed, session.relay.transaction_status), (2, "E"))

    def test_cut_where_a_read_ends(self) -> None:
        """A row that is dropped in pieces, the last of which is a whole read, leaves nothing behind: the
        rows of the next result come whole, in whatever pieces."""
        few = limited(1).decide
        session = Session(relay(), lambda asked: few(asked) if asked.text == b"few" else GO)
        session.client(query(b"few") + query(b"all"))
        session.target(columns(b"x") + row(b"1") * 2 + row(b"2" * 50)[:20])
        session.target(row(b"2" * 50)[20:])
        session.target(failed(b"57014", b"canceling") + ready())
        answer = columns(b"x") + row(b"a" * 1000) + row(b"b") + complete(b"SELECT 2") + ready()
        told = b"".join(to_client(session.target(answer[at : at + 100])) for at in range(0, len(answer), 100))
        self.assertEqual(told, answer)

    def test_in_parts(self) -> None:
        """A portal that is asked for some rows at a time, in one pipeline or over Syncs, is one statement; another Bind
        of the same name is another, and other bounds are counted by whoever made them."""
        asked: list[Allowance] = []

        def few(operation: Operation) -> Answer:
            if operation.kind != EXECUTE:
                return GO
            asked.append(Allowance("three", 3, None, "few", renews=NEXT_STATEMENT))
            return Answer(meter=Meter((asked[-1], Allowance("five", 5, None, "of this one"))))

        two = row(b"1") * 2 + SUSPENDED
        for name in (b"", b"p"):
            session = Session(relay(), few)
            session.client(query(b"begin"))
            session.target(complete(b"BEGIN") + ready(b"T"))
            session.client(parse(b"s", b"select") + bind(name, b"s") + execute(name, 2) + execute(name, 2) + SYNC)
            told = to_client(session.target(PARSED + BOUND + two + two + ready(b"T")))
            self.assertEqual((told.count(row(b"1")), told.count(b"CZG005")), (3, 1))
            session.client(execute(name, 2) + SYNC)
            told = to_client(session.target(two + ready(b"T")))
            self.assertEqual((told.count(row(b"1")), told.count(b"CZG005")), (0, 1))
            session.client((bind(name, b"s") + execute(name, 2)) * 3 + SYNC)
            told = to_client(session.target((BOUND + two) * 3 + ready(b"T")))
            self.assertEqual((told.count(row(b"1")), told.count(b"CZG005")), (6, 0))
        self.assertEqual([each.rows_used for each in asked], [3, 0, 0, 2, 2, 2] * 2)

    def test_completed_before_the_cancel(self) -> None:
        """What the target had completed is said to be; what ran behind it in the pipeline is noted, and not shown."""
        session = limited(1)
        session.client(EXTENDED[:-5] + EXTENDED)
        one = PARSED + BOUND + row(b"1") * 3 + complete(b"SELECT 3")
        effects = session.target(one + one + ready())
        told = to_client(effects)
        self.assertEqual(told[: len(PARSED + BOUND + row(b"1"))], PARSED + BOUND + row(b"1"))
        self.assertTrue(json.loads(error(told)[b"D"])["completed"])
        self.assertEqual((told.count(b"CZG005"), told[-6:]), (1, ready()))
        notes = [(each[1], each[4]) for each in shown(of(effects, Completed))]  # type: ignore[index]
        self.assertEqual(notes, [(3, "over-budget, completed"), (6, "ran, and was not shown")])
        self.assertFalse(session.relay.in_flight)

    def test_portal_suspended(self) -> None:
        """A part of a result that was cut is an error too, not a suspended portal."""
        session = limited(1)
        session.client(EXTENDED)
        told = to_client(session.target(PARSED + BOUND + row(b"1") * 3 + SUSPENDED + ready()))
        self.assertNotIn(SUSPENDED, told)
        self.assertFalse(json.loads(error(told)[b"D"])["completed"])

    def test_bytes(self) -> None:
        """A byte bound cuts before the row that would pass it, also one that no read holds whole."""
        session = limited(size=1000)
        session.client(query(b"a"))
        effects = session.target(columns(b"x") + row(b"1" * 500) + row(b"2" * 5000)[:600])
        self.assertEqual(to_client(effects), columns(b"x") + row(b"1" * 500))
        self.assertEqual(len(of(effects, CancelTarget)), 1)
        effects = session.target(row(b"2" * 5000)[600:] + complete(b"SELECT 2") + ready())
        self.assertEqual(error(to_client(effects))[b"C"], b"ZG005")
        self.assertNotIn(b"22", to_client(effects).replace(b"2001", b""))

    def test_several_statements_of_a_query(self) -> None:
        """After a cut nothing of the same text is shown, and one error is."""
        session = limited(1)
        session.client(query(b"a; b"))
        one = columns(b"x") + row(b"1") * 3 + complete(b"SELECT 3")
        told = to_client(session.target(one + one + ready()))
        self.assertEqual((told.count(row(b"1")), told.count(b"CZG005"), told.count(b"SELECT")), (1, 1, 0))

    def test_function(self) -> None:
        """A function call's result over the bound is an error before ReadyForQuery."""
        session = limited(size=10)
        session.client(function(5))
        told = to_client(session.target(message(b"V", b"\0\0\0\x14" + b"x" * 20) + ready()))
        self.assertEqual((error(told)[b"C"], told[-6:]), (b"ZG005", ready()))
        self.assertNotIn(b"xxx", told)


class Words(SynchronousTestCase):
    def test_withheld(self) -> None:
        """must-survive 19: of a statement that reads a masked column only severity, SQLSTATE and position are told."""
        session = masking(Masks(errors=True))
        session.client(query(b"a"))
        wrong = failed(b"23505", b"duplicate", D=b"Key (email)=(ann@example.org)", P=b"7", W=b"where", q=b"select")
        told = to_client(session.target(notice(b"ann@example.org") + wrong + ready()))
        self.assertNotIn(b"example", told)
        fields = error(told)
        self.assertEqual((fields[b"C"], fields[b"P"], sorted(fields)), (b"23505", b"7", [b"C", b"M", b"P", b"S", b"V"]))

    def test_why_it_stopped(self) -> None:
        """Why PostgreSQL cancelled or ended it is told where the whole message is the same whatever the values are."""
        for said, told in (
            (b"canceling statement due to statement timeout", True),
            (b"terminating connection due to administrator command", True),
            (b"canceling statement due to ann@example.org", False),
        ):
            session = masking(Masks(errors=True))
            session.client(query(b"a"))
            answer = to_client(session.target(failed(b"57014", said, D=b"ann@example.org") + ready()))
            self.assertEqual((said in answer, b"withheld" in answer, b"example" in answer), (told, not told, False))

    def test_deferred(self) -> None:
        """must-survive 19: what is deferred to the end of a transaction that read a masked column is withheld too."""
        session = masking(Masks(errors=True), b"mask")
        session.client(parse(b"", b"mask") + bind(b"", b"") + execute(b"") + SYNC)
        wrong = failed(b"23505", b"ann@example.org")
        told = to_client(session.target(PARSED + BOUND + NO_DATA + complete(b"UPDATE 1") + wrong + ready()))
        self.assertEqual((error(told)[b"C"], b"example" in told), (b"23505", False))
        session.client(query(b"begin") + query(b"mask") + query(b"commit"))
        told = to_client(
            session.target(complete(b"BEGIN") + ready(b"T") + complete(b"UPDATE 1") + ready(b"T") + wrong + ready(b"I"))
        )
        self.assertEqual((error(told)[b"C"], b"example" in told), (b"23505", False))
        session.client(query(b"commit"))
        self.assertIn(b"example", to_client(session.target(wrong + ready())))

    def test_patterns(self) -> None:
        """Where patterns are masked they are in errors and notices; SQLSTATE is never."""
        session = masking(Masks())
        session.client(query(b"a"))
        told = to_client(session.target(notice(b"a secret") + failed(b"P0001", b"the secret") + ready()))
        self.assertEqual((told.count(b"secret"), told.count(b"******")), (0, 2))
        self.assertEqual(error(told)[b"C"], b"P0001")

    def test_ambient(self) -> None:
        """Notices and notifications at any time have the session's own patterns."""
        one = relay()
        one.screen(Masks())
        session = Session(one)
        told = to_client(session.target(notice(b"secret") + message(b"A", b"\0\0\0\1secret\0a secret\0")))
        self.assertEqual(told, notice(b"******") + message(b"A", b"\0\0\0\1secret\0a ******\0"))

    def test_notifications_always_pass(self) -> None:
        """A notification belongs to no statement: also between rows that are not shown it reaches the client."""
        session = limited(1)
        session.client(query(b"a"))
        told = to_client(session.target(columns(b"x") + row(b"1") * 2 + complete(b"SELECT 2")))
        heard = message(b"A", b"\0\0\0\1channel\0payload\0")
        self.assertIn(b"ZG005", told)
        self.assertEqual(to_client(session.target(notice(b"not shown") + heard + ready())), heard + ready())

    def test_redacted(self) -> None:
        """Of a redacted operation the client reads the error, the record its SQLSTATE."""
        session = Session(relay(), always(Answer(redact=True)))
        session.client(query(b"alter role x password 'y'"))
        wrong = failed(b"42601", b"near 'y'", P=b"3")
        told, _, changed = session.target(wrong + ready())
        assert isinstance(changed, CatalogueChanged)
        assert isinstance(told, ToClient)
        assert told.recorded is not None
        self.assertEqual(told.data, wrong)
        self.assertNotIn(b"near", told.recorded)
        self.assertEqual(dict(report_fields(told.recorded[5:]))[b"C"], b"42601")

    def test_errors_as_they_come(self) -> None:
        """must-survive 8: errors without SQLSTATE, with unknown fields, or with none, pass and end what they end."""
        for body in (b"SERROR\0Mno state\0\0", b"SERROR\0C42601\0Zwhat\0zelse\0\0", b"\0", b"", b"S"):
            session = Session(relay())
            session.client(EXTENDED)
            effects = session.target(message(b"E", body) + ready())
            self.assertEqual(of(effects, Hangup), [])
            self.assertEqual(to_client(effects)[:1], b"E")
            self.assertFalse(session.relay.in_flight)

    def test_quoted_nonce_of_another(self) -> None:
        """An error that quotes a nonce where nothing was denied is the target's own, and passes."""
        session = Session(relay())
        session.client(query(b"a"))
        self.assertEqual(to_client(session.target(SYNTAX_ERROR + ready())), SYNTAX_ERROR + ready())


class Refused(SynchronousTestCase):
    def test_messages_without_a_place(self) -> None:
        """What a target may not send after the login ends the session: replication, a second login, the unknown."""
        for tag in b"WRKvp\0\xff":
            session = Session(relay())
            session.client(query(b"a"))
            effects = session.target(message(bytes([tag]), b"\0\0\0\0"))
            self.assertEqual((error(to_client(effects))[b"C"], type(effects[-1])), (b"08P01", Hangup), tag)

    def test_answers_without_a_question(self) -> None:
        """An answer that fits nothing that was sent ends the session: masks are never given to another's result."""
        for answer in (PARSED, BOUND, complete(b"SELECT 1"), columns(b"x"), NO_DATA, SUSPENDED, ready(), COPY_OUT):
            effects = Session(relay()).target(answer)
            self.assertEqual(type(effects[-1]), Hangup, answer)
            self.assertNotIn(answer, to_client(effects))

    def test_lengths(self) -> None:
        """must-survive 5: impossible lengths of a target's messages, in each type; what was right before is told."""
        for tag in b"DdVTCZESN1":
            for length in (0, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
                session = Session(relay())
                session.client(query(b"a"))
                effects = session.target(columns(b"x") + row(b"1") + bytes([tag]) + length.to_bytes(4, "big") + b"abc")
                told = to_client(effects)
                self.assertEqual(told[: len(columns(b"x") + row(b"1"))], columns(b"x") + row(b"1"))
                self.assertEqual(error(told)[b"C"], b"08P01", (tag, length))

    def test_violation_behind_a_row_in_pieces(self) -> None:
        """The client gets the rest of the row that it has a part of before it reads of the end."""
        session = Session(relay())
        session.client(query(b"a"))
        big = row(b"x" * 100)
        session.target(columns(b"x") + big[:50])
        told = to_client(session.target(big[50:] + b"\xff\0\0\0\4"))
        self.assertEqual(told[: len(big) - 50], big[50:])
        self.assertEqual(error(told[len(big) - 50 :])[b"C"], b"08P01")
