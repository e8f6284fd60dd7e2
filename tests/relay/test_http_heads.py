"""hoopgw.relay.http_heads, and what of a head keeps a request from going on"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import Answer
from hoopgw.relay.http_answers import MAX_INTERIM
from hoopgw.relay.http_heads import MAX_PREPARED
from hoopgw.wire.secretnames import secret_names
from tests.relay.test_http import GET, OK, TOKEN, Course, Masks

HUSH = b"hush-hush"


def get(*lines: bytes, line: bytes = b"GET /shop/a HTTP/1.1") -> bytes:
    return b"\r\n".join((line, b"Host: gw", TOKEN[:-2], *lines, b"", b""))


def ok(*lines: bytes) -> bytes:
    return b"\r\n".join((b"HTTP/1.1 200 OK", *lines, b"Content-Length: 2", b"", b"ok"))


class Requests(SynchronousTestCase):
    def sent(self, data: bytes, **scope: Any) -> Course:
        course = Course(**scope)
        course.send(data)
        return course

    def test_what_stands_behind_a_field_that_is_left_out_goes_on(self) -> None:
        """Of this hop, of the gateway, of the login."""
        for gone in (b"TE: trailers", b"X-Hoopgw-Role: r", b"Via: x", b"Connection: X-B\r\nX-B: 1", b"Keep-Alive: 1"):
            course = self.sent(get(b"X-A: 1", gone, b"X-C: 2"), route=(b"gw", b"r" if b"Role" in gone else b"", *PROOF))
            self.assertIn(b"X-A: 1\r\nX-C: 2\r\n", course.target[0], gone)
            self.assertNotIn(gone, course.target[0])

    def test_an_authorization_of_the_clients_own(self) -> None:
        """It goes on where the target is to have it, unless it is the proof itself."""
        own = b"Authorization: Basic b3duOm93bg=="
        for kept in (False, True):
            data = get(b"X-Hoopgw-Token: t", own, b"X-C: 2").replace(TOKEN, b"")
            route = b"gw", b"", b"x-hoopgw-token", b"t"
            course = self.sent(data, route=route, keep_authorization=kept, replaced=frozenset(), credential=b"")
            self.assertEqual((own in course.target[0], b"X-C: 2" in course.target[0]), (kept, True))
            self.assertNotIn(b"b3du", course.journal[0])
            course = self.sent(get(b"X-C: 2"), keep_authorization=kept, replaced=frozenset(), credential=b"")
            self.assertNotIn(b"secret-token", course.target[0])
            self.assertIn(b"X-C: 2", course.target[0])

    def test_fields_of_a_websocket_elsewhere(self) -> None:
        course = self.sent(get(b"Sec-WebSocket-Version: 13"))
        self.assertIn(b"Sec-WebSocket-Version: 13\r\n", course.target[0])

    def test_what_goes_nowhere(self) -> None:
        """The target hears nothing of it, and no rule is asked."""
        for status, data in (
            (403, get(b"Destination: https://other.example/shop/b")),
            (403, get(b"Sec-Fetch-Site: cross-site", line=b"POST /shop/a HTTP/1.1").replace(TOKEN, BASIC)),
            (417, get(b"Expect: 200-maybe")),
            (501, get(line=b"TRACE /shop/a HTTP/1.1")),
            (501, get(b"Connection: upgrade", b"Upgrade: tls/1.2")),
        ):
            route = (b"gw", b"", b"authorization", BASIC[15:-2]) if BASIC in data else (b"gw", b"", *PROOF)
            course = self.sent(data, route=route)
            self.assertEqual((course.client[9:12], course.asked, course.target), (b"%d" % status, [], [b""]), data)

    def test_what_a_rule_knows_of_a_body(self) -> None:
        """Its size, where that is told; the body itself where it is no longer than rules want."""
        post = b"POST /shop/a HTTP/1.1"
        for data, wanted, size, body in (
            (get(), 5, 0, b""),
            (get(b"Content-Length: 5", line=post) + b"12345", 5, 5, b"12345"),
            (get(b"Content-Length: 6", line=post) + b"123456", 5, 6, None),
            (get(b"Content-Length: 5", line=post) + b"12345", 0, 5, None),
            (get(b"Transfer-Encoding: chunked", line=post) + b"2\r\n12\r\n0\r\n\r\n", 5, None, b"12"),
            (get(b"Transfer-Encoding: chunked", line=post) + b"6\r\n123456\r\n0\r\n\r\n", 5, None, None),
        ):
            asked = self.sent(data, needs=lambda request, wanted=wanted: wanted).asked[0].request
            assert asked is not None
            self.assertEqual((asked.size, asked.body), (size, body))

    def test_a_client_of_http_1_0(self) -> None:
        """Its connection ends with the answer, whatever it asks for."""
        for lines in ((), (b"Connection: keep-alive",)):
            course = self.sent(get(*lines, line=b"GET /shop/a HTTP/1.0"))
            course.reply(OK)
            self.assertIsNotNone(course.ended)
        course = self.sent(get())
        course.reply(OK)
        self.assertIsNone(course.ended)

    def test_trailers_that_may_be_none(self) -> None:
        """What a head may not say, and what the record may not have."""
        head = get(b"Transfer-Encoding: chunked", line=b"POST /shop/a HTTP/1.1")
        for name, goes in (
            (b"X-Sum", True), (b"Authorization", False), (b"Proxy-Authorization", False), (b"X_Hoopgw-Token", False),
            (b"Cookie", False), (b"X-Forwarded-For", False), (b"X-Own", False), (b"X-Named", False),
            (b"Api_Key", False),
        ):  # fmt: skip
            more = {"replaced": frozenset((b"x-own",)), "secrets": frozenset((b"x-named",)), "named": secret_names()}
            course = self.sent(head + b"1\r\na\r\n0\r\n" + name + b": 1\r\n\r\n", **more)
            self.assertEqual(name in course.target[0], goes, name)
            self.assertEqual(b" 400 " in course.client, not goes, name)

    def test_many_heads(self) -> None:
        """No more of them is kept than a bound; each is its own."""
        course = Course()
        for number in [*range(MAX_PREPARED + 2), 0]:
            course.target = [b""]
            course.send(get(b"X-A: %d" % number))
            course.reply(OK)
            self.assertIn(b"X-A: %d\r\n" % number, course.target[0])
        self.assertEqual(course.client, OK * (MAX_PREPARED + 3))


PROOF = b"authorization", TOKEN[15:-2]
BASIC = b"Authorization: Basic eDpzZWNyZXQtdG9rZW4=\r\n"


class Responses(SynchronousTestCase):
    def answered(self, data: bytes, **scope: Any) -> Course:
        course = Course(**scope)
        course.send(GET)
        course.reply(data)
        return course

    def test_what_is_no_clients(self) -> None:
        """Of the hop, of the gateway, another way to the target; what stands beside it goes on."""
        for line in (
            b'Alt-Svc: h3=":443"',
            b"X-Hoopgw-Session: s_2",
            b"Proxy-Authenticate: x",
            b"Connection: X-B\r\nX-B: 1",
        ):
            course = self.answered(ok(b"X-A: 1", line, b"X-C: 2"))
            self.assertIn(b"X-A: 1\r\nX-C: 2\r\n", course.client, line)
            self.assertNotIn(line.rpartition(b"\r\n")[2], course.client)
        course = self.answered(ok(b"X-A: 1", b"Connection: keep-alive", b"X-C: 2"))
        self.assertIn(b"X-A: 1\r\nX-C: 2\r\n", course.client.replace(b"Connection: keep-alive\r\n", b""))

    def test_what_the_record_may_not_have(self) -> None:
        """Though nothing else of the answer changes, and what stands beside it is there."""
        for line in (b"X-Api-Key: " + HUSH, b"X-Named: " + HUSH, b"Access-Token: " + HUSH, b"Set-Cookie: a=" + HUSH):
            course = self.answered(
                ok(b"X-A: 1", line, b"X-C: 2"), secrets=frozenset((b"x-named",)), named=secret_names()
            )
            record = b"".join(course.journal[1:])
            self.assertNotIn(HUSH, record)
            for each in (b"X-A: 1\r\n", line.partition(b":")[0] + b": (redacted)\r\n", b"X-C: 2\r\n"):
                self.assertIn(each, record)
            self.assertIn(HUSH, course.client)

    def test_answers_before_the_answer(self) -> None:
        """No more of them than a bound."""
        processing = b"HTTP/1.1 102 Processing\r\n\r\n"
        course = self.answered(processing * MAX_INTERIM + OK)
        self.assertEqual(course.client, OK)
        course = self.answered(processing * (MAX_INTERIM + 1) + OK)
        self.assertEqual(course.problem()[0], 502)
        self.assertNotIn(b"200 OK", course.client)

    def test_an_answer_to_nothing(self) -> None:
        """What comes behind an answer is no answer to the next request: that goes on another connection."""
        course = self.answered(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
        self.assertEqual(course.client, OK)
        course.send(GET)
        self.assertEqual(course.client, OK)
        self.assertEqual(len(course.target), 2)
        course.reply(OK)
        self.assertEqual(course.client, OK * 2)

    def test_a_masked_answer_without_a_length(self) -> None:
        """It is over when the target's connection is, and for a client of HTTP/1.0 when its own is."""
        for line, told in ((b"HTTP/1.1", b"Transfer-Encoding: chunked\r\n"), (b"HTTP/1.0", b"Connection: close\r\n")):
            course = Course(Answer(bodies=Masks()))
            course.send(GET.replace(b"HTTP/1.1", line))
            course.reply(b"HTTP/1.1 200 OK\r\n\r\nhello")
            course.do(course.relay.target_gone("closed"))
            self.assertIn(told, course.client)
