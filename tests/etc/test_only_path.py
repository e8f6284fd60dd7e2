"""The rules of docs/hardening.md that make the gateway the only path, in force in a network of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import psycopg
from click import ClickException
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.bypass import DATABASES, hba_lines, nft_lines
from hoopgw.model.target import Address, Role, Target, TlsMode
from tests.pgcluster import HBA, Cluster
from tests.programs import SERVER, found

PAGE = Path(__file__).parent.parent.parent / "docs/hardening.md"
GATEWAY, AGENT = "127.0.0.7", "127.0.0.9"
# a target, and who connects to it from two addresses
TRIED = f"""
import socket
target = socket.create_server(("0.0.0.0", 5432))
for source in ("{GATEWAY}", "{AGENT}"):
    try:
        socket.create_connection(("127.0.0.1", 5432), 5, source_address=(source, 0)).close()
        print(source, "reached")
    except ConnectionRefusedError:
        print(source, "refused")
"""


def alone(script: str) -> subprocess.CompletedProcess[str]:
    """`script` of sh, as root of a network where nobody else is."""
    command = ["unshare", "--map-root-user", "--net", "sh", "-ec", f"ip link set lo up; {script}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


class OnlyPath(SynchronousTestCase):
    def setUp(self) -> None:
        if shutil.which("nft") is None or alone("nft list ruleset").returncode != 0:
            self.skipTest("there is no nft here, or no network namespace may be made")
        found = re.search(r"```\n(table inet .*?)```", PAGE.read_text(), re.DOTALL)
        assert found is not None
        self.rules = Path(self.mktemp()).resolve()
        self.rules.write_text(found[1].replace("10.0.2.7", GATEWAY))

    def tried(self, before: str) -> list[str]:
        ran = alone(f"{before}; '{sys.executable}' -I -c '{TRIED}'")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return ran.stdout.splitlines()

    def test_only_the_gateway_reaches_the_target(self) -> None:
        """Without the rules both do; with them the agent's host does not."""
        self.assertEqual(self.tried("true"), [f"{GATEWAY} reached", f"{AGENT} reached"])
        self.assertEqual(self.tried(f"nft -f '{self.rules}'"), [f"{GATEWAY} reached", f"{AGENT} refused"])

    def test_what_the_command_prints_does_the_same(self) -> None:
        self.rules.write_text("\n".join(nft_lines([5432, 6432], (ip_address(GATEWAY), ip_address("::7")))))
        self.assertEqual(self.tried(f"nft -f '{self.rules}'"), [f"{GATEWAY} reached", f"{AGENT} refused"])


class PgHba(SynchronousTestCase):
    def test_names_are_names(self) -> None:
        """A user that is called `all`, or has a quote in it, is that user alone; others are rejected after."""
        roles = {"a": Role("a", "all"), "b": Role("b", 'x"y'), "c": Role("c", "z", certificate="/c")}
        target = Target("pay", "postgresql", (Address("db1", 5432),), TlsMode.VERIFY_FULL, roles)
        self.assertEqual(
            [line.split() for line in hba_lines(target, (ip_address("10.0.2.7"), ip_address("fd00::7")))],
            [
                ["#", "target", "pay:", "db1:5432"],
                ["hostssl", DATABASES, '"all"', "10.0.2.7/32", "scram-sha-256"],
                ["hostssl", DATABASES, '"all"', "fd00::7/128", "scram-sha-256"],
                ["host", DATABASES, '"all"', "all", "reject"],
                ["local", DATABASES, '"all"', "reject"],
                ["hostssl", DATABASES, '"x""y"', "10.0.2.7/32", "scram-sha-256"],
                ["hostssl", DATABASES, '"x""y"', "fd00::7/128", "scram-sha-256"],
                ["host", DATABASES, '"x""y"', "all", "reject"],
                ["local", DATABASES, '"x""y"', "reject"],
                ["hostssl", DATABASES, '"z"', "10.0.2.7/32", "cert"],
                ["hostssl", DATABASES, '"z"', "fd00::7/128", "cert"],
                ["host", DATABASES, '"z"', "all", "reject"],
                ["local", DATABASES, '"z"', "reject"],
            ],
        )
        broken = Target("pay", "postgresql", (), TlsMode.DISABLE, {"a": Role("a", "x\nhost all all all trust")})
        self.assertRaises(ClickException, list, hba_lines(broken, (ip_address("10.0.2.7"),)))


class PgHbaInForce(SynchronousTestCase):
    """The printed lines at the top of a PostgreSQL's own, which would let these users in."""

    def setUp(self) -> None:
        programs = found(*SERVER)
        if programs is None:
            self.skipTest("no PostgreSQL server is installed")
        for name in [name for name in os.environ if name.startswith("PG")]:
            self.addCleanup(os.environ.__setitem__, name, os.environ.pop(name))
        self.cluster = Cluster(programs)
        self.addCleanup(self.cluster.stop)
        self.cluster.execute("ALTER ROLE trusted REPLICATION")

    def use(self, gateway: str, user: str, auth: str, tls: TlsMode) -> None:
        target = Target("pay", "postgresql", (), tls, {"a": Role("a", user)}, auth=frozenset((auth,)))
        lines = [*hba_lines(target, (ip_address(gateway),)), HBA, "host replication all 127.0.0.1/32 trust"]
        (self.cluster.directory / "data/pg_hba.conf").write_text("\n".join(lines))
        self.cluster.execute("SELECT pg_reload_conf()")
        self.cluster.execute("SELECT pg_sleep(0.2)")

    def refused(self, user: str, **more: str) -> str:
        """Why the server lets nobody in as `user` from loopback; empty if it does."""
        place = {"host": "127.0.0.1", "port": str(self.cluster.port), "dbname": "postgres"}
        try:
            psycopg.connect(**(place | {"user": user, "connect_timeout": "5"} | more)).close()
        except psycopg.OperationalError as error:
            return str(error)
        return ""

    def test_replication_is_no_way_around(self) -> None:
        """`all` does not speak of physical replication."""
        self.use("10.0.2.7", "bound", "scram-sha-256", TlsMode.VERIFY_FULL)
        self.assertEqual(self.refused("trusted", replication="yes"), "")  # of whom nothing is said
        self.use("10.0.2.7", "trusted", "scram-sha-256", TlsMode.VERIFY_FULL)
        for more in ({}, {"replication": "yes"}, {"replication": "database"}):
            self.assertIn("rejects", self.refused("trusted", **more), more)

    def test_the_gateway_comes_in_as_it_does(self) -> None:
        """With md5, or without TLS, where its target says so."""
        self.use("127.0.0.1", "old", "md5", TlsMode.REQUIRE)
        self.assertEqual(self.refused("old", password="old", sslmode="require"), "")
        self.assertIn("rejects", self.refused("old", password="old", sslmode="disable"))
        self.use("127.0.0.1", "reading", "scram-sha-256", TlsMode.DISABLE)
        self.assertEqual(self.refused("reading", password="plain", sslmode="disable"), "")
