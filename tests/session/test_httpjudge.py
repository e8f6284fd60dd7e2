"""What one HTTP session may do: the rules, the masks, and what of a body they must see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from hoopgw.auth.access import Access
from hoopgw.model.destination import Destination
from hoopgw.model.grant import Grant, Who
from hoopgw.model.http import HttpRequest
from hoopgw.model.identity import Identity
from hoopgw.model.operation import MESSAGE, REQUEST, TUNNEL, Operation
from hoopgw.model.target import Address, Role, Selector, Target, TlsMode
from hoopgw.model.verdict import HoldTerms
from hoopgw.policy.guardrails import Action
from hoopgw.policy.http_json import pointer
from hoopgw.policy.http_masks import HttpMask
from hoopgw.policy.http_openapi import read_openapi
from hoopgw.policy.http_rules import HttpConditions, HttpRule
from hoopgw.policy.http_values import ValueTest
from hoopgw.policy.mask_table import MaskRule
from hoopgw.policy.policyset import Selection
from hoopgw.relay.http_masks import HttpMaskBuilder
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.session.httpjudge import MAX_KNOWN, HttpJudge
from hoopgw.session.interfaces import IJudge

ROLE = Role("app", "app")
TARGET = Target("shop", "http", (Address("127.0.0.1", 80),), TlsMode.DISABLE, {"app": ROLE})
GRANT = Grant("g", Who(anyone=True))
ACCESS = Access(Identity("corp", "https://idp", "ann", frozenset(), 9e9), TARGET, ROLE, "", GRANT, 9e9)
DELETES = HttpRule("deletes", HttpConditions(frozenset(("DELETE",))), Action(refuse=True))
ADMINS = HttpRule(
    "admins", HttpConditions(paths=("/users",), json=((pointer("/role"), ValueTest(("admin",))),)), Action(refuse=True)
)
API = read_openapi(b'{"openapi":"3.0.0","paths":{"/Users/{id}":{"delete":{"operationId":"deleteUser"}}}}')


def asked(line: bytes, body: bytes | None = b"", kind: str = REQUEST, size: int | None = None) -> Operation:
    method, _, target = line.partition(b" ")
    length = size if size is not None else len(body or b"")
    return Operation("http", kind, line, request=HttpRequest(method, target, b"gw", (), body, length))


def judge(*rules: HttpRule, masks: tuple[HttpMask, ...] = (), grant: Grant = GRANT, **of_target: Any) -> HttpJudge:
    table = tuple(MaskRule("m", "http", Selector(), None, (), (), (), "none", http=each) for each in masks)
    builder = HttpMaskBuilder(MaskBuilder(b"k"))
    access = replace(ACCESS, grant=grant, target=replace(TARGET, **of_target))
    return HttpJudge(Selection(rules, table, ""), access, builder)


def refused(judge: HttpJudge, operation: Operation) -> list[str]:
    return [refusal.guardrail for refusal in judge.judge(operation).refusals]


class Judging(SynchronousTestCase):
    def test_secret_parameters_of_a_path(self) -> None:
        """Rules see them; what is told of a request, and what its session is found by, has the stars of the record."""
        for rules, shown in (((), "GET /A;sid=***/b"), ((DELETES,), "DELETE /A;sid=***/b")):
            method = shown.partition(" ")[0].encode()
            operation = asked(method + b" /A;sid=abc/b?token=x")
            assert operation.request is not None
            operation.request.line = method + b" /A;sid=***/b?token=*"
            found = judge(*rules).judge(operation)
            self.assertIn(shown, found.tables)
            self.assertEqual([each.reason for each in found.refusals], [shown] * len(rules))
        address = asked(b"GET /to/https:%2f%2Fu%3Aabc%40h/b")
        assert address.request is not None
        address.request.line = b"GET /to/https:%2f%2Fu%3A***%40h/b"
        self.assertEqual(judge().judge(address).tables, {"GET /to/https:%2F%2Fu:***@h/b"})
        operation.request.line = b'{"token": "*"}'  # of a message
        self.assertIn("DELETE /A;sid=abc/b", judge().judge(operation).tables)

    def test_rules(self) -> None:
        """Of the head and of the body."""
        found = judge(DELETES, ADMINS)
        self.assertTrue(verifyObject(IJudge, found))
        self.assertEqual(refused(found, asked(b"DELETE /x")), ["deletes"])
        self.assertEqual(refused(found, asked(b"POST /users", b'{"role":"admin"}')), ["admins"])
        self.assertEqual(refused(found, asked(b"POST /users", b'{"role":"user"}')), [])
        self.assertEqual(
            refused(found.successor(Selection((DELETES,), (), ""), ACCESS), asked(b"DELETE /")), ["deletes"]
        )

    def test_without_rules(self) -> None:
        """Everything goes on, and is found by method and path; however many there are, and whatever they ask for."""
        found = judge()
        for line, name in ((b"GET /a?b=1", "GET /a"), (b"GET /a?b=2", "GET /a"), (b"get //a", "GET //a")):
            verdict = found.judge(asked(line))
            self.assertTrue(verdict.plain)
            self.assertEqual(verdict.tables, frozenset((name,)))
        self.assertIs(found.judge(asked(b"GET /a?b=3")), found.judge(asked(b"GET /a")))
        for number in range(2 * MAX_KNOWN):
            name = f"GET /{number}"
            self.assertEqual(found.judge(asked(name.encode())).tables, frozenset((name,)))

    def test_how_much_of_a_body_an_approval_may_be_for(self) -> None:
        """As the rule's `buffer` says; what is longer is refused, and nobody is asked."""
        hold = Action(hold=HoldTerms("", "", frozenset(("dba",))))
        rules = [HttpRule("h", HttpConditions(frozenset(("PUT",)), buffer=size), hold) for size in (1 << 20, 4 << 20)]
        for rule, size, needs in ((rules[0], 2 << 20, 0), (rules[1], 2 << 20, 2 << 20), (rules[1], 5 << 20, 0)):
            found = judge(rule)
            operation = asked(b"PUT /a", None if needs == 0 else b"x" * size, size=size)
            assert operation.request is not None
            self.assertEqual(found.needs(HttpRequest(b"PUT", b"/a", b"gw", (), None, size)), needs)
            self.assertEqual(refused(found, operation), [] if needs else ["h"])
            self.assertEqual(len(found.judge(operation).holds), 1)

    def test_a_hold_that_is_named(self) -> None:
        """Its id goes with the verdict, with rules and without: what names one never runs as if it named none."""
        for found in (judge(), judge(DELETES)):
            operation = asked(b"GET /a")
            operation.request = HttpRequest(b"GET", b"/a", b"gw", (), b"", 0, b"", b"h_" + b"x" * 100)
            verdict = found.judge(operation)
            self.assertEqual((verdict.resumes, verdict.plain, verdict.keep), ("h_" + "x" * 62, False, False))
            self.assertTrue(found.judge(asked(b"GET /a")).plain)

    def test_what_must_be_seen_of_a_body(self) -> None:
        """Only where a rule reads it, and no more than it may be."""
        found = judge(DELETES, ADMINS)
        for line, size, expected in ((b"POST /users", 40, 40), (b"POST /x", 40, 0), (b"POST /users", 1 << 30, 0)):
            request = asked(line, None, size=size).request
            assert request is not None
            self.assertEqual(found.needs(request), expected)
            self.assertEqual(judge().needs(request), 0)

    def test_a_verdict_is_not_that_of_a_body_that_was_not_seen(self) -> None:
        """An empty body and one that is too long, both in chunks, have the same fields: only one of them is known."""
        found = judge(ADMINS)
        for body, expected in ((b"", []), (None, ["admins"]), (b"", [])):
            operation = asked(b"POST /users", body)
            operation.request = HttpRequest(b"POST", b"/users", b"gw", (), body, None)
            self.assertEqual(refused(found, operation), expected, body)

    def test_names_of_what_is_masked(self) -> None:
        """Where a mask goes by names, what a body or a message says of names is read, without rules as well."""
        found = judge(masks=(HttpMask(json=(pointer("ssn"),)),))
        text = b'{"query": "{ user { x: ssn } }"}'
        waits = asked(b"POST /graphql", None, size=len(text)).request
        opening = asked(b"GET /graphql").request
        assert waits is not None and opening is not None
        self.assertEqual((found.needs(waits), found.messages(opening)), (len(text), 1 << 20))
        self.assertEqual(refused(found, asked(b"POST /graphql", text)), ["mask"])
        self.assertEqual(refused(found, asked(b"POST /graphql", text.replace(b"x: ", b""))), [])
        message = asked(b"GET /graphql", text, MESSAGE)
        message.name = b"text"
        self.assertEqual(refused(found, message), ["mask"])
        patterns = judge(masks=(HttpMask(patterns=frozenset(("email",))),))
        self.assertEqual((patterns.needs(waits), patterns.messages(opening)), (0, 0))

    def test_messages_of_a_websocket(self) -> None:
        """By the rules that read bodies, on the path that it was opened at."""
        found = judge(DELETES, ADMINS)
        opening = asked(b"GET /users").request
        assert opening is not None
        self.assertEqual((found.messages(opening), judge(DELETES).messages(opening)), (1 << 20, 0))
        for body, expected in ((b'{"role":"admin"}', ["admins"]), (b'{"role":"user"}', [])):
            message = asked(b"GET /users", body, MESSAGE)
            message.name = b"text"
            self.assertEqual(refused(found, message), expected)

    def test_masks(self) -> None:
        """Where they are about the path, or might be."""
        everywhere = HttpMask(patterns=frozenset(("email",)))
        users = HttpMask(json=(pointer("ssn"),), where=HttpConditions(paths=("/users/*",)))
        self.assertTrue(judge(masks=(everywhere,)).masks)
        self.assertFalse(judge(DELETES).masks)
        found = judge(masks=(users,))
        self.assertIsNotNone(found.judge(asked(b"GET /users/1")).bodies)
        self.assertIsNotNone(found.judge(asked(b"GET /x/../users/1")).bodies)
        self.assertIsNotNone(found.judge(asked(b"GET /%")).bodies)
        self.assertIsNone(found.judge(asked(b"GET /x")).bodies)

    def test_what_a_session_is_found_by(self) -> None:
        """Method and path, and the operations of OpenAPI documents; as the target tells upper from lower case."""
        self.assertEqual(judge().judge(asked(b"GET /a%20b?c")).tables, {"GET /a b"})
        found = judge(api=API, folds_case=True)
        self.assertEqual(found.judge(asked(b"DELETE /USERS/7")).tables, {"DELETE /users/7", "deleteUser"})
        self.assertEqual(judge(api=API).judge(asked(b"DELETE /USERS/7")).tables, {"DELETE /USERS/7"})

    def test_tunnels(self) -> None:
        """Only the one that the login was for, and none around a rule or mask; a rule may be about opening one."""
        tunnel, opening = asked(b"CONNECT example.com:443", kind=TUNNEL), HttpConditions(frozenset(("CONNECT",)))
        ask = HttpRule("ask", opening, Action(refuse=True))
        there = replace(ACCESS, destination=Destination("example.com", 443))
        other = replace(ACCESS, destination=Destination("example.com", 8443))
        for access, rules, expected in (
            (ACCESS, (), ["http:connect"]),
            (other, (), ["http:connect"]),
            (there, (), []),
            (there, (DELETES,), ["http:connect"]),
            (there, (ask, DELETES), ["http:connect"]),
            (there, (ask,), ["ask"]),
        ):
            found = judge().successor(Selection(rules, (), ""), access)
            self.assertEqual(refused(found, tunnel), expected, (access.destination, rules))
        self.assertEqual(
            judge().successor(Selection((), (), ""), there).judge(tunnel).tables, {"CONNECT example.com:443"}
        )

    def test_the_unknown_is_refused(self) -> None:
        """Another kind, another protocol, a request without what is judged."""
        for operation in (
            asked(b"GET /", kind="exec"),
            Operation("ssh", REQUEST, b""),
            Operation("http", REQUEST, b""),
        ):
            self.assertEqual(refused(judge(), operation), ["http:unknown"])
