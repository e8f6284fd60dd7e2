"""One small document over HTTPS: own trust, no redirect, bounded in size and time."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import ssl
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse
from zope.interface import implementer

from hoopgw.model.errors import IssuerUnavailable, OperatorError

MAX_DOCUMENT = 256 * 1024  # bytes: discovery is about 4 KiB, 64 keys with certificates about 200
DEADLINE = 5.0  # seconds for the whole of one document; a login waits for it

Fetch = Callable[[str], "Deferred[bytes]"]


def https_fetch(reactor: Any, ca: str) -> Fetch:
    """What gets a document from an address; `ca` is a PEM file, or "" for the system's certificates.

    With a `ca` nothing else is trusted, whatever SSL_CERT_FILE says.  Raises OperatorError for a `ca` that cannot be
    used.  What it gives fails with IssuerUnavailable only.
    """
    agent = Agent(reactor, BrowserLikePolicyForHTTPS(_trust(ca)), connectTimeout=DEADLINE)

    def fetch(address: str) -> Deferred[bytes]:
        return _document(agent, reactor, address)

    return fetch


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


def _document(agent: Agent, reactor: Any, address: str) -> Deferred[bytes]:
    if not may_fetch(address):
        return _unavailable(address, "neither https nor on this machine")
    asked: Deferred[Any] = agent.request(b"GET", address.encode("ascii"), Headers({b"accept": [b"application/json"]}))
    asked.addCallback(_body)
    asked.addTimeout(DEADLINE, reactor)
    return asked.addErrback(_explained, address)


def _explained(failure: Failure, address: str) -> Deferred[bytes]:
    return _unavailable(address, failure.getErrorMessage() or type(failure.value).__name__)


def _unavailable(address: str, why: str) -> Deferred[bytes]:
    failed: Deferred[bytes] = Deferred()
    failed.errback(IssuerUnavailable(f"{address[:200]}: {why}"))
    return failed


def _body(response: IResponse) -> Deferred[bytes]:
    """The body of a 200; anything else, a redirect too, is an error and its body is not read."""
    body = _Body()
    response.deliverBody(body)
    if response.code != 200:
        body.fail(IssuerUnavailable(f"status {response.code}"))
    elif response.headers.getRawHeaders(b"content-encoding", [b"identity"]) != [b"identity"]:
        body.fail(IssuerUnavailable("a compressed answer, which was not asked for"))
    return body.finished


@implementer(IProtocol)
class _Body:
    """Collects a body up to MAX_DOCUMENT.  Plain: a body is no connection of its own."""

    def __init__(self) -> None:
        self.finished: Deferred[bytes] = Deferred(self._abort)
        self._pieces: list[bytes] = []
        self._size = 0
        self._over = False
        self._transport: Any = None

    def makeConnection(self, transport: Any) -> None:
        self._transport = transport

    def connectionMade(self) -> None:
        """Not called: a body is delivered by `makeConnection`."""

    def dataReceived(self, data: bytes) -> None:
        self._size += len(data)
        self._pieces.append(data)
        if self._size > MAX_DOCUMENT:
            self.fail(IssuerUnavailable(f"a document of more than {MAX_DOCUMENT} bytes"))

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008 - Twisted's signature
        if self._over:
            return
        self._over = True
        if reason.check(ResponseDone, PotentialDataLoss):
            self.finished.callback(b"".join(self._pieces))
        else:
            self.finished.errback(reason)

    def fail(self, error: Exception) -> None:
        """Give up, and let nothing more come."""
        if not self._over:
            self._over = True
            self._pieces.clear()
            self._close()
            self.finished.errback(error)

    def _abort(self, _: object) -> None:
        self._over = True
        self._close()
        self.finished.errback(CancelledError())

    def _close(self) -> None:
        abort = getattr(self._transport, "abortConnection", None) or getattr(self._transport, "loseConnection", None)
        if abort is not None:
            abort()
