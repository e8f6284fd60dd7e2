"""The weight of what stands in between, beside the clients and servers that share its CPUs here.

Linux gives each session of processes (setsid) the same share of a CPU (sched(7), autogroup), and PostgreSQL makes every
backend one: beside 32 of them whatever they all wait for has a 33rd part, and is stopped behind each send.  Debian's
unit of the gateway says CPUWeight=300 (nice -5), so that is what it gets here; its peers get the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

NICE = -5  # 3.05 times the weight of 0: CPUWeight=300 is 3 times the usual 100


@contextmanager
def weighed(pids: Sequence[int]) -> Iterator[bool]:
    """These processes' sessions weigh as much meanwhile; gives whether they do: only root may say so, where the kernel
    has such groups at all."""
    places = [Path(f"/proc/{pid}/autogroup") for pid in pids if pid]
    done = bool(places) and all(_set(place, NICE) for place in places)
    try:
        yield done
    finally:
        for place in places:
            _set(place, 0)


def _set(place: Path, nice: int) -> bool:
    try:
        place.write_text(str(nice))
    except OSError:  # not root, no such groups, or the process has ended
        return False
    return True
