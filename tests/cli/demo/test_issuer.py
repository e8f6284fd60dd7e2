"""The small issuer: what it publishes and what it signs."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import jwt
from cryptography import x509
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase, TestCase

from hoopgw.auth.fetch import https_fetch
from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.issuer import DemoIssuer
from hoopgw.model.errors import IssuerUnavailable


class Published(TestCase):
    def setUp(self) -> None:
        authority = Authority()
        self.issuer = DemoIssuer(authority)
        self.url = self.issuer.start(reactor)
        self.addCleanup(self.issuer.stop)
        ca = self.mktemp()
        with open(ca, "w") as file:
            file.write(authority.certificate)
        self.fetch = https_fetch(reactor, ca)

    @inlineCallbacks
    def test_documents(self) -> Generator[Deferred[Any], Any, None]:
        """Discovery names the issuer and its keys; the keys are public halves only."""
        discovery = json.loads((yield self.fetch(self.url + "/.well-known/openid-configuration")))
        self.assertEqual(discovery["issuer"], self.url)
        keys = json.loads((yield self.fetch(discovery["jwks_uri"])))["keys"]
        self.assertEqual([key["use"] for key in keys], ["sig"])
        self.assertNotIn("d", keys[0])

    @inlineCallbacks
    def test_signs_for_nobody_over_the_network(self) -> Generator[Deferred[Any], Any, None]:
        """There is nothing else to ask it for."""
        for path in ("/", "/token", "/mint"):
            yield self.assertFailure(self.fetch(self.url + path), IssuerUnavailable)

    @inlineCallbacks
    def test_rotation(self) -> Generator[Deferred[Any], Any, None]:
        """A rotation publishes the new key, with the old one or without."""
        self.issuer.rotate(keep=True)
        self.assertEqual(len(json.loads((yield self.fetch(self.url + "/keys")))["keys"]), 2)
        name = self.issuer.rotate()
        keys = json.loads((yield self.fetch(self.url + "/keys")))["keys"]
        self.assertEqual([key["kid"] for key in keys], [name])


class Minted(SynchronousTestCase):
    def test_claims(self) -> None:
        """A token says who, of which groups, for how long; claims can be added, replaced and left out."""
        issuer = DemoIssuer(Authority())
        said = jwt.decode(
            issuer.mint("a", ("g",), 60, aud="x", team="t", jti=None), options={"verify_signature": False}
        )
        self.assertEqual((said["sub"], said["groups"], said["aud"], said["team"]), ("a", ["g"], "x", "t"))
        self.assertEqual(said["exp"] - said["iat"], 60)
        self.assertNotIn("jti", said)

    def test_certificates(self) -> None:
        """A certificate is the authority's, for these names and addresses, and is no authority itself."""
        authority = Authority()
        certificate = x509.load_pem_x509_certificate(authority.issue(("127.0.0.1", "db.example.com"))[0].encode())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate.encode()))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual([str(name.value) for name in names], ["127.0.0.1", "db.example.com"])
        self.assertFalse(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
