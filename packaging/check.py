"""Lint, types and tests, one after the other: `check.py [lint] [tests]`.  Ends 1 if anything failed.

Tests run from the checkout, and from .cache/compiled where the codecs are compiled.  Up to UNSTEADY tests that failed
run once more, alone: those that pass then are named as unsteady, any that fails again has failed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
COMPILED = TREE / ".cache/compiled"
COUNT = TREE / ".cache/tests.count"
PYTHON_FILES = ["hoopgw", "tests", "bench", "packaging", "twisted", "setup.py"]
LINTS = [
    ["ruff", "check", "--quiet", *PYTHON_FILES],
    ["ruff", "format", "--check", "--quiet", *PYTHON_FILES],
    ["mypy", "hoopgw", "bench"],
]
# Tests talk to servers of their own, with a CA of their own
MISLEADING = re.compile(r"PG|PYTHON|HOOPGW_|SSL_CERT|REQUESTS_CA|CURL_CA|(HTTPS?|ALL|NO)_PROXY$", re.IGNORECASE)
SUMMARY = re.compile(r"^(PASSED|FAILED)(?: \((.*)\))?\s*$", re.MULTILINE)
RULE = "\n" + "=" * 79 + "\n"
FAILED = re.compile(r"^tests(?:\.\w+)+$", re.MULTILINE)  # behind the first RULE, under what happened
UNSTEADY = 3  # more of them are no accident
SILENCE = 300  # seconds; more than a test may take
WORDS = {"successes": "passed", "expectedFailures": "passed", "failures": "failed", "errors": "failed"}
WORDS |= {"unexpectedSuccesses": "failed", "skips": "skipped", "todos": "skipped"}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def surroundings(tree: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not MISLEADING.match(name)}
    return kept | {"PYTHONPATH": str(tree), "LC_ALL": "C.UTF-8"}


def lint() -> bool:
    good = True
    for command in LINTS:
        present = [word for word in command if "/" in word or word not in PYTHON_FILES or (TREE / word).exists()]
        say(f"--- {' '.join(present)}")
        good &= subprocess.run([sys.executable, "-m", *present], cwd=TREE, check=False).returncode == 0
    return good


class Run:
    """One run of trial, in the background; `ended` shows what it prints."""

    def __init__(self, tree: Path, name: str, suites: list[str]) -> None:
        self.name, self._tree, self._started = name, tree, time.monotonic()
        place = name.replace(" ", "_")
        self._log = COUNT.with_name(f"tests.{place}.log")
        self._log.parent.mkdir(exist_ok=True)
        options = [f"--temp-directory=_trial_temp_{place}", "--reporter=timing"]
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-u", "-X", "faulthandler", "-m", "twisted.trial", *options, *suites],
                cwd=tree,
                env=surroundings(tree),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            self._kill()

    def _kill(self) -> None:
        os.killpg(self._child.pid, signal.SIGKILL)  # with the servers that its tests started
        self._child.wait()

    def ended(self) -> Counter[str]:
        """passed, failed and skipped, after what failed had its second time."""
        counted, failed = self._ended()
        if 0 < len(failed) <= UNSTEADY:
            with Run(self._tree, f"{self.name} again", failed) as again:
                second, _ = again._ended()
            if not second["failed"]:
                counted["failed"], counted["passed"] = 0, counted["passed"] + second["passed"]
                say("\n".join(f"--- unsteady: {name} failed, and passed alone" for name in failed))
        say(f"--- {self.name}: {sentence(counted)}, {time.monotonic() - self._started:.0f} s after its start")
        return counted

    def _ended(self) -> tuple[Counter[str], list[str]]:
        """As trial counts them, and the names of what failed; a run without a count is one that failed."""
        say(f"--- trial tests ({self.name})")
        self._show()
        said = self._log.read_text(errors="replace")
        found = SUMMARY.findall(said)
        counted = _count(found[-1][1]) if found else Counter[str]()
        if (self._child.wait() != 0 or not found) and not counted["failed"]:
            counted["failed"] += 1
        failed = said.partition(RULE)[2] if found and counted["failed"] else ""
        return counted, sorted({*FAILED.findall(failed)})

    def _show(self) -> None:
        """What it prints, until it ends.  A test that hangs would hang all: after SILENCE its stacks are printed."""
        heard = time.monotonic()
        with self._log.open(errors="replace") as log:
            while True:
                over = self._child.poll() is not None
                if text := log.read():
                    heard = time.monotonic()
                    sys.stdout.write(text)
                    sys.stdout.flush()
                elif over:
                    return
                elif time.monotonic() - heard > SILENCE:
                    self._child.send_signal(signal.SIGABRT)
                    time.sleep(2)
                    self._kill()
                else:
                    time.sleep(0.1)


def tests() -> Counter[str]:
    """All of them compiled, as the package is; as plain Python those that need no server.  The two that need none run
    side by side; those with servers come last and have the machine to themselves."""
    alone = sorted(
        f"tests.{path.stem}" for path in (TREE / "tests").iterdir() if path.name != "live" and _is_suite(path)
    )
    if not (COMPILED / "compiled.stamp").exists():
        say("--- the codecs are not compiled here: the tests run once")
        with Run(TREE, "plain", ["tests"]) as plain:
            return plain.ended()
    with Run(TREE, "plain", alone) as plain, Run(COMPILED, "compiled", alone) as compiled:
        total = plain.ended() + compiled.ended()
    with Run(COMPILED, "compiled live", ["tests.live"]) as live:
        return total + live.ended()


def _is_suite(path: Path) -> bool:
    return (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem.startswith("test_"))


def _count(words: str) -> Counter[str]:
    counted = Counter[str]()
    for word in filter(None, words.split(", ")):
        name, number = word.split("=")
        counted[WORDS[name]] += int(number)
    return counted


def sentence(counted: Counter[str]) -> str:
    text = f"{counted['passed']} passed, {counted['failed']} failed"
    return f"{text}, {counted['skipped']} skipped" if counted["skipped"] else text


def main(wanted: list[str]) -> int:
    good = lint() if "lint" in wanted else True
    if "tests" not in wanted:
        return 0 if good else 1
    total = tests()
    COUNT.write_text(sentence(total) + "\n")
    say("")
    if not good:
        say("lint or types: mistakes, see above")
    say(sentence(total))
    return 0 if good and total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
