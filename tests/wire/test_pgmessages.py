"""PostgreSQL's messages and their values."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire import pgmessages
from hoopgw.wire.pgmessages import message

TEXT = st.binary(max_size=30).map(lambda data: data.replace(b"\0", b""))
VALUE = st.none() | st.binary(max_size=20)


def parameters(values: list[bytes | None], formats: int) -> bytes:
    data = formats.to_bytes(2, "big") + b"\0\1" * formats + len(values).to_bytes(2, "big")
    for value in values:
        data += b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
    return data


class Messages(SynchronousTestCase):
    @given(TEXT, TEXT, st.lists(st.integers(0, 2**32 - 1), max_size=5))
    def test_parse(self, name: bytes, text: bytes, types: list[int]) -> None:
        """A Parse reads as it was built."""
        undecoded = len(types).to_bytes(2, "big") + b"".join([each.to_bytes(4, "big") for each in types])
        data = pgmessages.parse(name, text, undecoded)
        read = pgmessages.read_parse(data, 5, len(data))
        self.assertEqual((read.name, read.text, read.types), (name, text, undecoded))

    @given(TEXT, TEXT, st.lists(VALUE, max_size=12), st.integers(0, 3), st.integers(0, 3))
    def test_bind(
        self, portal: bytes, statement: bytes, values: list[bytes | None], formats: int, results: int
    ) -> None:
        """must-survive 69: a Bind's parameters are its own bytes, ten and more in their places; the redacted form has
        NULLs and reads as a Bind of the same names."""
        given_ = parameters(values, formats)
        tail = results.to_bytes(2, "big") + b"\0\1" * results
        data = message(b"B", portal + b"\0" + statement + b"\0" + given_ + tail)
        read = pgmessages.read_bind(data, 5, len(data))
        self.assertEqual((read.portal, read.statement, read.parameters), (portal, statement, given_))
        redacted = pgmessages.without_values(data, 5, len(data))
        again = pgmessages.read_bind(redacted, 5, len(redacted))
        self.assertEqual((again.portal, again.statement), (portal, statement))
        self.assertEqual(again.parameters, parameters([None] * len(values), formats))
        self.assertEqual(redacted[-len(tail) :], tail)

    def test_counts_that_are_not_those_of_the_message(self) -> None:
        """What another reader could find behind the end of a Parse or Bind, or past it, is none."""
        one = b"\0\1\0\0\0\1x"  # a value
        for read, bodies in (
            (pgmessages.read_parse, (b"\0\0", b"\0\0\0\1", b"\0\0\0\0x", b"\0\0\0\1\0\0\0\x17\0\0\0\x17")),
            (
                pgmessages.read_bind,
                (
                    b"\0\0\0\0" + one,
                    b"\0\0\0\0" + one + b"\0\1",
                    b"\0\0\0\0" + one + b"\0\0x",
                    b"\0\0\0\0" + one + b"\0\0\0\0",
                    b"\0\0\0\0\0\1\0\0\0\2x\0",
                    b"\0\0\0\0\0\1\x80\0\0\0\0\0",
                ),
            ),
        ):
            for body in bodies:
                self.assertRaises(MalformedFrame, read, body, 0, len(body))
                self.assertRaises(MalformedFrame, read, body + b"\0" * 8, 0, len(body))

    @given(st.binary(max_size=80))
    def test_junk(self, data: bytes) -> None:
        """must-survive 5: whatever a body is, readers give values or raise MalformedFrame."""
        for read in (pgmessages.read_parse, pgmessages.read_bind, pgmessages.read_name, pgmessages.without_values):
            with contextlib.suppress(MalformedFrame):
                read(data, 0, len(data))
        try:
            fields = pgmessages.read_row_description(data)
            self.assertEqual(int.from_bytes(data[:2], "big"), len(fields))
        except MalformedFrame:
            pass
        pgmessages.report_fields(data)

    @given(st.binary(max_size=40), st.integers(0, 2 * pgmessages.WALKED), st.binary(max_size=40), st.integers(0, 40))
    def test_names(self, before: bytes, middle: int, behind: bytes, start: int) -> None:
        """A text ends with the first NUL from its beginning on, however far that is, and nowhere else."""
        data = before + b"\x01\x80" * middle + behind
        for end in (len(data), len(data) - 1, start):
            found = data.find(b"\0", start, max(end, 0))
            if found < 0:
                self.assertRaises(MalformedFrame, pgmessages.read_name, data, start, end)
            else:
                self.assertEqual(pgmessages.read_name(data, start, end), data[start:found])

    @given(st.lists(st.tuples(st.sampled_from([b"S", b"C", b"M", b"D", b"Z"]), TEXT)))
    def test_reports(self, fields: list[tuple[bytes, bytes]]) -> None:
        """must-survive 8: the fields of errors and notices, known or not, in order."""
        data = pgmessages.report(b"E", fields)
        self.assertEqual(pgmessages.report_fields(data[5:]), fields)

    def test_words_of_our_own(self) -> None:
        """An error of ours has both severities, no empty field, and no NUL inside one."""
        data = pgmessages.error(b"ERROR", [(b"C", b"ZG001"), (b"M", b"a\0b"), (b"H", b"")])
        self.assertEqual(
            pgmessages.report_fields(data[5:]), [(b"S", b"ERROR"), (b"V", b"ERROR"), (b"C", b"ZG001"), (b"M", b"ab")]
        )

    def test_row_description(self) -> None:
        """Name, table, attribute, type and format of each column."""
        one = b"id\0" + b"\1\2\3\4" + b"\xff\xff" + b"\0\0\0\x17" + b"\0\4" + b"\xff\xff\xff\xff" + b"\0\1"
        self.assertEqual(pgmessages.read_row_description(b"\0\1" + one), [(b"id", 0x01020304, -1, 23, 1)])
        most = pgmessages.MAX_FIELDS
        many = (most + 1).to_bytes(2, "big") + one * (most + 1)
        self.assertEqual(len(pgmessages.read_row_description(most.to_bytes(2, "big") + one * most)), most)
        for wrong in (b"\0\2" + one, b"\0\1" + one[:-1], b"\0\1" + one + b"x", many + one):
            with self.assertRaises(MalformedFrame):
                pgmessages.read_row_description(wrong)
