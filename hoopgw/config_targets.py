"""Tables of targets.d/ and grants.d/ -> targets and grants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hoopgw.config_files import Key
from hoopgw.config_http import (
    CREDENTIALS,
    aws_key,
    egress,
    grants_tunnels,
    http_role,
    http_target,
    oauth_client,
    token_of,
)
from hoopgw.config_http_rules import http_api
from hoopgw.config_reader import Reader, is_loopback, nearest
from hoopgw.config_values import role_secret
from hoopgw.model.grant import Budget, Grant, Who
from hoopgw.model.settings import Settings
from hoopgw.model.target import CONNECT, Mode, Role, SecretReference, Selector, Target, TlsMode
from hoopgw.policy.policyset import unenforceable


@dataclass(frozen=True, slots=True)
class Known:
    """What grants and rules may refer to.  Not `complete`: a file of targets could not be read, so that a name that is
    missing here is no mistake."""

    settings: Settings
    targets: Mapping[str, Target]
    complete: bool = True

    def selected(self, selector: Selector) -> list[Target]:
        return [target for target in self.targets.values() if selector.selects(target)]


def target(reader: Reader, name: str, given: dict[str, Any], settings: Settings) -> Target:
    """`settings` say what a target that names no mode records, and which vaults there are."""
    key: Key = ("target", name)
    roles = reader.tables("role", given["role"] or {}, (*key, "role"))
    if given["egress"]:
        egress(reader, key, given)
    else:
        _needed(reader, key, given, bool(roles))
    if given["catalogue_role"] and given["catalogue_role"] not in roles:
        words = f"there is no role {given['catalogue_role']!r}" + nearest(given["catalogue_role"], list(roles))
        reader.wrong((*key, "catalogue_role"), words)
    _of_protocol(reader, key, given, roles)
    mode_of_tls = _tls(reader, key, given)
    if mode_of_tls is TlsMode.DISABLE and len(given["versions"]) > 1:
        reader.wrong((*key, "versions"), "are two, and without TLS nothing tells which one it speaks: give one")
    _credentials(reader, key, given, roles, mode_of_tls)
    known = {"vault": [each.name for each in settings.vaults], "aws": [each.name for each in settings.aws]}
    _in_vaults(reader, key, roles, known)
    made = {CONNECT: Role(CONNECT, "")} if given["egress"] else _roles(reader, key, given["protocol"], roles)
    return _target(reader, key, given, mode_of_tls, made, settings)


def _roles(reader: Reader, key: Key, protocol: str, roles: dict[str, dict[str, Any]]) -> dict[str, Role]:
    made: dict[str, Role] = {}
    for role, values in roles.items():
        place = (*key, "role", role)
        made[role] = Role(
            role,
            values["user"] or "",
            values["password"],
            values["key"],
            reader.path(values["certificate"]),
            bearer=values["bearer"] or token_of(key[-1], role, values["oauth"]),
            header=values["header"],
            query=values["query"],
            value=values["value"],
            sigv4=aws_key(reader, place, values["sigv4"]),
            oauth=oauth_client(reader, place, values["oauth"]),
            certified=values["certified"],
            user_secret=_user_secret(reader, (*place, "user"), protocol, values["user"]),
        )
    return made


def _target(
    reader: Reader, key: Key, given: dict[str, Any], tls: TlsMode, roles: dict[str, Role], settings: Settings
) -> Target:
    return Target(
        name=key[-1],
        protocol=given["protocol"],
        addresses=given["address"] or (),
        tls=tls,
        roles=roles,
        database=given["database"] or "",
        labels=given["labels"],
        ca=reader.path(given["ca"]),
        record=Mode(given["record"]) if given["record"] else settings.recordings.mode,
        catalogue_role=given["catalogue_role"],
        application_name=given["application_name"],
        auth=given["auth"],
        session_attrs=given["target_session_attrs"],
        load_balance=given["load_balance_hosts"],
        connect_seconds=given["connect_timeout"],
        max_protocol=given["max_protocol_version"],
        shared_servers=given["shared_servers"] == "allow",
        trusted_extensions=frozenset(given["trusted_extensions"]),
        host_keys=given["host_keys"],
        host_authorities=given["host_authorities"],
        compatibility=given["compatibility"],
        environment=given["environment"],
        host=given["host"],
        secret_fields=frozenset(given["secret_fields"]),
        plain_fields=frozenset(given["plain_fields"]),
        tells_identity=given["identity"],
        answer_seconds=given["answer_timeout"],
        answer_longest=given["answer_longest"],
        api=http_api(reader, key, given["openapi"]) if given["openapi"] else None,
        egress=given["egress"],
        tunnel_idle=given["tunnel_idle"],
        tunnel_longest=given["tunnel_longest"],
        folds_case=given["path_case"] == "insensitive",
        cased=given["path_case"] == "sensitive",
        versions=given["versions"],
    )


# What not every protocol has, with what it is where it is not given, and who has it
_ONLY: dict[str, tuple[Any, tuple[str, ...]]] = {
    "database": (None, ("postgresql",)),
    "tls": ("", ("postgresql", "http")),
    "ca": ("", ("postgresql", "http")),
    "catalogue_role": ("", ("postgresql",)),
    "application_name": (True, ("postgresql",)),
    "auth": (frozenset(("scram-sha-256",)), ("postgresql",)),
    "target_session_attrs": ("any", ("postgresql",)),
    "load_balance_hosts": (False, ("postgresql",)),
    "connect_timeout": (5.0, ("postgresql", "http")),
    "max_protocol_version": ("3.2", ("postgresql",)),
    "shared_servers": ("refuse", ("postgresql",)),
    "trusted_extensions": ((), ("postgresql",)),
    "host_keys": ((), ("ssh",)),
    "host_authorities": ((), ("ssh",)),
    "compatibility": (False, ("ssh",)),
    "environment": (("LANG", "LC_*"), ("ssh",)),
    "host": ("", ("http",)),
    "secret_fields": ((), ("http",)),
    "plain_fields": ((), ("http",)),
    "identity": (True, ("http",)),
    "answer_timeout": (300.0, ("http",)),
    "answer_longest": (86400.0, ("http",)),
    "openapi": ((), ("http",)),
    "path_case": ("unknown", ("http",)),
    "versions": (("http/1.1",), ("http",)),
    "egress": (False, ("http",)),
    "tunnel_idle": (300.0, ("http",)),
    "tunnel_longest": (43200.0, ("http",)),
}


def _needed(reader: Reader, key: Key, given: dict[str, Any], roles: bool) -> None:
    for name, words in (("address", "Where it is."), ("role", "See [target.NAME.role.ROLE].")):
        if not given[name] and given[name] != {}:
            reader.lacks(key, (name,), f"needs `{name}`: {words}")
    if given["role"] is not None and not roles:
        reader.wrong((*key, "role"), "has no role: nobody could connect")
    for name in ("tunnel_idle", "tunnel_longest"):
        if given[name] != _ONLY[name][0]:
            reader.wrong((*key, name), "does nothing without `egress`")


def _of_protocol(reader: Reader, key: Key, given: dict[str, Any], roles: dict[str, dict[str, Any]]) -> None:
    """Keys of another protocol do nothing; and each protocol has some that it cannot do without."""
    protocol = given["protocol"]
    for name, (default, protocols) in _ONLY.items():
        if protocol not in protocols and given[name] != default:
            reader.wrong((*key, name), f'does nothing with protocol = "{protocol}"')
    for role, values in roles.items():
        if values["certified"] and protocol != "ssh":
            reader.wrong((*key, "role", role, "certified"), f'does nothing with protocol = "{protocol}"')
    if protocol == "http":
        http_target(reader, key, key[-1], given)
        return
    for role, values in roles.items():
        place = (*key, "role", role)
        if not values["user"]:
            reader.lacks(place, ("user",), "needs `user`: The user that the target knows.")
        for name in CREDENTIALS:
            if values[name] not in (None, ""):
                reader.wrong((*place, name), f'does nothing with protocol = "{protocol}"')
        if protocol == "postgresql" and bool(values["key"]) != bool(values["certificate"]):
            reader.lacks(place, ("certificate", "key"), "needs both certificate and key, or neither")
    if protocol == "postgresql":
        if given["database"] is None:
            reader.lacks(key, ("database",), "needs `database`: The database when a client names only the target.")
    else:
        _of_ssh(reader, key, given, roles)


def _of_ssh(reader: Reader, key: Key, given: dict[str, Any], roles: dict[str, dict[str, Any]]) -> None:
    if not given["host_keys"] and not given["host_authorities"]:
        words = "needs `host_keys`: who it is must be known; `hoopgw targets scan` shows them"
        reader.lacks(key, ("host_keys", "host_authorities"), words)
    for role, values in roles.items():
        if values["certificate"]:
            reader.wrong((*key, "role", role, "certificate"), 'does nothing with protocol = "ssh"')
        if values["certified"] and values["key"] is not None:
            reader.wrong((*key, "role", role, "key"), "does nothing beside `certified`")
        if values["key"] is None and values["password"] is None and not values["certified"]:
            words = "has no credential: give key or password, or certified = true"
            reader.lacks((*key, "role", role), ("key", "password", "certified"), words)


def _user_secret(reader: Reader, key: Key, protocol: str, user: str | None) -> SecretReference | None:
    """A user whose name is in a vault, as that of a short-lived credential is."""
    if not user or not user.startswith(("vault:", "aws:")):
        return None
    if protocol != "postgresql":
        reader.wrong(key, "may be of a vault for PostgreSQL only")
    try:
        return role_secret(user)
    except ValueError as error:
        reader.wrong(key, str(error))
        return None


def _in_vaults(reader: Reader, key: Key, roles: dict[str, dict[str, Any]], known: dict[str, list[str]]) -> None:
    for role, values in roles.items():
        place = (*key, "role", role)
        named = [((*place, name), values[name]) for name in ("user", "password", "bearer", "value", "key")]
        for table in ("sigv4", "oauth"):
            named += [((*place, table, name), value) for name, value in (values[table] or {}).items()]
        for where, value in named:
            kind, _, rest = str(value or "").partition(":")
            name = rest.partition("/")[0]
            if kind in known and name not in known[kind]:
                reader.wrong(where, f"there is no [{kind}.{name}]" + nearest(name, known[kind]))


def _tls(reader: Reader, key: Key, given: dict[str, Any]) -> TlsMode:
    if given["protocol"] == "ssh":
        return TlsMode.DISABLE  # it has its own encryption
    loopback = all(is_loopback(address.host) for address in given["address"] or ())
    if given["tls"] == "disable" and not loopback:
        reader.wrong((*key, "tls"), "clear text is for loopback addresses only: credentials would cross the network")
    mode = TlsMode(given["tls"]) if given["tls"] else TlsMode.DISABLE if loopback else TlsMode.VERIFY_FULL
    if given["ca"] and mode in (TlsMode.DISABLE, TlsMode.REQUIRE):
        reader.wrong((*key, "ca"), f'does nothing with tls = "{mode.value}": ask for verify-ca or verify-full')
    return mode


def _credentials(
    reader: Reader, key: Key, given: dict[str, Any], roles: dict[str, dict[str, Any]], tls: TlsMode
) -> None:
    """What goes to a target in a way that the channel must protect."""
    if given["protocol"] == "http":
        loopback = all(is_loopback(address.host) for address in given["address"] or ())
        for role, values in roles.items():
            http_role(reader, (*key, "role", role), values, tls, loopback)
    if given["protocol"] != "postgresql":
        return
    if "password" in given["auth"] and tls not in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL):
        words = f'"password" sends it in clear text: only with tls = "verify-full" or "verify-ca", not "{tls.value}"'
        reader.wrong((*key, "auth"), words)
    for role, values in roles.items():
        if values["certificate"] and tls is TlsMode.DISABLE:
            reader.wrong((*key, "role", role, "certificate"), "does nothing without TLS")


def grant(reader: Reader, name: str, given: dict[str, Any], known: Known) -> Grant:
    key: Key = ("grant", name)
    found = who(reader, given, key, known, everybody=False)
    if found == Who():
        reader.wrong(key, "is for nobody: give groups, subjects, claims or provider")
    chosen = None
    if given["target"] is not None:
        chosen = selector(reader, given["target"], (*key, "target"), known)
        if not given["roles"]:
            reader.wrong(key, "names a target and no roles")
        roles_exist(reader, given["roles"], chosen, (*key, "roles"), known)
        if known.complete:
            grants_tunnels(reader, key, given, known.selected(chosen))
    else:
        if not given["may"]:
            reader.wrong(key, "grants nothing: give target and roles, or may")
        for idle in ("roles", "databases", "budget", "features", "destinations"):
            if given[idle]:
                reader.wrong((*key, idle), "does nothing without `target`")
    return Grant(
        name=name,
        who=found,
        target=chosen,
        roles=given["roles"],
        databases=given["databases"],
        budget=_budget(reader, given["budget"], (*key, "budget"), chosen, known),
        until=given["until"],
        may=given["may"],
        features=given["features"],
        destinations=given["destinations"],
    )


def _budget(reader: Reader, values: Any, key: Key, chosen: Selector | None, known: Known) -> Budget:
    given = reader.table("budget", values, key)
    for target in known.selected(chosen) if chosen is not None and values else ():
        if unenforceable(target.protocol, frozenset(("budget",))):
            reader.wrong(key, f"{target.name} speaks {target.protocol}, for which there is no budget yet")
    if given["soft"] is None:
        for idle in ("soft_action", "soft_approvers"):
            if idle in values:
                reader.wrong((*key, idle), "does nothing without `soft`")
    if given["soft_action"] == "hold" and not given["soft_approvers"]:
        reader.wrong(key, 'soft_action = "hold" needs soft_approvers')
    if given["soft_action"] != "hold" and given["soft_approvers"]:
        reader.wrong((*key, "soft_approvers"), 'does nothing without soft_action = "hold"')
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


# ---- what grants, guardrails and masks have in common


def who(reader: Reader, values: dict[str, Any], key: Key, known: Known, *, everybody: bool) -> Who:
    """Of a grant, guardrail or `except`; nothing given is everybody in a guardrail and nobody elsewhere."""
    given = {name: values[name] for name in ("groups", "subjects", "claims", "provider")}
    providers = [issuer.name for issuer in known.settings.issuers]
    if given["provider"] and given["provider"] not in providers:
        words = f"there is no [oidc.{given['provider']}]" + nearest(given["provider"], providers)
        reader.wrong((*key, "provider"), words)
    return Who(**given, anyone=everybody and not any(given.values()))


def selector(reader: Reader, values: Any, key: Key, known: Known) -> Selector:
    """None selects every target.  One that selects none is a mistake: a rule that is about nothing protects nothing."""
    if values is None:
        return Selector()
    given = reader.table("selector", values, key)
    found = Selector(given["name"], given["labels"])
    if not given["name"] and not given["labels"]:
        reader.wrong(key, "selects nothing: give name or labels")
    if not known.complete:
        return found
    missing = sorted(found.names - set(known.targets))
    for name in missing:
        reader.wrong((*key, "name"), f"there is no target {name!r}" + nearest(name, list(known.targets)))
    if known.targets and not missing and found != Selector() and not known.selected(found):
        labels = sorted({f"{name}={value}" for each in known.targets.values() for name, value in each.labels.items()})
        wanted = ", ".join(f"{name}={value}" for name, value in found.labels.items())
        reader.wrong((*key, "labels"), f"no target has {wanted}" + nearest(wanted, labels))
    return found


def roles_exist(reader: Reader, roles: frozenset[str], chosen: Selector, key: Key, known: Known) -> None:
    """Every role is one of some target that is selected."""
    selected = known.selected(chosen)
    if not known.complete or not selected:
        return
    existing = sorted({role for target in selected for role in target.roles})
    for role in sorted(roles - set(existing)):
        reader.wrong(key, f"no selected target has the role {role!r}" + nearest(role, existing))
