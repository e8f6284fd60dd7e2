"""What one source of connections may cost: failed logins add up to a time out, logins under way are counted.

The model is OpenSSH's PerSourcePenalties and MaxStartups: a source is one IPv4 address or one IPv6 /64.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from twisted.internet.interfaces import IReactorTime

FAILED_LOGIN = 5.0  # seconds that one failure adds; a verification costs the gateway about 200 us, a handshake 1 ms
ENFORCED_FROM = 15.0  # seconds: three failures are a person's mistakes, as some time passes between them
LONGEST = 600.0  # seconds
MAX_SOURCES = 65_536  # about 10 MB; beyond it the source that was heard of least lately is forgotten
MAX_PENDING_EACH = 256  # logins under way from one source: a pool that reconnects, agents behind one address
MAX_PENDING = 4096  # together


class Penalties:
    """One for all listeners.  Nothing is kept for a source without failures or logins under way."""

    def __init__(self, clock: IReactorTime, each: int = MAX_PENDING_EACH, together: int = MAX_PENDING) -> None:
        self._clock = clock
        self._each = each
        self._together = together
        self._owed: OrderedDict[str, tuple[float, float]] = OrderedDict()  # since when, how many seconds
        self._pending: dict[str, int] = {}
        self._all = 0

    def enter(self, address: str) -> str:
        """A login begins: "" and it must be `leave`d, else the reason why it may not begin."""
        source = source_of(address)
        if self._left(source) >= ENFORCED_FROM:
            return f"too many failed logins from this address: try again in {self.wait(address)} s"
        if self._pending.get(source, 0) >= self._each or self._all >= self._together:
            return "too many logins are under way"
        self._pending[source] = self._pending.get(source, 0) + 1
        self._all += 1
        return ""

    def leave(self, address: str) -> None:
        """A login that was let `enter` has ended, well or not."""
        source = source_of(address)
        count = self._pending.pop(source) - 1
        if count:
            self._pending[source] = count
        self._all -= 1

    def failed(self, address: str, seconds: float = FAILED_LOGIN) -> None:
        """It was the client's fault.  An issuer that is down is not."""
        source = source_of(address)
        total = min(self._left(source) + seconds, LONGEST)
        self._owed[source] = self._clock.seconds(), total
        self._owed.move_to_end(source)
        if len(self._owed) > MAX_SOURCES:
            self._owed.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Somebody from there is known: many share an address, and one stale token must not lock them all out."""
        self._owed.pop(source_of(address), None)

    def wait(self, address: str) -> int:
        """Seconds until one who was not let `enter` may try again."""
        return max(0, int(self._left(source_of(address)) - ENFORCED_FROM)) + 1

    def _left(self, source: str) -> float:
        owed = self._owed.get(source)
        if owed is None:
            return 0.0
        since, seconds = owed
        now = self._clock.seconds()
        if now < since:  # the clock was set back: it lasts as long as it would have, from now
            self._owed[source] = since, _ = now, seconds
        left = since + seconds - now
        if left <= 0:
            del self._owed[source]
        return max(left, 0.0)


def source_of(address: str) -> str:
    """An IPv4 address, an IPv6 /64, or whatever else it says (a UNIX socket has no address)."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
