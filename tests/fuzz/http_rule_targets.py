"""Fuzz targets of HTTP's rules and masks: paths, bodies, GraphQL, masked JSON and events, content codings."""

from __future__ import annotations

import contextlib
import json
from urllib.parse import quote

from hoopgw.model.errors import Unmaskable
from hoopgw.model.http import HttpRequest
from hoopgw.policy.guardrails import Match
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_graphql import read_document
from hoopgw.policy.http_json import pointer
from hoopgw.policy.http_openapi import read_openapi
from hoopgw.policy.http_path import matches, read_path
from hoopgw.policy.http_rules import GraphqlTest, HttpConditions
from hoopgw.policy.http_values import ValueTest
from hoopgw.wire.codings import Decoding
from hoopgw.wire.secretbinary import SecretBinary
from hoopgw.wire.secretform import SecretForm, starred_target
from hoopgw.wire.secretnames import secret_names
from hoopgw.wire.secretparts import SecretParts
from hoopgw.wire.secretrows import SecretRows
from hoopgw.wire.secrettext import SecretText
from hoopgw.wire.secretxml import SecretXml
from tests.fuzz.choices import Choices, cut
from tests.wire.test_jsonmask import PATTERNS, hidden, maker
from tests.wire.test_textmask import events

TRICKS = (
    b"/", b"..", b".", b"%2e", b"%2f", b"%5c", b"\\", b";", b"%25", b"//", b"%", b"a", b"admin", b"%61", b"?", b"%3f",
    b"\xff", b"%ff", b"%c0%ae", b"%ef%bc%8f",
)  # fmt: skip
JSON = (
    b"{", b"}", b"[", b"]", b'"k":', b'"K":', b'"\\u006b":', b'"a":', b'"x@b.com"', b'"s\\"x"', b'"\\u0040"', b"1",
    b"-2.5e3",
    b'{"k":1,"a":["b", 2]}', b'{"k": "c", "a": "d"}, ',
    b"true", b"null", b",", b":", b" ", b"\n", b'"4111111111111111"', b"4111111111111111", b'"\\\\"', b'"', b"\\",
)  # fmt: skip
GRAPHQL = (
    b"{", b"}", b"query ", b"mutation ", b"a", b"b", b": ", b"...F ", b"fragment F on Q ", b"... on Q ", b"(x: 1)",
    b"@skip(if: true)", b" ", b"$v", b'"', b'"""', b"#", b"\n", b"deleteUser ",
)  # fmt: skip
TYPES = (
    b"application/json", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=b",
    b"application/graphql", b"text/plain", b"application/json; charset=x", b"",
)  # fmt: skip
RULES = (
    HttpConditions(json=((pointer("k"), ValueTest(("x*",))),)),
    HttpConditions(forms=(("k", ValueTest(others=("x",))),)),
    HttpConditions(paths=("/*",), graphql=GraphqlTest(fields=("deleteUser",))),
    HttpConditions(methods=frozenset(("DELETE",)), paths_not=("/a/*",), queries=(("k", ValueTest(("x",))),)),
)
SECRETS = (
    b'"token"', b"token", b'\\"token\\"', b"t\\u006fken", b"%74oken", b"=", b"&", b";", b":", b"%3A", b"%22",
    b"\r\n--b", b"\r\n\r\n", b'Content-Disposition: form-data; name="token"', b"?", b'"', b"'", b"\\", b"{", b"}", b"[",
    b"]", b" ", b"null", b"12", b",", b"x",
)  # fmt: skip
CODINGS = (b"gzip", b"deflate", b"br", b"zstd")


def _words(choices: Choices, words: tuple[bytes, ...]) -> bytes:
    found: list[bytes] = []
    while choices.more and len(found) < 40:
        found.append(choices.some() if choices.number(8) == 7 else choices.pick(words))
    return b"".join(found)


def http_path(data: bytes) -> None:
    """The canonical path is a reading, and has no dot segments; encoded once more, no reading is lost."""
    raw = b"/" + _words(Choices(data), TRICKS)
    found = read_path(raw)
    assert found.text in found.readings
    if found.doubt:
        return
    assert not {".", ".."} & set(found.text.split("/")), "a dot segment is left"
    again = read_path(quote(raw, safe="/%").encode())
    assert again.doubt or found.text in again.readings or not raw.isascii() or b"\\" in raw
    for glob in ("/admin/*", "/*", "*"):
        matches(found.text, glob)


def http_rules(data: bytes) -> None:
    """No request makes a rule fail; and what a rule needs of a body is no more than it may."""
    choices = Choices(data)
    method, kind = choices.pick((b"GET", b"POST", b"DELETE")), choices.pick(TYPES)
    fields = ((b"content-type", kind),) if kind else ()
    folds = choices.flag()
    target = b"/" + choices.some()
    body = _words(choices, choices.pick((JSON, GRAPHQL, TRICKS)))
    for given, size in ((body, len(body)), (None, None)):
        facts = HttpFacts(HttpRequest(method, target, b"h", fields, given, size), folds)
        for rule in RULES:
            assert isinstance(rule.match(facts), Match)
            assert 0 <= rule.needs(facts) <= rule.buffer
            assert given is not None or not rule.reads_body or rule.match(facts) is not Match.YES


