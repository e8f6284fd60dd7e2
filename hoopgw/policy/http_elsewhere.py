"""A large body of HTTP, read in another process: what each rule finds, and nothing of the body, comes back.

What goes there and back is plain: compiled classes (requests, verdicts, actions of rules) cannot be sent.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from hoopgw.model.http import HttpRequest
from hoopgw.policy.guardrails import Match
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_masks import HttpMask, renames, selected
from hoopgw.policy.http_openapi import Api
from hoopgw.policy.http_rules import HttpConditions

MAX_HERE: Final = (
    16 * 1024
)  # bytes that are read at once: at worst they take 4 ms, and the way to a child and back takes 1
KEPT: Final = 16  # readers: sessions of one target have one
MAX_NAME: Final = 200  # characters of a request's name in the index

Sent = tuple[bytes, bytes, bytes, tuple[tuple[bytes, bytes], ...], bytes | None, int | None, bytes]


@dataclass(frozen=True, slots=True)
class Reader:
    """What requests of one target are read by: the conditions of each rule, masks, and what is known of its names."""

    conditions: tuple[HttpConditions, ...]
    masks: tuple[HttpMask, ...]
    folds: bool
    cased: bool
    api: Api


@dataclass(frozen=True, slots=True)
class Reading:
    """words    of each rule, as HttpConditions.read has them
    names    what the session is found by
    masks    places of those that it selects
    renames  as http_masks has it
    """

    words: tuple[tuple[Match, str], ...]
    names: frozenset[str]
    masks: tuple[int, ...]
    renames: tuple[str, str]


_readers: OrderedDict[tuple[int, ...], Reader] = OrderedDict()  # by the objects that each has, and so keeps alive


def shared(made: Reader) -> Reader:
    """The same for what is made of the same: a child has it once."""
    parts = *map(id, made.conditions), -1, *map(id, made.masks), -1, made.folds, made.cased, id(made.api)
    reader = _readers.setdefault(parts, made)
    _readers.move_to_end(parts)
    if len(_readers) > KEPT:
        _readers.popitem(last=False)
    return reader


def sent(request: HttpRequest) -> Sent:
    """All that is judged of it."""
    body, size = request.body, request.size
    return request.method, request.target, request.authority, request.fields, body, size, request.line


def read(reader: Reader, request: Sent, message: str) -> Reading:
    """In the child.  `message`: "text" or "binary" of a WebSocket's, "" of a request."""
    method, target, authority, fields, body, size, line = request
    known = HttpRequest(method, target, authority, fields, body, size, line=line)
    facts = HttpFacts(known, reader.folds, reader.api, message, reader.cased)
    chosen = selected(reader.masks, facts)
    return Reading(
        tuple(each.read(facts) for each in reader.conditions),
        names(facts),
        chosen,
        renames(tuple(reader.masks[each] for each in chosen), facts),
    )


def names(facts: HttpFacts) -> frozenset[str]:
    """What a session is found by: method and path, and the operations that it may be."""
    return frozenset((f"{facts.method} {facts.shown_path}"[:MAX_NAME],)).union(*facts.operations)
