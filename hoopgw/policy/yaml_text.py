"""YAML -> lists, mappings and texts: a document of the operator's, in the part of the language that has one meaning.

Nothing is made of a tag, and every scalar stays the text that it is written as.  Refused: aliases, of which a small
text can make a large one (must be written out), names that a mapping has twice, explicit tags, a second document.
"""

from __future__ import annotations

from typing import Any

import yaml

MAX_DEPTH = 64  # of lists and mappings in each other: schemas of OpenAPI have 20
MAX_NODES = 2_000_000  # a document of 16 MiB has about one in 20 bytes

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml reads ten times as fast; both are of its makers


class _Mapping(dict[str, Any]):
    """That may be waiting for the value of a name."""

    name: str | None = None


def read_yaml(text: bytes) -> Any:
    """The one document of `text`; None where there is none.  Raises ValueError in words."""
    try:
        return _composed(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark is not None else ""
        raise ValueError(f"is neither JSON nor YAML{place}") from error
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8") from error


def _composed(text: bytes) -> Any:
    root: list[Any] = []
    open_: list[Any] = [root]
    for nodes, event in enumerate(yaml.parse(text.decode(), Loader=_LOADER)):
        if nodes > MAX_NODES:
            raise ValueError(f"has more than {MAX_NODES} values")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"has an alias{_line(event)}: write out what *{event.anchor} stands for")
        if isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
        elif isinstance(event, yaml.NodeEvent):
            _add(open_, event)
        elif isinstance(event, yaml.DocumentStartEvent) and root:
            raise ValueError("has a second document")
    return root[0] if root else None


def _add(open_: list[Any], event: Any) -> None:
    if event.tag not in (None, "!"):
        raise ValueError(f"has a tag{_line(event)}: {event.tag}")
    inside = open_[-1]
    scalar = isinstance(event, yaml.ScalarEvent)
    made: Any = event.value if scalar else _Mapping() if isinstance(event, yaml.MappingStartEvent) else []
    if isinstance(inside, list):
        inside.append(made)
    elif inside.name is not None:
        inside[inside.name], inside.name = made, None
    elif not scalar or made in inside:
        raise ValueError(f"has a name that is no text, or there twice{_line(event)}")
    else:
        inside.name = made
    if not scalar:
        open_.append(made)
        if len(open_) > MAX_DEPTH:
            raise ValueError(f"goes deeper than {MAX_DEPTH}{_line(event)}")


def _line(event: Any) -> str:
    return f" in line {event.start_mark.line + 1}"
