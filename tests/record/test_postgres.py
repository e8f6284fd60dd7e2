"""Replay of PostgreSQL sessions: every operation with its own text, parameters, rows and end."""

from __future__ import annotations

import uuid
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.entries import Kind
from hoopgw.record.pgstream import FROM_TARGET, MAX_BODY, Stream
from tests.record.recorded import (
    READY,
    SYNC,
    Recorded,
    bind,
    columns,
    describe,
    done,
    error,
    execute,
    message,
    parse,
    query,
    row,
    values,
)


def dated(number: int) -> bytes:
    return number.to_bytes(4, "big", signed=True)


class Simple(SynchronousTestCase):
    def test_query(self) -> None:
        """Text, decision, rows by column, NULL, tag, and how long it took."""
        record = Recorded()
        record.ask(query("SELECT 1"))
        record.shown(columns(("a", 25, 0), ("b", 25, 0)), row(b"1", None), row(b"2", b"x"), done("SELECT 2"), READY)
        found = record.happenings()
        self.assertEqual([each.what for each in found], ["open", "operation", "row", "row", "done"])
        self.assertEqual(found[1].fields, {"number": 1, "kind": "query", "decision": "allowed", "text": "SELECT 1"})
        self.assertEqual(found[2].fields, {"operation": 1, "values": {"a": "1", "b": None}})
        self.assertEqual(found[4].fields, {"operation": 1, "tag": "SELECT 2", "rows": 2, "milliseconds": 1.0})

    def test_many_statements_in_one(self) -> None:
        """Each result of a text of several has its own end; the columns of one are not those of the next."""
        record = Recorded()
        record.ask(query("SELECT 1; SELECT 2, 3"))
        record.shown(columns(("a", 25, 0)), row(b"1"), done("SELECT 1"))
        record.shown(columns(("b", 25, 0), ("c", 25, 0)), row(b"2", b"3"), done("SELECT 1"), READY)
        self.assertEqual([fields["values"] for fields in record.told("row")], [{"a": "1"}, {"b": "2", "c": "3"}])
        self.assertEqual([fields["rows"] for fields in record.told("done")], [1, 1])

    def test_refused(self) -> None:
        """Decision, guardrails, reason and tables from the verdict; the error is that operation's."""
        record = Recorded()
        rule = {"guardrail": "no-drop", "file": "50-sql.toml", "line": 3, "reason": "not here"}
        record.json(Kind.VERDICT, verdict=1, refusals=[rule], tables=["pay.a"])
        record.ask(query("DROP TABLE a"), codes=(1,), references=(1,))
        record.sent(query("hoopgw_nonce"))
        record.shown(error("HG001", "refused", D='{"decision": "refused"}', H="ask"), READY)
        record.ask(query("SELECT 1"))
        record.shown(done("SELECT 0"), READY)
        fields = record.told("operation")[0]
        self.assertEqual(fields["decision"], "refused")
        self.assertEqual(
            (fields["guardrails"], fields["reason"], fields["tables"]), (["no-drop"], "not here", ["pay.a"])
        )
        (told,) = record.told("error")
        self.assertEqual((told["operation"], told["sqlstate"], told["hint"]), (1, "HG001", "ask"))
        self.assertEqual(record.told("done")[0]["operation"], 2)

    def test_every_decision(self) -> None:
        """Each number of the format has its word."""
        record = Recorded()
        for code in range(7):
            record.ask(query("x"), codes=(code,))
        words = [fields["decision"] for fields in record.told("operation")]
        self.assertEqual(words, ["allowed", "refused", "held", "denied", "expired", "over-budget", "unavailable"])

    def test_masked(self) -> None:
        """What only the gateway counted stands beside the operation."""
        record = Recorded()
        record.ask(query("SELECT email"))
        record.completed(1, 10, 9, "cut")
        self.assertEqual(record.told("completed"), [{"operation": 1, "rows": 10, "masked": 9, "note": "cut"}])


