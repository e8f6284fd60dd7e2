"""TOML files -> values, and the line on which each key stands."""

from __future__ import annotations

import codecs
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tree_sitter
import tree_sitter_toml

MAX_FILE = 4 << 20  # bytes: a configuration, not data

Key = tuple[str, ...]
Instead = Mapping[Path, bytes]  # files as if they stood there already


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing that is wrong, where it stands, and what would be right."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key + ': ' if self.key else ''}{self.message}"


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its values, and the line (from 1) of every key by its full path."""

    file: str
    values: dict[str, Any]
    lines: dict[Key, int]

    def line(self, key: Key) -> int:
        """Of the key, or of the nearest table around it."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)


def listed(directory: Path, instead: Instead) -> list[Path] | Mistake:
    """The *.toml files of a directory, by name, with those of `instead`; none where there is no directory.

    One that may not be read is a mistake: rules that are silently not there would wave everything by.
    """
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        names = []
    except OSError as error:
        return Mistake(str(directory), 1, "", f"cannot be read: {error.strerror}")
    names = sorted({*names, *(path.name for path in instead if path.parent == directory)})
    return [directory / name for name in names if name.endswith(".toml") and not name.startswith(".")]


def read(path: Path, instead: Instead) -> Document | Mistake:
    """One file, or what keeps it from being read; what `instead` has of it comes first."""
    raw = instead.get(path)
    if raw is None:
        found = _content(path)
        if isinstance(found, Mistake):
            return found
        raw = found
    return _parsed(path, raw)


def _content(path: Path) -> bytes | Mistake:
    try:
        # a FIFO with no writer must not stop a reload for ever
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return Mistake(str(path), 1, "", "is not a file")
            return file.read(MAX_FILE + 1)
    except OSError as error:
        return Mistake(str(path), 1, "", f"cannot be read: {error.strerror}")


def _parsed(path: Path, raw: bytes) -> Document | Mistake:
    if len(raw) > MAX_FILE:
        return Mistake(str(path), 1, "", f"is larger than {MAX_FILE} bytes")
    if raw.startswith(codecs.BOM_UTF8):
        return Mistake(str(path), 1, "", "begins with a byte order mark: save it as UTF-8 without one")
    try:
        values = tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        return Mistake(str(path), raw.count(b"\n", 0, error.start) + 1, "", "is not UTF-8")
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(where[1]) if where else max(1, raw.count(b"\n"))
        words = re.sub(r" \(at .*\)$", "", str(error))
        return Mistake(str(path), line, "", f"is not TOML: {words}")
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets in brackets in …
        return Mistake(str(path), 1, "", f"cannot be read: {error}")
    return Document(str(path), values, key_lines(raw))


def key_lines(raw: bytes) -> dict[Key, int]:
    """The line of each key and table of a TOML text that is known to be right."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language()))
    lines: dict[Key, int] = {}
    for node in parser.parse(raw).root_node.children:
        if node.type in ("table", "table_array_element"):
            prefix = _key(node.named_children[0])
            lines.setdefault(prefix, node.start_point.row + 1)
            for child in node.named_children[1:]:
                _pair(child, prefix, lines)
        else:
            _pair(node, (), lines)
    return lines


def _pair(node: tree_sitter.Node, prefix: Key, lines: dict[Key, int]) -> None:
    if node.type != "pair":
        return
    key = prefix + _key(node.named_children[0])
    for length in range(len(prefix) + 1, len(key) + 1):
        lines.setdefault(key[:length], node.start_point.row + 1)
    value = node.named_children[-1]
    if value.type == "inline_table":
        for child in value.named_children:
            _pair(child, key, lines)


def _key(node: tree_sitter.Node) -> Key:
    if node.type == "dotted_key":
        return tuple(part for child in node.named_children for part in _key(child))
    text = (node.text or b"").decode()
    if node.type == "quoted_key":
        return tuple(tomllib.loads(f"{text} = 1"))
    return (text,)
