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
class RoleAnswer:
    """`[target.NAME.role.ROLE]`.  What is in `SECRETS` says where the secret is, `certified` that none is needed; an
    HTTP role may have none at all."""

    name: str
    user: str
    password: str = ""
    key: str = ""
    certified: bool = False
    bearer: str = ""
    header: str = ""  # the field, and `query` the parameter, that carries `value`
    query: str = ""
    value: str = ""


SECRETS = ("password", "key", "bearer", "value")  # of a RoleAnswer


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
