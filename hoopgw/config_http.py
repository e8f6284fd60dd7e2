"""What only HTTP targets and their roles have in the configuration."""

from __future__ import annotations

import re
from typing import Any

from hoopgw.config_files import Key
from hoopgw.config_reader import Reader
from hoopgw.config_vaults import ADDRESS, is_issuer
from hoopgw.model.http import OWN_PATHS
from hoopgw.model.target import CONNECT, AwsKey, OAuthClient, SecretReference, Target, TlsMode

_FIELD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token (RFC 9110, 5.6.2)
# Of a field of a header, a query, a form or of JSON, as a glob: something must be said
_NAMED = re.compile(r"(?=[*?]*[^*?])[^/\\\"'&=;:\x00-\x1f\x7f]{1,64}")
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_NAME = re.compile(r"[A-Za-z0-9_.~-]+")  # of a target in a path, of a query parameter: nothing that is encoded there
# Fields that frame, route or name: a credential in one of them would break the request
_FRAMING = frozenset(("host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "expect"))
# Of a role, beside user, password, certificate and key
CREDENTIALS = ("bearer", "header", "query", "value", "sigv4", "oauth")


def http_target(reader: Reader, key: Key, name: str, given: dict[str, Any]) -> None:
    if given["host"] and not _HOST.fullmatch(given["host"]):
        reader.wrong((*key, "host"), f"{given['host']!r} is not a host name, with or without a port")
    for list_key in ("secret_fields", "plain_fields"):
        for field in given[list_key]:
            if not _NAMED.fullmatch(field):
                reader.wrong((*key, list_key), f"{field!r} is not the name of a field (no pointer, 64 characters)")
    if name in OWN_PATHS:
        reader.wrong(key, f"the path /{name} is the gateway's own: give the target another name")
    elif not _NAME.fullmatch(name):
        reader.wrong(key, "has a name that would be encoded in a path: use letters, digits and . _ ~ -")


def http_role(reader: Reader, key: Key, values: dict[str, Any], tls: TlsMode, loopback: bool) -> None:
    """One way for the credential to go, and none in clear text over a network."""
    basic = bool(values["user"] or values["password"])
    ways = [name for name in CREDENTIALS if name != "value" and values[name] not in (None, "")]
    ways += ["user and password"] * basic
    if len(ways) > 1:
        reader.wrong(key, f"has more than one credential: {', '.join(ways)}")
    if basic and not (values["user"] and values["password"]):
        reader.lacks(key, ("user", "password"), "needs both user and password, or neither")
    if values["user"] and ":" in values["user"]:
        reader.wrong((*key, "user"), "has a colon, which ends it in basic authentication")
    if bool(values["value"]) != bool(values["header"] or values["query"]):
        reader.lacks(key, ("value", "header", "query"), "needs `value` with `header` or `query`, and only with them")
    if values["header"] and (not _FIELD.fullmatch(values["header"]) or values["header"].lower() in _FRAMING):
        reader.wrong((*key, "header"), f"{values['header']!r} is no header field for a credential")
    if values["query"] and not _NAME.fullmatch(values["query"]):
        reader.wrong((*key, "query"), f"{values['query']!r} is no name of a query parameter")
    if bool(values["certificate"]) != bool(values["key"]):
        reader.lacks(key, ("certificate", "key"), "needs both certificate and key, or neither")
    if values["certificate"] and tls is TlsMode.DISABLE:
        reader.wrong((*key, "certificate"), "does nothing without TLS")
    if ways and not loopback and tls not in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL):
        reader.wrong(key, f'has a credential that tls = "{tls.value}" would show to whoever answers there')


def aws_key(reader: Reader, key: Key, given: Any) -> AwsKey | None:
    """`sigv4` of a role."""
    if given is None:
        return None
    found = reader.table("sigv4", given, (*key, "sigv4"))
    if None in (found["region"], found["service"], found["key_id"], found["secret"]):
        return None  # a mistake that is told already
    return AwsKey(**found)


_OF_EGRESS = ("protocol", "egress", "tunnel_idle", "tunnel_longest", "labels", "record", "connect_timeout")


def egress(reader: Reader, key: Key, given: dict[str, Any]) -> None:
    """A way out: what is about a service does nothing there."""
    for name, value in reader.defaults("target").items():
        if name not in _OF_EGRESS and given[name] != value:
            reader.wrong((*key, name), "does nothing with `egress`: it is no service")


def grants_tunnels(reader: Reader, key: Key, given: dict[str, Any], chosen: list[Target]) -> None:
    ways = [target for target in chosen if target.egress]
    if given["destinations"] and not ways:
        reader.wrong((*key, "destinations"), "does nothing: no target that it selects has `egress`")
    if ways and CONNECT in given["roles"] and not given["destinations"]:
        reader.wrong(key, f"lets tunnels through {ways[0].name} lead nowhere: give destinations")


def oauth_client(reader: Reader, key: Key, given: Any) -> OAuthClient | None:
    """`oauth` of a role."""
    if given is None:
        return None
    place = (*key, "oauth")
    found = reader.table("oauth", given, place)
    if None in (found["token_endpoint"], found["client_id"], found["secret"]):
        return None  # a mistake that is told already
    if not is_issuer(found["token_endpoint"]):
        reader.wrong((*place, "token_endpoint"), ADDRESS)
    if not found["client_id"].isprintable() or not found["client_id"]:
        reader.wrong((*place, "client_id"), "is no name")
    return OAuthClient(**{**found, "ca": reader.path(found["ca"])})


def token_of(target: str, role: str, given: Any) -> SecretReference | None:
    """Where the token of such a role is kept."""
    return None if given is None else SecretReference("oauth", f"{target}/{role}#access_token")
