"""`python -m bench`: the same work through the gateway, its peers and direct, in alternation."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import click

from bench import report, ssh_many
from bench.beside import LOADS, REDOS, load, p99
from bench.http import PEERS as HTTP_PEERS
from bench.http import HttpWays
from bench.idle import SESSIONS, kept, sessions_that_fit
from bench.measure import BenchFailed, Burst, Way, bulk, burst, copied_in, disk, median_latency, pinned, run_pgbench
from bench.peers import MANY, Haproxy, Pgbouncer
from bench.ssh import DIRECTIONS, SSH_PEERS, SshWays
from bench.ssh_steps import echo, on_one_cpu, setup, tcp_proxy
from hoopgw.cli.demo.children import ChildFailed
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import Options, Stage, on_stage
from hoopgw.cli.demo.surroundings import forget_misleading

HTTP_ROWS = ("http.rps.8", "http.rps.32", "http.tls.rps.32", "http.h2.rps", "http.websocket", "http.bulk.down")
MODES = ("simple", "extended", "prepared")
CLIENTS = (8, 32)
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


class Bench:
    """Takes the figures; one method for each kind of row."""

    def __init__(
        self, stage: Stage, programs: Programs, found: dict[str, Way], web: HttpWays, rounds: int, seconds: int
    ) -> None:
        self._web = web
        self._stage, self._ways, self._rounds, self._seconds = stage, found, rounds, seconds
        self._pgbench, self._env = [str(programs["pgbench"])], programs.environment

    def throughput(self, mode: str, clients: int, tls: bool = False) -> list[report.Row]:
        """TPS against each peer, CPU for each query against pgbouncer."""
        names = ("ours", "pgbouncer") if tls else ("ours", "pgbouncer", "haproxy", "direct")
        taken: dict[str, list[Burst]] = {name: [] for name in names}
        for _ in range(self._rounds):
            for name in names:
                way = replace(self._ways[name], sslmode="require" if tls else "disable")
                taken[name].append(burst(self._pgbench, self._env, way, mode, clients, self._seconds))
        start = "postgresql.tls" if tls else "postgresql"
        ours = taken["ours"]
        rows = [
            report.row(
                f"{start}.tps.{mode}.{clients}", name, [b.tps for b in ours], [b.tps for b in taken[name]], "1/s"
            )
            for name in names[1:]
        ]
        spent = [b.cpu for b in ours], [b.cpu for b in taken["pgbouncer"]]
        rows.append(report.row(f"{start}.cpu.{mode}.{clients}", "pgbouncer", *spent, "us", "lower"))
        return rows

    def latency(self) -> list[report.Row]:
        """Median latency that each adds to a direct connection: one client, and all that it passes on one CPU.

        Over two, most of it would be the time in which a sleeping CPU wakes, which is the machine's."""
        added: dict[str, list[float]] = {"ours": [], "pgbouncer": [], "haproxy": []}
        with ExitStack() as stack:
            if (os.cpu_count() or 1) > 1:
                passed = [self._stage.cluster.pid, os.getpid(), *(self._ways[name].pid for name in added)]
                stack.enter_context(pinned(passed, 0))
            for _ in range(self._rounds):
                base = self._median("direct")
                for name, figures in added.items():
                    figures.append(self._median(name) - base)
        return [
            report.row("postgresql.p50.added", peer, added["ours"], added[peer], "us", "lower")
            for peer in ("pgbouncer", "haproxy")
        ]

    def _median(self, name: str) -> float:
        return median_latency(self._pgbench, self._env, self._ways[name], self._seconds, self._stage.place)

    def bulk(self, name: str, database: str) -> report.Row:
        """MB/s of 1 M rows against a direct connection."""
        ours, direct = [], []
        for _ in range(self._rounds):
            ours.append(bulk(replace(self._ways["ours"], database=database), "SELECT * FROM bulk"))
            direct.append(bulk(self._ways["direct"], "SELECT * FROM bulk"))
        return report.row(f"postgresql.bulk.{name}", "direct", ours, direct, "MB/s")

    def copy(self, direction: str) -> report.Row:
        """MB/s of a COPY of 1 M rows, out or in, against a direct connection."""
        ours: list[float] = []
        direct: list[float] = []
        for _ in range(self._rounds):
            for name, figures in (("ours", ours), ("direct", direct)):
                if direction == "out":
                    figures.append(bulk(self._ways[name], "COPY bulk TO STDOUT"))
                else:
                    self._stage.cluster.run("TRUNCATE sink", database="shop")
                    figures.append(copied_in(self._ways[name], "COPY sink FROM STDIN", self._rows))
        return report.row(f"postgresql.copy.{direction}", "direct", ours, direct, "MB/s")

    @cached_property
    def _rows(self) -> bytes:
        """Of `bulk`, as COPY has them."""
        return b"".join(
            b"%d\trow number %d\tcustomer%d@example.com\t%032x\t%d\n" % (n, n, n, n, 7 * n)
            for n in range(1, BULK_ROWS + 1)
        )

    def http(self, row: str) -> list[report.Row]:
        """Requests or messages a second, or MB/s of one large answer, against two reverse proxies."""
        web, stage, seconds = self._web, self._stage, self._seconds
        takes: dict[str, Callable[[str], float]] = {
            "http.rps.8": lambda way: web.requests(way, stage, 8, seconds),
            "http.rps.32": lambda way: web.requests(way, stage, 32, seconds),
            "http.tls.rps.32": lambda way: web.requests(way, stage, 32, seconds, tls=True),
            "http.h2.rps": lambda way: web.streams(way, stage, seconds),
            "http.websocket": lambda way: web.messages(way, stage, seconds),
            "http.bulk.down": lambda way: web.rate(way, stage),
        }
        taken: dict[str, list[float]] = {name: [] for name in ("ours", *HTTP_PEERS)}
        for _ in range(self._rounds):
            for name, figures in taken.items():
                figures.append(takes[row](name))
        unit = "MB/s" if row == "http.bulk.down" else "1/s"
        return [report.row(row, peer, taken["ours"], taken[peer], unit) for peer in HTTP_PEERS]

    def http_masked(self) -> report.Row:
        """MB/s of 10 MB of JSON in which members are masked, against the same as it is."""
        masked, plain = [], []
        for _ in range(self._rounds):
            masked.append(self._web.rate("ours", self._stage, "rows", "bench-masked"))
            plain.append(self._web.rate("ours", self._stage, "rows"))
        return report.row("http.json.masked", "unmasked", masked, plain, "MB/s")

    def ssh(self, direction: str) -> list[report.Row]:
        """MB/s of one connection against the same sshd without the gateway, by a jump through it, and by HAProxy."""
        ways = SshWays(self._stage, self._ways["haproxy-ssh"].port)
        taken: dict[str, list[float]] = {name: [] for name in ("ours", *SSH_PEERS)}
        for _ in range(self._rounds):
            for name, figures in taken.items():
                figures.append(ways.rate(name, direction))
        row = f"ssh.bulk.{direction}"
        return [report.row(row, peer, taken["ours"], taken[peer], "MB/s") for peer in SSH_PEERS]

    def ssh_echo(self) -> list[report.Row]:
        """Median latency of a key's echo: beside a plain TCP proxy before the same sshd, and that sshd itself."""
        ways = SshWays(self._stage, self._ways["haproxy-ssh"].port)
        taken: dict[str, list[float]] = {"ours": [], "tcp-proxy": [], "direct": []}
        with tcp_proxy(ways.port) as (port, proxy), on_one_cpu([self._stage.gateway.pid, proxy, ways.pid]):
            for _ in range(self._rounds):
                taken["ours"].append(echo(ways, "ours"))
                taken["tcp-proxy"].append(echo(ways, "direct", port))
                taken["direct"].append(echo(ways, "direct"))
        return [
            report.row("ssh.echo.p50", peer, taken["ours"], taken[peer], "us", "lower")
            for peer in ("tcp-proxy", "direct")
        ]

    def ssh_setup(self) -> report.Row:
        """CPU of the gateway for a session of one command, beside what sshd spends on the same, its children too."""
        ways = SshWays(self._stage, self._ways["haproxy-ssh"].port)
        taken: dict[str, list[float]] = {"ours": [], "direct": []}
        for _ in range(self._rounds):
            taken["ours"].append(setup(ways, "ours", self._stage.gateway.pid))
            taken["direct"].append(setup(ways, "direct", ways.pid))
        return report.row("ssh.setup.cpu", "sshd", taken["ours"], taken["direct"], "ms", "lower")

    def ssh_many(self) -> list[report.Row]:
        """KiB of each of 1 000 interactive sessions, opened and after a burst; asyncssh's are those of the same
        sessions, to which it is the target.  Once, as `idle`."""
        stage, pids = self._stage, (self._stage.gateway.pid, self._ways["echo"].pid)
        found = ssh_many.many(stage.ssh_port, "bench-echo", stage.agent, stage.known_hosts, pids)
        click.echo(f"  ssh.many: {found.rate:.0f} opened a second, a key's echo among them {found.echo:.0f} us")
        taken = {"kept": found.kept, "burst": found.after}
        return [
            report.row(f"ssh.many.{name}", "asyncssh", [ours], [theirs], "KiB", "lower")
            for name, (ours, theirs) in taken.items()
        ]

    def beside(self, name: str) -> list[report.Row]:
        """p99 of a session while another is this load: against the same session alone, and both without the gateway."""
        taken: dict[str, list[float]] = {"ours": [], "alone": [], "direct": []}
        for _ in range(self._rounds):
            taken["alone"].append(p99(self._ways["ours"], self._seconds))
            for way in ("ours", "direct"):
                loaded = self._ways[way]
                if way == "ours" and name == "redos":
                    loaded = replace(loaded, database="redos")
                with load(name, loaded):
                    taken[way].append(p99(self._ways[way], self._seconds))
        row = f"postgresql.p99.beside.{name}"
        return [report.row(row, peer, taken["ours"], taken[peer], "us", "lower") for peer in ("alone", "direct")]

    def idle(self) -> report.Row:
        """KiB of each of 10 000 idle sessions, or of as many as there are descriptors for; pgbouncer's are those of the
        same sessions, to which it is the target.  Once: it takes minutes, and comes out the same."""
        way = replace(self._ways["ours"], database="many", sslmode="require")
        sessions = sessions_that_fit()
        found = kept(way, self._ways["many"].pid, sessions)
        return report.row(f"postgresql.idle.{sessions}", "pgbouncer", [found.gateway], [found.target], "KiB", "lower")


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Rounds of each comparison; the median counts.")
@click.option("--seconds", default=5, show_default=True, help="Length of one burst.")
@click.option("--only", default="", help="Only rows whose name holds this.")
@click.option("--results", type=click.Path(path_type=Path), help="Write the rows here as JSON too.")
def main(rounds: int, seconds: int, only: str, results: Path | None) -> None:
    """Ratios of the gateway to pgbouncer (session mode) and to a direct connection, taken in alternation."""
    forget_misleading()
    try:
        with ways() as (stage, programs, found, web):
            click.echo(f"{os.cpu_count()} CPUs, {platform.machine()}, Linux {platform.release()}; {_build()}")
            click.echo(f"this disk takes {disk(stage.place):.0f} MB/s with fdatasync")
            rows = list(_rows(Bench(stage, programs, found, web, rounds, seconds), only))
    except (ChildFailed, BenchFailed) as error:
        raise click.ClickException(str(error)) from error
    click.echo()
    report.show(rows)
    tps = [row.ratio for row in rows if row.name.startswith("postgresql.tps") and row.peer == "pgbouncer"]
    if tps:
        click.echo(f"\nTPS to pgbouncer, median over {len(tps)} cells: {statistics.median(tps):.2f}")
    if results and not only:  # a part of the rows does not replace all of them
        report.write(rows, results)
        click.echo(f"written: {results}; repeat with: make bench")


