"""Connections to HTTP targets: opened to an address that may be, kept a while, given to the same identity again."""

from __future__ import annotations

import ipaddress
import ssl
from collections import OrderedDict
from collections.abc import Callable, Generator
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost, TimeoutError
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from hoopgw.auth.access import Access
from hoopgw.model.errors import TargetUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import Address, Role, SecretReference, Target, TlsMode
from hoopgw.relay.http_words import RESET, TIMED_OUT
from hoopgw.servers import tls
from hoopgw.servers.conduit import Receiver, deliver
from hoopgw.servers.http_calls import Call, Calls
from hoopgw.servers.reach import Place, connected
from hoopgw.servers.resolve import resolve

TLS_SECONDS: Final = 10.0  # of a target's handshake
KEPT_SECONDS: Final = 30.0  # that a connection waits for its next session
PARTING_SECONDS: Final = 2.0  # in which a target may take the last words of a WebSocket
KEPT_EACH: Final = 8  # connections of one identity to one target
KEPT: Final = 512  # together
HTTP_ALPN: Final = "http/1.1"
H2_ALPN: Final = "h2"  # RFC 9113, 3.2
# Where clouds answer with credentials, beside 169.254.0.0/16 and fe80::/10, which are link-local
METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "100.100.100.200", "fd00:100::100:200",  # Alibaba
            "168.63.129.16",  # Azure's wire server
            "192.0.0.192", "fd00:c1::a9fe:a9fe",  # Oracle
            "fd00:42::42",  # Scaleway
            "fd00:a9fe:a9fe::1",  # Akamai
            "fd00:ec2::23", "fd00:ec2::254",  # AWS: identities of pods, instances
            "fd20:ce::254",  # GCP, of machines without IPv4
        ),
    )
)  # fmt: skip
# An IPv4 address stands in the last 32 bits: RFC 6052, and a network's own translator (RFC 8215)
NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))

Key = tuple[str, ...]


def forbidden(numeric: str, named: str) -> str:
    """Why this address is not connected to; "" where it may be.

    A name that leads to this machine or to a cloud's metadata may have been made to: only a target that is configured
    by such an address itself means it.
    """
    address = _meant(ipaddress.ip_address(numeric.partition("%")[0]))
    wrong = address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
    if not wrong and address not in METADATA:
        return ""
    try:
        literal = ipaddress.ip_address(named) == ipaddress.ip_address(numeric)
    except ValueError:
        literal = named == "localhost" and address.is_loopback
    return "" if literal else f"{named} leads to {numeric}, which only a target that names it may reach"


