"""Events: one line each, inert, none lost without a word."""

from __future__ import annotations

import fcntl
import os

import orjson
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from hoopgw.model.errors import RecordingFailed
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.session import events as module
from hoopgw.session.events import MAX_LINE, Events, Lines, escaped, line
from hoopgw.session.interfaces import IEvents


class Emitting(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000.123)
        self.lines: list[bytes] = []
        self.registry = CollectorRegistry()
        self.events = Events("bastion", self.lines.append, self.clock, self.registry)

    def test_line(self) -> None:
        """Time, code, gateway, then the fields; one line; counted by code."""
        verifyObject(IEvents, self.events)
        self.events.emit(Code.LOGIN_REFUSED, subject="é", groups=frozenset(("b", "a")), raw=b"\xff")
        self.assertEqual(
            self.lines,
            [
                b'{"time":"2027-01-15T08:00:00.123Z","code":"login.refused","gateway":"bastion",'
                b'"subject":"\xc3\xa9","groups":["a","b"],"raw":"\\\\xff"}\n'
            ],
        )
        self.assertEqual(self.registry.get_sample_value("hoopgw_events_total", {"code": "login.refused"}), 1)

    def test_too_long(self) -> None:
        """What a journal would cut in two is cut by its fields: it stays one line of JSON, and says what is missing."""
        self.events.emit(Code.CONFIGURATION_KEPT, reason="\x1b" * 500_000, restart=["limits"])
        self.events.emit(Code.BYPASS_OPEN, reached=["a:1"] * 50_000, host="h", unreachable=["b" * 9000, "c"])
        self.events.emit(Code.LOGIN_REFUSED, **{f"f{number}": "\U000e0001" * 5000 for number in range(40)})
        kept, opened, many = self.lines
        for each in self.lines:
            self.assertEqual((each.count(b"\n"), len(each) <= MAX_LINE), (1, True), len(each))
        found = orjson.loads(kept)
        self.assertEqual((found["cut"], set(found["reason"]), found["restart"]), (["reason"], {"\x1b"}, ["limits"]))
        found = orjson.loads(opened)
        self.assertEqual((found["cut"], found["host"], found["unreachable"]), (["reached", "unreachable"], "h", []))
        self.assertGreater(len(found["reached"]), 100)
        self.assertEqual(len(orjson.loads(many)["cut"]), 40)

    def test_inert(self) -> None:
        """must-survive 36, 63: ESC, C1, bidi controls, line separators, NUL and newlines are escaped."""
        self.events.emit(Code.LOGIN_REFUSED, subject="a\x1b]0;x\x07\x9b2J\u202eb\u2028\n\x00\x7f\ufeff")
        (said,) = self.lines
        self.assertEqual(said.count(b"\n"), 1)
        for character in "\x1b\x07\x9b\u202e\u2028\x00\x7f\ufeff":
            self.assertNotIn(character.encode(), said)
        self.assertEqual(orjson.loads(said)["subject"], "a\x1b]0;x\x07\x9b2J\u202eb\u2028\n\x00\x7f\ufeff")

    def test_no_secret(self) -> None:
        """A value that is no plain one shows only its type."""
        self.events.emit(Code.LOGIN_REFUSED, token=Secret(b"hunter2"))
        self.assertNotIn(b"hunter2", self.lines[0])

    @given(st.dictionaries(st.text(), st.text() | st.binary() | st.lists(st.text()) | st.integers(-(2**63), 2**63)))
    def test_any_value(self, fields: dict[str, object]) -> None:
        """Whatever a peer sent makes one line of valid JSON, without control characters."""
        said = line(fields)
        orjson.loads(said)
        self.assertNotRegex(said[:-1].decode(), "[\x00-\x1f\x7f-\x9f]")

    def test_surrogates(self) -> None:
        """What is not UTF-8 is written in escapes, in keys as well."""
        found = orjson.loads(line({"a\ud800": {"b": ["\udcff"]}, "code": Code.LOGIN_REFUSED}))
        self.assertEqual(found, {"a\\ud800": {"b": ["\\udcff"]}, "code": "login.refused"})

    def test_escaped(self) -> None:
        """For people: newline and tab stay, what a terminal obeys is shown."""
        self.assertEqual(escaped("a\n\tb\x1b[2J\x9b\r"), "a\n\tb\\x1b[2J\\u009b\\x0d")


class Writing(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(module, "PAUSE", 0.01)
        self.reader, self.writer = os.pipe()
        self.addCleanup(os.close, self.writer)
        self.addCleanup(self.close_reader)
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(self.writer, False)
        self.lines = Lines(self.writer)

    def close_reader(self) -> None:
        if self.reader >= 0:
            os.close(self.reader)
            self.reader = -1

    def read(self) -> bytes:
        return os.read(self.reader, 1 << 20)

    def test_slow_reader(self) -> None:
        """must-survive 74: a reader that pauses gets every line, whole and in order, when it goes on."""
        sent = [b"%d %s\n" % (number, b"x" * 1000) for number in range(20)]
        for said in sent:
            self.lines.write(said)
        got = b""
        while got.count(b"\n") < 20:
            got += self.read()
            self.lines.write(b"")
        self.assertEqual(got, b"".join(sent))

    def test_never_dropped(self) -> None:
        """must-survive 74: beyond what may be kept the event's cause fails, it does not go on unsaid."""
        self.patch(module, "MAX_KEPT", 10_000)
        with self.assertRaises(RecordingFailed):
            for _ in range(100):
                self.lines.write(b"x" * 1000)

    def test_broken(self) -> None:
        """A reader that is gone is the same: kept for a while, then RecordingFailed."""
        self.close_reader()
        self.patch(module, "MAX_KEPT", 10_000)
        self.lines.write(b"x\n")
        with self.assertRaises(RecordingFailed):
            for _ in range(100):
                self.lines.write(b"x" * 1000)
