"""Streams that are masked as they come: the same however they are cut, and never a whole match in the clear."""

from __future__ import annotations

import re
from itertools import pairwise

import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.escapes import Plain
from hoopgw.wire.scanners import EMAIL, IBAN, PAYMENT_CARD, UK_NINO, US_SSN, Scanner
from hoopgw.wire.streammask import MAX_LINE, StreamMask
from tests.wire.test_scanners import ALL, TEXTS

OWN = Scanner(31, re2.compile(rb"key=[^;]+|^x+$|SECRET"))
LINES = st.lists(st.one_of(TEXTS, st.sampled_from((b"key=a b;c", b"xxx", b"SECRET"))), max_size=4)
STREAMS = st.lists(LINES.map(b"".join), max_size=4).flatmap(
    lambda lines: st.lists(st.sampled_from((b"\n", b"\r\n", b"\r")), min_size=len(lines), max_size=len(lines)).map(
        lambda ends: b"".join(line + end for line, end in zip(lines, ends, strict=True))
    )
)
UNMARKED = re.compile(rb"[\x0e\x0f\x1b]")
COLOURS = (b"\x1b[01;31m", b"\x1b[K", b"\x1b[m", b"\x1b(B", b"\x1b[0m\x1b[K", b"\x1b[m\x0f", b"\x0e")


def starred(line: bytes, spans: list[tuple[int, int]]) -> bytes:
    out = bytearray(line)
    for begin, end in spans:
        for at in range(begin, end):
            out[at] = 42 if line[at] >= 32 else line[at]
    return bytes(out)


def whole(scanner: Scanner, data: bytes) -> bytes:
    """Line by line, each at once."""
    pieces = []
    for line in data.splitlines(keepends=True):
        body = line.rstrip(b"\r\n")
        pieces.append(starred(body, scanner.spans(body, 0, len(body))) + line[len(body) :])
    return b"".join(pieces)


def cut(data: bytes, ends: list[int]) -> list[bytes]:
    places = [0, *sorted(end % (len(data) + 1) for end in ends), len(data)]
    return [data[begin:end] for begin, end in pairwise(places)]


def fed(mask: StreamMask, *pieces: bytes) -> bytes:
    return b"".join(mask.feed(piece) for piece in pieces) + mask.released(True)


class Cutting(SynchronousTestCase):
    @settings(max_examples=300, deadline=None)
    @given(STREAMS, st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from((ALL, OWN, Scanner(EMAIL))))
    def test_any_cut(self, data: bytes, ends: list[int], scanner: Scanner) -> None:
        """Any cut of a stream gives what a search of its whole lines gives."""
        data = UNMARKED.sub(b"", data)
        self.assertEqual(fed(StreamMask(scanner), *cut(data, ends)), whole(scanner, data))

    @settings(max_examples=100, deadline=None)
    @given(STREAMS)
    def test_byte_by_byte(self, data: bytes) -> None:
        """The same for each byte alone; no more than a line waits, and nothing once it has ended."""
        data = UNMARKED.sub(b"", data)
        mask = StreamMask(ALL)
        out = bytearray()
        for at in range(len(data)):
            out += mask.feed(data[at : at + 1])
            self.assertEqual(len(out) + mask.waiting, at + 1)
            if data[at : at + 1] in b"\r\n":
                self.assertEqual(mask.waiting, 0)
        self.assertEqual(bytes(out) + mask.released(True), whole(ALL, data))

    @settings(max_examples=200, deadline=None)
    @given(STREAMS, st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(COLOURS)), max_size=6), st.data())
    def test_colours(self, data: bytes, places: list[tuple[int, bytes]], draw: st.DataObject) -> None:
        """Colours that are put anywhere into it, cut anywhere, hide nothing from the search."""
        data = UNMARKED.sub(b"", data)
        wanted, coloured = whole(ALL, data), data
        for place, colour in sorted(((place % (len(data) + 1), colour) for place, colour in places), reverse=True):
            wanted = wanted[:place] + colour + wanted[place:]
            coloured = coloured[:place] + colour + coloured[place:]
        ends = draw.draw(st.lists(st.integers(0, 10_000), max_size=12))
        self.assertEqual(fed(StreamMask(ALL), *cut(coloured, ends)), wanted)


