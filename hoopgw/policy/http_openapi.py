"""An OpenAPI document -> which operations a method and a path can mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import takewhile
from typing import Any
from urllib.parse import unquote, urlsplit

import re2

from hoopgw.policy.yaml_text import read_yaml

MAX_DOCUMENT = 16 << 20  # bytes: the largest that are published have about 12 MB
MAX_OPERATIONS = 20_000
MAX_PATH = 2048  # characters of one path

SHOWN = 80  # characters of a path in a mistake
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
MAX_REFERENCES = 8  # of one path, each leading to the next
MAX_VALUES = 16  # of one variable of a server's address
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,8}$")
_PARAMETER = re.compile(r"\{[^{}/]+\}")


@dataclass(frozen=True, slots=True)
class Template:
    """The segments of a path: a text, or a pattern where it has parameters."""

    segments: tuple[Any, ...]  # str, or a compiled re2 pattern: requests are matched in linear time
    operations: Mapping[str, str]  # method -> operationId

    def takes(self, path: str) -> bool:
        """With parameters that take slashes, and letters in upper and lower case alike."""
        parts = tuple(re2.escape(each) if isinstance(each, str) else each.pattern for each in self.segments)
        return _loose(parts).fullmatch(path.rstrip("/")) is not None

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
    by_begin: Mapping[str, tuple[Template, ...]] = field(default_factory=dict)

    def __and__(self, other: Api) -> Api:
        return api((*self.templates, *other.templates))

    @property
    def templates(self) -> tuple[Template, ...]:
        return tuple(template for each in self.by_length.values() for template in each)

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

    def loosely(self, method: str, path: str) -> frozenset[str]:
        """What else a path may mean that is none of the documents': to some frameworks a parameter takes slashes too
        (`{path:path}` of FastAPI, `{path...}` of Go), `.json` is no part of a name (Rails, Spring), or letters are the
        same in upper and lower case (Express, ASP.NET).  A document says none of that."""
        segments = _split(path)
        if not self.by_length or any(each.matches(segments) for each in self.by_length.get(len(segments), ())):
            return self.operations(method, path)
        names: set[str] = set()
        for text in {path, _EXTENSION.sub("", path)}:
            parts = _split(text.casefold())
            found = [each for end in range(len(parts) + 1) for each in self.by_begin.get("/".join(parts[:end]), ())]
            names.update(each.operations[method] for each in found if method in each.operations and each.takes(text))
        return frozenset(names)

    def folded(self) -> Api:
        """For a target that does not tell upper from lower case in paths."""
        return api(tuple(map(_folded, self.templates)))


NO_API = Api()


@lru_cache(maxsize=MAX_OPERATIONS)
def _loose(parts: tuple[str, ...]) -> Any:
    return re2.compile("(?is)/" + "/".join(parts).replace("[^/]+", ".+"))


def api(templates: Iterable[Template]) -> Api:
    by_length: dict[int, list[Template]] = {}
    by_begin: dict[str, list[Template]] = {}
    for each in templates:
        by_length.setdefault(len(each.segments), []).append(each)
        begin = takewhile(lambda part: isinstance(part, str), each.segments)
        by_begin.setdefault("/".join(map(str.casefold, begin)), []).append(each)
    return Api(
        {length: tuple(each) for length, each in by_length.items()},
        frozenset(name for length in by_length.values() for each in length for name in each.operations.values()),
        {begin: tuple(each) for begin, each in by_begin.items()},
    )


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
    found: list[Template] = []
    for path, item in paths.items():
        if str(path).startswith("x-"):  # an extension (OpenAPI 3.1, 4.8.8)
            continue
        item = _led_to(item, path, document)
        for base in _bases_of(item, document.get("servers")):
            found.append(_template(base, path, item))
    if sum(len(each.operations) for each in found) > MAX_OPERATIONS:
        raise ValueError(f"has more than {MAX_OPERATIONS} operations")
    return api(found)


def _json(text: bytes) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except _TwiceError:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError("is not JSON, as which it begins") from error


class _TwiceError(ValueError):
    """Readers differ about which of the two it is."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(f"has {max(names, key=names.count)[:SHOWN]!r} twice in one object")
    return found


def _led_to(item: Any, path: Any, document: dict[str, Any]) -> Any:
    """What a path's reference inside the document leads to (OpenAPI 3.1, 4.8.9.1).  Raises ValueError."""
    for _ in range(MAX_REFERENCES):
        if not isinstance(item, dict) or "$ref" not in item:
            return item
        place, beside = item["$ref"], len(item) > 1
        if not isinstance(place, str) or not place.startswith("#/") or beside:
            break
        item = document
        for part in unquote(place[2:]).split("/"):
            item = item.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(item, dict) else None
    raise ValueError(f"has a path that is described elsewhere: {str(path)[:SHOWN]}")


