"""Masked COPY: nothing of a masked value is left, the rest is as it was, and runs are masked as single messages are."""

from __future__ import annotations

import csv
import io
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import WireError
from hoopgw.wire import masking
from hoopgw.wire.masking import Action, ValueMask
from hoopgw.wire.pgcopy import SIGNATURE, CopyMask
from hoopgw.wire.pgmessages import message
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.showing import Hashes

CELLS = st.lists(
    st.sampled_from(
        [
            b"a@b.example",
            b"4000 0012 3456 7899",
            b"x",
            b"",
            b"\\N",
            b"\\t",
            b'"',
            b'""',
            b"\r",
            b"\\.",
            b"\\",
            b"\n",
        ]
    ),
    max_size=3,
).map(b"".join)
LINES = st.lists(CELLS, min_size=1, max_size=4)
PAYLOADS = st.lists(
    st.tuples(st.lists(LINES, max_size=3), st.sampled_from([b"\n", b"\n", b"\n", b"", b"\r\n"])), max_size=6
)
KINDS = st.sampled_from([masking.PASS, masking.NONE, masking.LAST4, masking.SCAN, masking.SCAN, masking.NULL])


def payloads(copy: CopyMask, data: bytes) -> bytes:
    """A run of CopyData messages as the relay takes it: what the client reads of them."""
    shown, here = b"", 0
    while here < len(data):
        piece, stop = copy.apply(data, here, len(data))
        for at in messages(data[here:stop] if piece is None else piece):
            shown += at
        here = stop
        if here < len(data):
            stop = here + 1 + int.from_bytes(data[here + 1 : here + 5], "big")
            shown += copy.feed(data[here + 5 : stop])
            here = stop
    return shown


def messages(data: bytes) -> list[bytes]:
    found, here = [], 0
    while here < len(data):
        end = here + 1 + int.from_bytes(data[here + 1 : here + 5], "big")
        assert data[here : here + 1] == b"d" and end <= len(data)
        found.append(data[here + 5 : end])
        here = end
    return found


class Runs(SynchronousTestCase):
    @settings(max_examples=500, deadline=None)
    @given(PAYLOADS, st.lists(KINDS, min_size=1, max_size=3), st.booleans(), st.sampled_from(["text", "csv"]))
    def test_as_message_by_message(
        self, sent: list[tuple[list[list[bytes]], bytes]], kinds: list[int], every: bool, form: str
    ) -> None:
        """must-survive 19: whatever stands in lines, a run gives what its messages give one by one."""
        delimiter = b"\t" if form == "text" else b","
        options: dict[str, Any] = {"delimiter": delimiter, "null": b"\\N" if form == "text" else b""}
        data = [b"\n".join(delimiter.join(line) for line in lines) + ending for lines, ending in sent]
        actions = tuple(None if kind == masking.PASS else Action(kind) for kind in kinds)
        whole = actions[0] if every else None

        def copy() -> CopyMask:
            return CopyMask(form, actions, whole, ValueMask(Scanner(31), Hashes(b"")), 1 << 20, **options)

        one, other = copy(), copy()
        wanted = b"".join(map(one.feed, data)) + one.finish()
        self.assertEqual(payloads(other, b"".join(message(b"d", each) for each in data)) + other.finish(), wanted)
        self.assertEqual(other.masked, one.masked)

    def test_plain(self) -> None:
        """Where nothing has to be changed no copy is made, and a run of plain lines is taken at once."""
        copy = CopyMask("text", (), Action(masking.SCAN), ValueMask(Scanner(31), Hashes(b"")), 1 << 20)
        data = message(b"d", b"a\tb\\tc\n".replace(b"\\", b"")) * 3
        self.assertEqual(copy.apply(data, 0, len(data)), (None, len(data)))
        mail = message(b"d", b"\\N\ta@b.example\n")
        self.assertEqual(
            copy.apply(mail * 2, 0, 2 * len(mail)), (message(b"d", b"\\N\t***********\n") * 2, 2 * len(mail))
        )

    @given(st.binary(max_size=40))
    def test_junk(self, junk: bytes) -> None:
        """must-survive 5: what is no run of CopyData is a WireError."""
        copy = CopyMask("text", (), Action(masking.SCAN), ValueMask(Scanner(31), Hashes(b"")), 1 << 20)
        for data in (junk, b"d" + junk, message(b"d", junk), message(b"d", junk + b"\n") + junk):
            try:
                _, stop = copy.apply(data, 0, len(data))
            except (WireError, IndexError):
                continue
            self.assertLessEqual(stop, len(data))


class Copies(SynchronousTestCase):
    def copy(self, form: str, **options: bytes) -> CopyMask:
        actions = (None, Action(masking.NONE))
        return CopyMask(form, actions, None, ValueMask(None, Hashes(b"")), 1 << 20, **options)  # type: ignore[arg-type]

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.text("ab\t\n\\|'\"", max_size=6), st.text('xyz\t\n\\"', max_size=6))), st.integers(1, 7)
    )
    def test_text_any_cut(self, rows: list[tuple[str, str]], size: int) -> None:
        """must-survive 19: text format, cut anywhere: the first field as it was, the second all stars."""

        def escape(value: str) -> str:
            return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")

        data = "".join(f"{escape(one)}\t{escape(two)}\n" for one, two in rows).encode()
        copy = self.copy("text")
        shown = b"".join(copy.feed(data[at : at + size]) for at in range(0, len(data), size)) + copy.finish()
        wanted = "".join(f"{escape(one)}\t{'*' * len(two)}\n" for one, two in rows).encode()
        self.assertEqual(shown, wanted)

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.text('ab,\n"', min_size=1, max_size=6), st.text('xyz,\n"', min_size=1, max_size=6))))
    def test_csv(self, rows: list[tuple[str, str]]) -> None:
        """must-survive 19: csv with quoted fields of several lines."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)
        copy = self.copy("csv", delimiter=b",", null=b"")
        shown = copy.feed(out.getvalue().encode()) + copy.finish()
        found = list(csv.reader(io.StringIO(shown.decode())))
        self.assertEqual(found, [[one, "*" * len(two)] for one, two in rows])

    def test_null_in_csv(self) -> None:
        """NULL stays NULL and an empty text an empty text, masked or not."""
        copy = self.copy("csv", delimiter=b",", null=b"")
        self.assertEqual(copy.feed(b',\n"",""\na,b\n'), b',\n"",""\na,*\n')

    def test_binary(self) -> None:
        """must-survive 19: binary format, cut anywhere."""
        tuples = b"".join(b"\0\2\0\0\0\1a\0\0\0\4" + value for value in (b"mail", b"card"))
        data = SIGNATURE + bytes(8) + tuples + b"\xff\xff"
        for size in (1, 3, 50, 1000):
            copy = self.copy("binary")
            shown = b"".join(copy.feed(data[at : at + size]) for at in range(0, len(data), size)) + copy.finish()
            self.assertEqual(shown, data.replace(b"mail", b"****").replace(b"card", b"****"))
