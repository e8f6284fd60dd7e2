"""An OpenAPI document -> which operations a method and a path can mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import re2

from hoopgw.policy.yaml_text import read_yaml

MAX_DOCUMENT = 16 << 20  # bytes: the largest that are published have about 12 MB
MAX_OPERATIONS = 20_000
MAX_PATH = 2048  # characters of one path

SHOWN = 80  # characters of a path in a mistake
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PARAMETER = re.compile(r"\{[^{}/]+\}")


@dataclass(frozen=True, slots=True)
class Template:
    """The segments of a path: a text, or a pattern where it has parameters."""

    segments: tuple[Any, ...]  # str, or a compiled re2 pattern: requests are matched in linear time
    operations: Mapping[str, str]  # method -> operationId

    def matches(self, segments: tuple[str, ...]) -> bool:
        return all(
            each == part if isinstance(each, str) else each.fullmatch(part) is not None
            for each, part in zip(self.segments, segments, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Api:
    """What the documents of one target name.  `by_length`: templates by their number of segments."""

    by_length: Mapping[int, tuple[Template, ...]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    def __and__(self, other: Api) -> Api:
        lengths = {*self.by_length, *other.by_length}
        both = {each: self.by_length.get(each, ()) + other.by_length.get(each, ()) for each in lengths}
        return Api(both, self.names | other.names)

    def operations(self, method: str, path: str) -> frozenset[str]:
        """Every operation that this could be: which template a target prefers is its own affair."""
        if not self.by_length:
            return frozenset()
        segments = _split(path)
        found = [each for each in self.by_length.get(len(segments), ()) if each.matches(segments)]
        names = {each.operations[method] for each in found if method in each.operations}
        if method == "HEAD" and not names:  # RFC 9110, 9.3.2: what GET would do, without the content
            names = {each.operations["GET"] for each in found if "GET" in each.operations}
        return frozenset(names)

    def folded(self) -> Api:
        """For a target that does not tell upper from lower case in paths."""
        return Api({length: tuple(map(_folded, each)) for length, each in self.by_length.items()}, self.names)


NO_API = Api()


def read_openapi(text: bytes) -> Api:
    """OpenAPI 3.0 or 3.1, as JSON or YAML.  Raises ValueError in words."""
    if len(text) > MAX_DOCUMENT:
        raise ValueError(f"has more than {MAX_DOCUMENT >> 20} MiB")
    document = _json(text) if text.lstrip()[:1] == b"{" else read_yaml(text)
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise ValueError("is not an OpenAPI 3 document")
    paths = document.get("paths", {})
    if not isinstance(paths, dict):
        raise ValueError("has paths that are no object")
    found: dict[int, list[Template]] = {}
    for path, item in paths.items():
        for base in _bases_of(item, document.get("servers")):
            template = _template(base, path, item)
            found.setdefault(len(template.segments), []).append(template)
    names = _names(template for each in found.values() for template in each)
    return Api({length: tuple(each) for length, each in found.items()}, names)


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("is not JSON, as which it begins") from error


def _names(templates: Iterable[Template]) -> frozenset[str]:
    names = [name for each in templates for name in each.operations.values()]
    if len(names) > MAX_OPERATIONS:
        raise ValueError(f"has more than {MAX_OPERATIONS} operations")
    return frozenset(names)


def _bases_of(item: Any, servers: Any) -> list[str]:
    """Where one path may be: a path and its operations may have servers of their own (OpenAPI 3.1, 4.8.9, 4.8.10)."""
    described = [item, *(item.get(method) for method in METHODS)] if isinstance(item, dict) else []
    own = [each["servers"] for each in described if isinstance(each, dict) and "servers" in each]
    return list(dict.fromkeys(base for each in (servers, *own) for base in _bases(each)))


def _bases(servers: Any) -> list[str]:
    """The paths of its servers, each once; without servers the root (OpenAPI 3.1, 4.8.1)."""
    if not isinstance(servers, list) or not servers:
        return [""]
    urls = [each.get("url", "/") for each in servers if isinstance(each, dict)]
    paths = [urlsplit(url).path if "{" not in url else _variable(url) for url in urls if isinstance(url, str)]
    return list(dict.fromkeys(path.rstrip("/") for path in paths)) or [""]


def _variable(url: str) -> str:
    """The path of an address with variables: https://{region}.example.com/{version}."""
    rest = url.partition("://")[2] or url
    return "/" + rest.partition("/")[2]


def _template(base: str, path: Any, item: Any) -> Template:
    if not isinstance(path, str) or not path.startswith("/"):
        raise ValueError(f"has a path that does not begin with a slash: {str(path)[:SHOWN]!r}")
    if len(base) + len(path) > MAX_PATH:
        raise ValueError(f"has a path of more than {MAX_PATH} characters: {path[:SHOWN]}")
    if not isinstance(item, dict) or "$ref" in item:
        raise ValueError(f"has a path that is described elsewhere: {path[:SHOWN]}")
    operations: dict[str, str] = {}
    for method in METHODS:
        described = item.get(method)
        if isinstance(described, dict):
            name = described.get("operationId")
            operations[method.upper()] = name if isinstance(name, str) and name else f"{method.upper()} {path}"
    return Template(tuple(_segment(part) for part in _split(base + path)), operations)


def _split(path: str) -> tuple[str, ...]:
    return tuple(path.rstrip("/").split("/")[1:])


def _segment(part: str) -> Any:
    """A parameter is at least one character of one segment."""
    literals = [re2.escape(unquote(each)) for each in _PARAMETER.split(part)]
    return unquote(part) if len(literals) == 1 else re2.compile("(?s)" + "[^/]+".join(literals))


def _folded(template: Template) -> Template:
    segments = tuple(
        each.casefold() if isinstance(each, str) else re2.compile("(?i)" + each.pattern) for each in template.segments
    )
    return Template(segments, template.operations)
