"""hoopgw.toml -> Settings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import serverFromString

from hoopgw.config_certificates import client_authorities
from hoopgw.config_files import Key
from hoopgw.config_reader import Reader, nearest
from hoopgw.config_ssh import ssh_settings
from hoopgw.config_vaults import aws, is_issuer, split, vaults
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
from hoopgw.model.target import Mode, SecretReference

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
ENDPOINTS = ("tcp", "tcp6", "unix", "systemd", "haproxy")
MIN_SPOOL = 4 << 20  # bytes: a read of every live session has to fit
MAX_SOCKET = 107  # bytes of a path in an address (unix(7)), without the NUL at its end
MAX_SKEW = 300.0  # seconds: clocks that are further apart are broken, and a token's end would mean little


@dataclass(frozen=True, slots=True)
class Beside:
    """One file of conf.d: its tables, of which no other file has one by the same name."""

    reader: Reader
    oidc: dict[str, dict[str, Any]]
    local: dict[str, dict[str, Any]]
    vault: dict[str, dict[str, Any]]
    aws: dict[str, dict[str, Any]]


def settings(reader: Reader, beside: Sequence[Beside] = ()) -> Settings:
    top = reader.table("", reader.document.values, ())
    parts = {
        name: reader.table(name, top[name], (name,))
        for name in ("listen", "admin", "tls", "ssh", "store", "recordings", "limits")
    }
    state = reader.path(top["state"])
    keys = Path(state) / "keys"
    limits = parts["limits"]
    return Settings(
        name=top["name"],
        state=state,
        listen=_listen(reader, parts),
        tls=_tls(reader, parts["tls"], parts["listen"]),
        issuers=(issuers := _issuers(_all_of(reader, top, "oidc", beside))),
        ssh=ssh_settings(reader, parts["ssh"], top, [issuer.name for issuer in issuers], keys),
        client_authorities=client_authorities(reader, top, [each.name for each in issuers], _with_tls(parts)),
        local=tuple(
            LocalIssuer(name, values["may"] or frozenset()) for _, name, values in _all_of(reader, top, "local", beside)
        ),
        vaults=vaults(_all_of(reader, top, "vault", beside)),
        aws=aws(_all_of(reader, top, "aws", beside)),
        store=_store(reader, parts["store"], state),
        recordings=_recordings(reader, parts["recordings"], state, keys),
        limits=LimitSettings(
            max_sessions=limits["max_sessions"],
            max_sessions_per_identity=limits["max_sessions_per_identity"],
            login_seconds=limits["login"],
            drain=limits["drain"],
            max_statement=limits["max_statement"],
            max_masked_row=limits["max_masked_row"],
            request_head=limits["request_head"],
            request_body=limits["request_body"],
            request_rate=limits["request_rate"],
        ),
        mask_key=top["mask_key"] or SecretReference("file", str(keys / "mask.key")),
        identity_key=_identity_key(reader, top["identity_key"], parts, keys),
    )


def _identity_key(reader: Reader, given: SecretReference | None, parts: dict[str, Any], keys: Path) -> SecretReference:
    """A key of its own: targets ask for signatures whose content they know, and clients have part in it."""
    for section, name in (("recordings", "signing_key"), ("ssh", "login_authority"), ("ssh", "target_authority")):
        if given is not None and given == parts[section][name]:
            reader.wrong(("identity_key",), f"must not be `{name}` of [{section}]: one key, one purpose")
    return given or SecretReference("file", str(keys / "identity.key"))


def _listen(reader: Reader, parts: dict[str, dict[str, Any]]) -> ListenSettings:
    for protocol in ("postgresql", "ssh", "https"):
        for endpoint in parts["listen"][protocol]:
            wrong = _endpoint_mistake(endpoint)
            if wrong:
                reader.wrong(("listen", protocol), wrong)
    path = reader.path(parts["admin"]["socket"])
    if (size := len(os.fsencode(path))) > MAX_SOCKET:
        reader.wrong(("admin", "socket"), f"is a path of {size} bytes, and that of a socket has {MAX_SOCKET} at most")
    socket = path.replace("\\", "\\\\").replace(":", "\\:")
    # Twisted's lock names a process by its number: after a crash another may have it, and no gateway would start.
    # What keeps two gateways apart is the spool's lock.
    return ListenSettings(
        postgresql=parts["listen"]["postgresql"],
        postgresql_login=parts["listen"]["postgresql_login"],
        ssh=parts["listen"]["ssh"],
        https=parts["listen"]["https"],
        https_url=_https_url(reader, parts["listen"]),
        admin=f"unix:{socket}:mode=660:lockfile=0",
        admin_path=path,
    )


def _https_url(reader: Reader, listen: dict[str, Any]) -> str:
    given: str = listen["https_url"].rstrip("/")
    if given and not re.fullmatch(
        r"https://[A-Za-z0-9._-]+(:[0-9]{1,5})?|https://\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?", given
    ):
        reader.wrong(("listen", "https_url"), f"{given!r} is not https://HOST or https://HOST:PORT")
    elif given and not listen["https"]:
        reader.wrong(("listen", "https_url"), "does nothing without `https`")
    return given


def _endpoint_mistake(endpoint: str) -> str:
    """What is wrong with a Twisted endpoint string, or ""."""
    kind = endpoint.partition(":")[0]
    if kind not in ENDPOINTS:
        hint = nearest(kind, list(ENDPOINTS))
        return f"{endpoint!r} is not an endpoint that can be listened on: {', '.join(ENDPOINTS)}{hint}"
    if "systemd" in (kind, endpoint.partition(":")[2].partition(":")[0]):
        return ""  # whether systemd passes that socket is known in the service only
    try:
        serverFromString(None, endpoint)  # nothing listens yet: no reactor is asked
    except (ValueError, TypeError, KeyError, IndexError) as error:
        return f"{endpoint!r} is not an endpoint: {error}"
    return ""


_DOMAIN = re.compile(r"(?i)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def _tls(reader: Reader, tls: dict[str, Any], listening: dict[str, Any]) -> TlsSettings:
    if bool(tls["certificate"]) != bool(tls["key"]):
        reader.lacks(("tls",), ("certificate", "key"), "needs both certificate and key, or neither")
    for protocol in ("postgresql", "https"):
        if tls["required"] and listening[protocol] and not tls["certificate"]:
            words = "clients must use TLS, and [tls] names no certificate and key to offer it with"
            reader.wrong(("listen", protocol), words)
    if tls["domain"] and not _DOMAIN.fullmatch(tls["domain"]):
        reader.wrong(("tls", "domain"), f"{tls['domain']!r} is not a domain, as gw.example.com is")
    elif tls["domain"] and not tls["certificate"]:
        reader.wrong(("tls", "domain"), "host names come by TLS, and [tls] names no certificate and key for it")
    return TlsSettings(reader.path(tls["certificate"]), tls["key"], tls["required"], tls["domain"])


def _with_tls(parts: dict[str, dict[str, Any]]) -> frozenset[str]:
    """Listeners whose clients can use TLS."""
    listening = parts["listen"] if parts["tls"]["certificate"] else {}
    return frozenset(name for name in ("https", "postgresql") if listening.get(name))


def _all_of(
    reader: Reader, top: dict[str, Any], kind: str, beside: Sequence[Beside]
) -> Iterator[tuple[Reader, str, dict[str, Any]]]:
    """Tables of one kind, of hoopgw.toml and then of conf.d, each with who reads its file."""
    for name, values in reader.tables(kind, top[kind], (kind,)).items():
        yield reader, name, values
    for each in beside:
        for name, values in getattr(each, kind).items():
            yield each.reader, name, values


def _issuers(tables: Iterator[tuple[Reader, str, dict[str, Any]]]) -> tuple[OidcSettings, ...]:
    found: list[OidcSettings] = []
    for reader, name, given in tables:
        key: Key = ("oidc", name)
        for algorithm in given["algorithms"]:
            if algorithm not in ALGORITHMS:
                hint = nearest(algorithm, list(ALGORITHMS))
                reader.wrong((*key, "algorithms"), f"{algorithm!r} is not accepted: {', '.join(ALGORITHMS)}{hint}")
        if given["skew"] > MAX_SKEW:
            reader.wrong((*key, "skew"), f"must be at most {MAX_SKEW:.0f}s")
        if given["keys_stale"] < given["keys_fresh"]:
            reader.wrong((*key, "keys_stale"), "must not be less than keys_fresh")
        if given["issuer"] is None or given["audience"] is None:
            continue
        if any(given["issuer"] == other.issuer for other in found):
            reader.wrong((*key, "issuer"), "is the issuer of another [oidc.NAME]")
        if not is_issuer(given["issuer"]):
            words = "must be an https:// address without user, query and fragment (http:// on loopback only)"
            reader.wrong((*key, "issuer"), words)
        found.append(OidcSettings(name=name, **{**given, "ca": reader.path(given["ca"])}))
    return tuple(found)


def _store(reader: Reader, given: dict[str, Any], state: str) -> StoreSettings:
    url = given["url"]
    key = ("store", "url")
    if not url or url.startswith("sqlite:"):
        if given["password"] is not None:
            reader.wrong(("store", "password"), "is for a postgresql:// store; SQLite has none")
        return StoreSettings(f"sqlite:{reader.path(url.removeprefix('sqlite:')) or f'{state}/hoopgw.db'}", None)
    parts = split(url)
    if parts is None or parts.scheme not in ("postgresql", "postgres") or not parts.hostname:
        reader.wrong(key, "must be sqlite:PATH or postgresql://USER@HOST/DATABASE")
    elif parts.password is not None or "password=" in parts.query:
        reader.wrong(key, "holds a password: say where it is with `password`, a secret is never written in a file")
    return StoreSettings(url, given["password"])


def _recordings(reader: Reader, given: dict[str, Any], state: str, keys: Path) -> RecordingSettings:
    url = given["url"] or f"file:{state}/recordings"
    if not url.removeprefix("file:") or not url.startswith("file:"):
        reader.wrong(("recordings", "url"), "must be file:DIRECTORY")
    if given["spool"] < MIN_SPOOL:
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
