"""What the configuration says, as frozen values that every floor may hold.  `config.py` makes them from TOML."""

from __future__ import annotations

from dataclasses import dataclass, field

from hoopgw.model.revocation import RevocationList
from hoopgw.model.target import Mode, SecretReference

MIB = 1 << 20
GIB = 1 << 30
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """`[oidc.NAME]`: an issuer whose JWTs are passwords here."""

    name: str
    issuer: str  # compared exactly with `iss`
    audience: str  # must be (among) `aud`
    algorithms: tuple[str, ...] = ("RS256", "ES256")  # asymmetric only; the header never chooses
    subject: str = "sub"
    groups: str = "groups"
    scope: str = "openid"  # what OAUTHBEARER clients are told to ask for
    ca: str = ""  # PEM file for the issuer's certificate; "" is the system's
    skew: float = 30.0  # seconds, for exp, nbf and iat
    keys_fresh: float = 300.0  # JWKS is fetched again after this
    keys_stale: float = 86400.0  # issuer down: known keys are used this long, then logins are refused
    client_id: str = ""  # of the device authorization grant; "": nobody logs in with a browser


@dataclass(frozen=True, slots=True)
class LocalIssuer:
    """`[local.NAME]`: an identity for `hoopgw token --local NAME`; never approves (configuration reference)."""

    name: str
    may: frozenset[str]


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """`[vault.NAME]`: a HashiCorp Vault or OpenBao, and how the gateway logs in there: by one of the three."""

    name: str
    address: str
    ca: str = ""  # PEM file for its certificate; "" is the system's
    namespace: str = ""
    token: SecretReference | None = None
    role_id: str = ""  # AppRole
    secret_id: SecretReference | None = None
    role: str = ""  # the methods jwt and kubernetes
    jwt: SecretReference | None = None
    mount: str = ""  # where the login method is mounted


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """`[aws.NAME]`: the Secrets Manager of a region, by an access key or, without one, by the role of the machine."""

    name: str
    region: str
    endpoint: str  # https://HOST, without a slash at its end
    ca: str = ""  # PEM file for its certificate; "" is the system's
    key_id: SecretReference | None = None
    secret: SecretReference | None = None
    session_token: SecretReference | None = None
    instance_role: bool = False


