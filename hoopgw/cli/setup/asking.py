"""Options, and at a terminal questions for what they leave open -> answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import click

from hoopgw.cli.setup import asking_http, asking_tables
from hoopgw.cli.setup.answers import (
    Answers,
    IssuerAnswer,
    OperatorAnswer,
    RoleAnswer,
    TargetAnswer,
    VaultAnswer,
    references,
    references_of_vault,
)
from hoopgw.config_reader import NAME
from hoopgw.config_values import role_secret, secret
from hoopgw.model.target import SecretReference

ISSUER, MAY = "corp", "list,view,kill"  # where no option says another
PROTOCOLS = click.Choice(["postgresql", "ssh", "http"])
TYPED = "typed"  # in the place of a reference: the secret is asked for, and goes to a file of its own
_OF_ROLE = ("user", "password", "key", "bearer", "header", "query", "value", "certificate")  # options --role-…
# Of a URL: what no parser takes for anything else (RFC 3986, 3.3), with a query
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,1000}")


@dataclass(frozen=True, slots=True)
class Known:
    """What the configuration has already: no question is asked about it."""

    issuers: frozenset[str]
    targets: frozenset[str]
    operators: frozenset[str]


def answers(given: dict[str, Any], known: Known, terminal: bool) -> Answers:
    """Raises click.UsageError for what is missing or is no name."""
    issuer, target = _issuer(given, known, terminal), _target(given, known, terminal)
    return Answers(issuer, target, _operator(given, known, terminal), _vault(given))


def _issuer(given: dict[str, Any], known: Known, terminal: bool) -> IssuerAnswer | None:
    issuer = given["issuer"]
    if not issuer and terminal and not known.issuers:
        issuer = click.prompt("Address of the issuer of your agents' tokens (empty: later)", "", show_default=False)
    if not issuer:
        _alone(given, "issuer", "issuer_name audience issuer_ca subject_claim groups_claim algorithm")
        return None
    audience = given["audience"] or (click.prompt("Audience of those tokens", "hoopgw") if terminal else "")
    if not audience:
        raise click.UsageError("--issuer needs --audience: what the tokens' `aud` must name")
    return IssuerAnswer(
        _name("--issuer-name", given["issuer_name"] or ISSUER),
        issuer,
        audience,
        given["subject_claim"] or "",
        given["groups_claim"] or "",
        given["algorithm"],
        given["issuer_ca"] or "",
    )


def _target(given: dict[str, Any], known: Known, terminal: bool) -> TargetAnswer | None:
    name = given["target"]
    if not name and terminal and not known.targets:
        name = click.prompt("Name of a first target, as clients will call it (empty: later)", "", show_default=False)
    if not name:
        _alone(given, "target", "protocol url address database tls ca host host_key host_authority groups try_path")
        _alone(given, "target", "role role_user role_password role_key role_certified")
        _alone(given, "target", "role_bearer role_header role_query role_value role_open role_certificate")
        _alone(given, "target", " ".join(asking_tables.OF_TABLES))
        return None
    protocol = given["protocol"] or ("http" if given["url"] else "")
    protocol = protocol or _asked("Protocol", terminal, "--protocol", "postgresql", PROTOCOLS)
    address, tls = _address(given, terminal, protocol)
    database = given["database"] or ""
    if protocol == "postgresql" and not database:
        database = _asked("Its database", terminal, "--database")
    host_keys, host_authorities = _host(given, terminal and protocol == "ssh")
    role = _role(given, terminal, protocol)
    groups = given["groups"]
    if not groups and terminal:
        groups = click.prompt("Groups that may use it, with commas (empty: nobody yet)", "", show_default=False)
    return TargetAnswer(
        _name("--target", name),
        protocol,
        address,
        role,
        database,
        tls,
        given["ca"] or "",
        host_keys,
        host_authorities,
        _parts(groups or ""),
        given["host"] or "",
        _path(given["try_path"], protocol),
    )


def _address(given: dict[str, Any], terminal: bool, protocol: str) -> tuple[tuple[str, ...], str]:
    """(addresses, `tls`)."""
    tls = given["tls"] or ""
    if protocol != "http":
        if given["url"]:
            raise click.UsageError("--url is for --protocol http; others have --address HOST:PORT")
        return given["address"] or _parts(_asked("Its address, HOST:PORT", terminal, "--address")), tls
    if given["address"]:
        raise click.UsageError("--protocol http has --url in place of --address: it says whether there is TLS")
    urls = given["url"] or _parts(_asked("Its address, https://HOST or https://HOST:PORT", terminal, "--url"))
    return asking_http.places(urls, tls)


def _path(given: str | None, protocol: str) -> str:
    if given and protocol != "http":
        raise click.UsageError("--try-path is for --protocol http")
    if given and _PATH.fullmatch(given) is None:
        raise click.UsageError(f"--try-path {given!r} is not a path, as /api/health is")
    return given or "/"


def _host(given: dict[str, Any], asks: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """How an SSH host is known: (keys, authorities)."""
    keys, authorities = given["host_key"], given["host_authority"]
    if asks and not keys and not authorities:
        words = "Its host key, as its own console shows it (ssh-ed25519 AAAA…; empty: an authority certifies it)"
        key = click.prompt(words, "", show_default=False)
        if key:
            return (key,), ()
        return (), (click.prompt("The key of that authority (ssh-ed25519 AAAA…)"),)
    return keys, authorities


def _role(given: dict[str, Any], terminal: bool, protocol: str) -> RoleAnswer:
    name = given["role"] or _asked("A role, as clients will call it", terminal, "--role")
    said: dict[str, Any] = {each: given[f"role_{each}"] or "" for each in _OF_ROLE}
    answer = RoleAnswer(_name("--role", name), certified=given["role_certified"], **said)
    if protocol == "http":
        answer = asking_http.role(answer, given, terminal, TYPED)
    else:
        answer = _of_user(answer, given, terminal, protocol)
    for option, where in references(answer):
        if where != TYPED:
            _reference(option, where, role_secret)
    return answer


def _of_user(answer: RoleAnswer, given: dict[str, Any], terminal: bool, protocol: str) -> RoleAnswer:
    """PostgreSQL, SSH: a user that the target knows, and what proves that it is that one."""
    if given["role_open"]:
        raise click.UsageError("--role-open is for --protocol http: others ask who comes")
    asking_tables.neither(given)
    user = answer.user or _asked("The user that it is at the target", terminal, "--role-user")
    password, key, certified = answer.password, answer.key, answer.certified
    if terminal and protocol == "ssh" and not (password or key or certified):
        words = "Where its private key is (file:/PATH, credential:NAME; `certified`: it trusts the gateway's authority)"
        key = click.prompt(words)
        key, certified = ("", True) if key == "certified" else (key, False)
    elif terminal and not (password or key or certified):
        words = "Where its password is (file:/PATH, credential:NAME; empty: type it now)"
        password = click.prompt(words, "", show_default=False) or TYPED
    if not (password or key or certified):
        more = ", or --role-certified" if protocol == "ssh" else ""
        raise click.UsageError(
            f"a role needs --role-password or --role-key: file:/PATH, credential:NAME or env:NAME{more}"
        )
    return replace(answer, user=user, password=password, key=key, certified=certified)


def _vault(given: dict[str, Any]) -> VaultAnswer | None:
    name = given["vault"]
    if not name:
        _alone(given, "vault", " ".join(f"vault_{each}" for each in asking_tables.OF_VAULT))
        return None
    answer = asking_tables.vault(_name("--vault", name), given)
    for option, where in references_of_vault(answer):
        _reference(option, where, secret)
    return answer


def _operator(given: dict[str, Any], known: Known, terminal: bool) -> OperatorAnswer | None:
    name = given["operator"]
    if not name and terminal and not known.operators:
        words = "Name of the first local operator, who sees and ends sessions (`-`: none)"
        name = click.prompt(words, "operator").strip()
        name = "" if name == "-" else name
    if not name:
        _alone(given, "operator", "operator_may")
        return None
    return OperatorAnswer(_name("--operator", name), _parts(given["operator_may"] or MAY))


def _asked(
    words: str, terminal: bool, option: str, default: str | None = None, kind: click.Choice[str] | None = None
) -> str:
    if not terminal:
        raise click.UsageError(f"--target needs {option} as well")
    found: str = click.prompt(words, default, type=kind)
    return found.strip()


def _parts(given: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(part.strip() for part in given.split(",") if part.strip())


def _alone(given: dict[str, Any], needed: str, names: str) -> None:
    """An option that would do nothing is a mistake of the caller's."""
    for name in names.split():
        if given[name]:
            raise click.UsageError(f"--{name.replace('_', '-')} says nothing without --{needed}")


def _name(option: str, value: str) -> str:
    if not NAME.fullmatch(value):
        raise click.UsageError(f"{option}: {value!r} is not a name: at most 63 ASCII letters, digits, `_`, `.`, `-`")
    return value


def _reference(option: str, value: str, read: Callable[[str], SecretReference]) -> None:
    try:
        read(value)
    except ValueError as error:
        raise click.UsageError(f"{option} {error}") from error