class Extended(SynchronousTestCase):
    def test_pipelined_unnamed(self) -> None:
        """must-survive 69: pipelined unnamed statements and portals keep their own text and parameters."""
        record = Recorded()
        run = [parse("SELECT $1 AS one"), bind(b"a"), describe(b"P"), execute()]
        run += [parse("SELECT $1 AS two"), bind(b"b"), describe(b"P"), execute(), SYNC]
        record.ask(*run)
        record.shown(message(b"1"), message(b"2"), columns(("one", 25, 0)), row(b"a"), done("SELECT 1"), cut=7)
        record.shown(message(b"1"), message(b"2"), columns(("two", 25, 0)), row(b"b"), done("SELECT 1"), READY, cut=5)
        asked = record.told("operation")
        self.assertEqual([fields["number"] for fields in asked], [1, 2, 3, 4, 5, 6])
        self.assertEqual(
            [(fields["text"], fields.get("parameters")) for fields in asked if fields["kind"] == "execute"],
            [("SELECT $1 AS one", ["a"]), ("SELECT $1 AS two", ["b"])],
        )
        self.assertEqual(
            [(fields["operation"], fields["values"]) for fields in record.told("row")],
            [(3, {"one": "a"}), (6, {"two": "b"})],
        )
        self.assertEqual([fields["operation"] for fields in record.told("done")], [3, 6])

    def test_a_dozen_parameters(self) -> None:
        """must-survive 69: ten and more parameters are shown each in its place."""
        record = Recorded()
        given = [str(number).encode() for number in range(1, 13)]
        record.ask(parse("f", types=(25,) * 12), bind(*given), execute(), SYNC)
        self.assertEqual(record.told("operation")[1]["parameters"], [str(number) for number in range(1, 13)])

    def test_parameters_by_type(self) -> None:
        """Text as it is, binary by its type where that is known, else in hex; NULL is not the text NULL."""
        key = uuid.UUID("12345678123456781234567812345678")
        given = (
            (23, 1, (-5).to_bytes(4, "big", signed=True), "-5"),
            (20, 1, (1 << 40).to_bytes(8, "big"), "1099511627776"),
            (16, 1, b"\1", "true"),
            (2950, 1, key.bytes, str(key)),
            (25, 1, "é".encode(), "é"),
            (3802, 1, b'\x01{"a":1}', '{"a":1}'),
            (1082, 1, dated(366), "2001-01-01"),
            (701, 1, bytes.fromhex("3ff8000000000000"), "1.5"),
            (17, 1, b"\xde\xad", "\\xdead"),
            (23, 1, b"\0", "\\x00"),  # not as long as its type is
            (25, 0, b"NULL", "NULL"),
            (25, 0, None, None),
            (25, 0, b"\xff\x1b", "\\xff\x1b"),
        )
        record = Recorded()
        bound = bind(*(value for _, _, value, _ in given), forms=tuple(form for _, form, _, _ in given))
        record.ask(parse("f", types=tuple(oid for oid, _, _, _ in given)), bound, SYNC)
        self.assertEqual(record.told("operation")[1]["parameters"], [word for _, _, _, word in given])

    def test_prepared_once_run_often(self) -> None:
        """Columns and types of a statement that was described once; formats as each Bind says."""
        record = Recorded()
        record.ask(parse("SELECT $1", "s"), describe(b"S", "s"), SYNC)
        oids = (1).to_bytes(2, "big") + (23).to_bytes(4, "big")
        record.shown(message(b"1"), message(b"t", oids), columns(("n", 23, 0)), READY)
        for number in (7, 8):
            value = number.to_bytes(4, "big")
            record.ask(bind(value, name="s", forms=(1,), results=(1,)), execute(), SYNC)
            record.shown(message(b"2"), row(value), done("SELECT 1"), READY)
        self.assertEqual([fields["values"] for fields in record.told("row")], [{"n": "7"}, {"n": "8"}])
        self.assertEqual(
            [fields["parameters"] for fields in record.told("operation") if fields["kind"] == "bind"], [["7"], ["8"]]
        )

    def test_error_in_a_pipeline(self) -> None:
        """What is skipped up to Sync takes no answer of what comes after."""
        record = Recorded()
        record.ask(parse("a"), bind(), execute(), parse("b"), bind(), execute(), SYNC)
        record.ask(parse("c"), bind(), execute(), SYNC)
        record.shown(message(b"1"), message(b"2"), error("22012", "division by zero"), READY)
        record.shown(message(b"1"), message(b"2"), done("UPDATE 1"), READY)
        self.assertEqual(record.told("error")[0]["operation"], 3)
        self.assertEqual([fields["operation"] for fields in record.told("done")], [9])

    def test_what_the_gateway_asks_for_itself(self) -> None:
        """Its own Describe and Query are no client's words, and their answers were not shown."""
        record = Recorded()
        record.json(Kind.VERDICT, verdict=1, masked=True)
        record.ask(parse("SELECT 1"), bind(), execute(), SYNC, references=(0, 0, 1))
        record.sent(describe(b"P"))
        record.shown(message(b"1"), message(b"2"), row(b"1"), done("SELECT 1"), READY)
        closes = message(b"C", b"Pown\0") + message(b"C", b"Sown\0")
        renames = parse("SET application_name = 'x'", "own") + bind(name="own", portal="own") + execute("own")
        record.sent(renames + closes + SYNC)
        record.sent(query("SET application_name = 'x'"))  # in older recordings
        record.ask(query("SELECT 2"))
        record.shown(columns(("x", 25, 0)), row(b"2"), done("SELECT 1"), READY)
        self.assertEqual([fields["operation"] for fields in record.told("done")], [3, 4])
        self.assertEqual([fields["values"] for fields in record.told("row")], [["1"], {"x": "2"}])

    def test_portal_in_parts(self) -> None:
        """An Execute with a limit ends as suspended; the next goes on with the same text."""
        record = Recorded()
        record.ask(parse("SELECT n"), bind(portal="p"), execute("p"), SYNC)
        record.shown(message(b"1"), message(b"2"), row(b"1"), message(b"s"), READY)
        record.ask(execute("p"), SYNC)
        record.shown(row(b"2"), done("SELECT 1"), READY)
        self.assertEqual([fields["tag"] for fields in record.told("done")], ["(suspended)", "SELECT 1"])
        self.assertEqual(record.told("operation")[-1]["text"], "SELECT n")

    def test_function_call(self) -> None:
        """The fast path: which function, its arguments, what came back."""
        record = Recorded()
        body = (952).to_bytes(4, "big") + b"\0\1\0\1" + values(b"\0\0\0\7") + b"\0\1"
        record.ask(message(b"F", body))
        record.shown(message(b"V", b"\0\0\0\1x"), READY)
        self.assertEqual(record.told("operation")[0]["text"], "function 952")
        self.assertEqual(record.told("operation")[0]["parameters"], ["\\x00000007"])
        self.assertEqual(record.told("row")[0], {"operation": 1, "values": ["\\x78"]})


