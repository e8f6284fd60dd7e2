"""The rules of docs/hardening.md that make the gateway the only path, in force in a network of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

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
