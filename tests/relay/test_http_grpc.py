"""Refusals in gRPC: what clients of other makes read of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import Allowance, Answer, Decision, Denial, Meter
from hoopgw.model.events import Code
from hoopgw.relay.http_grpc import MAX_WORDS, denied, failed, percent
from hoopgw.wire.http2_heads import is_grpc
from hoopgw.wire.httphead import Blocks, read_response
from tests.relay.test_http import Course, Masks

CALL = (
    b"POST /shop/pay.Users/Delete HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer secret-token\r\n"
    b"Content-Type: application/grpc\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0"
)
REFUSED = Denial(
    Decision.REFUSED, "keine Löschung\n100%", ("no-delete",), retry_after=7, session="s_1", policy="sha256:1"
)


def fields(answer: bytes) -> dict[bytes, bytes]:
    read = read_response(answer, 0, b"POST", Blocks())
    assert read is not None and read.end == len(answer) and read.status == 200
    return dict(read.block.fields)


def decoded(data: bytes) -> list[tuple[int, int | bytes]]:
    """(tag, value) of a protobuf message's fields, by the rules of the format and nothing of the code under test."""

    def varint(here: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            value |= (data[here] & 0x7F) << shift
            shift += 7
            here += 1
            if data[here - 1] < 0x80:
                return value, here

    found: list[tuple[int, int | bytes]] = []
    here = 0
    while here < len(data):
        key, here = varint(here)
        value, here = varint(here)
        if key & 7 == 2:
            found.append((key >> 3, data[here : here + value]))
            here += value
        else:
            found.append((key >> 3, value))
    return found


def details(answer: bytes) -> tuple[int, str, dict[str, list[tuple[int, int | bytes]]]]:
    """(code, message, fields of each detail by its type) of a google.rpc.Status."""
    text = fields(answer)[b"grpc-status-details-bin"]
    status = decoded(base64.b64decode(text + b"=" * (-len(text) % 4), validate=True))
    known = dict(status)
    code, message = known[1], known[2]
    assert isinstance(code, int) and isinstance(message, bytes)
    found = {}
    for tag, value in status:
        if tag == 3 and isinstance(value, bytes):
            parts = dict(decoded(value))
            url, inner = parts[1], parts[2]
            assert isinstance(url, bytes) and isinstance(inner, bytes)
            found[url.decode()] = decoded(inner)
    return code, message.decode(), found


class Refusals(SynchronousTestCase):
    def test_a_refused_call(self) -> None:
        """Status 7, its words percent-encoded, and the object of every protocol as ErrorInfo and RetryInfo."""
        answer = denied(REFUSED)
        said = fields(answer)
        self.assertEqual((said[b"content-type"], said[b"grpc-status"]), (b"application/grpc", b"7"))
        self.assertEqual(said[b"grpc-message"], b"refused: keine L%C3%B6schung%0A100%25")
        code, message, found = details(answer)
        self.assertEqual((code, message), (7, "refused: keine Löschung\n100%"))
        info = found["type.googleapis.com/google.rpc.ErrorInfo"]
        self.assertEqual(info[:2], [(1, b"REFUSED"), (2, b"hoopgw")])
        entries = [dict(decoded(value)) for tag, value in info[2:] if isinstance(value, bytes)]
        metadata = {str(entry[1], "utf-8"): str(entry[2], "utf-8") for entry in entries}  # type: ignore[arg-type]
        shown = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in REFUSED.fields().items()
        }
        self.assertEqual(metadata, shown)
        self.assertEqual(decoded(found["type.googleapis.com/google.rpc.RetryInfo"][0][1]), [(1, 7)])

    def test_other_decisions(self) -> None:
        """Each has the status that clients act on."""
        for decision, status in (
            (Decision.DENIED, b"7"),
            (Decision.HELD, b"9"),
            (Decision.OVER_BUDGET, b"8"),
            (Decision.UNAVAILABLE, b"14"),
        ):
            self.assertEqual(fields(denied(Denial(decision, "x")))[b"grpc-status"], status)
        for http, status in ((400, b"13"), (502, b"14"), (504, b"14"), (501, b"12")):
            self.assertEqual(fields(failed(http, "x"))[b"grpc-status"], status)

    def test_long_words(self) -> None:
        """A reason without end stays within what clients take."""
        answer = denied(Denial(Decision.REFUSED, "é" * 100_000, would_pass="x" * 100_000))
        self.assertLess(len(answer), 8192)
        self.assertLessEqual(len(details(answer)[1]), MAX_WORDS)

    def test_what_is_grpc(self) -> None:
        """gRPC-Web is another protocol, and what only begins so is none."""
        for kind in (b"application/grpc", b"application/grpc+proto", b"Application/gRPC; x=1"):
            self.assertTrue(is_grpc(kind))
        for kind in (b"application/grpc-web", b"application/grpcx", b"application/json", b""):
            self.assertFalse(is_grpc(kind))
        self.assertEqual(percent(b"a b\x7f\xc3"), b"a b%7F%C3")

    def test_the_relay_says_it_so(self) -> None:
        """A call that a rule refuses, and one whose target cannot be reached, end with a status of gRPC."""
        course = Course(Answer(denial=REFUSED))
        course.send(CALL)
        self.assertEqual(fields(course.client)[b"grpc-status"], b"7")
        course = Course()
        course.send(CALL)
        course.do(course.relay.target_gone("refused"))
        self.assertEqual(fields(course.client)[b"grpc-status"], b"14")

    def test_an_answer_that_breaks_off(self) -> None:
        """Ends with a status where no chunk is open; in the middle of one, or of another answer, nothing is added."""
        begun = b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab"
        ends: dict[bytes, Callable[[Course], None]] = {
            b"8": lambda course: course.reply(b"9\r\n123456789\r\n"),
            b"14": lambda course: course.do(course.relay.target_gone("closed")),
            b"7": lambda course: course.do(course.relay.ended("no", Code.SESSION_STOPPED, REFUSED)),
        }
        for status, end in ends.items():
            for request, more, told in (
                (CALL, b"\r\n", True),
                (CALL, b"", False),
                (CALL, b"\r\n2", False),
                (CALL.replace(b"application/grpc", b"text/plain"), b"\r\n", False),
            ):
                course = Course(Answer(meter=Meter((Allowance("10 bytes", None, 10, "a-limit"),))))
                course.send(request)
                course.reply(begun)
                course.reply(more)
                before = course.client
                end(course)
                self.assertIsNotNone(course.ended)
                added = course.client.removeprefix(before)
                self.assertEqual(added.startswith(b"0\r\ngrpc-status: " + status + b"\r\n"), told)
                self.assertEqual(added.endswith(b"\r\n\r\n"), told)
                self.assertEqual(bool(added), told)

    def test_an_answer_that_is_whole(self) -> None:
        """Nothing is put behind it when its session ends."""
        whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\ngrpc-status: 0\r\n\r\n"
        for bodies in (None, Masks()):
            course = Course(Answer(bodies=bodies))
            course.send(CALL)
            course.reply(whole)
            before = course.client
            course.do(course.relay.ended("no", Code.SESSION_KILLED, None))
            self.assertEqual(course.client, before)

    def test_what_cannot_be_masked(self) -> None:
        """Was done: INTERNAL, for clients send again what is UNAVAILABLE."""
        course = Course(Answer(bodies=Masks()))
        course.send(CALL)
        course.reply(b"HTTP/1.1 200 OK\r\nContent-Encoding: x\r\nContent-Length: 2\r\n\r\nab")
        self.assertEqual(fields(course.client)[b"grpc-status"], b"13")