class Copying(SynchronousTestCase):
    def test_both_ways(self) -> None:
        """COPY data is shown by its operation, in the direction in which it went."""
        record = Recorded()
        record.ask(query("COPY t FROM STDIN"))
        record.shown(message(b"G", b"\0\0\0"))
        record.sent(message(b"d", b"1\n"), message(b"d", b"2\n"), message(b"c"))
        record.shown(done("COPY 2"), READY)
        record.ask(query("COPY t TO STDOUT"))
        record.shown(message(b"H", b"\1\0\0"), message(b"d", b"\0\1"), message(b"c"), done("COPY 1"), READY)
        self.assertEqual(
            record.told("copy"),
            [
                {"operation": 1, "direction": "to target", "data": "1\n"},
                {"operation": 1, "direction": "to target", "data": "2\n"},
                {"operation": 2, "direction": "to client", "data": "\\x0001", "binary": True},
            ],
        )
        self.assertEqual([fields["operation"] for fields in record.told("done")], [1, 2])

    def test_cut_anywhere(self) -> None:
        """A character that begins in one message and ends in the next is one; what is no UTF-8 is said to be none."""
        record = Recorded()
        record.ask(query("COPY t FROM STDIN"))
        record.shown(message(b"G", b"\0\0\0"))
        record.sent(*(message(b"d", bytes([byte])) for byte in "é€\n".encode()))
        record.sent(message(b"d", b"\xff\n"))
        told = record.told("copy")
        self.assertEqual("".join(fields["data"] for fields in told[:-1]), "é€\n")
        self.assertEqual((told[-1]["data"], told[-1]["not_utf8"]), ("\\xff\n", True))


