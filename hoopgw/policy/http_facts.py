"""What is known of one HTTP request before it goes on: the facts that guardrails of HTTP match on.

Each is worked out when a rule first asks for it: most rules look at the method and the path and no further.
"""

from __future__ import annotations

import re

from hoopgw.model.http import HttpRequest, alike
from hoopgw.policy.http_body import Media, graphql_facts, graphql_message, kept_by_path, media_of
from hoopgw.policy.http_form import read_form, read_multipart
from hoopgw.policy.http_graphql import GraphqlFacts
from hoopgw.policy.http_json import JsonBody, is_skipped, read_json
from hoopgw.policy.http_openapi import NO_API, Api
from hoopgw.policy.http_packets import has_packets
from hoopgw.policy.http_path import HttpPath, read_path
from hoopgw.policy.http_query import Pairs, read_target
from hoopgw.policy.once import once

# What frameworks take in place of the method (Rails, Laravel, Symfony, Express, Spring, ASP.NET)
OVERRIDES = (b"x-http-method-override", b"x-http-method", b"x-method-override")
OVERRIDE_NAMES = ("_method", "x-http-method-override")

# Fields in which a request names a second path: WebDAV (RFC 4918, 10.3) and Swift; S3, Google, Azure; Swift again; ADLS
COPIES = frozenset(
    (
        b"destination",
        b"x-amz-copy-source",
        b"x-goog-copy-source",
        b"x-ms-copy-source",
        b"x-copy-from",
        b"x-ms-rename-source",
    )
)
_NAMES_PATHS = (b"destination", b"source", b"from")

USUAL = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")  # what a form could name that is not there

BATCH = "$batch"  # the last segment of a path that takes several requests in one (OData 4.01, 11.7)
# Of several parts that are no requests (RFC 7578; RFC 2387: what a Google service uploads, with its description)
PARTS = ("multipart/form-data", "multipart/related")
WHOLE = re.compile(rb"multipart/|application/http\b", re.IGNORECASE)

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_MARKS = (b"\xef\xbb", b"\xff\xfe", b"\xfe\xff")  # of byte order