def _bases_of(item: Any, servers: Any) -> list[str]:
    """Where one path may be: a path and its operations may have servers of their own (OpenAPI 3.1, 4.8.9, 4.8.10)."""
    described = [item, *(item.get(method) for method in METHODS)] if isinstance(item, dict) else []
    own = [each["servers"] for each in described if isinstance(each, dict) and "servers" in each]
    return list(dict.fromkeys(base for each in (servers, *own) for base in _bases(each)))


def _bases(servers: Any) -> list[str]:
    """The paths of its servers, each once; without servers the root (OpenAPI 3.1, 4.8.1)."""
    if not isinstance(servers, list) or not servers:
        return [""]
    paths = [path for each in servers if isinstance(each, dict) for path in _paths(each)]
    return list(dict.fromkeys(path.rstrip("/") for path in paths)) or [""]


def _paths(server: dict[str, Any]) -> list[str]:
    """Of one server; where its address has variables (https://{region}.example.com/{base}), the paths with the values
    that it names for them, and with any that is one segment.  Raises ValueError for an address that is relative to
    where the document is kept, which nobody here knows."""
    url = server.get("url", "/")
    if not isinstance(url, str):
        return []
    urls = _with_values(url, server.get("variables")) if "{" in url else [url]
    if any("://" not in each and not each.startswith("/") for each in urls):
        raise ValueError(f"has a server whose address is relative: {url[:SHOWN]}")
    return [_path_of(each) for each in urls]


def _with_values(url: str, variables: Any) -> list[str]:
    """With the variables as they are; with every default; and with each other value of one of them."""
    known = {name: _values(each) for name, each in variables.items()} if isinstance(variables, dict) else {}
    first = {name: values[0] for name, values in known.items() if values}
    chosen = [first, *({**first, name: each} for name, values in known.items() for each in values[1:MAX_VALUES])]
    found = [_filled(url, values) for values in chosen]
    return list(dict.fromkeys(each for each in (url, *found) if "://" in each or each.startswith("/"))) or [url]


def _values(variable: Any) -> list[str]:
    """The default first."""
    if not isinstance(variable, dict):
        return []
    enum = variable.get("enum")
    values = [variable.get("default"), *(enum if isinstance(enum, list) else [])]
    return list(dict.fromkeys(each for each in values if isinstance(each, str)))


def _filled(url: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), url)


def _path_of(url: str) -> str:
    """An address of which parts may be variables is more than a parser of addresses takes."""
    if "{" not in url:
        return urlsplit(url).path
    return "/" + url.partition("://")[2].partition("/")[2] if "://" in url else url


def _template(base: str, path: Any, item: Any) -> Template:
    if not isinstance(path, str) or not path.startswith("/"):
        raise ValueError(f"has a path that does not begin with a slash: {str(path)[:SHOWN]!r}")
    if "?" in path or "#" in path:  # of documents made for services that tell operations apart by a parameter
        raise ValueError(f"has a path with a query or fragment, by which no request is known: {path[:SHOWN]}")
    if len(base) + len(path) > MAX_PATH:
        raise ValueError(f"has a path of more than {MAX_PATH} characters: {path[:SHOWN]}")
    if not isinstance(item, dict):
        raise ValueError(f"has a path that is described elsewhere: {path[:SHOWN]}")
    operations: dict[str, str] = {}
    others = item.get("additionalOperations")  # of OpenAPI 3.2
    methods = {**(others if isinstance(others, dict) else {}), **{each: item.get(each) for each in METHODS}}
    for method, described in methods.items():
        if isinstance(described, dict):
            name = described.get("operationId")
            verb = str(method).upper()
            operations[verb] = name if isinstance(name, str) and name else f"{verb} {path}"
    return Template(tuple(_segment(part) for part in _split(base + path)), operations)


def _split(path: str) -> tuple[str, ...]:
    return tuple(path.rstrip("/").split("/")[1:])


def _segment(part: str) -> Any:
    """A parameter is at least one character of one segment."""
    literals = [re2.escape(_decoded(each)) for each in _PARAMETER.split(part)]
    return _decoded(part) if len(literals) == 1 else re2.compile("(?s)" + "[^/]+".join(literals))


def _decoded(text: str) -> str:
    """As a canonical path has it (`http_path`): a slash or percent that was encoded stays so."""
    return unquote(text).replace("%", "%25").replace("/", "%2F")


def _folded(template: Template) -> Template:
    segments = tuple(
        each.casefold() if isinstance(each, str) else re2.compile("(?i)" + each.pattern) for each in template.segments
    )
    return Template(segments, template.operations)
