"""Fuzz targets of HTTP/1.1: heads, chunks, and a whole session between a client and a target that both misbehave."""

from __future__ import annotations

import contextlib

from hoopgw.model.answer import GO, Answer
from hoopgw.model.errors import WireError
from hoopgw.wire.awschunks import SIGNED_TRAILER, AwsChunks
from hoopgw.wire.httpchunks import Chunks
from hoopgw.wire.httphead import Blocks, read_request, read_response
from tests.fuzz.choices import Choices
from tests.relay import test_http
from tests.wire import test_awschunks, test_httpchunks, test_httphead

SENT = (
    test_http.GET,
    b"POST /shop/ HTTP/1.1\r\nHost: gw\r\n" + test_http.TOKEN,
    b"Content-Length: 5\r\n", b"\r\n", b"hello",
    b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n",
    b"Expect: 100-continue\r\n", b"Cookie: hush\r\n",
    *test_httphead.REFUSED_REQUESTS.values(), *test_httpchunks.REFUSED.values(),
)  # fmt: skip
SAID = (
    test_http.OK,
    b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n", b"Set-Cookie: a=hush; Path=/\r\n", b"\r\n", b"hello",
    b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\n\r\n", b"Connection: close\r\n", *test_httphead.REFUSED_RESPONSES.values(),
)  # fmt: skip


def http_heads(data: bytes) -> None:
    """Only WireError; a head that is read is the same after any cut before its end."""
    for start in (b"", b"GET / HTTP/1.1\r\nHost: a\r\n", b"HTTP/1.1 200 OK\r\n"):
        whole = start + data
        with contextlib.suppress(WireError):
            read = read_request(whole, 0, Blocks())
            if read is not None:
                assert read_request(whole[: read.end - 1], 0, Blocks()) is None, "a head before its end"
                assert b"\n" not in read.target and b" " not in read.target
        with contextlib.suppress(WireError):
            read_response(whole, 0, b"GET", Blocks())


def http_chunks(data: bytes) -> None:
    """However it is cut, a body ends at the same place and holds the same, or is refused."""
    whole, pieces = Chunks(), Chunks()
    one: list[bytes] = []
    other: list[bytes] = []
    try:
        end = whole.take(data, 0, one)
    except WireError:
        with contextlib.suppress(WireError):
            for here in range(len(data)):
                pieces.take(data[here : here + 1], 0, other)
            raise AssertionError("refused whole, and not in pieces")
        return
    taken = sum(pieces.take(data[here : here + 1], 0, other) for here in range(len(data)))
    assert (taken, b"".join(other), pieces.ended) == (end, b"".join(one), whole.ended)


def http_relay(data: bytes) -> None:
    """Nothing raises; a target's credential is not recorded, and nothing reaches a target unasked."""
    choices = Choices(data)
    course = test_http.Course(*(choices.pick((GO, GO, Answer(denial=test_http.REFUSED))) for _ in range(4)))
    while choices.more and course.ended is None:
        what = choices.number(8)
        if what < 4:
            course.send(choices.pick(SENT) if choices.number(4) else choices.some())
        elif what < 7:
            course.reply(choices.pick(SAID) if choices.number(4) else choices.some())
        else:
            course.do(course.relay.target_gone("closed"))
    sent, record = b"".join(course.target), b"".join(course.journal)
    assert b"Basic hidden" not in record, "a secret in the record"
    assert sent.count(b"\r\nHost: shop.internal\r\n") <= len(course.asked), "a request that nobody was asked about"


def aws_chunks(data: bytes) -> None:
    """However it is cut, it holds the same, or is refused; and what is written again is read as the same."""
    whole, pieces = AwsChunks(), AwsChunks()
    one: list[bytes] = []
    other: list[bytes] = []
    try:
        whole.take(data, one)
        whole.finish()
    except WireError:
        with contextlib.suppress(WireError):
            for here in range(len(data)):
                pieces.take(data[here : here + 1], other)
            pieces.finish()
            raise AssertionError("refused whole, and not in pieces") from None
        return
    for here in range(len(data)):
        pieces.take(data[here : here + 1], other)
    pieces.finish()
    assert (b"".join(other), pieces.trailers) == (b"".join(one), whole.trailers)
    again = test_awschunks.written(test_awschunks.signature(SIGNED_TRAILER, []), one, whole.trailers)
    assert test_awschunks.read([again]) == (b"".join(one), whole.trailers)