class HttpFacts:
    """Of one request to a target that tells upper from lower case in paths and names (`cased`), or does not (`folds`);
    with neither nobody knows.

    `api` is what the target's OpenAPI documents name.  `message` ("text", "binary") makes them those of a message of
    a WebSocket: its payload is the body of the request that opened it.  `unread`: why the body of `request` is not
    there, though it came.
    """

    def __init__(
        self,
        request: HttpRequest,
        folds: bool = False,
        api: Api = NO_API,
        message: str = "",
        cased: bool = True,
        unread: str = "",
    ) -> None:
        self.request = request
        self.folds = folds
        self.cased = cased or folds
        self.message = message
        self.unread = unread
        self._api = api

    @once
    def method(self) -> str:
        """In upper case: what is not sent so, some targets still take for it."""
        return self.request.method.decode("latin-1").upper()

    @once
    def overrides(self) -> frozenset[str]:
        """Methods that the target could take in place of the request's own."""
        named = [value.decode("latin-1") for name in OVERRIDES for value in self.fields(name)]
        pairs = [*self.query.sure, *self.query.other]
        if self._in_form and self.request.body:
            pairs += [*self.form.sure, *self.form.other]
        named += [value for name, value in pairs if name.casefold() in OVERRIDE_NAMES]
        return frozenset(each.strip().upper() for each in named if each)

    @property
    def methods(self) -> frozenset[str]:
        """Its own, and all that the target could take in its place."""
        return self.overrides.union((self.method,), USUAL if self.form_waits else ())

    @property
    def form_waits(self) -> bool:
        """A form whose body is not there could name another method."""
        return self._in_form and self.request.body is None

    @property
    def _in_form(self) -> bool:
        urlencoded = self.media.type == "application/x-www-form-urlencoded"
        return urlencoded and self.method == "POST" and self.request.size != 0

    @once
    def path(self) -> HttpPath:
        found = read_path(self.request.target.partition(b"?")[0])
        return found.folded() if self.folds else found

    @property
    def shown_path(self) -> str:
        """The same for people and records: without the secret among its parameters (`;jsessionid=…`), or in an address
        (`/proxy/https://user:password@host`)."""
        method, _, target = self.request.line.partition(b" ")
        path = target.partition(b"?")[0]
        if method != self.request.method or path == self.request.target.partition(b"?")[0]:
            return self.path.text
        found = read_path(path)
        return found.folded().text if self.folds else found.text

    @once
    def others(self) -> tuple[HttpPath, ...]:
        """Paths beside its own: where it copies or moves something to, or from."""
        found = tuple(
            read_path(_path_in(value))
            for name, value in self.request.fields
            if name.endswith(_NAMES_PATHS) and alike(name) in COPIES
        )
        return tuple(each.folded() for each in found) if self.folds else found

    @property
    def ambiguous(self) -> bool:
        return any(len(each.readings) > 1 for each in (self.path, *self.others))

    @property
    def procedures(self) -> list[tuple[str, str]]:
        """What each reading of the path names as gRPC's service and method: its last two segments ("gRPC over HTTP2",
        Path), whatever type the content has.  Connect and gRPC-Web go there with types of their own."""
        return [_procedure(each) for each in sorted(self.path.readings)]

    @once
    def query(self) -> Pairs:
        found = read_target(self.request.target)
        return found.folded() if self.folds else found

    def fields(self, name: bytes) -> list[bytes]:
        """Values of a header field, in whatever way its name is written."""
        return [value for each, value in self.request.fields if alike(each) == name]

    @once
    def media(self) -> Media:
        if self.message:
            doubt = "" if self.message == "text" else "a message that is not text"
            return Media("application/json", doubt=doubt)
        return media_of(self.fields(b"content-type"), self.fields(b"content-encoding"))

    @once
    def json(self) -> JsonBody:
        """Whatever the request says its type is: many targets do not look."""
        body = self.request.body or b""
        doubt = self.media.doubt or self.media.unread
        if doubt or not body:
            return JsonBody({}, doubt if body else "")
        found = read_json(body)
        if found.doubt and not self.media.json and not _looks_like_json(body):
            return JsonBody({})
        return found

    @once
    def batch(self) -> bool:
        """It may hold requests with methods and paths of their own: by its type (OData's and Google's batches are
        multipart/mixed, of application/http), or by its path, for a batch in JSON is JSON like any other."""
        if self.message or self.request.size == 0:
            return False
        media = self.media
        if media.doubt:
            whole = any(WHOLE.search(each) for each in self.fields(b"content-type"))
        else:
            whole = media.type == "application/http" or (
                media.type.startswith("multipart/") and media.type not in PARTS
            )
        return whole or any(each.rpartition("/")[2].casefold() == BATCH for each in self.path.readings)

    @property
    def has_form(self) -> bool:
        """Its body is one, by what the request says."""
        return self.media.type in FORMS and bool(self.request.body)

    @once
    def form(self) -> Pairs:
        body = self.request.body or b""
        media = self.media
        if media.doubt or not body:
            return Pairs(doubt=media.doubt)
        if media.type == "multipart/form-data":
            found = read_multipart(body, media.boundary)
        elif media.type == "application/x-www-form-urlencoded":
            found = read_form(body)
        else:
            found = Pairs(doubt="" if media.type else "a body that does not say what it is")
        return found.folded() if self.folds else found

    @once
    def graphql(self) -> GraphqlFacts:
        if self.message:
            return graphql_message(self.json)
        found = graphql_facts(self.request, self.media, self.query, lambda: self.json, lambda: self.form)
        if not (found.operations or found.doubt) and kept_by_path(self.path.readings):
            return GraphqlFacts(doubt="a path that may name a GraphQL document that the target keeps")
        return found

    @once
    def operations(self) -> tuple[frozenset[str], ...]:
        """The operations of the OpenAPI documents that each reading of path and method can mean."""
        return self._operations(self.overrides | {self.method})

    @property
    def possible_operations(self) -> tuple[frozenset[str], ...]:
        """With those of methods that a form could name which is not there."""
        return self._operations(self.methods) if self.form_waits else self.operations

    def _operations(self, methods: frozenset[str]) -> tuple[frozenset[str], ...]:
        readings = sorted(self.path.readings)
        return tuple(self._api.operations(method, each) for method in sorted(methods) for each in readings)

    @property
    def other_operations(self) -> tuple[frozenset[str], ...]:
        """Those that it may be to a target whose routes take more than its documents can say."""
        methods = sorted(self.methods if self.form_waits else self.overrides | {self.method})
        return tuple(self._api.loosely(method, each) for method in methods for each in sorted(self.path.readings))


def _procedure(path: str) -> tuple[str, str]:
    rest, _, method = path.rstrip("/").rpartition("/")
    return rest.rpartition("/")[2], method


def _path_in(value: bytes) -> bytes:
    """Of an address, or of a path that need not begin with a slash (`bucket/key?versionId=1`)."""
    scheme, apart, rest = value.partition(b"://")
    if apart and b"/" not in scheme:
        value = b"/" + rest.partition(b"/")[2]
    return b"/" + value.partition(b"?")[0].removeprefix(b"/")


def _looks_like_json(body: bytes) -> bool:
    """To a parser that is told to read it as JSON, or that takes UTF-16, a byte order mark or comments for it."""
    start = body.lstrip()[:2]
    return (
        start[:1] in (b"{", b"[", b'"', b"/", b"#", b"\x1e")  # the last: a sequence (RFC 7464)
        or start in (b"\xef\xbb", b"\xff\xfe", b"\xfe\xff")
        or b"\0" in start
        or is_skipped(body)
        or has_packets(body)
    )
