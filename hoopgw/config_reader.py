"""Reads tables of the configuration by the schema and collects every mistake on the way."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from pathlib import Path
from typing import Any

from hoopgw.config_files import Document, Key, Mistake
from hoopgw.config_kinds import REQUIRED
from hoopgw.config_schema import SECTIONS

# Names stand in addresses (TARGET/DATABASE), events and journals.  A colon marks the built-in rules: `mask:NAME`.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")


class Reader:
    """One document.  `table` never raises: what is wrong is in `mistakes`, with the default in its place."""

    def __init__(self, document: Document, mistakes: list[Mistake]) -> None:
        self.document = document
        self.mistakes = mistakes

    def wrong(self, key: Key, message: str) -> None:
        self.mistakes.append(Mistake(self.document.file, self.document.line(key), ".".join(key), message))

    def lacks(self, key: Key, names: tuple[str, ...], message: str) -> None:
        """The table `key` needs `names`: a mistake, unless one of them is there and is wrong itself."""
        told = {each.key for each in self.mistakes if each.file == self.document.file}
        if not any(".".join((*key, name)) in told for name in names):
            self.wrong(key, message)

    def table(self, section: str, values: Any, key: Key) -> dict[str, Any]:
        """The values of one table, every key of its section present."""
        known = SECTIONS[section]
        if not isinstance(values, dict):
            self.wrong(key, "must be a table")
            values = {}
        for name in values:
            if name not in known:
                self.wrong((*key, name), "is not a key that there is" + nearest(name, list(known)))
        found: dict[str, Any] = {}
        for name, spec in known.items():
            default = None if spec.default is REQUIRED else spec.default
            found[name] = default
            if name in values:
                try:
                    found[name] = spec.read(values[name])
                except ValueError as error:
                    self.wrong((*key, name), str(error))
            elif spec.default is REQUIRED:
                self.wrong(key, f"needs `{name}`: {spec.doc}")
        return found

    def defaults(self, section: str) -> dict[str, Any]:
        """What each key of a section is where it is not given."""
        return {name: None if spec.default is REQUIRED else spec.default for name, spec in SECTIONS[section].items()}

    def tables(self, section: str, values: Any, key: Key) -> dict[str, dict[str, Any]]:
        """Tables by name: `[target.NAME]`."""
        if not isinstance(values, dict):
            self.wrong(key, f"must be tables: [{'.'.join(key)}.NAME]")
            return {}
        for name in values:
            if not NAME.fullmatch(name):
                self.wrong((*key, name), "is not a name: at most 63 ASCII letters, digits, `_`, `.`, `-`")
        return {name: self.table(section, each, (*key, name)) for name, each in values.items()}

    def path(self, written: str) -> str:
        """Absolute; a relative one is relative to the file that names it."""
        return os.path.abspath(Path(self.document.file).parent / written) if written else ""


def nearest(name: str, known: list[str]) -> str:
    """`; did you mean "..."?`, or nothing."""
    found = difflib.get_close_matches(name, known, 1, 0.5)
    return f'; did you mean "{found[0]}"?' if found else ""


def is_loopback(host: str) -> bool:
    """The address of this machine itself; no name but `localhost` is trusted to mean it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
