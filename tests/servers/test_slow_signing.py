"""hoopgw.servers.slow_signing: a key in a token is asked by a thread, and not for ever."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from hoopgw.model.errors import TokenUnavailable
from hoopgw.servers.slow_signing import AT_ONCE, SECONDS, SlowSigning


class Signing(TestCase):
    @inlineCallbacks
    def test_where(self) -> Generator[Deferred[Any], Any, None]:
        """What is quick is done at once; what is slow, by another thread, with its result and its error."""
        clock: Any = reactor
        signing = SlowSigning(clock)
        here = threading.get_ident()
        self.assertEqual(self.successResultOf(signing.made(False, threading.get_ident)), here)
        there = yield signing.made(True, threading.get_ident)
        self.assertNotEqual(there, here)
        yield self.assertFailure(signing.made(True, int, "x"), ValueError)

    def test_too_slow(self) -> None:
        """A token that hangs: who waits is told; its threads stay, and there are a few of them at most."""
        clock, hanging = Clock(), threading.Event()
        self.addCleanup(hanging.set)
        signing = SlowSigning(clock)
        waiting = [signing.made(True, hanging.wait) for _ in range(AT_ONCE)]
        for _ in range(2):
            self.failureResultOf(signing.made(True, hanging.wait), TokenUnavailable)
            clock.advance(SECONDS)
        for each in waiting:
            self.failureResultOf(each, TokenUnavailable)
