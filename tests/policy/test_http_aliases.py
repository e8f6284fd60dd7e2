"""hoopgw.policy.http_aliases"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.http import HttpRequest
from hoopgw.policy.http_aliases import MAX_BODY, renamed, wanted
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_json import pointer

JSON, FORM = b"application/json", b"application/x-www-form-urlencoded"
MASKED = (pointer("ssn"), pointer("*_token"), pointer("/data/user/email"))
ALIAS = "{ user { x: ssn } }"


def facts(body: bytes | None, kind: bytes = JSON, target: bytes = b"/graphql", **more: Any) -> HttpFacts:
    fields = ((b"content-type", kind),) if kind else ()
    method = more.pop("method", b"POST")
    size = more.pop("size", len(body or b""))
    fields += more.pop("fields", ())
    return HttpFacts(HttpRequest(method, target, b"x", fields, body, size), **more)


def asked(text: str, **more: Any) -> HttpFacts:
    return facts(json.dumps({"query": text}).encode(), **more)


class Renamed(SynchronousTestCase):
    def test_an_alias_of_what_is_masked(self) -> None:
        """Wherever it stands, and whatever letters it has; of the way to it as well."""
        for text in (
            ALIAS,
            "{ user { ssn x: ssn } }",
            "query($a: Int) { user(id: $a) { ...F } } fragment F on User { x: SSN }",
            "{ user { ... on User { x: refresh_token } } }",
            "{ u: user { email } }",
            "{ user { mail: email } }",
            "subscription { x: ssn }",
            "# a comment: {\n{x:ssn}",
        ):
            self.assertIn("another name", renamed(asked(text), MASKED), text)

    def test_a_document_that_the_target_keeps(self) -> None:
        """It may have any names: a hash in the body, the query, a form or the path, in a batch or a message."""
        kept = b'{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"ab"}}}'
        for found in (
            facts(kept),
            facts(b"[%s]" % kept),
            facts(b'{"documentId":"ab","variables":{}}'),
            facts(b'{"id":"ab","operationName":"A"}'),
            facts(b"doc_id=1&variables=%7B%7D", FORM),
            facts(None, b"", b"/graphql?extensions=%7B%22persistedQuery%22%3A1%7D", method=b"GET", size=0),
            facts(None, b"", b"/graphql/persisted/ab", method=b"GET", size=0),
            facts(b'{"type":"subscribe","payload":%s}' % kept, message="text"),
        ):
            self.assertIn("keeps", renamed(found, MASKED), found.request.body)
            self.assertEqual(renamed(found, ()), "")
        for body in (b'{"documentId":"7"}', b'{"id":1,"name":"x"}', b'{"query":"{ user { ssn } }","extensions":{}}'):
            self.assertEqual(renamed(facts(body, target=b"/documents"), MASKED), "")

    def test_own_names_pass(self) -> None:
        """Arguments, variables, directives and aliases of what is not masked; and aliases that are masked too."""
        for text in (
            '{ user(id: 1, name: "x") { ssn email } }',
            "{ a: orders { id } b: orders { n: number } }",
            "{ user { my_token: refresh_token } }",
            'query Q($ssn: String = "a: b") { orders(x: $ssn) { id } }',
        ):
            self.assertEqual(renamed(asked(text), MASKED), "", text)
        self.assertEqual(renamed(asked(ALIAS), (pointer("/*/id"),)), "")
        self.assertEqual(renamed(asked(ALIAS, method=b"PUT"), MASKED), "")

    def test_wherever_a_document_may_stand(self) -> None:
        """The query, batches, forms, under other types, alone, in messages, and where parsers differ."""
        text = ALIAS.encode()
        multipart = b'--a\r\ncontent-disposition: form-data; name="operations"\r\n\r\n{"query": "{x:ssn}"}\r\n--a--\r\n'
        for found in (
            facts(b"", b"", b"/api?query=%7Bx:ssn%7D", method=b"GET"),
            facts(json.dumps([{"query": "{ id }"}, {"Query": ALIAS}]).encode()),
            facts(b"query=" + text, FORM),
            facts(json.dumps({"query": ALIAS}).encode(), FORM),
            facts(json.dumps({"query": ALIAS}).encode(), b""),
            facts(text, b"application/graphql"),
            facts(text, b"text/plain"),
            facts(multipart, b"multipart/form-data; boundary=a"),
            facts(multipart, b"multipart/form-data; boundary=b"),
            facts(b'{"query": "{ id }", "query": "{ x:ssn }"}'),
            facts(b'{"query": "{\\n x:ssn }",}'),
            facts(json.dumps({"type": "start", "payload": {"query": ALIAS}}).encode(), b"", message="text"),
            facts(json.dumps({"type": "start", "payload": {"query": ALIAS}}).encode(), b"", message="binary"),
        ):
            self.assertIn("another name", renamed(found, MASKED), found.request.body)

    def test_what_cannot_be_read_is_refused(self) -> None:
        """Too large, too many, compressed."""
        for found in (
            asked("{ x: id " + "y " * 40_000 + "}"),
            asked("{ x: id " + "y " * 6000 + "}"),
            asked("{ x: a" * 3000 + "}" * 3000),
            facts(json.dumps([{"query": "{ a: id }"}] * 100).encode()),
            facts(b"\x1f\x8b", fields=((b"content-encoding", b"gzip"),)),
            facts(None, size=MAX_BODY + 1),
            facts(None, b"text/plain", b"/api/GraphQL", size=MAX_BODY + 1),
        ):
            self.assertTrue(renamed(found, MASKED))

    def test_what_is_no_graphql_passes(self) -> None:
        """Queries of other languages, documents of other shapes, files."""
        for found in (
            facts(b"", b"", b"/api/v1/query?query=up%7Bjob=%22a:b%22%7D", method=b"GET"),
            facts(b"query=rate(a:b[5m])", FORM),
            facts(json.dumps({"query": {"match": {"ssn": "x: y"}}}).encode()),
            facts(json.dumps({"query": "SELECT a::text FROM b"}).encode()),
            facts(b'{"index":{"a":1}}\n' * 20_000, b"application/x-ndjson"),
            facts(json.dumps({"pad": "x: y" * 50_000}).encode()),
            facts(b"\x1f\x8b", b"application/octet-stream", fields=((b"content-encoding", b"gzip"),)),
            facts(None, b"application/octet-stream", b"/files", size=1 << 30),
            facts(None, b"image/png", b"/files", size=None),
        ):
            self.assertEqual(renamed(found, MASKED), "", found.request.target)

    def test_how_much_of_a_body_is_wanted(self) -> None:
        """What may carry a document, up to a bound; nothing of files and of other methods."""
        for found, expected in (
            (facts(None, size=40), 40),
            (facts(None, size=None), MAX_BODY),
            (facts(None, size=MAX_BODY + 1), 0),
            (facts(None, b"", size=7), 7),
            (facts(None, b"image/png", size=40), 0),
            (facts(None, method=b"PUT", size=40), 0),
            (facts(b"", method=b"GET"), 0),
        ):
            self.assertEqual(wanted(found), expected)
