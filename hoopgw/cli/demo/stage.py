"""PostgreSQL, issuer and gateway together, in one private directory: for the demo, the live tests and the benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hoopgw.cli.demo import configuration, shop
from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.cluster import Cluster
from hoopgw.cli.demo.gateway import Gateway
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

    def gateway_url(self, role: str, database: str = "shop", sslmode: str = "verify-full") -> str:
        """What a client connects to; the token goes as password, never in the address."""
        trust = f"&sslrootcert={self.ca}" if sslmode.startswith("verify") else ""
        return f"postgresql://{role}@127.0.0.1:{self.gateway.port}/{database}?sslmode={sslmode}{trust}"

    def direct_url(self, database: str = "shop") -> str:
        return self.cluster.url("postgres", self.cluster.password, database)


@contextmanager
def on_stage(options: Options = DEMO) -> Iterator[Stage]:
    """Everything started and accepting connections; ended and removed afterwards.  Raises ChildFailed."""
    programs = Programs.find("postgres", "initdb", "psql")
    with ExitStack() as stack:
        place = stack.enter_context(private_directory())
        authority = Authority()
        cluster = Cluster(place / "postgresql", authority, programs)
        stack.callback(cluster.stop)
        cluster.start()
        passwords = new_password(), new_password()
        cluster.run("CREATE DATABASE shop")
        cluster.run(*shop.statements(*passwords), database="shop")
        issuer = IssuerProcess(place / "issuer.log")
        stack.callback(issuer.stop)
        gateway, state = _configure(place, options, authority, cluster, issuer, passwords)
        stack.callback(gateway.stop)
        if options.gateway:
            gateway.start()
        ca = place / "ca.pem"
        ca.write_text(authority.certificate)
        tokens = [
            issuer.mint("agent@demo", configuration.AGENT, TOKEN_LIFETIME),
            issuer.mint("approver@demo", configuration.APPROVER, TOKEN_LIFETIME),
            issuer.mint("stranger@demo", configuration.STRANGER, TOKEN_LIFETIME),
        ]
        yield Stage(place, state, ca, authority, cluster, issuer, gateway, *tokens)


def _configure(
    place: Path,
    options: Options,
    authority: Authority,
    cluster: Cluster,
    issuer: IssuerProcess,
    passwords: tuple[str, str],
) -> tuple[Gateway, Path]:
    port = free_port()
    certificate, key = authority.issue()
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
    )
    written = configuration.write(place, facts)
    return Gateway(written.config, port, written.admin, place / "gateway.log"), written.state
