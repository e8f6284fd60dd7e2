"""The middle of an HTTP/1.1 session: what goes on, what is kept back, what the record gets."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import GO, Allowance, Answer, Decision, Denial, Meter
from hoopgw.model.errors import Unmaskable
from hoopgw.model.events import Code
from hoopgw.model.http import HttpRequest
from hoopgw.model.operation import Operation
from hoopgw.relay import http_words as words
from hoopgw.relay.effects import (
    Ask,
    Completed,
    Effect,
    EndTarget,
    Hangup,
    Observed,
    PauseClient,
    ResumeClient,
    ToClient,
    ToTarget,
)
from hoopgw.relay.http import HttpRelay
from hoopgw.relay.http_backlog import MAX_KEPT
from hoopgw.relay.http_exchange import MAX_DISCARDED
from hoopgw.relay.http_outgoing import MAX_REPEATED
from hoopgw.relay.http_scope import HttpScope, route_of
from hoopgw.relay.http_words import RESET, TIMED_OUT
from hoopgw.wire.httpchunks import chunk_of
from hoopgw.wire.httpfields import read_block
from hoopgw.wire.httphead import MAX_HEAD, MAX_TARGET

TOKEN = b"Authorization: Bearer secret-token\r\n"
GET = b"GET /shop/a?b=1 HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"\r\n"
POST = b"POST /shop/a HTTP/1.1\r\nHost: gw\r\nContent-Length: 4\r\n" + TOKEN + b"\r\nbody"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TRACE = b"traceparent: 00-" + b"00" * 16 + b"-" + b"00" * 8 + b"-01\r\n"
REFUSED = Denial(Decision.REFUSED, "no", ("a-rule",), session="s_1", policy="p")


def scope(**more: Any) -> HttpScope:
    route = route_of(read_block(b"Host: gw\r\n" + TOKEN))
    given: dict[str, Any] = {
        "session": "s_1",
        "policy": "p",
        "route": route,
        "prefix": b"/shop",
        "host": b"shop.internal",
        "names": frozenset((b"shop.internal",)),
        "told": b"X-Forwarded-For: 192.0.2.1\r\n",
        "credential": b"Authorization: Basic hidden\r\n",
        "replaced": frozenset((b"authorization",)),
    }
    return HttpScope(**{**given, **more})


class Course:
    """Carries out what a relay wants, as a pump does.  `answers` are given in turn, then GO."""

    def __init__(self, *answers: Answer, **more: Any) -> None:
        self.relay = HttpRelay(scope(**more))
        self.answers = list(answers)
        self.asked: list[Operation] = []
        self.journal: list[bytes] = []
        self.client = b""
        self.target: list[bytes] = [b""]  # for each connection
        self.ended: tuple[Code, str] | None = None
        self.others: list[Effect] = []
        self.deciding = True
        self.waiting: list[int] = []

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Ask):
                self.asked += effect.operations
                self.journal.append(effect.data)
                self.waiting.append(effect.lane)
            elif isinstance(effect, ToClient | ToTarget):
                self.journal.append(effect.data if effect.recorded is None else effect.recorded)
                if isinstance(effect, ToClient):
                    self.client += effect.data
                else:
                    self.target[-1] += effect.data
            elif isinstance(effect, EndTarget):
                self.target.append(b"")
            elif isinstance(effect, Hangup):
                self.ended = effect.code, effect.reason
            else:
                self.others.append(effect)
        self.decide()

    def decide(self) -> None:
        while self.waiting and self.deciding:
            answer = self.answers.pop(0) if self.answers else GO
            self.do(self.relay.decided(self.waiting.pop(), (answer,)))

    def send(self, data: bytes) -> None:
        self.do(self.relay.from_client(data))

    def reply(self, data: bytes) -> None:
        self.do(self.relay.from_target(data))

    def problem(self) -> tuple[int, dict[str, Any]]:
        head, _, body = self.client.partition(b"\r\n\r\n")
        assert b"application/problem+json" in head, head
        return int(head.split(b" ")[1]), json.loads(body)


class Requests(SynchronousTestCase):
    def test_goes_on_rewritten(self) -> None:
        """The target reads its own Host, path and credential; never the client's token."""
        course = Course()
        course.send(GET)
        expected = (
            b"GET /a?b=1 HTTP/1.1\r\nHost: shop.internal\r\nX-Forwarded-For: 192.0.2.1\r\n"
            b"Authorization: Basic hidden\r\n" + TRACE + b"\r\n"
        )
        self.assertEqual(course.target, [expected])
        self.assertEqual((course.asked[0].text, course.asked[0].kind), (b"GET /a?b=1", "request"))
        course.reply(OK)
        self.assertEqual(course.client, OK)
        course.send(GET)
        course.reply(OK)
        self.assertEqual((course.target, course.client), ([expected * 2], OK * 2))

    def test_no_secret_is_recorded(self) -> None:
        """Tokens, credentials, cookies and named fields never reach the record."""
        route = b"gw", b"", b"x-hoopgw-token", b"secret"
        course = Course(route=route, query=b"api_key=hidden", identity=lambda: b"X-Hoopgw-Identity: hidden\r\n")
        secrets = b"Cookie: a=secret\r\nX-Hoopgw-Token: secret\r\nProxy-Authorization: secret\r\n"
        course.send(GET[:-2] + secrets + b"\r\n")
        course.reply(b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=secret\r\nContent-Length: 0\r\n\r\n")
        record = b"".join(course.journal)
        self.assertIn(b"GET /a?b=1&api_key=(redacted) HTTP/1.1", record)
        self.assertIn(b"Cookie: (redacted)", record)
        self.assertNotIn(b"secret", record)
        self.assertNotIn(b"hidden", record)
        self.assertIn(b"GET /a?b=1&api_key=hidden HTTP/1.1", course.target[0])
        self.assertIn(b"Cookie: a=secret", course.target[0])
        self.assertIn(b"X-Hoopgw-Identity: hidden", course.target[0])
        self.assertIn(b"Set-Cookie: sid=secret", course.client)

    def test_named_fields_are_kept_out_of_the_record(self) -> None:
        """A target's own secret fields go on and are not recorded."""
        course = Course(secrets=frozenset((b"x-pin",)))
        course.send(GET[:-2] + b"X-Pin: secret\r\n\r\n")
        self.assertIn(b"X-Pin: secret", course.target[0])
        self.assertIn(b"X-Pin: (redacted)", course.journal[0])
        course.reply(OK)
        course.send(GET[:-2] + b"X_Api.Key: hush\r\nx_pin: hush\r\n\r\n")
        self.assertNotIn(b"hush", b"".join(course.journal))

    def test_what_only_the_gateway_says_is_dropped(self) -> None:
        """Nobody can tell a target that it is somebody else, in any spelling that a target takes for it."""
        course = Course()
        imitated = b"X-Forwarded-For: 1\r\nX_Forwarded_Host: 1\r\nx-hoopgw-subject: 1\r\nForwarded: 1\r\n"
        imitated += b"X.Hoopgw.Identity: 1\r\nX-Hoopgw_Subject: 1\r\nx~forwarded!for: 1\r\n"
        imitated += b"X-WEBAUTH-ROLE: 1\r\nRemote-Groups: 1\r\nX-Auth-Request-Email: 1\r\nX-SSL-Client-Verify: 1\r\n"
        imitated += b"Client-Cert: 1\r\nX-Amzn-Mtls-Clientcert-Subject: 1\r\nX-Consumer-Username: 1\r\n"
        imitated += b"Impersonate_User: 1\r\nProxy_Authorization: 1\r\nHTTP2_Settings: 1\r\n"
        imitated += b"Traceparent: 1\r\nX-Original-URL: /1\r\nTE: 1\r\nKeep-Alive: 1\r\nX-Hop: 1\r\n"
        course.send(GET[:-2] + b"Connection: X-Hop, keep-alive\r\n" + imitated + b"\r\n")
        self.assertNotIn(b": 1\r\n", course.target[0])
        self.assertNotIn(b"/1", course.target[0].replace(b"HTTP/1.1", b""))

    def test_no_client_brings_the_credential(self) -> None:
        """Nor in a field that a target takes for its field."""
        course = Course(replaced=frozenset((b"authorization", b"x-key")), credential=b"X-Key: hidden\r\n")
        course.send(GET[:-2] + b"X-Key: mine\r\nX_KEY: mine\r\nx.key: mine\r\n\r\n")
        self.assertNotIn(b"mine", course.target[0])
        self.assertEqual(course.target[0].count(b"X-Key: hidden\r\n"), 1)

    def test_nor_behind_the_body(self) -> None:
        """What a head may not say no trailer says: the body does not end for the target (must-survive 50)."""
        for name in (b"X-Forwarded-For", b"x_hoopgw.identity", b"X-Key", b"X-Hoopgw-Token", b"Forwarded"):
            course = Course(replaced=frozenset((b"x-key",)))
            course.send(b"POST /shop/ HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"Transfer-Encoding: chunked\r\n\r\n")
            course.send(b"1\r\na\r\n0\r\n" + name + b": forged\r\n\r\n")
            self.assertEqual(course.problem()[0], 400, name)
            self.assertTrue(course.target[0].endswith(b"-01\r\n\r\n"), name)
            self.assertEqual(course.ended and course.ended[0], Code.PROTOCOL_VIOLATED)

    def test_a_token_is_in_no_field_of_the_target(self) -> None:
        """A client that shows it in two places gives it to the gateway alone; another word for the target goes on."""
        shown = b"GET /shop/a HTTP/1.1\r\nHost: gw\r\nX-Hoopgw-Token: secret-token\r\n"
        basic = b"Authorization: Basic " + b64encode(b"any:secret-token") + b"\r\n"
        given: dict[str, Any] = {"replaced": frozenset(), "credential": b"", "keep_authorization": True}
        given["route"] = route_of(read_block(b"Host: gw\r\nX-Hoopgw-Token: secret-token\r\n"))
        for line, goes_on in ((TOKEN, False), (basic, False), (b"Authorization: Bearer other\r\n", True)):
            course = Course(**given)
            course.send(shown + line + b"\r\n")
            self.assertEqual(line in course.target[0], goes_on, line)
            self.assertEqual(b"Authorization" in course.target[0], goes_on, line)

    def test_body_goes_on_as_it_comes(self) -> None:
        """With the head what was there, then each read; the same bytes, chunks included."""
        for framing, body in (
            (b"Content-Length: 11\r\n", b"hello world"),
            (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
        ):
            course = Course()
            head = b"POST /shop/ HTTP/1.1\r\nHost: gw\r\n" + TOKEN + framing + b"\r\n"
            course.send(head + body[:4])
            course.send(body[4:9])
            course.send(body[9:])
            self.assertTrue(course.target[0].endswith(b"\r\n\r\n" + body))
            self.assertEqual(len(course.asked), 1)
            course.reply(OK)
            self.assertTrue(course.relay.idle)

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        """The next one goes on when the one before is answered, and each is asked about."""
        course = Course(GO, Answer(denial=REFUSED), GO)
        one = GET.replace(b"/a", b"/%d")
        course.send(one % 1 + one % 2 + one % 3)
        self.assertEqual([each.text for each in course.asked], [b"GET /1?b=1"])
        course.reply(OK)
        self.assertEqual([each.text for each in course.asked], [b"GET /1?b=1", b"GET /2?b=1", b"GET /3?b=1"])
        course.reply(OK.replace(b"ok", b"no"))
        self.assertEqual(course.client.count(b"HTTP/1.1 "), 3)
        self.assertTrue(course.client.startswith(OK) and course.client.endswith(b"no"))

    def test_byte_by_byte(self) -> None:
        """A body that is read before it goes on, and a long head, cost what they cost at once (must-survive 78)."""
        course = Course(needs=lambda request: 1 << 20)
        course.send(b"POST /shop/ HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"Content-Length: 50000\r\n\r\n")
        for _ in range(50_000):
            course.send(b"x")
        self.assertTrue(course.asked[0].parameters.endswith(b"\r\n\r\n" + b"x" * 50_000))
        self.assertTrue(course.target[0].endswith(b"\r\n\r\n" + b"x" * 50_000))
        course = Course()
        head = GET[:-2] + b"".join(b"X-%d: %s\r\n" % (number, b"x" * 300) for number in range(60)) + b"\r\n"
        for code in head:
            course.send(bytes((code,)))
        self.assertEqual(len(course.asked), 1)

    def test_what_waits_is_bounded(self) -> None:
        """A client that pipelines without end is not read until it is answered."""
        course = Course()
        course.send(GET)
        course.send(GET * (MAX_KEPT // len(GET) + 1))
        self.assertIsInstance(course.others[0], PauseClient)
        course.reply(OK)
        self.assertIsInstance(course.others[1], ResumeClient)

    @settings(deadline=None)
    @given(st.lists(st.integers(0, 500), max_size=8))
    def test_any_cut(self, places: list[int]) -> None:
        """However the bytes are cut, the target and the client get the same."""
        post = b"POST /shop/p HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"Transfer-Encoding: chunked\r\n\r\n"
        data = GET + post + b"5\r\nhello\r\n0\r\n\r\n" + GET
        answers = OK + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + OK
        whole, cut = Course(), Course()
        ends = [0, *sorted(place % len(data) for place in places), len(data)]
        for course, pieces in ((whole, [data]), (cut, [data[begin:end] for begin, end in pairwise(ends)])):
            for piece in pieces:
                course.send(piece)
            for end in range(len(answers)):
                course.reply(answers[end : end + 1])
        self.assertEqual((cut.target, cut.client), (whole.target, whole.client))
        self.assertEqual(whole.client, answers)

    def test_another_login_or_target_ends_the_session(self) -> None:
        """What follows for somebody else, or somewhere else, is handed back untouched and reaches no target."""
        for other in (GET.replace(b"secret", b"other"), GET.replace(b"gw", b"gx"), GET.replace(b"/shop", b"/shop2")):
            course = Course()
            course.send(GET)
            course.reply(OK)
            before = list(course.target)
            course.send(other)
            self.assertEqual((course.relay.rest, course.target), (other, before))
            self.assertEqual(course.ended and course.ended[0], Code.SESSION_CLOSED)

    def test_ambiguous_requests_are_refused(self) -> None:
        """400, nothing to the target, and the end."""
        course = Course()
        course.send(GET[:-2] + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        self.assertEqual((course.problem()[0], course.target), (400, [b""]))
        self.assertEqual(course.ended and course.ended[0], Code.PROTOCOL_VIOLATED)

    def test_what_is_too_long_has_a_status_of_its_own(self) -> None:
        """An address (RFC 9112, 3), the fields, or their number: a program can tell what to make shorter."""
        for head, status in (
            (GET.replace(b"?b=1", b"?" + b"b" * MAX_TARGET), 414),
            (GET[:-2] + b"Cookie: " + b"a" * MAX_HEAD, 431),
            (GET[:-2] + b"X: 1\r\n" * 200 + b"\r\n", 431),
        ):
            course = Course()
            course.send(head)
            self.assertEqual((course.problem()[0], course.target), (status, [b""]))
            self.assertEqual(course.ended and course.ended[0], Code.PROTOCOL_VIOLATED)

    def test_bad_chunks_end_the_session(self) -> None:
        """What would smuggle behind a chunk is not passed on."""
        course = Course()
        head = b"POST /shop/ HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"Transfer-Encoding: chunked\r\n\r\n"
        course.send(head)
        course.send(b"5;x\r\nhello\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n")
        self.assertNotIn(b"admin", course.target[0])
        self.assertEqual(course.ended and course.ended[0], Code.PROTOCOL_VIOLATED)

    def test_no_target_reflects_its_credential(self) -> None:
        """TRACE would be answered with what was sent, and that has what only the gateway knows."""
        for method in (b"TRACE", b"TRACK"):
            course = Course()
            course.send(GET.replace(b"GET", method, 1))
            self.assertEqual((course.problem()[0], course.target), (501, [b""]))

    def test_upgrades_are_refused(self) -> None:
        """Another protocol is not spoken; an offer of h2c is not taken up."""
        course = Course()
        course.send(GET[:-2] + b"Connection: Upgrade\r\nUpgrade: tls/1.3\r\n\r\n")
        self.assertEqual((course.problem()[0], course.target), (501, [b""]))
        course = Course()
        course.send(GET[:-2] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n")
        self.assertNotIn(b"h2c", course.target[0])
        self.assertIn(b"GET /a", course.target[0])


class Decisions(SynchronousTestCase):
    def test_refused(self) -> None:
        """403 with the object; the connection goes on; the target hears nothing."""
        course = Course(Answer(denial=REFUSED))
        course.send(GET)
        status, said = course.problem()
        self.assertEqual((status, said["status"], said["decision"], said["detail"]), (403, 403, "refused", "no"))
        self.assertEqual((said["guardrails"], said["session"], course.target), (["a-rule"], "s_1", [b""]))
        self.assertIsNone(course.ended)
        course.send(GET)
        self.assertIn(b"GET /a", course.target[0])

    def test_statuses(self) -> None:
        """Each decision has its status, and tells when to come back."""
        for decision, status in (
            (Decision.DENIED, 403),
            (Decision.EXPIRED, 403),
            (Decision.HELD, 403),
            (Decision.OVER_BUDGET, 429),
            (Decision.UNAVAILABLE, 503),
        ):
            course = Course(Answer(denial=Denial(decision, "why", retry_after=7)))
            course.send(GET)
            self.assertEqual((course.problem()[0], course.problem()[1]["decision"]), (status, decision.value))
            self.assertIn(b"\r\nRetry-After: 7\r\n", course.client)

    def test_who_does_not_want_to_wait_is_told(self) -> None:
        """Prefer: respond-async gives 202 with the hold's address, and does not reach the target as a promise."""
        held = Denial(Decision.HELD, "why", hold="h_1", status="https://gw/holds/h_1", retry_after=5)
        course = Course(Answer(denial=held))
        course.send(GET[:-2] + b"Prefer: respond-async, wait=10\r\n\r\n")
        self.assertEqual((course.problem()[0], course.problem()[1]["hold"]), (202, "h_1"))
        self.assertIn(b"\r\nLocation: https://gw/holds/h_1\r\n", course.client)
        self.assertEqual(course.asked[0].name, b"respond-async")

    def test_the_hold_that_a_request_resumes(self) -> None:
        """Its id is for the judge: it does not reach the target, nor is it a part of what an approval is for."""
        course = Course()
        course.send(GET)
        course.send(GET[:-2] + b"X-Hoopgw-Hold: h_1\r\n\r\n")
        course.reply(OK)
        plain, named = course.asked
        assert plain.request is not None and named.request is not None
        self.assertEqual((plain.request.resumes, named.request.resumes), (b"", b"h_1"))
        self.assertEqual((plain.text, plain.parameters), (named.text, named.parameters))
        self.assertNotIn(b"h_1", course.target[0])
        twice = Course()
        twice.send(GET[:-2] + b"X-Hoopgw-Hold: h_1\r\nX-Hoopgw-Hold: h_2\r\n\r\n")
        assert twice.asked[0].request is not None
        self.assertEqual(twice.asked[0].request.resumes, b"h_1,h_2")

    def test_who_is_held_is_told_how_to_resume(self) -> None:
        """With the field that the same request carries; nobody else is."""
        for decision, told in ((Decision.HELD, {"X-Hoopgw-Hold": "h_1"}), (Decision.DENIED, None)):
            course = Course(Answer(denial=Denial(decision, "why", hold="h_1")))
            course.send(GET)
            self.assertEqual(course.problem()[1].get("resume"), told)

    def test_a_wrong_hold_is_a_conflict(self) -> None:
        """Whatever is wrong with it, and says what by its code."""
        course = Course(Answer(denial=Denial(Decision.EXPIRED, "why", hold="h_1", code="hold-used")))
        course.send(GET)
        self.assertEqual((course.problem()[0], course.problem()[1]["code"]), (409, "hold-used"))

    def test_who_is_too_slow_is_told(self) -> None:
        """408 before an answer has begun; nothing in its middle, where it would be taken for a part of it."""
        course = Course()
        course.send(POST[:-2])
        self.assertTrue(course.relay.paces)
        course.do(course.relay.too_slow("too slowly"))
        self.assertEqual((course.problem()[0], course.problem()[1]["detail"]), (408, "too slowly"))
        assert course.ended is not None
        self.assertEqual(course.ended, (Code.SESSION_CLOSED, "too slowly"))
        course = Course()
        course.send(POST[:-2])
        course.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        self.assertFalse(course.relay.paces)
        before = course.client
        course.do(course.relay.too_slow("too slowly"))
        self.assertEqual(course.client, before)

    def test_a_stream_of_grpc_may_take_its_time(self) -> None:
        """Its messages come when there is something to say."""
        for kind, paces in ((b"application/grpc+proto", False), (b"application/json", True)):
            course = Course()
            course.send(POST[:-2].replace(b"\r\n\r\n", b"\r\nContent-Type: " + kind + b"\r\n\r\n"))
            self.assertIs(course.relay.paces, paces)

    def test_a_stream_of_grpc_that_a_rule_waits_for_is_told(self) -> None:
        """By a status of gRPC: it would wait for its end without end."""
        course = Course(needs=lambda request: 1000)
        course.send(POST[:-2].replace(b"\r\n\r\n", b"\r\nContent-Type: application/grpc\r\n\r\n"))
        course.do(course.relay.too_slow("too slowly"))
        self.assertIn(b"\r\ngrpc-status: 7\r\n", course.client)
        self.assertIn(b"a call that streams", course.client)
        self.assertEqual(course.asked, [])

    def test_a_rule_may_have_it_answered_at_once(self) -> None:
        """202 whatever the client prefers; a tunnel gets none, for it would be open."""
        held = Denial(Decision.HELD, "why", hold="h_1", status="https://gw/holds/h_1", accepted=True)
        course = Course(Answer(denial=held))
        course.send(GET)
        self.assertEqual((course.problem()[0], course.problem()[1]["resume"]), (202, {"X-Hoopgw-Hold": "h_1"}))
        self.assertTrue(words.unopened(held).startswith(b"HTTP/1.1 403 "))

    def test_an_answer_to_head_has_no_body(self) -> None:
        """Else the next answer would be read out of it."""
        course = Course(Answer(denial=REFUSED))
        course.send(GET.replace(b"GET", b"HEAD"))
        self.assertTrue(course.client.endswith(b"\r\n\r\n"))

    def test_body_of_what_is_refused_is_read_and_dropped(self) -> None:
        """So that the client reads its answer; what follows is a request again."""
        course = Course(Answer(denial=REFUSED))
        head = b"POST /shop/ HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"Content-Length: 20\r\n\r\n"
        course.send(head + b"x" * 5)
        course.send(b"x" * 15 + GET)
        self.assertNotIn(b"xxxxx", course.target[0])
        self.assertIn(b"GET /a", course.target[0])

    def test_a_long_body_of_what_is_refused_ends_the_connection(self) -> None:
        """The client is told, and no more than a bound is read."""
        course = Course(Answer(denial=REFUSED))
        head = b"POST /shop/ HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"Content-Length: 200000000\r\n\r\n"
        course.send(head)
        self.assertIn(b"\r\nConnection: close\r\n", course.client)
        self.assertIsNone(course.ended)
        course.send(b"x" * (MAX_DISCARDED + 1))
        self.assertIsNotNone(course.ended)

    def test_nothing_moves_while_it_is_decided(self) -> None:
        """Body and further requests wait, and go on in order."""
        course = Course()
        course.deciding = False
        head = b"POST /shop/ HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"Content-Length: 5\r\n\r\n"
        course.send(head + b"he")
        course.send(b"llo" + GET)
        self.assertEqual((course.target, len(course.asked)), ([b""], 1))
        course.deciding = True
        course.decide()
        self.assertTrue(course.target[0].endswith(b"\r\n\r\nhello"))
        course.reply(OK)
        self.assertIn(b"helloGET /a", course.target[0])

    def test_rules_that_read_bodies_get_them(self) -> None:
        """Whole, without chunks, before anything moves; too long a one is not given."""
        wanted: list[HttpRequest] = []

        def needs(request: HttpRequest) -> int:
            wanted.append(request)
            return 10

        framed = {
            b"Content-Length: 5\r\n": (b"hello", b"hello"),
            b"Transfer-Encoding: chunked\r\n": (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
            b"Content-Length: 20\r\n": (b"x" * 20, None),
        }
        for framing, (body, seen) in framed.items():
            course = Course(needs=needs)
            course.send(b"PUT /shop/ HTTP/1.1\r\nHost: gw\r\n" + TOKEN + framing + b"\r\n")
            for place in range(len(body)):
                course.send(body[place : place + 1])
            request = course.asked[0].request
            assert request is not None
            self.assertEqual((request.body, len(course.asked)), (seen, 1))
            self.assertTrue(course.target[0].endswith(b"\r\n\r\n" + body))
            self.assertEqual(wanted[-1].body, None)
            if seen:
                self.assertTrue(course.asked[0].parameters.endswith(b"\r\n\r\nhello"))

    def test_continue(self) -> None:
        """The target says 100 where it gets the body first, the gateway where a rule does; never both."""
        head = b"PUT /shop/ HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        told = b"HTTP/1.1 100 Continue\r\n\r\n"
        course = Course()
        course.send(head)
        self.assertEqual(course.client, b"")
        course.reply(told)
        course.send(b"hi")
        course.reply(OK)
        self.assertEqual(course.client, told + OK)
        course = Course(needs=lambda request: 10)
        course.send(head)
        self.assertEqual((course.client, course.target), (told, [b""]))
        course.send(b"hi")
        course.reply(told + OK)
        self.assertEqual(course.client, told + OK)


class Masked:
    """Replaces `ok` by `**`; of type text alone."""

    masked = 0

    def __init__(self, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        self.fields = fields

    def feed(self, data: bytes) -> bytes:
        if b"bad" in data:
            raise Unmaskable("bad")
        self.masked += data.count(b"ok")
        return data.replace(b"ok", b"**")

    def chunk(self, data: bytes) -> bytes:
        return chunk_of(self.feed(data))

    def finish(self) -> bytes:
        return b"!"


class Masks:
    def __and__(self, other: Any) -> Any:
        raise NotImplementedError

    def response(self, status: int, fields: tuple[tuple[bytes, bytes], ...]) -> Masked | None:
        if (b"content-encoding", b"x") in fields:
            raise Unmaskable("an unknown coding")
        if (b"content-type", b"image/png") in fields:
            return None
        return Masked(tuple(field for field in fields if field[0] != b"etag"))

    def trailers(self, fields: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
        return tuple((name, value.replace(b"ok", b"**")) for name, value in fields)


class Answers(SynchronousTestCase):
    def answered(self, data: bytes, answer: Answer = GO, request: bytes = GET, **more: Any) -> Course:
        course = Course(answer, **more)
        course.send(request)
        course.reply(data)
        return course

    def test_scope_of_redirects_and_cookies(self) -> None:
        """What leads to the target leads to the gateway; what leads elsewhere stays; no cookie leaves the path."""
        for value, expected in {
            b"/login": b"/shop/login",
            b"http://shop.internal/login?x#y": b"/shop/login?x#y",
            b"HTTPS://SHOP.internal": b"/shop/",
            b"//shop.internal//evil.example": b"/shop//evil.example",
            b"https://elsewhere.example/": b"https://elsewhere.example/",
            b"next": b"next",
        }.items():
            course = self.answered(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % value)
            self.assertIn(b"\r\nLocation: " + expected + b"\r\n", course.client)
        for value, expected in {
            b"5; url=/login": b"5; url=/shop/login",
            b"0;URL='http://shop.internal/x'": b"0;URL='/shop/x'",
            b"0, //shop.internal/y": b"0, /shop/y",
            b"5": b"5",
            b"5; url=https://elsewhere.example/": b"5; url=https://elsewhere.example/",
            b'5; url="/x': b'5; url="/shop/x"',
        }.items():
            course = self.answered(b"HTTP/1.1 200 OK\r\nRefresh: %s\r\nContent-Length: 0\r\n\r\n" % value)
            self.assertIn(b"\r\nRefresh: " + expected + b"\r\n", course.client)
        for line, expected in (
            (b'Link: </b?page=2>; rel="next"', b'\r\nLink: </shop/b?page=2>; rel="next"\r\n'),
            (b"Operation-Location: https://shop.internal/op/1", b"\r\nOperation-Location: /shop/op/1\r\n"),
            (b'Reporting-Endpoints: a="/b"', b" 200 OK\r\nContent-Length: 0\r\n"),
        ):
            course = self.answered(b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 0\r\n\r\n" % line)
            self.assertIn(expected, course.client)
        cookies = {
            b"a=1; Domain=.internal; Path=/x; Secure": b"a=1; Secure; Path=/shop/x",
            b"a=1": b"a=1; Path=/shop/",
        }
        for value, expected in cookies.items():
            course = self.answered(b"HTTP/1.1 200 OK\r\nSet-Cookie: %s\r\nContent-Length: 0\r\n\r\n" % value)
            self.assertIn(b"\r\nSet-Cookie: " + expected + b"\r\n", course.client)
        course = self.answered(b"HTTP/1.1 200 OK\r\nSet-Cookie: __Host-a=1; Path=/\r\nContent-Length: 0\r\n\r\n")
        self.assertNotIn(b"__Host-a", course.client)

    def test_a_redirect_leads_from_where_it_was_asked_for(self) -> None:
        """The same head in answers to two requests of one connection."""
        course = Course()
        for place, expected in ((b"/a/b/c", b"/shop/a/x"), (b"/a", b"/shop/x")):
            course.send(GET.replace(b"/a?b=1", place))
            course.reply(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: ../x\r\nContent-Length: 0\r\n\r\n")
            self.assertIn(b"\r\nLocation: " + expected + b"\r\n", course.client)

    def test_a_credential_in_the_address(self) -> None:
        """No client brings its own, however it writes the name; and no redirect to what was asked for, nor another
        field, tells the gateway's."""
        secret = b"api_key=s%2Fecret"
        for own in (b"api_key=mine", b"a=1&API_KEY=mine", b"%61pi_key=mine", b"a=1;api_key", b"+api_key=mine"):
            course = Course(query=secret)
            course.send(GET.replace(b"b=1", own))
            self.assertEqual((course.problem()[0], course.target[0]), (400, b""), own)
        for value, expected in {
            b"/a/?b=1&api_key=s%2Fecret": b"/shop/a/?b=1",
            b"/a/?api_key=s%2Fecret": b"/shop/a/",
            b"http://shop.internal/a?api_key=s%2Fecret&c=2#x": b"/shop/a?c=2#x",
            b"/login?next=%2Fa%3Fapi_key%3Ds/ecret": b"/shop/login?next=%2Fa%3Fapi_key%3D(redacted)",
        }.items():
            head = b"HTTP/1.1 302 Found\r\nLocation: " + value + b"\r\nX-Asked: s%2Fecret\r\nContent-Length: 0\r\n\r\n"
            course = self.answered(head, query=secret)
            self.assertIn(b"\r\nLocation: " + expected + b"\r\n", course.client)
            self.assertIn(b"\r\nX-Asked: (redacted)\r\n", course.client)
            self.assertNotIn(b"ecret", b"".join(course.journal))

    def test_no_target_speaks_for_others_under_its_host(self) -> None:
        """A worker that answers for them, their cookies forgotten, their failures told elsewhere."""
        fields = (b"Service-Worker-Allowed: /", b'Clear-Site-Data: "*"', b"NEL: {}", b"Report-To: {}")
        fields += (b"Strict-Transport-Security: max-age=0",)
        for prefix, kept in ((b"/shop", False), (b"", True)):
            lines = b"".join([each + b"\r\n" for each in fields])
            course = self.answered(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n", prefix=prefix)
            self.assertEqual([each in course.client for each in fields], [kept] * len(fields))

    def test_a_double_slash_never_becomes_a_host(self) -> None:
        """By host name, the target's own `//x` path must not lead clients to the host x."""
        course = Course(prefix=b"")
        course.send(GET)
        course.reply(
            b"HTTP/1.1 302 Found\r\nLocation: http://shop.internal//evil.example/\r\nContent-Length: 0\r\n\r\n"
        )
        self.assertIn(b"\r\nLocation: /evil.example/\r\n", course.client)

    def test_until_close(self) -> None:
        """A body that ends with the connection ends the client's too, and says so."""
        course = self.answered(b"HTTP/1.0 200 OK\r\n\r\nhello")
        self.assertIsNone(course.ended)
        course.do(course.relay.target_gone("closed"))
        self.assertEqual(course.client, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")
        self.assertIsNotNone(course.ended)

    def test_a_login_whose_time_is_up(self) -> None:
        """401, by which programs know that they want another token; what else ends a session is 503."""
        for code, status, challenged in ((Code.SESSION_EXPIRED, 401, True), (Code.SESSION_KILLED, 503, False)):
            course = Course()
            course.send(GET)
            course.do(course.relay.ended("over", code, None))
            self.assertEqual((course.problem()[0], course.problem()[1]["detail"]), (status, "over"))
            self.assertIs(b"\r\nWWW-Authenticate: Bearer " in course.client, challenged)

    def test_until_close_and_cut(self) -> None:
        """It is not taken for whole where the target broke off, or was waited for too long, or a kill came."""
        for cut in (f"{RESET}: 10.0.0.7", f"{TIMED_OUT}: silent", ""):
            course = self.answered(b"HTTP/1.0 200 OK\r\n\r\nhello")
            if cut:
                course.do(course.relay.target_gone(cut))
            else:
                course.do(course.relay.ended("killed", Code.SESSION_KILLED, None))
            self.assertIsNotNone(course.ended)
            self.assertTrue(course.relay.unfinished)
        course = self.answered(b"HTTP/1.0 200 OK\r\n\r\nhello")
        course.do(course.relay.target_gone("closed"))
        self.assertFalse(course.relay.unfinished)

    def test_head(self) -> None:
        """An answer to HEAD has no body, whatever its length says."""
        course = self.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", request=GET.replace(b"GET", b"HEAD"))
        self.assertTrue(course.relay.idle)

    def test_an_answer_to_nothing_ends_the_targets_connection(self) -> None:
        """Behind an answer, or without a request: it would be taken for the next one's."""
        course = self.answered(OK + OK)
        self.assertEqual((course.client, len(course.target)), (OK, 2))
        course = self.answered(OK)
        course.reply(OK)
        self.assertEqual((course.client, len(course.target)), (OK, 2))

    def test_ambiguous_answers_are_not_passed_on(self) -> None:
        """502 to the client, an event that says more, and another connection for the next request."""
        course = self.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.assertEqual((course.problem()[0], len(course.target)), (502, 2))
        self.assertIsInstance(course.others[0], Observed)
        self.assertIsNone(course.ended)

    def test_the_target_is_gone(self) -> None:
        """502 or 504 before the answer, which name no address; in its middle the end."""
        for reason, status in (("10.0.0.7: refused", 502), (f"{TIMED_OUT}: 10.0.0.7", 504)):
            course = Course()
            course.send(GET)
            course.do(course.relay.target_gone(reason))
            self.assertEqual(course.problem()[0], status)
            self.assertNotIn(b"10.0.0.7", course.client)
        course = self.answered(OK[:-1])
        course.do(course.relay.target_gone("closed"))
        self.assertEqual(course.ended and course.ended[0], Code.TARGET_UNAVAILABLE)
        course = self.answered(OK)
        self.assertEqual(course.relay.target_gone("closed"), [])

    def test_only_what_is_safe_is_repeatable(self) -> None:
        """Unanswered; idempotent, or what a target of HTTP/2 has refused without a look."""
        course = Course()
        course.send(GET)
        _, again = course.relay.again("closed")
        assert isinstance(again, ToTarget)
        self.assertEqual((again.data, course.relay.again("closed")), (course.target[0], []))
        course.reply(OK[:5])
        self.assertEqual(course.relay.again("closed"), [])
        course = Course()
        course.send(GET.replace(b"GET", b"POST"))
        self.assertEqual(course.relay.again("closed"), [])
        _, again = course.relay.again("refused", True)  # RFC 9113, 8.7
        assert isinstance(again, ToTarget)
        self.assertEqual((again.data, course.relay.again("refused", True)), (course.target[0], []))
        course = Course(Answer(once=True))
        course.send(GET)
        self.assertEqual(course.relay.again("refused", True), [])
        for course in (Course(), Course(Answer(once=True))):  # what was approved runs once (must-survive 62)
            course.send(GET if course.answers else GET.replace(b"GET", b"POST"))
            self.assertEqual(course.relay.again("closed"), [])

    def test_a_body_that_comes_in_pieces_is_repeatable(self) -> None:
        """As far as it came; up to a bound; the rest follows on the other connection."""
        head = POST.removesuffix(b"body").replace(b"POST", b"PUT")
        for length, repeatable in ((b"9", True), (b"%d" % (MAX_REPEATED + 9), False)):
            course = Course()
            course.send(head.replace(b"Length: 4", b"Length: " + length))
            course.send(b"some")
            if not repeatable:
                course.send(b"x" * MAX_REPEATED)
            found = [each for each in course.relay.again("closed") if isinstance(each, ToTarget)]
            self.assertEqual([each.data for each in found], [course.target[0]] if repeatable else [])

    def test_masked(self) -> None:
        """First the mask, then record and client: in chunks, without what no longer fits."""
        for framed in (
            b"Content-Length: 6\r\n\r\nok.ok.",
            b"Transfer-Encoding: chunked\r\n\r\n6\r\nok.ok.\r\n0\r\n\r\n",
        ):
            answer = Answer(bodies=Masks())
            course = self.answered(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nETag: x\r\n" + framed, answer)
            expected = (
                b"HTTP/1.1 200 OK\r\nx-a: 1\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n**.**.\r\n1\r\n!\r\n0\r\n\r\n"
            )
            self.assertEqual(course.client, expected)
            self.assertNotIn(b"ok", b"".join(course.journal[1:]))
            self.assertEqual([each.masked for each in course.others if isinstance(each, Completed)], [2])

    def test_nothing_of_a_masked_answer_goes_beside_the_mask(self) -> None:
        """The reason phrase, the length that HEAD tells, trailers."""
        answer = Answer(bodies=Masks())
        image = b"Content-Type: image/png\r\n"
        course = self.answered(b"HTTP/1.1 404 ok is gone\r\n" + image + b"Content-Length: 2\r\n\r\nPN", answer)
        self.assertEqual(course.client, b"HTTP/1.1 404 Not Found\r\n" + image + b"Content-Length: 2\r\n\r\nPN")
        head = b"HTTP/1.1 200 OK\r\n" + image + b"Content-Length: 9\r\n\r\n"
        course = self.answered(head, answer, GET.replace(b"GET", b"HEAD"))
        self.assertEqual(course.client, b"HTTP/1.1 200 OK\r\n" + image + b"\r\n")
        framed = b"Transfer-Encoding: chunked\r\n\r\n2\r\nPN\r\n0\r\nGrpc-Message: ok\r\n\r\n"
        course = self.answered(b"HTTP/1.1 200 OK\r\n" + image + framed, answer)
        self.assertTrue(course.client.endswith(b"\r\n2\r\nPN\r\n0\r\ngrpc-message: **\r\n\r\n"), course.client)
        self.assertTrue(course.relay.idle)

    def test_a_guess_at_what_is_masked_is_not_compared(self) -> None:
        """An entity tag may be a digest: If-None-Match does not reach the target, other conditions get 412."""
        asked = GET[:-2] + b'If-None-Match: "guess"\r\nX-A: 1\r\n\r\n'
        course = self.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Answer(bodies=Masks()), asked)
        self.assertNotIn(b"guess", course.target[0])
        self.assertIn(b"\r\nX-A: 1\r\n", course.target[0])
        course.send(asked)  # the next answer is not masked
        self.assertIn(b"guess", course.target[0])
        for method, line in (
            (b"GET", b'If-Match: "guess"'),
            (b"PUT", b'If-Match: "guess", "other"'),
            (b"PUT", b'If-None-Match: "guess"'),
            (b"PUT", b'X-Amz-Copy-Source-If_Match: "guess"'),
            (b"GET", b'If: (["guess"])'),
        ):
            course = Course(Answer(bodies=Masks()))
            course.send(GET.replace(b"GET", method)[:-2] + line + b"\r\n\r\n")
            self.assertEqual((course.problem()[0], course.target[0]), (412, b""), line)
            self.assertEqual(
                [each.code for each in course.others if isinstance(each, Observed)], [Code.OPERATION_REFUSED]
            )

    def test_whether_there_is_something_may_be_asked(self) -> None:
        """That tells nothing of what it is; and where nothing is masked, a tag may be compared."""
        masked = Answer(bodies=Masks())
        for answer, line in (
            (masked, b"If-None-Match: *"),
            (masked, b"If-Match: *"),
            (masked, b"If-Unmodified-Since: Sat, 21 Nov 2026 09:00:00 GMT"),
            (masked, b"If: (<urn:uuid:lock>)"),
            (GO, b'If-Match: "v1"'),
            (GO, b'If-None-Match: "v1"'),
        ):
            course = Course(answer)
            course.send(GET.replace(b"GET", b"PUT")[:-2] + line + b"\r\n\r\n")
            self.assertIn(b"\r\n" + line + b"\r\n", course.target[0])

    def test_an_older_client_gets_no_chunks(self) -> None:
        """What HTTP/1.0 cannot read comes without them, until the connection ends."""
        for answer in (GO, Answer(bodies=Masks())):
            framed = b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nPN\r\n0\r\nX: 1\r\n\r\n"
            course = self.answered(b"HTTP/1.1 200 OK\r\n" + framed, answer, GET.replace(b"HTTP/1.1", b"HTTP/1.0"))
            self.assertTrue(course.client.endswith(b"\r\nConnection: close\r\n\r\nPN"), course.client)
            self.assertNotIn(b"chunked", course.client)
            self.assertIsNotNone(course.ended)

    def test_an_older_client_gets_no_early_answers(self) -> None:
        """HTTP/1.0 has none: it would take one for the answer."""
        for version, told in ((b"HTTP/1.0", False), (b"HTTP/1.1", True)):
            course = Course()
            course.send(GET.replace(b"HTTP/1.1", version))
            course.reply(b"HTTP/1.1 103 Early Hints\r\nLink: </shop/a>\r\n\r\n" + OK)
            self.assertEqual(b" 103 " in course.client, told)
            self.assertEqual(course.client.count(b" 200 OK\r\n"), 1)

    def test_what_cannot_be_masked_is_not_passed_on(self) -> None:
        """502 before the answer; in its middle the end."""
        answer = Answer(bodies=Masks())
        course = self.answered(b"HTTP/1.1 200 OK\r\nContent-Encoding: x\r\nContent-Length: 2\r\n\r\nok", answer)
        self.assertEqual(course.problem()[0], 502)
        course = self.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", answer)
        course.reply(b"bad")
        self.assertEqual(course.ended and course.ended[0], Code.OPERATION_REFUSED)
        self.assertNotIn(b"bad", course.client)

    def test_a_bound_of_bytes(self) -> None:
        """429 where an answer begins too long; in its middle the end."""
        make: Callable[[], Answer] = lambda: Answer(meter=Meter((Allowance("4 bytes", None, 4, "a-limit"),)))  # noqa: E731
        course = self.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", make())
        self.assertEqual((course.problem()[0], course.problem()[1]["guardrails"]), (429, ["a-limit"]))
        course = self.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123", make())
        course.reply(b"456789")
        self.assertEqual(course.ended and course.ended[0], Code.BUDGET_EXCEEDED)
        self.assertTrue(course.client.endswith(b"123"))

    def test_an_early_answer(self) -> None:
        """The target answers before it has the body: the rest is dropped, and its connection is not used again."""
        course = Course()
        head = b"POST /shop/ HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"Content-Length: 20\r\n\r\n"
        course.send(head + b"x" * 5)
        course.reply(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        course.send(b"x" * 15 + GET)
        self.assertEqual(len(course.target), 2)
        self.assertTrue(course.target[1].startswith(b"GET /a"))

    def test_a_kill(self) -> None:
        """503 where an answer is owed; in its middle, or when nothing is, the end."""
        course = Course()
        course.send(GET)
        course.do(course.relay.ended("killed by dba", Code.SESSION_KILLED, None))
        self.assertEqual((course.problem()[0], course.problem()[1]["detail"]), (503, "killed by dba"))
        course = self.answered(OK)
        course.do(course.relay.ended("killed by dba", Code.SESSION_KILLED, None))
        self.assertEqual((course.client, course.ended), (OK, (Code.SESSION_KILLED, "killed by dba")))

    @settings(deadline=None)
    @given(st.lists(st.sampled_from([GET, OK, b"0\r\n\r\n", b"5\r\n"]) | st.binary(max_size=40), max_size=6))
    def test_junk_never_raises(self, pieces: list[bytes]) -> None:
        """Whatever either side sends, effects say what happens, and nothing is raised."""
        course = Course()
        course.send(GET)
        for piece in pieces:
            course.reply(piece)
            course.send(piece)
