"""Writes the configuration of a demo or test gateway: shipped guardrails; issuer, target and grants of its own."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from hoopgw.cli.demo.children import ChildFailed
from hoopgw.cli.demo.place import write_secret
from hoopgw.cli.demo.surroundings import tree

# who is who in the demo: the groups of each identity
AGENT, APPROVER, STRANGER = ("agents",), ("dba",), ("visitors",)


@dataclass(frozen=True, slots=True)
class Ssh:
    """What the files say of SSH."""

    port: int  # the gateway's
    host_key: str  # private, the gateway's
    target_port: int
    target_key: str  # public, the target's host key
    user: str
    user_key: str  # private, by which the gateway logs in


@dataclass(frozen=True, slots=True)
class Http:
    """What the files say of HTTP."""

    port: int  # the gateway's
    target_port: int
    token: str  # by which the gateway is let in there


@dataclass(frozen=True, slots=True)
class Facts:
    """What the files name.  `more` is TOML added to files: {"hoopgw.toml": …, "guardrails.d/90-test.toml": …}."""

    port: int  # the gateway's
    target_port: int
    issuer: str
    issuer_ca: str  # PEM
    target_ca: str  # PEM
    certificate: str  # PEM, the gateway's
    key: str  # PEM
    reader_password: str
    writer_password: str
    tls_required: bool = True
    target_tls: str = "verify-full"
    target_labels: dict[str, str] = field(default_factory=lambda: {"env": "prod", "data": "pii"})
    shipped_guardrails: bool = True
    more: dict[str, str] = field(default_factory=dict)
    ssh: Ssh | None = None
    http: Http | None = None


@dataclass(frozen=True, slots=True)
class Written:
    config: Path  # hoopgw.toml
    state: Path
    admin: Path


def shipped() -> Path:
    """The commented defaults: of the checkout, else as installed."""
    found = (tree() / "etc/hoopgw", Path(sys.prefix) / "etc/hoopgw", Path("/etc/hoopgw"))
    for path in found:
        if (path / "guardrails.d").is_dir():
            return path
    raise ChildFailed(f"the shipped guardrails are nowhere in {', '.join(map(str, found))}")


def write(place: Path, facts: Facts) -> Written:
    """Everything under `place`: etc/hoopgw, var/lib/hoopgw, run."""
    directory, state, run = place / "etc/hoopgw", place / "var/lib/hoopgw", place / "run"
    for path in (directory / "tls", directory / "targets.d", directory / "grants.d", directory / "secrets", state, run):
        path.mkdir(parents=True, mode=0o700)
    if facts.shipped_guardrails:
        shutil.copytree(shipped() / "guardrails.d", directory / "guardrails.d")
    else:
        (directory / "guardrails.d").mkdir()
    (directory / "tls/gateway.pem").write_text(facts.certificate)
    write_secret(directory / "tls/gateway.key", facts.key)
    (directory / "tls/issuer-ca.pem").write_text(facts.issuer_ca)
    (directory / "tls/target-ca.pem").write_text(facts.target_ca)
    write_secret(directory / "secrets/reader", facts.reader_password)
    write_secret(directory / "secrets/writer", facts.writer_password)
    written = Written(directory / "hoopgw.toml", state, run / "admin.sock")
    files = {
        "hoopgw.toml": _gateway(facts, written),
        "targets.d/shop.toml": _target(facts, directory),
        "grants.d/demo.toml": GRANTS,
    }
    if facts.ssh is not None:
        write_secret(directory / "secrets/ssh_host_key", facts.ssh.host_key)
        write_secret(directory / "secrets/web1", facts.ssh.user_key)
        files["targets.d/web1.toml"] = _host(facts.ssh, directory)
        files["grants.d/web1.toml"] = SSH_GRANT
        files["guardrails.d/80-till.toml"] = SSH_MASK
    if facts.http is not None:
        write_secret(directory / "secrets/echo", facts.http.token)
        files["targets.d/echo.toml"] = _service(facts.http, directory)
        files["grants.d/echo.toml"] = HTTP_GRANT
    for name, text in files.items():
        (directory / name).write_text(text)
    for name, text in facts.more.items():
        with (directory / name).open("a") as file:
            file.write("\n" + text)
    return written


def _gateway(facts: Facts, written: Written) -> str:
    return f"""name = "demo"
