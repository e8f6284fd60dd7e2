"""Tables of where roles' secrets are -> settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

from hoopgw.config_files import Key
from hoopgw.config_reader import Reader, is_loopback
from hoopgw.model.settings import AwsSettings, VaultSettings

ADDRESS = "must be an https:// address without user, query and fragment (http:// on loopback only)"


def vaults(tables: Iterator[tuple[Reader, str, dict[str, Any]]]) -> tuple[VaultSettings, ...]:
    found: list[VaultSettings] = []
    for reader, name, given in tables:
        key: Key = ("vault", name)
        ways = [way for way in ("token", "role_id", "jwt") if given[way]]
        if len(ways) != 1:
            reader.wrong(key, "needs one way to log in: token, role_id or jwt")
        elif given["secret_id"] is not None and ways != ["role_id"]:
            reader.wrong((*key, "secret_id"), "does nothing without `role_id`")
        elif bool(given["role"]) != (ways == ["jwt"]):
            reader.wrong((*key, "role"), "goes with `jwt`, and `jwt` with it")
        if given["mount"] and ways == ["token"]:
            reader.wrong((*key, "mount"), "does nothing with `token`")
        if given["address"] is None:
            continue
        address = given["address"].rstrip("/")
        if not is_issuer(address):
            reader.wrong((*key, "address"), ADDRESS)
        mount = given["mount"].strip("/") or ("kubernetes" if ways == ["jwt"] else "approle")
        more = {"address": address, "ca": reader.path(given["ca"]), "mount": mount}
        found.append(VaultSettings(name=name, **{**given, **more}))
    return tuple(found)


def aws(tables: Iterator[tuple[Reader, str, dict[str, Any]]]) -> tuple[AwsSettings, ...]:
    found: list[AwsSettings] = []
    for reader, name, given in tables:
        key: Key = ("aws", name)
        if bool(given["key_id"]) != bool(given["secret"]):
            reader.lacks(key, ("key_id", "secret"), "needs both key_id and secret, or neither")
        elif bool(given["key_id"]) is given["instance_role"]:
            reader.wrong(key, "needs one way to sign: key_id and secret, or instance_role = true")
        if given["session_token"] and not given["key_id"]:
            reader.wrong((*key, "session_token"), "does nothing without `key_id`")
        if given["region"] is None:
            continue
        endpoint = given["endpoint"].rstrip("/") or f"https://secretsmanager.{given['region']}.amazonaws.com"
        parts = split(endpoint)
        if not is_issuer(endpoint) or (parts is not None and parts.path):
            reader.wrong((*key, "endpoint"), ADDRESS.replace("without", "without path,"))
        found.append(AwsSettings(name=name, **{**given, "endpoint": endpoint, "ca": reader.path(given["ca"])}))
    return tuple(found)


def is_issuer(address: str) -> bool:
    """OpenID Connect Discovery 1.0, section 3; and no clear text but on this machine."""
    parts = split(address)
    if parts is None or not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address)
    except ValueError:
        return None
