"""The rules of docs/hardening.md that make the gateway the only path, in force in a network of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

from click import ClickException
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.bypass import hba_lines, nft_lines
from hoopgw.model.target import Address, Role, Target, TlsMode

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
        target = Target("pay", "postgresql", (Address("db1", 5432),), TlsMode.DISABLE, roles)
        self.assertEqual(
            [line.split() for line in hba_lines(target, (ip_address("10.0.2.7"), ip_address("fd00::7")))],
            [
                ["#", "target", "pay:", "db1:5432"],
                ["hostssl", "all", '"all"', "10.0.2.7/32", "scram-sha-256"],
                ["hostssl", "all", '"all"', "fd00::7/128", "scram-sha-256"],
                ["host", "all", '"all"', "all", "reject"],
                ["local", "all", '"all"', "reject"],
                ["hostssl", "all", '"x""y"', "10.0.2.7/32", "scram-sha-256"],
                ["hostssl", "all", '"x""y"', "fd00::7/128", "scram-sha-256"],
                ["host", "all", '"x""y"', "all", "reject"],
                ["local", "all", '"x""y"', "reject"],
                ["hostssl", "all", '"z"', "10.0.2.7/32", "cert"],
                ["hostssl", "all", '"z"', "fd00::7/128", "cert"],
                ["host", "all", '"z"', "all", "reject"],
                ["local", "all", '"z"', "reject"],
            ],
        )
        broken = Target("pay", "postgresql", (), TlsMode.DISABLE, {"a": Role("a", "x\nhost all all all trust")})
        self.assertRaises(ClickException, list, hba_lines(broken, (ip_address("10.0.2.7"),)))