def _meant(address: Any) -> Any:
    """The IPv4 address that one of IPv6 stands for, where a gateway on the way would go there."""
    if address.version == 4:
        return address
    if any(address in each for each in NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


class Link(Protocol):
    """One connection.  `ready` fires when it can be written to; then bytes go to `receive`, its end to `lost`."""

    transport: Any

    def __init__(self, context: ssl.SSLContext | None, place: Place) -> None:
        self.place = place
        self.reused = False
        self.untouched = False  # as a Call has it: HTTP/1.1 does not say
        self.tls: dict[str, str] = {}
        self.receive = self._surplus
        self.lost: Callable[[str], None] = lambda reason: None
        self.ready: Deferred[None] = Deferred(lambda _: self.transport and self.transport.abortConnection())
        self._context = context

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.owed = True
        if self._context is None:
            self.ready.callback(None)
            return
        self.transport.start_tls(
            self._context, self._secured, self._refused, server_side=False, hostname=self.place.address.host
        )

    def _secured(self, connection: ssl.SSLObject) -> None:
        self.tls = tls.described(connection)
        self.ready.callback(None)

    def _refused(self, error: Exception) -> None:
        self._fail(f"TLS with {self.place.address} failed: {error}")
        self.transport.abortConnection()

    def _fail(self, reason: str) -> None:
        if not self.ready.called:
            self.ready.errback(TargetUnavailable(reason))

    @property
    def receive(self) -> Callable[[bytes], None]:
        """Who is given what comes in: the transport calls it without a step between."""
        return self.dataReceived

    @receive.setter
    def receive(self, receive: Callable[[bytes], None]) -> None:
        self.dataReceived = receive  # type: ignore[assignment, method-assign]
        deliver(self.transport, None)

    def deliver_to(self, receiver: Receiver) -> None:
        """The same by the shortest way."""
        self.dataReceived = receiver.received  # type: ignore[method-assign]
        deliver(self.transport, receiver)

    def _surplus(self, data: bytes) -> None:
        """An answer to nothing: the next request's would be taken for it."""
        self.transport.abortConnection()

    def gone(self) -> None:
        """It has had its time."""
        if not self.transport.disconnected:
            self.transport.abortConnection()

    def rest(self) -> None:
        """Nobody has it now."""
        self.receive, self.lost = self._surplus, lambda reason: None

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        reset = f"{RESET}: " if reason.check(ConnectionLost) else ""
        why = f"{reset}{self.place.address}: {reason.getErrorMessage()}"
        self._fail(why)
        self.lost(why)


class Links:
    """One for the gateway."""

    def __init__(self, reactor: Any, secret: Callable[[SecretReference], Secret]) -> None:
        self._reactor = reactor
        self._secret = secret
        self._contexts: dict[tuple[str, str], ssl.SSLContext | None] = {}
        self._kept: OrderedDict[Link, tuple[Key, Any]] = OrderedDict()  # with what ends its time
        self._by_key: dict[Key, list[Link]] = {}
        self._calls: dict[Key, list[Calls]] = {}  # connections that speak HTTP/2
        self._dialing: dict[Key, list[Deferred[None]]] = {}  # who waits for a first one

    def reloaded(self) -> None:
        """Targets, CA files, certificates may have changed: nothing that was opened before is used again."""
        self._contexts.clear()
        self._drop_all()

    def _drop_all(self) -> None:
        for link in tuple(self._kept):
            self._drop(link)
        for calls in [each for found in self._calls.values() for each in found]:
            calls.goodbye()

    @staticmethod
    def key(access: Access) -> Key:
        """Who may have a connection again: never another identity, for a target may know its clients by it."""
        return access.target.name, access.role.name, access.identity.key

    # ---- kept ones

    def take(self, access: Access) -> Link | Call | None:
        key = self.key(access)
        for calls in self._calls.get(key, ()):
            if calls.room:
                return calls.lend(True)
        waiting = self._by_key.get(key)
        if not waiting:
            return None
        link = waiting[-1]
        self._forget(link)
        link.reused = True
        return link

    def give(self, access: Access, link: Link | Call) -> None:
        """It has answered all that it was asked."""
        if isinstance(link, Call):
            link.rest()
            link.loseConnection()
            return
        key = self.key(access)
        waiting = self._by_key.setdefault(key, [])
        if len(waiting) >= KEPT_EACH:
            self._drop(waiting[0])
        if len(self._kept) >= KEPT:
            self._drop(next(iter(self._kept)))
        link.rest()
        link.lost = lambda reason: self._forget(link)
        self._by_key.setdefault(key, []).append(link)
        self._kept[link] = key, self._reactor.callLater(KEPT_SECONDS, self._drop, link)

    def _forget(self, link: Link) -> None:
        found = self._kept.pop(link, None)
        if found is None:
            return
        key, timer = found
        if timer.active():
            timer.cancel()
        self._by_key[key].remove(link)
        if not self._by_key[key]:
            del self._by_key[key]

    def _drop(self, link: Link) -> None:
        self._forget(link)
        link.rest()
        link.transport.loseConnection()

    def part(self, link: Link) -> None:
        """Nothing more is asked on it; what was written may still be taken."""
        link.rest()
        link.transport.unregisterProducer()
        link.transport.resumeProducing()
        link.transport.loseConnection()
        self._reactor.callLater(PARTING_SECONDS, link.gone)

    def stop(self) -> None:
        """None outlives the gateway."""
        self._drop_all()

    # ---- new ones

    def _context(self, target: Target, role: Role) -> ssl.SSLContext | None:
        known = target.name, role.name
        if known not in self._contexts:
            key = self._secret(role.key) if role.key is not None else None
            self._contexts[known] = tls.target_context(target, role.certificate, key, alpn=target.versions)
        return self._contexts[known]

    @inlineCallbacks
    def dial(self, access: Access) -> Generator[Deferred[Any], Any, Link | Call]:
        """To the first of the target's addresses that answers; what was resolved is what is connected to.

        Fails with TargetUnavailable, whose words are for events, not for clients.
        """
        target, key = access.target, self.key(access)
        if H2_ALPN in target.versions:
            if key in self._dialing:  # many streams of one client begin at once: one connection is for all of them
                waiting: Deferred[None] = Deferred()
                self._dialing[key].append(waiting)
                yield waiting
                shared = self.take(access)
                if shared is not None:
                    return shared
            self._dialing.setdefault(key, [])
        try:
            link: Link = yield self._connected(access)
            return self._spoken(access, link)
        finally:
            for each in self._dialing.pop(key, ()):
                if not each.called:
                    self._reactor.callLater(0, _go_on, each)

    def _spoken(self, access: Access, link: Link) -> Link | Call:
        """By the version that was agreed on.  Raises TargetUnavailable."""
        target = access.target
        only = target.versions == (H2_ALPN,)
        encrypted = target.tls is not TlsMode.DISABLE
        if encrypted and only and link.tls.get("alpn") != H2_ALPN:
            link.transport.abortConnection()
            raise TargetUnavailable(f"{link.place.address} does not speak HTTP/2")
        if link.tls.get("alpn") != H2_ALPN and not (only and not encrypted):
            return link
        key = self.key(access)
        calls = Calls(link, encrypted, self._reactor, lambda over: self._retired(key, over))
        self._calls.setdefault(key, []).append(calls)
        calls.begin()
        return calls.lend(False)

    def _retired(self, key: Key, calls: Calls) -> None:
        self._calls[key].remove(calls)
        if not self._calls[key]:
            del self._calls[key]

    @inlineCallbacks
    def _connected(self, access: Access) -> Generator[Deferred[Any], Any, Link]:
        target = access.target
        context = self._context(target, access.role)
        problem: Exception = TargetUnavailable(f"target {target.name} has no address")
        for address in target.addresses:
            found: tuple[str, ...] = yield resolve(self._reactor, address.host)
            if not found:
                problem = TargetUnavailable(f"{address.host} has no address")
            for numeric in found:
                try:
                    link: Link = yield self._tried(context, address, numeric, target.connect_seconds)
                    return link
                except TargetUnavailable as error:
                    problem = error
        raise problem

    @inlineCallbacks
    def _tried(
        self, context: ssl.SSLContext | None, address: Address, numeric: str, seconds: float
    ) -> Generator[Deferred[Any], Any, Link]:
        why = forbidden(numeric, address.host)
        if why:
            raise TargetUnavailable(why)
        place = Place(address, numeric)
        link = Link(context, place)
        try:
            # it may leave when it has answered, while a slow client has the gateway not read it: the rest is still due
            yield connected(self._reactor, None, link, place, seconds)
        except ConnectError as error:
            late = f"{TIMED_OUT}: " if isinstance(error, TimeoutError) else ""
            raise TargetUnavailable(f"{late}{address} ({numeric}): {error}") from error
        yield link.ready.addTimeout(TLS_SECONDS, self._reactor, onTimeoutCancel=_too_slow)
        return link


def _go_on(waiting: Deferred[None]) -> None:
    if not waiting.called:
        waiting.callback(None)


def _too_slow(result: Any, seconds: float) -> Any:
    raise TargetUnavailable(f"{TIMED_OUT}: no TLS within {seconds:g} s")
