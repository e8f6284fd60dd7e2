"""Runs the fuzz targets of tests/fuzz: `fuzz.py [--seconds N] [--jobs N] [TARGET …]`.  Says how many inputs each had.

What each run learned stays in .cache/fuzz/TARGET, and the next goes on from there and from tests/fuzz/corpora/TARGET.
A finding is an input that broke a promise, took more than 20 seconds, or more than 2 GB: it is kept, and the exit is 1.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
CACHE = TREE / ".cache/fuzz"
CORPORA = TREE / "tests/fuzz/corpora"
MEMORY = next((str(path) for path in Path("/dev").glob("shm")), None)
BOUNDS = ["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"]
GRACE = 120  # seconds to start, and to end; of CPU as well
STARVED = 5  # times as long may one take that had less CPU than that: others had the machine
_UNITS = re.compile(r"number_of_executed_units: (\d+)")
_FOUND = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True, slots=True)
class Ran:
    """One target.  `failure` "" where nothing was found; then `found` is the input's file, if there is one."""

    name: str
    inputs: int
    wall: float
    cpu: float
    failure: str
    found: str

    def line(self) -> str:
        end = f"FOUND {self.failure}: {self.found}" if self.failure else "nothing found"
        return f"{self.name:18}{self.inputs:>12,} inputs{self.wall:>8.0f} s{self.cpu:>8.0f} s of CPU   {end}"


def names() -> list[str]:
    words = [sys.executable, "-c", "from tests.fuzz.targets import TARGETS; print(*TARGETS)"]
    ran = subprocess.run(words, cwd=TREE, env=_environment(), check=True, stdout=subprocess.PIPE, text=True)
    return ran.stdout.split()


def _environment(scratch: str = "") -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(TREE)} | ({"TMPDIR": scratch} if scratch else {})


def run(name: str, seconds: int) -> Ran:
    """In memory where there is such a place; libFuzzer ends without a word to Python, so this clears up behind it."""
    with tempfile.TemporaryDirectory(prefix="hoopgw-fuzz-", dir=MEMORY) as scratch:
        return _run(name, seconds, scratch)


def _run(name: str, seconds: int, scratch: str) -> Ran:
    learned, seeds = CACHE / name, CORPORA / name
    learned.mkdir(parents=True, exist_ok=True)
    corpora = [str(each) for each in (learned, seeds) if each.is_dir()]
    bounds = [*BOUNDS, f"-max_total_time={seconds}", f"-artifact_prefix={CACHE}/{name}-"]
    words = [sys.executable, "-m", "tests.fuzz.one", name, *bounds, *corpora]
    begun = time.monotonic()
    log = CACHE / f"{name}.log"
    with log.open("w") as out:
        child = subprocess.Popen(words, cwd=TREE, env=_environment(scratch), stdout=out, stderr=subprocess.STDOUT)
        usage = _waited(child, seconds + GRACE)
    said = log.read_text(errors="replace")
    units, found = _UNITS.search(said), _FOUND.search(said)
    failure = "" if child.returncode == 0 and units else _why(said, child.returncode)
    cpu = usage.ru_utime + usage.ru_stime
    found_in = found[1] if found else str(log)
    return Ran(name, int(units[1]) if units else 0, time.monotonic() - begun, cpu, failure, found_in)


def _waited(child: subprocess.Popen[bytes], seconds: float) -> os.struct_rusage:  # type: ignore[name-defined]
    """Its use of the CPU.  One that does not end is killed; on a busy machine that gave it little CPU, later."""
    begun = time.monotonic()
    while True:
        ended, status, usage = os.wait4(child.pid, os.WNOHANG)
        if ended:
            child.returncode = os.waitstatus_to_exitcode(status)
            return usage
        wall = time.monotonic() - begun
        if wall > seconds and (_cpu(child.pid) > GRACE or wall > STARVED * seconds):
            child.kill()
        time.sleep(0.2)


def _cpu(pid: int) -> float:
    """Seconds so far (proc(5): fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _why(said: str, code: int) -> str:
    lines = said.splitlines()
    for index, line in enumerate(lines):
        if "Uncaught Python exception" in line and index + 1 < len(lines):
            return lines[index + 1]
    errors = [line for line in lines if "ERROR" in line]
    words = "did not end, and was killed" if code == -9 else f"ended with {code}"
    return errors[0] if errors else words


def main() -> int:
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--seconds", type=int, default=60, help="of each target")
    wanted.add_argument("--jobs", type=int, default=2, help="targets at a time")
    wanted.add_argument("targets", nargs="*", metavar="TARGET")
    given = wanted.parse_args()
    known = names()
    for name in given.targets:
        if name not in known:
            wanted.error(f"{name} is no target; there are {', '.join(known)}")
    CACHE.mkdir(parents=True, exist_ok=True)
    every: list[Ran] = []
    with ThreadPoolExecutor(given.jobs) as jobs:
        for ran in jobs.map(lambda name: run(name, given.seconds), given.targets or known):
            every.append(ran)
            sys.stdout.write(ran.line() + "\n")
            sys.stdout.flush()
    found = [ran.name for ran in every if ran.failure]
    total = sum(ran.inputs for ran in every)
    sys.stdout.write(f"{len(every)} targets, {total:,} inputs, {len(found)} with a finding\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
