"""GraphQL whose answer would have masked members under other names: masks go by names, and aliases are the client's.

What is no GraphQL passes: a `query` may be SQL or PromQL, and a document that no grammar accepts brings no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from hoopgw.policy.http_body import keeps, kept_by_path
from hoopgw.policy.http_facts import FORMS, HttpFacts
from hoopgw.policy.http_graphql import MAX_DOCUMENT
from hoopgw.policy.http_json import Pointer, read_json

MAX_BODY = 1 << 20  # bytes of a request that are looked through
MAX_DOCUMENTS = 64  # of one request or batch
NAMED = ("query", "operations")  # a document; a whole request in a multipart form
WOULD_PASS = "ask for masked members by their own names"  # noqa: S105  no password

# As a document does, and JSON does not: what stands in braces is no quoted name
_BEGINS = re.compile(
    r"(?:[\s,\ufeff]|#[^\n\r]*[\n\r])*(?:(?:query|mutation|subscription|fragment)\b|\{[\s,]*[A-Za-z_.#])"
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_MAY_KEEP = re.compile(rb"(?i)persisted|variables|operationname|\\u")
_CARRIES = ("json", "graphql", "form", "text/plain")  # what a GraphQL server may take, whatever it says it does
_SAYS_SO = re.compile(r"graphql|gql", re.IGNORECASE)


def wanted(facts: HttpFacts) -> int:
    """How many bytes of the body must be there; 0: none, or more than is looked through."""
    size = facts.request.size
    if size == 0 or not _may_carry(facts):
        return 0
    return MAX_BODY if size is None else size if size <= MAX_BODY else 0


def renamed(facts: HttpFacts, pointers: Iterable[Pointer]) -> str:
    """Why its answer could have what they lead to under other names; "" where it cannot."""
    parts = frozenset(part.casefold() for each in pointers for part in each.parts if part.strip("*"))
    if not parts or facts.method not in ("GET", "POST"):
        return ""
    if facts.request.body is None and facts.request.size != 0:
        return _unread(facts)
    if facts.request.body and facts.media.doubt and not facts.message and _may_carry(facts):
        return f"{facts.media.doubt} could be GraphQL with other names for what is masked"
    documents = [text for text in _documents(facts) if ":" in text and _BEGINS.match(text)]
    if not documents and _is_kept(facts):
        return "a GraphQL document that the target keeps could have other names for what is masked"
    if len(documents) > MAX_DOCUMENTS:
        return f"more than {MAX_DOCUMENTS} GraphQL documents"
    return next(filter(None, (_in_document(text, parts) for text in documents)), "")


def _may_carry(facts: HttpFacts) -> bool:
    if facts.message:
        return True
    if facts.method not in ("GET", "POST"):  # GraphQL over HTTP has no others
        return False
    types = b",".join(facts.fields(b"content-type")).decode("latin-1").lower()
    return not types or any(each in types for each in _CARRIES)


def _unread(facts: HttpFacts) -> str:
    if facts.unread:
        return facts.unread if _may_carry(facts) else ""
    says = _SAYS_SO.search(facts.path.text) or facts.media.json
    if not says or not _may_carry(facts):
        return ""
    return f"more than {MAX_BODY >> 20} MiB could be GraphQL with other names for what is masked"


def _is_kept(facts: HttpFacts) -> bool:
    """Only the target knows the document."""
    pairs = [*facts.query.sure, *facts.query.other]
    if not facts.message:
        if kept_by_path(facts.path.readings):
            return True
        if facts.media.type == "application/x-www-form-urlencoded":
            pairs += [*facts.form.sure, *facts.form.other]
    if keeps([name for name, _ in pairs], dict(pairs).get("extensions")):
        return True
    body = facts.request.body or b""
    if _MAY_KEEP.search(body) is None:
        return False
    found = read_json(body)
    return not found.doubt and any(keeps(each, each.get("extensions")) for each in _objects(found.value))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _documents(facts: HttpFacts) -> Iterator[str]:
    yield from facts.query.values("query")
    body = facts.request.body or b""
    if not body:
        return
    if not facts.message and facts.media.type in FORMS:
        for name in NAMED:
            for value in facts.form.values(name):
                yield from _texts(value.encode("utf-8", "surrogateescape"))
    yield from _texts(body)


def _texts(body: bytes) -> Iterator[str]:
    """Of a JSON text every member that is called `query`; any other text as a document that stands alone."""
    found = read_json(body)
    if not found.doubt:
        yield from _queries(found.value)
        return
    text = body.decode("utf-8", "replace")
    yield text
    if "query" in text.lower() or "\\u" in text:  # parsers do not agree on it: each string in it may be the one
        for each in _QUOTED.findall(text):
            yield each.replace("\\n", "\n").replace("\\t", " ").replace('\\"', '"')


def _queries(value: Any) -> Iterator[str]:
    for each in _objects(value):
        yield from (text for name, text in each.items() if name.casefold() == "query" and isinstance(text, str))


def _in_document(text: str, parts: frozenset[str]) -> str:
    from hoopgw.policy.http_graphql_walk import Doubtful, aliases  # its grammar costs a start 80 ms

    if len(text) > MAX_DOCUMENT:
        return f"a GraphQL document of more than {MAX_DOCUMENT} characters"
    try:
        pairs = aliases(text)
    except Doubtful as error:
        return str(error)
    for name, alias in pairs:
        for part in parts:
            if fnmatchcase(name.casefold(), part) and not fnmatchcase(alias.casefold(), part):
                return f"{alias} is another name for {name}, by which it is masked"
    return ""
