"""What the record has of a request is what its target read, but for values that it may not have."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import Answer
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.relay.effects import Observed, Renew
from hoopgw.relay.http_masks import REPLACED as MASKED
from hoopgw.relay.http_masks import TOLD
from hoopgw.relay.http_signing import REPLACED as SIGNED
from hoopgw.wire.sigv4 import Keys
from tests.relay.aws_receiver import KEYS
from tests.relay.test_http import GET, OK, POST, Course, Masks
from tests.relay.test_http_renewing import REFUSED, Granted
from tests.relay.test_http_signing import request, terms

REDACTED = b"(redacted)"
COMMON = b"Cookie: a=hush\r\nX-Api-Key: hush\r\nTE: trailers\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-A: 1\r\n"
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" + (
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: chat\r\n"
)

Head = tuple[bytes, list[tuple[bytes, bytes]]]


def head(data: bytes) -> Head:
    line, *rest = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    fields = [(name.lower(), value) for name, _, value in (each.partition(b": ") for each in rest)]
    return line, sorted(fields)


def notes(course: Course) -> list[dict[str, Any]]:
    seen = [each for each in course.others if isinstance(each, Observed) and each.code is Code.REQUEST_SENT]
    assert all(each.told == {} for each in seen), "a note is no event"
    return [each.fields for each in seen]


def recorded(course: Course) -> Head:
    """The head of the ASKED entry, with what the notes say of it."""
    line, fields = head(course.journal[0])
    for note in notes(course):
        added = [
            (name.lower(), value)
            for name, _, value in (each.encode().partition(b": ") for each in note.get("added", []))
        ]
        gone = {name.encode() for name in note.get("left_out", [])} | {name for name, _ in added}
        fields = [each for each in fields if each[0] not in gone] + added
    return line, sorted(fields)


class Recorded(SynchronousTestCase):
    def same(self, course: Course, *redacted: bytes) -> None:
        """Field by field; the values of `redacted`, and no others, are left out."""
        (line, fields), (wire, sent) = recorded(course), head(course.target[0])
        self.assertEqual([name for name, _ in fields], [name for name, _ in sent])
        for (name, shown), (_, value) in zip(fields, sent, strict=True):
            self.assertEqual(shown, REDACTED if name in redacted else value, name)
        self.assertEqual({name for name, value in fields if value == REDACTED}, set(redacted))
        self.assertEqual(line, wire.replace(b"hush", REDACTED))
        self.assertNotIn(b"hush", b"".join(course.journal) + str(notes(course)).encode())

    def sent(self, data: bytes, *answers: Answer, **scope: Any) -> Course:
        course = Course(*answers, **scope)
        course.send(data)
        self.assertTrue(course.target[0])
        return course

    def test_as_it_was_asked(self) -> None:
        """Heads and bodies; who asks and by what credential is said to be there, in a field or in the query."""
        for data in (GET, POST):
            data = data.replace(b"Host: gw\r\n", b"Host: gw\r\n" + COMMON)
            self.same(self.sent(data), b"authorization", b"cookie", b"x-api-key")
        asked = GET.replace(b"Host: gw\r\n", b"Host: gw\r\n" + COMMON)
        who = self.sent(asked, identity=lambda: b"X-Hoopgw-Identity: hush\r\n", credential=b"X-Key: hush\r\n")
        self.same(who, b"cookie", b"x-api-key", b"x-hoopgw-identity", b"x-key")
        for line in (asked, asked.replace(b"?b=1", b"")):
            self.same(self.sent(line, query=b"key=hush", credential=b""), b"cookie", b"x-api-key")

    def test_a_websocket(self) -> None:
        """Its handshake is the gateway's own."""
        course = self.sent(GET.replace(b"Host: gw\r\n", b"Host: gw\r\n" + WEBSOCKET))
        self.same(course, b"authorization")

    def test_masked(self) -> None:
        """What the gateway asks for in the client's place, and a condition that stays here."""
        asked = GET[:-2] + b'If-None-Match: "guess"\r\nRange: bytes=0-1\r\nAccept-Encoding: gzip\r\nX-A: 1\r\n\r\n'
        told = {"told": b"X-Forwarded-For: 192.0.2.1\r\n" + TOLD, "replaced": frozenset((b"authorization",)) | MASKED}
        course = self.sent(asked, Answer(bodies=Masks()), **told)
        self.same(course, b"authorization")
        self.assertEqual(notes(course), [{"operation": 1, "left_out": ["if-none-match"]}])
        course.reply(OK)
        course.send(asked)
        self.assertEqual(len(notes(course)), 1)

    def test_signed(self) -> None:
        """Known when it is sent, and not when it is asked for."""
        keys = Keys(KEYS.id, KEYS.secret, Secret(b"hush"))
        hidden = b"authorization", b"x-amz-security-token"
        for body, signing in ((b"", terms(keys=lambda: keys)), (b"x" * 5000, terms(keys=lambda: keys))):
            data = request(body, b"Content-Encoding: gzip") + body
            course = self.sent(data, signing=signing, credential=b"", replaced=SIGNED)
            self.same(course, *hidden)
            (note,) = notes(course)
            self.assertIn("x-amz-date: 20231114T221320Z", note["added"])

    def test_once_more(self) -> None:
        """On another connection, or with another token: each is a note, before it happens."""
        course = self.sent(GET)
        effects = course.relay.again("10.0.0.9:443: closed")
        self.assertIsInstance(effects[0], Observed)
        course.do(effects)
        self.assertEqual(notes(course), [{"operation": 1, "again": "10.0.0.9:443: closed"}])
        granted = Granted()
        course = granted.course()
        course.send(GET)
        course.reply(REFUSED)
        self.assertTrue(any(isinstance(each, Renew) for each in course.others))
        granted.value = b"two"
        course.do(course.relay.later(0))
        self.assertEqual(notes(course), [{"operation": 1, "again": "with another token"}])

    def test_no_secret_behind_a_body(self) -> None:
        """A trailer cannot be redacted any more when it comes: names that would have to be are refused."""
        chunked = POST.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked")[:-4] + b"1\r\nx\r\n0\r\n"
        for line in (
            b"Cookie: a=hush",
            b"Set_Cookie: a=hush",
            b"X-Api-Key: hush",
            b"x-mine: hush",
            b"Authorization: hush",
        ):
            course = Course(secrets=frozenset((b"x-mine",)))
            course.send(chunked + line + b"\r\n\r\n")
            self.assertEqual(course.problem()[0], 400, line)
            self.assertNotIn(b"hush", b"".join(course.journal))
        course = self.sent(chunked + b"X-Checksum: 1\r\n\r\n")
        self.assertTrue(course.target[0].endswith(b"X-Checksum: 1\r\n\r\n"))
