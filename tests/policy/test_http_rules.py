"""hoopgw.policy.http_rules, with what it reads: facts, bodies, values"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import re2
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from hoopgw.model.http import HttpRequest
from hoopgw.model.operation import Operation
from hoopgw.model.target import Mode
from hoopgw.model.verdict import HoldTerms
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.guardrails import Action, Match
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_graphql import MAX_OPERATIONS
from hoopgw.policy.http_json import pointer
from hoopgw.policy.http_openapi import read_openapi
from hoopgw.policy.http_rules import BUFFER, GraphqlTest, HttpConditions, HttpRule, needed, needed_of_messages
from hoopgw.policy.http_values import ValueTest

JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")
ADMIN = ValueTest(("admin",))
YES, NO, DOUBT = Match.YES, Match.NO, Match.DOUBT
API = read_openapi(
    json.dumps(
        {
            "openapi": "3.1.0",
            "servers": [{"url": "https://x.example.com/v1"}],
            "paths": {
                "/pets": {"get": {"operationId": "listPets"}, "post": {"operationId": "addPet"}},
                "/pets/{id}": {"delete": {"operationId": "deletePet"}, "get": {"operationId": "getPet"}},
            },
        }
    ).encode()
)


def request(line: bytes, *fields: tuple[bytes, bytes], body: bytes | None = b"", size: int | None = -1) -> HttpRequest:
    method, _, target = line.partition(b" ")
    length = len(body or b"") if size == -1 else size
    return HttpRequest(method, target, b"x.example.com", fields, body, length)


def facts(line: bytes, *fields: tuple[bytes, bytes], folds: bool = False, **other: Any) -> HttpFacts:
    return HttpFacts(request(line, *fields, **other), folds, API)


def posted(body: bytes, *fields: tuple[bytes, bytes]) -> HttpFacts:
    return facts(b"POST /x", *(fields or (JSON,)), body=body)


class OfTheHead(SynchronousTestCase):
    def match(self, conditions: HttpConditions, expected: Match, *lines: bytes, folds: bool = False) -> None:
        for line in lines:
            self.assertIs(conditions.match(facts(line, folds=folds)), expected, line)

    def test_methods(self) -> None:
        """In whatever letters they are sent."""
        rule = HttpConditions(methods=frozenset(("DELETE", "PUT")))
        self.match(rule, YES, b"DELETE /", b"PUT /", b"delete /")
        self.match(rule, NO, b"GET /", b"POST /", b"DELETED /")

    def test_letters_that_nobody_knows_about(self) -> None:
        """A target of which it is not said whether it tells upper from lower case may or may not: that is in doubt."""
        for conditions, line in (
            (HttpConditions(paths=("/admin/*",)), b"GET /ADMIN/x"),
            (HttpConditions(paths=("/Admin/*",)), b"GET /admin/x"),
            (HttpConditions(queries=(("role", ADMIN),)), b"GET /x?Role=admin"),
            (HttpConditions(pattern=re2.compile("^GET /admin"), paths=("/*",)), b"GET /ADMIN"),
        ):
            asked = request(line)
            self.assertIs(conditions.match(HttpFacts(asked, cased=False)), DOUBT, line)
            self.assertIs(conditions.match(HttpFacts(asked)), NO, line)
            self.assertIs(conditions.match(HttpFacts(asked, True)), YES, line)
        form = request(b"POST /x", FORM, body=b"ROLE=admin")
        conditions = HttpConditions(forms=(("role", ADMIN),))
        self.assertEqual([conditions.match(HttpFacts(form, cased=each)) for each in (False, True)], [DOUBT, NO])
        for conditions, line in (
            (HttpConditions(paths=("/admin/*",)), b"GET /users/x"),
            (HttpConditions(queries=(("role", ADMIN),)), b"GET /x?Role=user"),
        ):
            self.assertIs(conditions.match(HttpFacts(request(line), cased=False)), NO)

    def test_a_pattern_beside_a_path_in_other_letters(self) -> None:
        """Where neither holds in whatever letters, there is no doubt."""
        conditions = HttpConditions(paths=("/admin/*",), pattern=re2.compile("^DELETE /admin/u"))
        for line, expected in (
            (b"DELETE /admin/u", YES),
            (b"DELETE /Admin/U", DOUBT),
            (b"GET /Admin/u", NO),
            (b"DELETE /Admin/x", NO),
        ):
            self.assertIs(conditions.match(HttpFacts(request(line), cased=False)), expected, line)

    def test_header_fields_that_are_lists(self) -> None:
        """Fields of one name may be joined to one, and targets split it."""
        rule = HttpConditions(headers=((b"x-role", ADMIN),))
        for values in ((b"admin",), (b"user", b"admin"), (b"user, admin",), (b"admin,user",), (b'user,"admin"',)):
            self.assertIs(rule.match(facts(b"GET /", *((b"x-role", each) for each in values))), YES, values)
        for value in (b"user", b"user,administrator", b"", b","):
            self.assertIs(rule.match(facts(b"GET /", (b"x-role", value))), NO, value)

    def test_another_method_by_override_is_in_doubt(self) -> None:
        """Frameworks take it from a field, from the query or from a form."""
        rule = HttpConditions(methods=frozenset(("DELETE",)))
        self.match(rule, DOUBT, b"POST /?_method=delete", b"POST /?X-HTTP-Method-Override=DELETE")
        for name in (b"x-http-method-override", b"x_http_method_override", b"x-http-method", b"x-method-override"):
            self.assertIs(rule.match(facts(b"POST /", (name, b"Delete"))), DOUBT)
        self.assertIs(rule.match(facts(b"POST /", (b"x-http-method-override", b"PATCH"))), NO)
        self.assertIs(rule.match(posted(b"a=1&_method=DELETE", FORM)), DOUBT)
        self.assertIs(rule.match(posted(b"a=1&_method=PATCH", FORM)), NO)
        waiting = facts(b"POST /", FORM, body=None, size=30)
        self.assertEqual((rule.match(waiting), rule.needs(waiting)), (DOUBT, 30))

    def test_paths(self) -> None:
        """Globs over canonical paths; what a target could read otherwise is in doubt."""
        rule = HttpConditions(paths=("/admin/*",))
        self.match(rule, YES, b"GET /admin/x", b"GET /admin", b"GET /admin/", b"GET /%61dmin/x?y")
        self.match(rule, NO, b"GET /", b"GET /administrator", b"GET /x?/admin/")
        self.match(rule, DOUBT, b"GET /x/../admin/y", b"GET /%2fadmin/x", b"GET //admin/x", b"GET /x;/../admin")
        self.match(rule, DOUBT, b"GET /%", b"GET /%ff")
        self.match(rule, NO, b"GET /projects/a%2fb", b"GET /a//b;c=d")  # in no reading

    def test_a_path_in_a_field(self) -> None:
        """What is copied or moved to a path, or from it, is about that path."""
        rule, only = HttpConditions(paths=("/secret/*",)), HttpConditions(paths_not=("/open/*",))
        for name, value, expected in (
            (b"destination", b"/secret/x", YES),
            (b"destination", b"https://x.example.com/secret/x", YES),
            (b"destination", b"/a/../secret/x", DOUBT),
            (b"destination", b"/%73ecret/x", YES),
            (b"x_amz_copy_source", b"secret/x?versionId=1", YES),
            (b"x-amz-copy-source", b"/secret/x", YES),
            (b"x-ms-copy-source", b"https://account.example.com/secret/x?sig=1", YES),
            (b"x-copy-from", b"/secret/x", YES),
            (b"destination", b"/open/x", NO),
            (b"referer", b"/secret/x", NO),
            (b"from", b"/secret/x", NO),
            (b"x-amz-copy-source", b"open/a://secret/x", NO),
            (b"x-copy-from", b"secret", YES),
        ):
            self.assertIs(rule.match(facts(b"MOVE /open/a", (name, value))), expected, (name, value))
            outside = NO if b"open/" in value or name in (b"referer", b"from") else YES
            self.assertIs(only.match(facts(b"PUT /open/a", (name, value))), outside, (name, value))
        moves = HttpConditions(methods=frozenset(("MOVE",)), paths=("/open/*",))
        self.assertIs(moves.match(facts(b"MOVE /open/a", (b"destination", b"/secret/b"))), YES)
        folded = facts(b"MOVE /open/a", (b"destination", b"/SECRET/b"), folds=True)
        self.assertIs(rule.match(folded), YES)

    def test_requests_in_one_another(self) -> None:
        """A batch is about any method and path: what a rule says of them is in doubt, unless it holds for the whole."""
        mixed = (b"content-type", b"multipart/mixed; boundary=b")
        batches = (
            facts(b"POST /odata/$batch", mixed, body=b"--b"),
            facts(b"POST /odata/%24Batch/", JSON, body=None, size=None),
            facts(b"POST /odata/$batch", (b"content-type", b"text/plain"), body=b"{}"),
            facts(b"POST /anywhere", mixed, body=None, size=70),
            facts(b"POST /anywhere", (b"content-type", b"Multipart/Parallel; boundary=b"), body=b"--b"),
            facts(b"POST /anywhere", (b"content-type", b"application/http"), body=b"GET /"),
            facts(b"POST /anywhere", (b"content-type", b"multipart/mixed; boundary=a; boundary=b"), body=b"--b"),
            facts(b"POST /anywhere", mixed, JSON, body=b"--b"),
            facts(b"GET /anywhere", mixed, body=b"--b"),
        )
        others = (
            facts(b"POST /odata/batch", JSON, body=b"{}"),
            facts(b"POST /odata/$batch", body=b""),
            facts(b"POST /upload", (b"content-type", b"multipart/form-data; boundary=b"), body=b"--b"),
            facts(b"POST /upload", (b"content-type", b"multipart/related; boundary=b"), body=b"--b"),
        )
        for rule in (
            HttpConditions(paths=("/admin/*",)),
            HttpConditions(paths_not=("/odata/*", "/anywhere", "/upload")),
            HttpConditions(methods=frozenset(("DELETE",))),
            HttpConditions(operations=frozenset(("deletePet",))),
            HttpConditions(pattern=re2.compile("^DELETE ")),
            HttpConditions(queries=(("all", ValueTest()),)),
            HttpConditions(headers=((b"x-force", ValueTest()),)),
        ):
            for each in batches:
                self.assertIs(rule.match(each), DOUBT, (rule, each.request.target))
                self.assertIn("batch", rule.doubt(each))
            for each in others:
                self.assertIs(rule.match(each), NO, (rule, each.request.target))
        self.assertIs(HttpConditions(paths=("/odata/$batch",)).match(batches[0]), YES)
        self.assertIs(HttpConditions(size=10).match(batches[0]), NO)
        inside = (HttpConditions(json=((pointer("/role"), ADMIN),)), HttpConditions(forms=(("role", ADMIN),)))
        for rule in inside:
            self.assertIs(rule.match(facts(b"POST /$batch", JSON, body=b'{"requests": []}')), DOUBT, rule)

    def test_every_path_but(self) -> None:
        """What is let out must be let out in every reading."""
        rule = HttpConditions(paths_not=("/public/*",))
        self.match(rule, NO, b"GET /public/x", b"GET /public")
        self.match(rule, YES, b"GET /private", b"GET /publicity")
        self.match(rule, DOUBT, b"GET /public/../private", b"GET /public/..%2fprivate", b"GET /public/..;/private")

    def test_case_of_paths(self) -> None:
        """As the target has it."""
        rule = HttpConditions(paths=("/Admin/*",))
        self.match(rule, NO, b"GET /admin/x", b"GET /ADMIN/x")
        self.match(rule, YES, b"GET /admin/x", b"GET /ADMIN/x", folds=True)

    def test_a_pattern_over_method_and_path(self) -> None:
        """RE2, over every reading."""
        rule = HttpConditions(pattern=re2.compile(rb"^(PUT|POST) /users/\d+$"))
        self.match(rule, YES, b"PUT /users/42")
        self.match(rule, NO, b"GET /users/42", b"PUT /users/me")
        self.match(rule, DOUBT, b"PUT /users/x/../42")

    def test_a_pattern_where_case_is_folded(self) -> None:
        """It is written in whatever letters its author likes."""
        rule = HttpConditions(pattern=re2.compile(rb"^DELETE /Admin/\d+$"))
        self.match(rule, YES, b"DELETE /Admin/1", b"DELETE /ADMIN/1", folds=True)
        self.match(rule, NO, b"DELETE /admin/x", folds=True)
        self.match(rule, NO, b"DELETE /ADMIN/1")

    def test_a_method_in_a_form(self) -> None:
        """Rails and others take it for the method: a regex and an operation are about that one as well."""
        pattern = HttpConditions(pattern=re2.compile(rb"^DELETE /v1/pets/"))
        operation = HttpConditions(operations=frozenset(("deletePet",)))
        for rule in (pattern, operation):
            for body, expected in ((b"a=1&_method=DELETE", DOUBT), (b"a=1", NO)):
                waits = facts(b"POST /v1/pets/7", FORM, body=None, size=len(body))
                self.assertEqual((rule.needs(waits), rule.match(waits)), (len(body), DOUBT))
                found = facts(b"POST /v1/pets/7", FORM, body=body)
                self.assertIs(rule.match(found), expected)
            self.assertIs(rule.match(facts(b"PUT /v1/pets/7", FORM, body=b"_method=DELETE")), NO)
            self.assertIs(rule.match(facts(b"POST /v1/pets/7", JSON, body=b"_method=DELETE")), NO)
            elsewhere = facts(b"POST /v1/owners", FORM, body=None, size=1 << 40)
            self.assertIs(rule.match(elsewhere), NO)
            self.assertIs(rule.match(facts(b"POST /v1/pets/7", (b"x-http-method-override", b"delete"))), DOUBT)

    def test_names_as_frameworks_have_them(self) -> None:
        """PHP makes variables of names, Express takes brackets off, some decode before they look for a `?`."""
        rule = HttpConditions(queries=(("role", ADMIN),))
        self.match(
            rule, YES, b"GET /?%20role=admin", b"GET /?[role]=admin", b"GET /?+role=admin", b"GET /a%3frole=admin"
        )
        self.match(rule, YES, b"GET /a%253Frole=admin?role=user", b"GET /?[role][]=admin", b"GET /?role[=admin")
        of_form = HttpConditions(forms=(("role", ADMIN),))
        part = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\nadmin\r\n--b--\r\n'
        for name in (b"role", b"role[]", b"role[a]", b"role[0]", b"[role]"):
            found = posted(part % name, (b"content-type", b"multipart/form-data; boundary=b"))
            self.assertIs(of_form.match(found), YES, name)
        self.match(
            HttpConditions(queries=(("user_role", ADMIN),)), YES, b"GET /?user.role=admin", b"GET /?user%5Brole=admin"
        )
        self.match(rule, NO, b"GET /?x.role=admin", b"GET /?roles=admin", b"GET /a%3frole=user")

    def test_queries(self) -> None:
        """Any value of the name, as any target reads it."""
        rule = HttpConditions(queries=(("role", ADMIN),))
        self.match(rule, YES, b"GET /?role=admin", b"GET /?role=x&role=admin", b"GET /?a=b;role=admin")
        self.match(rule, YES, b"GET /?role[]=admin", b"GET /?%72ole=%61dmin")
        self.match(rule, NO, b"GET /", b"GET /?role=user", b"GET /?Role=admin")
        self.match(rule, DOUBT, b"GET /?x=%zz", b"GET /?x=%00")
        self.match(rule, YES, b"GET /?Role=admin", folds=True)
        self.match(HttpConditions(queries=(("n", ValueTest(others=("1",))),)), YES, b"GET /", b"GET /?n=1&n=2")
        self.match(HttpConditions(queries=(("n", ValueTest(above=Decimal(10))),)), YES, b"GET /?n=11")
        self.match(HttpConditions(queries=(("n", ValueTest(above=Decimal(10))),)), DOUBT, b"GET /?n=many")

    def test_headers(self) -> None:
        """Any field of that name; CGI takes an underscore for a hyphen."""
        rule = HttpConditions(headers=((b"x-env", ValueTest(("prod*",))),))
        self.assertIs(rule.match(facts(b"GET /", (b"x-env", b"test"), (b"x-env", b"production"))), YES)
        self.assertIs(rule.match(facts(b"GET /", (b"x_env", b"prod"))), YES)
        self.assertIs(rule.match(facts(b"GET /", (b"x-env", b"test"))), NO)

    def test_operations_of_openapi(self) -> None:
        """By method and path template; a path that could mean another operation is in doubt."""
        rule = HttpConditions(operations=frozenset(("deletePet",)))
        self.match(rule, YES, b"DELETE /v1/pets/7", b"DELETE /v1/pets/7/")
        self.match(rule, NO, b"GET /v1/pets/7", b"DELETE /v1/pets", b"DELETE /pets/7", b"DELETE /v1/cats/7/x")
        self.match(rule, DOUBT, b"DELETE /v1/pets/7/x", b"DELETE /V1/Pets/7", b"DELETE /v1/pets/7/x.json")
        self.match(rule, DOUBT, b"DELETE /v1/pets/x/../7", b"GET /v1/pets/7?_method=DELETE", b"DELETE /v1//pets/7")
        other = HttpConditions(operations_not=frozenset(("listPets", "getPet")))
        self.match(other, NO, b"GET /v1/pets", b"GET /v1/pets/7", b"HEAD /v1/pets/7")
        self.match(other, YES, b"POST /v1/pets", b"GET /v1/owners", b"GET /")

    def test_services_and_methods_of_grpc(self) -> None:
        """By the last two segments of the path, whatever the content is; what two could read as two is in doubt."""
        rule = HttpConditions(services=("pay.Users", "admin.*"), calls=("Delete*", "Close"))
        self.match(rule, YES, b"POST /pay.Users/DeleteAll", b"POST /admin.v1.Any/Close", b"POST /api/pay.Users/Close")
        self.match(rule, NO, b"POST /pay.Users/Get", b"POST /pay.Orders/Delete", b"POST /pay.users/Close", b"POST /")
        self.match(rule, DOUBT, b"POST /pay.Users/x/../Close")
        self.match(rule, YES, b"POST //pay.Users/Close/")
        self.match(rule, YES, b"POST /PAY.users/close", folds=True)
        self.match(HttpConditions(calls=("Close",)), YES, b"POST /any.Service/Close")
        self.match(HttpConditions(services=("pay.Users",)), YES, b"POST /pay.Users/Any")
        self.match(HttpConditions(services=("pay.Users",)), NO, b"POST /pay.Users", b"POST /x/y/pay.Users")


class OfTheBody(SynchronousTestCase):
    def test_json_by_pointer(self) -> None:
        """Members, elements, globs; texts, numbers, booleans; what is there or not."""
        for where, test, body, expected in (
            ("/user/role", ADMIN, b'{"user":{"role":"admin"}}', YES),
            ("/user/role", ADMIN, b'{"user":{"role":"user"}}', NO),
            ("/user/role", ADMIN, b'{"role":"admin"}', NO),
            ("/items/*/price", ValueTest(above=Decimal(100)), b'{"items":[{"price":1},{"price":100.5}]}', YES),
            ("/items/*/price", ValueTest(above=Decimal(100)), b'{"items":[{"price":100}]}', NO),
            ("/price", ValueTest(above=Decimal(100)), b'{"price":1e3}', YES),
            ("/price", ValueTest(above=Decimal(100)), b'{"price":"1000"}', YES),
            ("/price", ValueTest(above=Decimal(100)), b'{"price":{"$gt":1}}', DOUBT),
            ("/price", ValueTest(above=Decimal(100)), b'{"price":1e999}', DOUBT),
            ("/price", ValueTest(("10",)), b'{"price":1.0e1}', YES),
            ("/price", ValueTest(("10",)), b'{"price":10.0000000000000000000000000000000001}', DOUBT),
            ("role", ADMIN, b'[{"a":[{"role":"admin"}]}]', YES),
            ("role", ADMIN, b'[{"Role":"admin"}]', DOUBT),
            ("role", ADMIN, b'{"role":["viewer","admin"]}', DOUBT),
            ("role", ADMIN, b'{"role":["viewer",{"x":"admin"}]}', NO),
            ("*_role", ADMIN, b'{"my_role":"admin"}', YES),
            ("/a~1b/~0", ADMIN, b'{"a/b":{"~":"admin"}}', YES),
            ("/ok", ValueTest(others=("true",)), b'{"ok":true}', NO),
            ("/ok", ValueTest(others=("true",)), b"{}", YES),
            ("/ok", ValueTest(("*",)), b'{"ok":[1]}', YES),
            ("/role", ADMIN, b'{"role":"\\u0061dmin"}', YES),
        ):
            rule = HttpConditions(json=((pointer(where), test),))
            self.assertIs(rule.match(posted(body)), expected, (where, body))

    def test_json_that_parsers_read_differently_is_doubted(self) -> None:
        """Names given twice, NaN, byte order marks, other encodings, depth, half surrogates, trailing text."""
        rule = HttpConditions(json=((pointer("/role"), ADMIN),))
        for body in (
            b'{"role":"user","role":"admin"}',
            b'{"role":"user","r\\u006fle":"admin"}',
            b'{"role":NaN}',
            b'\xef\xbb\xbf{"role":"user"}',
            '{"role":"user"}'.encode("utf-16"),
            '{"role":"user"}'.encode("utf-16-le"),
            b'{"a":' * 100 + b"1" + b"}" * 100,
            b"[" * 100_000,
            b'{"role":"\\ud800"}',
            b'{"\\ud800":1}',
            b'{"role\\u0000":"admin"}',
            b'{"role":"user"} {"role":"admin"}',
            b'{"role":"user",}',
            b"{'role':'admin'}",
            b'{"role":/**/"user"}',
            b'{"x":"\xff"}',
        ):
            self.assertIs(rule.match(posted(body)), DOUBT, body[:30])

    def test_json_is_seen_whatever_its_type_says(self) -> None:
        """Many targets parse a body as what they expect."""
        rule = HttpConditions(json=((pointer("/role"), ADMIN),))
        for kind in (b"text/plain", b"application/x-www-form-urlencoded", b"application/vnd.api+json; charset=UTF-8"):
            self.assertIs(rule.match(posted(b'{"role":"admin"}', (b"content-type", kind))), YES)
        self.assertIs(rule.match(facts(b"POST /", body=b'{"role":"admin"}')), YES)
        self.assertIs(rule.match(posted(b"// x\n{}", (b"content-type", b"text/plain"))), DOUBT)
        for before in (b")]}'\n", b"\n)]}'\n", b"\x02 "):  # Gson, org.json
            body = before + b'{"role":"admin"}'
            self.assertIs(rule.match(posted(body, (b"content-type", b"text/plain"))), DOUBT)
            self.assertIs(rule.match(posted(b"a=1&data=" + body, FORM)), DOUBT)
        sequence = (b"content-type", b"application/json-seq")
        self.assertIs(rule.match(posted(b'\x1e{"role":"admin"}\n', sequence)), DOUBT)

    def test_a_form_has_the_members_that_frameworks_read_in_it(self) -> None:
        """A client cannot choose by the type of its body whether a rule about JSON holds."""
        part = b'--x\r\nContent-Disposition: form-data; name="user[role]"\r\n\r\nadmin\r\n--x--\r\n'
        multipart = (b"content-type", b"multipart/form-data; boundary=x")
        role, user, absent = ("role", ADMIN), ("/user/role", ADMIN), ("/ok", ValueTest(others=("true",)))
        for (where, test), body, kind, expected in (
            (role, b"role=admin", FORM, YES),
            (role, b"a=1&user[role]=%61dmin", FORM, YES),
            (role, b"user.role=admin", FORM, YES),
            (role, b"Role=admin", FORM, DOUBT),
            (role, b"role=viewer&rolex=admin", FORM, NO),
            (role, b"role=%zz", FORM, DOUBT),
            (role, b'"&role=admin&x="', FORM, YES),
            (role, b'{"a":"&role=admin&"}', FORM, YES),
            (role, b'{"role":"admin"}', FORM, YES),
            (user, b"user[role]=admin", FORM, YES),
            (user, b"user%5Brole%5D[]=admin", FORM, YES),
            (user, b"role=admin", FORM, NO),
            (user, part, multipart, YES),
            (absent, b"ok=true", FORM, NO),
            (absent, b"x=true", FORM, YES),
            (("/n", ValueTest(above=Decimal(10))), b"n=11", FORM, YES),
        ):
            rule = HttpConditions(json=((pointer(where), test),))
            self.assertIs(rule.match(posted(body, kind)), expected, (where, body))

    def test_a_field_of_a_form_may_hold_json(self) -> None:
        """Slack, GitHub and Discord send it as `payload` or `payload_json`, Spring and others take such parts."""
        head = b'--x\r\nContent-Disposition: form-data; name="p"\r\nContent-Type: application/json\r\n\r\n'
        part = head + b"%b\r\n--x--\r\n"
        multipart = (b"content-type", b"multipart/form-data; boundary=x")
        for where, body, kind, expected in (
            ("role", b"payload=%7B%22role%22%3A%22admin%22%7D", FORM, YES),
            ("/role", b'payload={"role":"admin"}', FORM, YES),
            ("role", b'payload=[{"role":"admin"}]', FORM, YES),
            ("role", b'payload={"role":"x","role":"admin"}', FORM, DOUBT),
            ("role", b"payload={'role':'admin'}", FORM, DOUBT),
            ("role", b'payload={"role":"viewer"}', FORM, NO),
            ("role", b"subject=[urgent] admin", FORM, NO),
            ("role", part % b' {"role":"admin"}', multipart, YES),
            ("role", part % b'{"role":"viewer"}', multipart, NO),
        ):
            rule = HttpConditions(json=((pointer(where), ADMIN),))
            self.assertIs(rule.match(posted(body, kind)), expected, (where, body))

    def test_the_same_in_another_format_is_doubted(self) -> None:
        """What targets take in the place of JSON and is not read here; of a stream nothing is waited for."""
        rule = HttpConditions(json=((pointer("role"), ADMIN),))
        for kind in (
            b"application/yaml", b"text/x-yaml", b"application/xml", b"application/soap+xml", b"application/msgpack",
            b"application/vnd.msgpack", b"application/cbor", b"application/x-protobuf", b"application/connect+proto",
            b"application/grpc", b"application/grpc-web+proto", b"application/smile", b"application/x-plist",
            b"multipart/mixed; boundary=x", b"multipart/related; boundary=x",
        ):  # fmt: skip
            field = (b"content-type", kind)
            self.assertIs(rule.match(posted(b"role: admin", field)), DOUBT, kind)
            self.assertIn(kind.partition(b";")[0].decode(), rule.doubt(posted(b"role: admin", field)))
            self.assertEqual(rule.needs(facts(b"POST /", field, body=None, size=None)), 0)
        for kind in (b"application/octet-stream", b"text/plain", b"image/svg+xml", b"application/zip"):
            self.assertIs(rule.match(posted(b"role: admin", (b"content-type", kind))), NO, kind)

    def test_a_body_that_cannot_be_read_is_doubted(self) -> None:
        """Compressed, in another character set, or of a type that can be read in several ways."""
        rules = (
            HttpConditions(json=((pointer("/role"), ADMIN),)),
            HttpConditions(forms=(("role", ADMIN),)),
            HttpConditions(graphql=GraphqlTest(frozenset(("mutation",)))),
        )
        for fields in (
            (JSON, (b"content-encoding", b"gzip")),
            ((b"content-type", b"application/json; charset=utf-16"),),
            ((b"content-type", b'application/json; charset="UTF-7"'),),
            (JSON, FORM),
            ((b"content-type", b"json"),),
            ((b"content-type", b"application/json; charset=utf-8; charset=utf-16"),),
        ):
            for rule in rules:
                self.assertIs(rule.match(posted(b"{}", *fields)), DOUBT, fields)

    def test_a_body_that_is_too_long_or_was_not_read_is_doubted(self) -> None:
        """Beyond its bound a rule refuses; what it needs is said before, and only where the head does not settle it."""
        rule = HttpConditions(methods=frozenset(("POST",)), json=((pointer("/role"), ADMIN),), buffer=100)
        for line, size, needs, word in (
            (b"POST /", 100, 100, DOUBT),
            (b"POST /", 101, 0, DOUBT),
            (b"POST /", None, 100, DOUBT),
            (b"POST /", 0, 0, NO),
            (b"GET /", 50, 0, NO),
        ):
            found = facts(line, JSON, body=None, size=size)
            self.assertEqual((rule.needs(found), rule.match(found)), (needs, word), (line, size))

    def test_forms(self) -> None:
        """Both kinds."""
        rule = HttpConditions(forms=(("role", ADMIN),))
        multipart = (b"content-type", b"multipart/form-data; boundary=xyz")
        part = b'Content-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--xyz'
        for body, kind, expected in (
            (b"role=admin", FORM, YES),
            (b"role=user&x=%61", FORM, NO),
            (b"role=%", FORM, DOUBT),
            (b"--xyz\r\n" + part % (b"role", b"admin") + b"--\r\n", multipart, YES),
            (b"--xyz\r\n" + part % (b"role[]", b"admin") + b"--\r\n", multipart, YES),
            (b"--xyz\r\n" + part % (b"x", b"1") + b"\r\n" + part % (b"role", b"admin") + b"--", multipart, YES),
            (b"--xyz\r\n" + part % (b"role", b"user") + b"--\r\n", multipart, NO),
            (b"--xyz\r\n" + part % (b'role"; name="x', b"admin") + b"--\r\n", multipart, DOUBT),
            (b"--xyz\r\n" + part % (b"x", b"1\n--xyz\nadmin") + b"--\r\n", multipart, DOUBT),
            (b"--xyz\r\nContent-Disposition: form-data; name*=utf-8''role\r\n\r\nadmin\r\n--xyz--", multipart, DOUBT),
            (b"junk\r\n--xyz\r\n" + part % (b"role", b"user") + b"--\r\n", multipart, DOUBT),
            (b"--xyz\r\n" + part % (b"role", b"user"), multipart, DOUBT),
            (b"role=admin", JSON, NO),
        ):
            self.assertIs(rule.match(posted(body, kind)), expected, body)

    def test_forms_in_doubt(self) -> None:
        """Parts without a boundary; names in other letters, where the target takes them for the same."""
        rule = HttpConditions(forms=(("role", ADMIN),))
        body = b'--\r\nContent-Disposition: form-data; name="role"\r\n\r\nuser\r\n----\r\n'
        for kind in (b"multipart/form-data", b'multipart/form-data; boundary=""'):
            self.assertIs(rule.match(posted(body, (b"content-type", kind))), DOUBT, kind)
        folded = facts(b"POST /x", FORM, body=b"ROLE=admin", folds=True)
        self.assertIs(rule.match(folded), YES)

    def test_forms_in_other_character_sets(self) -> None:
        """ASP.NET reads a part by the character set of its type, Jetty a form by what its field `_charset_` says, and
        Tomcat the name of a part as a word of mail."""
        rule = HttpConditions(forms=(("role", ADMIN),))
        multipart = (b"content-type", b"multipart/form-data; boundary=xyz")
        part = b'--xyz\r\nContent-Disposition: form-data; name="%s"\r\n%s\r\n%s\r\n--xyz--\r\n'
        typed = b"Content-Type: text/plain; charset=%s\r\n"
        wide = "admin".encode("utf-16-le")
        for body, kind, expected in (
            (part % (b"role", typed % b"UTF-16LE", wide), multipart, DOUBT),
            (part % (b"role", typed % b'"utf-16le"', wide), multipart, DOUBT),
            (part % (b"role", typed % b"utf-8; charset=utf-16le", wide), multipart, DOUBT),
            (part % (b"role", typed % b"UTF-8", b"user"), multipart, NO),
            (part % (b"x", typed % b'"utf-8"', b"charset=utf-16"), multipart, NO),
            (part % (b"charset=utf-16", b"", b"x"), multipart, NO),
            (part % (b"=?utf-8?Q?role?=", b"", b"admin"), multipart, DOUBT),
            (part % (b"_charset_", b"", b"utf-16le"), multipart, DOUBT),
            (part % (b"_charset_", b"", b"UTF-8"), multipart, NO),
            (b"_charset_=utf-7&role=%2BAGE-dmin", FORM, DOUBT),
            (b"_charset_=utf-8&role=user", FORM, NO),
        ):
            self.assertIs(rule.match(posted(body, kind)), expected, body)

    def test_size(self) -> None:
        """Known from the head, or from the body where that was read."""
        rule = HttpConditions(size=10)
        for body, size, needs, word in (
            (None, 11, 0, YES),
            (None, 10, 0, NO),
            (None, None, 11, DOUBT),
            (b"x" * 11, None, 11, YES),
            (b"x" * 10, None, 11, NO),
        ):
            found = facts(b"POST /", body=body, size=size)
            self.assertEqual((rule.needs(found), rule.match(found)), (needs, word), size)

    @given(st.binary(max_size=80), st.sampled_from([JSON, FORM, (b"content-type", b"multipart/form-data; boundary=a")]))
    def test_no_body_raises(self, body: bytes, kind: tuple[bytes, bytes]) -> None:
        """Junk is judged."""
        for rule in (
            HttpConditions(json=((pointer("role"), ADMIN),)),
            HttpConditions(forms=(("role", ADMIN),)),
            HttpConditions(graphql=GraphqlTest(fields=("x",))),
        ):
            self.assertIn(rule.match(posted(body, kind)), Match)


class OfGraphql(SynchronousTestCase):
    DELETES = HttpConditions(graphql=GraphqlTest(frozenset(("mutation",)), (), ("deleteUser",)))

    def asks(self, text: str, name: str | None = None, **other: Any) -> HttpFacts:
        return posted(json.dumps({"query": text, "operationName": name, **other}).encode())

    def test_by_type_name_and_field(self) -> None:
        """All three of one operation."""
        text = "query A { user { email } } mutation B { deleteUser(id: 1) { id } }"
        for test, name, expected in (
            (GraphqlTest(frozenset(("mutation",))), None, YES),
            (GraphqlTest(frozenset(("mutation",))), "A", NO),
            (GraphqlTest(frozenset(("mutation",))), "B", YES),
            (GraphqlTest(frozenset(("mutation",))), "C", YES),
            (GraphqlTest(names=("B",)), "B", YES),
            (GraphqlTest(fields=("email",)), "A", YES),
            (GraphqlTest(fields=("user.email",)), "A", YES),
            (GraphqlTest(fields=("*.email",)), "A", YES),
            (GraphqlTest(fields=("account.email",)), "A", NO),
            (GraphqlTest(frozenset(("query",)), (), ("deleteUser",)), None, NO),
        ):
            rule = HttpConditions(graphql=test)
            self.assertIs(rule.match(self.asks(text, name)), expected, (test, name))

    def test_nothing_hides_a_field(self) -> None:
        """Aliases, fragments, inline fragments, directives, batches, other places."""
        for text in (
            "mutation { getUser: deleteUser { id } }",
            "mutation { ...F } fragment F on Mutation { ok: deleteUser { id } }",
            "mutation { ... { deleteUser { id } } }",
            "mutation { ... on Mutation { ...F } } fragment F on Mutation { ... on Mutation { deleteUser } }",
            "mutation($x: Boolean!) { deleteUser @include(if: $x) }",
            "query A { x } mutation B { deleteUser }",
        ):
            self.assertIs(self.DELETES.match(self.asks(text)), YES, text)
        text = b"mutation{deleteUser}"
        batch = json.dumps([{"query": "{x}"}, {"query": text.decode()}]).encode()
        for found in (
            posted(batch),
            facts(b"GET /x?query=" + text),
            posted(b"query=" + text, FORM),
            posted(batch, FORM),  # what curl -d says it sends, and many targets do not look
            posted(text, FORM),
            posted(batch, (b"content-type", b"text/plain")),
            posted(text, (b"content-type", b"application/graphql")),
            posted(b" ,\n" + text, (b"content-type", b"text/plain")),
            facts(b"POST /x", body=text),
            facts(b"POST /graphql/ab12", JSON, body=json.dumps({"query": text.decode()}).encode()),
            posted(json.dumps([{"query": "{x}"}] * (MAX_OPERATIONS - 1) + [{"query": text.decode()}]).encode()),
        ):
            self.assertIs(self.DELETES.match(found), YES)

    def test_what_is_not_in_the_request_is_doubted(self) -> None:
        """Persisted documents, multipart forms, two documents or names of operations, documents without end."""
        two = b'{"query":"query A{x} mutation B{deleteUser}","operationName":"A"}'
        rounds = "".join(f"fragment F{n} on Q {{ a: x {{ ...F{n + 1} }} b: x {{ ...F{n + 1} }} }} " for n in range(40))
        for found in (
            posted(b'{"extensions":{"persistedQuery":{"sha256Hash":"ab"}}}'),
            posted(b'{"query":"{x}"}', JSON, (b"content-encoding", b"gzip")),
            posted(b'{"query":"{x}"}', (b"content-type", b"application/json; charset=utf-8; charset=utf-16")),
            posted(b'{"query":"{x}"}', (b"content-type", b"application/json; charset=utf-16")),
            posted(b'{"query":"{x}",}'),
            posted(b"query{x}"),
            posted(b"[1]"),
            posted(json.dumps([{"query": "{x}"}] * (MAX_OPERATIONS + 1)).encode()),
            facts(b"GET /x?query={x}&operationName=A&operationName=B"),
            posted(b'{"id":"ab"}'),
            posted(b'{"Query":"mutation{deleteUser}"}'),
            posted(b'{"query":"{x}","Query":"mutation{deleteUser}"}'),
            posted(b'{"query":["mutation{deleteUser}"]}'),
            facts(b"GET /x?extensions=%7B%7D"),
            facts(b"GET /x?query={x}&query=mutation{deleteUser}"),
            facts(b"POST /x?query={x}", JSON, body=b'{"query":"mutation{deleteUser}"}'),
            posted(b"--a\r\n", (b"content-type", b"multipart/form-data; boundary=a")),
            posted(b"--a\r\n", (b"content-type", b"multipart/mixed; boundary=a")),
            facts(b"POST /x?operationName=B", JSON, body=two),
            posted(b'{"query":"{x}","documentId":"ab"}'),
            posted(b'{"operationName":"Wipe","variables":{}}'),
            posted(b'{"variables":{"a":1}}'),
            posted(b'[{"operationName":"Wipe"}]'),
            posted(b'{"queryHash":"ab"}'),
            posted(b"operationName=Wipe&variables=%7B%7D", FORM),
            facts(b"GET /x?operationName=Wipe"),
            facts(b"GET /x?query_hash=ab&variables={}"),
            facts(b"POST /graphql/ab12", JSON, body=b"{}"),
            facts(b"GET /api/GraphQL/persisted/ab12/Wipe"),
            facts(b"POST /api/persisted-queries/ab12", JSON, body=b'{"a":1}'),
            posted(b'{"query":"{x}","DocId":"ab"}'),
            self.asks("mutation {"),
            self.asks("{ ...F } fragment F on Q { ...F }"),
            self.asks("{ ...G }"),
            self.asks("fragment F on Q { x } { x } fragment F on Q { deleteUser }"),
            self.asks("type Q { x: Int }"),
            self.asks("{ ...F0 } " + rounds + "fragment F40 on Q { x }"),
            self.asks("{ x" * 100 + "}" * 100),
            self.asks("{" + "x " * 6000 + "}"),
            self.asks("[" * 40_000),
            posted(json.dumps([{"query": "{x}"}] * 100).encode()),
        ):
            self.assertIs(self.DELETES.match(found), DOUBT, (found.request.target, found.request.body))

    def test_messages_of_a_websocket(self) -> None:
        """The request of a message is its payload; other rules spoke when it was opened."""
        path = HttpConditions(paths=("/x",), graphql=self.DELETES.graphql)
        for text, expected in (
            (b'{"id":"1","type":"subscribe","payload":{"query":"mutation{deleteUser}"}}', YES),
            (b'{"id":"1","type":"start","payload":{"query":"mutation{x: deleteUser}"}}', YES),
            (b'{"query":"mutation{deleteUser}"}', YES),
            (b'{"id":"1","type":"subscribe","payload":{"query":"{users{id}}"}}', NO),
            (b'{"type":"connection_init","payload":{}}', NO),
            (b'{"type":"connection_init","payload":null}', NO),
            (b'{"type":"ping"}', NO),
            (b'{"id":"1","type":"complete"}', NO),
            (b'{"id":"1","type":"start","query":"mutation{deleteUser}","payload":{}}', YES),
            (b'{"type":"start","query":"mutation{deleteUser}","payload":null}', YES),
            (b'[{"type":"start","payload":{"query":"mutation{deleteUser}"}}]', YES),
            (b'{"type":"start","Payload":{"query":"mutation{deleteUser}"}}', DOUBT),
            (b'{"type":"start","payload":{},"PAYLOAD":{"query":"mutation{deleteUser}"}}', DOUBT),
            (b'{"type":"subscribe","payload":{"id":"abc"}}', DOUBT),
            (b'42["subscribe",{}]', DOUBT),
            (b'{"command":"message","data":"{\\"query\\":\\"mutation{deleteUser}\\"}"}', DOUBT),  # Action Cable
            (b'{"arguments":[{"query":"mutation{deleteUser}"}]}', DOUBT),
            (b'{"type":"chat","text":"no query at all"}', NO),
        ):
            found = HttpFacts(request(b"GET /x", (b"upgrade", b"websocket"), body=text), message="text")
            self.assertIs(path.match(found), expected, text)
        for data in (b'{"type":"ping"}', b"\x82"):
            binary = HttpFacts(request(b"GET /x", body=data), message="binary")
            self.assertIs(path.match(binary), DOUBT)
        self.assertIs(HttpConditions(paths=("/x",)).match(binary), NO)
        opening = facts(b"GET /x", (b"upgrade", b"websocket"))
        rules = [HttpRule("r", each, Action(refuse=True)) for each in (path, HttpConditions(paths=("/x",)))]
        self.assertEqual(needed_of_messages(rules, opening), path.buffer)
        self.assertEqual(needed_of_messages(rules, facts(b"GET /y")), 0)
        self.assertIs(path.match(opening), NO)

    def test_security_names_in_other_letters(self) -> None:
        """GraphQL.NET takes them in a query."""
        self.assertIs(self.DELETES.match(facts(b"GET /x?Query=mutation%7BdeleteUser%7D")), DOUBT)

    def test_a_persisted_document_beside_the_document_is_that_document(self) -> None:
        """Apollo's servers look whether the hash is the document's."""
        body = b'{"query":"%b","operationName":"A","extensions":{"persistedQuery":{"sha256Hash":"ab"}}}'
        self.assertIs(self.DELETES.match(posted(body % b"query A{x}")), NO)
        self.assertIs(self.DELETES.match(posted(body % b"mutation A{deleteUser}")), YES)

    def test_what_is_no_graphql_is_no_match(self) -> None:
        """An empty request, or an object that has nothing of it."""
        texts = b"{}", b'{"name":"x"}', b'{"variables":{},"ref":"main"}'
        paths = b"GET /x", b"GET /x?a=b", b"GET /graphql", b"GET /graphql/", b"GET /docs/graphql"
        for found in (*map(posted, texts), *map(facts, paths)):
            self.assertIs(self.DELETES.match(found), NO)


class Rules(SynchronousTestCase):
    def rule(self, action: Action, **conditions: Any) -> HttpRule:
        return HttpRule("r", HttpConditions(**conditions), action)

    def test_rules_speak_the_words_of_every_protocol(self) -> None:
        """Refuse with what was found, hold with terms, doubt refuses and says why."""
        operation = Operation("http", "request", b"DELETE /x")
        refuse = self.rule(Action(refuse=True), methods=frozenset(("DELETE",)))
        self.assertTrue(verifyObject(IGuardrail, refuse))
        verdict = refuse.judge(operation, facts(b"DELETE /x/" + b"y" * 100))
        self.assertEqual(verdict.refusals[0].reason, "DELETE /x/" + "y" * 76 + "…")
        hold = self.rule(Action(hold=HoldTerms("", "", frozenset(("dba",)))), paths=("/x/*",))
        self.assertEqual(hold.judge(operation, facts(b"GET /x/1")).holds[0].reason, "GET /x/1")
        doubt = hold.judge(operation, facts(b"GET /x/%zz"))
        self.assertIn("a percent sign that encodes nothing", doubt.refusals[0].reason)
        self.assertIn("in different ways", hold.judge(operation, facts(b"GET /a/../x")).refusals[0].reason)
        self.assertTrue(hold.judge(operation, facts(b"GET /")).plain)
        record = self.rule(Action(mode=Mode.DURABLE), paths=("/x/*",))
        self.assertEqual(record.judge(operation, facts(b"GET /%")).refusals, ())

    def test_doubt_says_what_is_in_doubt(self) -> None:
        """Of the first thing that the rule looks at."""
        operation = Operation("http", "request", b"POST /")
        for conditions, found, words in (
            ({"json": ((pointer("/a"), ADMIN),)}, posted(b"{,}"), "not JSON"),
            ({"json": ((pointer("/a"), ADMIN),)}, facts(b"POST /", body=None, size=None), "not read"),
            ({"json": ((pointer("/a"), ADMIN),)}, posted(b'{"A":"admin"}'), "parsers read this value"),
            ({"forms": (("a", ADMIN),)}, posted(b"%", FORM), "encodes nothing"),
            ({"queries": (("a", ADMIN),)}, facts(b"GET /?%"), "encodes nothing"),
            ({"graphql": GraphqlTest(names=("x",))}, posted(b'{"id":1}'), "the target keeps"),
            ({"size": 1}, facts(b"POST /", body=None, size=None), "not read"),
            ({"methods": frozenset(("PUT",))}, facts(b"POST /?_method=PUT"), "taken for PUT"),
        ):
            verdict = self.rule(Action(refuse=True), **conditions).judge(operation, found)
            self.assertIn(words, verdict.refusals[0].reason)

    def test_what_is_waited_for(self) -> None:
        """Only a body that decides: one that is read, or a form that may name another method; of one whose length is
        asked for and not known, one byte more than that."""
        puts, admin = frozenset(("PUT",)), ((pointer("/a"), ADMIN),)
        for conditions, line, kind, size, expected in (
            ({"methods": puts}, b"POST /", JSON, None, 0),
            ({"methods": puts}, b"POST /", FORM, None, BUFFER),
            ({"methods": puts}, b"POST /", FORM, 9, 9),
            ({"paths": ("/",)}, b"POST /", FORM, None, 0),
            ({"paths": ("/",)}, b"POST /", JSON, None, 0),
            ({"json": admin}, b"POST /", JSON, 9, 9),
            ({"json": admin}, b"POST /", JSON, 0, 0),
            ({"json": admin, "paths": ("/x",)}, b"POST /", JSON, 9, 0),
            ({"json": admin}, b"POST /", (b"content-type", b"application/cbor"), 9, 0),
            ({"json": admin, "buffer": 8}, b"POST /", JSON, 9, 0),
            ({"json": admin, "buffer": 9}, b"POST /", JSON, 9, 9),
            ({"size": 5}, b"POST /", JSON, None, 6),
            ({"size": 5}, b"POST /", JSON, 9, 0),
            ({"size": 5, "buffer": 4}, b"POST /", JSON, None, 4),
        ):
            found = facts(line, kind, body=None, size=size)
            self.assertEqual(self.rule(Action(refuse=True), **conditions).needs(found), expected, (conditions, size))

    def test_its_own_reason(self) -> None:
        rule = HttpRule("r", HttpConditions(), Action(refuse=True), "because")
        verdict = rule.judge(Operation("http", "request", b"GET /"), facts(b"GET /"))
        self.assertEqual(verdict.refusals[0].reason, "because")

    def test_the_most_that_a_rule_needs_is_buffered(self) -> None:
        """Of all rules."""
        rules = [self.rule(Action(refuse=True), json=((pointer("/a"), ADMIN),), buffer=n) for n in (100, 300, 200)]
        self.assertEqual(needed(rules, facts(b"POST /", JSON, body=None, size=None)), 300)
        self.assertEqual(needed([], facts(b"POST /", JSON, body=None, size=None)), 0)
