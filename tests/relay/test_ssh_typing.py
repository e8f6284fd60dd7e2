"""Terminals in the relay: which keys are recorded, and when a line is told.  tests/record/test_typed.py reads them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.effects import ToTarget, Typed
from hoopgw.wire import sshmessages as wire
from tests.relay.test_ssh import Play

SIZE = wire.u32(132) + wire.u32(43) + wire.u32(0) + wire.u32(0)


def on_terminal() -> Play:
    play = Play()
    play.open()
    play.client(wire.request(7, b"pty-req", True, wire.string(b"xterm") + SIZE + wire.string(b"")))
    play.client(wire.request(7, b"shell", True, b""))
    play.took()
    return play


def keys(data: bytes) -> bytes:
    return wire.channel_data(7, data)


class Terminals(SynchronousTestCase):
    def test_recorded(self) -> None:
        """The target gets the keys, the record their number; without a terminal input is recorded as it is."""
        (sent,) = on_terminal().relay.from_client(wire.framed(keys(b"s3cret\r")))
        assert isinstance(sent, ToTarget)
        self.assertEqual((sent.data, sent.recorded), (wire.framed(keys(b"s3cret\r")), wire.framed(keys(b"******\r"))))
        play = Play()
        play.open()
        play.client(wire.request(7, b"exec", True, wire.string(b"cat")))
        (sent,) = play.relay.from_client(wire.framed(keys(b"s3cret\r")))
        assert isinstance(sent, ToTarget)
        self.assertIsNone(sent.recorded)

    def test_told(self) -> None:
        """A line is told behind the output in which it ends, with what runs there and how wide the terminal is."""
        play = on_terminal()
        play.target(wire.channel_data(0, b"$ "))
        play.client(wire.request(7, b"window-change", False, wire.u32(99) + SIZE[4:]), keys(b"id\r"))
        play.target(wire.channel_data(0, b"id"))
        self.assertEqual(play.others, [])
        play.target(wire.channel_data(0, b"\r\nuid=0\r\n"))
        (line,) = play.others
        assert isinstance(line, Typed)
        said = (line.operation, line.before, line.after, line.columns, line.keys, line.text)
        self.assertEqual(said, (2, b"$ ", b"id\r", 99, 2, b"id"))
        self.assertEqual(play.relay.coverage()["inferred"], ["lines typed on terminals"])

    def test_end(self) -> None:
        """What was entered when the terminal closed is told as well."""
        play = on_terminal()
        play.client(keys(b"exit\r"))
        play.target(wire.simple(wire.CHANNEL_CLOSE, 0))
        self.assertEqual([type(each) for each in play.others], [Typed])
