"""hoopgw.relay.http_masks and hoopgw.relay.http_masked_body"""

from __future__ import annotations

import gzip
from typing import Any

import brotli
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import Answer
from hoopgw.model.errors import Unmaskable
from hoopgw.policy.http_json import pointer
from hoopgw.policy.http_masks import HttpMask
from hoopgw.relay.http_masked_body import WITHHELD
from hoopgw.relay.http_masks import HttpMaskBuilder, HttpMasks
from hoopgw.relay.postgres_masks import MaskBuilder
from tests.relay.test_http import GET, Course

BUILDER = HttpMaskBuilder(MaskBuilder(b"key"))
NAMED = HttpMask(json=(pointer("ssn"), pointer("/user/name")))
FOUND = HttpMask(patterns=frozenset(("email",)))


def fields(kind: str = "application/json", **others: str) -> tuple[tuple[bytes, bytes], ...]:
    named = {"content_type": kind, **others}
    return tuple((name.replace("_", "-").encode(), value.encode()) for name, value in named.items() if value)


def shown(masks: HttpMasks, body: bytes, *args: Any, status: int = 200, **others: str) -> tuple[Any, bytes]:
    """Fields and body, fed byte by byte."""
    found = masks.response(status, fields(*args, **others))
    if found is None:
        return None, body
    out = b"".join(found.feed(body[n : n + 1]) for n in range(len(body))) + found.finish()
    return dict(found.fields), out