YAML = (
    b"openapi: 3.0.0\n", b"paths:\n", b"  /a/{b}:\n", b"    get:\n", b"      operationId: x\n", b"- ", b"{", b"}",
    b"[", b"]", b": ", b", ", b"&a ", b"*a ", b"!!str ", b"---\n", b"|\n", b"'", b'"', b"\n",
    b"  ", b"servers: [{url: /v1}]\n", b"? ",
)  # fmt: skip


def openapi(data: bytes) -> None:
    """A document is read, or a mistake in words; and what it names can be asked for."""
    text = _words(Choices(data), YAML)
    try:
        found = read_openapi(text)
    except ValueError as error:
        assert str(error)
        return
    for name in ("/a/7", "/v1/a/7", "/"):
        assert found.operations("GET", name) <= found.names


def graphql(data: bytes) -> None:
    """Whatever is before it, an operation behind it is seen; nothing but facts or doubt comes."""
    text = _words(Choices(data), GRAPHQL).decode("utf-8", "replace")
    found = read_document(text, None)
    both = read_document(text + "\nmutation Last { x: deleteUser }", None)
    if not both.doubt:
        assert any("deleteUser" in each.fields for each in both.operations), "an alias hides a field"
        assert not found.operations or set(found.operations) < set(both.operations)


def secret_fields(data: bytes) -> None:
    """Lengths stay, whatever it is and however it is cut; a secret that is written as it should be is in none of it."""
    choices, names = Choices(data), secret_names()
    places = choices.piece(6)
    junk = _words(choices, SECRETS)
    word = junk.decode("latin-1")
    secret = b"hush-hush"
    part = b'\r\n--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n' + secret + b"\r\n--b--"
    for made, text in (
        (lambda: SecretText(names), json.dumps({"a": word, "token": secret.decode()}).encode()),
        (lambda: SecretText(names), json.dumps({"value": "hush-hush", "a": word, "name": "token"}).encode()),
        (lambda: SecretText(names), json.dumps({"a": [word, {"b": word}], "q": ["--token", "hush-hush"]}).encode()),
        (lambda: SecretRows(names), b"token," + junk + b"\nhush-hush,"),
        (lambda: SecretBinary(names), b"\x82" + junk + b"\xa5token\xa9hush-hush"),
        (lambda: SecretForm(names), b"a=" + quote(junk).encode() + b"&token=" + secret + b"&b"),
        (lambda: SecretXml(names), b"<a>" + junk.translate(None, b"<>&") + b"<token>" + secret + b"</token>"),
        (lambda: SecretParts(names, b"b"), b"--b\r\nX: y\r\n\r\n" + junk.replace(b"--b", b"") + part),
    ):
        shown = b"".join(map(made().feed, cut(text, places)))
        assert len(shown) == len(text), "something is lost"
        assert secret not in shown or text.count(secret) > 1, "a secret is shown"  # elsewhere it is none
        assert len(b"".join(map(made().feed, cut(junk, places)))) == len(junk), "something is lost"
    assert len(starred_target(b"GET /" + junk, names)) == len(junk) + 5, "an address gets longer or shorter"


def json_mask(data: bytes) -> None:
    """Any cut gives the same, also of a text that came before; what another's parser reads in it is masked."""
    choices = Choices(data)
    places = choices.piece(6)
    scanner = PATTERNS if choices.flag() else None
    text = _words(choices, JSON)
    make = maker("k", scanner=scanner)
    whole, pieces, again = make(), make(), make()
    try:
        shown = whole.feed(text) + whole.finish()
    except Unmaskable:
        with contextlib.suppress(Unmaskable):
            for piece in cut(text, places):
                pieces.feed(piece)
            pieces.finish()
            raise AssertionError("a cut makes JSON of it") from None
        return
    assert again.feed(text) + again.finish() == shown, "a text that came before is shown otherwise"
    assert b"".join(map(pieces.feed, cut(text, places))) + pieces.finish() == shown, "a cut changes what is shown"
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        assert scanner is not None or json.loads(shown) == hidden(value), "masked otherwise than it should be"


def http_events(data: bytes) -> None:
    """Any cut of a stream of events gives the same."""
    choices = Choices(data)
    places = choices.piece(6)
    text = _words(choices, (b"data:", b"data: secret", b"\n", b"\r\n", b"\r", b": c", b"event: x", b"secret", b"id"))
    whole, pieces = events(), events()
    shown = whole.feed(text) + whole.finish()
    if b"\r" not in text:  # CR LF that is cut between events is two ends of a line: the same events
        assert b"".join(map(pieces.feed, cut(text, places))) + pieces.finish() == shown


def http_codings(data: bytes) -> None:
    """What is not of a coding raises Unmaskable alone."""
    choices = Choices(data)
    decoding = Decoding((choices.pick(CODINGS),))
    places = choices.piece(4)
    with contextlib.suppress(Unmaskable):
        for piece in cut(choices.rest(), places):
            decoding.feed(piece)
        decoding.finish()
