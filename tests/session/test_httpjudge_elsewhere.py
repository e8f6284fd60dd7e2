"""Large bodies of HTTP are judged in another process, as they would be here."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from typing import Any

import re2
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from hoopgw.model.http import HttpRequest
from hoopgw.model.operation import MESSAGE, REQUEST, Operation
from hoopgw.model.target import Selector
from hoopgw.model.verdict import HoldTerms, Verdict
from hoopgw.policy import http_elsewhere
from hoopgw.policy.guardrails import Action
from hoopgw.policy.http_elsewhere import KEPT, MAX_HERE, shared
from hoopgw.policy.http_json import pointer
from hoopgw.policy.http_masks import HttpMask
from hoopgw.policy.http_openapi import read_openapi
from hoopgw.policy.http_rules import GraphqlTest, HttpConditions, HttpRule
from hoopgw.policy.http_values import ValueTest
from hoopgw.policy.mask_table import MaskRule
from hoopgw.policy.policyset import Selection
from hoopgw.relay.http_masks import HttpMaskBuilder
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.session import httpjudge, parser_process
from hoopgw.session.httpjudge import HttpJudge
from hoopgw.session.parser_process import ParserProcess
from tests.session.test_httpjudge import ACCESS, ADMINS, API, DELETES, TARGET

GRAPHQL = HttpRule("fields", HttpConditions(graphql=GraphqlTest(fields=("deleteUser",))), Action(refuse=True))
FORM = HttpRule("form", HttpConditions(forms=(("role", ValueTest(("admin",))),)), Action(refuse=True))
HELD = HttpRule(
    "held",
    HttpConditions(operations=frozenset(("deleteUser",)), pattern=re2.compile(b"DELETE")),
    Action(hold=HoldTerms("", "", frozenset(("dba",)))),
)
SIZE = HttpRule("size", HttpConditions(size=1 << 20), Action(refuse=True))
RULES = (DELETES, ADMINS, GRAPHQL, FORM, HELD, SIZE)
MASK = HttpMask(json=(pointer("ssn"),))
PAD = "x" * MAX_HERE
JSON = b"application/json"


def judging(parser: Any, *rules: HttpRule, masks: tuple[HttpMask, ...] = (MASK,), api: Any = API) -> HttpJudge:
    table = tuple(MaskRule("m", "http", Selector(), None, (), (), (), "none", http=each) for each in masks)
    access = replace(ACCESS, target=replace(TARGET, api=api))
    return HttpJudge(Selection(rules, table, ""), access, HttpMaskBuilder(MaskBuilder(b"k")), parser)


def asked(line: bytes, body: bytes, type: bytes = JSON, kind: str = REQUEST) -> Operation:
    method, _, target = line.partition(b" ")
    fields = ((b"content-type", type),)
    name = b"text" if kind == MESSAGE else b""
    return Operation("http", kind, line, name, request=HttpRequest(method, target, b"gw", fields, body, len(body)))


def plain(verdict: Verdict) -> tuple[Any, ...]:
    holds = [(each.guardrail, each.reason) for each in verdict.holds]
    return verdict.refusals, holds, verdict.bodies is not None, verdict.tables, verdict.mode, verdict.redact


class AtOnce:
    """In place of the child: what goes there and back is pickled."""

    def run(self, owner: str, call: Any, *given: Any, by: Any, size: int) -> Deferred[Any]:
        reader, *rest = pickle.loads(pickle.dumps((by, *given)))
        done: Deferred[Any] = Deferred()
        done.callback(pickle.loads(pickle.dumps(call(reader, *rest))))
        return done


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2000) | st.sampled_from(["admin", "user", "{ deleteUser }", "{a:ssn}"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["role", "Role", "query", "operationName", "ssn", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


class Same(SynchronousTestCase):
    @settings(max_examples=200, deadline=None)
    @given(
        TREES,
        st.sampled_from([b"POST /users", b"DELETE /users/1", b"PUT /x", b"GET /graphql"]),
        st.sampled_from([JSON, b"application/x-www-form-urlencoded", b"text/plain", b"multipart/mixed"]),
        st.sampled_from([REQUEST, MESSAGE]),
        st.integers(0, 3),
    )
    def test_verdicts(self, tree: Any, line: bytes, type: bytes, kind: str, cut: int) -> None:
        body = json.dumps(tree).encode()
        operation = asked(line, body[: len(body) - cut] + b" " * (MAX_HERE + 8), type, kind)
        here = judging(None, *RULES).judge(operation)
        there = judging(AtOnce(), *RULES).judge(operation)
        self.assertIsInstance(there, Deferred)
        self.assertEqual(plain(self.successResultOf(there)), plain(here))

    def test_small_ones_stay(self) -> None:
        body = b'{"role": "admin"}'.ljust(MAX_HERE)
        self.assertIsInstance(judging(AtOnce(), ADMINS).judge(asked(b"POST /users", body)), Verdict)
        self.assertIsInstance(judging(AtOnce(), masks=()).judge(asked(b"POST /users", body + b" ")), Verdict)

    def test_readers_are_shared(self) -> None:
        """A child has one for all sessions that it is the same for, and not those of all targets."""
        one, other = judging(AtOnce(), *RULES)._reader(), judging(AtOnce(), *RULES)._reader()
        self.assertIs(one, other)
        self.assertIsNot(one, judging(AtOnce(), DELETES)._reader())
        for _ in range(2 * KEPT):
            shared(replace(one, api=read_openapi(b'{"openapi":"3.0.0","paths":{}}')))
        self.assertEqual(len(http_elsewhere._readers), KEPT)


def _dies(*given: Any) -> None:
    os._exit(1)


class Elsewhere(TestCase):
    def setUp(self) -> None:
        self.patch(parser_process, "DEADLINE", 100.0)  # a slow machine is no hostile text
        self.patch(parser_process, "PATIENCE", 100.0)
        self.parser = ParserProcess(reactor)
        self.addCleanup(self.parser.stop)

    async def judged(self, judge: HttpJudge, operation: Operation) -> list[str]:
        later = judge.judge(operation)
        self.assertIsInstance(later, Deferred)
        return [each.guardrail for each in (await later).refusals]

    async def test_real(self) -> None:
        """While one is read, small ones of another session are judged at once."""
        judge = judging(self.parser, *RULES)
        for role, wanted in (("admin", ["admins"]), ("user", [])):
            body = json.dumps({"role": role, "pad": PAD}).encode()
            waits = Deferred.fromCoroutine(self.judged(judge, asked(b"POST /users", body)))
            other = judging(self.parser, *RULES).judge(asked(b"POST /users", b'{"role": "admin"}'))
            self.assertFalse(waits.called)
            self.assertEqual([each.guardrail for each in other.refusals], ["admins"])
            self.assertEqual(await waits, wanted)

    async def test_death(self) -> None:
        """A rule that reads the body refuses, and so does a mask that could be gone around; others have their word."""
        self.patch(httpjudge, "read", _dies)
        operation = asked(b"POST /users", json.dumps({"role": "user", "pad": PAD}).encode())
        for kind in (REQUEST, MESSAGE):
            operation.kind, operation.name = kind, b"text" if kind == MESSAGE else b""
            later = judging(self.parser, DELETES, ADMINS).judge(operation)
            found = await later
            self.assertEqual([each.guardrail for each in found.refusals], ["admins", "mask"])
            for each in found.refusals:
                self.assertIn("the process that read it ended", each.reason)
            self.assertEqual(await self.judged(judging(self.parser, DELETES, masks=()), operation), [])
