"""A film on a terminal: what is shown when, by a clock and keys of the test's."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.film import NANOSECONDS, Film
from hoopgw.cli.player import Player
from hoopgw.record.harmless import CLEAR
from hoopgw.record.terminals import Moment

SECOND = NANOSECONDS


class Viewer:
    """Waits as long as it is asked to; presses `keys` = (after how many seconds of its own clock, key)."""

    def __init__(self, *keys: tuple[float, str]) -> None:
        self.now = 0
        self.shown: list[tuple[float, bytes]] = []
        self._keys = [(int(at * SECOND), key) for at, key in keys]

    def clock(self) -> int:
        return self.now

    def write(self, data: bytes) -> None:
        self.shown.append((self.now / SECOND, data))

    def key(self, seconds: float | None) -> str:
        end = None if seconds is None else self.now + round(seconds * SECOND)
        if self._keys and (end is None or self._keys[0][0] <= end):
            at, key = self._keys.pop(0)
            self.now = max(self.now, at)
            return key
        assert end is not None, "paused for ever"
        self.now = end
        return ""


class Playing(SynchronousTestCase):
    def film(self, idle: float = 100.0) -> Film:
        moments = [Moment(SECOND * (10 + at), "o", f"{at}") for at in (0, 1, 7, 20)]
        film = Film([*moments, Moment(32 * SECOND, "x", "0")], 10 * SECOND, idle)
        self.addCleanup(film.close)
        return film

    def play(self, *keys: tuple[float, str], speed: float = 1.0, idle: float = 100.0) -> list[tuple[float, bytes]]:
        viewer = Viewer(*keys)
        Player(self.film(idle), speed, viewer.clock, viewer.write, viewer.key).play()
        self.ended = viewer.now / SECOND
        self.assertEqual(viewer.shown.pop(0), (0.0, CLEAR.encode()))
        return viewer.shown

    def test_speed(self) -> None:
        """Each frame in its time, by the speed; long pauses are cut."""
        self.assertEqual(self.play(), [(0, b"0"), (1, b"1"), (7, b"7"), (20, b"20")])
        self.assertEqual(self.ended, 22)
        self.assertEqual(self.play(speed=2.0), [(0, b"0"), (0.5, b"1"), (3.5, b"7"), (10, b"20")])
        self.assertEqual(self.play(idle=2.0), [(0, b"0"), (1, b"1"), (3, b"7"), (5, b"20")])
        self.assertEqual(self.play((3, "+")), [(0, b"0"), (1, b"1"), (5, b"7"), (11.5, b"20")])

    def test_pause(self) -> None:
        """Space stops the film where it is, and goes on from there."""
        self.assertEqual(self.play((3, " "), (50, " ")), [(0, b"0"), (1, b"1"), (54, b"7"), (67, b"20")])
        self.assertEqual(self.play((3, " "), (4, "."), (5, "q"))[-1], (4, b"7"))

    def test_seek(self) -> None:
        """Forward shows what lies between; back draws the screen anew; beyond its ends there is nothing."""
        self.assertEqual(self.play((2, "\x1b[C"), (2, "q")), [(0, b"0"), (1, b"1"), (2, b"7")])
        back = self.play((8, "\x1b[D"), (8, "q"))
        self.assertEqual(back[3:], [(8, CLEAR.encode()), (8, b"0"), (8, b"1")])
        self.assertEqual(self.play((8, "\x1bOB"), (8, "q"))[3:], [(8, CLEAR.encode()), (8, b"0")])
        self.assertEqual(self.play((2, "\x1b[A"))[2:], [(2, b"7"), (2, b"20")])
