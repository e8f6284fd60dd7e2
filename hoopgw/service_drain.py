"""The end of a service's sessions and listeners: nobody who works is cut off while there is time."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred

from hoopgw.model.events import Code
from hoopgw.session.registry import Registry

STOP_SECONDS = 5.0  # after [limits] drain, in which the last sessions end


async def drained(registry: Registry, reactor: Any, seconds: float) -> None:
    """Sessions end where nobody loses work by it: idle ones now, the others when they are, or their time is up."""
    deadline = reactor.seconds() + seconds
    while len(registry) and reactor.seconds() < deadline + STOP_SECONDS:
        late = reactor.seconds() >= deadline
        for session in registry.all():
            if late or not session.in_transaction():
                session.end(Code.SESSION_CLOSED, "the gateway is stopping")
        await _sleep(reactor, 0.02)


async def stopped(port: Any) -> None:
    host = port.getHost()
    await port.stopListening()
    if isinstance(host, UNIXAddress) and isinstance(host.name, bytes):  # ours: it was listened on
        with suppress(FileNotFoundError):
            os.unlink(host.name)


async def _sleep(reactor: Any, seconds: float) -> None:
    done: Deferred[None] = Deferred()
    reactor.callLater(seconds, done.callback, None)
    await done
