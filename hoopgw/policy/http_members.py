"""What a rule wants of a member of a body: of JSON, and of a form what frameworks put in the same place.

Rails, Laravel and Django REST framework give `user[role]=admin` and `{"user": {"role": "admin"}}` to the same code:
a rule that only looked at JSON would leave it to the client whether it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hoopgw.policy.guardrails import Match
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_json import Pointer, is_skipped, read_json
from hoopgw.policy.http_packets import has_packets
from hoopgw.policy.http_query import Pairs
from hoopgw.policy.http_values import ValueTest, at, of_found

_BETWEEN = re.compile(r"[\[\].]+")  # `user[role]`, and `user.role` of Spring and ASP.NET


def member(facts: HttpFacts, pointer: Pointer, test: ValueTest) -> Match:
    """In every way in which a target could read the body."""
    json = facts.json
    word = Match.DOUBT if json.doubt else at(pointer, test, json.value)
    if not facts.has_form:
        return word
    words = {of_found(test, _members(facts.form, pointer), bool(facts.form.doubt))}
    words.update(_carried(value, pointer, test) for _, value in (*facts.form.sure, *facts.form.other))
    if json.doubt or (json.value and isinstance(json.value, dict | list)):
        words.add(word)  # some targets do not look at the type
    return next((each for each in (Match.YES, Match.DOUBT) if each in words), Match.NO)


def _carried(value: str, pointer: Pointer, test: ValueTest) -> Match:
    """Of JSON in a field of a form: Slack and GitHub send `payload`, Discord `payload_json`, Spring takes parts."""
    body = value.encode("utf-8", "surrogateescape")
    if value.lstrip("\ufeff \t\r\n")[:1] not in ("{", "["):
        return Match.DOUBT if is_skipped(body) or has_packets(body) else Match.NO
    found = read_json(body)
    if found.doubt:  # "[urgent] call me" is none to any parser
        return Match.DOUBT if "{" in value else Match.NO
    return at(pointer, test, found.value)


def _members(form: Pairs, pointer: Pointer) -> Iterator[tuple[str, bool]]:
    for name, value in (*form.sure, *form.other):
        for parts in {(name,), tuple(filter(None, _BETWEEN.split(name)))}:
            alike = pointer.leads(parts)
            if alike is not None:
                yield value, alike
