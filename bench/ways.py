"""The stage of a benchmark: the gateway, its peers and direct connections before the same targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import ssh_many
from bench.beside import REDOS
from bench.http import HttpWays
from bench.idle import SESSIONS, sessions_that_fit
from bench.measure import Way, run_pgbench
from bench.peers import MANY, PEER, Haproxy, Kind, Pgbouncer
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import Options, Stage, on_stage

HOST = "127.0.0.1"
MEMORY = Path("/dev/shm")
SCALE = 10  # pgbench_accounts: 1 M rows, all in shared buffers
BULK_ROWS = 1_000_000
# targets on one database: without masks, with a masked column, with searched values, with REDOS
TARGETS = """[target.{name}]
protocol = "postgresql"
address = ["127.0.0.1:{port}"]
database = "shop"
tls = "disable"
{more}labels = {{ env = "bench", bench = "{name}" }}

[target.{name}.role.reader]
user = "shop_ro"
password = "file:{secret}"
"""
MASKS = """[mask.bench-column]
target = { name = "column" }
columns = ["bulk.email"]
show = "none"

[mask.bench-pattern]
target = { name = "pattern" }
patterns = ["email", "payment-card"]
show = "none"
"""
SINK = "CREATE UNLOGGED TABLE sink (LIKE bulk)"
GRANT = """[grant.bench]
groups = ["agents"]
target = { labels = { env = "bench" } }
roles = ["reader"]
"""
SSH_GRANT = """[grant.bench-ssh]
groups = ["agents"]
target = { name = "bench-echo" }
roles = ["deploy"]
"""
ECHO = """[target.bench-echo]
protocol = "ssh"
address = ["127.0.0.1:{port}"]
host_keys = ["{key}"]

[target.bench-echo.role.deploy]
user = "echo"
key = "file:{secret}"
"""
LIMITS = f"""[limits]
max_sessions_per_identity = {SESSIONS}
"""
BULK = f"""
CREATE TABLE bulk AS SELECT n AS id, 'row number ' || n AS name, 'customer' || n || '@example.com' AS email,
       md5(n::text) AS word, n * 7 AS amount FROM generate_series(1, {BULK_ROWS}) AS n
"""


@contextmanager
def ways() -> Iterator[tuple[Stage, Programs, dict[str, Way], HttpWays]]:
    """The stage, and the ways to its database: gateway, pgbouncer, direct; and those to a web server."""
    programs = Programs.find("pgbench")
    sessions_that_fit()  # as many descriptors as there may be, for whatever starts from here on
    more = {
        "guardrails.d/90-bench.toml": MASKS + REDOS,
        "grants.d/bench.toml": GRANT,
        "grants.d/bench-ssh.toml": SSH_GRANT,
        "hoopgw.toml": LIMITS,
    }
    options = Options(False, "disable", {"env": "bench", "bench": "plain"}, more=more, gateway=False)
    with on_stage(options) as stage, ExitStack() as stack:
        directory = stage.gateway.config.parent
        (directory / "guardrails.d/60-masks.toml").unlink()  # it searches every target; here only `pattern` is
        many = _pgbouncer(stage, stack, "many", MANY)
        _add_targets(stage, many.port)
        web = HttpWays(stage.place / "web")
        web.configure(directory)
        _keep_ring_in_memory(stage.gateway.config, stack)
        echo = _echo(stage, stack)
        stage.gateway.start()
        web.start(stack, stage.authority)
        _fill(stage, programs)
        yield stage, programs, _to_database(stage, stack, many) | {"echo": echo}, web


def _keep_ring_in_memory(config: Path, stack: ExitStack) -> None:
    """As under systemd, whose runtime directories are tmpfs; pages of a disk's file are written back as well."""
    if MEMORY.is_dir():
        place = stack.enter_context(TemporaryDirectory(prefix="hoopgw-bench-", dir=MEMORY))
        text = re.sub(r"(?m)^spool_directory = .*$", f'spool_directory = "{place}"', config.read_text())
        config.write_text(text)


def _login(stage: Stage) -> tuple[str, str]:
    """The name and password by which the gateway, and every peer of it, is at the database."""
    return "shop_ro", (stage.gateway.config.parent / "secrets/reader").read_text()


def _pgbouncer(stage: Stage, stack: ExitStack, name: str, kind: Kind = PEER) -> Pgbouncer:
    bouncer = Pgbouncer(stage.place / name, stage.authority, stage.cluster.port, *_login(stage), kind)
    stack.callback(bouncer.stop)
    return bouncer


def _add_targets(stage: Stage, many: int) -> None:
    """On the one database; `many` is the port of a pooler before it."""
    directory = stage.gateway.config.parent
    ports = dict.fromkeys(("column", "pattern", "redos"), stage.cluster.port) | {"many": many}
    for name, port in ports.items():
        # pgbouncer before 1.20 knows no other; its sessions there set nothing
        pooler = 'max_protocol_version = "3.0"\nshared_servers = "allow"\n' if name == "many" else ""
        text = TARGETS.format(name=name, port=port, secret=directory / "secrets/reader", more=pooler)
        (directory / f"targets.d/{name}.toml").write_text(text)


def _echo(stage: Stage, stack: ExitStack) -> Way:
    """To an SSH host that the gateway has as a target, where there is a host's key."""
    directory, pid = stage.gateway.config.parent, 0
    if stage.host is not None:
        port, key, pid = stack.enter_context(ssh_many.echo_host(stage.host.key))
        text = ECHO.format(port=port, key=key, secret=directory / "secrets/web1")
        (directory / "targets.d/bench-echo.toml").write_text(text)
    else:  # the grant for it would be one of nothing
        (directory / "grants.d/bench-ssh.toml").unlink()
    return Way("an SSH host of asyncssh", HOST, 0, "echo", "", "", pid=pid)


def _to_database(stage: Stage, stack: ExitStack, many: Pgbouncer) -> dict[str, Way]:
    """Also that to sshd by HAProxy, which is one process for both."""
    user, password = _login(stage)
    bouncer = _pgbouncer(stage, stack, "pgbouncer")
    behind = {"postgresql": stage.cluster.port} | ({"ssh": stage.host.port} if stage.host is not None else {})
    haproxy = Haproxy(stage.place / "haproxy", behind)
    stack.callback(haproxy.stop)
    return {
        "ours": Way("the gateway", HOST, stage.gateway.port, "reader", stage.agent, "shop", pid=stage.gateway.pid),
        "pgbouncer": Way("pgbouncer", HOST, bouncer.port, user, password, "shop", pid=bouncer.pid),
        "haproxy": Way("HAProxy", HOST, haproxy.ports["postgresql"], user, password, "shop", pid=haproxy.pid),
        "direct": Way("a direct connection", HOST, stage.cluster.port, user, password, "shop"),
        "many": Way("pgbouncer for many", HOST, many.port, user, password, "shop", pid=many.pid),
        "haproxy-ssh": Way("HAProxy before sshd", HOST, haproxy.ports.get("ssh", 0), "", "", "", pid=haproxy.pid),
    }


def _fill(stage: Stage, programs: Programs) -> None:
    way = Way("set-up", HOST, stage.cluster.port, "postgres", stage.cluster.password, "shop")
    run_pgbench([str(programs["pgbench"]), "-i", "-q", "-s", str(SCALE)], programs.environment, way)
    stage.cluster.run(
        BULK,
        SINK,
        "GRANT INSERT ON sink TO shop_ro",
        "VACUUM ANALYZE bulk",
        "VACUUM ANALYZE pgbench_accounts",
        database="shop",
    )
