"""Recordings of HTTP sessions, read again: hoopgw.record.http, hoopgw.record.http_bodies, hoopgw.record.har"""

from __future__ import annotations

import base64
import gzip
import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.model.operation import Operation
from hoopgw.record.chunks import Entry
from hoopgw.record.entries import Kind, asked, completed
from hoopgw.record.happenings import Happening
from hoopgw.record.har import MAX_TEXT, har
from hoopgw.record.http import HttpDecoder
from hoopgw.record.replay import Replay
from hoopgw.record.telling import told
from hoopgw.wire import websocket as ws
from hoopgw.wire.websocket_messages import plain

GET = b"GET /a?b=1&c= HTTP/1.1\r\nHost: shop.internal\r\nCookie: (redacted)\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


def entry(kind: Kind, payload: bytes, time: int = 1_000_000_000, missing: int = 0) -> Entry:
    return Entry(kind, 1, time, payload, missing)


def operation(
    data: bytes, number: int = 1, kind: str = "request", decision: int = 0, time: int = 1_000_000_000
) -> Entry:
    payload = b"".join(asked((Operation("http", kind, b"", number=number),), [decision], [0], data))
    return entry(Kind.ASKED, payload, time)


def answer(data: bytes, time: int = 1_250_000_000) -> Entry:
    return entry(Kind.TO_CLIENT, data, time)


def happened(*entries: Entry) -> list[Happening]:
    decoder = HttpDecoder()
    return [each for one in entries for each in decoder.of(one)]


def read(*entries: Entry) -> list[tuple[str, dict[str, Any]]]:
    return [(each.what, each.fields) for each in happened(*entries)]


def archive(*entries: Entry, version: str = "HTTP/1.1") -> list[dict[str, Any]]:
    """`version` "": of a recording that does not say it."""
    replay = Replay()
    said = {"protocol": "http", "target": "shop", "session": "s_1"} | ({"http": version} if version else {})
    opening = entry(Kind.OPEN, json.dumps(said).encode())
    found = json.loads("\n".join(har(each for one in (opening, *entries) for each in replay.entry(one))))
    assert found["log"]["version"] == "1.2"
    exchanges: list[dict[str, Any]] = found["log"]["entries"]
    return exchanges


