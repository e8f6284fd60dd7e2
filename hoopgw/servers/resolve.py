"""Names of targets -> numeric addresses, once for each connection attempt; what was resolved is connected to."""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IHostResolution, IReactorPluggableNameResolver, IResolutionReceiver
from zope.interface import implementer

MAX_ADDRESSES = 16  # of one name; the rest are not tried


@implementer(IResolutionReceiver)
class Collected:
    """Gathers what the resolver finds."""

    def __init__(self) -> None:
        self.done: Deferred[tuple[str, ...]] = Deferred()
        self._found: list[str] = []

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        """Nothing to do: the whole attempt has one deadline, in `dial`."""

    def addressResolved(self, address: Any) -> None:
        if len(self._found) < MAX_ADDRESSES and address.host not in self._found:
            self._found.append(address.host)

    def resolutionComplete(self) -> None:
        self.done.callback(tuple(self._found))


def resolve(reactor: IReactorPluggableNameResolver, host: str) -> Deferred[tuple[str, ...]]:
    """The numeric addresses of `host`, in the resolver's order; empty where there are none."""
    if isIPAddress(host) or isIPv6Address(host):
        return succeed((host,))
    collected = Collected()
    reactor.nameResolver.resolveHostName(collected, host)
    return collected.done
