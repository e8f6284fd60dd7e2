"""[ssh], [ssh_key.NAME] and [ssh_ca.NAME] -> SshSettings."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from hoopgw.auth.revocation_files import read_list
from hoopgw.config_reader import Reader, nearest
from hoopgw.model.errors import OperatorError
from hoopgw.model.revocation import RevocationList
from hoopgw.model.settings import SshAuthority, SshKey, SshSettings
from hoopgw.model.target import SecretReference

MADE = ("ssh_host_ed25519", "ssh_host_rsa")  # keys that the first start makes, under `state`/keys
TARGET_AUTHORITY, LOGIN_AUTHORITY = "ssh_target_authority", "ssh_login_authority"  # the same
MAX_CERTIFICATES = 86400.0  # seconds
MIN_REKEY = 1 << 20  # bytes: less would spend more on exchanges than on data


def ssh_settings(
    reader: Reader, given: dict[str, Any], top: dict[str, Any], providers: list[str], keys: Path
) -> SshSettings:
    """`providers` are the names of [oidc.NAME]."""
    if given["rekey"] < MIN_REKEY:
        reader.wrong(("ssh", "rekey"), "must be at least 1 MiB")
    if given["certificates"] > MAX_CERTIFICATES:
        reader.wrong(("ssh", "certificates"), "must be at most a day: a certificate cannot be taken back like a grant")
    if given["login_authority"] is not None and given["login_authority"] == given["target_authority"]:
        words = "must not be `target_authority`: what clients are given would open targets"
        reader.wrong(("ssh", "login_authority"), words)
    if given["kex"] == "pq-only" and given["compatibility"]:
        reader.wrong(("ssh", "compatibility"), 'contradicts kex = "pq-only"')
    settings = SshSettings(
        host_keys=given["host_keys"] or tuple(SecretReference("file", str(keys / name)) for name in MADE),
        target_authority=given["target_authority"] or SecretReference("file", str(keys / TARGET_AUTHORITY)),
        host_certificates=tuple(map(reader.path, given["host_certificates"])),
        login_authority=given["login_authority"] or SecretReference("file", str(keys / LOGIN_AUTHORITY)),
        certificates=given["certificates"],
        rekey=given["rekey"],
        kex=given["kex"],
        compatibility=given["compatibility"],
        keys=_keys(reader, top["ssh_key"]),
        authorities=_authorities(reader, top["ssh_ca"]),
    )
    _providers(reader, settings, providers)
    _one_owner(reader, settings)
    return settings


def _keys(reader: Reader, given: dict[str, Any]) -> tuple[SshKey, ...]:
    return tuple(
        SshKey(
            name,
            values["provider"] or "",
            values["subject"] or "",
            values["groups"],
            values["keys"] or (),
            values["session"],
        )
        for name, values in reader.tables("ssh_key", given, ("ssh_key",)).items()
    )


def _authorities(reader: Reader, given: dict[str, Any]) -> tuple[SshAuthority, ...]:
    return tuple(
        SshAuthority(
            name,
            values["provider"] or "",
            values["keys"] or (),
            values["revoked"],
            values["session"],
            _lists(reader, name, values),
        )
        for name, values in reader.tables("ssh_ca", given, ("ssh_ca",)).items()
    )


def _lists(reader: Reader, name: str, values: dict[str, Any]) -> tuple[RevocationList, ...]:
    """A list that cannot be read is a mistake: without it somebody would get in who may not."""
    found: list[RevocationList] = []
    for path in map(reader.path, values["krl"]):
        try:
            found.append(read_list(path, values["keys"] or (), time.time()))
        except OperatorError as error:
            reader.wrong(("ssh_ca", name, "krl"), str(error))
    return tuple(found)


def _providers(reader: Reader, settings: SshSettings, providers: list[str]) -> None:
    """An identity by key is one of an issuer's: else nobody could tell that it approves what it asked for itself."""
    for kind, found in (("ssh_key", settings.keys), ("ssh_ca", settings.authorities)):
        for each in found:
            if each.provider and each.provider not in providers:
                words = f"there is no [oidc.{each.provider}]" + nearest(each.provider, providers)
                reader.wrong((kind, each.name, "provider"), words)


def _one_owner(reader: Reader, settings: SshSettings) -> None:
    """must-survive 27: who a key is must not depend on the order of a file."""
    owners: dict[bytes, str] = {}
    for each in settings.keys:
        for blob in each.keys:
            first = owners.setdefault(blob, each.name)
            if first != each.name:
                reader.wrong(("ssh_key", each.name, "keys"), f"has a key that [ssh_key.{first}] has as well")