class Responses(SynchronousTestCase):
    named = BUILDER.build((NAMED,))
    found = BUILDER.build((FOUND,))
    both = BUILDER.build((NAMED, FOUND))

    def test_json_is_masked_and_what_no_longer_fits_is_left_out(self) -> None:
        """Length, digests, entity tags, ranges."""
        head, body = shown(
            self.both,
            b'{"ssn":"123","user":{"name":"Ann","mail":"a@example.com"},"name":"x"}',
            content_length="69",
            etag='"abc"',
            accept_ranges="bytes",
            content_digest="sha-256=:AAAA:",
            x_other="kept",
        )
        self.assertEqual(body, b'{"ssn":"***","user":{"name":"***","mail":"*************"},"name":"x"}')
        self.assertEqual(head, {b"content-type": b"application/json", b"x-other": b"kept"})

    def test_compressed_bodies_are_masked(self) -> None:
        """And go on without their coding."""
        text, masked = b'{"ssn":"123"}', b'{"ssn":"***"}'
        for coding, data in (
            ("gzip", gzip.compress(text)),
            ("br", brotli.compress(text)),
            ("Identity", text),
            ("none", text),
        ):
            head, body = shown(self.named, data, content_encoding=coding)
            self.assertEqual((head, body), ({b"content-type": b"application/json"}, masked))

    def test_every_kind_of_json(self) -> None:
        """By type, whatever its parameters; NDJSON; events; JSON as text or without a type."""
        for kind in (
            "application/json; charset=utf-8", "Application/Problem+JSON", "application/x-ndjson", "text/json",
            "application/json-seq", "text/plain", "", "application/x-amz-json-1.0", "application/vnd.x.json.v2",
        ):  # fmt: skip
            self.assertEqual(shown(self.named, b' {"ssn":"123"}\n', kind)[1], b' {"ssn":"***"}\n', kind)
        stream = b'event: x\ndata: {"ssn":\ndata: "123"}\n\ndata: [DONE]\n\n'
        masked = b'event: x\ndata: {"ssn":\ndata: "***"}\n\ndata: [DONE]\n\n'
        self.assertEqual(shown(self.named, stream, "text/event-stream")[1], masked)

    def test_what_cannot_be_read_is_refused_where_members_are_named(self) -> None:
        """A client could ask for another format of the same data."""
        for kind in ("text/csv", "application/xml", "text/html", "application/msgpack", "application/javascript"):
            self.assertRaises(Unmaskable, self.named.response, 200, fields(kind))
        for others in (
            {"content_encoding": "compress"},
            {"kind": "application/json; charset=utf-16"},
            {"kind": "application/json; charset=utf-8; charset=utf-16"},
        ):
            self.assertRaises(Unmaskable, self.named.response, 200, fields(**others))
        self.assertRaises(Unmaskable, self.named.response, 206, fields())
        self.assertRaises(Unmaskable, self.named.response, 200, (*fields(), *fields("text/html")))
        self.assertRaises(Unmaskable, shown, self.named, b"ssn=123", "text/plain")
        self.assertRaises(Unmaskable, shown, self.named, b"data: ssn=123\n\n", "text/event-stream")

    def test_what_holds_no_data_is_passed(self) -> None:
        """Images and their like; no body at all."""
        for kind, body in (("image/png", b"\x89PNG"), ("font/woff2", b"wOF2" * 99), ("text/css", b"[title] { x: y }")):
            head, passed = shown(self.named, body, kind, etag="x")
            self.assertEqual((head[b"etag"], passed), (b"x", body), kind)
            self.assertIsNone(self.found.response(200, fields(kind)))
        self.assertIsNone(self.named.response(204, fields("text/html")))
        empty = self.named.response(201, fields("text/html", content_length="0"))
        self.assertIsNone(empty)
        self.assertRaises(Unmaskable, self.named.response, 200, fields("image/svg+xml"))

    def test_a_type_that_the_client_chose_hides_no_data(self) -> None:
        """S3 says of an object what `response-content-type` asks for; of several types browsers take the last."""
        for kind in ("image/png", "text/css", "audio/ogg"):
            for body in (b'{"ssn":"123"}', b' [{"ssn":"123"}]', b'\xef\xbb\xbf{ "ssn":"123"}', b"{}" * 99):
                self.assertRaises(Unmaskable, shown, self.named, body, kind)
                self.assertRaises(Unmaskable, shown, self.named, gzip.compress(body), kind, content_encoding="gzip")
        self.assertRaises(Unmaskable, self.named.response, 200, fields("image/png, application/json"))
        self.assertIsNotNone(self.named.response(200, fields('application/json; a="b,c"')))

    def test_what_is_said_of_a_body_that_does_not_come(self) -> None:
        """An answer to HEAD, a 304: an entity tag can be a digest of what is masked; and it would not be compressed."""
        for status, length in ((200, "0"), (304, "")):
            told = {"content_length": length, "etag": "x", "digest": "y", "x_other": "z", "content_encoding": "gzip"}
            head, _ = shown(self.named, b"", status=status, **told)
            self.assertEqual(head, {b"content-type": b"application/json", b"x-other": b"z"})
            kept = self.named.response(status, fields("image/png", content_length=length, etag="x"))
            self.assertIsNone(kept)

    def test_digests_by_other_names(self) -> None:
        """Services have fields of their own for them; what only sounds like one is kept."""
        told = ("x_amz_checksum_sha256", "x_goog_hash", "docker_content_digest", "x_checksum_md5", "x_ms_content_crc64")
        told += ("x_sha1", "x_object_etag", "signature", "signature_input", "content_range", "oc_checksum")
        head, _ = shown(
            self.named, b'{"ssn":"1"}', **dict.fromkeys(told, "x"), x_hashtags="a", x_shape="b", x_metag="c"
        )
        self.assertEqual(set(head), {b"content-type", b"x-hashtags", b"x-shape", b"x-metag"})

    def test_trailers(self) -> None:
        """As the fields before the body."""
        found = self.both.trailers(((b"grpc-message", b"no a@example.com"), (b"digest", b"x"), (b"grpc-status", b"5")))
        self.assertEqual(found, ((b"grpc-message", b"no *************"), (b"grpc-status", b"5")))

    def test_an_error_page_that_cannot_be_read_keeps_its_status(self) -> None:
        """Only its body is withheld."""
        head, body = shown(self.named, b"<h1>No user 123-45-6789</h1>", "text/html", status=404, etag="x")
        self.assertEqual((head[b"content-type"], body), (b"text/plain", WITHHELD))
        self.assertEqual(shown(self.named, b'{"ssn":"123"}', status=500)[1], b'{"ssn":"***"}')
        for others in ({"kind": "text/html"}, {"content_encoding": "compress"}, {"kind": "text/html", "etag": "x"}):
            self.assertEqual(shown(self.named, b"x", status=400, **others)[1], WITHHELD)
            self.assertRaises(Unmaskable, self.named.response, 399, fields(**others))

    def test_patterns_are_found_in_text_and_pass_the_rest(self) -> None:
        """As in every protocol, they only mask."""
        self.assertEqual(shown(self.found, b"<p>a@example.com</p>", "text/html")[1], b"<p>*************</p>")
        for kind in ("text/csv", "multipart/mixed; boundary=b", "message/http"):
            self.assertEqual(shown(self.found, b"a,a@example.com\n", kind)[1], b"a,*************\n")
        self.assertEqual(
            shown(self.found, b"data: a@example.com\n\n", "text/event-stream")[1], b"data: *************\n\n"
        )
        self.assertEqual(shown(self.found, b"%PDF a@example.com", "application/pdf")[1], b"%PDF a@example.com")
        broken = b'{"a": "a@example.com", b', b'{"a": "*************", b'
        self.assertEqual(shown(self.found, broken[0], "text/plain")[1], broken[1])

    def test_patterns_are_found_in_text_whose_type_says_nothing(self) -> None:
        """A download, or whatever a client asks for: by how it begins."""
        for kind in ("application/octet-stream", "application/force-download", "x/y"):
            for more in (b"", b"b" * 100 + b"\n"):
                self.assertEqual(shown(self.found, b"a,a@example.com\n" + more, kind)[1], b"a,*************\n" + more)
            self.assertEqual(shown(self.found, b'{"a":"a@example.com"}', kind)[1], b'{"a":"*************"}')
            for begin in (b"\x7fELF", b"\0\1", b"\x89PNG", b"\x1f\x8b\x08", b"PK\3\4", b"!<arch>\n\xff", b""):
                self.assertEqual(shown(self.found, begin + b"\0 a@example.com", kind)[1], begin + b"\0 a@example.com")
        data = b"0008NAK\nPACK a@example.com"
        self.assertEqual(shown(self.found, data, "application/x-git-upload-pack-result"), (None, data))
        masks = BUILDER.build((HttpMask(json=(pointer("ssn"),), passes=True),))
        self.assertEqual(shown(masks, b'{"ssn":"1"}', "application/octet-stream")[1], b'{"ssn":"*"}')
        self.assertEqual(shown(masks, b"ssn: 1", "application/octet-stream")[1], b"ssn: 1")

    def test_a_rule_may_let_pass_what_is_not_json(self) -> None:
        """Then what begins as JSON is still masked."""
        masks = BUILDER.build((HttpMask(json=(pointer("ssn"),), passes=True),))
        self.assertEqual(shown(masks, b"<p>", "text/html"), ({b"content-type": b"text/html"}, b"<p>"))
        for text in (b"hello", b"h", b"[", b" {", b"", b"[x]"):
            self.assertEqual(shown(masks, text, "text/plain")[1], text)
        self.assertEqual(shown(masks, b'{"ssn":"1"}', "text/plain")[1], b'{"ssn":"*"}')

    def test_blanks_without_end(self) -> None:
        """Some servers send them until they have an answer: JSON behind them is masked, or refused."""
        passes = BUILDER.build((HttpMask(json=(pointer("ssn"),), passes=True),))
        for blanks in (b" " * 4095, b"\n" * 5000):
            for begin in (b"", b"{", b"["):
                body, kept = b'{"ssn":"123"}' if begin != b"[" else b'{"ssn":"123"}]', begin + blanks
                body = kept + body if begin != b"{" else kept + body[1:]
                for kind in ("text/plain", ""):
                    self.assertEqual(shown(passes, body, kind)[1], body.replace(b"123", b"***"), begin)
                self.assertRaises(Unmaskable, shown, self.named, body, "image/png")
            self.assertEqual(shown(passes, blanks, "text/plain")[1], blanks)
            self.assertEqual(shown(self.named, blanks[:4000] + b"\x89PNG" * 99, "image/png")[1][-4:], b"\x89PNG")

    def test_what_is_cut(self) -> None:
        """A compressed body without its end was not all looked at; a character may be cut by what is looked at."""
        body = b'{"ssn":"123"}'
        self.assertRaises(Unmaskable, shown, self.named, gzip.compress(body)[:-3], content_encoding="gzip")
        for size in range(55, 70):
            text = b"x" * size + "\U0001f600 ".encode()
            self.assertEqual(shown(self.found, text + b"a@example.com\n", "x/y")[1], text + b"*************\n")
        self.assertEqual(shown(self.found, b"caf\xe9" * 30 + b" a@example.com", "x/y")[1][-13:], b"a@example.com")

    def test_what_is_told_by_its_begin_goes_on_as_it_comes(self) -> None:
        """No more of it is kept back than says what it is."""
        passes = BUILDER.build((HttpMask(json=(pointer("ssn"),), passes=True),))
        for masks, kind, body in (
            (self.named, "image/png", b"\x89PNG" + bytes(60)),
            (self.found, "x/y", b"\x7fELF"),
            (self.found, "x/y", b"text\n" * 13),
            (passes, "text/plain", b"te"),
            (passes, "text/plain", b'{"a":"b",'),
            (passes, "text/plain", b"[x"),
        ):
            found = masks.response(200, fields(kind))
            assert found is not None
            self.assertEqual((len(found.feed(body)) > 0, found.masked), (True, 0), (kind, body))
        found = self.named.response(200, fields("image/png"))
        assert found is not None
        self.assertEqual((found.feed(b"\x89PNG" + bytes(59)), found.finish()), (b"", b"\x89PNG" + bytes(59)))

    def test_fields_are_masked(self) -> None:
        """By name, and by pattern but for those that frame and date."""
        masks = BUILDER.build((HttpMask(headers=("x-user-*",), show="last4"), FOUND))
        head, _ = shown(masks, b"x", "image/png", x_user_name="Annabelle", x_note="by a@example.com", vary="a@b.com")
        self.assertEqual(head[b"x-user-name"], b"*****elle")
        self.assertEqual((head[b"x-note"], head[b"vary"]), (b"by *************", b"a@b.com"))

    def test_fields_alone(self) -> None:
        """The body goes on as it is, and so does an answer without them; a change of protocol has fields as well."""
        masks = BUILDER.build((HttpMask(headers=("x-user",)),))
        for status in (101, 200, 204, 404):
            self.assertIsNone(masks.response(status, fields("text/html", etag="x")))
            found = masks.response(status, fields("text/html", etag="x", x_user="ann"))
            assert found is not None
            self.assertEqual(found.fields, fields("text/html", etag="x", x_user="***"))
            self.assertEqual((found.feed(b"a"), found.finish(), found.masked), (b"a", b"", 0))
        both = masks & self.named
        assert isinstance(both, HttpMasks)
        self.assertIsNone(both.response(101, fields("text/html")))
        self.assertEqual(shown(both, b"", "", status=101, x_user="ann")[0], {b"x-user": b"***"})

    def test_what_is_said_of_a_body_that_is_passed(self) -> None:
        for status, kind in (
            (304, "application/pdf"),
            (200, "application/pdf"),
            (304, "image/png"),
            (204, "image/png"),
        ):
            self.assertIsNone(self.found.response(status, fields(kind, etag="x")))

    def test_messages_of_a_websocket(self) -> None:
        """As the data of an event."""
        self.assertEqual(self.named.message(b'{"ssn":"123"}'), b'{"ssn":"***"}')
        self.assertRaises(Unmaskable, self.named.message, b"ssn=123")
        self.assertEqual(self.found.message(b"mail a@example.com"), b"mail *************")
        self.assertEqual(self.found.message(b'["a\\u0040example.com"]'), b'["*************"]')

    def test_sets_of_masks_are_put_together(self) -> None:
        """Both hold."""
        self.assertEqual(
            shown(self.named & self.found, b'{"ssn":"1","m":"a@example.com"}')[1], b'{"ssn":"*","m":"*************"}'
        )


class ThroughTheRelay(SynchronousTestCase):
    def test_an_answer_without_a_body_stays_framed(self) -> None:
        """Its length is said, though it could not have been read."""
        masks = BUILDER.build((HttpMask(json=(pointer("ssn"),), headers=("x-user",)),))
        for head in (b"Content-Type: text/plain\r\n", b"X-User: ann\r\n", b""):
            course = Course(Answer(bodies=masks))
            course.send(GET)
            course.reply(b"HTTP/1.1 201 Created\r\n" + head + b"Content-Length: 0\r\n\r\n")
            self.assertRegex(course.client, rb"^HTTP/1.1 201 [^\0]*(Content-Length: 0|Transfer-Encoding: chunked)\r\n")
            self.assertNotIn(b"ann", course.client)
            self.assertTrue(course.relay.idle)

    def test_hints_before_a_masked_answer_are_left_out(self) -> None:
        """Their fields come past every mask."""
        course = Course(Answer(bodies=BUILDER.build((FOUND,))))
        course.send(GET)
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a@example.com>; rel=preload\r\n\r\n"
        course.reply(hint + b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
        self.assertNotIn(b"example", course.client)
        self.assertTrue(course.client.startswith(b"HTTP/1.1 200 "), course.client)
