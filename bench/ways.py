"""The stage of a benchmark: the gateway, its peers and direct connections before the same targets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench import ssh_many
from bench.beside import REDOS
from bench.http import HttpWays
from bench.idle import SESSIONS, sessions_that_fit
from bench.measure import Way, run_pgbench
from bench.peers import MANY, Haproxy, Pgbouncer
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import Options, Stage, on_stage

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
        secret = directory / "secrets/reader"
        (directory / "guardrails.d/60-masks.toml").unlink()  # it searches every target; here only `pattern` is
        user, password = "shop_ro", secret.read_text()
        many = Pgbouncer(stage.place / "many", stage.authority, stage.cluster.port, user, password, MANY)
        stack.callback(many.stop)
        ports = dict.fromkeys(("column", "pattern", "redos"), stage.cluster.port) | {"many": many.port}
        for name, port in ports.items():
            pooler = 'max_protocol_version = "3.0"\n' if name == "many" else ""  # pgbouncer before 1.20 knows no other
            text = TARGETS.format(name=name, port=port, secret=secret, more=pooler)
            (directory / f"targets.d/{name}.toml").write_text(text)
        web = HttpWays(stage.place / "web")
        web.configure(directory)
        pid = 0
        if stage.host is not None:
            echo_port, key, pid = stack.enter_context(ssh_many.echo_host(stage.host.key))
            text = ECHO.format(port=echo_port, key=key, secret=directory / "secrets/web1")
            (directory / "targets.d/bench-echo.toml").write_text(text)
        else:  # no sshd, no host's key: the grant for it would be one of nothing
            (directory / "grants.d/bench-ssh.toml").unlink()
        stage.gateway.start()
        web.start(stack, stage.authority)
        _fill(stage, programs)
        bouncer = Pgbouncer(stage.place / "pgbouncer", stage.authority, stage.cluster.port, user, password)
        stack.callback(bouncer.stop)
        behind = {"postgresql": stage.cluster.port} | ({"ssh": stage.host.port} if stage.host is not None else {})
        haproxy = Haproxy(stage.place / "haproxy", behind)
        stack.callback(haproxy.stop)
        host = "127.0.0.1"
        found = {
            "ours": Way("the gateway", host, stage.gateway.port, "reader", stage.agent, "shop", pid=stage.gateway.pid),
            "pgbouncer": Way("pgbouncer", host, bouncer.port, user, password, "shop", pid=bouncer.pid),
            "haproxy": Way("HAProxy", host, haproxy.ports["postgresql"], user, password, "shop", pid=haproxy.pid),
            "direct": Way("a direct connection", host, stage.cluster.port, user, password, "shop"),
            "many": Way("pgbouncer for many", host, many.port, user, password, "shop", pid=many.pid),
            "haproxy-ssh": Way("HAProxy before sshd", host, haproxy.ports.get("ssh", 0), "", "", "", pid=haproxy.pid),
            "echo": Way("an SSH host of asyncssh", host, 0, "echo", "", "", pid=pid),
        }
        yield stage, programs, found, web


def _fill(stage: Stage, programs: Programs) -> None:
    way = Way("set-up", "127.0.0.1", stage.cluster.port, "postgres", stage.cluster.password, "shop")
    run_pgbench([str(programs["pgbench"]), "-i", "-q", "-s", str(SCALE)], programs.environment, way)
    stage.cluster.run(
        BULK,
        SINK,
        "GRANT INSERT ON sink TO shop_ro",
        "VACUUM ANALYZE bulk",
        "VACUUM ANALYZE pgbench_accounts",
        database="shop",
    )