state = "{written.state}"

[listen]
postgresql = ["tcp:{facts.port}:interface=127.0.0.1"]
{_https(facts.http)}{_ssh(facts.ssh, written.config.parent)}
[admin]
socket = "{written.admin}"

[tls]
certificate = "{written.config.parent}/tls/gateway.pem"
key = "file:{written.config.parent}/tls/gateway.key"
required = {str(facts.tls_required).lower()}
domain = "gw.localhost"

[oidc.demo]
issuer = "{facts.issuer}"
audience = "hoopgw"
algorithms = ["ES256"]
ca = "{written.config.parent}/tls/issuer-ca.pem"

[recordings]
min_free = "64 MiB"
spool_directory = "{written.admin.parent}"
"""


def _ssh(ssh: Ssh | None, directory: Path) -> str:
    if ssh is None:
        return ""
    return f"""ssh = ["tcp:{ssh.port}:interface=127.0.0.1"]

[ssh]
host_keys = ["file:{directory}/secrets/ssh_host_key"]
"""


def _https(http: Http | None) -> str:
    if http is None:
        return ""
    return f'https = ["tcp:{http.port}:interface=127.0.0.1"]\nhttps_url = "https://127.0.0.1:{http.port}"\n'


def _service(http: Http, directory: Path) -> str:
    return f"""[target.echo]
protocol = "http"
address = ["127.0.0.1:{http.target_port}"]
labels = {{ env = "demo" }}

[target.echo.role.caller]
bearer = "file:{directory}/secrets/echo"
"""


def _host(ssh: Ssh, directory: Path) -> str:
    """One host as two targets: what is masked of the output of one is not of the other's."""
    return _named_host("web1", "", ssh, directory) + "\n" + _named_host("till", ', data = "pii"', ssh, directory)


def _named_host(name: str, labels: str, ssh: Ssh, directory: Path) -> str:
    return f"""[target.{name}]
protocol = "ssh"
address = ["127.0.0.1:{ssh.target_port}"]
host_keys = ["{ssh.target_key}"]
labels = {{ env = "demo"{labels} }}

[target.{name}.role.deploy]
user = "{ssh.user}"
key = "file:{directory}/secrets/web1"
"""


def _target(facts: Facts, directory: Path) -> str:
    labels = ", ".join(f'{name} = "{value}"' for name, value in facts.target_labels.items())
    ca = "" if facts.target_tls == "disable" else f'ca = "{directory}/tls/target-ca.pem"\n'
    return f"""[target.shop]
protocol = "postgresql"
address = ["127.0.0.1:{facts.target_port}"]
database = "shop"
tls = "{facts.target_tls}"
{ca}labels = {{ {labels} }}

[target.shop.role.reader]
user = "shop_ro"
password = "file:{directory}/secrets/reader"

[target.shop.role.writer]
user = "shop_rw"
password = "file:{directory}/secrets/writer"
"""


GRANTS = """[grant.agents-shop]
groups = ["agents"]
target = { name = "shop" }
roles = ["reader", "writer"]

[grant.dba-sees]
groups = ["dba"]
may = ["list", "view", "kill"]
"""

SSH_GRANT = """[grant.agents-web1]
groups = ["agents"]
target = { name = "web1" }
roles = ["deploy"]

[grant.agents-till]
groups = ["agents"]
target = { name = "till" }
roles = ["deploy"]
"""

HTTP_GRANT = """[grant.agents-echo]
groups = ["agents"]
target = { name = "echo" }
roles = ["caller"]
"""

SSH_MASK = """[mask.till]
protocol = "ssh"
target = { labels = { data = "pii" } }
patterns = ["payment-card", "us-ssn", "iban"]
"""
