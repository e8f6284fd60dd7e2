"""A message in its parts, over any cut."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.wire.httphead import Blocks
from hoopgw.wire.httpmessage import Message, Parts

ASKED = b"POST /a HTTP/1.1\r\nHost: x\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
Shown = tuple[list[tuple[bytes, bytes, int]], bytes, list[tuple[bytes, bytes]], bool]


def parts(method: bytes | None, pieces: list[bytes], closed: bool = False, switches: bool = False) -> Shown:
    """(heads, content, trailers, whether it ended)"""
    message = Message(method, Blocks(), switches)
    taken: list[Parts] = [message.take(piece) for piece in pieces]
    if closed:
        taken.append(message.close())
    assert [each.ended for each in taken].count(True) == message.ended  # told once
    return (
        [(start.method, start.target, start.status) for each in taken for start in each.starts],
        b"".join(b"".join(each.content) for each in taken),
        [field for each in taken for field in each.trailers],
        message.ended,
    )


class Messages(SynchronousTestCase):
    @given(st.lists(st.binary(min_size=1, max_size=40), max_size=4), st.booleans(), st.data())
    def test_any_cut(self, content: list[bytes], chunked: bool, data: st.DataObject) -> None:
        """However it is cut, a message has the same parts."""
        body = b"".join(content)
        stream = ASKED + b"Content-Length: %d\r\n\r\n" % len(body) + body
        if chunked:
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in content)
            stream = ASKED + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Sum: 1\r\n\r\n"
        places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
        cut = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
        expected = [(b"POST", b"/a", 0)], body, [(b"x-sum", b"1")] if chunked else [], True
        self.assertEqual(parts(None, cut), expected)

    def test_answers(self) -> None:
        """Heads with 1xx come before the answer; what has no body ends with its head; the connection may end one."""
        early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        for method, stream, closed, statuses, content in (
            (b"GET", early + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", False, [100, 103, 200], b"hi"),
            (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", False, [200], b""),
            (b"GET", b"HTTP/1.1 304 Not Modified\r\n\r\n", False, [304], b""),
            (b"GET", b"HTTP/1.1 200 OK\r\n\r\nto the end", True, [200], b"to the end"),
            (b"CONNECT", b"HTTP/1.1 200 OK\r\n\r\n\x16\x03", True, [200], b"\x16\x03"),
            (b"GET", SWITCHED + b"HTTP/1.1 204 No Content\r\n\r\n", True, [101, 204], b""),  # it was not asked for
        ):
            for pieces in ([stream], [stream[here : here + 1] for here in range(len(stream))]):
                found = parts(method, pieces, closed)
                self.assertEqual(([head[2] for head in found[0]], found[1], found[3]), (statuses, content, True))

    def test_other_protocols(self) -> None:
        """Behind a CONNECT, and behind a 101 that was asked for, come bytes until the end."""
        asked = b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"
        self.assertEqual(parts(None, [asked + b"\x16", b"\x03"], True)[1:], (b"\x16\x03", [], True))
        early = b"HTTP/1.1 103 Early Hints\r\n\r\n"
        found = parts(b"GET", [early + SWITCHED + b"\x81", b"\0"], True, True)
        self.assertEqual(found, ([(b"", b"", 103), (b"", b"", 101)], b"\x81\0", [], True))

    def test_what_is_too_much_or_too_little(self) -> None:
        """Bytes behind the end, an end inside, and none at all."""
        self.assertRaises(MalformedFrame, parts, None, [ASKED + b"Content-Length: 1\r\n\r\nab"])
        self.assertRaises(MalformedFrame, parts, None, [ASKED + b"\r\nx"])
        for stream in (b"", ASKED, ASKED + b"Content-Length: 5\r\n\r\nab"):
            self.assertRaises(MalformedFrame, parts, None, [stream], True)

    @given(st.sampled_from([None, b"GET", b"HEAD", b"CONNECT"]), st.lists(st.binary(max_size=60), max_size=4))
    def test_junk(self, method: bytes | None, pieces: list[bytes]) -> None:
        """Junk raises only WireError."""
        for begin in (b"", b"HTTP/1.1 200 OK\r\n\r\n", ASKED + b"Transfer-Encoding: chunked\r\n\r\n"):
            with contextlib.suppress(WireError):
                parts(method, [begin, *pieces], True)
