"""Play a film in this terminal: space pauses, arrow keys seek, `.` steps, + and - change the speed, q ends."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hoopgw.cli.film import NANOSECONDS, Film
from hoopgw.record.harmless import CLEAR, RESET

SEEK = 5 * NANOSECONDS  # of one press of an arrow key
FAR = 60 * NANOSECONDS  # up and down
SPEEDS = (0.1, 100.0)
_SEEKS = {"\x1b[C": SEEK, "\x1b[D": -SEEK, "\x1b[A": FAR, "\x1b[B": -FAR}
_SEEKS |= {key.replace("[", "O"): far for key, far in _SEEKS.items()}  # as in application mode


class Player:
    """`now` gives ns; `write` shows; `keys(seconds)` waits so long for a key, None for ever, and gives it or ""."""

    def __init__(
        self,
        film: Film,
        speed: float,
        now: Callable[[], int],
        write: Callable[[bytes], object],
        keys: Callable[[float | None], str],
    ) -> None:
        self._film, self._speed, self._now, self._write, self._keys = film, speed, now, write, keys
        self._at = 0  # of the film, when the clock said `_since`
        self._since = 0
        self._frame = 0
        self._paused = False

    def play(self) -> None:
        self._write(CLEAR.encode())
        self._since = self._now()
        while self._paused or self._frame < len(self._film) or self._position() < self._film.length:
            if not self._paused:
                self._show()
            if not self._pressed(self._keys(self._wait())):
                return

    def _position(self) -> int:
        if self._paused:
            return self._at
        return self._at + int((self._now() - self._since) * self._speed)

    def _wait(self) -> float | None:
        if self._paused:
            return None
        return max(0.0, (self._film.time(self._frame) - self._position()) / self._speed / NANOSECONDS)

    def _show(self) -> None:
        end = self._film.until(self._position())
        while self._frame < end:
            self._write(self._film.text(self._frame))
            self._frame += 1

    def _pressed(self, key: str) -> bool:
        """False: enough."""
        if key in ("q", "\x03", "\x04"):
            return False
        self._at, self._since = self._position(), self._now()
        if key == " ":
            self._paused = not self._paused
        elif key == "." and self._paused and self._frame < len(self._film):
            self._seek(self._film.time(self._frame))
        elif key in _SEEKS:
            self._seek(self._at + _SEEKS[key])
        elif key in ("+", "-"):
            self._speed = min(SPEEDS[1], max(SPEEDS[0], self._speed * (2 if key == "+" else 0.5)))
        return True

    def _seek(self, time: int) -> None:
        self._at = min(max(0, time), self._film.length)
        end = self._film.until(self._at)
        if end < self._frame:
            for text in self._film.redrawn(end):
                self._write(text)
            self._frame = end
        while self._frame < end:
            self._write(self._film.text(self._frame))
            self._frame += 1


@contextmanager
def taken() -> Iterator[None]:
    """The terminal that standard input and output are shows no keys; it is left as it was, by Ctrl-C too."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield
    except KeyboardInterrupt:
        return
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        write(RESET.encode() + b"\r\n")


def play(film: Film, speed: float) -> None:
    """On that terminal."""
    with taken():
        Player(film, speed, time.monotonic_ns, write, _key).play()


def write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _key(seconds: float | None) -> str:
    descriptor = sys.stdin.fileno()
    if not select.select([descriptor], [], [], seconds)[0]:
        return ""
    key = os.read(descriptor, 1)
    if key == b"\x1b" and select.select([descriptor], [], [], 0)[0]:  # an arrow, which the terminal sends at once
        key += os.read(descriptor, 2)
    return key.decode("ascii", "replace") or "q"  # its end is the end of the play
