"""hoopgw.wire.websocket_runs, beside what reads frame by frame."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import WireError
from hoopgw.wire import websocket as ws
from hoopgw.wire.websocket_messages import Keys, MessageReader
from hoopgw.wire.websocket_runs import MOST, Run, said_run, told_run
from tests.wire.test_websocket import joined

KEY = b"\x9a\x00\x13\xff"
SHORT = st.binary(max_size=40) | st.sampled_from([b"", b"x" * 125, b"x" * 126, b"y" * 300, b"1234567", b"12345678"])
TEXT = st.sampled_from(["", "a", "é", "text of a message", "ünï" * 50, "ends in é", "7 bytes", "8 bytes."]).map(
    str.encode
)
FRAME = st.one_of(
    st.tuples(st.just(ws.TEXT), TEXT, st.just(True)),
    st.tuples(st.just(ws.BINARY), SHORT, st.just(True)),
    st.tuples(st.sampled_from([ws.TEXT, ws.BINARY, ws.CONTINUATION, ws.PING, ws.CLOSE]), SHORT, st.booleans()),
)


def keys() -> Keys:
    """Each another one, and all of them with signs in their words."""
    numbers = itertools.count(0xF0E0D0C0)
    return Keys(lambda size: b"".join(next(numbers).to_bytes(4, "big") for _ in range(size // 4)))


def runs(stream: bytes, client: bool) -> list[Run]:
    drawn = keys()
    found: list[Run] = []
    here = 0
    while (run := said_run(stream, here, drawn) if client else told_run(stream, here)) is not None:
        found.append(run)
        here = run.end
    return found


class Runs(SynchronousTestCase):
    @given(st.lists(FRAME, max_size=8), st.booleans(), st.integers(0, 12))
    def test_what_is_passed_is_what_frame_by_frame_is_read(
        self, frames: list[tuple[int, bytes, bool]], client: bool, cut: int
    ) -> None:
        """The same messages, for the other side and for the journal; what is behind is left from its first byte on."""
        stream = b"".join(ws.frame(kind, data, KEY if client else b"", last) for kind, data, last in frames)
        stream = stream[: len(stream) - min(cut, len(stream))]
        found = runs(stream, client)
        end = found[-1].end if found else 0
        told = joined(MessageReader(client, None).read(stream[:end]))
        self.assertEqual(joined(MessageReader(client, None).read(b"".join(run.data for run in found))), told)
        self.assertEqual(joined(MessageReader(False, None).read(b"".join(run.recorded for run in found))), told)
        self.assertEqual(sum(run.size for run in found), sum(len(payload) for _, payload in told))
        self.assertTrue({kind for kind, _ in told} <= {ws.TEXT, ws.BINARY})

    @given(st.binary(max_size=60), st.integers(0, 5), st.booleans())
    def test_junk(self, junk: bytes, before: int, client: bool) -> None:
        """Never raises; of what would be refused nothing passes."""
        stream = ws.frame(ws.BINARY, b"fine", KEY if client else b"") * before + junk
        for run in runs(stream, client):
            MessageReader(client, None).read(stream[: run.end])

    def test_what_ends_a_run(self) -> None:
        """Another's mask or none, bits of extensions, fragments, lengths of too many bytes, text that is no UTF-8."""
        good = ws.frame(ws.TEXT, b"good", KEY)
        for bad in (
            ws.frame(ws.TEXT, b"no mask"), ws.frame(ws.TEXT, b"x", KEY, squeezed=True), ws.frame(ws.PING, b"x", KEY),
            ws.frame(ws.TEXT, b"x", KEY, last=False), ws.frame(ws.CONTINUATION, b"x", KEY),
            ws.frame(ws.CLOSE, b"", KEY), b"\x82\xfe\x00\x05" + KEY + b"12345", ws.frame(ws.TEXT, b"abc\xff", KEY),
            ws.frame(ws.TEXT, b"\xed\xa0\x80", KEY), b"\xa2\x81" + KEY + b"x", b"\x83\x81" + KEY + b"x",
            good[:-1], good[:1], b"\x82\xfe\x01",
        ):  # fmt: skip
            run = said_run(good + bad, 0, keys())
            assert run is not None
            self.assertEqual((run.end, run.size), (len(good), 4), bad)
            self.assertIsNone(said_run(bad, 0, keys()))
        for bad in (good, ws.frame(ws.TEXT, b"abc\xff"), b"\x81\x7f" + bytes(7) + b"\x01x", b"\x81\x03ab"):
            self.assertIsNone(told_run(bad, 0))

    def test_text_is_told_by_all_of_its_bytes(self) -> None:
        """A byte that is no UTF-8 is found wherever it stands, whatever follows."""
        for size in range(1, 20):
            for place in range(size):
                text = b"a" * place + b"\xff" + b"a" * (size - place - 1)
                self.assertIsNone(told_run(ws.frame(ws.TEXT, text) + b"\xff" * 9, 0))
                self.assertIsNone(said_run(ws.frame(ws.TEXT, text, KEY) + b"\xff" * 9, 0, keys()))
                self.assertIsNotNone(told_run(ws.frame(ws.BINARY, text), 0))
            self.assertIsNotNone(told_run(ws.frame(ws.TEXT, b"a" * size) + b"\xff" * 9, 0))
            self.assertIsNotNone(said_run(ws.frame(ws.TEXT, b"a" * size, KEY) + b"\xff" * 9, 0, keys()))

    def test_each_message_has_a_mask_of_its_own(self) -> None:
        """RFC 6455, 10.3: fresh, and none of the client's."""
        message = ws.frame(ws.BINARY, b"the same", KEY)
        run = said_run(message * 5, 0, keys())
        assert run is not None
        masks = [run.data[at + 2 : at + 6] for at in range(0, len(run.data), len(message))]
        self.assertEqual(len(set(masks) | {KEY}), 6)

    def test_a_run_is_bounded(self) -> None:
        """Whoever replays it takes it apart again."""
        message = ws.frame(ws.BINARY, bytes(100))
        found = runs(message * 1000, False)
        self.assertTrue(all(len(run.data) < MOST + len(message) for run in found))
        self.assertEqual(b"".join(run.data for run in found), message * 1000)
        self.assertRaises(WireError, MessageReader(True, None).read, message)
