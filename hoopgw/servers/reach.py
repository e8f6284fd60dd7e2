"""Opens a connection to a target's first address that answers, whatever is spoken there."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ConnectError
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.python.failure import Failure

from hoopgw.model.errors import TargetUnavailable
from hoopgw.model.target import Address, Target
from hoopgw.servers.departures import Departures
from hoopgw.servers.eager import connect
from hoopgw.servers.resolve import resolve

CONNECT_SECONDS = 5.0  # of one address: a host that drops packets must not use up the login's time


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target's connection leads, for a cancel request that must reach the same server."""

    address: Address  # as configured: the name that TLS verifies
    numeric: str


class _Once(ClientFactory):
    """Builds one protocol.  `connected` fires when there is a connection for it, or fails with why there is none."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self.connected: Deferred[None] = Deferred()

    def buildProtocol(self, address: Any) -> Protocol:
        self.connected.callback(None)
        return self._protocol

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.connected.errback(reason)


def connected(
    reactor: Any, departures: Departures | None, protocol: Protocol, place: Place, seconds: float = CONNECT_SECONDS
) -> Deferred[None]:
    """Fires when `protocol` is about to get its connection; fails with ConnectError.

    `departures` end it as soon as the target leaves, also while it is not read: what it said last is then not read any
    more.  With None its end comes behind that.
    """
    factory = _Once(protocol)
    connect(reactor, place.numeric, place.address.port, factory, seconds, departures)
    return factory.connected


@inlineCallbacks
def reach(
    reactor: Any, departures: Departures, target: Target, make: Callable[[Place], Any]
) -> Generator[Deferred[Any], Any, Any]:
    """What `make` gave for the first of the target's addresses that could be connected to.

    Fails with TargetUnavailable.
    """
    problem: Exception = TargetUnavailable(f"target {target.name} has no address")
    for address in target.addresses:
        for numeric in (yield resolve(reactor, address.host)) or ("",):
            if not numeric:
                problem = TargetUnavailable(f"{address.host} has no address")
                continue
            protocol = make(Place(address, numeric))
            try:
                yield connected(reactor, departures, protocol, Place(address, numeric))
            except ConnectError as error:
                problem = TargetUnavailable(f"{address} ({numeric}): {error}")
                continue
            return protocol
    raise problem
