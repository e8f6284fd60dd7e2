"""Masked output of SSH channels: what waits, in what order it goes on, and that windows stay right."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import GO, Answer
from hoopgw.model.events import Code
from hoopgw.model.operation import Operation
from hoopgw.policy.masks import SqlMasks
from hoopgw.relay.effects import Completed, Effect, Later, ToClient
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.relay.ssh_masks import DELAY
from hoopgw.wire import sshmessages as wire
from hoopgw.wire.scanners import EMAIL, PAYMENT_CARD, Scanner
from tests.relay.test_ssh import Play, execute, opening
from tests.wire.test_streammask import whole

MASKS = SqlMasks({}, (), frozenset(("payment-card", "email")), frozenset(), build=MaskBuilder(b"k"))
CARD = b"4000 0012 3456 7899"


def masked(operation: Operation) -> Answer:
    return Answer(masks=MASKS) if operation.kind in ("exec", "shell") else GO


class Case(SynchronousTestCase):
    def begun(self, packet: int = 32768) -> Play:
        play = Play(masked)
        play.client(opening(0, packet=packet))
        play.target(wire.confirmation(0, 7, 1 << 20, 32768))
        play.client(execute(7, b"cat"))
        play.target(wire.simple(wire.CHANNEL_SUCCESS, 0))
        play.took()
        return play

    def out(self, *pieces: bytes) -> list[bytes]:
        return [wire.channel_data(0, piece) for piece in pieces]

    def later(self, play: Play) -> Later:
        return next(effect for effect in reversed(play.others) if isinstance(effect, Later))


class Order(Case):
    def test_split(self) -> None:
        """A value in two packets is masked in both; its first part waits for the second."""
        play = self.begun()
        play.target(*self.out(b"paid with 4000 0012 "))
        self.assertEqual(play.took()[0], self.out(b"paid with "))
        play.target(*self.out(b"3456 7899\n"))
        self.assertEqual(play.took()[0], self.out(b"*" * 19 + b"\n"))

    def test_streams(self) -> None:
        """stdout and stderr are two streams: what stands in one does not go on in the other."""
        play = self.begun()
        play.target(*self.out(b"4000 0012 "), wire.stderr(0, b"3456 7899\n"), *self.out(b"3456 7899\n"))
        self.assertEqual(play.took()[0], [wire.stderr(0, b"3456 7899\n"), *self.out(b"*" * 19 + b"\n")])

    def test_ends(self) -> None:
        """EOF, the exit status and the close come behind what was written before them."""
        for end in (wire.simple(wire.CHANNEL_EOF, 0), wire.exit_status(0, 3), wire.simple(wire.CHANNEL_CLOSE, 0)):
            play = self.begun()
            play.target(*self.out(b"a@b.org"), wire.stderr(0, CARD), end)
            self.assertEqual(play.took()[0], [*self.out(b"*" * 7), wire.stderr(0, b"*" * 19), end])

    def test_nothing_under_way(self) -> None:
        """Output that no pattern can begin with passes as it came."""
        play = self.begun()
        run = b"".join(map(wire.framed, self.out(b"total 3\n", b"one two\n")))
        (effect,) = play.relay.from_target(run)
        self.assertIsInstance(effect, ToClient)
        self.assertIs(effect.data, run)

    def test_counted(self) -> None:
        """How much was masked is told at the end, of the operation that wrote it."""
        play = self.begun()
        play.target(*self.out(CARD + b"\na@b.org\n"), wire.simple(wire.CHANNEL_CLOSE, 0))
        (completed,) = [effect for effect in play.others if isinstance(effect, Completed)]
        self.assertEqual((completed.number, completed.masked), (1, 2))

    def test_target_gone(self) -> None:
        """What the target had written is shown when its connection breaks."""
        play = self.begun()
        play.target(*self.out(b"half 4000"))
        effects: list[Effect] = play.relay.target_gone("broken")
        assert isinstance(effects[0], ToClient)
        self.assertEqual(effects[0].data, wire.framed(wire.channel_data(0, b"4000")))

    def test_other_streams(self) -> None:
        """RFC 4254 knows no other: the session ends, for nobody could say who reads it."""
        play = self.begun()
        play.target(b"\x5f" + (0).to_bytes(4, "big") + (2).to_bytes(4, "big") + wire.string(CARD))
        self.assertEqual(play.hangup().code, Code.PROTOCOL_VIOLATED)


class Waiting(Case):
    def test_due(self) -> None:
        """What does not go on is shown after the delay; what of it is too much of a card is not."""
        play = self.begun()
        play.target(*self.out(b"4000 0012 345"))
        self.assertEqual(play.took()[0], [])
        later = self.later(play)
        self.assertEqual(later.seconds, DELAY)
        play.carry_out(play.relay.later(later.lane))
        self.assertEqual(play.took()[0], self.out(b"4000 0012 ***"))
        play.target(*self.out(b"6 7899\n"))
        self.assertEqual(play.took()[0], self.out(b"******\n"))

    def test_not_due(self) -> None:
        """Where the stream went on, what waits now gets a whole delay; after it the timer rests."""
        play = self.begun()
        play.target(*self.out(b"4000"))
        play.target(*self.out(b"\n5000"))
        play.took()
        play.carry_out(play.relay.later(1))
        self.assertEqual(play.took()[0], [])
        self.assertEqual(len([each for each in play.others if isinstance(each, Later)]), 2)
        play.carry_out(play.relay.later(1))
        self.assertEqual(play.took()[0], self.out(b"5000"))
        self.assertEqual(len([each for each in play.others if isinstance(each, Later)]), 2)

    def test_too_late(self) -> None:
        """A timer that is left when its channel has closed does nothing."""
        play = self.begun()
        play.target(*self.out(b"4000"), wire.simple(wire.CHANNEL_CLOSE, 0))
        self.assertEqual(play.relay.later(1), [])


class Windows(Case):
    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.sampled_from((b"4000 0012 ", b"3456 7899", b" x\n", b"a@b", b".org ", b"L")), max_size=40))
    def test_any_packets(self, pieces: list[bytes]) -> None:
        """The client gets as many bytes as the target sent, masked as a whole, in packets that it takes."""
        play = self.begun(packet=16)
        play.target(*self.out(*pieces), wire.simple(wire.CHANNEL_EOF, 0))
        *shown, eof = play.took()[0]
        self.assertEqual(eof, wire.simple(wire.CHANNEL_EOF, 0))
        self.assertLessEqual(max([len(each) for each in shown], default=0), 9 + 16)
        text = b"".join(each[9:] for each in shown)
        self.assertEqual(text, whole(Scanner(EMAIL | PAYMENT_CARD), b"".join(pieces)))