class Slow(SynchronousTestCase):
    @settings(max_examples=300, deadline=None)
    @given(STREAMS, st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), max_size=12))
    @example(b"4000001234567899\n", [(15, True)])
    def test_never_whole(self, data: bytes, ends: list[tuple[int, bool]]) -> None:
        """Whatever is asked for before its time, of no match all is shown; length and order stay."""
        data = UNMARKED.sub(b"", data)
        asked = {end % (len(data) + 1): early for end, early in ends}
        mask, out = StreamMask(ALL), bytearray()
        for piece in cut(data, list(asked)):
            out += mask.feed(piece)
            if asked.get(len(out) + mask.waiting):
                out += mask.released(False)
        out += mask.released(True)
        self.assertEqual(len(out), len(data))
        here = 0
        for line in data.splitlines(keepends=True):
            for begin, end in ALL.spans(line, 0, len(line.rstrip(b"\r\n"))):
                self.assertIn(42, out[here + begin : here + end], line)
            here += len(line)

    def test_typed(self) -> None:
        """One character after the other, each shown before the next: of a number no more than says what it may be."""
        for kinds, text, shown in (
            (PAYMENT_CARD, b"card 4000001234567899", b"card 40000012********"),
            (PAYMENT_CARD, b"card 4000 0012 3456 7899", b"card 4000 0012 *********"),
            (US_SSN, b"ssn 123-45-6789", b"ssn 123-45-****"),
            (EMAIL, b"to ann@example.org", b"to ann@***********"),
            (IBAN, b"DE89370400440532013000", b"DE893704**************"),
            (UK_NINO, b"AB123456C", b"AB1234***"),
            (PAYMENT_CARD, b"call 0301234", b"call 0301234"),
        ):
            mask, out = StreamMask(Scanner(kinds)), b""
            for at in range(len(text)):
                out += mask.feed(text[at : at + 1]) + mask.released(False)
            self.assertEqual(out, shown)

    def test_prompt_waits_for_nothing(self) -> None:
        """What no pattern can begin with is shown at once, as the same object."""
        for text in (b"ann $ ", b"total 48\r\n", b"Password: "):
            self.assertIs(StreamMask(ALL).feed(text), text)

    def test_counted(self) -> None:
        """Each find once, however often its line was looked at."""
        mask = StreamMask(ALL)
        fed(mask, b"a@b.org c@d", b".org, 4000 0012 345", b"6 7899 ", b"and so on")
        self.assertEqual(mask.masked, 3)


class Bounds(SynchronousTestCase):
    def test_long_line(self) -> None:
        """A line without an end waits no longer than its bound, and a value at any place of it is still found."""
        for scanner in (ALL, OWN):
            for before in (10, MAX_LINE - 20, MAX_LINE, 5 * MAX_LINE + 7):
                mask, out = StreamMask(scanner), b""
                data = b"/" * before + b" me@example.org " + b"/" * 5 * MAX_LINE
                for at in range(0, len(data), 777):
                    out += mask.feed(data[at : at + 777])
                    self.assertLessEqual(mask.waiting, MAX_LINE)
                out += mask.released(True)
                self.assertEqual(out, data.replace(b"me@example.org", b"*" * 14))

    def test_escape_without_end(self) -> None:
        """Bytes that never end an escape are shown as any others."""
        mask = StreamMask(ALL)
        data = b"\x1b[" + b"1;" * 5000 + b" me@example.org\n"
        out = b"".join(mask.feed(data[at : at + 100]) for at in range(0, len(data), 100)) + mask.released(True)
        self.assertEqual(out, data.replace(b"me@example.org", b"*" * 14))

    def test_screen(self) -> None:
        """The move of a cursor ends a word: what it puts beside another is not read on."""
        mask = StreamMask(ALL)
        data = b"\x1b[10;5H123-45-6789\x1b[2;1H4000 0012\x1b[3;1H3456 7899\x1b]0;ann@example.org: ~\x07\r\n"
        wanted = data.replace(b"123-45-6789", b"*" * 11).replace(b"ann@example.org", b"*" * 15)
        self.assertEqual(fed(mask, data), wanted)
        self.assertEqual(Plain(b"a\x1b[1mb\x1b[2Jc\x1b[").text, b"ab\0c")

    def test_shifts(self) -> None:
        """Where TERM is `screen` or `linux`, colours end with a shift, and no escape need stand beside it."""
        data = b"4000\x0f001234\x0e567899 ann@\x0fexample.org\r\n"
        self.assertEqual(fed(StreamMask(ALL), data), b"****\x0f******\x0e****** ****\x0f***********\r\n")
