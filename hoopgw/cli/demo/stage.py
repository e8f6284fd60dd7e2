"""PostgreSQL, issuer and gateway together, in one private directory: for the demo, the live tests and the benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hoopgw.cli.demo import configuration, shop
from hoopgw.cli.demo.authority import LOOPBACK, Authority
from hoopgw.cli.demo.cluster import Cluster
from hoopgw.cli.demo.echo_process import EchoService
from hoopgw.cli.demo.gateway import Gateway
from hoopgw.cli.demo.host import SshHost, new_key
from hoopgw.cli.demo.host import found as find_sshd
from hoopgw.cli.demo.issuer_process import IssuerProcess
from hoopgw.cli.demo.place import free_port, new_password, private_directory
from hoopgw.cli.demo.programs import Programs

TOKEN_LIFETIME = 12 * 3600.0  # seconds: a demo that stays up for a working day


@dataclass(frozen=True, slots=True)
class Options:
    """How the stage differs from the demo's."""

    tls_required: bool = True
    target_tls: str = "verify-full"
    labels: dict[str, str] = field(default_factory=lambda: {"env": "prod", "data": "pii"})
    shipped_guardrails: bool = True
    more: dict[str, str] = field(default_factory=dict)  # TOML added to files of the configuration
    server: dict[str, str] = field(default_factory=dict)  # settings of PostgreSQL
    programs: Programs | None = None  # another PostgreSQL than the machine's
    gateway: bool = True  # False: configured, not started


DEMO = Options()


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs, where it is, and tokens of the three who act.  Nothing of it is left when `on_stage` is."""

    place: Path
    state: Path
    ca: Path  # what clients verify the gateway by
    authority: Authority
    cluster: Cluster
    issuer: IssuerProcess
    gateway: Gateway
    agent: str
    approver: str
    stranger: str
    host: SshHost | None = None  # None: there is no sshd on this machine
    ssh_port: int = 0
    echo: EchoService | None = None
    https_port: int = 0

    @property
    def known_hosts(self) -> Path:
        """What OpenSSH's clients know the gateway by, and the host behind it."""
        return self.place / "known_hosts"

    def gateway_url(self, role: str, database: str = "shop", sslmode: str = "verify-full") -> str:
        """What a client connects to; the token goes as password, never in the address."""
        trust = f"&sslrootcert={self.ca}" if sslmode.startswith("verify") else ""
        return f"postgresql://{role}@127.0.0.1:{self.gateway.port}/{database}?sslmode={sslmode}{trust}"

    @property
    def https_url(self) -> str:
        """Where the demo's HTTP service is, through the gateway."""
        return f"https://127.0.0.1:{self.https_port}/echo/"

    def direct_url(self, database: str = "shop") -> str:
        return self.cluster.url("postgres", self.cluster.password, database)


@contextmanager
def on_stage(options: Options = DEMO) -> Iterator[Stage]:
    """Everything started and accepting connections; ended and removed afterwards.  Raises ChildFailed."""
    programs = Programs.find("postgres", "initdb", "psql")
    with ExitStack() as stack:
        place = stack.enter_context(private_directory())
        authority = Authority()
        cluster = Cluster(place / "postgresql", authority, options.programs or programs, options.server)
        stack.callback(cluster.stop)
        passwords = _shop(cluster)
        issuer = IssuerProcess(place / "issuer.log")
        stack.callback(issuer.stop)
        host = _host(place, stack)
        echo = _echo(place, stack)
        http = configuration.Http(free_port(), echo.port, echo.token)
        gateway, state, ssh_port = _configure(place, options, authority, cluster, issuer, passwords, host, http)
        stack.callback(gateway.stop)
        if options.gateway:
            gateway.start()
        ca = place / "ca.pem"
        ca.write_text(authority.certificate)
        yield Stage(
            place,
            state,
            ca,
            authority,
            cluster,
            issuer,
            gateway,
            agent=issuer.mint("agent@demo", configuration.AGENT, TOKEN_LIFETIME),
            approver=issuer.mint("approver@demo", configuration.APPROVER, TOKEN_LIFETIME),
            stranger=issuer.mint("stranger@demo", configuration.STRANGER, TOKEN_LIFETIME),
            host=host,
            ssh_port=ssh_port,
            echo=echo,
            https_port=http.port,
        )


def _echo(place: Path, stack: ExitStack) -> EchoService:
    echo = EchoService(place)
    stack.callback(echo.stop)
    echo.start()
    return echo


def _shop(cluster: Cluster) -> tuple[str, str]:
    """Starts the server and fills its database; the passwords of the two roles."""
    cluster.start()
    passwords = new_password(), new_password()
    cluster.run("CREATE DATABASE shop")
    cluster.run(*shop.statements(*passwords), database="shop")
    return passwords


def _host(place: Path, stack: ExitStack) -> SshHost | None:
    programs = find_sshd()
    if programs is None:
        return None
    host = SshHost(place / "host", programs)
    stack.callback(host.stop)
    host.start()
    return host


def _configure(
    place: Path,
    options: Options,
    authority: Authority,
    cluster: Cluster,
    issuer: IssuerProcess,
    passwords: tuple[str, str],
    host: SshHost | None,
    http: configuration.Http,
) -> tuple[Gateway, Path, int]:
    port, ssh = free_port(), None
    if host is not None:
        key, public = new_key()
        ssh = configuration.Ssh(free_port(), key, host.port, host.public, host.user, host.key)
        known = f"[127.0.0.1]:{ssh.port} {public}\n{host.known_host()}"
        (place / "known_hosts").write_text(known)
    certificate, key = authority.issue((*LOOPBACK, "*.gw.localhost"))
    facts = configuration.Facts(
        port,
        cluster.port,
        issuer.url,
        issuer.ca,
        authority.certificate,
        certificate,
        key,
        *passwords,
        options.tls_required,
        options.target_tls,
        options.labels,
        options.shipped_guardrails,
        options.more,
        ssh,
        http,
    )
    written = configuration.write(place, facts)
    gateway = Gateway(written.config, port, written.admin, place / "gateway.log")
    return gateway, written.state, ssh.port if ssh is not None else 0