class Bounds(SynchronousTestCase):
    def test_a_row_of_64_mib(self) -> None:
        """A message that is larger than what is shown is cut and counted, with memory for what is shown only."""
        stream = Stream(FROM_TARGET)
        size = 64 << 20
        head = b"D" + (size + 4 + 6).to_bytes(4, "big") + b"\0\1" + size.to_bytes(4, "big")
        found = list(stream.of(head))
        piece = bytes(1 << 20)
        for _ in range(64):
            found += stream.of(piece)
            self.assertLessEqual(len(stream._body or b""), MAX_BODY)
        (one,) = found
        self.assertEqual((len(one.body), one.missing), (MAX_BODY, size + 6 - MAX_BODY))

    def test_a_long_value_is_said_to_be_cut(self) -> None:
        """Nobody takes the beginning of a value for all of it."""
        record = Recorded()
        record.ask(query("SELECT long"))
        record.shown(columns(("a", 25, 0), ("b", 25, 0)), row(b"x" * (2 << 20), b"y"), done("SELECT 1"), READY)
        (fields,) = record.told("row")
        self.assertTrue(fields["values"]["a"].endswith("bytes more"))
        self.assertEqual(fields["values"]["b"], "… not shown")
        self.assertEqual(record.told("done")[0]["rows"], 1)

    def test_names(self) -> None:
        """A client that prepares without end does not grow the reader."""
        from hoopgw.record.postgres import MAX_NAMES, Names

        names = Names()
        for number in range(MAX_NAMES + 100):
            names.set(b"%d" % number, number, 1)
        self.assertEqual(len(names._kept), MAX_NAMES)
        self.assertIsNone(names.get(b"0"))
        self.assertEqual(names.get(b"%d" % MAX_NAMES), MAX_NAMES)

    def test_after_a_gap(self) -> None:
        """Behind a best-effort gap the stream is found again where a piece of it begins with a message."""
        record = Recorded()
        record.ask(query("SELECT 1"))
        record.shown(row(b"x" * 100)[:50])
        record.json(Kind.GAP, **{"from": 1, "to": 2, "entries": 3, "bytes": 4})
        record.shown(b"x" * 40)
        record.shown(done("SELECT 9"), READY)
        record.ask(query("SELECT 2"))
        record.shown(done("SELECT 0"), READY)
        found = [each.what for each in record.happenings()]
        self.assertEqual(found, ["open", "operation", "gap", "opaque", "done", "operation", "done"])
        self.assertEqual(record.told("done")[1]["operation"], 2)


def of_any_shape() -> Recorded:
    record = Recorded()
    record.ask(query("SELECT 1"))
    record.ask(parse("s", "n", (23,)), bind(b"1", name="n"), describe(b"P"), execute(), SYNC)
    return record


SHOWN = b"".join(
    (
        columns(("a", 25, 0)), row(b"1"), done("SELECT 1"), READY, message(b"1"), message(b"2"),
        columns(("b", 23, 1)), row(b"\0\0\0\1"), message(b"A", bytes(4) + b"c\0p\0"), error("1", "x"), READY,
    )
)  # fmt: skip


class Properties(SynchronousTestCase):
    @given(st.lists(st.integers(0, len(SHOWN)), max_size=12))
    @settings(deadline=None)
    def test_any_cut(self, cuts: list[int]) -> None:
        """However the target's bytes were cut into entries, the same happened."""
        whole, cut = of_any_shape(), of_any_shape()
        whole.shown(SHOWN)
        ends = sorted({*cuts, 0, len(SHOWN)})
        for start, end in pairwise(ends):
            cut.shown(SHOWN[start:end])
        self.assertEqual(said(whole), said(cut))

    @given(st.binary(max_size=200), st.sampled_from([Kind.TO_CLIENT, Kind.TO_TARGET]), st.integers(0, len(SHOWN)))
    @settings(deadline=None)
    def test_junk(self, junk: bytes, kind: Kind, at: int) -> None:
        """Bytes that are no messages are opaque, and nothing is raised: the record of a hostile peer can be read."""
        record = of_any_shape()
        record.shown(SHOWN[:at] or b"1")
        record.add(kind, junk)
        record.shown(SHOWN)
        self.assertIn("operation", {each.what for each in record.happenings()})

    @given(st.binary(max_size=120))
    @settings(deadline=None)
    def test_junk_of_the_client(self, junk: bytes) -> None:
        """The same for what was asked: the operation is there, whatever its bytes."""
        record = Recorded()
        record.add(Kind.ASKED, b"\1\0\0\0" + (1).to_bytes(8, "little") + b"\3\1\0\0\0\0" + junk)
        self.assertEqual([fields["number"] for fields in record.told("operation")], [1])


def said(record: Recorded) -> list[Any]:
    found = []
    for each in record.happenings():
        each.fields.pop("milliseconds", None)
        found.append((each.what, each.fields))
    return found
