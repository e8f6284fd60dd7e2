"""What setup is told of credentials that are tables of their own: OAuth, signatures of AWS, vaults."""

from __future__ import annotations

from typing import Any

import click

from hoopgw.cli.setup.answers import AwsAnswer, OAuthAnswer, VaultAnswer

# option -> the question at a terminal; in the order of the fields of their answers
_OAUTH = {
    "role_token_endpoint": "Where its tokens are fetched, https://…",
    "role_client_id": "The gateway's client id there",
    "role_client_secret": "Where that client's secret is (file:/PATH, credential:NAME, vault:…, aws:…)",
}
_OAUTH_MORE = ("role_scope", "role_audience", "role_authentication", "role_token_ca")
_SIGV4 = {
    "role_region": "The service's region, as eu-central-1",
    "role_service": "The service's name in signatures, as s3",
    "role_key_id": "Where the access key's id is (file:/PATH, credential:NAME, vault:…, aws:…)",
    "role_secret_key": "Where its secret is",
}
_SIGV4_MORE = ("role_session_token",)
OF_TABLES = (*_OAUTH, *_OAUTH_MORE, *_SIGV4, *_SIGV4_MORE)
OF_VAULT = ("address", "ca", "namespace", "token", "role_id", "secret_id", "role", "jwt", "mount")


def oauth(given: dict[str, Any], terminal: bool) -> OAuthAnswer:
    """Raises UsageError."""
    _others(given, "--role-token-endpoint", (*_SIGV4, *_SIGV4_MORE))
    needed = [_needed(given, name, words, terminal) for name, words in _OAUTH.items()]
    return OAuthAnswer(*needed, *(given[name] or "" for name in _OAUTH_MORE))


def sigv4(given: dict[str, Any], terminal: bool) -> AwsAnswer:
    """Raises UsageError."""
    _others(given, "--role-region", (*_OAUTH, *_OAUTH_MORE))
    needed = [_needed(given, name, words, terminal) for name, words in _SIGV4.items()]
    return AwsAnswer(*needed, *(given[name] or "" for name in _SIGV4_MORE))


def neither(given: dict[str, Any]) -> None:
    """Raises UsageError for an option of one of them, where the role has none."""
    _others(given, "this credential", OF_TABLES)


def vault(name: str, given: dict[str, Any]) -> VaultAnswer:
    """`name` is one.  Raises UsageError."""
    if not given["vault_address"]:
        raise click.UsageError("--vault needs --vault-address as well")
    said = {each: given[f"vault_{each}"] or "" for each in OF_VAULT}
    return VaultAnswer(name, **said)


def _others(given: dict[str, Any], beside: str, names: tuple[str, ...]) -> None:
    for name in names:
        if given[name]:
            raise click.UsageError(f"--{name.replace('_', '-')} says nothing beside {beside}")


def _needed(given: dict[str, Any], name: str, words: str, terminal: bool) -> str:
    found = given[name]
    if not found and not terminal:
        raise click.UsageError(f"the role needs --{name.replace('_', '-')} as well")
    return str(found or click.prompt(words)).strip()
