"""Puts `host_keys` of a target into the file that names it, and changes nothing else there."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from hoopgw.cli.setup import files, writing
from hoopgw.config_files import Document, Key, Mistake, listed, read
from hoopgw.model.errors import OperatorError


def named(config: Path, name: str) -> Document:
    """The file with [target.NAME]; the configuration need not be whole yet.  Raises OperatorError."""
    places = [listed(config.parent / "targets.d", {})]
    for found in places:
        if isinstance(found, Mistake):
            raise OperatorError(str(found))
        for path in found:
            document = read(path, {})
            if isinstance(document, Mistake):
                raise OperatorError(str(document))
            if isinstance(_table(document.values, name), dict):
                return document
    raise OperatorError(f"no file of {config.parent}/targets.d has [target.{name}]")


def _table(values: Any, name: str) -> Any:
    targets = values.get("target", {})
    return targets.get(name) if isinstance(targets, dict) else None


def table(document: Document, name: str) -> dict[str, Any]:
    """[target.NAME] as it is written."""
    found: dict[str, Any] = document.values["target"][name]
    return found


def write(document: Document, name: str, lines: list[str]) -> None:
    """`lines` as in `.pub` files.  Raises OperatorError where the file is too unusual to be changed, OSError."""
    path = Path(document.file)
    wanted = {**document.values, "target": {**document.values["target"]}}
    wanted["target"][name] = {**table(document, name), "host_keys": lines}
    content = _changed(path, document, name, lines, wanted)
    if tomllib.loads(content.decode()) != wanted:
        raise OperatorError(f"{path} is written in a way that is not changed here: put host_keys in by hand")
    writing.write_all({path: content})


def _changed(path: Path, document: Document, name: str, lines: list[str], wanted: dict[str, Any]) -> bytes:
    try:
        if files.ours(path):
            return files.rendered(wanted)  # setup's own: it stays so
    except files.NotOurs:
        pass  # a person's: only the one key changes
    text = path.read_text().split("\n")
    key: Key = ("target", name, "host_keys")
    given = [f"host_keys = {json.dumps(lines)}"]
    if key in document.lines:
        first = document.lines[key] - 1
        text[first : _end(text, first)] = given
    else:
        header = document.line(("target", name))
        text[header:header] = given
    return "\n".join(text).encode()


def _end(text: list[str], first: int) -> int:
    """Behind the value that begins on that line."""
    for end in range(first + 1, len(text) + 1):
        try:
            tomllib.loads("\n".join(text[first:end]))
        except tomllib.TOMLDecodeError:
            continue
        return end
    raise OperatorError("the end of host_keys is not found")
