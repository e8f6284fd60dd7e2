"""Heads of HTTP/1.1: what is read, and what is refused because somebody else could read it differently."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame, WireError
from hoopgw.wire.httpfields import CHUNKED, LENGTH, MAX_FIELDS, NO_BODY, UNTIL_CLOSE
from hoopgw.wire.httphead import MAX_HEAD, MAX_TARGET, Blocks, read_request, read_response

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
# Each is one head that programs have read in different ways
REFUSED_REQUESTS = {
    "both lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "the same length twice": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
    "a signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "a length in hexadecimal": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n",
    "no length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
    "a length that overflows": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n",
    "digits of another script": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa5\r\n\r\n",
    "another coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "an unknown coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "identity": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
    "a coding behind a vertical tab": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
    "a coding in 1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a coding with an underscore": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
    "a blank before the colon": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
    "a folded line": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
    "a folded first line": b"GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n",
    "a bare LF": b"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
    "a bare CR": b"GET / HTTP/1.1\r\nHost: a\rX: 1\r\n\r\n",
    "a CR before CR LF": b"GET / HTTP/1.1\r\nHost: a\r\r\nX: 1\r\n\r\n",
    "an end that never comes": b"GET / HTTP/1.1\nHost: a\n\n",
    "an end by LF": b"GET / HTTP/1.1\nHost: a\n\n\r\n\r\n",
    "a NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\x002\r\n\r\n",
    "a NUL in a name": b"GET / HTTP/1.1\r\nHost: a\r\nX\x00: 1\r\n\r\n",
    "a name of nothing": b"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "an empty Host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "a Host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a Host with a user": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "a list of Hosts": b"GET / HTTP/1.1\r\nHost: a, b:80:80\r\n\r\n",
    "absolute form": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "no slash": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a star": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "no slash behind OPTIONS": b"OPTIONS a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long method": b"M" * 33 + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a backslash": b"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes above ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a blank in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tab for a blank": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "two blanks": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\nHost: a\r\n\r\n",
    "another version": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "a longer version": b"GET / HTTP/1.10\r\nHost: a\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\n",
    "a line before": b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "an empty line for a request": b"\r\nHost: a\r\n\r\n",
    "no method": b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00",
    "CONNECT without a port": b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT with a path": b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT with a body": b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\n",
    "Connection names Host": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Host\r\n\r\n",
    "Connection names a length": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\n\r\n",
    "a long head": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * MAX_HEAD,
    "Content.Length": b"POST / HTTP/1.1\r\nHost: a\r\nContent.Length: 3\r\n\r\nabc",
    "a long target": b"GET /" + b"x" * MAX_TARGET + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "many fields": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * MAX_FIELDS + b"\r\n",
}
REFUSED_RESPONSES = {
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nX: 1\r\n\t2\r\n\r\n",
    "a bare LF": b"HTTP/1.1 200 OK\nX: 1\n\n\r\n\r\n",
    "nothing but bare LFs": b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx",  # its end would never come
    "another version": b"HTTP/2 200\r\n\r\n",
    "a long status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a status of 0": b"HTTP/1.1 099 OK\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "an empty line for a status": b"\r\nContent-Length: 5\r\n\r\n",
    "a body with 204": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    "chunks with 100": b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a long head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD,
}

# a client's next head differs in its first line, in its fields, or not at all
HEADS = st.builds(
    lambda line, block: line + b"\r\n" + block + b"\r\n",
    st.sampled_from(
        (b"GET / HTTP/1.1", b"GET /a HTTP/1.0", b"CONNECT a:1 HTTP/1.1", b"HTTP/1.1 200 OK", b"HTTP/1.0 204")
    ),
    st.sampled_from(
        (
            b"",
            b"Host: a\r\n",
            b"Host: a\r\nX: 1\r\n",
            b"Host: a\r\nTransfer-Encoding: chunked\r\n",
            b"Host: a\r\n X\r\n",
        )
    ),
) | st.sampled_from(tuple(REFUSED_REQUESTS.values()) + tuple(REFUSED_RESPONSES.values()))


def _told(read: Callable[[bytes, int, Blocks], Any], data: bytes, start: int, blocks: Blocks) -> Any:
    """What a head says, or why it may not be."""
    try:
        found = read(data, start, blocks)
    except MalformedFrame as error:
        return str(error)
    if found is None:
        return None
    # by name: a compiled class has no `__slots__`
    names = ("method", "target", "minor", "host", "end", "status", "reason", "framing", "length")
    return {"fields": found.block.fields} | {name: getattr(found, name, None) for name in names}


def _response(data: bytes, start: int, blocks: Blocks) -> Any:
    return read_response(data, start, b"GET", blocks)


class Requests(SynchronousTestCase):
    def test_fields(self) -> None:
        """A request's parts come as they were sent; names of fields in lower case, values without blanks around."""
        data = b"..POST /a?b=%20 HTTP/1.1\r\nHost: gw:8443\r\nX-One: \t1 2\t \r\nCONTENT-LENGTH: 12\r\n\r\nbody"
        read = read_request(data, 2, Blocks())
        assert read is not None
        self.assertEqual((read.method, read.target, read.minor), (b"POST", b"/a?b=%20", 1))
        fields = ((b"host", b"gw:8443"), (b"x-one", b"1 2"), (b"content-length", b"12"))
        self.assertEqual(read.block.fields, fields)
        self.assertEqual((read.block.framing, read.block.length, read.host), (LENGTH, 12, b"gw:8443"))
        self.assertEqual(data[read.end :], b"body")

    def test_connection(self) -> None:
        """What `Connection` names belongs to this hop alone."""
        data = b"GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: Close, X-Hop,,\r\nConnection: te\r\n\r\n"
        read = read_request(data, 0, Blocks())
        assert read is not None
        self.assertEqual((read.block.close, read.block.keep_alive), (True, False))
        self.assertEqual(read.block.hops, {b"x-hop", b"te"})

    def test_targets(self) -> None:
        """OPTIONS may ask about everything, CONNECT names host and port."""
        for line in (b"OPTIONS * HTTP/1.1", b"CONNECT a.example:443 HTTP/1.1", b"CONNECT [::1]:443 HTTP/1.1"):
            self.assertIsNotNone(read_request(line + b"\r\nHost: a\r\n\r\n", 0, Blocks()))

    def test_ambiguous_heads_are_refused(self) -> None:
        """Whatever two parsers could read differently is an error."""
        for name, data in REFUSED_REQUESTS.items():
            with self.assertRaises(MalformedFrame, msg=name):
                read_request(data, 0, Blocks())

    def test_known_fields_are_still_read(self) -> None:
        """Fields that were seen before give the same; many different ones do not pile up."""
        blocks = Blocks()
        for number in range(200):
            data = b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (number, number)
            for _ in range(2):
                read = read_request(data, 0, blocks)
                assert read is not None
                self.assertEqual(read.block.length, number)

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(HEADS, st.sampled_from((b"", b"ab")), st.sampled_from((b"", b"GET", b"\r\n"))), max_size=8)
    )
    def test_heads_behind_each_other(self, heads: list[tuple[bytes, bytes, bytes]]) -> None:
        """What was read before on a connection changes nothing about what a head means, or whether it may be."""
        blocks = Blocks()
        for head, before, behind in heads:
            data, start = before + head + behind, len(before)
            for read in (read_request, _response):
                self.assertEqual(_told(read, data, start, blocks), _told(read, data, start, Blocks()))

    def test_a_known_head_is_no_longer_than_another(self) -> None:
        """The bound of a head holds for fields that came before as well."""
        blocks = Blocks()
        for line, refused in ((b"HTTP/1.1 200 ", False), (b"HTTP/1.1 200 " + b"a" * MAX_HEAD, True)):
            data = line + b"\r\nContent-Length: 1\r\n\r\n"
            if refused:
                self.assertRaises(MalformedFrame, read_response, data, 0, b"GET", blocks)
            else:
                self.assertIsNotNone(read_response(data, 0, b"GET", blocks))

    @settings(deadline=None)
    @given(st.integers(0, len(GET) - 1))
    def test_any_cut(self, cut: int) -> None:
        """A head is read when its last byte is there, and not before."""
        self.assertIsNone(read_request(GET[:cut], 0, Blocks()))
        self.assertIsNotNone(read_request(GET, 0, Blocks()))

    @settings(deadline=None)
    @given(st.lists(st.sampled_from([*REFUSED_REQUESTS.values(), GET]) | st.binary(max_size=40), max_size=4))
    def test_junk_raises_only_wire_errors(self, pieces: list[bytes]) -> None:
        """No bytes make it raise anything else."""
        for first in (b"", b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n"):
            data = first + b"".join(pieces)
            with contextlib.suppress(WireError):
                read_request(data, 0, Blocks())
            with contextlib.suppress(WireError):
                read_response(data, 0, b"GET", Blocks())


class Responses(SynchronousTestCase):
    def framing(self, head: bytes, method: bytes = b"GET") -> tuple[int, int]:
        read = read_response(head + b"\r\n\r\n", 0, method, Blocks())
        assert read is not None
        return read.framing, read.length

    def test_where_the_body_ends(self) -> None:
        """RFC 9112, 6.3, in its order."""
        length = b"HTTP/1.1 200 OK\r\nContent-Length: 7"
        self.assertEqual(self.framing(length), (LENGTH, 7))
        self.assertEqual(self.framing(length, b"HEAD"), (NO_BODY, 0))
        self.assertEqual(self.framing(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7"), (NO_BODY, 0))
        self.assertEqual(self.framing(b"HTTP/1.1 204 No Content"), (NO_BODY, 0))
        self.assertEqual(self.framing(b"HTTP/1.1 100 Continue"), (NO_BODY, 0))
        self.assertEqual(self.framing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked"), (CHUNKED, 0))
        self.assertEqual(self.framing(b"HTTP/1.1 200"), (UNTIL_CLOSE, 0))
        self.assertEqual(self.framing(b"HTTP/1.1 200 OK", b"CONNECT"), (UNTIL_CLOSE, 0))

    def test_ambiguous_heads_are_refused(self) -> None:
        """A target's answer is read as strictly as a client's request."""
        for name, data in REFUSED_RESPONSES.items():
            with self.assertRaises(MalformedFrame, msg=name):
                read_response(data, 0, b"GET", Blocks())
