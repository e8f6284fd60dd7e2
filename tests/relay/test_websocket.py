"""The middle of a WebSocket: what is agreed on, what goes on, what is kept back, what the record gets."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import GO, Allowance, Answer, Decision, Denial, Meter
from hoopgw.model.errors import Unmaskable
from hoopgw.model.events import Code
from hoopgw.model.http import HttpRequest
from hoopgw.relay.effects import Completed, Observed, PauseClient, ResumeClient, Withdraw
from hoopgw.relay.http_echoes import spellings
from hoopgw.relay.websocket import EACH, MAX_KEPT, MAX_MASKED
from hoopgw.relay.websocket_secrets import MessageSecrets
from hoopgw.relay.websocket_words import closing
from hoopgw.wire import websocket as ws
from hoopgw.wire.httphead import Blocks, read_request, read_response
from hoopgw.wire.secretnames import secret_names
from hoopgw.wire.websocket_deflate import Terms
from hoopgw.wire.websocket_handshake import accept
from hoopgw.wire.websocket_messages import MessageReader, MessageWriter
from tests.relay.test_http import TOKEN, Course
from tests.wire.test_websocket import joined

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
OFFER = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other\r\n"
REFUSED = Denial(Decision.REFUSED, "no deletes", ("no-delete",), session="s_1", policy="p")
WORDS = (
    b"auth", b"pass", b"password", b"otp", b"value", b"name", b": ", b"=", b'"', b'",', b"{", b"}", b"<", b">", b"\n",
    b"://", b"@", b"u:", b"%3a", b"%40", b"\x10", b"\xa4", b"\x64", b"\xd9", b"\x08", b"hush-hush", b"\\u0022", b"\\",
    b" ", b"h" * 90,
)  # fmt: skip
MESSAGES = st.lists(st.sampled_from(WORDS), max_size=12).map(b"".join)
HELD = Denial(Decision.HELD, "waits", ("ask-first",), hold="h_1", session="s_1", policy="p")


def asked(more: bytes = b"") -> bytes:
    return (
        b"GET /shop/live?x=1 HTTP/1.1\r\nHost: gw\r\n"
        + TOKEN
        + b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Key: "
        + KEY
        + b"\r\n"
        + more
        + b"\r\n"
    )


class Asking(SynchronousTestCase):
    def test_who_approves_a_get_has_not_approved_a_websocket(self) -> None:
        """A hold is bound to what it is asked for by, and its approver sees that; the target reads each field once."""
        course, plain = Course(), Course()
        course.send(asked())
        plain.send(b"GET /shop/live?x=1 HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"\r\n")
        lines = b"Upgrade: websocket\r\nSec-WebSocket-Protocol: chat\r\n"
        self.assertEqual(course.asked[0].parameters, plain.asked[0].parameters + lines)
        request = course.asked[0].request
        self.assertTrue(request is not None and request.shown.endswith(lines))
        self.assertEqual(course.target[0].lower().count(b"upgrade: websocket"), 1)
        self.assertEqual(course.journal[0].lower().count(b"upgrade: websocket"), 1)


class Stars:
    """Masks every message to stars; one that begins with `?` cannot be read."""

    fields = ()

    def __and__(self, other: Any) -> Any:
        return self

    def response(self, status: int, fields: tuple[tuple[bytes, bytes], ...]) -> Any:
        return self

    def message(self, data: bytes) -> bytes:
        if data[:1] == b"?":
            raise Unmaskable("what is this")
        return b"*" * len(data)


class Talk(Course):
    """A WebSocket that both sides have agreed on, with both of their ends."""

    decided = 0  # operations

    def __init__(
        self, *answers: Answer, deflate: bool = False, opened: Answer = GO, judged: int = 0, **more: Any
    ) -> None:
        random_ones = {"token_bytes": lambda size: b"\x07" * size}
        super().__init__(opened, *answers, messages=lambda request: judged, **random_ones, **more)
        self.send(asked(OFFER if deflate else b""))
        request = read_request(self.target[0], 0, Blocks())
        assert request is not None
        self.head = request
        proof = accept(request.block.one(b"sec-websocket-key").decode())
        extension = b"Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else b""
        self.terms = Terms(15, 15, False, False) if deflate else None
        self.reply(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSet-Cookie: a=secret\r\n"
            b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: " + proof.encode() + b"\r\n" + extension + b"\r\n"
        )
        answer = read_response(self.client, 0, b"GET", Blocks())
        assert answer is not None, self.client
        self.answer = answer
        self.client, self.target[-1] = b"", b""
        self.journal.clear()
        self._browser = MessageWriter(lambda: b"\x01\x02\x03\x04", self.terms)
        self._server = MessageWriter(None, self.terms)
        self._read_browser, self._read_server = MessageReader(False, self.terms), MessageReader(True, self.terms)

    def decide(self) -> None:
        while self.waiting and self.deciding:
            self.waiting.pop()
            count = len(self.asked) - self.decided
            self.decided += count
            answers = [self.answers.pop(0) if self.answers else GO for _ in range(count)]
            self.do(self.relay.decided(0, answers))

    def say(self, kind: int, data: bytes, first: bool = True, last: bool = True) -> None:
        self.send(self._browser.write(ws.Piece(kind, data, first, last)))

    def tell(self, kind: int, data: bytes, first: bool = True, last: bool = True) -> None:
        self.reply(self._server.write(ws.Piece(kind, data, first, last)))

    def seen(self) -> list[tuple[int, bytes]]:
        """What the client has got since it was last asked."""
        data, self.client = self.client, b""
        return joined(self._read_browser.read(data))

    def arrived(self) -> list[tuple[int, bytes]]:
        """What the target has got since it was last asked."""
        data, self.target[-1] = self.target[-1], b""
        return joined(self._read_server.read(data))

    def recorded(self) -> list[tuple[int, bytes]]:
        return joined(MessageReader(False, None).read(b"".join(self.journal)))


class Handshakes(SynchronousTestCase):
    def test_each_side_has_its_own(self) -> None:
        """The target gets the gateway's key and what the gateway reads of the offers; the client its own proof."""
        talk = Talk(deflate=True)
        fields = {
            name: value for name, value in talk.head.block.fields if name.startswith(b"sec-") or name == b"upgrade"
        }
        self.assertEqual(
            fields,
            {
                b"upgrade": b"websocket",
                b"sec-websocket-key": b"BwcHBwcHBwcHBwcHBwcHBw==",
                b"sec-websocket-version": b"13",
                b"sec-websocket-protocol": b"chat",
                b"sec-websocket-extensions": b"permessage-deflate; client_max_window_bits",
            },
        )
        self.assertEqual((talk.head.target, talk.answer.status), (b"/live?x=1", 101))
        self.assertEqual(talk.answer.block.one(b"sec-websocket-accept"), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        self.assertEqual(talk.answer.block.one(b"sec-websocket-extensions"), b"permessage-deflate")
        self.assertEqual(talk.answer.block.one(b"sec-websocket-protocol"), b"chat")

    def test_a_hold_is_not_bound_to_the_key(self) -> None:
        """The same request has another key each time: what an approval is bound to has none."""
        talk = Talk()
        self.assertNotIn(b"sec-websocket-key", talk.asked[0].parameters.lower())
        self.assertNotIn(KEY, talk.asked[0].parameters)

    def test_what_is_no_handshake(self) -> None:
        """A POST, a body, HTTP/1.0, a key that is none: 400, and the target hears nothing."""
        good = asked()
        for wrong in (
            good.replace(b"GET /", b"POST /"),
            good.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\nhi"),
            good.replace(b"HTTP/1.1", b"HTTP/1.0"),
            good.replace(KEY, b"x"),
            good.replace(b"Version: 13", b"Version: 8"),
            good.replace(b"keep-alive, Upgrade", b"keep-alive"),
        ):
            course = Course()
            course.send(wrong)
            self.assertEqual((course.problem()[0], course.target), (400, [b""]), wrong)

    def test_a_target_that_agrees_to_something_else(self) -> None:
        """A proof of another key is 502; nothing of the target's reaches the client."""
        course = Course()
        course.send(asked())
        course.reply(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: " + accept(KEY.decode()).encode() + b"\r\n\r\n"
        )
        self.assertEqual(course.problem()[0], 502)

    def test_a_target_that_does_not_agree(self) -> None:
        """Its answer is the client's answer, and the connection goes on with HTTP."""
        course = Course()
        course.send(asked())
        course.reply(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
        self.assertIn(b"404 Not Found", course.client)
        course.send(b"GET /shop/a HTTP/1.1\r\nHost: gw\r\n" + TOKEN + b"\r\n")
        self.assertIn(b"GET /a HTTP/1.1", course.target[-1])

    def test_what_came_behind_the_handshake(self) -> None:
        """Messages that either side sent at once are its first ones."""
        course = Course(token_bytes=lambda size: b"\x07" * size)
        course.send(asked() + ws.frame(ws.TEXT, b"early", b"mask"))
        proof = accept("BwcHBwcHBwcHBwcHBwcHBw==").encode()
        course.reply(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
            + proof + b"\r\n\r\n" + ws.frame(ws.TEXT, b"hello")
        )  # fmt: skip
        self.assertTrue(course.client.endswith(b"\r\n\r\n" + ws.frame(ws.TEXT, b"hello")))
        self.assertTrue(course.target[0].endswith(b"\r\n\r\n" + ws.frame(ws.TEXT, b"early", b"\x07" * 4)))

    def test_no_secret_is_recorded(self) -> None:
        """The cookie of a 101 reaches the client, and not the record."""
        course = Course(token_bytes=lambda size: b"\x07" * size)
        course.send(asked())
        proof = accept("BwcHBwcHBwcHBwcHBwcHBw==").encode()
        course.reply(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSet-Cookie: a=secret\r\n"
            b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n"
        )
        self.assertIn(b"secret", course.client)
        self.assertNotIn(b"secret", b"".join(course.journal))


MESSAGE = st.tuples(
    st.sampled_from([True, False]),
    st.sampled_from([ws.TEXT, ws.BINARY, ws.PING, ws.PONG]),
    st.text(max_size=30).map(str.encode) | st.just(b"compressible " * 100),
)


class Messages(SynchronousTestCase):
    @given(st.lists(MESSAGE, max_size=8), st.booleans(), st.booleans())
    def test_what_one_says_the_other_hears(
        self, told: list[tuple[bool, int, bytes]], deflate: bool, judged: bool
    ) -> None:
        """Compressed or not, asked about or not; the record has every message in clear."""
        talk = Talk(deflate=deflate, judged=10_000 if judged else 0)
        there: list[tuple[int, bytes]] = []
        back: list[tuple[int, bytes]] = []
        for client, kind, data in told:
            data = data[:20] if kind >= ws.CLOSE else data
            (talk.say if client else talk.tell)(kind, data)
            (there if client else back).append((kind, data))
        self.assertEqual((talk.arrived(), talk.seen()), (there, back))
        self.assertEqual(talk.recorded(), [(kind, data[:20] if kind >= 8 else data) for _, kind, data in told])
        messages = [data for client, kind, data in told if client and kind < 8 and judged]
        self.assertEqual([each.text for each in talk.asked[1:]], messages)

    def test_a_large_message_passes_as_it_comes(self) -> None:
        """Where no rule reads it, nothing is kept of it."""
        for deflate in (False, True):
            talk = Talk(deflate=deflate)
            part = random.Random(1).randbytes(65536)  # what cannot be compressed does not wait in a compressor
            for number in range(20):
                talk.say(ws.BINARY, part, number == 0, number == 19)
                self.assertTrue(talk.target[-1])
                talk.tell(ws.BINARY, part, number == 0, number == 19)
                self.assertTrue(talk.client)
            self.assertEqual(talk.arrived(), [(ws.BINARY, part * 20)])
            self.assertEqual(talk.seen(), [(ws.BINARY, part * 20)])

    def test_goodbye(self) -> None:
        """A Close passes, its answer too, and then the session is over."""
        for first, second in (("say", "tell"), ("tell", "say")):
            talk = Talk()
            getattr(talk, first)(ws.CLOSE, ws.close_payload(1000, "bye"))
            self.assertIsNone(talk.ended)
            getattr(talk, second)(ws.CLOSE, ws.close_payload(1000, "bye"))
            self.assertEqual((talk.arrived(), talk.seen()), ([(8, b"\x03\xe8bye")],) * 2)
            self.assertEqual(talk.ended, (Code.SESSION_CLOSED, "the WebSocket was closed"))

    def test_a_target_that_goes_without_a_word(self) -> None:
        """The client is told by a Close."""
        talk = Talk()
        talk.do(talk.relay.target_gone("reset"))
        self.assertEqual(talk.seen(), [(8, ws.close_payload(1014, "the target is gone"))])
        assert talk.ended is not None

    def test_the_session_ends(self) -> None:
        """A kill says why to the client, and goodbye to the target."""
        talk = Talk()
        talk.do(talk.relay.ended("killed by an operator", Code.SESSION_KILLED, None))
        self.assertEqual(talk.seen(), [(8, ws.close_payload(1001, "killed by an operator"))])
        self.assertEqual(talk.arrived(), [(8, ws.close_payload(1001, ""))])
        self.assertEqual(talk.ended, (Code.SESSION_KILLED, "killed by an operator"))

    def test_frames_that_break_the_protocol(self) -> None:
        """must-survive: the peer that sends them is told its code; the other side is told goodbye."""
        talk = Talk()
        talk.send(b"\x83\x80mask")
        self.assertEqual((talk.seen()[0][1][:2], talk.arrived()), (b"\x03\xea", [(8, b"\x03\xe9")]))
        self.assertEqual(talk.ended[0] if talk.ended else None, Code.PROTOCOL_VIOLATED)
        talk = Talk()
        talk.send(ws.frame(ws.TEXT, b"\xff", b"mask"))
        self.assertEqual(talk.seen()[0][1][:2], b"\x03\xef")
        talk = Talk()
        talk.reply(b"\x83\x00")
        self.assertEqual((talk.seen()[0][1][:2], talk.arrived()), (b"\x03\xf6", [(8, b"\x03\xe9")]))
        self.assertEqual(
            [effect.code for effect in talk.others if isinstance(effect, Observed)], [Code.PROTOCOL_VIOLATED]
        )


class Junk(SynchronousTestCase):
    @given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=6), st.booleans(), st.booleans())
    def test_junk_never_raises(self, told: list[tuple[bool, bytes]], deflate: bool, judged: bool) -> None:
        """Whatever either side sends, and in whatever order it ends."""
        talk = Talk(deflate=deflate, judged=100 if judged else 0)
        for client, data in told:
            (talk.send if client else talk.reply)(data)
        talk.do(talk.relay.target_gone("reset"))
        talk.do(talk.relay.ended("over", Code.SESSION_KILLED, None))
        self.assertIsNotNone(talk.ended)


