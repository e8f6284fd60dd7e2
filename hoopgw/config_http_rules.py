"""What a guardrail or a mask says of HTTP -> conditions and masks; the OpenAPI documents of a target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from hoopgw.config_files import Key
from hoopgw.config_reader import Reader, nearest
from hoopgw.model.http import alike
from hoopgw.model.target import Target
from hoopgw.policy.http_json import Pointer, pointer
from hoopgw.policy.http_masks import HttpMask
from hoopgw.policy.http_openapi import MAX_DOCUMENT, NO_API, Api, read_openapi
from hoopgw.policy.http_rules import BUFFER, TUNNELS, GraphqlTest, HttpConditions

CONDITIONS = (
    "method", "path", "path_not", "operation_id", "operation_id_not", "grpc_service", "grpc_method", "query",
    "header", "form", "json", "graphql", "size", "regex",
)  # fmt: skip
_BODY = ("form", "json", "graphql")


def http_conditions(
    reader: Reader, values: dict[str, Any], key: Key, chosen: list[Target], pattern: Any, holds: bool
) -> HttpConditions:
    """`chosen` are the targets that the rule is about, `pattern` its compiled `regex`; `holds`: it wants approvals."""
    if not any(values[condition] for condition in CONDITIONS) and values["size"] is None:
        reader.wrong(key, "has no condition: give one of " + ", ".join(CONDITIONS))
    if values["buffer"] != BUFFER and not (holds or any(values[each] for each in _BODY)):
        reader.wrong((*key, "buffer"), "does nothing without " + ", ".join(_BODY) + ", or a hold")
    _paths(reader, values, key)
    _operations(reader, values, key, chosen)
    _procedures(reader, values, key)
    return HttpConditions(
        methods=values["method"],
        paths=values["path"],
        paths_not=values["path_not"],
        operations=values["operation_id"],
        operations_not=values["operation_id_not"],
        services=values["grpc_service"],
        calls=values["grpc_method"],
        queries=values["query"],
        headers=tuple((alike(name.lower().encode()), test) for name, test in values["header"]),
        forms=values["form"],
        json=values["json"],
        graphql=_graphql(reader, values, key) if values["graphql"] is not None else None,
        size=values["size"],
        pattern=pattern,
        buffer=values["buffer"],
    )


def of_tunnels(reader: Reader, key: Key, conditions: HttpConditions | None, chosen: list[Target]) -> None:
    """Nobody looks into a tunnel: of a target with `egress` a rule can only say whether one may be opened."""
    ways = [target.name for target in chosen if target.egress]
    if conditions is None or not conditions.of_tunnels:
        if ways:
            words = f"is about {ways[0]} too, whose tunnels nobody looks into: give `target`"
            more = ', or method = ["CONNECT"] alone' if conditions is not None else ""
            reader.wrong(key, words + more)
        elif conditions is not None and TUNNELS & conditions.methods:
            reader.wrong((*key, "method"), "has CONNECT, which stands alone")
    elif len(ways) < len([target for target in chosen if target.protocol == "http"]):
        reader.wrong((*key, "method"), "is about tunnels: give a `target` whose `egress` they go through")


def _paths(reader: Reader, values: dict[str, Any], key: Key) -> None:
    """A glob that no canonical path can match would protect nothing."""
    for name in ("path", "path_not"):
        for glob in values[name]:
            segments = glob.split("/")
            if not glob.startswith(("/", "*")):
                reader.wrong((*key, name), f"{glob!r} must begin with / or *")
            elif "." in segments or ".." in segments or ";" in glob or "\\" in glob:
                reader.wrong((*key, name), f"{glob!r} is not written as canonical paths are: docs/guardrails.md")
            elif "%" in glob.replace("%2F", "").replace("%25", ""):
                words = f"{glob!r} must have its characters as they are; only %2F and %25 stay encoded"
                reader.wrong((*key, name), words)


def _operations(reader: Reader, values: dict[str, Any], key: Key, chosen: list[Target]) -> None:
    known = frozenset[str]().union(*(target.api.names for target in chosen if target.api is not None))
    for name in ("operation_id", "operation_id_not"):
        for each in sorted(values.get(name, frozenset()) - known):
            words = f"{each!r} is in no OpenAPI document of these targets" + nearest(each, sorted(known))
            reader.wrong((*key, name), words)


def _procedures(reader: Reader, values: dict[str, Any], key: Key) -> None:
    """Neither name has a slash: a glob with one would protect nothing."""
    for name in ("grpc_service", "grpc_method"):
        for glob in values[name]:
            if not glob or "/" in glob:
                words = "is written without slashes: the service pay.Accounts has the method Delete"
                reader.wrong((*key, name), f"{glob!r} {words}")


def _graphql(reader: Reader, values: dict[str, Any], key: Key) -> GraphqlTest:
    given = reader.table("graphql", values["graphql"], (*key, "graphql"))
    if not any(given.values()):
        reader.wrong((*key, "graphql"), "has no condition: give type, name or field")
    if not values["path"]:
        reader.wrong((*key, "graphql"), "needs `path`: other bodies would be in doubt, and refused")
    return GraphqlTest(given["type"], given["name"], given["field"])


def http_mask(
    reader: Reader, values: dict[str, Any], key: Key, chosen: list[Target], patterns: tuple[str, ...], custom: Any
) -> HttpMask:
    if not values["json"] and not values["header"] and not values["patterns"]:
        reader.wrong(key, "masks nothing: give json, header or patterns")
    for alien in ("columns", "predicates", "aggregates"):
        if values[alien] not in ((), "refuse", frozenset()):
            reader.wrong((*key, alien), "is of columns, which HTTP has none of: give json")
    if values["other"] != "refuse" and not values["json"]:
        reader.wrong((*key, "other"), "does nothing without json")
    if values["show"] != "none" and not values["json"] and not values["header"]:
        reader.wrong((*key, "show"), "does nothing without json or header")
    _paths(reader, values, key)
    _operations(reader, values, key, chosen)
    return HttpMask(
        json=tuple(_pointers(values["json"])),
        headers=tuple(glob.lower() for glob in values["header"]),
        patterns=frozenset(patterns),
        custom=frozenset(custom),
        show=values["show"],
        where=HttpConditions(paths=values["path"], paths_not=values["path_not"], operations=values["operation_id"]),
        passes=values["other"] == "pass",
    )


def _pointers(texts: tuple[str, ...]) -> Iterator[Pointer]:
    """What is none was told already."""
    for text in texts:
        with suppress(ValueError):
            yield pointer(text)


def http_api(reader: Reader, key: Key, files: tuple[str, ...]) -> Api:
    """What the documents of one target name."""
    found = NO_API
    for file in files:
        try:
            with Path(reader.path(file)).open("rb") as opened:
                found &= read_openapi(opened.read(MAX_DOCUMENT + 1))
        except OSError as error:
            reader.wrong((*key, "openapi"), f"{file} cannot be read: {error.strerror}")
        except ValueError as error:
            reader.wrong((*key, "openapi"), f"{file} {error}")
    return found
