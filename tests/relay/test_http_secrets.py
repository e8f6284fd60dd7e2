"""hoopgw.relay.http_secrets, and what the record has of requests with secret fields"""

from __future__ import annotations

import gzip
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.chunks import Entry
from hoopgw.record.entries import Kind, asked
from hoopgw.record.http import HttpDecoder
from hoopgw.wire.secretnames import secret_names
from hoopgw.wire.websocket_handshake import accept
from tests.relay.test_http import OK, TOKEN, Course

NAMES = secret_names()
JSON = b"application/json"
HUSH = b"hush-hush"


def post(body: bytes, kind: bytes = JSON, *more: bytes, chunked: int = 0, line: bytes = b"POST /shop/a") -> bytes:
    lines = [b"Content-Type: " + kind] if kind else []
    if chunked:
        pieces = [body[here : here + chunked] for here in range(0, len(body), chunked)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        lines += [b"Transfer-Encoding: chunked"]
    else:
        lines += [b"Content-Length: %d" % len(body)]
    head = b"".join(each + b"\r\n" for each in (*lines, *more))
    return line + b" HTTP/1.1\r\nHost: gw\r\n" + TOKEN + head + b"\r\n" + body


class Secrets(SynchronousTestCase):
    def sent(self, *reads: bytes, **scope: Any) -> Course:
        """The target has the bytes that its client sent; the record has none of what is secret."""
        course = Course(named=NAMES, **scope)
        for data in reads:
            course.send(data)
        whole = b"".join(reads)
        sent = course.target[0].partition(b"\r\n\r\n")[2]
        self.assertEqual(sent, whole.partition(b"\r\n\r\n")[2])
        record = b"".join(course.journal)
        self.assertNotIn(HUSH, record)
        course.reply(OK)
        return course

    def content(self, course: Course) -> bytes:
        """Of the request, as a replay shows it."""
        decoder = HttpDecoder()
        head, data = asked(tuple(course.asked), [0], [0], course.journal[0])
        entries = [(Kind.ASKED, head + data), *((Kind.TO_TARGET, each) for each in course.journal[1:-1] if each)]
        found = b""
        for number, (kind, payload) in enumerate(entries):
            for each in decoder.of(Entry(kind, number, 0, payload)):
                if each.what == "content":
                    self.assertNotIn("base64", each.fields)
                    found += each.fields["data"].encode()
        return found

    def test_bodies(self) -> None:
        """JSON, forms, forms of parts; whole, in pieces, in chunks."""
        part = b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n%s\r\n--b--\r\n'
        file = b'; name="x"; filename="x.xml"\r\nContent-Type: text/xml\r\n\r\n<token>%s</token>\r\n--b--\r\n'
        xml = b"--b\r\nContent-Disposition: form-data" + file
        for kind, body in (
            (JSON, b'{"user": "ada", "password": "%s"}'),
            (b"application/vnd.api+json; charset=UTF-8", b'{"data": {"apiKey": "%s"}}'),
            (b"", b'{"token": "%s"}'),
            (b"", b"user=ada&password=%s"),
            (b"application/yaml", b"user: ada\npassword: %s\nz: 1\n"),
            (b"application/yaml", b"- name: a\n  value: b\n- name: DB_PASSWORD\n  value: %s\n"),
            (JSON, b'{"env": [{"name": "DB_PASSWORD", "value": "%s"}, {"name": "A", "value": "b"}]}'),
            (b"application/json-patch+json", b'[{"op": "add", "path": "/password", "value": "%s"}]'),
            (b"application/soap+xml", b"<s:Body><w:Password>%s</w:Password><w:User>ada</w:User></s:Body>"),
            (b"text/xml", b'<?xml version="1.0"?><login password="%s" user="ada"/>'),
            (b"", b"<login><token>%s</token></login>"),
            (b"application/octet-stream", b"<login><token>%s</token></login>"),
            (b"text/plain", b'{"token": "%s"}'),
            (b"text/plain", b"user: ada\ntoken: %s\nz: 1\n"),
            (b"text/plain; charset=utf-8", b"<login><token>%s</token></login>"),
            (b"application/yaml", b"<<: *a\ntoken: %s\n"),
            (b'multipart/form-data; boundary="b"', xml),
            (b"application/x-www-form-urlencoded", b'{"token": "%s"}'),
            (b"application/x-www-form-urlencoded", b"<login><token>%s</token></login>"),
            (b"application/x-www-form-urlencoded", b"user: ada\ntoken: %s\n"),
            (b"application/x-www-form-urlencoded", b"user=ada&password=%s&z=1"),
            (b'multipart/form-data; boundary="b"', part),
            (b"application/graphql+json", b'{"query": "mutation { set(key: \\"token\\", value: \\"%s\\") }"}'),
            (JSON, b'{"argv": ["mysql", "--password", "%s", "-u", "ada"]}'),
            (JSON, b'{"args": ["--password=%s"], "url": "http://x/?a=b"}'),
            (b"text/plain", b"A=b\npassword=%s\nB=c\n"),
            (b"application/x-sh", b"#!/bin/sh\nPASSWORD=%s\nB=c\n"),
            (b"text/x-python; charset=utf-8", b"a: 1\npassword = '%s'\n"),
            (b"application/graphql+json", b'{"query": "{ login(token: \\"%s\\") }"}'),
            (JSON, b'{"message": "failed: password=%s"}'),
            (b"application/yaml", b"run: mysql --password=%s\n"),
        ):
            body, shown = body % HUSH, body % (b"*" * len(HUSH))
            for size in (0, 1, 7, 1000):
                course = self.sent(post(body, kind, chunked=size))
                self.assertEqual(self.content(course), shown, (kind, size))
            data = post(body, kind)
            for cut in range(len(data) - len(body), len(data)):
                course = self.sent(data[:cut], data[cut:])
                self.assertEqual(len(self.content(course)), len(shown))
            self.assertEqual(course.relay.coverage()["starred"], 1)

    def test_two_bytes_of_each_character(self) -> None:
        """Known where the first comes by itself, too."""
        data = post((b'{"token": "%s"}' % HUSH).decode().encode("utf-16-le"), JSON, chunked=1)
        course = self.sent(data)
        self.assertNotIn(HUSH.decode().encode("utf-16-le"), self.content(course))

    def test_what_cannot_be_looked_through(self) -> None:
        """Of what may have secret fields there is the length; the coverage says so."""
        body = b'{"token": "%s"}' % HUSH
        for data, size in (
            (post(gzip.compress(body), JSON, b"Content-Encoding: gzip"), len(gzip.compress(body))),
            (post(body.decode().encode("utf-16"), JSON), 2 * len(body) + 2),
            (post(body.decode().encode("utf-16-le"), b"text/plain"), 2 * len(body)),
            (post(body, b"application/json; charset=utf-7"), len(body)),
            (post(body, b"multipart/form-data"), len(body)),
            (post(b"\xa1\x65token\x69hush-hush", b"application/cbor"), 17),
            (post(b'token = "hush-hush"', b"application/toml"), 19),
            (post(b"\x81\xa5token\xa9hush-hush", b"application/vnd.msgpack"), 17),
            (post(b"\xa1\x65token\x69hush-hush", b"application/x-amz-cbor-1.1"), 17),
        ):
            course = self.sent(data)
            self.assertEqual(self.content(course), b"*" * size)
            self.assertEqual(course.relay.coverage()["opaque"], ["the content of 1 requests, but for its length"])

    def test_what_is_withheld_from_a_name_on(self) -> None:
        """Tables; what is packed and has a secret name in it, whatever its type; pairs and XML in forms."""
        table = b'--b\r\nContent-Disposition: form-data; name="f"; filename="u.csv"\r\nContent-Type: text/csv\r\n\r\n'
        for kind, body in (
            (b"text/csv", b"user,password\nada,hush-hush\n"),
            (b"text/tab-separated-values; charset=utf-8", b"token\thush-hush\n"),
            (b"multipart/form-data; boundary=b", table + b"user,password\r\nada,hush-hush\r\n--b--\r\n"),
            (b"application/octet-stream", b"\x81\xa5token\xa9hush-hush"),
            (b"application/octet-stream", b"\xa1\x65token\x69hush-hush"),
            (b"", b"\x82\xa1a\x01\xa5token\xa9hush-hush"),
            (b"application/x-www-form-urlencoded", b"name=password&value=hush-hush"),
            (b"application/x-www-form-urlencoded", b"x=%3Ca%3E%3Ctoken%3Ehush-hush%3C/token%3E%3C/a%3E"),
            (b"application/x-www-form-urlencoded", b"value=hush-hush&name=password"),
            (b"application/x-www-form-urlencoded", b"p=%7B%22value%22%3A%22hush-hush%22%2C%22name%22%3A%22token%22%7D"),
        ):
            for size in (0, 1, 7):
                course = self.sent(post(body, kind, chunked=size))
                self.assertEqual(len(self.content(course)), len(body))
            data = post(body, kind)
            for cut in range(len(data) - len(body), len(data)):
                self.sent(data[:cut], data[cut:])
            self.assertEqual(course.relay.coverage()["starred"], 1)

    def test_tables_by_their_first_line(self) -> None:
        """Under whatever type text is sent: curl calls all of it a form."""
        for kind, body in (
            (b"application/x-www-form-urlencoded", b"user,password\nada,hush-hush\n"),
            (b"text/plain", b'"user";"password"\r\n"ada";"hush-hush"\r\n'),
            (b"", b"password\tuser\nhush-hush\tada\n"),
        ):
            for size in (0, 1000):
                course = self.sent(post(body, kind, chunked=size))
                self.assertEqual(course.relay.coverage()["starred"], 1)
            data = post(body, kind)
            for cut in range(len(data) - len(body), len(data)):
                course = self.sent(data[:cut], data[cut:])
                self.assertEqual(len(self.content(course)), len(body))
            self.sent(post(body, kind, chunked=1))
        course = Course(named=NAMES)
        course.send(post(b"user,city\nada,london\n", b"text/plain"))
        self.assertTrue(course.journal[0].endswith(b"ada,london\n"))

    def test_what_has_no_fields(self) -> None:
        """By its type: it is recorded as it came, unless it begins as JSON does: many servers ask for no type."""
        for kind in (b"application/octet-stream", b"image/png", b"application/x-git-upload-pack-request"):
            for size in (0, 1):
                self.sent(post(b'\xef\xbb\xbf \n[{"token": "%s"}]' % HUSH, kind, chunked=size))
            course = Course(named=NAMES)
            course.send(post(b'PACK{"token": "x"}', kind, b"Content-Encoding: gzip"))
            self.assertTrue(course.journal[0].endswith(b'\r\n\r\nPACK{"token": "x"}'))
            self.assertEqual(course.relay.coverage(), {"exact": ["requests", "answers"], "inferred": [], "opaque": []})

    def test_heads(self) -> None:
        """Queries, parameters of paths, fields by name, and queries of addresses in fields."""
        line = b"GET /shop/a;jsessionid=hush-hush?b=1&access_token=hush-hush"
        fields = b"X-Vault-Token: hush-hush", b"Referer: https://x/?token=hush-hush", b"X-Plain: y"
        course = self.sent(post(b"", b"", *fields, line=line))
        stars = b"*" * len(HUSH)
        for shown in (
            b"GET /a;jsessionid=%s?b=1&access_token=%s HTTP/1.1\r\n" % (stars, stars),
            b"X-Vault-Token: (redacted)\r\nReferer: https://x/?token=%s\r\nX-Plain: y\r\n" % stars,
        ):
            self.assertIn(shown, course.journal[0])
        self.assertIn(b"GET /a;jsessionid=hush-hush?b=1&access_token=hush-hush HTTP/1.1\r\n", course.target[0])
        for line in (b"GET /shop/a?b=1", b"GET /shop/a?token=hush-hush", b"GET /shop/a?b=1"):
            course.send(post(b"", b"", line=line))
            course.reply(OK)
        record = b"".join(course.journal)
        self.assertNotIn(HUSH, record)
        self.assertEqual((record.count(b"GET /a?token=" + stars), record.count(b"GET /a?b=1 HTTP")), (1, 2))
        self.assertEqual(course.relay.coverage()["starred"], 2)
        course.send(post(b"", b"", line=b"GET /shop/a?token=hush-hush"))
        self.assertEqual(course.relay.coverage()["starred"], 3)

    def test_protocols_of_a_websocket(self) -> None:
        """Where scripts in browsers put tokens: the target and a hold have them, the record has stars."""
        for offered, shown in (
            (b"bearer, hush-hush", b"bearer, *********"),
            (b"access_token,hush-hush , v1", b"access_token,********* , v1"),
            (b"v4.channel.k8s.io, base64url.bearer.hush-hush", b"v4.channel.k8s.io, base64url.bearer.*********"),
            (b"graphql-transport-ws", b"graphql-transport-ws"),
        ):
            course = Course(named=NAMES)
            fields = b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13"
            key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
            lines = b"\r\n".join((*fields, key, b"Sec-WebSocket-Protocol: " + offered))
            course.send(b"GET /shop/a HTTP/1.1\r\nHost: gw\r\n" + TOKEN + lines + b"\r\n\r\n")
            request = course.asked[0].request
            assert request is not None
            self.assertNotIn(HUSH, course.journal[0] + request.shown)
            self.assertIn(b"Sec-WebSocket-Protocol: " + shown, request.shown)
            self.assertEqual((HUSH in course.target[0], request.hides), (HUSH in offered, HUSH in offered))
            asked = dict(line.split(b": ", 1) for line in course.target[0].split(b"\r\n")[1:-2])
            proof = accept(asked[b"sec-websocket-key"].decode()).encode()
            chosen = next(each for each in offered.split(b",") if HUSH in each or b"ws" in each).strip()
            head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            head += b"Sec-WebSocket-Accept: " + proof + b"\r\nSec-WebSocket-Protocol: " + chosen
            course.reply(head + b"\r\n\r\n")
            self.assertIn(chosen, course.client)
            self.assertNotIn(HUSH, b"".join(course.journal))
            self.assertIn(b" 101 ", b"".join(course.journal[1:]))

    def test_what_is_shown_of_a_request(self) -> None:
        """To approvers: no more than to the record; its digest is to be keyed."""
        body = b'{"token": "hush-hush", "a": 1}'
        for size in (0, 5):
            course = self.sent(post(body, chunked=size, line=b"POST /shop/a?sig=hush-hush"), needs=lambda request: 1000)
            request = course.asked[0].request
            assert request is not None
            self.assertEqual((request.body, request.target), (body, b"/a?sig=hush-hush"))
            self.assertEqual((request.line, request.content), (b"POST /a?sig=*********", body.replace(HUSH, b"*" * 9)))
            self.assertTrue(request.hides)
        for data, hides in ((post(b'{"a": 1}'), False), (post(b"{}", JSON, b"Cookie: a=hush-hush"), True)):
            asked = self.sent(data, needs=lambda request: 1000).asked[0].request
            assert asked is not None
            self.assertEqual((asked.hides, asked.line, asked.content), (hides, b"", None))
        for data, kind in ((gzip.compress(body), JSON), (b"\xa1\x65token\x69hush-hush", b"application/cbor")):
            more = (b"Content-Encoding: gzip",) if kind == JSON else ()
            asked = self.sent(post(data, kind, *more), needs=lambda request: 1000).asked[0].request
            assert asked is not None
            self.assertEqual((asked.body, asked.hides, asked.content), (data, True, b"*" * len(data)))

    def test_the_next_request_of_a_connection(self) -> None:
        """It is looked through by itself, and what was left out adds up."""
        course = Course(named=NAMES)
        for number in range(1, 4):
            course.send(post(b'{"token": "hush-hush"}') + post(b'{"a": "plain"}'))
            course.reply(OK)
            course.reply(OK)
            self.assertEqual(course.relay.coverage()["starred"], number)
        self.assertNotIn(HUSH, b"".join(course.journal))
        self.assertEqual(b"".join(course.journal).count(b'{"a": "plain"}'), 3)

    def test_no_names(self) -> None:
        """Where there are none, all is recorded."""
        course = Course()
        course.send(post(b'{"token": "x"}', line=b"POST /shop/a?token=y"))
        self.assertTrue(course.journal[0].startswith(b"POST /a?token=y ") and course.journal[0].endswith(b'"x"}'))
        course = Course()
        course.send(post(b"", b"", line=b"GET /shop/a?u=ftp://ann:x@h"))
        self.assertTrue(course.journal[0].startswith(b"GET /a?u=ftp://ann:x@h "))
