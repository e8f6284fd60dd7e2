"""hoopgw.policy.http_openapi"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy import http_openapi
from hoopgw.policy.http_openapi import Api, read_openapi
from hoopgw.policy.http_path import read_path

JUNK = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["https://[", "/{v}", "//h/b", "operationId"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["url", "operationId"]), inner),
    max_leaves=6,
)
PATHS = st.text(st.sampled_from("/{}a%41*\\ud800"), max_size=9).map(lambda text: "/" + text)

YAML = b"""\
# a comment
openapi: 3.1
servers: [{url: https://x.example.com/v1}]
paths:
  /pets:
    get: {operationId: listPets, responses: {200: {description: "yes"}}}
  "/pets/{id}":
    get:
      operationId: on
      description: |
        Several lines: of - text
    delete: {}
"""


def api(paths: Any, **other: Any) -> Api:
    return read_openapi(json.dumps({"openapi": "3.0.3", "paths": paths, **other}).encode())


class ReadOpenapi(SynchronousTestCase):
    def test_operations_by_method_and_template(self) -> None:
        """Concrete and templated paths; an operation without a name is called by its method and template."""
        found = api(
            {
                "/users/me": {"get": {"operationId": "getMe"}},
                "/users/{id}": {"get": {"operationId": "getUser"}, "delete": {}},
                "/files/{name}.{kind}": {"get": {"operationId": "getFile"}},
                "/": {"get": {"operationId": "root"}},
            }
        )
        for method, path, names in (
            ("GET", "/users/me", {"getMe", "getUser"}),
            ("GET", "/users/42", {"getUser"}),
            ("GET", "/users/a%2Fb", {"getUser"}),
            ("HEAD", "/users/42", {"getUser"}),
            ("DELETE", "/users/42", {"DELETE /users/{id}"}),
            ("POST", "/users/42", set()),
            ("GET", "/users/42/x", set()),
            ("GET", "/files/a.b.txt", {"getFile"}),
            ("GET", "/files/.txt", set()),
            ("GET", "/", {"root"}),
        ):
            self.assertEqual(found.operations(method, path), names, (method, path))
        self.assertEqual(found.names, {"getMe", "getUser", "DELETE /users/{id}", "getFile", "root"})

    def test_servers_say_where_paths_begin(self) -> None:
        """Absolute, relative, with variables; several of them."""
        servers = [{"url": "https://a.example.com/v1/"}, {"url": "/v2"}, {"url": "https://{r}.example.com:8443/{v}/x"}]
        found = api({"/pets": {"get": {"operationId": "list"}}}, servers=servers)
        for path in ("/v1/pets", "/v2/pets", "/anything/x/pets"):
            self.assertEqual(found.operations("GET", path), {"list"}, path)
        self.assertEqual(found.operations("GET", "/pets"), frozenset())

    def test_values_of_a_servers_variables(self) -> None:
        """A base of several segments is known where the document names it, as the default or as one of a list."""
        variables = {"base": {"default": "api/v2", "enum": ["api/v2", "v1"]}, "host": {"default": "a.example.com"}}
        paths = {"/pets": {"delete": {"operationId": "d"}}}
        for url in ("https://{host}/{base}", "/{base}"):
            found = api(paths, servers=[{"url": url, "variables": variables}])
            for path in ("/api/v2/pets", "/v1/pets", "/other/pets"):
                self.assertEqual(found.operations("DELETE", path), {"d"}, (url, path))
            self.assertEqual(found.operations("DELETE", "/api/v3/pets"), frozenset())
        found = api(paths, servers=[{"url": "{root}/v1", "variables": {"root": {"default": "https://x.example.com"}}}])
        self.assertEqual(found.operations("DELETE", "/v1/pets"), {"d"})

    def test_what_is_encoded_in_a_template(self) -> None:
        """Stands as it does in the canonical path of a request."""
        found = api({"/a%2Fb/%41{id}": {"get": {"operationId": "x"}}, "x-internal": {"owner": "us"}})
        path = read_path(b"/a%2fb/A%2f1").text
        self.assertEqual((path, found.operations("GET", path)), ("/a%2Fb/A%2F1", {"x"}))

    def test_servers_of_one_path(self) -> None:
        """A path, or an operation of it, may be somewhere else than the others."""
        paths = {
            "/pets": {"servers": [{"url": "/internal"}], "get": {"operationId": "a"}},
            "/cats": {"delete": {"operationId": "b", "servers": [{"url": "https://x.example.com/v9"}]}},
        }
        found = api(paths, servers=[{"url": "/v1"}])
        for method, path, expected in (
            ("GET", "/internal/pets", {"a"}),
            ("GET", "/v1/pets", {"a"}),
            ("DELETE", "/v9/cats", {"b"}),
            ("DELETE", "/internal/cats", set()),
        ):
            self.assertEqual(found.operations(method, path), expected, path)

    def test_case_is_folded_for_targets_that_do(self) -> None:
        """Of literals, in templates as well."""
        found = api({"/Users/{id}.Json": {"get": {"operationId": "get"}}}).folded()
        self.assertEqual(found.operations("GET", "/users/7.json"), {"get"})

    def test_documents_are_put_together(self) -> None:
        """A target may have several."""
        both = api({"/a": {"get": {"operationId": "a"}}}) & api({"/b": {"get": {"operationId": "b"}}})
        self.assertEqual((both.operations("GET", "/a"), both.operations("GET", "/b")), ({"a"}, {"b"}))

    def test_references_inside_the_document(self) -> None:
        """A path may be one of its components, or be as another path is."""
        item = {"get": {"operationId": "getIt"}}
        paths = {"/a": {"$ref": "#/components/pathItems/A%20b"}, "/b": {"$ref": "#/paths/~1a"}}
        found = api(paths, components={"pathItems": {"A b": item}})
        self.assertEqual([found.operations("GET", path) for path in ("/a", "/b")], [{"getIt"}, {"getIt"}])

    def test_methods_of_openapi_3_2(self) -> None:
        found = api(
            {"/a": {"query": {"operationId": "ask"}, "additionalOperations": {"COPY": {"operationId": "copy"}}}}
        )
        self.assertEqual([found.operations(each, "/a") for each in ("QUERY", "COPY")], [{"ask"}, {"copy"}])

    def test_what_a_document_cannot_say(self) -> None:
        """Paths that some frameworks take for one that it has; what it has itself is only that."""
        found = api({"/files/{path}": {"get": {"operationId": "file"}}, "/pets": {"get": {"operationId": "pets"}}})
        for path, names in (
            ("/files/a", {"file"}),
            ("/files/a/b.txt", {"file"}),
            ("/FILES/a", {"file"}),
            ("/pets.json", {"pets"}),
            ("/files", set()),
            ("/pets/x", set()),
            ("/other", set()),
        ):
            self.assertEqual(found.loosely("GET", path), names, path)
        self.assertEqual(found.operations("GET", "/files/a/b"), set())

    def test_yaml(self) -> None:
        """A document in YAML says the same as in JSON; names and versions are the texts that they are written as."""
        found = read_openapi(YAML)
        self.assertEqual(found.names, {"listPets", "on", "DELETE /pets/{id}"})
        self.assertEqual(found.operations("GET", "/v1/pets/7"), {"on"})

    def test_mistakes_are_told_in_words(self) -> None:
        """What is no document, what is described elsewhere, and what is too large."""
        self.patch(http_openapi, "MAX_OPERATIONS", 3)
        many = {f"/{n}": {"get": {}} for n in range(4)}
        for text, words in (
            (b'{"openapi: 3.0.0', "not JSON"),
            (b"openapi: [", "neither JSON nor YAML"),
            (b"[]", "not an OpenAPI 3"),
            (b'{"swagger": "2.0"}', "not an OpenAPI 3"),
            (b'{"openapi": "3.0.0", "paths": []}', "no object"),
            (b'{"openapi": "3.0.0", "paths": {"a": {}}}', "does not begin"),
            (b'{"openapi": "3.0.0", "paths": {"/#Action=Delete": {}}}', "query or fragment"),
            (b'{"openapi": "3.0.0", "servers": [{"url": "v1"}], "paths": {"/a": {}}}', "relative: v1"),
            (b'{"openapi": "3.0.0", "servers": [{"url": "{x}/v1"}], "paths": {"/a": {}}}', "relative: {x}/v1"),
            (b'{"openapi": "3.0.0", "paths": {"/a": {"$ref": "x.json"}}}', "described elsewhere"),
            (b'{"openapi": "3.1.0", "paths": {"/a": {"$ref": "#/paths/~1a"}}}', "described elsewhere"),
            (b'{"openapi": "3.1.0", "paths": {"/a": {"$ref": "#/x", "get": {}}}}', "described elsewhere"),
            (b'{"openapi": "3.1.0", "paths": {"/a": {"get": {}}, "/a": {"delete": {}}}}', "'/a' twice"),
            (json.dumps({"openapi": "3.0.0", "paths": many}).encode(), "more than 3"),
            (json.dumps({"openapi": "3.0.0", "paths": {"/{a}" * 9000: {}}}).encode(), "more than 2048 characters"),
            (b" " * (http_openapi.MAX_DOCUMENT + 1), "more than 16 MiB"),
        ):
            with self.assertRaises(ValueError) as caught:
                read_openapi(text)
            self.assertIn(words, str(caught.exception))

    @given(st.dictionaries(PATHS, st.dictionaries(st.sampled_from(["get", "put", "$ref", "x"]), JUNK) | JUNK), JUNK)
    def test_junk_is_a_mistake_and_nothing_else(self, paths: Any, servers: Any) -> None:
        """Whatever stands where, it is read or a mistake in words."""
        try:
            found = api(paths, servers=servers)
        except ValueError:
            return
        for name in ("/", "/a", "/a/b"):
            self.assertLessEqual(found.operations("GET", name), found.names)

    def test_no_path_takes_long_to_match(self) -> None:
        """Parameters beside parameters are matched in linear time: with backtracking this would take hours."""
        found = api({"/{a}-{b}-{c}-{d}-{e}x": {"get": {"operationId": "x"}}})
        self.assertEqual(found.operations("GET", "/" + "-" * 8000), frozenset())
