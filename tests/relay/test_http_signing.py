"""Requests that the gateway signs for AWS: what arrives is what was signed, whatever the client sends."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import Answer
from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.relay.effects import Observed
from hoopgw.relay.http_scope import SigningTerms
from hoopgw.relay.http_signing import MAX_HASHED, REPLACED
from hoopgw.wire.awschunks import SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER
from hoopgw.wire.sigv4 import Keys
from tests.relay.aws_receiver import KEYS, NOW, received
from tests.relay.test_http import OK, REFUSED, TOKEN, Course
from tests.wire.test_awschunks import signature, written
from tests.wire.test_httpchunks import cut

CLIENTS_OWN = b"X-Amz-Date: 20200101T000000Z\r\nX-Amz-Security-Token: of-the-client\r\n"
SUM = b"x-amz-checksum-crc32"


def terms(service: str = "s3", encrypted: bool = False, keys: Any = None) -> SigningTerms:
    return SigningTerms("eu-central-1", service, encrypted, keys or (lambda: KEYS), lambda: NOW)


def course(*answers: Answer, signing: SigningTerms | None = None, **more: Any) -> Course:
    return Course(*answers, signing=signing or terms(), credential=b"", replaced=REPLACED, **more)


def request(body: bytes, *more: bytes, method: bytes = b"PUT", target: bytes = b"/bucket/a%20b") -> bytes:
    length = b"" if b"Transfer-Encoding: chunked" in more or not body else b"Content-Length: %d\r\n" % len(body)
    lines = b"".join([line + b"\r\n" for line in more])
    return method + b" /shop" + target + b" HTTP/1.1\r\nHost: gw\r\n" + TOKEN + CLIENTS_OWN + lines + length + b"\r\n"


def in_chunks(body: bytes) -> bytes:
    return (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"


class Arriving(SynchronousTestCase):
    def arrived(self, data: bytes, **given: Any) -> tuple[dict[bytes, bytes], bytes]:
        found = course(**given)
        found.send(data)
        fields, content = received(found.target[0], s3=given.get("signing", terms()).service == "s3")
        return dict(fields), content

    def test_without_a_body(self) -> None:
        """Signed with the gateway's key and time; the client's own are not there, nor is its token."""
        fields, _ = self.arrived(request(b"", method=b"GET", target=b"/bucket/%C3%A4/b+c?list-type=2&prefix=a%2Fb&acl"))
        self.assertEqual(fields[b"x-amz-date"], b"20231114T221320Z")
        self.assertEqual(fields[b"host"], b"shop.internal")
        self.assertNotIn(b"x-amz-security-token", fields)
        self.assertNotIn(b"secret-token", b" ".join(fields.values()))

    def test_a_temporary_key(self) -> None:
        """Its token goes with it, and is signed."""
        keys = Keys(KEYS.id, KEYS.secret, Secret(b"of-the-session"))
        fields, _ = self.arrived(request(b"", method=b"GET"), signing=terms(keys=lambda: keys))
        self.assertEqual(fields[b"x-amz-security-token"], b"of-the-session")

    def test_bodies(self) -> None:
        """Over TLS unsigned and as it came; else in signed chunks, with the length that was said and no other."""
        body = b"x" * 150_000
        given = b"X-Amz-Content-Sha256: " + hashlib.sha256(body).hexdigest().encode()
        for encrypted, more, said in (
            (True, (), b"UNSIGNED-PAYLOAD"),
            (True, (b"X-Amz-Content-Sha256: UNSIGNED-PAYLOAD",), b"UNSIGNED-PAYLOAD"),
            (False, (), SIGNED),
            (False, (given,), given.partition(b": ")[2]),
            (True, (given,), given.partition(b": ")[2]),
            (True, (b"Transfer-Encoding: chunked",), b"UNSIGNED-PAYLOAD"),
        ):
            sent = in_chunks(body) if b"Transfer-Encoding: chunked" in more else body
            fields, content = self.arrived(request(body, *more) + sent, signing=terms(encrypted=encrypted))
            self.assertEqual((content, fields[b"x-amz-content-sha256"]), (body, said))

    def test_an_encoding_stays(self) -> None:
        """What S3 keeps with the object is behind its own coding, which it takes off."""
        fields, _ = self.arrived(request(b"packed", b"Content-Encoding: gzip") + b"packed")
        self.assertEqual(fields[b"content-encoding"], b"aws-chunked,gzip")

    def test_a_body_in_chunks_of_the_clients_own(self) -> None:
        """Signed with whatever key it made up, or with none: the content arrives, in chunks that the gateway signed."""
        content = b"y" * 70_000
        for said, data, encrypted, expected in (
            (SIGNED, written(signature(SIGNED, []), [content]), True, SIGNED),
            (SIGNED_TRAILER, written(signature(SIGNED, []), [content], [(SUM, b"AAAAAA==")]), False, SIGNED_TRAILER),
            (UNSIGNED_TRAILER, unsigned(content), False, SIGNED_TRAILER),
        ):
            lines = [b"X-Amz-Content-Sha256: " + said, b"Content-Encoding: aws-chunked"]
            lines += [b"X-Amz-Trailer: " + SUM] if said != SIGNED else []
            lines.append(b"X-Amz-Decoded-Content-Length: %d" % len(content))
            for chunked in (False, True):
                more = [b"Transfer-Encoding: chunked"] if chunked else []
                sent = request(data, *lines, *more) + (in_chunks(data) if chunked else data)
                fields, found = self.arrived(sent, signing=terms(encrypted=encrypted))
                self.assertEqual((found, fields[b"x-amz-content-sha256"]), (content, expected))

    def test_unsigned_chunks_pass(self) -> None:
        """Over TLS what SDKs send goes on as it is, its checksum behind it."""
        data = unsigned(b"hello")
        lines = [
            b"X-Amz-Content-Sha256: " + UNSIGNED_TRAILER,
            b"Content-Encoding: aws-chunked",
            b"X-Amz-Trailer: " + SUM,
        ]
        lines.append(b"X-Amz-Decoded-Content-Length: 5")
        _, found = self.arrived(request(data, *lines) + data, signing=terms(encrypted=True))
        self.assertEqual(found, data)

    def test_a_websocket(self) -> None:
        """Its handshake is asked for once, signed as any GET; what an approver is shown of it is not sent."""
        asks = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        one = course(signing=terms("iotdevicegateway"))
        one.send(request(b"", asks + key, method=b"GET", target=b"/mqtt"))
        fields, _ = received(one.target[0], s3=False)
        self.assertEqual([value for name, value in fields if name == b"upgrade"], [b"websocket"])

    def test_other_services(self) -> None:
        """The hash of the body, read whole before it goes on, in chunks or not; a path is encoded once more."""
        body = b'{"TableName": "pay"}'
        dynamo = terms("dynamodb")
        for more, sent in (((), body), ((b"Transfer-Encoding: chunked",), in_chunks(body))):
            data = request(body, *more, method=b"POST", target=b"/a%20b//../c") + sent
            fields, content = self.arrived(data, signing=dynamo)
            self.assertEqual((content, b"x-amz-content-sha256" in fields), (body, False))
        waiting = course(signing=dynamo)
        waiting.send(request(body, method=b"POST") + body[:5])
        self.assertEqual(waiting.target, [b""])

    @settings(deadline=None, max_examples=40)
    @given(st.integers(0, 140_000), st.lists(st.integers(0, 140_000), max_size=5), st.booleans())
    def test_any_cut(self, size: int, places: list[int], judged: bool) -> None:
        """However the body comes, and whether a rule reads it first."""
        body = bytes(range(256)) * (size // 256 + 1)
        body = body[:size]
        one = course(needs=(lambda request: 1000) if judged else (lambda request: 0))
        for piece in (request(body), *cut(body, places)):
            one.send(piece)
        self.assertEqual(received(one.target[0])[1], body)
        one.reply(OK)
        self.assertEqual(one.client, OK)

    def test_the_record(self) -> None:
        """Has the body as the client sent it, once, and neither key nor signature nor token."""
        one = course(signing=terms(keys=lambda: Keys(KEYS.id, KEYS.secret, Secret(b"of-the-session"))))
        body = b"~" * 100_000
        one.send(request(body) + body[:10])
        one.send(body[10:70_000])
        one.send(body[70_000:])
        recorded = b"".join(one.journal)
        self.assertEqual(recorded.count(b"~"), 100_000)
        for secret in (b"of-the-session", b"Signature=", KEYS.secret.reveal(), b"secret-token", b"of-the-client"):
            self.assertNotIn(secret, recorded)
        self.assertIn(b"authorization: (redacted)", recorded)


class Refused(SynchronousTestCase):
    def test_what_cannot_be_signed(self) -> None:
        """In words, before anything reaches the target."""
        framed = [b"X-Amz-Content-Sha256: " + SIGNED, b"Content-Encoding: aws-chunked"]
        sized = b"X-Amz-Decoded-Content-Length: 5"
        for data, service, status in (
            (request(b"", method=b"GET", target=b"/b/a?x=1&X-Amz-Signature=abc"), "s3", 400),
            (request(b"", method=b"GET", target=b"/b/a?AWSAccessKeyId=abc&Signature=x"), "s3", 400),
            (request(b"hello", b"X-Amz-Content-Sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), "s3", 400),
            (request(b"hello", *framed), "s3", 411),
            (request(b"hello", *framed, sized, b"X-Amz-Trailer: x-amz-meta-a"), "s3", 400),
            (request(b"hello", *framed, sized), "dynamodb", 400),
            (request(b"hello", b"Transfer-Encoding: chunked"), "s3", 411),
            (request(b"hello").replace(b": 5\r", b": %d\r" % (MAX_HASHED + 1)), "sqs", 413),
        ):
            one = course(signing=terms(service))
            one.send(data)
            self.assertEqual((one.problem()[0], one.target), (status, [b""]), data)

    def test_a_long_body_of_unknown_length(self) -> None:
        """It is not kept without end for its hash."""
        one = course(signing=terms("sqs"))
        one.send(request(b"x", b"Transfer-Encoding: chunked"))
        for _ in range(MAX_HASHED // 65536 + 1):
            one.send(in_chunks(bytes(65536))[:-5])
        self.assertEqual((one.problem()[0], one.target), (413, [b""]))

    def test_a_body_of_another_length(self) -> None:
        """What the target would read behind it as a request never arrives as one: the connection ends."""
        lines = [
            b"X-Amz-Content-Sha256: " + SIGNED,
            b"Content-Encoding: aws-chunked",
            b"X-Amz-Decoded-Content-Length: 7",
        ]
        for content in (b"hello", b"hello world"):
            data = written(signature(SIGNED, []), [content])
            one = course()
            one.send(request(data, *lines) + data[:8])
            one.send(data[8:])
            self.assertIsNotNone(one.ended)
            assert one.ended is not None
            self.assertEqual(one.ended[0], Code.PROTOCOL_VIOLATED)
            self.assertNotIn(b"\r\n0;chunk-signature", one.target[0])

    def test_without_a_key(self) -> None:
        """503, an event that says why, and no word of that to the client; the next request finds it again."""
        found = [SecretUnavailable("vault:v/aws/creds has ended")]

        def keys() -> Keys:
            if found:
                raise found.pop()
            return KEYS

        one = course(signing=terms(keys=keys))
        one.send(request(b"", method=b"GET"))
        self.assertEqual(one.problem()[0], 503)
        self.assertNotIn(b"vault", one.client)
        [observed] = [each for each in one.others if isinstance(each, Observed)]
        self.assertEqual(
            (observed.code, observed.fields["reason"]), (Code.OPERATION_UNAVAILABLE, "vault:v/aws/creds has ended")
        )
        one.send(request(b"", method=b"GET"))
        received(one.target[0])

    def test_what_a_rule_refuses(self) -> None:
        """Is never signed."""
        one = course(Answer(denial=REFUSED))
        one.send(request(b"hello") + b"hello")
        self.assertEqual((one.problem()[0], one.target), (403, [b""]))


def unsigned(content: bytes) -> bytes:
    """As SDKs send it over TLS."""
    return b"%x\r\n%s\r\n0\r\n" % (len(content), content) + SUM + b":AAAAAA==\r\n\r\n"
