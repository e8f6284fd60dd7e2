"""Where PostgreSQL's messages end: any cut, any junk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.pgframes import Run, after_rows, message_end, needed
from hoopgw.wire.pgmessages import message

TAGS = st.sampled_from([bytes([tag]) for tag in b"DDDDdVCTZEN1"])
STREAMS = st.lists(st.tuples(TAGS, st.binary(max_size=40)))
LIMIT = 1 << 20


def walked(data: bytes) -> list[tuple[bytes, int, int]]:
    """(tag, start, end) of the messages that scans find."""
    found, here, run = [], 0, Run()
    while True:
        run.scan(data, here)
        at = here
        for _ in range(run.rows):
            end = after_rows(data, at, 1)
            found.append((bytes([run.tag]), at, end))
            at = end
        assert at == run.bulk
        if run.end > run.bulk:
            found.append((data[run.bulk : run.bulk + 1], run.bulk, run.end))
        if run.end == here:
            return found
        here = run.end


class Frames(SynchronousTestCase):
    @given(STREAMS, st.integers(0, 2000))
    def test_any_cut(self, messages: list[tuple[bytes, bytes]], place: int) -> None:
        """A stream that is cut anywhere gives the whole messages before the cut, and no other."""
        data = b"".join([message(tag, body) for tag, body in messages])
        data = data[: place % (len(data) + 1)]
        expected, here = [], 0
        for tag, body in messages:
            if here + 5 + len(body) > len(data):
                break
            expected.append((tag, here, here + 5 + len(body)))
            here += 5 + len(body)
        self.assertEqual(walked(data), expected)
        self.assertEqual([message_end(data, start, LIMIT) for _, start, _ in expected], [end for _, _, end in expected])
        self.assertEqual(message_end(data, here, LIMIT), 0)

    @given(st.binary(max_size=200), st.integers(0, 250))
    def test_junk(self, data: bytes, start: int) -> None:
        """must-survive 5: junk raises MalformedFrame or gives offsets inside it."""
        run = Run()
        try:
            run.scan(data, start)
        except MalformedFrame:
            pass
        else:
            self.assertTrue(start <= run.bulk <= run.end <= max(start, len(data)))
        try:
            end = message_end(data, start, LIMIT)
        except MalformedFrame:
            pass
        else:
            self.assertTrue(end == 0 or start + 5 <= end <= len(data))

    def test_lengths(self) -> None:
        """must-survive 5: lengths that no message has."""
        for length in (0, 3, LIMIT + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
            data = b"Q" + length.to_bytes(4, "big") + b"x" * 10
            for read in (message_end, needed):
                with self.assertRaises(MalformedFrame):
                    read(data, 0, LIMIT)
            if length not in (LIMIT + 1,):
                with self.assertRaises(MalformedFrame):
                    Run().scan(data, 0)

    def test_needed(self) -> None:
        """How much a message needs is known from its header on."""
        self.assertEqual([needed(message(b"Q", b"12345")[:size], 0, LIMIT) for size in (0, 4, 5, 9)], [0, 0, 10, 10])
        self.assertEqual([needed(b"QQ" + n.to_bytes(4, "big"), 1, LIMIT) for n in (4, LIMIT)], [5, LIMIT + 1])

    def test_large_messages(self) -> None:
        """All four bytes of a length count; the longest that may be."""
        size = 0x01020304
        data = b"xD" + size.to_bytes(4, "big") + bytes(size - 4) + b"D\0\0\0\4"
        self.assertEqual(message_end(data, 1, size), size + 2)
        self.assertEqual((message_end(data[:-6], 1, size), message_end(data[:-5], 1, size)), (0, size + 2))
        self.assertRaises(MalformedFrame, message_end, data, 1, size - 1)
        self.assertEqual((after_rows(data, 1, 1), after_rows(data, 1, 2)), (size + 2, len(data)))
        run = Run()
        run.scan(data, 1)
        self.assertEqual((run.tag, run.rows, run.bulk, run.end), (68, 2, len(data), len(data)))
        for length, fits in ((0x40000100, True), (0x40000101, False)):
            head = b"D" + length.to_bytes(4, "big")
            if fits:
                run.scan(head, 0)
                self.assertEqual((run.rows, run.bulk, run.end), (0, 0, 0))
            else:
                self.assertRaises(MalformedFrame, run.scan, head, 0)

    def test_runs(self) -> None:
        """Of one kind of bulk messages, with one other behind it, if it is whole; what is wrong is said by itself."""
        row, copied, given, done = (message(tag, b"") for tag in (b"D", b"d", b"V", b"C"))
        wrong = b"D\0\0\0\3"
        run = Run()
        for data, found in (
            (b"", (0, 0, 0, 0)),
            (done, (0, 0, 0, 5)),
            (done + row, (0, 0, 0, 5)),
            (row * 3, (68, 3, 15, 15)),
            (copied * 2 + done * 2, (100, 2, 10, 15)),
            (given + done[:4], (86, 1, 5, 5)),
            (row + copied, (68, 1, 5, 5)),
            (copied + given, (100, 1, 5, 5)),
            (given * 2 + row, (86, 2, 10, 10)),
            (row + wrong, (68, 1, 5, 5)),
        ):
            run.scan(data, 0)
            self.assertEqual((run.tag, run.rows, run.bulk, run.end), found, data)
        self.assertRaises(MalformedFrame, run.scan, wrong, 0)
