"""What setup asks of an HTTP target: where it is, and by what credential the gateway is known there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import click

from hoopgw.cli.setup import asking_tables
from hoopgw.cli.setup.answers import RoleAnswer

PORTS = {"http": 80, "https": 443}
# How the gateway is known there -> the options that say so, of which the last one names the secret
WAYS = {
    "bearer": ("role_bearer",),
    "basic": ("role_user", "role_password"),
    "header": ("role_header", "role_value"),
    "query": ("role_query", "role_value"),
    "oauth": ("role_token_endpoint", "role_client_id", "role_client_secret"),
    "sigv4": ("role_region", "role_service", "role_key_id", "role_secret_key"),
    "none": ("role_open",),
}
KINDS = click.Choice(list(WAYS))
_NEEDED = (
    "--role-bearer, --role-user with --role-password, --role-header or --role-query with --role-value, "
    "--role-token-endpoint (OAuth), --role-region (signatures of AWS), --role-certificate, --role-open"
)


def places(urls: Iterable[str], tls: str) -> tuple[tuple[str, ...], str]:
    """(HOST:PORT of each, `tls` of the target).  Raises UsageError."""
    found = [_place(url) for url in urls]
    schemes = {scheme for scheme, _ in found}
    if len(schemes) > 1:
        raise click.UsageError("--url: all of them http, or all https")
    if schemes == {"http"}:
        if tls not in ("", "disable"):
            raise click.UsageError(f"--url http://… is clear text, and --tls {tls} is not")
        tls = "disable"
    elif tls == "disable":
        raise click.UsageError("--url https://… is TLS, and --tls disable is not")
    return tuple(place for _, place in found), tls or "verify-full"


def _place(url: str) -> tuple[str, str]:
    if "@" in url:
        raise click.UsageError("--url has a user or password in it: a credential is named by --role-…")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError as error:
        raise click.UsageError(f"--url {url!r}: {error}") from error
    if scheme not in PORTS or not host:
        raise click.UsageError(f"--url {url!r} is neither http://HOST nor https://HOST")
    if not host.isascii():
        raise click.UsageError(f"--url {url!r}: the host's name as DNS has it, xn--…")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        words = "clients bring the path: https://GATEWAY/TARGET/v1 is /v1 there"
        raise click.UsageError(f"--url {url!r} has more than a host and a port; {words}")
    return scheme, f"{f'[{host}]' if ':' in host else host}:{port or PORTS[scheme]}"


def way(given: dict[str, Any], terminal: bool) -> str:
    """One of WAYS.  Raises UsageError."""
    said = {option for options in WAYS.values() for option in options if given[option]}
    found = [name for name, options in WAYS.items() if said & set(options) - {"role_value"}]
    if len(found) > 1:
        raise click.UsageError(f"an HTTP role has one credential; this is {' and '.join(found)}")
    if not found and given["role_value"]:
        raise click.UsageError("--role-value says nothing without --role-header or --role-query")
    if found:
        return found[0]
    if given["role_certificate"]:
        return "none"
    if not terminal:
        raise click.UsageError(f"an HTTP role needs one of {_NEEDED}")
    chosen: str = click.prompt("How the gateway is known there", "bearer", type=KINDS)
    return chosen


def role(answer: RoleAnswer, given: dict[str, Any], terminal: bool, typed: str) -> RoleAnswer:
    """`answer` as the options have it, with what they leave open.  `typed` stands for a secret that is typed later.

    Raises UsageError.
    """
    kind = way(given, terminal)
    if kind == "oauth":
        return replace(answer, oauth=asking_tables.oauth(given, terminal))
    if kind == "sigv4":
        return replace(answer, sigv4=asking_tables.sigv4(given, terminal))
    asking_tables.neither(given)
    if kind == "none":
        return answer
    *names, secret = (option.removeprefix("role_") for option in WAYS[kind])
    for name in names:
        if not getattr(answer, name):
            answer = _with(answer, name, _asked(name, terminal))
    if not getattr(answer, secret):
        if not terminal:
            raise click.UsageError(f"--role-{names[0] if names else secret} needs --role-{secret} as well")
        words = f"Where its {secret} is (file:/PATH, credential:NAME; empty: type it now)"
        words = words.replace("bearer", "bearer token")
        answer = _with(answer, secret, click.prompt(words, "", show_default=False) or typed)
    return answer


def _with(answer: RoleAnswer, name: str, value: str) -> RoleAnswer:
    changed: dict[str, Any] = {name: value}
    return replace(answer, **changed)


_WORDS = {
    "user": "The user of basic authentication",
    "header": "The field that carries it, as X-Api-Key",
    "query": "The parameter that carries it, as api_key",
}


def _asked(name: str, terminal: bool) -> str:
    if not terminal:
        raise click.UsageError(f"the role needs --role-{name} as well")
    found: str = click.prompt(_WORDS[name])
    return found.strip()
