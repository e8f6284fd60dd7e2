"""Each fuzz target on its small corpus and on a thousand inputs that nobody wrote; `make fuzz` goes on for hours."""

from __future__ import annotations

import random
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.targets import TARGETS

CORPORA = Path(__file__).parent / "corpora"
SECONDS = 0.5  # of each target
MOST_INPUTS = 1000
MAX_CORPUS = 64 * 1024  # bytes of one target's corpus in the tree


def smoke(name: str) -> int:
    """How many inputs there were.  Raises what the target raises, with the input."""
    chance, target = random.Random(name), TARGETS[name]
    known = [path.read_bytes() for path in sorted((CORPORA / name).glob("*"))]
    deadline = time.monotonic() + SECONDS
    inputs = list(known)
    while len(inputs) < len(known) + MOST_INPUTS:
        base = bytearray(
            chance.choice(known) if known and chance.random() < 0.5 else chance.randbytes(chance.randrange(200))
        )
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(base) + 1)
            base[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(4))
        inputs.append(bytes(base))
    ran = 0
    for data in inputs:
        if ran >= len(known) and time.monotonic() > deadline:
            break
        try:
            target(data)
        except Exception as error:
            raise AssertionError(f"{name}: {error!r} for {data.hex()}") from error
        ran += 1
    return ran


class Targets(SynchronousTestCase):
    def test_each(self) -> None:
        """must-survive 5, 25: no target finds anything in its corpus and around it."""
        for name in TARGETS:
            self.assertGreater(smoke(name), 0, name)

    def test_corpora(self) -> None:
        """Each corpus is a target's, is not empty, and stays small."""
        self.assertEqual({path.name for path in CORPORA.iterdir()}, set(TARGETS))
        for name in TARGETS:
            sizes = [path.stat().st_size for path in (CORPORA / name).iterdir()]
            self.assertTrue(sizes and sum(sizes) <= MAX_CORPUS, name)