class Reading(SynchronousTestCase):
    def test_a_request_and_its_answer(self) -> None:
        """Operation, answer, content, and when it was done."""
        found = read(operation(GET), answer(OK))
        self.assertEqual([what for what, _ in found], ["operation", "answer", "content", "done"])
        asked, began, content, done = (fields for _, fields in found)
        self.assertEqual((asked["number"], asked["kind"], asked["text"]), (1, "request", "GET /a?b=1&c="))
        self.assertEqual(asked["headers"], [["Host", "shop.internal"], ["Cookie", "(redacted)"]])
        self.assertEqual((began["status"], began["message"], began["operation"]), (200, "OK", 1))
        self.assertEqual((content["direction"], content["data"]), ("to client", "hello"))
        self.assertEqual((done["bytes"], done["milliseconds"]), (5, 250))

    def test_bodies_without_their_chunks(self) -> None:
        """Both ways; what is no text is in base64; interim answers; answers that end with the connection."""
        post = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nab"
        found = read(
            operation(post),
            entry(Kind.TO_TARGET, b"\xff\xfecd"),
            answer(b"HTTP/1.1 103 Early Hints\r\n\r\n" + CHUNKED),
            operation(GET, 2),
            answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end"),
        )
        contents = [(fields["operation"], fields["data"]) for what, fields in found if what == "content"]
        expected = [(1, "ab"), (1, base64.b64encode(b"\xff\xfecd").decode()), (1, "abcde"), (2, "to the end")]
        self.assertEqual(contents, expected)
        statuses = [fields["status"] for what, fields in found if what == "answer"]
        self.assertEqual(statuses, [103, 200, 200])

    @given(st.lists(st.integers(0, 150), max_size=5))
    def test_any_cut_gives_the_same(self, cuts: list[int]) -> None:
        """Heads and chunks may be cut anywhere."""
        data = b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED
        edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        pieces = [data[a:b] for a, b in pairwise(edges)]
        found = read(operation(GET), *map(answer, pieces))
        self.assertEqual("".join(fields["data"] for what, fields in found if what == "content"), "abcde")
        self.assertEqual([what for what, _ in found if what != "content"], ["operation", "answer", "answer", "done"])

    def test_answers_that_are_alike(self) -> None:
        """Each has its own fields, and not those of the request before it."""
        post = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 2\r\n\r\nab"
        found = read(operation(GET), answer(OK), operation(post, 2), answer(OK), operation(GET, 3), answer(OK))
        self.assertEqual([what for what, _ in found].count("done"), 3)
        kinds = [dict(fields["headers"])["Content-Type"] for what, fields in found if what == "answer"]
        self.assertEqual(kinds, ["text/plain"] * 3)

    def test_what_is_kept_out_of_the_record(self) -> None:
        """A redacted request is what is told of it, and its answer can still be read."""
        found = read(operation(b"POST /x\r\n\r\n"), answer(OK))
        self.assertEqual((found[0][1]["text"], found[1][1]["status"]), ("POST /x", 200))

    def test_messages_of_a_websocket(self) -> None:
        """From the 101 on, in both directions, put together from their frames."""
        opening = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        first = plain(ws.Piece(ws.TEXT, b"he", first=True, last=False))
        rest = plain(ws.Piece(ws.TEXT, b"llo" * 100, first=False, last=True))
        found = read(
            operation(GET),
            answer(opening + first),
            answer(rest[:3]),
            answer(rest[3:]),
            operation(plain(ws.Piece(ws.BINARY, b"\xff")), 2, "message"),
        )
        messages = [(each["direction"], each["kind"], each["data"]) for what, each in found if what == "message"]
        self.assertEqual(messages, [("to client", "text", "he" + "llo" * 100), ("to target", "binary", "/w==")])

    def test_what_cannot_be_read_is_told(self) -> None:
        """Junk, and what is missing; what comes behind is read again."""
        found = read(answer(b"\r\nnothing of HTTP"), operation(GET), entry(Kind.TO_CLIENT, OK[:30], missing=7))
        self.assertEqual([what for what, _ in found], ["opaque", "operation", "opaque"])
        self.assertEqual(read(operation(GET), answer(OK))[-1][0], "done")

    @given(st.binary(max_size=100), st.sampled_from([Kind.ASKED, Kind.TO_CLIENT, Kind.TO_TARGET, Kind.VERDICT]))
    def test_junk_is_malformed_and_nothing_else(self, data: bytes, kind: Kind) -> None:
        """Whatever an entry holds, nothing but MalformedFrame is raised."""
        decoder = HttpDecoder()
        list(decoder.of(operation(GET)))
        try:
            for piece in (data, data):
                list(decoder.of(entry(kind, piece)))
        except MalformedFrame:
            return

    def test_what_comes_behind_an_answer(self) -> None:
        """The gateway's own word about what cannot be read is no answer to the request before it."""
        bad = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        found = read(operation(GET.replace(b"GET", b"HEAD")), answer(head), answer(bad))
        told = [(what, fields.get("operation")) for what, fields in found[1:]]
        self.assertEqual(told, [("answer", 1), ("done", 1), ("answer", None), ("content", None), ("done", None)])

    def test_told_on_a_terminal(self) -> None:
        """In a few words, of which the terminal obeys none."""
        bad = OK.replace(b"hello", b"\x1b[2J!")
        lines = "\n".join(told(happened(operation(GET), answer(bad)), 10))
        for words in ("request #1 allowed: GET /a?b=1&c=", "#1 200 OK", "content  <", "#1 5 bytes in 250 ms"):
            self.assertIn(words, lines)
        self.assertNotIn("\x1b", lines)


