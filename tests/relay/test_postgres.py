"""The relay of PostgreSQL: what is asked, what goes on, what fails in place of what is denied."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import GO, Answer, Decision, Denial
from hoopgw.model.events import Code
from hoopgw.model.operation import Operation
from hoopgw.relay.effects import (
    RECORDED,
    Ask,
    CatalogueChanged,
    Completed,
    Defined,
    Effect,
    Hangup,
    PauseClient,
    ResumeClient,
    ToClient,
    ToTarget,
)
from hoopgw.relay.postgres import MAX_KEPT
from hoopgw.relay.postgres_planner import UNSEEN
from hoopgw.wire.pgmessages import message, report_fields
from tests.relay.pgbytes import (
    BOUND,
    CLOSED,
    COPY_DONE,
    COPY_IN,
    FLUSH,
    NO_DATA,
    NONCE,
    PARSED,
    RENAMED,
    SUBSTITUTE_QUERY,
    SYNC,
    SYNTAX_ERROR,
    TERMINATE,
    Session,
    bind,
    close,
    columns,
    complete,
    copy_data,
    describe,
    execute,
    failed,
    function,
    known,
    of,
    parameter,
    parse,
    query,
    ready,
    refused,
    relay,
    renaming,
    row,
    shown,
    to_client,
    to_target,
)

EXTENDED = parse(b"", b"select $1") + bind(b"", b"", b"1") + describe(b"P", b"") + execute(b"") + SYNC
RESULT = columns(b"a") + row(b"1") + complete(b"SELECT 1")


def refuse(word: bytes) -> Session:
    return Session(relay(), lambda operation: refused() if word in operation.text else GO)


def error_of(data: bytes) -> dict[bytes, bytes]:
    """The fields of the first ErrorResponse in whole messages."""
    here = 0
    while here < len(data):
        end = here + 1 + int.from_bytes(data[here + 1 : here + 5], "big")
        if data[here : here + 1] == b"E":
            return dict(report_fields(data[here + 5 : end]))
        here = end
    raise AssertionError("no error")


class Asked(SynchronousTestCase):
    def test_query(self) -> None:
        """A Query is one Ask, and then the very bytes object that was read."""
        one, read = relay(), query(b"select 1")
        effects = one.from_client(read)
        self.assertEqual(shown(effects), [("Ask", [("query", b"select 1")], read)])
        (sent,) = one.decided(0, [GO])
        assert isinstance(sent, ToTarget)
        self.assertIs(sent.data, read)
        self.assertIs(sent.recorded, RECORDED)
        answer = RESULT + ready()
        (told,) = one.from_target(answer)
        assert isinstance(told, ToClient)
        self.assertIs(told.data, answer)
        self.assertIs(told.recorded, None)
        self.assertEqual((one.rows_passed, one.in_flight, one.idle), (1, False, True))

    def test_pipeline(self) -> None:
        """Many messages of one read are one Ask with all operations, and one write."""
        one, read = relay(), EXTENDED * 3
        (ask,) = one.from_client(read)
        assert isinstance(ask, Ask)
        self.assertEqual([each.kind for each in ask.operations], ["parse", "bind", "execute"] * 3)
        self.assertEqual([each.number for each in ask.operations], list(range(1, 10)))
        self.assertEqual([each.text for each in ask.operations], [b"select $1"] * 9)
        self.assertIs(ask.data, read)
        self.assertEqual(shown(one.decided(0, [GO] * 9)), [("ToTarget", read)])

    def test_parameters(self) -> None:
        """BIND and EXECUTE carry what a hold is bound to: types of Parse, formats and values of Bind."""
        session = Session(relay())
        session.client(parse(b"s", b"select $1", b"\0\1\0\0\0\x17") + bind(b"p", b"s", b"42", None) + execute(b"p"))
        _, bound, executed = session.operations
        self.assertEqual(bound.parameters, b"\0\1\0\0\0\x17" + b"\0\0\0\2\0\0\0\x0242\xff\xff\xff\xff")
        self.assertEqual(executed.parameters, bound.parameters)
        self.assertEqual((bound.name, executed.name), (b"s", b"p"))

    def test_each_its_own(self) -> None:
        """must-survive 69: pipelined unnamed statements and portals keep their own text and parameters."""
        session = Session(relay())
        one = [parse(b"", b"s%d" % n) + bind(b"", b"", b"v%d" % n) + execute(b"") for n in range(12)]
        session.client(b"".join(one) + SYNC)
        executed = [each for each in session.operations if each.kind == "execute"]
        self.assertEqual([each.text for each in executed], [b"s%d" % n for n in range(12)])
        self.assertEqual(
            [each.parameters[-len(b"v%d" % n) :] for n, each in enumerate(executed)], [b"v%d" % n for n in range(12)]
        )

    def test_no_decision_needed(self) -> None:
        """Sync, Flush, Describe, Close and stray COPY data go on at once, recorded as they are."""
        one = relay()
        for data in (SYNC, FLUSH, describe(b"S", b"s"), close(b"P", b"p"), copy_data(b"x"), COPY_DONE):
            (sent,) = one.from_client(data)
            assert isinstance(sent, ToTarget)
            self.assertIs(sent.data, data)
            self.assertIs(sent.recorded, None)

    def test_function_call(self) -> None:
        """must-survive 15: a FunctionCall is asked about, by its OID."""
        self.assertEqual(shown(relay().from_client(function(964))), [("Ask", [("function", b"964")], function(964))])

    def test_unknown_names(self) -> None:
        """must-survive 17: a statement or portal that nobody was seen to define has no text, so that it is refused."""
        session = Session(relay())
        session.client(bind(b"", b"elsewhere") + execute(b"cursor"))
        self.assertEqual([known(each) for each in session.operations], [UNSEEN, UNSEEN])

    def test_redacted(self) -> None:
        """The record's form of an Ask has other texts, no parameters, and valid framing."""
        (ask,) = relay().from_client(parse(b"s", b"secret") + bind(b"", b"s", b"value") + execute(b"") + SYNC)
        assert isinstance(ask, Ask)
        self.assertEqual(
            ask.redacted({0: b"...", 1: b"..."}), parse(b"s", b"...") + bind(b"", b"s", None) + execute(b"") + SYNC
        )
        (ask,) = relay().from_client(query(b"secret") + query(b"open"))
        assert isinstance(ask, Ask)
        self.assertEqual(ask.redacted({0: b"..."}), query(b"...") + query(b"open"))

    def test_goodbye(self) -> None:
        """Terminate goes to the target, and ends the session; what stands behind it is not read."""
        effects = relay().from_client(TERMINATE + b"\xff\xff\xff\xff\xff\xff")
        self.assertEqual(
            shown(effects),
            [("ToTarget", TERMINATE), ("Hangup", Code.SESSION_CLOSED, "the client ended the session")],
        )

    def test_kept_while_deciding(self) -> None:
        """Nothing moves from the client before the answer; then it does, in order."""
        one = relay()
        one.from_client(query(b"a"))
        self.assertEqual(one.from_client(query(b"b")), [])
        self.assertEqual(
            shown(one.decided(0, [GO])), [("ToTarget", query(b"a")), ("Ask", [("query", b"b")], query(b"b"))]
        )

    def test_kept_is_bounded(self) -> None:
        """A client that goes on sending is not read beyond the bound, and read again after it."""
        one = relay()
        one.from_client(query(b"a"))
        self.assertEqual(one.from_client(SYNC), [])
        effects = one.from_client(SYNC * (MAX_KEPT // 5))
        self.assertEqual([type(each) for each in effects], [PauseClient])
        effects = one.decided(0, [GO])
        self.assertNotIn(ResumeClient, map(type, effects))  # as many answers are expected
        effects = one.from_target(ready() * (MAX_KEPT // 5 + 2))
        self.assertIn(ResumeClient, map(type, effects))


class Denied(SynchronousTestCase):
    def test_query(self) -> None:
        """A denied Query fails at the target; the client reads why, in class ZG, with JSON and a hint."""
        session = refuse(b"drop")
        self.assertEqual(to_target(session.client(query(b"drop table t"))), SUBSTITUTE_QUERY)
        effects = session.target(SYNTAX_ERROR + ready(b"E"))
        fields = error_of(to_client(effects))
        self.assertEqual((fields[b"C"], fields[b"M"], fields[b"H"]), (b"ZG001", b"no", b"do something else"))
        self.assertEqual(
            json.loads(fields[b"D"]),
            {
                "decision": "refused",
                "guardrails": ["rule"],
                "reason": "no",
                "would_pass": "do something else",
                "session": "s_1",
                "policy": "p_1",
            },
        )
        self.assertEqual(to_client(effects)[-6:], ready(b"E"))
        self.assertEqual(session.relay.transaction_status, "E")
        self.assertEqual(shown(of(effects, Completed)), [("Completed", 1, 0, 0, "refused")])

    def test_sqlstates(self) -> None:
        """Each decision has its own SQLSTATE."""
        states = {}
        for decision in Decision:
            session = Session(relay(), lambda operation, decision=decision: refused("no", decision))
            session.client(query(b"x"))
            states[decision.value] = error_of(to_client(session.target(SYNTAX_ERROR + ready())))[b"C"].decode()
        self.assertEqual(
            states,
            {
                "refused": "ZG001",
                "held": "ZG002",
                "denied": "ZG003",
                "expired": "ZG004",
                "over-budget": "ZG005",
                "unavailable": "ZG006",
            },
        )

    def test_other_error_passes(self) -> None:
        """What the target says instead of quoting the nonce is the truth, and passes."""
        session = refuse(b"drop")
        session.client(query(b"drop table t"))
        other = failed(b"25P02", b"current transaction is aborted")
        self.assertEqual(to_client(session.target(other + ready(b"E"))), other + ready(b"E"))

    def test_never_carried_out(self) -> None:
        """A target that does something for a substitute ends the session."""
        for asked, done in (
            (query(b"drop"), complete(b"DROP TABLE")),
            (query(b"drop"), ready()),
            (parse(b"", b"drop"), PARSED),
            (bind(b"", b"drop"), BOUND),
            (execute(b"drop"), complete(b"DROP TABLE")),
            (execute(b"drop"), row(b"1")),
            (function(1), message(b"V", b"\0\0\0\0")),
        ):
            session = Session(relay(), lambda each: refused())
            session.client(asked)
            self.assertIn(Hangup, map(type, session.target(done)), asked)

    def test_in_a_pipeline(self) -> None:
        """must-survive 14: the messages around a denied one go on as they are; what is skipped is not waited for."""
        cases = [
            (parse(b"s", b"drop"), parse(b"s", NONCE)),
            (bind(b"", b"drop"), bind(b"", NONCE)),
            (execute(b"drop"), execute(NONCE)),
            (function(7), query(NONCE)),
        ]
        for asked, sent in cases:
            with self.subTest(asked=asked):
                session = Session(relay(), lambda each: refused() if known(each) in (b"drop", UNSEEN, b"7") else GO)
                effects = session.client(EXTENDED + asked + EXTENDED)
                self.assertEqual(to_target(effects), EXTENDED + sent + EXTENDED)
                passed = PARSED + BOUND + columns(b"a") + row(b"1") + complete(b"SELECT 1") + ready()
                own = ready() if asked[:1] == b"F" else b""
                told = to_client(session.target(passed + SYNTAX_ERROR + own + (passed if own else ready())))
                self.assertEqual(told[: len(passed)], passed)
                self.assertEqual(error_of(told)[b"C"], b"ZG001")
                self.assertFalse(session.relay.in_flight)

    def test_query_is_skipped_too(self) -> None:
        """After an error in the extended protocol PostgreSQL skips a Query as well, up to Sync."""
        session = refuse(b"drop")
        session.client(parse(b"", b"drop") + query(b"select 1") + function(1) + SYNC)
        session.target(SYNTAX_ERROR + ready())
        self.assertFalse(session.relay.in_flight)

    def test_error_before_the_rest_of_the_pipeline(self) -> None:
        """must-survive 14: where the error is there before the client sent its Sync, the target skips what still comes.

        Nothing waits for its answer, and what it would have defined is not defined.
        """
        rests = [
            EXTENDED[: -len(SYNC)],
            query(b"select 1") + function(1),
            parse(b"s", b"select 2") + bind(b"p", b"s") + execute(b"p"),
            parse(b"", b"copy t from stdin") + bind(b"", b"") + execute(b"") + parse(b"", b"select 1"),
            query(b"prepare s as select 2") + bind(b"p", b"s") + execute(b"p"),
        ]
        for rest in rests:
            with self.subTest(rest=rest):
                session = Session(relay(), lambda each: GO)
                session.client(parse(b"s", b"select 1") + SYNC)
                session.target(PARSED + ready())
                session.client(parse(b"", b"select * from missing") + bind(b"", b"") + execute(b""))
                session.target(SYNTAX_ERROR)
                sent = to_target(session.client(rest))
                sent += to_target(session.client(SYNC))
                self.assertTrue(sent.endswith(SYNC), sent)
                self.assertEqual(to_client(session.target(ready())), ready())
                self.assertFalse(session.relay.in_flight)
                session.client(bind(b"", b"s") + SYNC)
                self.assertEqual(session.operations[-1].text, b"select 1")

    def test_denied_parse_defines_nothing(self) -> None:
        """A name means what it meant before a Parse that was denied."""
        session = refuse(b"drop")
        session.client(parse(b"s", b"select 1") + SYNC)
        session.target(PARSED + ready())
        session.client(parse(b"s", b"drop") + SYNC)
        session.target(SYNTAX_ERROR + ready())
        session.client(bind(b"", b"s") + SYNC)
        self.assertEqual(session.operations[-1].text, b"select 1")

    def test_answers_must_be_as_many(self) -> None:
        """An answer too few is a mistake of the caller, not an operation let through."""
        one = relay()
        one.from_client(EXTENDED)
        with self.assertRaises(ValueError):
            one.decided(0, [GO])


class Holding(SynchronousTestCase):
    NOTICE = Denial(Decision.HELD, "wait", ("rule",), hold="h_1", status="waiting")

    def test_notice(self) -> None:
        """The client is told at once, with the hold's id in DETAIL."""
        one = relay()
        one.from_client(query(b"x"))
        (told,) = one.holding(0, self.NOTICE)
        assert isinstance(told, ToClient)
        self.assertEqual(told.data[:1], b"N")
        self.assertEqual(json.loads(dict(report_fields(told.data[5:]))[b"D"])["hold"], "h_1")

    def test_earlier_results_first(self) -> None:
        """Inside a pipeline the target is asked for what it has; the notice never stands inside a row."""
        one = relay()
        session = Session(one)
        session.client(parse(b"", b"a") + bind(b"", b"") + execute(b""))
        one.from_client(execute(b""))
        big = row(b"x" * 100)
        session.target(PARSED + BOUND + big[:50])
        self.assertEqual(shown(one.holding(0, self.NOTICE)), [("ToTarget", FLUSH)])
        told = to_client(one.from_target(big[50:]))
        self.assertEqual(told[: len(big) - 50], big[50:])
        self.assertEqual(told[len(big) - 50 : len(big) - 49], b"N")

    def test_transaction_ran(self) -> None:
        """Whether locks may wait: in a transaction, or behind something that may have begun one."""
        session = Session(relay())
        self.assertFalse(session.relay.transaction_ran)
        session.client(execute(b""))
        self.assertTrue(session.relay.transaction_ran)
        session.target(complete(b"SELECT 1"))
        self.assertTrue(session.relay.transaction_ran)
        session.client(SYNC)
        session.target(ready())
        self.assertFalse(session.relay.transaction_ran)
        session.client(query(b"begin"))
        session.target(complete(b"BEGIN") + ready(b"T"))
        self.assertTrue(session.relay.transaction_ran)


class Named(SynchronousTestCase):
    """must-survive 17: what a prepared name means is always what will run."""

    def test_waits_for_the_answer_over_a_sync(self) -> None:
        """A name that was defined before the last Sync is not used before it is known that it was defined."""
        session = Session(relay())
        session.client(parse(b"s", b"one") + SYNC)
        session.target(PARSED + ready())
        effects = session.client(parse(b"s", b"two") + SYNC + bind(b"", b"s") + execute(b"") + SYNC)
        self.assertEqual(to_target(effects), parse(b"s", b"two") + SYNC)
        duplicate = failed(b"42P05", b"prepared statement already exists")
        effects = session.target(duplicate + ready())
        self.assertEqual([each.text for each in session.operations[-2:]], [b"one", b"one"])
        self.assertEqual(to_target(effects), bind(b"", b"s") + execute(b"") + SYNC)

    def test_flush_brings_the_answer(self) -> None:
        """Where what is waited for has no Sync behind it, the gateway asks for it."""
        session = Session(relay())
        session.client(parse(b"s", b"a") + SYNC)
        effects = session.client(query(b"prepare x as select 1") + bind(b"", b"s"))
        self.assertEqual(to_target(effects), query(b"prepare x as select 1"))
        session = Session(relay())
        effects = session.client(parse(b"", b"prepare x as select 1") + bind(b"", b"") + execute(b"") + bind(b"", b"s"))
        self.assertEqual(to_target(effects)[-5:], FLUSH)
        self.assertEqual(len(session.operations), 3)
        session.target(PARSED + BOUND + complete(b"PREPARE"))
        self.assertEqual(known(session.operations[3]), UNSEEN)

    def test_two_failures(self) -> None:
        """Several failed redefinitions give the first meaning back."""
        session = Session(relay())
        session.client(parse(b"s", b"one") + SYNC)
        session.target(PARSED + ready())
        session.client(parse(b"s", b"two") + parse(b"s", b"three") + SYNC + parse(b"s", b"four") + SYNC)
        session.target(failed(b"42P05", b"exists") + ready() + failed(b"42P05", b"exists") + ready())
        session.client(bind(b"", b"s") + SYNC)
        self.assertEqual(session.operations[-1].text, b"one")

    def test_close_that_was_skipped(self) -> None:
        """A Close behind an error did not happen."""
        session = Session(relay())
        session.client(parse(b"s", b"one") + SYNC)
        session.target(PARSED + ready())
        session.client(parse(b"", b"wrong") + close(b"S", b"s") + SYNC)
        session.target(failed(b"42601", b"wrong") + ready())
        session.client(bind(b"", b"s") + SYNC)
        self.assertEqual(session.operations[-1].text, b"one")

    def test_skipped_names_until_sync(self) -> None:
        """What is skipped names what is skipped behind it, however reads are cut; after Sync a name means what it did
        before."""
        for wait in (False, True):
            session = Session(relay())
            session.client(parse(b"s", b"one") + SYNC)
            session.target(PARSED + ready())
            session.client(parse(b"", b"wrong"))
            session.target(failed(b"42601", b"wrong"))
            for piece in (
                parse(b"s", b"two"),
                parse(b"s", b"three"),
                bind(b"p", b"s"),
                close(b"S", b"s"),
                execute(b"p"),
            ):
                session.client(piece)
            self.assertEqual([each.text for each in session.operations[-2:]], [b"three", b"three"])
            self.assertFalse(session.relay.in_flight)
            if wait:
                session.client(SYNC)
                session.target(ready())
                session.client(bind(b"", b"s") + execute(b"p") + SYNC)
            else:
                session.client(SYNC + bind(b"", b"s") + execute(b"p") + SYNC)
                session.target(ready())
            self.assertEqual([known(each) for each in session.operations[-2:]], [b"one", UNSEEN])
            session.target(BOUND + failed(b"34000", b"no such portal") + ready())
            self.assertTrue(session.relay.idle)

    def test_skipped_over_a_query(self) -> None:
        """A Query or a FunctionCall that is skipped ends no pipeline: nothing is waited for."""
        for between in (query(b"select 1"), function(964)):
            session = Session(relay())
            session.client(parse(b"", b"wrong"))
            session.target(failed(b"42601", b"wrong"))
            session.client(parse(b"s", b"one"))
            session.client(between + bind(b"p", b"s"))
            session.client(between + execute(b"p"))
            self.assertEqual([each.text for each in session.operations[-4:]][1::2], [b"one", b"one"])
            session.client(SYNC + bind(b"", b"s"))
            session.target(ready())
            self.assertEqual(known(session.operations[-1]), UNSEEN)

    def test_skipped_up_to_a_sync_of_the_same_read(self) -> None:
        """What stands behind that Sync is asked at once: nothing that was skipped is answered."""
        session = Session(relay())
        session.client(parse(b"", b"wrong"))
        session.target(failed(b"42601", b"wrong"))
        session.client(parse(b"s", b"one"))
        session.client(SYNC + bind(b"", b"s"))
        self.assertEqual([(each.kind, known(each)) for each in session.operations[2:]], [("bind", UNSEEN)])

    def test_names_that_the_target_takes_for_others(self) -> None:
        """PostgreSQL cuts names at 63 bytes, in its own encoding: one that would be cut or converted ends the session
        before it can define, replace or close what another name stands for."""
        longest = b"n" * 63
        for name in (longest + b"x", "\u00e9".encode(), b"\xe9"):
            for asked in (
                parse(name, b"two"),
                bind(name, longest),
                close(b"S", name),
                close(b"P", name),
            ):
                session = Session(relay())
                session.client(parse(longest, b"one") + bind(b"", longest) + SYNC)
                session.target(PARSED + BOUND + ready())
                effects = session.client(asked)
                self.assertEqual(error_of(to_client(effects))[b"C"], b"08P01")
                self.assertEqual(to_target(effects), b"")
                self.assertEqual(session.operations[-1].text, b"one")
            session = Session(relay())
            session.client(bind(b"", name) + execute(name) + SYNC)
            self.assertEqual([known(each) for each in session.operations], [UNSEEN, UNSEEN])

    def test_skipped_without_end(self) -> None:
        """However much a client sends for the target to skip, only the last of each name is kept."""
        session = Session(relay())
        session.client(parse(b"", b"wrong"))
        session.target(failed(b"42601", b"wrong"))
        for _ in range(100):
            session.client(parse(b"s", b"x") + bind(b"", b"s") + close(b"S", b"s"))
        depth, meaning = 0, session.relay._planner._statements.look(b"s")
        while meaning is not None:
            depth, meaning = depth + 1, meaning.before
        self.assertLess(depth, 5)

    def test_close_then_parse(self) -> None:
        """Closed and defined anew in one pipeline: the new text."""
        session = Session(relay())
        session.client(parse(b"s", b"one") + SYNC)
        session.target(PARSED + ready())
        session.client(close(b"S", b"s") + parse(b"s", b"two") + bind(b"", b"s") + SYNC)
        self.assertEqual(session.operations[-1].text, b"two")
        session.target(CLOSED + PARSED + BOUND + ready())
        session.client(bind(b"", b"s") + SYNC)
        self.assertEqual(session.operations[-1].text, b"two")

    def test_close_of_a_portal_with_a_statements_name(self) -> None:
        """must-survive 14: portals and statements have names of their own."""
        session = Session(relay())
        session.client(parse(b"x", b"one") + bind(b"x", b"x") + close(b"P", b"x") + SYNC)
        session.target(PARSED + BOUND + CLOSED + ready())
        session.client(bind(b"", b"x") + SYNC)
        self.assertEqual(session.operations[-1].text, b"one")

    def test_deallocated_and_prepared_by_sql(self) -> None:
        """A name that SQL removed and gave again is not known any more; without a removal it could not be given."""
        session = Session(relay())
        session.client(parse(b"s", b"one") + SYNC)
        session.target(PARSED + ready())
        session.client(query(b"prepare other as select 1"))
        session.target(complete(b"PREPARE") + ready())
        session.client(bind(b"", b"s") + SYNC)
        self.assertEqual(session.operations[-1].text, b"one")
        session.target(BOUND + ready())
        effects = session.client(query(b"deallocate s; prepare s as delete from t") + bind(b"", b"s"))
        self.assertEqual(to_target(effects), query(b"deallocate s; prepare s as delete from t"))
        session.target(complete(b"DEALLOCATE") + complete(b"PREPARE") + ready())
        self.assertEqual(known(session.operations[-1]), UNSEEN)

    def test_prepared_by_execute(self) -> None:
        """EXECUTE may run a PREPARE that was prepared: names wait for its answer as for that of PREPARE itself."""
        session = Session(relay())
        session.client(parse(b"s", b"one") + parse(b"x", b"prepare s as select two") + SYNC)
        session.target(PARSED + PARSED + ready())
        effects = session.client(query(b"deallocate s") + query(b"Execute x") + bind(b"", b"s"))
        self.assertEqual(to_target(effects), query(b"deallocate s") + query(b"Execute x"))
        session.target(complete(b"DEALLOCATE") + ready() + complete(b"PREPARE") + ready())
        self.assertEqual(known(session.operations[-1]), UNSEEN)

    def test_discard_all(self) -> None:
        """All names are gone, but for those that were sent behind it."""
        session = Session(relay())
        session.client(parse(b"old", b"one") + SYNC)
        session.target(PARSED + ready())
        session.client(query(b"discard all") + parse(b"new", b"two") + SYNC)
        session.target(complete(b"DISCARD ALL") + ready() + PARSED + ready())
        session.client(bind(b"", b"new") + bind(b"", b"old") + SYNC)
        self.assertEqual([known(each) for each in session.operations[-2:]], [b"two", UNSEEN])

    def test_cursor_with_a_portals_name(self) -> None:
        """A portal that SQL closed and declared anew has no known text."""
        session = Session(relay())
        session.client(query(b"begin"))
        session.target(complete(b"BEGIN") + ready(b"T"))
        session.client(parse(b"", b"one") + bind(b"p", b"") + SYNC)
        session.target(PARSED + BOUND + ready(b"T"))
        session.client(query(b"rollback to s; declare p cursor for select 2"))
        session.target(complete(b"ROLLBACK") + complete(b"DECLARE CURSOR") + ready(b"T"))
        session.client(execute(b"p") + SYNC)
        self.assertEqual(known(session.operations[-1]), UNSEEN)

    def test_portals_end_with_the_transaction(self) -> None:
        """A portal's name means nothing after its transaction."""
        session = Session(relay())
        session.client(parse(b"", b"one") + bind(b"p", b"") + SYNC)
        session.target(PARSED + BOUND + ready(b"T"))
        session.client(execute(b"p") + SYNC)
        self.assertEqual(session.operations[-1].text, b"one")
        session.target(complete(b"SELECT 1") + ready(b"I"))
        session.client(execute(b"p") + SYNC)
        self.assertEqual(known(session.operations[-1]), UNSEEN)

    def test_bounded(self) -> None:
        """Names are bounded; closed ones do not count."""
        session = Session(relay())
        for number in range(10_001):
            name = str(number).encode()
            session.client(parse(name, b"x") + close(b"S", name) + SYNC)
            session.target(PARSED + CLOSED + ready())
        self.assertEqual(of(session.effects, Hangup), [])
        for number in range(10_001):
            session.client(parse(str(number).encode(), b"x") + SYNC)
            session.target(PARSED + ready())
        self.assertEqual(len(of(session.effects, Hangup)), 1)

    def test_bytes_bounded(self) -> None:
        """What names mean is bounded in bytes; what was replaced does not count."""
        session = Session(relay(max_statement=1 << 20))
        text = b"x" * ((1 << 20) - 100)
        for _ in range(80):
            session.client(parse(b"", text) + bind(b"", b"") + SYNC)
            session.target(PARSED + BOUND + ready())
        self.assertEqual(of(session.effects, Hangup), [])
        for number in range(80):
            session.client(parse(str(number).encode(), text) + SYNC)
            session.target(PARSED + ready())
        self.assertEqual(len(of(session.effects, Hangup)), 1)


class Copied(SynchronousTestCase):
    COPY = query(b"copy t from stdin")

    def test_nothing_passes_before_the_answer(self) -> None:
        """must-survive 17: behind what may start COPY FROM STDIN nothing goes on until the target has answered."""
        for text in (b"copy t from stdin", b"COPY t FROM STDOUT", b"select 1; copy t from\tStdIn"):
            session = Session(relay())
            self.assertEqual(to_target(session.client(query(text) + query(b"two"))), query(text))
            self.assertEqual(to_target(session.client(SYNC)), b"")
            self.assertEqual(len(session.operations), 1)
            effects = session.target(failed(b"42501", b"no") + ready())
            self.assertEqual(to_target(effects), query(b"two") + SYNC)

    def test_data(self) -> None:
        """Data goes on at once; Sync and Flush, which the target ignores and does not answer, do not."""
        session = Session(relay())
        session.client(self.COPY)
        session.target(COPY_IN)
        read = copy_data(b"1\n")
        (sent,) = session.client(read)
        assert isinstance(sent, ToTarget)
        self.assertIs(sent.data, read)
        self.assertEqual(to_target(session.client(SYNC + copy_data(b"2\n") + FLUSH)), copy_data(b"2\n"))
        self.assertEqual(to_target(session.client(COPY_DONE + query(b"next"))), COPY_DONE)
        effects = session.target(complete(b"COPY 2") + ready())
        self.assertEqual(to_target(effects), query(b"next"))

    def test_extended(self) -> None:
        """With the Sync that libpq sends at once: it is ignored by the target, and the one behind CopyDone counts."""
        session = Session(relay())
        begun = parse(b"", b"copy t from stdin") + bind(b"", b"") + execute(b"")
        self.assertEqual(to_target(session.client(begun + SYNC)), begun + FLUSH)
        self.assertEqual(to_target(session.target(PARSED + BOUND + COPY_IN)), b"")
        rest = copy_data(b"1\n") + COPY_DONE + SYNC
        self.assertEqual(to_target(session.client(rest)), rest)
        session.target(complete(b"COPY 1") + ready())
        self.assertFalse(session.relay.in_flight)

    def test_extended_refused_by_the_target(self) -> None:
        """Where the COPY fails the Sync counts."""
        session = Session(relay())
        begun = parse(b"", b"copy t from stdin") + bind(b"", b"") + execute(b"")
        session.client(begun + SYNC)
        effects = session.target(PARSED + BOUND + failed(b"42501", b"no"))
        self.assertEqual(to_target(effects), SYNC)
        session.target(ready())
        self.assertFalse(session.relay.in_flight)

    def test_fails_while_data_comes(self) -> None:
        """Data behind a COPY that failed goes on and is ignored; what follows is asked as ever."""
        session = Session(relay())
        session.client(self.COPY)
        session.target(COPY_IN)
        session.client(copy_data(b"x"))
        session.target(failed(b"22P02", b"no") + ready())
        rest = copy_data(b"y") + COPY_DONE
        self.assertEqual(to_target(session.client(rest + query(b"next"))), rest + query(b"next"))

    def test_two_copies_in_one_query(self) -> None:
        """Between two COPYs of one text nothing but data can reach the target."""
        session = Session(relay())
        session.client(query(b"copy a from stdin; copy b from stdin"))
        session.target(COPY_IN)
        session.client(COPY_DONE)
        self.assertEqual(to_target(session.client(query(b"next"))), b"")
        effects = session.target(complete(b"COPY 0") + COPY_IN)
        self.assertIn(Hangup, map(type, effects))  # the client sent a Query where only data may come

    def test_other_messages_end_the_session(self) -> None:
        """A Query while data is copied is a violation, as PostgreSQL sees it."""
        session = Session(relay())
        session.client(self.COPY)
        session.target(COPY_IN)
        effects = session.client(query(b"drop"))
        self.assertEqual(error_of(to_client(effects))[b"C"], b"08P01")

    def test_copy_that_nobody_announced(self) -> None:
        """A target that asks for data where no text could have asked for it ends the session."""
        session = Session(relay())
        session.client(query(b"select 1"))
        self.assertIn(Hangup, map(type, session.target(COPY_IN)))

    def test_large_data_in_pieces(self) -> None:
        """must-survive 78: a CopyData larger than a read goes on piece by piece."""
        session = Session(relay())
        session.client(self.COPY)
        session.target(COPY_IN)
        large = copy_data(b"x" * 100_000)
        for begin in range(0, len(large), 30_000):
            piece = large[begin : begin + 30_000]
            self.assertEqual(shown(session.client(piece)), [("ToTarget", piece)])
        session.client(COPY_DONE)
        session.target(complete(b"COPY 1") + ready())
        self.assertTrue(session.relay.idle)

    def test_large_data_behind_a_query(self) -> None:
        """Data that the client sends without waiting is kept, and longer than a statement may be."""
        session = Session(relay(max_statement=100))
        large = copy_data(b"x" * 1000)
        session.client(self.COPY + large[:500])
        session.client(large[500:])
        self.assertEqual(to_target(session.target(COPY_IN)), large)


class Ended(SynchronousTestCase):
    def test_lengths(self) -> None:
        """must-survive 5: impossible lengths in each message type: FATAL and the end, and nothing of it goes on."""
        for tag in b"QPBDECSHXFdcfp\x00\xff":
            for length in (0, 1, 2, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
                effects = relay().from_client(bytes([tag]) + length.to_bytes(4, "big") + b"abc")
                self.assertEqual(to_target(effects), b"", (tag, length))
                self.assertEqual(error_of(to_client(effects))[b"C"], b"08P01")
                self.assertIn(Hangup, map(type, effects))

    def test_bodies(self) -> None:
        """must-survive 5: messages whose inside is not what they say."""
        wrong = [
            message(b"Q", b""),
            message(b"Q", b"select 1"),
            message(b"Q", b"select\0 drop\0"),
            message(b"P", b"name"),
            message(b"P", b"\0text\0"),
            message(b"P", b"\0text\0\0\1"),
            message(b"B", b"\0"),
            message(b"B", b"\0\0\0\0\0\1\0\0\0\x05a"),
            message(b"B", b"\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"),
            message(b"B", b"\0\0\xff\xff"),
            message(b"E", b"p"),
            message(b"C", b""),
            message(b"C", b"Xname\0"),
            message(b"F", b"\0"),
            message(b"p", b"password\0"),
            message(b"R", b""),
        ]
        for data in wrong:
            effects = relay().from_client(data)
            self.assertEqual(to_target(effects), b"", data)
            self.assertEqual(error_of(to_client(effects))[b"C"], b"08P01")

    def test_too_long(self) -> None:
        """must-survive 78: a statement over the bound is refused from its header on; below it, it waits till whole."""
        text = b"select " + b"1" * 500
        self.assertIn(Hangup, map(type, relay(max_statement=400).from_client(query(text)[:20])))
        self.assertIn(Hangup, map(type, relay(max_statement=400).from_client(query(text))))
        one = relay(max_statement=600)
        for byte in query(text)[:-1]:
            self.assertEqual(one.from_client(bytes([byte])), [])
        self.assertEqual(shown(one.from_client(b"\0")), [("Ask", [("query", text)], query(text))])

    def test_hundred_megabytes(self) -> None:
        """must-survive 78: a statement of 64 MiB in reads of 256 KiB takes no longer than its bytes."""
        one = relay(max_statement=1 << 27)
        read = b" " * (1 << 18)
        one.from_client(b"Q" + (4 + (1 << 26) + 1).to_bytes(4, "big"))
        for _ in range((1 << 26) // len(read)):
            self.assertEqual(one.from_client(read), [])
        (ask,) = one.from_client(b"\0")
        assert isinstance(ask, Ask)
        self.assertEqual(len(ask.operations[0].text), 1 << 26)

    def test_killed_between_messages(self) -> None:
        """57P01 to the client, then the end."""
        one = relay()
        effects = one.ended("stop", Code.SESSION_KILLED, None)
        self.assertEqual(error_of(to_client(effects)), {b"S": b"FATAL", b"V": b"FATAL", b"C": b"57P01", b"M": b"stop"})
        self.assertEqual(shown(effects)[-1], ("Hangup", Code.SESSION_KILLED, "stop"))
        self.assertEqual((one.from_client(query(b"x")), one.from_target(row(b"x"))), ([], []))

    def test_killed_inside_a_row(self) -> None:
        """The client gets the rest of the row that it has a part of, then the FATAL, and nothing behind it."""
        session = Session(relay())
        session.client(query(b"x"))
        big = row(b"x" * 100)
        session.target(columns(b"a") + big[:50])
        self.assertEqual(session.relay.ended("stop", Code.SESSION_KILLED, None), [])
        self.assertEqual(to_client(session.relay.from_target(big[50:60])), big[50:60])
        effects = session.relay.from_target(big[60:] + big + big[:10])
        self.assertEqual(to_client(effects)[: len(big) - 60], big[60:])
        self.assertEqual(error_of(to_client(effects)[len(big) - 60 :])[b"C"], b"57P01")
        self.assertEqual(type(effects[-1]), Hangup)
        self.assertEqual(session.relay.from_target(big), [])

    def test_target_gone_inside_a_row(self) -> None:
        """No words can stand inside a message: the connection just ends."""
        session = Session(relay())
        session.client(query(b"x"))
        session.target(columns(b"a") + row(b"x" * 100)[:50])
        effects = session.relay.target_gone("reset")
        self.assertEqual([type(each) for each in effects], [Hangup])

    def test_target_gone_after_the_end_inside_a_row(self) -> None:
        """A session that waits for a row's rest to say why it ends does not wait for a target that is gone."""
        session = Session(relay())
        session.client(query(b"x"))
        session.target(columns(b"a") + row(b"x" * 100)[:50])
        self.assertEqual(session.relay.ended("stop", Code.SESSION_KILLED, None), [])
        self.assertEqual(shown(session.relay.target_gone("reset")), [("Hangup", Code.SESSION_KILLED, "stop")])

    def test_fatal_and_end_of_file(self) -> None:
        """must-survive 14: a target's FATAL and its end give one error."""
        session = Session(relay())
        session.client(query(b"x"))
        last = failed(b"57P01", b"terminating connection", b"FATAL")
        self.assertEqual(to_client(session.target(last)), last)
        self.assertEqual([type(each) for each in session.relay.target_gone("closed")], [Hangup])

    def test_target_gone_silently(self) -> None:
        """Without a word of its own the client reads 08006."""
        self.assertEqual(error_of(to_client(relay().target_gone("reset")))[b"C"], b"08006")


class Settings(SynchronousTestCase):
    def test_what_text_means_must_not_shift(self) -> None:
        """must-survive 16: a session whose quoting or encoding is not what the judge reads ends."""
        encoding = b"client_encoding"
        for name, value in ((b"standard_conforming_strings", b"off"), (encoding, b"SJIS"), (encoding, b"GBK")):
            session = Session(relay())
            session.client(query(b"set"))
            effects = session.target(complete(b"SET") + parameter(name, value) + ready())
            self.assertEqual(error_of(to_client(effects))[b"C"], b"08P01")
            self.assertEqual(type(effects[-1]), Hangup)

    def test_allowed_encoding(self) -> None:
        """LATIN1 is allowed, and the gateway's own words follow it."""
        session = refuse(b"drop")
        session.client(query(b"set client_encoding to latin1"))
        effects = session.target(complete(b"SET") + parameter(b"client_encoding", b"LATIN1") + ready())
        self.assertEqual(of(effects, Hangup), [])
        session.decide = lambda operation: refused("ne\u2026")
        session.client(query(b"drop"))
        self.assertEqual(error_of(to_client(session.target(SYNTAX_ERROR + ready())))[b"M"], b"ne\\u2026")

    def test_encoding_of_texts(self) -> None:
        """must-survive 16: an operation tells by which encoding the target reads its text, where it is not ASCII and
        nothing that is under way may change that."""

        def encodings(*told: tuple[bytes, bytes], read: bytes, server: str = "UTF8") -> list[str]:
            session = Session(relay(server_encoding=server))
            for name, value in told:
                session.client(query(b"set"))
                session.target(complete(b"SET") + parameter(name, value) + ready())
            before = len(session.operations)
            session.client(read)
            return [each.encoding for each in session.operations[before:]]

        text = "select '\u00e9'".encode()
        read = query(text) + parse(b"s", text) + bind(b"", b"s") + execute(b"") + query(b"select 1")
        latin, plain = (b"client_encoding", b"LATIN1"), (b"client_encoding", b"SQL_ASCII")
        self.assertEqual(encodings(read=read), ["UTF8", "", "", "", ""])
        self.assertEqual(encodings(latin, read=read), ["UTF8", "LATIN1", "", "", ""])
        self.assertEqual(encodings(latin, read=read, server="LATIN9"), ["LATIN1", "LATIN1", "", "", ""])
        self.assertEqual(encodings(latin, (b"client_encoding", b"UTF8"), read=read[:21]), ["UTF8"])
        self.assertEqual(encodings(plain, read=read), ["UTF8", "", "", "", ""])
        self.assertEqual(encodings(plain, read=read, server="LATIN2"), ["UTF8", "LATIN2", "", "", ""])
        self.assertEqual(encodings(latin, read=read, server="SQL_ASCII"), ["UTF8", "", "", "", ""])
        session = Session(relay())
        session.client(query(b"select 1"))
        session.client(query(text))
        self.assertEqual([each.encoding for each in session.operations], ["", ""])

    def test_texts_of_one_byte_a_character(self) -> None:
        """What is judged is UTF-8, what goes on are the bytes that came; a portal has the same text."""
        session = Session(relay())
        session.client(query(b"set"))
        session.target(complete(b"SET") + parameter(b"client_encoding", b"WIN1252") + ready())
        sent = parse(b"", b"select '\x80\xe9'") + bind(b"", b"") + execute(b"") + SYNC
        self.assertEqual(to_target(session.client(sent)), sent)
        self.assertEqual([each.text.decode() for each in session.operations[1:]], ["select '\u20ac\u00e9'"] * 3)
        session.target(PARSED + BOUND + complete(b"SELECT 1") + ready())
        session.client(query(b"select '\x81'"))  # there is no such character
        self.assertEqual((session.operations[-1].encoding, session.operations[-1].text), ("WIN1252", b"select '\x81'"))

    def test_names_that_are_folded(self) -> None:
        """Where the server's encoding has one byte a character its names may be others: the operation says so."""
        text = "select '\u00e9'".encode()
        for server, folds in (("LATIN1", True), ("WIN1252", True), ("UTF8", False), ("EUC_JP", False)):
            session = Session(relay(server_encoding=server))
            session.client(query(text) + query(b"select 1"))
            self.assertEqual([each.folds for each in session.operations], [folds, False], server)

    def test_defined(self) -> None:
        """Who judges learns which portal a Bind names, and that a PREPARE or DECLARE was carried out."""
        session = Session(relay())
        session.client(parse(b"s", b"x") + bind(b"c", b"s") + bind(b"", b"s") + SYNC)
        self.assertEqual([each.portal for each in session.operations], [b"", b"c", b""])
        for asked, wanted in (
            (
                bind(b"", b"q") + execute(b""),
                [(b'EXECUTE "q"', 0, b""), (b'FETCH ALL FROM "<unnamed portal>"', 1, b"")],
            ),
            (bind(b"p", b'q"') + execute(b"p"), [(b'EXECUTE "q"""', 0, b"p"), (b'FETCH ALL FROM "p"', 1, b"")]),
            (execute(b"r"), [(b'FETCH ALL FROM "r"', 0, b"")]),
            (bind(b"", b"") + bind(b"", b"n" * 64), [(UNSEEN, 0, b"")] * 2),
        ):
            session = Session(relay())
            session.client(asked)
            self.assertEqual([(each.text, each.bound, each.portal) for each in session.operations], wanted)
        session = Session(relay())
        for tag, told in ((b"PREPARE", [1]), (b"DECLARE CURSOR", [2]), (b"PREPARE TRANSACTION", []), (b"SELECT 1", [])):
            session.client(query(b"x"))
            effects = session.target(complete(tag) + ready())
            self.assertEqual([each.number for each in of(effects, Defined)], told)

    def test_application_name(self) -> None:
        """The target's view keeps the gateway's name: at the next idle moment, unseen by the client."""
        session = Session(relay(name="hoopgw:s_1:it's"))
        own = renaming(b"hoopgw:s_1:it''s")
        session.client(query(b"set application_name = 'mine'"))
        said = complete(b"SET") + parameter(b"application_name", b"mine") + ready()
        effects = session.target(said)
        self.assertEqual((to_client(effects), to_target(effects)), (said, own))
        effects = session.target(RENAMED + parameter(b"application_name", b"hoopgw:s_1:it's") + ready())
        self.assertEqual(effects, [])
        self.assertTrue(session.relay.idle)

    def test_application_name_in_a_transaction_that_failed(self) -> None:
        """Nothing of ours is sent into a failed transaction, or between pipelined statements."""
        session = Session(relay(name="ours"))
        session.client(query(b"a") + query(b"b"))
        effects = session.target(parameter(b"application_name", b"mine") + complete(b"SET") + ready(b"T"))
        self.assertEqual(to_target(effects), b"")
        effects = session.target(failed(b"42601", b"no") + ready(b"E"))
        self.assertEqual(to_target(effects), b"")
        session.client(query(b"rollback"))
        effects = session.target(complete(b"ROLLBACK") + ready())
        self.assertEqual(to_target(effects), renaming(b"ours"))

    def test_application_name_as_the_target_writes_it(self) -> None:
        """A name that the target shortens is not set again and again."""
        session = Session(relay(name="n" * 70))
        session.client(query(b"set application_name = 'mine'"))
        session.target(complete(b"SET") + parameter(b"application_name", b"mine") + ready())
        effects = session.target(RENAMED + parameter(b"application_name", b"n" * 63) + ready())
        self.assertEqual(effects, [])

    def test_application_name_in_an_open_pipeline(self) -> None:
        """Before Sync nothing of ours is sent: a Query there would commit what the client has not ended."""
        session = Session(relay(name="ours"))
        session.client(parse(b"", b"set") + bind(b"", b"") + execute(b"") + FLUSH)
        effects = session.target(PARSED + BOUND + parameter(b"application_name", b"mine") + complete(b"SET"))
        self.assertEqual((to_target(effects), session.relay.idle), (b"", False))
        session.client(SYNC)
        self.assertEqual(to_target(session.target(ready())), renaming(b"ours"))

    def test_who_acts_there_changes(self) -> None:
        """A change of session_authorization is noted."""
        session = Session(relay())
        effects = session.target(parameter(b"is_superuser", b"on"))
        self.assertEqual(
            shown(effects)[0], ("Observed", Code.SETTING_CHANGED, {"setting": "is_superuser", "value": "on"})
        )

    def test_catalogue(self) -> None:
        """What may change the meaning of names is told when its transaction has ended, also of a SELECT INTO."""
        session = Session(relay())
        session.client(query(b"begin; create table t()"))
        effects = session.target(complete(b"BEGIN") + complete(b"CREATE TABLE") + ready(b"T"))
        self.assertEqual(of(effects, CatalogueChanged), [])
        session.client(query(b"commit"))
        self.assertEqual(len(of(session.target(complete(b"COMMIT") + ready()), CatalogueChanged)), 1)
        session.client(query(b"create table u as select 1"))
        self.assertEqual(len(of(session.target(complete(b"SELECT 1") + ready()), CatalogueChanged)), 1)
        session.client(query(b"explain analyze create table v as select 1"))
        self.assertEqual(len(of(session.target(complete(b"EXPLAIN") + ready()), CatalogueChanged)), 1)
        for text, tag in ((b"select 1", b"SELECT 1"), (b"explain select 1", b"EXPLAIN")):
            session.client(query(text))
            self.assertEqual(of(session.target(complete(tag) + ready()), CatalogueChanged), [])

    def test_catalogue_of_what_failed(self) -> None:
        """A change that failed is told as none: names that were in doubt for it are not from then on."""
        session = Session(relay())
        session.client(query(b"alter table nowhere rename to was"))
        told = of(session.target(failed(b"42P01", b"it is not there") + ready()), CatalogueChanged)
        self.assertEqual([(each.changed, each.settled) for each in told], [(False, True)])

    def test_catalogue_while_more_is_to_run(self) -> None:
        """With another statement behind it in the pipeline nothing is settled: that one may change names as well."""
        session = Session(relay())
        session.client(query(b"create table t()") + query(b"alter table t rename to u") + query(b"select 1"))
        told = []
        for tag in (b"CREATE TABLE", b"ALTER TABLE", b"SELECT 1"):
            told.append(of(session.target(complete(tag) + ready()), CatalogueChanged))
        said = [[(each.changed, each.settled) for each in some] for some in told]
        self.assertEqual(said, [[(True, False)], [(True, False)], [(False, True)]])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges) if begin < end]


CLIENT = (
    parse(b"s", b"select $1") + bind(b"", b"s", b"1", None) + describe(b"P", b"") + execute(b"") + SYNC
    + query(b"drop table t") + query(b"select 2") + parse(b"", b"drop") + bind(b"", b"") + execute(b"") + SYNC
    + parse(b"t", b"t") + bind(b"", b"t", b"2") + execute(b"") + SYNC + function(5) + close(b"S", b"s") + FLUSH + SYNC
)  # fmt: skip
TARGET = (
    PARSED + BOUND + columns(b"a") + row(b"1") * 3 + complete(b"SELECT 3") + ready()
    + SYNTAX_ERROR + ready() + columns(b"a", b"b") + row(b"2", b"x" * 300) + complete(b"SELECT 1") + ready()
    + SYNTAX_ERROR + ready() + PARSED + BOUND + row(b"9") + complete(b"SELECT 1") + ready()
    + message(b"V", b"\0\0\0\1x") + ready() + CLOSED + ready()
)  # fmt: skip


class Streams(SynchronousTestCase):
    def decided(self, operation: Operation) -> Answer:
        return refused() if b"drop" in operation.text else GO

    def run_both(self, client: list[bytes], target: list[bytes]) -> tuple[bytes, bytes, list[str]]:
        session = Session(relay(), self.decided)
        for piece in client:
            session.client(piece)
        for piece in target:
            session.target(piece)
        asked = [repr((each.kind, each.text, each.name, each.parameters)) for each in session.operations]
        return to_target(session.effects), to_client(session.effects), asked

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.integers(0, 4000)), st.lists(st.integers(0, 4000)))
    def test_any_cut(self, client: list[int], target: list[int]) -> None:
        """However the two streams are cut into reads, the same is asked, sent and told."""
        whole = self.run_both([CLIENT], [TARGET])
        pieces = self.run_both(cut(CLIENT, client), cut(TARGET, target))
        self.assertEqual(pieces[1:], whole[1:])
        self.assertEqual(pieces[0].replace(FLUSH, b""), whole[0].replace(FLUSH, b""))

    def test_stream(self) -> None:
        """What the streams of these tests are: all of it is answered, and two operations were denied."""
        to, told, asked = self.run_both([CLIENT], [TARGET])
        self.assertEqual((len(asked), told.count(b"CZG001")), (12, 2))
        self.assertEqual(told[-len(CLOSED + ready()) :], CLOSED + ready())
        self.assertEqual(to.count(NONCE), 4)  # the Query; Parse, Bind and Execute

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.binary(max_size=60) | st.sampled_from([EXTENDED, query(b"copy t from stdin"), SYNC, COPY_DONE])))
    def test_junk_of_a_client(self, reads: list[bytes]) -> None:
        """must-survive 5: whatever a client sends, nothing raises; what is not of the protocol ends the session."""
        session = Session(relay())
        for read in reads:
            session.client(read)
        hung = [index for index, each in enumerate(session.effects) if isinstance(each, Hangup)]
        self.assertLessEqual(len(hung), 1)
        if hung:
            self.assertEqual(hung[0], len(session.effects) - 1)

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(
            st.binary(max_size=60)
            | st.sampled_from([PARSED, BOUND, RESULT, ready(), COPY_IN, NO_DATA, SYNTAX_ERROR, row(b"x" * 50)[:20]])
        )
    )
    def test_junk_of_a_target(self, reads: list[bytes]) -> None:
        """must-survive 5: whatever a target sends, nothing raises, and it is answered or the session ends."""
        session = Session(relay())
        session.client(EXTENDED + query(b"copy t from stdin"))
        effects: list[Effect] = []
        for read in reads:
            effects += session.target(read)
        self.assertLessEqual(len(of(effects, Hangup)), 1)
