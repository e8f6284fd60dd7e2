from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo.surroundings import surroundings, tree


class Surroundings(SynchronousTestCase):
    def test_what_misleads_is_left_out(self) -> None:
        """libpq's settings, trust stores, proxies and the caller's token do not reach the demo's programs."""
        for name in ("PGHOST", "PGSSLROOTCERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HOOPGW_TOKEN", "https_proxy"):
            self.patch_environment(name, "elsewhere")
        self.patch_environment("KEPT_BY_THE_DEMO", "yes")
        found = surroundings()
        self.assertNotIn("elsewhere", found.values())
        self.assertEqual(found["KEPT_BY_THE_DEMO"], "yes")
        self.assertEqual(found["PYTHONPATH"], str(tree()))

    def patch_environment(self, name: str, value: str) -> None:
        before = os.environ.get(name)
        os.environ[name] = value

        def restore() -> None:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before

        self.addCleanup(restore)
