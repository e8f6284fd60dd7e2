"""docs/guardrails.md: every recipe loads, and says of the statements under it what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw import config
from hoopgw.model.identity import Identity
from hoopgw.model.operation import QUERY, Operation
from hoopgw.model.verdict import Verdict
from hoopgw.policy.catalogue import Catalogue, Column, Function, Relation
from hoopgw.policy.guardrail import judge
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import NameContext

PAGE = (Path(__file__).parent.parent.parent / "docs/guardrails.md").read_text()
TARGET = """
[target.pay]
address = ["localhost:5432"]
database = "pay"
labels = { env = "prod", data = "pii" }
[target.pay.role.reader]
user = "ro"
[target.pay.role.writer]
user = "rw"
"""
AGENT = Identity("corp", "https://idp.example.com", "agent", frozenset(("agents",)), 0.0)


def relation(
    oid: int, schema: str, name: str, *columns: str, kind: str = "r", depends: tuple[int, ...] = ()
) -> Relation:
    made = tuple(Column(number, column, 23) for number, column in enumerate(columns, 1))
    return Relation(oid, schema, name, kind, made, frozenset(depends))


RELATIONS = (
    relation(1, "public", "orders", "id", "total"),
    relation(2, "hr", "salaries", "id", "amount"),
    relation(3, "hr", "payroll", "id", "amount", kind="v", depends=(2,)),
    relation(4, "billing", "invoices", "id", "amount"),
    relation(5, "public", "customers", "id", "email"),
)
FUNCTIONS = (
    *(
        Function(oid, "pg_catalog", name, "f", "internal", "v")
        for oid, name in enumerate(("pg_sleep", "lower", "count", "max"), 10)
    ),
    Function(20, "public", "settle", "f", "plpgsql", "v"),
)
CATALOGUE = Catalogue(
    1,
    {(each.schema, each.name): each for each in RELATIONS},
    {each.oid: each for each in RELATIONS},
    {(each.schema, each.name): (each,) for each in FUNCTIONS},
    {each.oid: each for each in FUNCTIONS},
    ("public",),
)


def recipes() -> list[tuple[str, list[tuple[str, str]]]]:
    """(TOML, [(statement, what the page says)]) of each recipe."""
    found = []
    for rules, statements in re.findall(r"```toml\n(.*?)```\n(?:```sql\n(.*?)```)?", PAGE, re.DOTALL):
        said = re.findall(r"^(.+?);\s+-- ([a-z ]+?)(?: \(.*\))?$", statements, re.MULTILINE)
        assert len(said) == len(statements.splitlines()), statements
        found.append((rules, said))
    return found


def outcome(verdict: Verdict) -> str:
    if verdict.refusals:
        return "refused"
    if verdict.holds:
        return "held"
    if verdict.limits:
        return "limited"
    if verdict.redact:
        return "redacted"
    return f"recorded as {verdict.mode.value}" if verdict.mode is not None else "passes"


class Cookbook(SynchronousTestCase):
    def loaded(self, rules: str) -> config.Config:
        place = Path(self.mktemp())
        for name in ("targets.d", "guardrails.d"):
            (place / name).mkdir(parents=True)
        (place / "hoopgw.toml").write_text("")
        (place / "targets.d/pay.toml").write_text(TARGET)
        (place / "guardrails.d/recipe.toml").write_text(rules)
        self.assertEqual(config.check(place / "hoopgw.toml"), [])
        return config.load(place / "hoopgw.toml")

    def test_every_recipe(self) -> None:
        """What is refused, held, limited, redacted, recorded, and what passes."""
        self.assertGreater(len(recipes()), 10)
        for rules, statements in recipes():
            loaded = self.loaded(rules)
            guardrails = loaded.policy.select(AGENT, loaded.targets["pay"], "reader").guardrails
            for text, wanted in statements:
                facts = analyse(text.encode(), CATALOGUE, NameContext(schemas=("public",)))
                verdict = judge(guardrails, Operation("postgresql", QUERY, text.encode()), facts)
                self.assertEqual(outcome(verdict), wanted, (rules, text, verdict))

    def test_all_together(self) -> None:
        """The page as one file has no mistake: no name stands in two recipes."""
        loaded = self.loaded("\n".join(rules for rules, _ in recipes()))
        self.assertGreater(len(loaded.policy.guardrails), 10)
