"""Keys of the configuration that only HTTP has: conditions of guardrails, what masks name, the API of a target.

Part of `config_schema`'s table.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from hoopgw import config_values as values
from hoopgw.config_kinds import REQUIRED, Key, names, one_of, some_of, table
from hoopgw.model.destination import Destination, read_destination
from hoopgw.policy.http_json import Pointer, pointer
from hoopgw.policy.http_rules import BUFFER, MAX_BUFFER
from hoopgw.policy.http_values import ValueTest

VERSIONS = ("h2", "http/1.1")  # names of ALPN (RFC 7301)
_METHOD = re.compile(r"[A-Z][A-Z-]*")
_TEST = ("is", "not", "above", "below")


def methods(value: Any) -> frozenset[str]:
    found = names(value)
    for each in sorted(found):
        if not _METHOD.fullmatch(each):
            raise ValueError(f'{each!r} is not a method, as "POST" is one')
    return found


def buffer(value: Any) -> int:
    size = values.size(value)
    if size > MAX_BUFFER:
        raise ValueError(f"must be at most {MAX_BUFFER >> 20} MiB")
    return size


def _globs(value: Any) -> tuple[str, ...]:
    found: list[str] = []
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, bool):
            found.append("true" if each else "false")
        elif isinstance(each, str):
            found.append(each)
        elif isinstance(each, int | float):
            found.append(f"{Decimal(str(each)).normalize():f}")
        else:
            raise ValueError("must be a text, a number, true or false, or a list of them")
    if not found:
        raise ValueError("is an empty list")
    return tuple(found)


def _bound(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("`above` and `below` must be numbers")
    return Decimal(str(value))


def value_test(value: Any) -> ValueTest:
    """A glob, a number, a boolean, a list of them, or a table of `is`, `not`, `above`, `below`."""
    if not isinstance(value, dict):
        return ValueTest(_globs(value))
    for name in value:
        if name not in _TEST:
            raise ValueError(f"{name!r} is not one of " + ", ".join(f'"{each}"' for each in _TEST))
    if not value:
        raise ValueError("says nothing")
    return ValueTest(
        globs=_globs(value["is"]) if "is" in value else (),
        others=_globs(value["not"]) if "not" in value else (),
        above=_bound(value["above"]) if "above" in value else None,
        below=_bound(value["below"]) if "below" in value else None,
    )


def value_tests(value: Any) -> tuple[tuple[str, ValueTest], ...]:
    found: list[tuple[str, ValueTest]] = []
    for name, each in table(value).items():
        try:
            found.append((name, value_test(each)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return tuple(found)


def json_tests(value: Any) -> tuple[tuple[Pointer, ValueTest], ...]:
    return tuple((_pointer(name), test) for name, test in value_tests(value))


def _pointer(text: str) -> Pointer:
    try:
        return pointer(text)
    except ValueError as error:
        raise ValueError(f"{text!r} {error}") from None


HTTP_LIMITS: dict[str, Key] = {
    "request_head": Key(
        values.duration, 30.0, "HTTP: how long the head of a request may take, from its first byte on."
    ),
    "request_body": Key(values.duration, 60.0, "HTTP: how long nothing of a request's body may come."),
    "request_rate": Key(
        values.size,
        500,
        "HTTP: bytes a second of a request's body, on average after the first `request_body`. Calls of gRPC, and "
        "requests that are answered while they come, may be slower.",
    ),
}
HTTP_CONDITIONS: dict[str, Key] = {
    "method": Key(methods, frozenset(), 'HTTP: methods: ["POST", "PUT"]. Overrides of the method are refused.'),
    "path_not": Key(values.texts, (), "HTTP: every path but these globs."),
    "operation_id": Key(names, frozenset(), "HTTP: operations of the target's `openapi` documents."),
    "operation_id_not": Key(names, frozenset(), "HTTP: every request but these operations, unknown ones included."),
    "grpc_service": Key(values.texts, (), 'HTTP: globs over services of gRPC: ["pay.Accounts", "admin.*"].'),
    "grpc_method": Key(values.texts, (), 'HTTP: globs over methods of gRPC: ["Delete*"]; of any service, or of those.'),
    "query": Key(value_tests, (), 'HTTP: parameters of the query, any of their values: { role = "admin*" }.'),
    "header": Key(value_tests, (), 'HTTP: header fields: { X-Env = ["prod", "live"] }.'),
    "form": Key(value_tests, (), "HTTP: fields of a form, urlencoded or multipart."),
    "json": Key(
        json_tests,
        (),
        'HTTP: values of a JSON body, by pointer or by name at any depth: { "/order/total" = { above = 1000 }, '
        'role = "admin", "/items/*/id" = 7 }.',
    ),
    "graphql": Key(table, None, "HTTP: what of GraphQL is asked for; needs `path`."),
    "size": Key(values.size, None, "HTTP: bodies of requests that are longer."),
    "buffer": Key(
        buffer,
        BUFFER,
        "HTTP: how much of a body is read for `json`, `form` and `graphql`, and kept for an approval; a longer one is "
        "refused.",
    ),
}

GRAPHQL: dict[str, Key] = {
    "type": Key(some_of("query", "mutation", "subscription"), frozenset(), "`query`, `mutation`, `subscription`."),
    "name": Key(values.texts, (), "Globs over the operation's name, which the client chooses."),
    "field": Key(
        values.texts,
        (),
        'Globs over paths of field names: "user.email"; without a dot, that field at any depth: "deleteUser".',
    ),
}

HTTP_MASKS: dict[str, Key] = {
    "header": Key(values.texts, (), 'HTTP: globs over header fields of responses: ["X-User-*"].'),
    "path": Key(values.texts, (), "HTTP: only requests to these paths, as in a guardrail."),
    "path_not": Key(values.texts, (), "HTTP: only requests to other paths."),
    "operation_id": Key(names, frozenset(), "HTTP: only these operations of the target's `openapi` documents."),
    "other": Key(
        one_of("refuse", "pass"),
        "refuse",
        "HTTP: with `json`, what becomes of a response that is not JSON and could hold the same: `refuse` or `pass`.",
    ),
}


def versions(value: Any) -> tuple[str, ...]:
    """The first one is preferred (RFC 7301, 3.2)."""
    found = values.texts(value)
    for each in found:
        if each not in VERSIONS:
            raise ValueError(f"{each!r} is not one of " + ", ".join(f'"{known}"' for known in VERSIONS))
    if not found or len(set(found)) < len(found):
        raise ValueError("is an empty list, or has one twice")
    return found


SIGV4: dict[str, Key] = {
    "region": Key(values.aws_name, REQUIRED, 'The region of the service: "eu-central-1".'),
    "service": Key(values.aws_name, REQUIRED, 'Its name in signatures: "s3", "dynamodb", "execute-api".'),
    "key_id": Key(values.role_secret, REQUIRED, "The id of an access key."),
    "secret": Key(values.role_secret, REQUIRED, "Its secret."),
    "session_token": Key(values.role_secret, None, "Its token, where it is a temporary one."),
}

OAUTH: dict[str, Key] = {
    "token_endpoint": Key(values.text, REQUIRED, 'Where tokens are: "https://idp.example.com/oauth2/token".'),
    "client_id": Key(values.text, REQUIRED, "The gateway's id there."),
    "secret": Key(values.role_secret, REQUIRED, "Its secret."),
    "scope": Key(values.text, "", "What the token is to be good for, with blanks between."),
    "audience": Key(values.text, "", "Whom it is for, where the server asks for that."),
    "authentication": Key(
        one_of("client_secret_basic", "client_secret_post"),
        "client_secret_basic",
        "How the secret is shown: `client_secret_basic`, a header field, or `client_secret_post`, in the form.",
    ),
    "ca": Key(values.text, "", "PEM file that the endpoint's certificate is verified by. Default: the system's."),
}

HTTP_ROLE: dict[str, Key] = {
    "bearer": Key(values.role_secret, None, "HTTP: a token for `Authorization: Bearer`."),
    "header": Key(values.text, "", "HTTP: the header field that carries `value`."),
    "query": Key(values.text, "", "HTTP: the query parameter that carries `value`."),
    "value": Key(values.role_secret, None, "HTTP: the secret of `header` or `query`."),
    "sigv4": Key(table, None, "HTTP: requests are signed for AWS; see [target.NAME.role.ROLE.sigv4]."),
    "oauth": Key(table, None, "HTTP: tokens that the gateway fetches; see [target.NAME.role.ROLE.oauth]."),
}


def destinations(value: Any) -> tuple[Destination, ...]:
    return tuple(read_destination(each, several=True) for each in values.texts(value))


HTTP_TARGET: dict[str, Key] = {
    "egress": Key(
        values.boolean,
        False,
        "HTTP: no service, but the way out: through it clients open tunnels (CONNECT) to the `destinations` of grants, "
        "as its one role `connect`. What passes there is opaque.",
    ),
    "answer_longest": Key(
        values.duration, 86400.0, "HTTP: how long one answer may take in all, an event stream or a WebSocket too."
    ),
    "tunnel_idle": Key(
        values.duration, 300.0, "HTTP, `egress`: a tunnel in which nothing passes for so long is closed."
    ),
    "tunnel_longest": Key(values.duration, 43200.0, "HTTP, `egress`: how long a tunnel lasts at most."),
    "versions": Key(
        versions,
        ("http/1.1",),
        'HTTP: what the gateway speaks there, agreed on by TLS: `h2`, `http/1.1`. gRPC needs ["h2"].',
    ),
    "openapi": Key(
        values.texts, (), "HTTP: files with its OpenAPI 3 documents, in JSON or YAML, whose operations rules can name."
    ),
    "path_case": Key(
        one_of("unknown", "sensitive", "insensitive"),
        "unknown",
        "HTTP: whether it tells upper from lower case in paths and parameters: `sensitive`, `insensitive` (IIS, "
        "Express); unless it is said, what differs from a rule in that alone is in doubt.",
    ),
}
