"""What kind of body a request has, and the GraphQL in it, wherever a target would look for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hoopgw.model.http import HttpRequest
from hoopgw.policy.http_graphql import MAX_OPERATIONS, GraphqlFacts, read_document
from hoopgw.policy.http_json import JsonBody
from hoopgw.policy.http_query import Pairs

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rb"[ \t]*(" + _TOKEN + rb"/" + _TOKEN + rb")[ \t]*")
_PARAMETER = re.compile(rb";[ \t]*(" + _TOKEN + rb')=("[^"\\]*"|' + _TOKEN + rb")[ \t]*|;[ \t]*")
# YAML, XML, MessagePack, CBOR, BSON, Smile, protocol buffers (gRPC and Connect) and others: the same members in another
# format; and whole requests in one another (OData's and Google's batches are multipart/mixed)
_INSTEAD = re.compile(
    r"^(?!image/).*[/+.-](?:yaml|xml|msgpack|messagepack|cbor|bson|ubjson|smile|ion|avro|plist|toml|hjson|proto|protobuf)\b"
    r"|^application/grpc|^multipart/(?!form-data\b)"
)
# GraphQL that is neither in JSON nor in a form, whatever type it is sent under
_BARE = re.compile(rb"[\s,]*(?:query|mutation|subscription|fragment)\b")
_DOCUMENT = re.compile(r"\b(?:query|mutation|subscription)\b|^[\s,]*\{\s*\w", re.IGNORECASE)
_UTF8 = (b"", b"utf-8", b"utf8", b"us-ascii")

PAYLOAD = "payload"  # of a message: the request
# What a request has that names a document which the target keeps (persisted queries of Apollo, Relay, Hasura …)
KEPT = ("documentId", "docId", "doc_id", "queryId")  # of these some targets run what they name, whatever stands beside
PERSISTED = (
    "id", "extensions", "hash", "sha256Hash", "operationId", "persistedQuery", "persistedQueryId", "queryHash",
    "query_hash", "query_id", "documentHash", "docHash", *KEPT,
)  # fmt: skip
# What stands beside a document, and says where it stands alone that there is one elsewhere
BESIDE = frozenset(("operationname", "variables"))
# Segments of a path behind, or in, which such a document is named (`/graphql/persisted/HASH`, `/graphql/HASH`)
_ENDPOINTS = frozenset(("graphql", "gql"))
_KEPT_THERE = re.compile(r"(?:persisted|trusted)(?:[-_]?(?:quer(?:y|ies)|documents?|operations?))?")


@dataclass(frozen=True, slots=True)
class Media:
    """The media type, in lower case; "" where the request names none.  `doubt`: why the body cannot be read by it."""

    type: str = ""
    boundary: bytes = b""
    doubt: str = ""

    @property
    def json(self) -> bool:
        return self.type.endswith(("/json", "+json", "/x-json"))

    @property
    def unread(self) -> str:
        """Why a body of this type, which targets take in the place of JSON, cannot be judged; "" otherwise."""
        return f"a body of type {self.type}, which is not read" if _INSTEAD.search(self.type) else ""


def media_of(types: list[bytes], encodings: list[bytes]) -> Media:
    """By Content-Type and Content-Encoding (RFC 9110, 8.3 and 8.4)."""
    if any(each.strip().lower() not in (b"", b"identity") for each in encodings):
        return Media(doubt="a body that is compressed")
    if not types:
        return Media()
    found = _TYPE.match(types[0])
    if len(types) > 1 or found is None:
        return Media(doubt="a body whose type can be read in several ways")
    parameters: dict[bytes, bytes] = {}
    here = found.end()
    while here < len(types[0]):
        each = _PARAMETER.match(types[0], here)
        if each is None or (each[1] or b"").lower() in parameters:
            return Media(doubt="a body whose type can be read in several ways")
        parameters[(each[1] or b"").lower()] = (each[2] or b"").strip(b'"')
        parameters.pop(b"", None)
        here = each.end()
    if parameters.get(b"charset", b"").lower() not in _UTF8:
        return Media(doubt="a body in another character set than UTF-8")
    return Media(found[1].decode("ascii").lower(), parameters.get(b"boundary", b""))


def graphql_facts(
    request: HttpRequest, media: Media, query: Pairs, json: Callable[[], JsonBody], form: Callable[[], Pairs]
) -> GraphqlFacts:
    """GraphQL over HTTP: in the query, in a JSON object or a list of them, in a form, or bare."""
    asked = _pairs(query)
    if request.size == 0:
        return asked or GraphqlFacts()
    if asked is not None:
        return GraphqlFacts(doubt="GraphQL in the query and a body beside it")
    if media.doubt:
        return GraphqlFacts(doubt=media.doubt)
    if media.type == "application/graphql":
        return _bare(request.body or b"")
    if media.type.startswith("multipart/"):
        return GraphqlFacts(doubt="GraphQL in a multipart form")
    if query.values("operationName"):  # express-graphql takes it before the one in the body
        return GraphqlFacts(doubt="GraphQL in a body, and the name of its operation in the query")
    in_form = _pairs(form()) if media.type == "application/x-www-form-urlencoded" else None
    if in_form is not None and in_form.operations:
        return in_form
    if not media.json and _BARE.match(request.body or b""):
        return _bare(request.body or b"")
    found = json()  # curl -d says that it sends a form, and many targets do not look
    if found.doubt:
        return GraphqlFacts(doubt=found.doubt)
    return _batch(found.value) & (in_form or GraphqlFacts())


def keeps(names: Iterable[str], extensions: object) -> bool:
    """Whether something without a document, that has these names, is clearly about one that the target keeps."""
    known = frozenset(map(str.casefold, names))
    if "query" in known:
        return False
    if "persistedquery" in str(extensions).casefold():
        return True
    return not (known.isdisjoint(BESIDE) or known.isdisjoint(map(str.casefold, PERSISTED)))


def kept_by_path(paths: Iterable[str]) -> bool:
    """Whether one of these may name a document that the target keeps."""
    for path in paths:
        parts = path.casefold().split("/")
        if not _ENDPOINTS.isdisjoint(parts[:-1]) or any(map(_KEPT_THERE.fullmatch, parts)):
            return True
    return False


def graphql_message(found: JsonBody) -> GraphqlFacts:
    """Of one message of a WebSocket (graphql-transport-ws and its predecessor): the request is its payload."""
    if found.doubt:
        return GraphqlFacts(doubt=found.doubt)
    facts = GraphqlFacts()
    for each in found.value if isinstance(found.value, list) else [found.value]:
        facts &= _message(each)
    if not facts.operations and not facts.doubt and _holds_document(found.value):
        return GraphqlFacts(doubt="a message in a form that is not known, with what looks like GraphQL in it")
    return facts


def _holds_document(value: Any) -> bool:
    """Anywhere in it, in JSON that is a text of it as well (Action Cable)."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str) and "{" in each and _DOCUMENT.search(each):
            return True
    return False


def _message(value: Any) -> GraphqlFacts:
    """Older servers take the request beside `type` and `id`, and those in Go take names in any letters.  An `id` is
    that of the operation, which others of its messages name as well (`complete`)."""
    if not isinstance(value, dict):
        return _one(value)
    if any(each.casefold() == PAYLOAD and each != PAYLOAD for each in value):
        return GraphqlFacts(doubt="a message whose payload is in doubt")
    payload = value.get(PAYLOAD)
    rest = {name: each for name, each in value.items() if name.casefold() not in (PAYLOAD, "id")}
    return _one(rest) if payload is None else _one(rest) & _batch(payload)


def _pairs(pairs: Pairs) -> GraphqlFacts | None:
    """None where they have nothing of GraphQL."""
    if pairs.doubt:
        return GraphqlFacts(doubt=pairs.doubt)
    if pairs.alike("query") or pairs.alike("operationName"):  # GraphQL.NET takes any letters
        return GraphqlFacts(doubt="GraphQL in a query whose names are in other letters")
    documents, names = pairs.values("query"), pairs.values("operationName")
    if not documents:
        persisted = any(pairs.values(name) for name in (*PERSISTED, "operationName", "variables"))
        return GraphqlFacts(doubt="a GraphQL document that the target keeps") if persisted else None
    if len(documents) > 1 or len(names) > 1:
        return GraphqlFacts(doubt="several GraphQL documents or names in one query")
    return read_document(documents[0], names[0] if names else None)


def _bare(body: bytes) -> GraphqlFacts:
    try:
        return read_document(body.decode("utf-8"), None)
    except UnicodeDecodeError:
        return GraphqlFacts(doubt="a GraphQL document that is not UTF-8")


def _batch(value: Any) -> GraphqlFacts:
    found = GraphqlFacts()
    asked = value if isinstance(value, list) else [value]
    if len(asked) > MAX_OPERATIONS:
        return GraphqlFacts(doubt=f"a batch of more than {MAX_OPERATIONS} GraphQL requests")
    for each in asked:
        found &= _one(each)
    return found


def _one(value: Any) -> GraphqlFacts:
    if not isinstance(value, dict):
        return GraphqlFacts(doubt="a GraphQL request that is no object")
    names = {name.casefold() for name in value}
    text, name = value.get("query"), value.get("operationName")
    if text is None and not names & {"query", *map(str.casefold, PERSISTED)}:
        if "operationname" not in names and not (names and names <= BESIDE):
            return GraphqlFacts()
        return GraphqlFacts(doubt="a GraphQL request without a document: the target keeps it")
    kept = not names.isdisjoint(map(str.casefold, KEPT))
    if kept or not isinstance(text, str) or not (name is None or isinstance(name, str)) or len(names) != len(value):
        return GraphqlFacts(doubt="a GraphQL document that the target keeps, or that is no text")
    return read_document(text, name)
