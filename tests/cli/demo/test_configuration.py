from __future__ import annotations

import stat
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hoopgw import config
from hoopgw.cli.demo.authority import Authority
from hoopgw.cli.demo.configuration import Facts, write

EXTRA = '[guardrail.extra]\nstatement = ["drop"]\nthen = "refuse"\n'


class Configurations(SynchronousTestCase):
    def written(self, **changes: Any) -> Path:
        authority = Authority()
        certificate, key = authority.issue()
        facts = Facts(
            1,
            2,
            "https://127.0.0.1:3",
            authority.certificate,
            authority.certificate,
            certificate,
            key,
            "r",
            "w",
            **changes,
        )
        place = tempfile.TemporaryDirectory()  # short: a socket's path has a bound
        self.addCleanup(place.cleanup)
        return write(Path(place.name), facts).config

    def test_it_loads_with_the_shipped_guardrails(self) -> None:
        """What the demo writes has no mistake, and names the target, its roles and the issuer."""
        loaded = config.load(self.written())
        self.assertEqual(set(loaded.targets["shop"].roles), {"reader", "writer"})
        self.assertEqual(loaded.settings.issuers[0].algorithms, ("ES256",))
        self.assertTrue(loaded.settings.tls.required)

    def test_a_test_can_add_to_each_file(self) -> None:
        """`more` is added to the named files; without TLS towards the target no CA is named."""
        path = self.written(more={"guardrails.d/90-test.toml": EXTRA}, shipped_guardrails=False, target_tls="disable")
        config.load(path)
        self.assertIn("guardrail.extra", (path.parent / "guardrails.d/90-test.toml").read_text())

    def test_secrets_are_private(self) -> None:
        """Keys and passwords are files that only their owner reads."""
        directory = self.written().parent
        for name in ("secrets/reader", "secrets/writer", "tls/gateway.key"):
            self.assertEqual(stat.S_IMODE((directory / name).stat().st_mode), 0o600)
