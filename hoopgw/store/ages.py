"""What time it is for the ages of recordings: a machine's clock that is wrong makes none of them old."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from hoopgw.model.settings import DAY

FAST, SLOW = 2.0, 0.5  # seconds of ours in a second that passes, behind and ahead of the machine's clock
DOUBTED = 7 * DAY  # apart so far, somebody should hear of it; and so much longer at most is kept what may be younger


def _passed() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Ages:
    """Goes towards the machine's clock, but never faster than time passes: a clock that jumps years ahead, and is set
    right within days, has aged nothing.  Kept as the time of the file `mark`: what a clock says at the next start is
    met the same way.  `wall` is the machine's clock, `passed` one that nobody sets."""

    def __init__(
        self, mark: Path, wall: Callable[[], float] = time.time, passed: Callable[[], float] = _passed
    ) -> None:
        self._mark, self._wall, self._passed = mark, wall, passed
        self._at = passed()
        self._lost = ""  # why the mark cannot be kept
        try:
            self._now = mark.stat().st_mtime
        except OSError:  # the first start
            self._now = wall()
        self._keep(lambda: mark.touch(0o600))
        self.now()

    def now(self) -> float:
        """POSIX seconds.  To be asked often: what passes between a kill and the last time is as if it had not."""
        wall, at = self._wall(), self._passed()
        since, self._at = at - self._at, at
        ahead = self._now < wall
        self._now = min(wall, self._now + since * FAST) if ahead else max(wall, self._now + since * SLOW)
        self._keep(lambda: os.utime(self._mark, (self._now, self._now)))
        return self._now

    def _keep(self, write: Callable[[], None]) -> None:
        """Where that fails time passes all the same, and `doubt` says so."""
        try:
            write()
            self._lost = ""
        except OSError as error:
            self._lost = error.strerror or type(error).__name__

    @property
    def apart(self) -> float:
        """Seconds that the machine's clock is ahead of it, or behind it where that is less than 0."""
        return self._wall() - self._now

    def before(self, age: float) -> float:
        """What was written before that is older than `age` seconds, whichever clock is right."""
        now = self.now()
        return now - age - min(abs(self.apart), DOUBTED)

    def date(self, file: int) -> None:
        """What was just written does not look older than it is where the machine's clock is set back."""
        if os.fstat(file).st_mtime < self._now - DAY:
            os.utime(file, (self._now, self._now))

    @property
    def doubt(self) -> str:
        """Why recordings stay longer or age by another clock; "" where all is well."""
        return "; ".join(filter(None, (self._doubt_of_clock(), self._doubt_of_mark())))

    def _doubt_of_mark(self) -> str:
        if not self._lost:
            return ""
        return f"{self._mark} cannot be written ({self._lost}): at the next start recordings age by the machine's clock"

    def _doubt_of_clock(self) -> str:
        if abs(self.apart) < DOUBTED:
            return ""
        words = f"{abs(self.apart) / DAY:.0f} days {'ahead of' if self.apart > 0 else 'behind'}"
        return f"the machine's clock is {words} what recordings are dated by, which follows it slowly"