class Archive(SynchronousTestCase):
    def test_an_exchange(self) -> None:
        """What HAR 1.2 asks for, and what the gateway knows besides."""
        (found,) = archive(operation(GET), answer(OK), entry(Kind.COMPLETED, completed(1, 0, 3, "")))
        self.assertEqual(found["request"]["url"], "http://shop.internal/a?b=1&c=")
        self.assertEqual(found["request"]["queryString"], [{"name": "b", "value": "1"}, {"name": "c", "value": ""}])
        self.assertEqual(found["response"]["content"], {"size": 5, "mimeType": "text/plain", "text": "hello"})
        self.assertEqual((found["time"], found["timings"]["wait"], found["startedDateTime"][-1]), (250, 250, "Z"))
        self.assertEqual(found["_hoopgw"], {"operation": 1, "decision": "allowed", "guardrails": [], "masked": 3})
        for key in ("cookies", "headers", "headersSize", "bodySize", "httpVersion"):
            self.assertTrue(key in found["request"] and key in found["response"])

    def test_the_version(self) -> None:
        """Is what the client spoke; recordings from before it was noted say what they always said."""
        for version, shown in (("HTTP/2.0", "HTTP/2.0"), ("HTTP/1.0", "HTTP/1.0"), ("", "HTTP/1.1")):
            (found,) = archive(operation(GET), answer(OK), version=version)
            self.assertEqual([found[side]["httpVersion"] for side in ("request", "response")], [shown] * 2)

    def test_what_is_cut_says_so(self) -> None:
        """Where the answer's end never came, and why: the session's end says it, as developer tools have errors."""
        over = entry(Kind.CLOSE, b'{"reason": "session.killed: enough"}')
        whole = entry(Kind.COMPLETED, completed(1, 0, 0, ""))
        over_budget = entry(Kind.COMPLETED, completed(1, 0, 0, "over-budget: cut"))
        endless = answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end")
        opening = answer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        goodbye = answer(plain(ws.Piece(ws.CLOSE, b"")))
        killed, going = "session.killed: enough", "it was not over when this was exported"
        missing = "the recording does not have all of it, or it cannot be read"
        for entries, why in (
            ([answer(OK), over], None),
            ([answer(OK[:-1]), over], killed),
            ([answer(CHUNKED[:-3]), over], killed),
            ([answer(CHUNKED[:-3])], going),
            ([answer(b"HTTP/1.1 103 Early Hints\r\n\r\n"), over], killed),
            ([over], killed),
            ([endless, whole, over], None),
            ([endless, over], killed),
            ([endless, over_budget, over], killed),
            ([opening, goodbye, over], None),
            ([opening, whole, over], killed),
            ([entry(Kind.TO_CLIENT, OK[:-2], missing=2), over], missing),
        ):
            response = archive(operation(GET), *entries)[0]["response"]
            self.assertEqual((response.get("_error"), "comment" in response), (why, why is not None), entries)
        opened = answer(b"HTTP/1.1 200 Connection established\r\n\r\n")
        (tunnel,) = archive(operation(b"CONNECT a:1 HTTP/1.1\r\n", kind="tunnel"), opened, over)
        self.assertEqual((tunnel["response"]["status"], tunnel["response"].get("_error")), (200, None))
        self.assertEqual(tunnel["request"]["url"], "http://a:1")
        (old,) = archive(operation(GET), endless, over, version="")  # in which nobody can know
        self.assertNotIn("_error", old["response"])

    def test_the_scheme(self) -> None:
        """Is the target's."""
        opened = entry(Kind.NOTE, b'{"code": "session.opened", "target": "10.0.0.1:443", "scheme": "https"}')
        (found,) = archive(opened, operation(GET), answer(OK))
        self.assertEqual(found["request"]["url"], "https://shop.internal/a?b=1&c=")

    def test_as_it_was_sent(self) -> None:
        """What was left out or added when it was sent, and that it was sent again."""
        said = {"code": "request.sent", "operation": 1}
        signed = {**said, "left_out": ["cookie"], "added": ["host: other", "x-amz-date: 2026"]}
        again = {**said, "again": "closed"}
        notes = [entry(Kind.NOTE, json.dumps(each).encode()) for each in (signed, again)]
        (found,) = archive(operation(GET), *notes, answer(OK))
        headers = [(each["name"], each["value"]) for each in found["request"]["headers"]]
        self.assertEqual(headers, [("host", "other"), ("x-amz-date", "2026")])
        self.assertEqual(found["_hoopgw"]["again"], ["closed"])

    def test_several_in_order_and_refused_ones(self) -> None:
        """Each is one entry; the gateway's own answer is the response."""
        refused = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"
        first, second = archive(operation(GET), answer(CHUNKED), operation(GET, 2, decision=1), answer(refused))
        self.assertEqual((first["response"]["content"]["text"], second["response"]["status"]), ("abcde", 403))
        self.assertEqual(second["_hoopgw"]["decision"], "refused")

    def test_what_is_too_long_is_counted(self) -> None:
        """A body is never in memory beyond a bound."""
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_TEXT + 1)
        (found,) = archive(operation(GET), answer(head), answer(b"x" * (MAX_TEXT + 1)))
        content = found["response"]["content"]
        self.assertEqual((content["size"], "text" in content, "comment" in content), (MAX_TEXT + 1, False, True))

    def test_compressed_content_is_shown_as_it_reads(self) -> None:
        """As browsers' tools expect it; what cannot be read is shown as it came, what grows beyond the bound too."""
        for text, shown in (("hé" * 50, True), ("x" * (MAX_TEXT + 1), False)):
            data = gzip.compress(text.encode())
            head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(data)
            (found,) = archive(operation(GET), answer(head + data))
            content, plain = found["response"]["content"], len(text.encode())
            self.assertEqual("compression" in content, shown)
            self.assertEqual(found["response"]["bodySize"], len(data))
            if shown:
                self.assertEqual((content["text"], content["size"]), (text, plain))
                self.assertEqual(content["compression"], plain - len(data))
        (found,) = archive(operation(GET), answer(head.replace(b"gzip", b"odd") + data))
        self.assertEqual(base64.b64decode(found["response"]["content"]["text"]), data)

    def test_a_query_of_many_names(self) -> None:
        """Whatever a client asks for, its session can be exported."""
        (found,) = archive(operation(GET.replace(b"b=1&c=", b"&" * 15_000 + b"z=1")), answer(OK))
        self.assertEqual(found["request"]["queryString"], [{"name": "z", "value": "1"}])

    def test_an_empty_session(self) -> None:
        """Is an archive as well."""
        self.assertEqual(archive(), [])
