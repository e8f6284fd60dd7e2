"""A stage for programs that own their database: a role that may do all, no shipped guardrails, further databases."""

from __future__ import annotations

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase

DATABASES = """
[grant.owner]
groups = ["agents"]
target = { name = "shop" }
roles = ["writer"]
databases = ["restored", "other"]
"""


class OwnerCase(LiveCase):
    """`writer` is a superuser; `fresh` makes one of the databases `restored` and `other` anew."""

    options = Options(
        shipped_guardrails=False,
        target_tls="disable",
        more={"grants.d/owner.toml": DATABASES, "hoopgw.toml": '[limits]\nmax_statement = "256 MiB"\n'},
    )

    def setUp(self) -> None:
        super().setUp()
        self.stage.cluster.run("ALTER ROLE shop_rw SUPERUSER")

    def fresh(self, database: str) -> str:
        """Its name as a client of the gateway says it."""
        self.stage.cluster.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)", f"CREATE DATABASE {database}")
        return f"shop/{database}"
