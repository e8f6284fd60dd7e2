"""TOML -> one frozen `Config`, or every mistake in every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoopgw import config_policy
from hoopgw.config_files import Document, Key, Mistake, read
from hoopgw.config_reader import Reader, nearest
from hoopgw.model.grant import Budget, Grant
from hoopgw.model.settings import (
    LimitSettings,
    ListenSettings,
    LocalIssuer,
    OidcSettings,
    RecordingSettings,
    Settings,
    StoreSettings,
    TlsSettings,
)
from hoopgw.model.target import Mode, Role, SecretReference, Target, TlsMode
from hoopgw.policy.masks import MaskRule
from hoopgw.policy.policyset import PolicySet, Scoped

DIRECTORIES = {"target": "targets.d", "grant": "grants.d", "guardrail": "guardrails.d"}
TABLES = {"targets.d": ("target",), "grants.d": ("grant",), "guardrails.d": ("guardrail", "mask", "pattern")}


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


def check(path: str | Path) -> list[Mistake]:
    """Every mistake, ordered by file and line; empty where `load` would succeed."""
    try:
        load(path)
    except ConfigurationMistakes as error:
        return list(error.mistakes)
    return []


class _Loading:
    """One reading of all files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.mistakes: list[Mistake] = []
        self._places: dict[Key, str] = {}  # where each name was first given
        self._documents: list[Document] = []

    def load(self) -> Config:
        main = read(self._path)
        if isinstance(main, Mistake):
            self.mistakes.append(main)
            main = Document(str(self._path), {}, {})
        self._documents.append(main)
        settings = self._settings(Reader(main, self.mistakes))
        documents = {name: self._directory(name) for name in TABLES}
        targets = self._targets(documents["targets.d"])
        grants = self._grants(documents["grants.d"], targets, settings)
        guardrails, masks = self._rules(documents["guardrails.d"], targets)
        policy = PolicySet(guardrails, masks, self._digest())
        return Config(settings, targets, grants, policy)

    def _directory(self, name: str) -> list[Reader]:
        readers = []
        for path in sorted((self._path.parent / name).glob("*.toml")):
            document = read(path)
            if isinstance(document, Mistake):
                self.mistakes.append(document)
                continue
            self._documents.append(document)
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

    # ---- hoopgw.toml

    def _settings(self, reader: Reader) -> Settings:
        top = reader.table("", reader.document.values, ())
        parts = {
            name: reader.table(name, top[name], (name,))
            for name in ("listen", "admin", "tls", "store", "recordings", "limits")
        }
        state = reader.path(top["state"])
        keys = Path(state) / "keys"
        tls, store, limits = parts["tls"], parts["store"], parts["limits"]
        if bool(tls["certificate"]) != bool(tls["key"]):
            reader.wrong(("tls",), "needs both certificate and key, or neither")
        if tls["required"] and parts["listen"]["postgresql"] and not tls["certificate"]:
            reader.wrong(
                ("listen", "postgresql"),
                "clients must use TLS, and [tls] names no certificate and key to offer it with",
            )
        return Settings(
            name=top["name"],
            state=state,
            listen=ListenSettings(
                postgresql=parts["listen"]["postgresql"],
                admin=f"unix:{_escaped(reader.path(parts['admin']['socket']))}:mode=660",
            ),
            tls=TlsSettings(reader.path(tls["certificate"]), tls["key"], tls["required"]),
            issuers=self._issuers(reader, top["oidc"]),
            local=tuple(
                LocalIssuer(name, values["may"] or frozenset())
                for name, values in reader.tables("local", top["local"], ("local",)).items()
            ),
            store=StoreSettings(self._store_url(reader, store["url"], state), store["password"]),
            recordings=self._recordings(reader, parts["recordings"], state, keys),
            limits=LimitSettings(
                max_sessions=limits["max_sessions"],
                max_sessions_per_identity=limits["max_sessions_per_identity"],
                login_seconds=limits["login"],
                max_statement=limits["max_statement"],
                max_masked_row=limits["max_masked_row"],
            ),
            mask_key=top["mask_key"] or SecretReference("file", str(keys / "mask.key")),
        )

    def _issuers(self, reader: Reader, values: Any) -> tuple[OidcSettings, ...]:
        found: list[OidcSettings] = []
        for name, given in reader.tables("oidc", values, ("oidc",)).items():
            if given["issuer"] is None or given["audience"] is None:
                continue
            known = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
            for algorithm in given["algorithms"]:
                if algorithm not in known:
                    words = f"{algorithm!r} is not accepted: {', '.join(known)}{nearest(algorithm, list(known))}"
                    reader.wrong(("oidc", name, "algorithms"), words)
            if any(given["issuer"] == other.issuer for other in found):
                reader.wrong(("oidc", name, "issuer"), "is the issuer of another [oidc.NAME]")
            if not given["issuer"].startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
                reader.wrong(("oidc", name, "issuer"), "must be an https:// address")
            found.append(OidcSettings(name=name, **{**given, "ca": reader.path(given["ca"])}))
        return tuple(found)

    def _store_url(self, reader: Reader, url: str, state: str) -> str:
        if not url:
            return f"sqlite:{state}/hoopgw.db"
        if url.startswith("sqlite:"):
            return f"sqlite:{reader.path(url.removeprefix('sqlite:'))}"
        if not url.startswith(("postgresql://", "postgres://")):
            reader.wrong(("store", "url"), "must be sqlite:PATH or postgresql://USER@HOST/DATABASE")
        return url

    def _recordings(self, reader: Reader, given: dict[str, Any], state: str, keys: Path) -> RecordingSettings:
        url = given["url"] or f"file:{state}/recordings"
        if not url.startswith("file:"):
            reader.wrong(("recordings", "url"), "must be file:DIRECTORY")
        if given["spool"] < 4 << 20:
            reader.wrong(("recordings", "spool"), "must be at least 4 MiB: a read of every live session has to fit")
        return RecordingSettings(
            directory=reader.path(url.removeprefix("file:")),
            mode=Mode(given["mode"]),
            min_free=given["min_free"],
            spool=given["spool"],
            spool_directory=reader.path(given["spool_directory"]),
            retention=given["retention"],
            signing_key=given["signing_key"] or SecretReference("file", str(keys / "recording.key")),
            seal_every=given["seal_every"],
        )

    # ---- targets, grants, rules

    def _targets(self, readers: list[Reader]) -> dict[str, Target]:
        found: dict[str, Target] = {}
        for reader in readers:
            for name, given in self._named(reader, "target").items():
                target = self._target(reader, name, given)
                if target is not None:
                    found[name] = target
        return found

    def _target(self, reader: Reader, name: str, given: dict[str, Any]) -> Target | None:
        key: Key = ("target", name)
        if "/" in name or "%" in name:
            reader.wrong(key, "a target's name has no slash and no percent sign: clients write TARGET/DATABASE")
        roles = reader.tables("role", given["role"] or {}, (*key, "role"))
        if given["role"] is not None and not roles:
            reader.wrong((*key, "role"), "has no role: nobody could connect")
        if given["catalogue_role"] and given["catalogue_role"] not in roles:
            words = f"there is no role {given['catalogue_role']!r}" + nearest(given["catalogue_role"], list(roles))
            reader.wrong((*key, "catalogue_role"), words)
        if given["address"] is None or given["database"] is None:
            return None
        loopback = all(_is_loopback(address.host) for address in given["address"])
        if given["tls"] == "disable" and not loopback:
            reader.wrong(
                (*key, "tls"), "clear text is for loopback addresses only: credentials would cross the network"
            )
        tls = TlsMode(given["tls"]) if given["tls"] else TlsMode.DISABLE if loopback else TlsMode.VERIFY_FULL
        return Target(
            name=name,
            protocol=given["protocol"],
            addresses=given["address"],
            tls=tls,
            roles={role: Role(role, values["user"] or "", values["password"]) for role, values in roles.items()},
            database=given["database"],
            labels=given["labels"],
            ca=reader.path(given["ca"]),
            record=Mode(given["record"]) if given["record"] else Mode.STRICT,
            catalogue_role=given["catalogue_role"],
            application_name=given["application_name"],
        )

    def _grants(self, readers: list[Reader], targets: dict[str, Target], settings: Settings) -> tuple[Grant, ...]:
        return tuple(
            self._grant(reader, name, given, targets, settings)
            for reader in readers
            for name, given in self._named(reader, "grant").items()
        )

    def _grant(
        self, reader: Reader, name: str, given: dict[str, Any], targets: dict[str, Target], settings: Settings
    ) -> Grant:
        key: Key = ("grant", name)
        who = config_policy.who(reader, given, everybody=False)
        if not (who.groups or who.subjects or who.claims):
            reader.wrong(key, "is for nobody: give groups, subjects or claims")
        if who.provider and who.provider not in [issuer.name for issuer in settings.issuers]:
            known = [issuer.name for issuer in settings.issuers]
            reader.wrong((*key, "provider"), f"there is no [oidc.{who.provider}]" + nearest(who.provider, known))
        selector = None
        if given["target"] is not None:
            selector = config_policy.selector(reader, given["target"], (*key, "target"))
            self._selects(reader, selector, (*key, "target"), targets)
            if not given["roles"]:
                reader.wrong(key, "names a target and no roles")
            known_roles = {role for target in targets.values() if selector.selects(target) for role in target.roles}
            for role in sorted(given["roles"] - known_roles):
                words = f"no selected target has the role {role!r}" + nearest(role, sorted(known_roles))
                reader.wrong((*key, "roles"), words)
        elif not given["may"]:
            reader.wrong(key, "grants nothing: give target and roles, or may")
        return Grant(
            name=name,
            who=who,
            target=selector,
            roles=given["roles"],
            databases=given["databases"],
            budget=self._budget(reader, given["budget"], (*key, "budget")),
            until=given["until"],
            may=given["may"],
        )

    def _selects(self, reader: Reader, selector: Any, key: Key, targets: dict[str, Target]) -> None:
        for name in sorted(selector.names - set(targets)):
            reader.wrong((*key, "name"), f"there is no target {name!r}" + nearest(name, list(targets)))

    def _budget(self, reader: Reader, values: Any, key: Key) -> Budget:
        given = reader.table("budget", values, key)
        if given["soft_action"] == "hold" and not given["soft_approvers"]:
            reader.wrong(key, 'soft_action = "hold" needs soft_approvers')
        seconds = given["session"]
        return Budget(
            rows_per_session=given["rows"].get("session"),
            rows_per_day=given["rows"].get("day"),
            bytes_per_session=given["bytes"].get("session"),
            bytes_per_day=given["bytes"].get("day"),
            statements_per_minute=given["statements"].get("min"),
            identity_statements_per_minute=given["identity_statements"].get("min"),
            session_seconds=int(seconds) if seconds is not None else None,
            soft=given["soft"],
            soft_action=given["soft_action"],
            soft_approvers=given["soft_approvers"],
        )

    def _rules(
        self, readers: list[Reader], targets: dict[str, Target]
    ) -> tuple[tuple[Scoped, ...], tuple[MaskRule, ...]]:
        patterns: dict[str, str] = {}
        for reader in readers:
            for name, given in self._named(reader, "pattern").items():
                if given["regex"] is not None:
                    config_policy.expression(reader, given["regex"], ("pattern", name, "regex"))
                    patterns[name] = given["regex"]
        guardrails: list[Scoped] = []
        masks: list[MaskRule] = []
        for reader in readers:
            for name, given in self._named(reader, "guardrail").items():
                scoped = config_policy.guardrail(reader, name, given)
                self._selects(reader, scoped.target, ("guardrail", name, "target"), targets)
                guardrails.append(scoped)
            for name, given in self._named(reader, "mask").items():
                rule = config_policy.mask(reader, name, given, patterns)
                self._selects(reader, rule.target, ("mask", name, "target"), targets)
                masks.append(rule)
        return tuple(guardrails), tuple(masks)

    def _digest(self) -> str:
        """Of the values of every file but hoopgw.toml, in a canonical form: comments and order do not count."""
        deciding: dict[str, dict[str, Any]] = {}
        for document in self._documents[1:]:
            for kind, tables in document.values.items():
                if isinstance(tables, dict):
                    deciding.setdefault(kind, {}).update(tables)
        canonical = json.dumps(deciding, sort_keys=True, default=str).encode()
        return f"sha256:{hashlib.sha256(canonical).hexdigest()}"


def _escaped(path: str) -> str:
    """In a Twisted endpoint string a colon separates."""
    return path.replace("\\", "\\\\").replace(":", "\\:")


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host == "::1" or host.startswith("127.")
