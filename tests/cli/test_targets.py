"""`hoopgw targets`: what it says from the files alone."""

from __future__ import annotations

import os
from pathlib import Path

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo.host import new_key
from hoopgw.cli.main import main


class Authority(SynchronousTestCase):
    def test_the_line_for_hosts(self) -> None:
        """For the key's owner, and for root, as whom it is asked where the package runs the gateway as another user."""
        place = Path(self.mktemp())
        key = place / "state/keys/ssh_target_authority"
        key.parent.mkdir(parents=True)
        (place / "hoopgw.toml").write_text('state = "state"\n')
        private, public = new_key()
        key.write_text(private)
        key.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(key, 65534, 65534)
        ran = CliRunner().invoke(main, ["--config", str(place / "hoopgw.toml"), "targets", "authority"])
        self.assertEqual((ran.exit_code, ran.output.split()[:2]), (0, public.split()[:2]), ran.output)