def _rows(bench: Bench, only: str) -> Iterator[report.Row]:
    for mode in MODES:
        for clients in CLIENTS:
            if only in f"postgresql.tps.{mode}.{clients} postgresql.cpu.{mode}.{clients}":
                yield from _told(bench.throughput(mode, clients))
    for mode in MODES:
        if only in f"postgresql.tls.tps.{mode}.8 postgresql.tls.cpu.{mode}.8":
            yield from _told(bench.throughput(mode, 8, tls=True))
    if only in "postgresql.p50.added":
        yield from _told(bench.latency())
    for name, database in (("recorded", "shop"), ("column-mask", "column"), ("pattern-mask", "pattern")):
        if only in f"postgresql.bulk.{name}":
            yield from _told([bench.bulk(name, database)])
    for direction in ("out", "in"):
        if only in f"postgresql.copy.{direction}":
            yield from _told([bench.copy(direction)])
    if only in "postgresql.idle":
        yield from _told([bench.idle()])
    for row in HTTP_ROWS:
        if only in row:
            yield from _told(bench.http(row))
    if only in "http.json.masked":
        yield from _told([bench.http_masked()])
    for direction in DIRECTIONS:
        if only in f"ssh.bulk.{direction}":
            yield from _told(bench.ssh(direction))
    if only in "ssh.echo.p50":
        yield from _told(bench.ssh_echo())
    if only in "ssh.setup.cpu":
        yield from _told([bench.ssh_setup()])
    if only in "ssh.many":
        yield from _told(bench.ssh_many())
    for name in LOADS:
        if only in f"postgresql.p99.beside.{name}":
            yield from _told(bench.beside(name))


def _told(rows: list[report.Row]) -> list[report.Row]:
    """Progress, as the rows come."""
    for row in rows:
        click.echo(f"  {row.name} to {row.peer}: {row.ratio:.2f}")
    return rows


def _build() -> str:
    import hoopgw.wire.pgframes as codec

    return "codecs compiled" if str(codec.__file__).endswith(".so") else "codecs NOT compiled"


if __name__ == "__main__":
    main()
