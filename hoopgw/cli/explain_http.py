"""`hoopgw explain` of an HTTP request."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from hoopgw.auth.access import Access, Wanted
from hoopgw.auth.realm import access as granted
from hoopgw.model.destination import read_destination
from hoopgw.model.errors import NotGranted
from hoopgw.model.http import HttpRequest
from hoopgw.model.operation import REQUEST, TUNNEL, Operation
from hoopgw.model.verdict import Verdict
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_openapi import NO_API
from hoopgw.policy.http_rules import MAX_BUFFER
from hoopgw.relay.http_masks import HttpMaskBuilder
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.session.httpjudge import HttpJudge


def judged_http(
    loaded: Any, access: Access, line: str, headers: tuple[str, ...], body: str
) -> tuple[Verdict, dict[str, list[str]]]:
    """Verdict and facts of `METHOD TARGET`; a `body` that begins with @ names a file."""
    method, _, target = line.partition(" ")
    if not target or " " in target:
        raise click.UsageError('name a request, as "POST /users?x=1"')
    content = _content(body)
    asked = HttpRequest(method.encode(), target.encode(), b"", _fields(headers), content, len(content))
    kind = REQUEST
    if method == "CONNECT":
        kind, access, line = TUNNEL, *_tunnel(loaded, access, target)
    selection = loaded.policy.select(access.identity, access.target, access.role.name, access.grant.features)
    judge = HttpJudge(selection, access, HttpMaskBuilder(MaskBuilder(b"")))  # nothing is hashed: no answer comes
    verdict = judge.judge(Operation("http", kind, line.encode(), request=asked))
    assert isinstance(verdict, Verdict)  # no process is there to read it in
    known = access.target
    facts = HttpFacts(asked, known.folds_case, known.api or NO_API, cased=known.cased)
    return verdict, _shown(facts, verdict, selection.masks)


def _tunnel(loaded: Any, access: Access, target: str) -> tuple[Access, str]:
    """As a login for this tunnel would give it, by whichever grant lists it; without one it is refused."""
    try:
        asked = read_destination(target)
        wanted = Wanted("http", "", "", destination=asked)
        return granted(loaded, access.identity, wanted, time.time()), f"CONNECT {asked}"
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except NotGranted:
        return access, f"CONNECT {asked}"


def _content(body: str) -> bytes:
    if not body.startswith("@"):
        return body.encode()
    try:
        with Path(body[1:]).open("rb") as opened:
            content = opened.read(MAX_BUFFER + 1)
    except OSError as error:
        raise click.UsageError(f"{body[1:]} cannot be read: {error.strerror}") from error
    if len(content) > MAX_BUFFER:
        raise click.UsageError(f"no rule reads a body of more than {MAX_BUFFER >> 20} MiB")
    return content


def _fields(headers: tuple[str, ...]) -> tuple[tuple[bytes, bytes], ...]:
    found = []
    for each in headers:
        name, colon, value = each.partition(":")
        if not colon:
            raise click.UsageError(f"{each!r} is no header field, as 'Content-Type: application/json' is one")
        found.append((name.strip().lower().encode(), value.strip().encode()))
    return tuple(found)


def _shown(facts: HttpFacts, verdict: Verdict, masks: tuple[Any, ...]) -> dict[str, list[str]]:
    found = {
        "method": [facts.method, *sorted(facts.overrides - {facts.method})],
        "path": [facts.path.text],
        "also": sorted(facts.path.readings.union(*(each.readings for each in facts.others)) - {facts.path.text}),
        "operations": sorted(frozenset[str]().union(*facts.operations)),
        "unknown": [each for each in (facts.path.doubt, facts.query.doubt) if each],
    }
    if verdict.bodies is not None:
        found["masks"] = sorted(rule.name for rule in masks)
    return found
