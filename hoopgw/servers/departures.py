"""Tells that a peer has left a connection that nobody reads at the moment.

A paused transport is not in the reactor's poll, so it would not notice; a held statement must be withdrawn when its
client goes.  A second epoll object watches paused sockets for EPOLLRDHUP only, and is itself one reader of the reactor.
"""

from __future__ import annotations

import select
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

ONE_TURN = 64  # events taken in one turn of the reactor; the rest wait for the next


class Watched(Protocol):
    def fileno(self) -> int: ...

    def peer_left(self) -> None: ...


@implementer(IReadDescriptor)
class Departures:
    """One for each reactor."""

    def __init__(self, reactor: IReactorFDSet) -> None:
        self._reactor = reactor
        self._poller = select.epoll()
        self._watched: dict[int, Watched] = {}

    def start(self) -> None:
        self._reactor.addReader(self)

    def stop(self) -> None:
        self._reactor.removeReader(self)
        self._poller.close()
        self._watched.clear()

    def watch(self, connection: Watched) -> None:
        descriptor = connection.fileno()
        if descriptor not in self._watched and not self._poller.closed:
            self._poller.register(descriptor, select.EPOLLRDHUP | select.EPOLLONESHOT)
            self._watched[descriptor] = connection

    def forget(self, connection: Watched) -> None:
        descriptor = connection.fileno()
        if self._watched.pop(descriptor, None) is not None and not self._poller.closed:
            self._poller.unregister(descriptor)

    def doRead(self) -> None:
        for descriptor, _event in self._poller.poll(0, ONE_TURN):
            connection = self._watched.pop(descriptor, None)
            if connection is not None:
                self._poller.unregister(descriptor)
                connection.peer_left()

    def fileno(self) -> int:
        return self._poller.fileno()

    def logPrefix(self) -> str:
        return "departures"

    def connectionLost(self, reason: Failure) -> Any:
        """The reactor is stopping."""
