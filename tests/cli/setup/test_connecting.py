"""What setup says in the end of who may connect, and how."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw import config
from hoopgw.cli.setup.answers import Answers, RoleAnswer, TargetAnswer
from hoopgw.cli.setup.connecting import connecting

MAIN = """
[listen]
postgresql = ["tcp:5432"]
[tls]
certificate = "gateway.pem"
key = "env:KEY"
"""


class Connecting(SynchronousTestCase):
    def test_what_is_not_listened_on(self) -> None:
        """The key that is not there, by its name: clients of HTTP come to `https`."""
        path = Path(self.mktemp())
        path.write_text(MAIN)
        loaded = config.load(path)
        for protocol, key in (("http", "https"), ("ssh", "ssh"), ("postgresql", "")):
            target = TargetAnswer("one", protocol, ("one.internal:1",), RoleAnswer("reader", "u"), groups=("agents",))
            said = [line for line in connecting(loaded, Answers(target=target)) if line.startswith("No client")]
            self.assertEqual(said, [f"No client gets there yet: `{key}` of [listen] is not there"] if key else [])
