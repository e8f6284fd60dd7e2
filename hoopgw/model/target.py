"""What clients reach: a target, the roles it is reached as, and how its sessions are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Mode(Enum):
    """What "recorded" means before an operation moves on (docs/recording-format.md).  Ordered: the strictest wins."""

    BEST_EFFORT = "best-effort"
    STRICT = "strict"
    DURABLE = "durable"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {Mode.BEST_EFFORT: 0, Mode.STRICT: 1, Mode.DURABLE: 2}


class TlsMode(Enum):
    """How the target's certificate is checked; the names are libpq's."""

    DISABLE = "disable"  # clear text; the default only on loopback
    REQUIRE = "require"  # encrypted, not verified: the configuration says so in as many words
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"  # the default off loopback


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is: `credential:NAME` (systemd), `file:PATH` (mode checked), `env:NAME`, or of a role
    `vault:NAME/PATH#FIELD`, `aws:NAME/SECRET#FIELD`, or of a signing key `pkcs11:URI` (it stays there).  Never the
    secret."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class AwsKey:
    """HTTP: requests are signed for AWS by this access key; `session_token` is that of a temporary one."""

    region: str
    service: str
    key_id: SecretReference
    secret: SecretReference
    session_token: SecretReference | None = None


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """HTTP: the gateway fetches the role's token as this client (RFC 6749, 4.4)."""

    token_endpoint: str
    client_id: str
    secret: SecretReference
    scope: str = ""
    audience: str = ""
    authentication: str = "client_secret_basic"  # or "client_secret_post"
    ca: str = ""  # PEM file for the endpoint's certificate; "" is the system's


@dataclass(frozen=True, slots=True)
class Role:
    """A role on the target, with the credential that only the gateway knows."""

    name: str  # what the client asks for
    user: str  # what the target is told
    password: SecretReference | None = None
    key: SecretReference | None = None  # SSH: an OpenSSH private key; PostgreSQL: that of `certificate`, PEM
    certificate: str = ""  # PostgreSQL, HTTP: path of a PEM file, the client certificate that TLS shows
    certified: bool = False  # SSH: by a new key for each session, which the gateway's own authority certifies
    bearer: SecretReference | None = None  # HTTP: a token for Authorization
    header: str = ""  # HTTP: the field that carries `value`
    query: str = ""  # HTTP: the query parameter that carries `value`
    user_secret: SecretReference | None = None  # PostgreSQL: `user` is in a vault too, beside its password
    value: SecretReference | None = None
    sigv4: AwsKey | None = None
    oauth: OAuthClient | None = None  # what `bearer` is fetched by

    @property
    def secrets(self) -> tuple[SecretReference, ...]:
        """All that has to be read before it can be used."""
        found = [self.user_secret, self.password, self.key, self.bearer, self.value]
        if self.sigv4 is not None:
            found += [self.sigv4.key_id, self.sigv4.secret, self.sigv4.session_token]
        if self.oauth is not None:
            found.append(self.oauth.secret)
        return tuple(reference for reference in found if reference is not None)


CONNECT = "connect"  # the one role of a target with `egress`


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    protocol: str  # "postgresql", "ssh", "http"; later "kubernetes"
    addresses: tuple[Address, ...]
    tls: TlsMode
    roles: Mapping[str, Role]
    database: str = ""  # when the client names only the target
    labels: Mapping[str, str] = field(default_factory=dict)
    ca: str = ""  # path of the PEM file that TLS verification trusts; "" is the system's
    record: Mode = Mode.STRICT
    catalogue_role: str = ""  # the role that reads the catalogue; "" is the session's own
    application_name: bool = True  # the target is told session id and subject
    auth: frozenset[str] = frozenset(("scram-sha-256",))  # PostgreSQL: by what its password may be used
    session_attrs: str = "any"  # PostgreSQL: which of its servers will do (relay/postgres_hosts.py)
    load_balance: bool = False  # its addresses are tried in random order
    connect_seconds: float = 5.0  # for one address, until TCP stands
    max_protocol: str = "3.2"  # PostgreSQL: the newest protocol to ask for
    shared_servers: bool = False  # PostgreSQL: its pooler may lend one server to several sessions
    trusted_extensions: frozenset[str] = frozenset()  # PostgreSQL: their functions only compute
    host_keys: tuple[bytes, ...] = ()  # SSH: the blobs of the keys by which it proves that it is the target
    host_authorities: tuple[bytes, ...] = ()  # SSH: the blobs of keys that sign certificates of its host keys
    compatibility: bool = False  # SSH: it has no curve25519, or neither AES-GCM nor ChaCha20
    environment: tuple[str, ...] = ()  # SSH: globs over the names of variables that a client may set there
    host: str = ""  # HTTP: what it is told as Host; "": its first address
    secret_fields: frozenset[str] = frozenset()  # HTTP: names whose values are kept out of the record, beside the usual
    plain_fields: frozenset[str] = frozenset()  # HTTP: those of the usual names that are none
    tells_identity: bool = True  # HTTP: the target is told who asks
    answer_longest: float = 86400.0  # HTTP: seconds that one answer may take in all, a WebSocket too
    answer_seconds: float = 300.0  # HTTP: that it may be silent while it owes an answer
    api: Any = None  # HTTP: what its OpenAPI documents name (policy.http_openapi.Api)
    versions: tuple[str, ...] = ("http/1.1",)  # HTTP: what the gateway speaks there, by the names of ALPN
    egress: bool = False  # HTTP: it is no service, but the way out to what grants list; it has no address
    tunnel_idle: float = 300.0  # seconds in which nothing passes through a tunnel
    tunnel_longest: float = 43200.0  # seconds that one lasts
    folds_case: bool = False  # HTTP: it does not tell upper from lower case in paths and parameters
    cased: bool = False  # HTTP: it does; where it is neither, nobody has said


@dataclass(frozen=True, slots=True)
class Selector:
    """Which targets a grant, guardrail or mask is about: by name, or by every label it names.  Empty: all."""

    names: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)

    def selects(self, target: Target) -> bool:
        if self.names and target.name not in self.names:
            return False
        return all(target.labels.get(label) == value for label, value in self.labels.items())
