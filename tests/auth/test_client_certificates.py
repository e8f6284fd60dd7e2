"""hoopgw.auth.client_certificates, and tokens that are bound to one (RFC 8705)"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any

from cryptography import x509
from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from hoopgw.auth.access import Access
from hoopgw.auth.client_certificates import CertificateChecker, fingerprint
from hoopgw.auth.credentials import BearerToken, ClientCertificate, IClientCertificate
from hoopgw.auth.realm import admin_access, reconsidered
from hoopgw.auth.spiffe import check_id
from hoopgw.model.errors import LoginRefused
from hoopgw.model.grant import Grant, Who
from hoopgw.model.identity import Identity
from hoopgw.model.secret import Secret
from hoopgw.model.settings import ClientAuthority, RevokedSerials, Settings
from hoopgw.model.target import Selector
from tests.auth.certificates_for_tests import CLIENT, SERVER, Ca, der, spiffe
from tests.auth.test_realm import PAY, Rules
from tests.auth.tokens_for_tests import ISSUER, NOW, SETTINGS, World

AGENT = "spiffe://example.org/ns/ci/agent"
ROOT = Ca("root", NOW)
MESH = ClientAuthority("mesh", "corp", (ROOT.der,), trust_domain="example.org", alone=True)


def checker(*authorities: ClientAuthority, now: float = NOW) -> CertificateChecker:
    clock = Clock()
    clock.advance(now)
    found = CertificateChecker(clock)
    found.configure(authorities or (MESH,), (SETTINGS,))
    return found


class CertificateCase(SynchronousTestCase):
    def login(self, leaf: x509.Certificate, *above: bytes, by: CertificateChecker | None = None) -> Identity:
        shown = ClientCertificate((der(leaf), *(above or (ROOT.der,))), "192.0.2.1")
        verifyObject(IClientCertificate, shown)
        found: Identity = self.successResultOf((by or checker()).requestAvatarId(shown))
        return found

    def refused(self, words: str, *chain: bytes, by: CertificateChecker | None = None) -> None:
        error = self.failureResultOf((by or checker()).requestAvatarId(ClientCertificate(chain, "::1")), LoginRefused)
        self.assertIn(words, error.value.detail)
        self.assertIn("certificate", str(error.value))


class Certificates(CertificateCase):
    def test_spiffe(self) -> None:
        """The one URI is the subject; the login ends with the certificate, or with `session`."""
        leaf, _ = ROOT.issue(spiffe(AGENT), x509.DNSName("agent.internal"))
        found = self.login(leaf)
        self.assertEqual((found.provider, found.issuer, found.subject), ("corp", ISSUER, AGENT))
        self.assertEqual((found.groups, found.expires), (frozenset(), NOW + 3600))
        self.assertEqual(found.proof, ("client_ca.mesh", fingerprint(der(leaf)), fingerprint(ROOT.der)))
        self.assertEqual(self.login(leaf, by=checker(replace(MESH, session=60.0))).expires, NOW + 60)
        verifyObject(ICredentialsChecker, checker())

    def test_other_names(self) -> None:
        """CN, e-mail, DNS, URI; organizational units are groups, and globs over subjects give more."""
        names = (x509.RFC822Name("ann@example.com"), x509.DNSName("ci.internal"), spiffe("urn:agent:7"))
        leaf, _ = ROOT.issue(*names, subject=(("cn", "ann"), ("ou", "agents"), ("ou", "dev"), ("o", "Example")))
        plain = replace(MESH, trust_domain="", groups="ou", members=(("ann*", frozenset(("people",))),))
        for kind, subject, groups in (
            ("cn", "ann", {"agents", "dev", "people"}),
            ("email", "ann@example.com", {"agents", "dev", "people"}),
            ("dns", "ci.internal", {"agents", "dev"}),
            ("uri", "urn:agent:7", {"agents", "dev"}),
        ):
            found = self.login(leaf, by=checker(replace(plain, subject=kind)))
            self.assertEqual((found.subject, found.groups), (subject, groups))
        self.assertEqual(
            self.login(leaf, by=checker(replace(plain, subject="cn", groups="o"))).groups, {"Example", "people"}
        )

    def test_the_nearest_authority_counts(self) -> None:
        """An intermediate may be an authority of its own; who signed a certificate says who it is for."""
        between = Ca("between", NOW, above=ROOT)
        leaf, _ = between.issue(spiffe(AGENT))
        other = replace(MESH, name="between", anchors=(between.der,), members=((AGENT, frozenset(("near",))),))
        found = self.login(leaf, between.der, ROOT.der, by=checker(MESH, other))
        self.assertEqual((found.proof[0], found.groups), ("client_ca.between", {"near"}))
        self.assertEqual(self.login(leaf, between.der, ROOT.der).proof[0], "client_ca.mesh")

    def test_security_what_is_not_accepted(self) -> None:
        """Times, purpose, authorities, names, chains: each with its reason in the event, and one word to the client."""
        stranger = Ca("root", NOW)
        for words, leaf, above in (
            ("expired", ROOT.issue(spiffe(AGENT), until=-1), ROOT),
            ("not valid yet", ROOT.issue(spiffe(AGENT), since=60), ROOT),
            ("not for clients", ROOT.issue(spiffe(AGENT), purposes=(SERVER,)), ROOT),
            ("not a configured one", stranger.issue(spiffe(AGENT)), stranger),
            ("an authority's", ROOT.issue(spiffe(AGENT), authority=True), ROOT),
            ("something else", ROOT.issue(spiffe(AGENT), signs=True), ROOT),
            ("0 names", ROOT.issue(subject=(("cn", AGENT),)), ROOT),
            ("2 names", ROOT.issue(spiffe(AGENT), spiffe("https://example.org/")), ROOT),
            ("another trust domain", ROOT.issue(spiffe("spiffe://example.com/ns/ci")), ROOT),
            ("no workload", ROOT.issue(spiffe("spiffe://example.org")), ROOT),
            ("no SPIFFE ID", ROOT.issue(spiffe("https://example.org/ns/ci")), ROOT),
            ("printable", ROOT.issue(spiffe("spiffe://example.org/" + "x" * 300)), ROOT),
        ):
            self.refused(words, der(leaf[0]), above.der)
        leaf, _ = ROOT.issue(spiffe(AGENT), purposes=(SERVER, CLIENT))
        self.refused("more than 5", der(leaf), *[b"x"] * 4, ROOT.der)
        self.refused("not a configured one", der(leaf))
        self.refused("not a configured one", ROOT.der)  # an authority's own
        self.refused("is revoked", der(leaf), ROOT.der, by=checker(self.listing(leaf.serial_number)))
        self.login(leaf)

    def listing(self, *serials: int, until: float = NOW + 60, issuer: Ca = ROOT) -> ClientAuthority:
        return replace(MESH, revoked=(RevokedSerials(issuer.name.public_bytes(), until, frozenset(serials)),))

    def test_security_revocation_lists(self) -> None:
        """Of the issuer of the certificate, and up to date; and no certificate of an intermediate that is on one."""
        leaf, _ = ROOT.issue(spiffe(AGENT))
        self.login(leaf, by=checker(self.listing(7)))
        self.refused("up to date", der(leaf), ROOT.der, by=checker(self.listing(7, until=NOW)))
        between = Ca("between", NOW, above=ROOT)
        self.refused("up to date", der(leaf), ROOT.der, by=checker(self.listing(7, issuer=between)))
        lower, _ = between.issue(spiffe(AGENT))
        two = self.listing(between.certificate.serial_number).revoked + self.listing(7, issuer=between).revoked
        self.refused("signed it is revoked", der(lower), between.der, ROOT.der, by=checker(replace(MESH, revoked=two)))

    def test_security_alone_only_where_it_is_said(self) -> None:
        """Without `alone` a certificate is good beside a token, and for nothing by itself."""
        leaf, _ = ROOT.issue(spiffe(AGENT))
        only = checker(replace(MESH, alone=False))
        self.refused("no `alone`", der(leaf), ROOT.der, by=only)
        self.assertEqual(only.shown((der(leaf), ROOT.der)).subject, AGENT)

    def test_a_reload_ends_what_is_not_known_any_more(self) -> None:
        """Authority gone, certificate revoked, `alone` taken back, other groups: the session ends."""
        leaf, _ = ROOT.issue(spiffe(AGENT))
        grant = Grant("read", Who(subjects=frozenset((AGENT,))), Selector(frozenset(("pay",))), frozenset(("reader",)))
        granted = Access(self.login(leaf), PAY, PAY.roles["reader"], "paydb", grant, NOW + 60)
        other = Ca("root", NOW)
        for authorities, goes_on in (
            ((MESH,), True),
            ((self.listing(7),), True),
            ((self.listing(leaf.serial_number),), False),
            ((replace(MESH, anchors=(other.der,)),), False),
            ((replace(MESH, anchors=(other.der, ROOT.der)),), True),
            ((replace(MESH, alone=False),), False),
            ((replace(MESH, members=((AGENT, frozenset(("new",))),)),), False),
            ((replace(MESH, provider="other"),), False),
            ((), False),
        ):
            rules = Rules(Settings(name="gw", issuers=(SETTINGS,), client_authorities=authorities), grants=(grant,))
            self.assertEqual(reconsidered(rules, granted, NOW) is not None, goes_on, authorities)

    def test_security_who_logs_in_by_certificate_approves_nothing(self) -> None:
        """It may lie where others work; an approver shows a token."""
        leaf, _ = ROOT.issue(spiffe(AGENT))
        self.assertFalse(admin_access(Rules(), self.login(leaf), NOW).may_decide)


class BoundTokens(SynchronousTestCase):
    def test_security_only_with_the_certificate_that_it_is_bound_to(self) -> None:
        """RFC 8705, 3.1; what else `cnf` may say is not known here, and refused."""
        world = World()
        own, other = (der(ROOT.issue(spiffe(AGENT))[0]) for _ in range(2))
        digest = urlsafe_b64encode(sha256(own).digest()).rstrip(b"=").decode()
        for confirmation, certificate, good in (
            ({"x5t#S256": digest}, own, True),
            ({"x5t#S256": digest}, other, False),
            ({"x5t#S256": digest}, b"", False),
            ({"jkt": digest}, own, False),
            ({"x5t#S256": digest, "jkt": "x"}, own, False),
            ({}, own, False),
            (digest, own, False),
            (None, own, True),
        ):
            token = BearerToken(Secret(world.mint(cnf=confirmation).encode()), "192.0.2.1", certificate)
            deciding: Any = world.checker.requestAvatarId(token)
            if good:
                self.assertEqual(self.successResultOf(deciding).subject, "alice")
            else:
                self.assertIn("`cnf`", self.failureResultOf(deciding, LoginRefused).value.detail)


class SpiffeIds(SynchronousTestCase):
    def test_ids(self) -> None:
        """SPIFFE-ID, 2: no ports, users, queries, empty or dot segments, upper case in trust domains."""
        check_id("spiffe://example.org/a/B-c_d.e", "example.org")
        for wrong in (
            "spiffe://example.org/", "spiffe://example.org//a", "spiffe://example.org/a/", "spiffe://example.org/../a",
            "spiffe://example.org/a%2fb", "spiffe://example.org:8/a", "spiffe://u@example.org/a", "spiffe://Example.org/a",
            "spiffe://example.org/a?b", "spiffe://example.org/a#b", "SPIFFE://example.org/a", "spiffe:///a",
            "spiffe://example.org/a\n", "spiffe://example.org/" + "a" * 2048,
        ):  # fmt: skip
            self.assertRaises(ValueError, check_id, wrong, "example.org")
