"""The `[store]` of the configuration -> the store."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from hoopgw.model.errors import OperatorError
from hoopgw.model.secret import Secret
from hoopgw.model.settings import StoreSettings
from hoopgw.store.postgresql import PostgresqlStore
from hoopgw.store.sqlite import SqliteStore

# What the query part of a postgresql:// URL may set.  Anything that names a password, a service file or a plugin is not
# among them: secrets come from `password`, and one place says where the store is.
ALLOWED = frozenset(("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "hostaddr", "application_name", "host"))


def open_store(reactor: Any, settings: StoreSettings, password: Secret | None = None) -> SqliteStore | PostgresqlStore:
    """A store that is not started yet.  Raises OperatorError for a URL that names none."""
    scheme, _, rest = settings.url.partition(":")
    if scheme == "sqlite" and rest:
        return SqliteStore(reactor, rest.removeprefix("//") if rest.startswith("///") else rest)
    if scheme in ("postgresql", "postgres"):
        return PostgresqlStore(reactor, postgresql_parameters(settings.url), password)
    raise OperatorError(f"store: {scheme!r} is no kind of store; write sqlite:PATH or postgresql://HOST/DATABASE")


def postgresql_parameters(url: str) -> dict[str, str]:
    """libpq's parameters of a URL.  Off loopback TLS is verified in full unless `sslmode` says otherwise."""
    parts = urlsplit(url)
    if parts.password:
        raise OperatorError("store: the URL must not hold a password; name it by `password`")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(given) - ALLOWED)
    if unknown:
        raise OperatorError(
            f"store: {', '.join(unknown)} cannot be set in the URL; known: {', '.join(sorted(ALLOWED))}"
        )
    try:
        port = parts.port
    except ValueError:
        raise OperatorError("store: the URL's port is not a number from 1 to 65535") from None
    found = {
        "host": unquote(parts.hostname or ""),
        "port": str(port or 5432),
        "user": unquote(parts.username or ""),
        "dbname": unquote(parts.path.removeprefix("/")),
    }
    found = {name: value for name, value in {**found, **given}.items() if value}
    if not found.get("dbname"):
        raise OperatorError("store: the URL names no database")
    if not found.get("host"):
        raise OperatorError("store: the URL names no host")
    found.setdefault("sslmode", "disable" if _local(found["host"]) else "verify-full")
    return found


def _local(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
