"""Clients of HTTPS that show a certificate: alone, beside a token, and those that are not let in."""

from __future__ import annotations

import json
import os
import ssl
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import httpx
import psycopg
from cryptography import x509

from hoopgw.cli.demo.stage import Options
from tests.auth.certificates_for_tests import SERVER, Ca, der, pem, spiffe
from tests.live.harness import UNTIL
from tests.live.test_http import HttpCase

ROOT = Ca("mesh root")
MIDDLE = Ca("mesh middle", above=ROOT)
WORKLOAD = "spiffe://mesh.test/ns/ci/agent"
MESH = """
[client_ca.mesh]
provider = "demo"
ca = "mesh.pem"
crl = ["mesh.crl", "middle.crl"]
trust_domain = "mesh.test"
members = { "spiffe://mesh.test/ns/ci/*" = ["agents"] }
alone = true
listeners = ["https", "postgresql"]

[client_ca.devices]
provider = "demo"
ca = "devices.pem"
subject = "cn"
"""
DEVICES = Ca("devices")
REVOKED, REVOKED_KEY = ROOT.issue(spiffe(WORKLOAD))
STAGE = Options(
    more={
        "hoopgw.toml": MESH,
        "mesh.pem": ROOT.pem + MIDDLE.pem,
        "mesh.crl": ROOT.crl(REVOKED),
        "middle.crl": MIDDLE.crl(),
        "devices.pem": DEVICES.pem,
    }
)


