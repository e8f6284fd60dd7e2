"""One small document over HTTPS: own trust, no redirect, bounded in size and time."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import treq
from twisted.internet import ssl
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS, FileBodyProducer
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from hoopgw.model.errors import IssuerUnavailable, OperatorError

MAX_DOCUMENT = 256 * 1024  # bytes: discovery is about 4 KiB, 64 keys with certificates about 200
DEADLINE = 5.0  # seconds for the whole of one document; a login waits for it

Fetch = Callable[[str], "Deferred[bytes]"]
Ask = Callable[[str, str, dict[str, str], bytes | None], "Deferred[tuple[int, bytes]]"]
Post = Callable[[str, dict[str, str]], "Deferred[tuple[int, bytes]]"]
FORM = "application/x-www-form-urlencoded"
# Where clouds tell a machine of itself, its keys among it: without TLS, from the hypervisor below it
METADATA = "http://169.254.169.254"
ANSWERS = (*range(200, 300), *range(400, 600))


def https_fetch(reactor: Any, ca: str) -> Fetch:
    """What gets a document from an address; `ca` is a PEM file, or "" for the system's certificates.

    With a `ca` nothing else is trusted, whatever SSL_CERT_FILE says.  Raises OperatorError for a `ca` that cannot be
    used.  What it gives fails with IssuerUnavailable only.
    """
    policy = BrowserLikePolicyForHTTPS(_trust(ca))

    def fetch(address: str) -> Deferred[bytes]:
        return _document(reactor, policy, address)

    return fetch


def https_post(reactor: Any, ca: str) -> Post:
    """What sends a form to an address and gets (status, document); `ca` as above.

    A refusal has a document as well (RFC 6749, 5.2): 200, 400 and 401 are answers.  Fails with IssuerUnavailable only.
    """
    policy = BrowserLikePolicyForHTTPS(_trust(ca))

    def post(address: str, form: dict[str, str]) -> Deferred[tuple[int, bytes]]:
        return _asked(
            reactor, policy, "POST", address, {"Content-Type": FORM}, urlencode(form).encode(), (200, 400, 401)
        )

    return post


def https_ask(reactor: Any, ca: str) -> Ask:
    """What sends (method, address, headers, body or None) and gets (status, document); `ca` as above.

    A body is JSON unless a header says otherwise.  Whatever the server says is an answer, but a redirect.  Fails with
    IssuerUnavailable only.
    """
    policy = BrowserLikePolicyForHTTPS(_trust(ca))

    def ask(method: str, address: str, headers: dict[str, str], body: bytes | None) -> Deferred[tuple[int, bytes]]:
        typed = {} if body is None else {"Content-Type": "application/json"}
        return _asked(reactor, policy, method, address, typed | headers, body, ANSWERS)

    return ask


def may_fetch(address: str) -> bool:
    """HTTPS anywhere; clear HTTP on this machine only.  No user, password or fragment."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username or parts.password or parts.fragment or not address.isascii():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _on_this_machine(host))


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _trust(ca: str) -> Any:
    if not ca:
        return None  # the system's
    try:
        pem = Path(ca).read_text()
        blocks = [block + _END for block in pem.split(_END)[:-1]]
        if not blocks:
            raise ValueError("no certificate in it")
        return ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(block.encode()) for block in blocks])
    except Exception as error:  # OSError, ValueError, and whatever OpenSSL calls a broken certificate
        raise OperatorError(f"the CA file {ca} cannot be used: {error}") from error


_END = "-----END CERTIFICATE-----"


def _document(reactor: Any, policy: BrowserLikePolicyForHTTPS, address: str) -> Deferred[bytes]:
    return _asked(reactor, policy, "GET", address, {}, None, (200,)).addCallback(lambda answer: answer[1])


def _asked(
    reactor: Any,
    policy: BrowserLikePolicyForHTTPS,
    method: str,
    address: str,
    headers: dict[str, str],
    body: bytes | None,
    statuses: Collection[int],
) -> Deferred[tuple[int, bytes]]:
    """(status, body), where the status is one of `statuses`."""
    if not may_fetch(address) and not address.startswith(f"{METADATA}/"):
        return _unavailable(address, "neither https nor on this machine")
    once = _Once(reactor, policy)
    agent = Agent.usingEndpointFactory(reactor, once)
    sent = Headers({name: [value] for name, value in {"Accept": "application/json", **headers}.items()})
    producer = None if body is None else FileBodyProducer(BytesIO(body))
    asked: Deferred[Any] = agent.request(method.encode("ascii"), address.encode("ascii"), sent, producer)
    asked.addCallback(_body, statuses)
    asked.addTimeout(DEADLINE, reactor)
    asked.addBoth(once.close)
    return asked.addErrback(_explained, address)


def _explained(failure: Failure, address: str) -> Deferred[Any]:
    reasons = getattr(failure.value, "reasons", None)  # of a request that was cut off; as text it is Python's own
    if reasons:
        failure = reasons[0]
    return _unavailable(address, failure.getErrorMessage() or type(failure.value).__name__)


def _unavailable(address: str, why: str) -> Deferred[Any]:
    return fail(IssuerUnavailable(f"{address[:200]}: {why}"))


@implementer(IAgentEndpointFactory)
class _Once:
    """The one connection of one request.  An agent alone cannot cut it off: a body that stalls would stay open."""

    def __init__(self, reactor: Any, policy: BrowserLikePolicyForHTTPS) -> None:
        self._reactor = reactor
        self._policy = policy
        self._transports: list[Any] = []

    def endpointForURI(self, uri: URI) -> Any:
        endpoint: Any = HostnameEndpoint(self._reactor, uri.host, uri.port, DEADLINE)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), endpoint)
        return _Remembered(endpoint, self._transports)

    def close(self, result: Any) -> Any:
        for transport in self._transports:
            transport.abortConnection()
        return result


@implementer(IStreamClientEndpoint)
class _Remembered:
    def __init__(self, endpoint: Any, transports: list[Any]) -> None:
        self._endpoint = endpoint
        self._transports = transports

    def connect(self, factory: Any) -> Any:
        return self._endpoint.connect(factory).addCallback(self._connected)

    def _connected(self, protocol: Any) -> Any:
        self._transports.append(protocol.transport)
        return protocol


def _body(response: IResponse, statuses: Collection[int]) -> Deferred[tuple[int, bytes]]:
    """Status and body of one of `statuses`; anything else, a redirect too, is an error and its body is not read."""
    if response.code not in statuses:
        raise IssuerUnavailable(f"status {response.code}")
    if response.headers.hasHeader(b"content-encoding"):
        raise IssuerUnavailable("a compressed answer, which was not asked for")
    pieces: list[bytes] = []

    def collect(data: bytes) -> None:
        pieces.append(data)
        if sum(map(len, pieces)) > MAX_DOCUMENT:  # a few dozen pieces
            raise IssuerUnavailable(f"a document of more than {MAX_DOCUMENT} bytes")

    return treq.collect(response, collect).addCallback(lambda _: (response.code, b"".join(pieces)))
