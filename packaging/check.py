"""Lint, types and tests, one after the other: `check.py [lint] [tests]`.  Ends 1 if anything failed.

Tests run twice: from the checkout, and from .cache/compiled where the codecs are compiled.
"""

from __future__ import annotations

import os
import re
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
SUMMARY = re.compile(r"^(PASSED|FAILED)(?: \((.*)\))?\s*$")
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


def tests(tree: Path, name: str) -> Counter[str]:
    """passed, failed and skipped of one run, as trial counts them; a run without a count is one that failed."""
    say(f"--- trial tests ({name})")
    started, counted = time.monotonic(), Counter[str]()
    command = [sys.executable, "-m", "twisted.trial", "--temp-directory", f"_trial_temp_{name}", "tests"]
    with subprocess.Popen(
        command, cwd=tree, env=surroundings(tree), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if found := SUMMARY.match(line):
                counted = _count(found[2] or "")
    if child.returncode != 0 and not counted["failed"]:
        counted["failed"] += 1
    say(f"--- {name}: {sentence(counted)} in {time.monotonic() - started:.0f} s")
    return counted


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
    total = tests(TREE, "plain")
    if (COMPILED / "compiled.stamp").exists():
        total += tests(COMPILED, "compiled")
    else:
        say("--- the codecs are not compiled here: the tests ran once")
    COUNT.parent.mkdir(exist_ok=True)
    COUNT.write_text(sentence(total) + "\n")
    say("")
    if not good:
        say("lint or types: mistakes, see above")
    say(sentence(total))
    return 0 if good and total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
