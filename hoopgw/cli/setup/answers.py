"""What a setup is told: by options, or at a terminal; frozen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IssuerAnswer:
    """`[oidc.NAME]`."""

    name: str
    issuer: str
    audience: str
    subject: str = ""  # "": the schema's default, here and below
    groups: str = ""
    algorithms: tuple[str, ...] = ()
    ca: str = ""


@dataclass(frozen=True, slots=True)
class OAuthAnswer:
    """`oauth` of a role; its fields are the keys there, as those of the next two are."""

    token_endpoint: str
    client_id: str
    secret: str
    scope: str = ""
    audience: str = ""
    authentication: str = ""
    ca: str = ""


@dataclass(frozen=True, slots=True)
class AwsAnswer:
    """`sigv4` of a role."""

    region: str
    service: str
    key_id: str
    secret: str
    session_token: str = ""


@dataclass(frozen=True, slots=True)
class VaultAnswer:
    """`[vault.NAME]`."""

    name: str
    address: str
    ca: str = ""
    namespace: str = ""
    token: str = ""
    role_id: str = ""
    secret_id: str = ""
    role: str = ""
    jwt: str = ""
    mount: str = ""


@dataclass(frozen=True, slots=True)
class RoleAnswer:
    """`[target.NAME.role.ROLE]`.  `references` say where its secrets are, `certified` that none is needed; an HTTP role
    may have none at all."""

    name: str
    user: str
    password: str = ""
    key: str = ""
    certified: bool = False
    bearer: str = ""
    header: str = ""  # the field, and `query` the parameter, that carries `value`
    query: str = ""
    value: str = ""
    certificate: str = ""
    oauth: OAuthAnswer | None = None
    sigv4: AwsAnswer | None = None


SECRETS = ("password", "key", "bearer", "value")  # of a RoleAnswer


def references(role: RoleAnswer) -> list[tuple[str, str]]:
    """(option, where the secret is) of all that there are."""
    found = [(f"--role-{name}", getattr(role, name)) for name in SECRETS]
    if role.oauth is not None:
        found.append(("--role-client-secret", role.oauth.secret))
    if role.sigv4 is not None:
        names = {"--role-key-id": "key_id", "--role-secret-key": "secret", "--role-session-token": "session_token"}
        found += [(option, getattr(role.sigv4, name)) for option, name in names.items()]
    return [(option, where) for option, where in found if where]


def references_of_vault(vault: VaultAnswer) -> list[tuple[str, str]]:
    found = [(f"--vault-{name.replace('_', '-')}", getattr(vault, name)) for name in ("token", "secret_id", "jwt")]
    return [(option, where) for option, where in found if where]


@dataclass(frozen=True, slots=True)
class TargetAnswer:
    """`[target.NAME]` with one role, and the groups that may use it."""

    name: str
    protocol: str
    address: tuple[str, ...]
    role: RoleAnswer
    database: str = ""
    tls: str = ""
    ca: str = ""
    host_keys: tuple[str, ...] = ()
    host_authorities: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    host: str = ""
    try_path: str = "/"  # HTTP: of the request that tries it; in no file


@dataclass(frozen=True, slots=True)
class OperatorAnswer:
    """`[local.NAME]`."""

    name: str
    may: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """None: not asked for, and left as it is."""

    issuer: IssuerAnswer | None = None
    target: TargetAnswer | None = None
    operator: OperatorAnswer | None = None
    vault: VaultAnswer | None = None