class Certificates(HttpCase):
    options: ClassVar[Options] = STAGE

    def setUp(self) -> None:
        super().setUp()
        self.asked(path="good")  # before failures of several tests in a row are a penalty

    def files(self, certificate: x509.Certificate, key: str, *above: x509.Certificate) -> Path:
        path = Path(self.mktemp()).absolute()
        path.write_text(pem(certificate, *above) + key)
        os.chmod(path, 0o600)
        return path

    def shown(self, certificate: x509.Certificate, key: str, *above: x509.Certificate) -> tuple[str, ...]:
        return "--cert", str(self.files(certificate, key, *above))

    def client(self, path: Path | None, token: str = "", http2: bool = False) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.stage.ca))
        if path is not None:
            context.load_cert_chain(path)
        head = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(
            verify=context, headers=head, http2=http2, base_url=self.stage.https_url, trust_env=False, timeout=UNTIL
        )
        self.addCleanup(client.close)
        return client

    @staticmethod
    def subject(said: dict[str, Any]) -> str:
        """Whom the target was told of."""
        return {name.lower(): value for name, value in said["fields"]}["x-hoopgw-subject"]

    def told(self, code: str, words: str) -> str:
        """The detail of the event with these words, as soon as it is there."""
        deadline = time.monotonic() + UNTIL
        while True:
            found = [each["detail"] for each in self.events(code) if words in each.get("detail", "")]
            if found:
                return str(found[-1])
            self.assertLess(time.monotonic(), deadline, self.events(code)[-3:])
            time.sleep(0.1)

    def test_alone(self) -> None:
        """By HTTP/1.1 and HTTP/2; the target is told the SPIFFE ID, and the record says by what certificate."""
        certificate, key = ROOT.issue(spiffe(WORKLOAD))
        said = self.asked(*self.shown(certificate, key), path="alone?1", token="")
        self.assertEqual(self.subject(said), WORKLOAD)
        row = self.of("GET /alone")
        self.assertEqual((row["subject"], row["issuer"]), (WORKLOAD, self.stage.issuer.url))
        for http2 in (False, True):
            with self.client(self.files(certificate, key), http2=http2) as client:
                found = [client.get(f"many{number}").json() for number in range(3)]
            self.assertEqual(set(map(self.subject, found)), {WORKLOAD})
        accepted = [each for each in self.events("login.accepted") if WORKLOAD in json.dumps(each)]
        self.assertIn("client_ca.mesh", json.dumps(accepted[-1]))

    def test_an_intermediate_signed_it(self) -> None:
        """The client sends the chain up to what is trusted."""
        leaf, key = MIDDLE.issue(spiffe(WORKLOAD))
        said = self.asked(*self.shown(leaf, key, MIDDLE.certificate), path="between", token="")
        self.assertEqual(self.subject(said), WORKLOAD)

    def test_security_refused(self) -> None:
        """Expired, not valid yet, not for clients, of an unknown authority: the handshake ends with the alert that says
        so.  Revoked, or without the name that is asked for: 401.  Each is an event with its reason."""
        for (certificate, key), alert, words in (
            (ROOT.issue(spiffe(WORKLOAD), until=-1), "expired", "has expired"),
            (ROOT.issue(spiffe(WORKLOAD), since=600), "", "not yet valid"),
            (ROOT.issue(spiffe(WORKLOAD), purposes=(SERVER,)), "", "unsuitable certificate purpose"),
            (Ca("stranger").issue(spiffe(WORKLOAD)), "unknown", "issuer certificate"),
            (Ca("mesh root").issue(spiffe(WORKLOAD)), "decrypt", "certificate signature failure"),
            (Ca("deep", above=MIDDLE).issue(spiffe(WORKLOAD)), "unknown", "issuer certificate"),
        ):
            with self.assertRaises(httpx.TransportError) as caught:
                self.client(self.files(certificate, key)).get("never")
            self.asked(path="good")
            self.assertIn(alert, str(caught.exception).lower())
            self.assertIn("certificate", self.told("login.refused", words))
        for certificate, key, words in (
            (REVOKED, REVOKED_KEY, "it is revoked"),
            (*ROOT.issue(spiffe("spiffe://other.test/a")), "another trust domain"),
            (*ROOT.issue(), "0 names"),
        ):
            for token in ("", self.stage.agent):
                answer = self.client(self.files(certificate, key), token, http2=True).get("never")
                self.assertEqual(answer.status_code, 401)
                self.assertIn("the certificate is not accepted", answer.json()["detail"])
                self.asked(path="good")
            self.told("login.refused", words)

    def test_security_a_long_chain(self) -> None:
        """Longer than the gateway reads: refused, although every signature in it is good."""
        above = [MIDDLE]
        for number in range(4):
            above.append(Ca(f"deeper {number}", above=above[-1]))
        leaf, key = above[-1].issue(spiffe(WORKLOAD))
        path = self.files(leaf, key, *[each.certificate for each in reversed(above[1:])])
        self.assertEqual(self.client(path).get("never").status_code, 401)
        self.told("login.refused", "a chain of more than 5")

    def test_beside_a_token(self) -> None:
        """The token says who acts; a certificate that does not log in alone goes beside one."""
        certificate, key = DEVICES.issue(subject=(("cn", "laptop-7"),))
        said = self.asked(*self.shown(certificate, key), path="beside")
        self.assertEqual(self.subject(said), "agent@demo")
        status, _, body = self.curl(*self.shown(certificate, key), path="beside", token="")
        self.assertEqual((status, b"alone is not enough" in body), (401, True))
        status, _, _ = self.curl(*self.shown(certificate, key), path="beside", token="junk")
        self.assertEqual(status, 401)

    def test_a_bad_token_is_not_made_good_by_a_certificate(self) -> None:
        """What a client says beside its certificate counts: doubt denies."""
        certificate, key = ROOT.issue(spiffe(WORKLOAD))
        status, _, _ = self.curl(*self.shown(certificate, key), path="never", token=self.stage.agent + "x")
        self.assertEqual(status, 401)

    def test_bound_tokens(self) -> None:
        """RFC 8705: good with the certificate whose digest it has, and by no other connection."""
        certificate, key = DEVICES.issue(subject=(("cn", "laptop-7"),))
        digest = urlsafe_b64encode(sha256(der(certificate)).digest()).rstrip(b"=").decode()
        token = self.stage.issuer.mint("agent@demo", ("agents",), cnf={"x5t#S256": digest})
        own = self.shown(certificate, key)
        self.assertEqual(self.subject(self.asked(*own, path="bound", token=token)), "agent@demo")
        other = self.shown(*DEVICES.issue(subject=(("cn", "laptop-7"),)))
        for words in ((), other):
            status, _, _ = self.curl(*words, path="bound", token=token)
            self.assertEqual(status, 401)

    def test_postgresql(self) -> None:
        """libpq's sslcert, and no password; a token where it is asked for; others are no better off than over HTTPS."""
        good, key = ROOT.issue(spiffe(WORKLOAD))
        names = {"sslcert": str(self.files(good, key)), "sslkey": str(self.files(good, key))}
        query = "select count(*) > 0 from products"
        with psycopg.connect(self.stage.gateway_url("reader"), **names) as connection:
            self.assertEqual(connection.execute(query).fetchone(), (True,))
        (row,) = self.listed("--target", "shop", "--subject", WORKLOAD)
        self.assertEqual((row["role"], row["issuer"]), ("reader", self.stage.issuer.url))
        with self.connect(**names, options="-c hoopgw.login=password") as connection:
            self.assertEqual(connection.execute(query).fetchone(), (True,))
        for (certificate, own), words in (
            ((REVOKED, REVOKED_KEY), "the certificate is not accepted"),
            (DEVICES.issue(subject=(("cn", "laptop-7"),)), "unknown ca"),
            (ROOT.issue(spiffe(WORKLOAD), until=-1), "expired"),
        ):
            path = str(self.files(certificate, own))
            with self.assertRaises(psycopg.OperationalError) as caught:
                self.connect(sslcert=path, sslkey=path)
            self.assertIn(words, str(caught.exception))
            self.asked(path="good")
        with self.assertRaises(psycopg.OperationalError):
            self.connect(password="")
        self.assertEqual(self.connect().execute(query).fetchone(), (True,))

    def test_without_one(self) -> None:
        """Who shows none logs in by token, as ever."""
        self.assertEqual(self.subject(self.asked(path="token")), "agent@demo")
