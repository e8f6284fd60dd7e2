"""`hoopgw explain`, against a real target: the verdict, who says it and where it is written, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase

RULES = """
[mask.mail]
columns = ["customers.email"]
except = { groups = ["privacy"] }

[guardrail.shelves]
tables = ["public.products"]
access = "write"
except = { groups = ["stock"] }
then = "refuse"
reason = "Products are changed in the back office."
would_pass = "a ticket"
"""
FILE = "guardrails.d/90-explain.toml"


class Explained(LiveCase):
    """No gateway runs: the configuration and the target are enough."""

    options: ClassVar[Options] = Options(gateway=False, more={FILE: RULES})

    def explained(
        self, sql: str, *more: str, groups: str = "agents", role: str = "writer"
    ) -> tuple[dict[str, Any], int]:
        words = (
            "explain",
            "--as",
            "agent@demo",
            "--groups",
            groups,
            "--target",
            "shop",
            "--role",
            role,
            "--json",
            *more,
        )
        done = self.hoopgw(*words, sql)
        return json.loads(done.stdout) if done.stdout else {"error": done.stderr}, done.returncode

    def line_of(self, file: str, table: str) -> int:
        """Where a table of the configuration begins."""
        lines = (self.stage.gateway.config.parent / file).read_text().splitlines()
        return lines.index(f"[{table}]") + 1

    def test_allowed(self) -> None:
        """What it does, reads and calls; exit status 0."""
        answer, status = self.explained("select count(*) from orders o join products p on p.id = o.product")
        self.assertEqual((answer["decision"], answer["rules"], status), ("allowed", [], 0))
        self.assertEqual(answer["why"], "grant agents-shop, role writer")
        facts = answer["facts"]
        self.assertEqual((facts["effects"], facts["reads"]), (["select"], ["public.orders", "public.products"]))
        self.assertEqual((facts["functions"], facts["writes"], facts["unknown"]), (["pg_catalog.count"], [], []))

    def test_through(self) -> None:
        """What a statement touches behind the names that it has, and by which way; what of it cannot be read."""
        with psycopg.connect(self.stage.direct_url(), autocommit=True) as connection:
            connection.execute(
                b"create view cheap as select id from products where price < 5;"
                b"create function raised(a int) returns int language plpgsql as $$"
                b" begin update products set price = price + 1 where id = a; return a; end $$;"
                b"create function made(a text) returns void language plpgsql as $$ begin execute a; end $$"
            )
        answer, status = self.explained("select * from cheap")
        self.assertEqual((answer["decision"], status), ("allowed", 0))
        self.assertIn("view public.cheap -> table public.products", answer["facts"]["through"])
        answer, status = self.explained("select raised(1)")
        self.assertIn("shelves", {rule["guardrail"] for rule in answer["rules"]})
        self.assertIn("function public.raised -> table public.products", answer["facts"]["through"])
        self.assertIn("update", answer["facts"]["effects"])
        answer, status = self.explained("select made('x')")
        self.assertIn("no-unread-code", {rule["guardrail"] for rule in answer["rules"]})
        self.assertIn("EXECUTE of a text that it makes", answer["facts"]["unknown"][0])

    def test_refused(self) -> None:
        """The rule, its file and line, its reason and what would pass; exit status 1."""
        answer, status = self.explained("update products set price = 1 where id = 1")
        (rule,) = answer["rules"]
        self.assertEqual((answer["decision"], status), ("refused", 1))
        self.assertEqual(rule["guardrail"], "shelves")
        self.assertEqual(Path(rule["file"]).name, Path(FILE).name)
        self.assertEqual(rule["line"], self.line_of(FILE, "guardrail.shelves"))
        self.assertEqual(rule["reason"], "Products are changed in the back office.")
        self.assertEqual(rule["would_pass"], "a ticket")

    def test_shipped_rule(self) -> None:
        """A rule of the shipped file is found there."""
        answer, _ = self.explained("create server s foreign data wrapper postgres_fdw")
        (rule,) = answer["rules"]
        self.assertEqual((rule["guardrail"], Path(rule["file"]).name), ("no-ways-out", "50-sql.toml"))
        self.assertEqual(rule["line"], self.line_of("guardrails.d/50-sql.toml", "guardrail.no-ways-out"))

    def test_held(self) -> None:
        """Whoever needs approval is told by which rule; exit status 1."""
        answer, status = self.explained("delete from orders")
        self.assertEqual((answer["decision"], status), ("held", 1))
        self.assertEqual([rule["guardrail"] for rule in answer["rules"]], ["write-without-where"])
        self.assertEqual(
            answer["rules"][0]["line"], self.line_of("guardrails.d/50-sql.toml", "guardrail.write-without-where")
        )

    def test_masked(self) -> None:
        """A masked column as a plain output is shown masked; in any other use the statement is refused by the mask."""
        answer, status = self.explained("select email from customers")
        self.assertEqual((answer["decision"], status), ("allowed", 0))
        self.assertIn("mail", answer["facts"]["masks"])
        self.assertEqual(answer["facts"]["outputs"], ["1 email: from public.customers.email; shown: none of it"])
        answer, status = self.explained("select id, upper(email) as loud from customers")
        self.assertEqual(status, 0)
        self.assertEqual(answer["facts"]["outputs"], ["2 loud: computed with public.customers.email; shown: NULL"])
        answer, status = self.explained("select 1 from customers where email like 'a%'")
        (rule,) = answer["rules"]
        self.assertEqual((rule["guardrail"], status), ("mask:mail", 1))
        self.assertEqual(rule["line"], self.line_of(FILE, "mask.mail"))
        self.assertIn("public.customers.email", rule["reason"])

    def test_exceptions_are_by_group(self) -> None:
        """`--groups` is who asks: an exception lets it pass."""
        answer, status = self.explained("update products set price = 1 where id = 1", groups="agents, stock")
        self.assertEqual((answer["decision"], status), ("allowed", 0))
        answer, _ = self.explained("select 1 from customers where email like 'a%'", groups="agents,privacy")
        self.assertEqual(answer["decision"], "allowed")

    def test_unknown_names(self) -> None:
        """What is not there is unknown, and refused by what names tables; so is a name that nothing prepared."""
        answer, status = self.explained("select * from nowhere")
        self.assertEqual((answer["decision"], status), ("refused", 1))
        self.assertEqual(answer["facts"]["unknown"], ["nowhere is not in the gateway's catalogue"])
        self.assertIn("mask", {rule["guardrail"] for rule in answer["rules"]})
        answer, status = self.explained("execute p")
        self.assertIn("built-in:names", {rule["guardrail"] for rule in answer["rules"]})
        self.assertEqual(status, 1)

    def test_built_in(self) -> None:
        """What holds without any rule is said as well: settings that stay, and what is not the grammar's."""
        for sql, wanted in (("set role postgres", "built-in:settings"), ("selct 1", "built-in:grammar")):
            answer, status = self.explained(sql)
            (rule,) = answer["rules"]
            self.assertEqual((answer["decision"], rule["guardrail"], rule["file"], status), ("refused", wanted, "", 1))

    def test_no_connection(self) -> None:
        """No grant: no connection; exit status 1, and nothing is read from the target."""
        answer, status = self.explained("select 1", groups="visitors")
        self.assertEqual((answer["decision"], answer["facts"], status), ("no connection", {}, 1))
        answer, status = self.explained("select 1", role="nobody")
        self.assertEqual((answer["decision"], status), ("no connection", 1))

    def test_offline(self) -> None:
        """Without the catalogue every name is unknown, and says so."""
        answer, status = self.explained("select email from customers", "--offline")
        self.assertEqual((answer["decision"], status), ("refused", 1))
        self.assertTrue(answer["facts"]["unknown"])

    def test_for_people(self) -> None:
        """Without --json: the verdict first, then each rule with its place; control characters do nothing."""
        words = ("explain", "--as", "agent@demo", "--groups", "agents", "--target", "shop", "--role", "writer")
        done = self.hoopgw(*words, "update products set price = 1 where name = '\x1b[2J'")
        lines = done.stdout.splitlines()
        line = self.line_of(FILE, "guardrail.shelves")
        self.assertEqual(lines[0], "refused")
        self.assertRegex(
            lines[1], rf"^  shelves \(.*90-explain\.toml:{line}\): Products are changed in the back office\.$"
        )
        self.assertEqual(lines[2], "    would pass: a ticket")
        self.assertIn("grant agents-shop, role writer", done.stdout)
        self.assertEqual((done.returncode, done.stderr, "\x1b" in done.stdout), (1, "", False))

    def test_command(self) -> None:
        """Of an SSH host a command is judged, or a shell; a rule about exec alone says nothing of a shell."""
        words = ("explain", "--as", "a", "--groups", "agents", "--target", "web1", "--json")
        for given, decision, status in (
            ("uptime", "allowed", 0),
            ("rm -rf /", "refused", 1),
            ("--shell", "allowed", 0),
        ):
            done = self.hoopgw(*words, given)
            self.assertEqual((json.loads(done.stdout)["decision"], done.returncode), (decision, status), given)

    def test_wrong_use(self) -> None:
        """A target that there is none of, or a word missing: exit status 2, and nothing on standard output."""
        for words in (
            ("explain", "--as", "a", "--target", "nothing", "select 1"),
            ("explain", "--target", "shop", "select 1"),
            ("explain", "--as", "a", "--target", "shop"),
            ("explain", "--as", "a", "--target", "shop", "--shell"),
            ("explain", "--as", "a", "--target", "web1", "--shell", "id"),
        ):
            done = self.hoopgw(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertTrue(done.stderr)

    def test_target_down(self) -> None:
        """A catalogue that cannot be read is said in words, with what does without."""
        secret = self.stage.gateway.config.parent / "secrets/writer"
        before = secret.read_text()
        secret.write_text("not-this-one")
        try:
            answer, status = self.explained("select 1")
        finally:
            secret.write_text(before)
        self.assertEqual(status, 1)
        self.assertIn("--offline", answer["error"])
        self.assertNotIn("Traceback", answer["error"])
        self.assertNotIn("not-this-one", answer["error"])
