"""Takes the figures of each kind of row, in rounds, by every way in alternation."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property

import click

from bench import report, ssh_many
from bench.beside import load, p99
from bench.http import PEERS as HTTP_PEERS
from bench.http import HttpWays
from bench.idle import kept, sessions_that_fit
from bench.measure import Burst, Way, bulk, burst, copied_in, median_latency, new_statements, pinned
from bench.ssh import SSH_PEERS, SshWays
from bench.ssh_steps import echo, on_one_cpu, setup, tcp_proxy
from bench.ways import BULK_ROWS
from bench.weight import weighed
from hoopgw.cli.demo.programs import Programs
from hoopgw.cli.demo.stage import Stage

MANY = 5  # times as many rounds of what takes a tenth of a second: the machine's moods are in each of them


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
        with weighed([self._ways[name].pid for name in names]):
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

    def new(self, size: int) -> list[report.Row]:
        """Median latency of statements of that many bytes, each of which has to be read by the parser of SQL."""
        taken: dict[str, list[float]] = {"ours": [], "pgbouncer": [], "direct": []}
        for _ in range(self._rounds):
            for name, figures in taken.items():
                figures.append(new_statements(self._ways[name], size))
        row = f"postgresql.p50.new.{size}"
        return [report.row(row, peer, taken["ours"], taken[peer], "us", "lower") for peer in ("pgbouncer", "direct")]

    def _median(self, name: str) -> float:
        return median_latency(self._pgbench, self._env, self._ways[name], self._seconds, self._stage.place)

    def bulk(self, name: str, database: str) -> report.Row:
        """MB/s of 1 M rows against a direct connection."""
        ours, direct = [], []
        for _ in range(self._rounds * MANY):
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
        """Requests or messages a second, or MB/s of one large body, against two reverse proxies."""
        web, stage, seconds = self._web, self._stage, self._seconds
        takes: dict[str, Callable[[str], float]] = {
            "http.rps.8": lambda way: web.requests(way, stage, 8, seconds),
            "http.rps.32": lambda way: web.requests(way, stage, 32, seconds),
            "http.tls.rps.32": lambda way: web.requests(way, stage, 32, seconds, tls=True),
            "http.h2.rps": lambda way: web.streams(way, stage, seconds),
            "http.websocket": lambda way: web.messages(way, stage, seconds),
            "http.bulk.down": lambda way: web.rate(way, stage),
            "http.bulk.up": lambda way: web.taken(way, stage),
        }
        taken: dict[str, list[float]] = {name: [] for name in ("ours", *HTTP_PEERS)}
        is_bulk = row.startswith("http.bulk.")
        with weighed([stage.gateway.pid, *web.pids]):
            for _ in range(self._rounds * (MANY if is_bulk else 1)):
                for name, figures in taken.items():
                    figures.append(takes[row](name))
        unit = "MB/s" if is_bulk else "1/s"
        return [report.row(row, peer, taken["ours"], taken[peer], unit) for peer in HTTP_PEERS]

    def http_masked(self) -> report.Row:
        """MB/s of 10 MB of JSON in which members are masked, against the same as it is."""
        masked, plain = [], []
        for _ in range(self._rounds * MANY * MANY):  # a fiftieth of a second each
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
        """p99 of a session while another is this load: against it alone, and both by pgbouncer or direct."""
        taken: dict[str, list[float]] = {"ours": [], "alone": [], "pgbouncer": [], "direct": []}
        with weighed([self._ways[way].pid for way in ("ours", "pgbouncer")]):
            for _ in range(self._rounds):
                taken["alone"].append(p99(self._ways["ours"], self._seconds))
                for way in ("ours", "pgbouncer", "direct"):
                    loaded = self._ways[way]
                    if way == "ours" and name == "redos":
                        loaded = replace(loaded, database="redos")
                    with load(name, loaded):
                        taken[way].append(p99(self._ways[way], self._seconds))
        row = f"postgresql.p99.beside.{name}"
        return [
            report.row(row, peer, taken["ours"], taken[peer], "us", "lower")
            for peer in ("alone", "pgbouncer", "direct")
        ]

    def idle(self) -> report.Row:
        """KiB of each of 10 000 idle sessions, or of as many as there are descriptors for; pgbouncer's are those of the
        same sessions, to which it is the target.  Once: it takes minutes, and comes out the same."""
        way = replace(self._ways["ours"], database="many", sslmode="require")
        sessions = sessions_that_fit()
        found = kept(way, self._ways["many"].pid, sessions)
        return report.row(f"postgresql.idle.{sessions}", "pgbouncer", [found.gateway], [found.target], "KiB", "lower")
