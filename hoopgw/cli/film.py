"""The moments of one terminal, on disk, to be played from any of them."""

from __future__ import annotations

import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from hoopgw.record.harmless import CLEAR
from hoopgw.record.terminals import Moment

NANOSECONDS = 1_000_000_000


class Film:
    """`idle` seconds are the longest pause in it.  Text lies in a file without a name, 16 bytes a frame in memory."""

    def __init__(self, moments: Iterable[Moment], begin: int, idle: float) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self._times = array("q")  # ns since the beginning
        self._ends = array("q", [0])  # where a frame's text ends in the file
        last, now, longest = begin, 0, int(idle * NANOSECONDS)
        for each in moments:
            now += min(longest, max(0, each.time - last))
            last = max(last, each.time)
            if each.code == "o":
                self._times.append(now)
                self._ends.append(self._ends[-1] + self._file.write(each.data.encode()))
        self.length = now
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._times)

    def time(self, frame: int) -> int:
        """When it is shown, in ns since the beginning; behind the last one the film's length."""
        return self._times[frame] if frame < len(self._times) else self.length

    def text(self, frame: int) -> bytes:
        begin, end = self._ends[frame], self._ends[frame + 1]
        self._file.seek(begin)
        return self._file.read(end - begin)

    def until(self, time: int) -> int:
        """The first frame that is shown after `time`."""
        return bisect_right(self._times, time)

    def redrawn(self, frame: int) -> Iterator[bytes]:
        """An empty screen, and all that came before `frame`."""
        yield CLEAR.encode()
        for each in range(frame):
            yield self.text(each)