class Decisions(SynchronousTestCase):
    def test_a_refused_message(self) -> None:
        """It does not reach the target, what came before it does; both sides are told, and the session ends."""
        talk = Talk(GO, Answer(denial=REFUSED), judged=1000)
        self.assertEqual(talk.relay.busy, True)
        talk.send(ws.frame(ws.TEXT, b"one", b"mask"))
        talk.send(ws.frame(ws.TEXT, b"delete", b"mask"))
        self.assertEqual(talk.arrived(), [(1, b"one"), (8, b"\x03\xe9")])
        kind, payload = talk.seen()[0]
        code, words = ws.read_close(payload)
        self.assertEqual((kind, code, json.loads(words)), (8, 1008, json.loads(closing(REFUSED))))
        self.assertEqual(talk.recorded()[:2], [(1, b"one"), (1, b"delete")])
        self.assertIn(3, [effect.number for effect in talk.others if isinstance(effect, Completed)])
        assert talk.ended is not None

    def test_two_in_one_read(self) -> None:
        """They are asked about together, and each has its own answer."""
        talk = Talk(judged=1000)
        talk.deciding = False
        talk.send(ws.frame(ws.TEXT, b"one", b"mask") + ws.frame(ws.BINARY, b"two", b"mask"))
        self.assertEqual([(each.text, each.name) for each in talk.asked[1:]], [(b"one", b"text"), (b"two", b"binary")])
        self.assertEqual([each.number for each in talk.asked], [1, 2, 3])
        talk.do(talk.relay.decided(0, (GO, Answer(denial=REFUSED))))
        self.assertEqual(talk.arrived(), [(1, b"one"), (8, b"\x03\xe9")])

    def test_while_one_is_held(self) -> None:
        """Later messages wait in order, pings and the target's messages pass, and what waits is bounded."""
        talk = Talk(judged=MAX_KEPT)
        talk.deciding = False
        talk.say(ws.TEXT, b"held")
        talk.say(ws.TEXT, b"later")
        talk.say(ws.PING, b"there?")
        talk.tell(ws.TEXT, b"news")
        self.assertEqual((talk.arrived(), talk.seen()), ([(9, b"there?")], [(1, b"news")]))
        talk.say(ws.BINARY, bytes(MAX_KEPT))
        self.assertIsInstance(talk.others[-1], PauseClient)
        talk.deciding = True
        talk.decide()
        self.assertEqual(talk.arrived(), [(1, b"held"), (1, b"later"), (2, bytes(MAX_KEPT))])
        self.assertTrue([effect for effect in talk.others if isinstance(effect, ResumeClient)])

    def test_empty_messages_wait_bounded_too(self) -> None:
        """Nothing that costs room is counted as nothing."""
        talk = Talk(judged=1000)
        talk.deciding = False
        talk.say(ws.TEXT, b"held")
        talk.send(ws.frame(ws.TEXT, b"", b"mask") * (MAX_KEPT // EACH + 2))
        self.assertIsInstance(talk.others[-1], PauseClient)

    def test_a_client_that_closes_takes_back_what_waits(self) -> None:
        """A held message of who is gone never runs."""
        talk = Talk(judged=1000)
        talk.deciding = False
        talk.say(ws.TEXT, b"held")
        talk.say(ws.CLOSE, b"")
        self.assertTrue([effect for effect in talk.others if isinstance(effect, Withdraw)])
        self.assertEqual(talk.relay.decided(0, (GO,)), [])
        self.assertEqual(talk.arrived(), [(8, b"")])

    def test_more_than_rules_read(self) -> None:
        """A message that cannot be judged is refused, however it comes."""
        for parts in (1, 5):
            talk = Talk(judged=1000)
            for number in range(parts):
                talk.say(ws.TEXT, b"x" * (2000 // parts), number == 0, number == parts - 1)
            self.assertEqual(talk.seen()[0][1][:2], b"\x03\xf1")
            self.assertEqual(talk.arrived(), [(8, b"\x03\xe9")])

    def test_redacted(self) -> None:
        """A message whose text is kept out of the record stays a message there."""
        talk = Talk(judged=1000)
        talk.deciding = False
        effects = talk.relay.from_client(ws.frame(ws.TEXT, b"one", b"mask") + ws.frame(ws.TEXT, b"secret", b"mask"))
        ask: Any = effects[0]
        kept = joined(MessageReader(False, None).read(ask.redacted({1: b"(redacted)"})))
        self.assertEqual(kept, [(1, b"one"), (1, b"(redacted)")])

    def test_what_is_judged_of_a_message(self) -> None:
        """The request that opened the WebSocket, with the message as its body."""
        talk = Talk(judged=1000)
        talk.say(ws.TEXT, b'{"op": 1}')
        request: HttpRequest | None = talk.asked[1].request
        assert request is not None
        self.assertEqual((request.target, request.body, talk.asked[1].kind), (b"/live?x=1", b'{"op": 1}', "message"))

    def test_closing_words(self) -> None:
        """The object of a denial, as far as a Close has room: it is JSON whatever the reason is."""
        for reason in ("short", "é" * 300, '"' * 200, "\n" * 100):
            for guardrails in (("a",), ("a-rule-with-a-very-long-name" * 10,)):
                words = closing(Denial(Decision.REFUSED, reason, guardrails, session="s_1"))
                self.assertLessEqual(len(words), ws.MAX_REASON)
                self.assertEqual(json.loads(words)["decision"], "refused")
        self.assertEqual(json.loads(closing(HELD))["hold"], "h_1")


class Masks(SynchronousTestCase):
    def test_masked(self) -> None:
        """Each message is masked whole, however it came; the record has what was shown."""
        for deflate in (False, True):
            talk = Talk(opened=Answer(bodies=Stars()), deflate=deflate)
            talk.tell(ws.TEXT, b"car", True, False)
            self.assertEqual(talk.client, b"")
            talk.tell(ws.TEXT, b"d 4111", False, True)
            talk.tell(ws.PING, b"there?")
            self.assertEqual(talk.seen(), [(1, b"*" * 9), (9, b"there?")])
            self.assertEqual(talk.recorded(), [(1, b"*" * 9), (9, b"there?")])
            self.assertEqual([effect.masked for effect in talk.others if isinstance(effect, Completed)], [1])

    def test_words_of_a_close(self) -> None:
        """They are masked as a message is; where they cannot be the code goes on alone."""
        for words, shown in ((b"card 4111", b"*" * 9), (b"", b""), (b"?", b"")):
            talk = Talk(opened=Answer(bodies=Stars()))
            talk.tell(ws.CLOSE, b"\x0f\xa1" + words)
            self.assertEqual(talk.seen(), [(8, b"\x0f\xa1" + shown)])
            self.assertEqual(talk.recorded(), [(8, b"\x0f\xa1" + shown)])

    def test_fields_of_the_handshake(self) -> None:
        """A 101 has fields as any other answer has: masks see them too."""
        self.assertEqual(Talk().answer.block.one(b"set-cookie"), b"a=secret; Path=/shop/")
        self.assertEqual(Talk(opened=Answer(bodies=Stars())).answer.block.values(b"set-cookie"), [])

    def test_the_targets_credential(self) -> None:
        """It is in no message, in whatever pieces they come, compressed or not; what else is said stays."""
        secret = b"the-secret-of-the-target"
        for deflate in (False, True):
            talk = Talk(deflate=deflate, words=lambda: spellings(secret))
            talk.tell(ws.TEXT, b"one " + secret + b" two")
            talk.tell(ws.TEXT, b"the-sec")
            self.assertEqual(talk.seen(), [(ws.TEXT, b"one " + b"*" * 24 + b" two"), (ws.TEXT, b"the-sec")])
            talk.tell(ws.BINARY, b"ret-of-the-target " + secret[:15], True, False)
            talk.tell(ws.PING, secret)
            talk.tell(ws.BINARY, secret[15:], False, True)
            talk.tell(ws.TEXT, secret[:15])
            expected = [
                (ws.PING, b"*" * 24),
                (ws.BINARY, b"ret-of-the-target " + b"*" * 24),
                (ws.TEXT, secret[:15]),
            ]
            self.assertEqual(talk.seen(), expected)
            self.assertNotIn(secret, b"".join(talk.journal))
            told = [each.code for each in talk.others if isinstance(each, Observed)]
            self.assertEqual(told, [Code.CREDENTIAL_ECHOED])

    def test_what_cannot_be_masked(self) -> None:
        """A message that cannot be read, or is too long to be, does not pass."""
        for told in (b"?", bytes(MAX_MASKED + 1)):
            talk = Talk(opened=Answer(bodies=Stars()))
            talk.tell(ws.BINARY, told)
            self.assertEqual(talk.seen()[0][1][:2], b"\x03\xf0")
            assert talk.ended is not None
            self.assertEqual(talk.ended[0], Code.OPERATION_REFUSED)

    def test_a_bound(self) -> None:
        """Messages count against what bounds the answer."""
        talk = Talk(opened=Answer(meter=Meter((Allowance("100 bytes", None, 100, "a-rule"),))))
        talk.tell(ws.TEXT, b"x" * 60)
        talk.tell(ws.TEXT, b"y" * 60)
        seen = talk.seen()
        self.assertEqual((seen[0], seen[1][1][:2]), ((1, b"x" * 60), b"\x03\xf0"))
        assert talk.ended is not None
        self.assertEqual(talk.ended[0], Code.BUDGET_EXCEEDED)


class Secrets(SynchronousTestCase):
    def test_members_with_secret_names(self) -> None:
        """In no message that is recorded, however it comes; the target gets them as they are."""
        body = b'{"type": "auth", "access_token": "hush-hush"}'
        shown = body.replace(b"hush-hush", b"*" * 9)
        for more in ({}, {"deflate": True}, {"judged": 1000}):
            talk = Talk(named=secret_names(), **more)
            talk.say(ws.TEXT, body)
            talk.say(ws.TEXT, b'{"token": "not whole')
            talk.say(ws.BINARY, b'{"a": "b"}')
            talk.say(ws.PING, b'token: "x"')
            for first, last, piece in ((True, False, body[:38]), (False, False, b""), (False, True, body[38:])):
                talk.say(ws.TEXT, piece, first, last)
            arrived = [(ws.TEXT, body), (ws.TEXT, b'{"token": "not whole'), (ws.BINARY, b'{"a": "b"}')]
            self.assertEqual([each for each in talk.arrived() if each[0] != ws.PING], [*arrived, (ws.TEXT, body)])
            record = [each for each in talk.recorded() if each[0] != ws.PING]
            stars = b'{"token": "' + b"*" * 9
            self.assertEqual(record, [(ws.TEXT, shown), (ws.TEXT, stars), (ws.BINARY, b'{"a": "b"}'), (ws.TEXT, shown)])
            self.assertEqual(talk.relay.coverage()["starred"], 3)

    def test_xml_and_pairs(self) -> None:
        """XMPP's messages are XML (RFC 7395); many send JSON as binary; whole or in pieces."""
        pairs = b'{"name": "token", "value": "hush-hush"}', b'{"value": "hush-hush", "name": "token"}'
        for kind, body in (
            (ws.TEXT, b"<auth mechanism='*****'>hush-hush</auth>"),
            *((kind, pair) for kind in (ws.TEXT, ws.BINARY) for pair in pairs),
        ):
            talk = Talk(named=secret_names())
            talk.say(kind, body)
            talk.say(kind, body[:12], True, False)
            talk.say(kind, body[12:], False, True)
            self.assertEqual(talk.arrived(), [(kind, body)] * 2)
            self.assertEqual(talk.recorded(), [(kind, body.replace(b"hush-hush", b"*" * 9))] * 2)

    def test_what_an_approver_sees(self) -> None:
        """No more than the record."""
        talk = Talk(named=secret_names(), judged=1000)
        talk.say(ws.TEXT, b'{"pwd": "hush-hush"}')
        operation = talk.asked[-1]
        assert operation.request is not None
        self.assertEqual(operation.text, b'{"pwd": "hush-hush"}')
        self.assertEqual((operation.request.line, operation.request.hides), (b'{"pwd": "*********"}', True))

    def test_a_run_of_messages(self) -> None:
        """Each is looked through by itself; long ones too."""
        talk = Talk(named=secret_names())
        stomp = b"CONNECT\nlogin:a\npasscode:hush-hush\n\n\0"
        messages = [b'{"token": "hush-hush"}', b'{"token": "' + b"h" * 300 + b'"}', b"x" * 70_000, stomp, b'{"a": 1}']
        frames = b"".join(ws.frame(ws.TEXT, each, b"abcd", True) for each in messages)
        talk.send(frames)
        self.assertEqual([data for _, data in talk.arrived()], messages)
        kept = [messages[0].replace(b"hush-hush", b"*" * 9), b'{"token": "' + b"*" * 300 + b'"}', messages[2]]
        kept += [stomp.replace(b"hush-hush", b"*" * 9), messages[4]]
        self.assertEqual([data for _, data in talk.recorded()], kept)

    def test_a_name_at_the_begin_of_a_message(self) -> None:
        """Its frame's head, which may end in a letter, is no part of it; nor is what ends the message before."""
        for size in (40, *range(96, 124), 0x161, 0x178):
            for sign in (b': "', b"="):
                for kind in (ws.TEXT, ws.BINARY):
                    message = b"auth" + sign + b"h" * (size - 4 - len(sign))
                    talk, alone = Talk(named=secret_names()), Talk(named=secret_names())
                    talk.send(ws.frame(ws.TEXT, b"my ", b"abcd", True) + ws.frame(kind, message, b"abcd", True))
                    alone.say(kind, message[:10], True, False)
                    alone.say(kind, message[10:], False, True)
                    self.assertNotIn(b"hhh", talk.recorded()[1][1])
                    self.assertEqual(talk.recorded()[1:], alone.recorded())

    def test_addresses(self) -> None:
        """With a password, in messages of any kind; what a cut leaves unsure is taken for one."""
        for body in (
            b'{"dsn": "postgresql://u:hush-hush@h/db"}',
            b"see https://hush-hush@h/ and a@b.de",
            b"%253A%252F%252Fu%253Ahush-hush%2540h",
        ):
            for kind in (ws.TEXT, ws.BINARY):
                talk = Talk(named=secret_names())
                talk.send(ws.frame(kind, b"a@b://", b"abcd", True) + ws.frame(kind, body, b"abcd", True) * 2)
                shown = (kind, body.replace(b"hush-hush", b"*" * 9))
                self.assertEqual(talk.recorded(), [(kind, b"a@b://"), shown, shown])
                self.assertEqual(talk.relay.coverage()["starred"], 2)
                cut = body.index(b"hush") + 4
                talk.say(kind, body[:cut], True, False)
                talk.say(kind, body[cut:], False, True)
                self.assertEqual(talk.recorded()[3:], [shown])

    @given(st.lists(st.tuples(st.sampled_from((ws.TEXT, ws.BINARY)), MESSAGES), min_size=1, max_size=6))
    def test_runs_are_as_each_alone(self, messages: list[tuple[int, bytes]]) -> None:
        run, alone = MessageSecrets(secret_names()), MessageSecrets(secret_names())
        shown = run.run(b"".join(ws.frame(kind, message, b"", True) for kind, message in messages))
        each = [alone.piece(ws.Piece(kind, message)) for kind, message in messages]
        self.assertEqual(shown, b"".join(ws.frame(one.kind, one.data, b"", True) for one in each))
        self.assertEqual(run.found, alone.found)
