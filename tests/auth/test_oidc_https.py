"""The whole way in against a real small issuer: HTTPS on loopback, its own CA."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

from twisted.internet import reactor, ssl
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from hoopgw.auth import fetch as fetching
from hoopgw.auth.checker import TokenChecker
from hoopgw.auth.credentials import BearerToken
from hoopgw.auth.fetch import MAX_DOCUMENT, https_fetch, may_fetch
from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.issuer import DemoIssuer
from hoopgw.model.errors import IssuerUnavailable, LoginRefused, OperatorError
from hoopgw.model.secret import Secret
from hoopgw.model.settings import OidcSettings

AUTHORITY = Authority()


class LiveIssuer(TestCase):
    def setUp(self) -> None:
        self.issuer = DemoIssuer(AUTHORITY)
        self.issuer.start(reactor)
        self.addCleanup(self.issuer.stop)
        self.ca = self.mktemp()
        with open(self.ca, "w") as file:
            file.write(AUTHORITY.certificate)

    def checker(self, ca: str, **changes: Any) -> TokenChecker:
        settings = OidcSettings("demo", self.issuer.url, "hoopgw", ca=ca, **changes)
        checker = TokenChecker(reactor, lambda issuer, why: self.failures.append(why))
        checker.configure((settings,), lambda one: https_fetch(reactor, one.ca), None)
        return checker

    failures: list[str]

    def identify(self, checker: TokenChecker, token: str) -> Deferred[Any]:
        self.failures = []
        return checker.requestAvatarId(BearerToken(Secret(token.encode()), "127.0.0.1"))

    @inlineCallbacks
    def test_token(self) -> Generator[Deferred[Any], Any, None]:
        """A token of a real issuer is accepted after discovery and key fetch over verified TLS."""
        identity = yield self.identify(self.checker(self.ca), self.issuer.mint("alice", ("agents",)))
        self.assertEqual((identity.subject, identity.groups), ("alice", {"agents"}))

    @inlineCallbacks
    def test_expired_and_foreign(self) -> Generator[Deferred[Any], Any, None]:
        """must-survive 9, 50: an expired token, and one for another audience, are refused."""
        checker = self.checker(self.ca)
        for token in (self.issuer.mint("a", lifetime=-60), self.issuer.mint("a", aud="other")):
            yield self.assertFailure(self.identify(checker, token), LoginRefused)

    @inlineCallbacks
    def test_rotation(self) -> Generator[Deferred[Any], Any, None]:
        """After a rotation the old key's tokens are refused once the keys are fetched again."""
        checker = self.checker(self.ca, keys_fresh=0.0)
        old = self.issuer.mint("a")
        yield self.identify(checker, old)
        self.issuer.rotate()
        checker.configure((), lambda one: https_fetch(reactor, one.ca), None)
        yield self.assertFailure(self.identify(checker, old), LoginRefused)
        checker = self.checker(self.ca)
        yield self.assertFailure(self.identify(checker, old), LoginRefused)
        yield self.identify(checker, self.issuer.mint("a"))

    @inlineCallbacks
    def test_certificate_is_verified(self) -> Generator[Deferred[Any], Any, None]:
        """An issuer whose certificate another CA signed is unavailable, also where SSL_CERT_FILE trusts that CA."""
        other = self.mktemp()
        with open(other, "w") as file:
            file.write(Authority("another").certificate)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            before = os.environ.get(name)
            os.environ[name] = os.path.abspath(self.ca)
            self.addCleanup(os.environ.__setitem__ if before is not None else os.environ.pop, name, before)
        yield self.assertFailure(self.identify(self.checker(other), self.issuer.mint("a")), IssuerUnavailable)
        self.assertEqual(len(self.failures), 1)

    def test_ca_that_is_none(self) -> None:
        """A CA file that is missing, empty or broken is the operator's mistake, at start."""
        broken = self.mktemp()
        for text in ("", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            with open(broken, "w") as file:
                file.write(text)
            with self.assertRaises(OperatorError):
                https_fetch(reactor, broken)
        with self.assertRaises(OperatorError):
            https_fetch(reactor, broken + ".missing")


class Pages(Resource):
    """What a bad issuer answers, by path."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []

    def render_GET(self, request: Any) -> Any:
        self.asked.append(request.path)
        if request.path == b"/huge":
            request.write(b"x" * (MAX_DOCUMENT + 1))
            return NOT_DONE_YET
        if request.path == b"/redirect":
            request.redirect(b"/keys")
            return b""
        if request.path == b"/gzip":
            request.setHeader(b"content-encoding", b"gzip")
            return b"x"
        if request.path == b"/stalls":
            request.write(b"{")
            return NOT_DONE_YET
        if request.path == b"/error":
            request.setResponseCode(503)
            return b"{}"
        return b"x" * MAX_DOCUMENT


class Fetching(TestCase):
    def setUp(self) -> None:
        self.pages = Pages()
        certificate, key = AUTHORITY.issue()
        options = ssl.PrivateCertificate.loadPEM(certificate + key).options()
        port = reactor.listenSSL(0, Site(self.pages), options, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.address = f"https://127.0.0.1:{port.getHost().port}"
        ca = self.mktemp()
        with open(ca, "w") as file:
            file.write(AUTHORITY.certificate)
        self.fetch = https_fetch(reactor, ca)

    @inlineCallbacks
    def test_size(self) -> Generator[Deferred[Any], Any, None]:
        """must-survive 55: a document of 256 KiB is taken, one byte more is refused while it comes."""
        document = yield self.fetch(self.address + "/full")
        self.assertEqual(len(document), MAX_DOCUMENT)
        error = yield self.assertFailure(self.fetch(self.address + "/huge"), IssuerUnavailable)
        self.assertIn("more than", str(error))  # and not: it took too long

    @inlineCallbacks
    def test_answers_that_are_none(self) -> Generator[Deferred[Any], Any, None]:
        """must-survive 55: a redirect is not followed; an error status or a compressed answer is refused."""
        for path in ("/redirect", "/gzip", "/error"):
            yield self.assertFailure(self.fetch(self.address + path), IssuerUnavailable)
        self.assertEqual(self.pages.asked, [b"/redirect", b"/gzip", b"/error"])

    @inlineCallbacks
    def test_a_connection_that_is_cut_off(self) -> Generator[Deferred[Any], Any, None]:
        """Clear HTTP to a port of TLS: the reason is in words, not in Python's."""
        clear = self.address.replace("https://", "http://")
        error = yield self.assertFailure(self.fetch(clear + "/full"), IssuerUnavailable)
        self.assertNotIn("Failure", str(error))
        self.assertIn("onnection", str(error))

    @inlineCallbacks
    def test_deadline(self) -> Generator[Deferred[Any], Any, None]:
        """An issuer that begins to answer and stalls, or only accepts, costs the deadline and no connection."""
        self.patch(fetching, "DEADLINE", 0.3)
        yield self.assertFailure(self.fetch(self.address + "/stalls"), IssuerUnavailable)
        silent = reactor.listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.1")
        self.addCleanup(silent.stopListening)
        address = f"https://127.0.0.1:{silent.getHost().port}/"
        yield self.assertFailure(self.fetch(address), IssuerUnavailable)

    @inlineCallbacks
    def test_addresses(self) -> Generator[Deferred[Any], Any, None]:
        """must-survive 49: clear HTTP is for this machine only; anything but HTTP(S) is for nobody."""
        for address in ("https://a", "https://a:444/x?y", "http://127.0.0.1:1/", "http://[::1]/", "http://localhost/"):
            self.assertTrue(may_fetch(address), address)
        for address in (
            "http://a/",
            "http://169.254.169.254/",
            "ftp://a/",
            "https://",
            "https://u@a/",
            "https://a:x/",
            "",
        ):
            self.assertFalse(may_fetch(address), address)
            yield self.assertFailure(self.fetch(address), IssuerUnavailable)
