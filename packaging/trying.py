"""What the trials on booted machines share: running a program, expecting, waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
READY = 300.0  # seconds: a machine without KVM is slow


class Wrong(Exception):
    """What was expected, and what was found."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(*words: str | Path, good: bool = True, given: str = "") -> str:
    """What it printed.  Raises Wrong if it fails, or does not where it should."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        words, env=environment, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if (done.returncode == 0) is not good:
        raise Wrong(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise Wrong(f"{what}: {found!r} instead of {wanted!r}")


def contains(text: str, words: str, what: str) -> None:
    if words not in text:
        raise Wrong(f"{what}: no {words!r} in:\n{text[-3000:]}")


def until(question: Callable[[], bool], what: str, seconds: float = READY) -> float:
    """How long it took."""
    started = time.monotonic()
    while not question():
        if time.monotonic() - started > seconds:
            raise Wrong(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - started