@dataclass(frozen=True, slots=True)
class TlsSettings:
    certificate: str = ""  # PEM file, chain included
    key: SecretReference | None = None
    required: bool = True  # PostgreSQL clients without TLS are refused
    domain: str = ""  # host names TARGET.DOMAIN, which TLS brings as SNI, name their target


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Twisted endpoint strings."""

    postgresql: tuple[str, ...] = ()
    postgresql_login: str = "password"  # or "oauthbearer": how clients show their token unless they say otherwise
    ssh: tuple[str, ...] = ()
    https: tuple[str, ...] = ()
    https_url: str = ""  # how clients reach that, without a slash at its end
    admin: str = "unix:/run/hoopgw/admin.sock:mode=660:lockfile=0"
    admin_path: str = "/run/hoopgw/admin.sock"  # what is in that


@dataclass(frozen=True, slots=True)
class SshKey:
    """`[ssh_key.NAME]`: public keys of one identity of an issuer."""

    name: str
    provider: str
    subject: str
    groups: frozenset[str]
    keys: tuple[bytes, ...]  # blobs
    session: float = 43200.0  # seconds that a login by it lasts


@dataclass(frozen=True, slots=True)
class SshAuthority:
    """`[ssh_ca.NAME]`: who signs user certificates; key id is the subject, principals are the groups."""

    name: str
    provider: str
    keys: tuple[bytes, ...]  # blobs of the authority's keys
    revoked: tuple[bytes, ...] = ()  # blobs of keys that are good for nothing any more, the authority's own included
    session: float = 43200.0
    lists: tuple[RevocationList, ...] = ()  # `krl`


@dataclass(frozen=True, slots=True)
class RevokedSerials:
    """A revocation list of X.509 whose signature is good."""

    issuer: bytes  # the name of who signed it, DER
    until: float  # POSIX time; later it says nothing
    serials: frozenset[int]


@dataclass(frozen=True, slots=True)
class ClientAuthority:
    """`[client_ca.NAME]`: who signs certificates that HTTPS clients show."""

    name: str
    provider: str
    anchors: tuple[bytes, ...]  # its certificates, DER
    subject: str = "spiffe"  # "spiffe", "uri", "email", "dns", "cn": which name in a certificate is the subject
    trust_domain: str = ""  # of SPIFFE
    groups: str = ""  # "ou", "o": which names in a certificate are its groups
    members: tuple[tuple[str, frozenset[str]], ...] = ()  # (glob over subjects, their groups)
    alone: bool = False  # a certificate is enough to log in
    listeners: frozenset[str] = frozenset(("https",))  # "https", "postgresql": whose clients show them
    session: float = 43200.0  # seconds that such a login lasts
    revoked: tuple[RevokedSerials, ...] = ()


@dataclass(frozen=True, slots=True)
class SshSettings:
    """What SSH clients see of the gateway, and whose keys it knows."""

    host_keys: tuple[SecretReference, ...] = ()
    target_authority: SecretReference | None = None  # certifies the gateway's logins to targets
    host_certificates: tuple[str, ...] = ()  # paths
    login_authority: SecretReference | None = None  # signs what clients are given against a token
    certificates: float = 300.0  # seconds that such a certificate is good for logins
    rekey: int = GIB  # bytes under one key, in one direction
    kex: str = "default"  # or "pq-only": no key exchange that a quantum computer could undo
    compatibility: bool = False  # clients without curve25519 or without AES-GCM and ChaCha20
    keys: tuple[SshKey, ...] = ()
    authorities: tuple[SshAuthority, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreSettings:
    url: str = "sqlite:/var/lib/hoopgw/hoopgw.db"
    password: SecretReference | None = None  # for postgresql://


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    directory: str = "/var/lib/hoopgw/recordings"
    mode: Mode = Mode.STRICT
    min_free: int = 2 * GIB  # bytes; below it new sessions are refused
    spool: int = 64 * MIB  # bytes of the ring
    spool_directory: str = ""  # "": $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR, else the state directory
    retention: float | None = 400 * DAY  # None: for ever
    signing_key: SecretReference = SecretReference("file", "/var/lib/hoopgw/keys/recording.key")  # made if absent
    seal_every: float = 5.0  # seconds between periodic seals of a session that writes


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Bounds that protect the gateway itself."""

    max_sessions: int = 10_000
    max_sessions_per_identity: int = 200
    login_seconds: float = 30.0  # from connect to ReadyForQuery
    drain: float = 10.0  # seconds from the wish to stop until sessions that still work are ended
    max_startup_packet: int = 10_000  # PostgreSQL's own MAX_STARTUP_PACKET_LENGTH
    max_statement: int = 128 * MIB  # bytes of one client message
    max_masked_row: int = 16 * MIB
    request_head: float = 30.0  # HTTP: seconds from a head's first byte to its last
    request_body: float = 60.0  # seconds without a byte of a body, and before `request_rate` counts
    request_rate: int = 500  # bytes a second of a body, on average
    max_token: int = 16 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """All of hoopgw.toml; targets, grants and guardrails stand beside it in `config.Config`."""

    name: str = "hoopgw"
    state: str = "/var/lib/hoopgw"
    listen: ListenSettings = ListenSettings()
    tls: TlsSettings = TlsSettings()
    issuers: tuple[OidcSettings, ...] = ()
    local: tuple[LocalIssuer, ...] = ()
    vaults: tuple[VaultSettings, ...] = ()
    aws: tuple[AwsSettings, ...] = ()
    store: StoreSettings = StoreSettings()
    recordings: RecordingSettings = field(default_factory=RecordingSettings)
    limits: LimitSettings = LimitSettings()
    ssh: SshSettings = SshSettings()
    client_authorities: tuple[ClientAuthority, ...] = ()
    mask_key: SecretReference = SecretReference("file", "/var/lib/hoopgw/keys/mask.key")  # for `show = "hash"`
    identity_key: SecretReference = SecretReference("file", "/var/lib/hoopgw/keys/identity.key")  # of JWTs for targets
