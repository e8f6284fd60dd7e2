"""TOML -> one frozen `Config`, or every mistake in every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoopgw import __version__, config_policy, config_settings, config_targets
from hoopgw.config_files import Document, Instead, Key, Mistake, listed, read
from hoopgw.config_present import absent
from hoopgw.config_reader import Reader, nearest
from hoopgw.model.grant import Grant
from hoopgw.model.settings import Settings
from hoopgw.model.target import Target
from hoopgw.policy.masks import MaskRule
from hoopgw.policy.policyset import PolicySet, Scoped

TABLES = {
    "conf.d": ("oidc", "local", "vault", "aws"),
    "targets.d": ("target",),
    "grants.d": ("grant",),
    "guardrails.d": ("guardrail", "mask", "pattern"),
}


class ConfigurationMistakes(Exception):
    """All that is wrong; nothing was loaded."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Config:
    """What the service runs on.  `digest` is of everything that decides: rules, masks, targets, grants."""

    settings: Settings
    targets: Mapping[str, Target]
    grants: tuple[Grant, ...]
    policy: PolicySet

    @property
    def digest(self) -> str:
        return self.policy.digest


def load(path: str | Path) -> Config:
    """Read hoopgw.toml and the directories beside it.  Raises ConfigurationMistakes with all that is wrong."""
    loading = _Loading(Path(path))
    config = loading.load()
    if loading.mistakes:
        raise ConfigurationMistakes(tuple(sorted(set(loading.mistakes))))
    return config


def load_whole(path: str | Path, instead: Instead | None = None) -> Config:
    """As `load`, for who will run on it: the files that it names must be there too.

    With `instead`, as if those files stood there already.
    """
    loading = _Loading(Path(path), instead or {})
    config = loading.load()
    if not loading.mistakes:
        loading.mistakes += absent(config.settings, dict(config.targets), loading.documents)
    if loading.mistakes:
        raise ConfigurationMistakes(tuple(sorted(set(loading.mistakes))))
    return config


def check(path: str | Path) -> list[Mistake]:
    """Every mistake, ordered by file and line; empty where `load` would succeed."""
    try:
        load(path)
    except ConfigurationMistakes as error:
        return list(error.mistakes)
    return []


class _Loading:
    """One reading of all files."""

    def __init__(self, path: Path, instead: Instead | None = None) -> None:
        self._path = path
        self._instead: Instead = instead or {}
        self.mistakes: list[Mistake] = []
        self._places: dict[Key, str] = {}  # where each name was first given
        self._documents: list[Document] = []
        self._beside: list[Document] = []  # of conf.d
        self._missing = False  # a file of targets could not be read: what names them cannot be checked

    def load(self) -> Config:
        main = read(self._path, self._instead)
        if isinstance(main, Mistake):
            self.mistakes.append(main)
            main = Document(str(self._path), {}, {})
        self._main = main
        for kind in TABLES["conf.d"]:
            given = main.values.get(kind)
            for name in given if isinstance(given, dict) else ():
                self._places[kind, name] = f"{main.file}:{main.line((kind, name))}"
        beside = [
            config_settings.Beside(reader, *(self._named(reader, kind) for kind in TABLES["conf.d"]))
            for reader in self._directory("conf.d")
        ]
        settings = config_settings.settings(Reader(main, self.mistakes), beside)
        targets = self._targets(settings)
        known = config_targets.Known(settings, targets, complete=not self._missing)
        grants = tuple(
            config_targets.grant(reader, name, given, known)
            for reader in self._directory("grants.d")
            for name, given in self._named(reader, "grant").items()
        )
        guardrails, masks = self._rules(known)
        return Config(settings, targets, grants, PolicySet(guardrails, masks, self._digest(settings)))

    @property
    def documents(self) -> list[Document]:
        return [self._main, *self._beside, *self._documents]

    def _targets(self, settings: Settings) -> dict[str, Target]:
        before = len(self.mistakes)
        readers = self._directory("targets.d")
        self._missing = len(self.mistakes) > before
        return {
            name: config_targets.target(reader, name, given, settings)
            for reader in readers
            for name, given in self._named(reader, "target").items()
        }

    def _rules(self, known: config_targets.Known) -> tuple[tuple[Scoped, ...], tuple[MaskRule, ...]]:
        readers = self._directory("guardrails.d")
        patterns: dict[str, str] = {}
        for reader in readers:
            for name, given in self._named(reader, "pattern").items():
                patterns[name] = config_policy.pattern(reader, name, given)
        guardrails: list[Scoped] = []
        masks: list[MaskRule] = []
        for reader in readers:
            for name, given in self._named(reader, "guardrail").items():
                guardrails.append(config_policy.guardrail(reader, name, given, known))
            for name, given in self._named(reader, "mask").items():
                masks.append(config_policy.mask(reader, name, given, patterns, known))
        return tuple(guardrails), tuple(masks)

    def _directory(self, name: str) -> list[Reader]:
        paths = listed(self._path.parent / name, self._instead)
        if isinstance(paths, Mistake):
            self.mistakes.append(paths)
            return []
        readers = []
        for path in paths:
            document = read(path, self._instead)
            if isinstance(document, Mistake):
                self.mistakes.append(document)
                continue
            (self._beside if name == "conf.d" else self._documents).append(document)
            reader = Reader(document, self.mistakes)
            for key in document.values:
                if key not in TABLES[name]:
                    known = list(TABLES[name])
                    reader.wrong((key,), f"has no place in {name}/; known: {', '.join(known)}{nearest(key, known)}")
            readers.append(reader)
        return readers

    def _named(self, reader: Reader, kind: str) -> dict[str, dict[str, Any]]:
        """Tables of one kind in one file; a name that another file has is a mistake, and left out."""
        found = reader.tables(kind, reader.document.values.get(kind, {}), (kind,))
        for name in list(found):
            here = f"{reader.document.file}:{reader.document.line((kind, name))}"
            first = self._places.setdefault((kind, name), here)
            if first != here:
                reader.wrong((kind, name), f"is given twice; the first is at {first}")
                del found[name]
        return found

    def _digest(self, settings: Settings) -> str:
        """Of the values of every file but hoopgw.toml and those of conf.d, in a canonical form.

        Comments and order do not count.  The version is in it because the built-in rules are, and the default recording
        mode because targets take it.
        """
        deciding: dict[str, Any] = {"version": __version__, "mode": settings.recordings.mode.value}
        for document in self._documents:
            for kind, tables in document.values.items():
                if isinstance(tables, dict):
                    deciding.setdefault(kind, {}).update(tables)
        canonical = json.dumps(deciding, sort_keys=True, default=str).encode()
        return f"sha256:{hashlib.sha256(canonical).hexdigest()}"
