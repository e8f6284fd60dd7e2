"""The configuration: what is right loads, what is wrong is named, all of it in one go."""

from __future__ import annotations

import shutil
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw import config, config_reference
from hoopgw.config_schema import SECTIONS
from hoopgw.model.target import Mode, TlsMode

ROOT = Path(__file__).parent.parent

MAIN = """
name = "test"
state = "state"
[listen]
postgresql = ["tcp:5432"]
[tls]
certificate = "gateway.pem"
key = "env:KEY"
[oidc.corp]
issuer = "https://idp.example.com"
audience = "hoopgw"
"""
TARGET = """
[target.pay]
address = ["db1.internal:5432", "[::1]:5433"]
database = "pay"
labels = { env = "prod" }
[target.pay.role.reader]
user = "pay_ro"
password = "env:PAY"
"""
GRANT = """
[grant.read]
groups = ["agents"]
target = { labels = { env = "prod" } }
roles = ["reader"]
budget = { rows = ["10/session", "100/day"], statements = "600/min", session = "8h" }
until = 2027-06-30
"""
RULES = """
[guardrail.no-drop]
statement = ["drop"]
then = "refuse"
[guardrail.big]
tables = ["pay.*"]
then = { limit = { rows = 10 } }
[mask.mail]
columns = ["*.email"]
patterns = ["email", "badge"]
show = "last4"
[pattern.badge]
regex = "B-[0-9]{4}"
"""


class Configuration(SynchronousTestCase):
    def write(self, **files: str) -> Path:
        place = Path(self.mktemp())
        given = {"main": MAIN, "target": TARGET, "grant": GRANT, "rules": RULES, **files}
        names = {"main": "hoopgw.toml", "target": "targets.d/a.toml", "grant": "grants.d/a.toml"}
        names |= {"rules": "guardrails.d/a.toml", "more": "guardrails.d/b.toml", "beside": "conf.d/a.toml"}
        for name, text in given.items():
            path = place / names[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return place / "hoopgw.toml"

    def test_loads(self) -> None:
        """What is written is what is loaded, in its units."""
        loaded = config.load(self.write())
        target, grant = loaded.targets["pay"], loaded.grants[0]
        self.assertEqual(list(map(str, target.addresses)), ["db1.internal:5432", "[::1]:5433"])
        self.assertEqual((target.tls, target.record), (TlsMode.VERIFY_FULL, Mode.STRICT))
        self.assertEqual((grant.budget.rows_per_session, grant.budget.rows_per_day), (10, 100))
        self.assertEqual(grant.budget.session_seconds, 8 * 3600)
        self.assertEqual(grant.until, 1814400000.0)  # the end of 2027-06-30, UTC
        self.assertTrue(loaded.settings.state.endswith("/state"))
        self.assertEqual(loaded.settings.issuers[0].algorithms, ("RS256", "ES256"))
        self.assertRegex(loaded.digest, "^sha256:[0-9a-f]{64}$")

    def test_every_mistake_in_one_go(self) -> None:
        """Each mistake of every file is named with file, line and key, and the nearest right spelling."""
        path = self.write(
            main=MAIN + '[recordings]\nmod = "strict"\nretention = "400"\n',
            target=TARGET.replace("database", "databas"),
            grant=GRANT.replace("reader", "readr").replace("600/min", "600"),
            rules=RULES.replace('"drop"', '"dropp"').replace('"badge"]', '"bagde"]').replace("{4}", "(?=x)"),
            more='[guardrail.no-drop]\nstatement = ["drop"]\nthen = "refuse"\n',
        )
        found = [(Path(m.file).name, m.line, m.key, m.message) for m in config.check(path)]
        wanted = [
            ("hoopgw.toml", 13, "recordings.mod", 'did you mean "mode"'),
            ("hoopgw.toml", 14, "recordings.retention", "duration with its unit"),
            ("a.toml", 4, "target.pay.databas", 'did you mean "database"'),
            ("a.toml", 2, "target.pay", "needs `database`"),
            ("a.toml", 5, "grant.read.roles", "'readr'"),
            ("a.toml", 6, "grant.read.budget.statements", "how much in which time"),
            ("a.toml", 3, "guardrail.no-drop.statement", 'did you mean "drop"'),
            ("a.toml", 10, "mask.mail.patterns", 'did you mean "badge"'),
            ("a.toml", 13, "pattern.badge.regex", "no look-ahead"),
            ("b.toml", 1, "guardrail.no-drop", "is given twice"),
        ]
        for name, line, key, words in wanted:
            hits = [each for each in found if each[:3] == (name, line, key) and words in each[3]]
            self.assertTrue(hits, f"{name}:{line} {key} {words!r} is not among {found}")

    def test_not_toml(self) -> None:
        """A syntax error is a mistake with its line, and the other files are read all the same."""
        path = self.write(target=TARGET + "\n[target.x\n", rules=RULES.replace("refuse", "reject"))
        found = config.check(path)
        self.assertIn(("a.toml", 10), [(Path(m.file).name, m.line) for m in found])
        self.assertTrue(any(m.key == "guardrail.no-drop.then" for m in found), found)

    def test_beside(self) -> None:
        """conf.d holds issuers and local accounts, and does not change the digest of what decides."""
        text = '[oidc.second]\nissuer = "https://two.example.com"\naudience = "hoopgw"\n[local.ops]\nmay = ["list"]\n'
        loaded = config.load(self.write(beside=text))
        self.assertEqual([each.name for each in loaded.settings.issuers], ["corp", "second"])
        self.assertEqual([(each.name, each.may) for each in loaded.settings.local], [("ops", frozenset(["list"]))])
        self.assertEqual(loaded.digest, config.load(self.write()).digest)

    def test_beside_mistakes(self) -> None:
        """A name that hoopgw.toml has, an issuer twice, a wrong key, a table without a place: each in its own file."""
        text = '[oidc.corp]\nissuer = "https://x.example.com"\naudience = "a"\n'
        text += '[oidc.other]\nissuer = "https://idp.example.com"\naudience = "a"\nskw = "1s"\n[limits]\nlogin = "1s"\n'
        found = {(Path(m.file).name, m.line, m.key): m.message for m in config.check(self.write(beside=text))}
        self.assertIn("given twice", found["a.toml", 1, "oidc.corp"])
        self.assertIn("another [oidc.NAME]", found["a.toml", 5, "oidc.other.issuer"])
        self.assertIn('did you mean "skew"', found["a.toml", 7, "oidc.other.skw"])
        self.assertIn("has no place in conf.d/", found["a.toml", 8, "limits"])

    def test_files_as_if_they_stood_there(self) -> None:
        """What is to be written is checked before it is: in place of a file, and in a directory that is not there."""
        path = self.write()
        instead = {
            path.parent / "conf.d/new.toml": b'[local.ops]\nmay = ["lst"]\n',
            path.parent / "targets.d/a.toml": TARGET.replace("pay_ro", "other").encode() + b"wrong = 1\n",
        }
        with self.assertRaises(config.ConfigurationMistakes) as caught:
            config.load_whole(path, instead)
        said = {(Path(m.file).name, m.key) for m in caught.exception.mistakes}
        self.assertEqual(said, {("new.toml", "local.ops.may"), ("a.toml", "target.pay.role.reader.wrong")})
        self.assertEqual(config.check(path), [])

    def test_clear_text_off_loopback(self) -> None:
        """tls = "disable" is for loopback addresses."""
        path = self.write(target=TARGET.replace('database = "pay"', 'database = "pay"\ntls = "disable"'))
        self.assertTrue(any("clear text" in m.message for m in config.check(path)))

    def test_digest_is_of_what_decides(self) -> None:
        """Comments and order change nothing; a rule does."""
        one = config.load(self.write()).digest
        self.assertEqual(one, config.load(self.write(rules="# a comment\n" + RULES)).digest)
        self.assertNotEqual(one, config.load(self.write(rules=RULES.replace("rows = 10", "rows = 11"))).digest)

    def test_selection_is_by_identity(self) -> None:
        """must-survive 80: rules of one identity are never another's."""
        from hoopgw.model.identity import Identity

        rules = RULES + '\n[guardrail.only-interns]\ngroups = ["interns"]\nstatement = ["insert"]\nthen = "refuse"\n'
        loaded = config.load(self.write(rules=rules))
        target = loaded.targets["pay"]

        def names(*groups: str) -> list[str]:
            who = Identity("corp", "https://idp.example.com", "x", frozenset(groups), 0)
            selection = loaded.policy.select(who, target, "reader")
            return sorted(guardrail.name for guardrail in selection.guardrails)

        self.assertIn("only-interns", names("interns"))
        self.assertNotIn("only-interns", names("agents"))

    def test_shipped_defaults(self) -> None:
        """What is shipped in etc/hoopgw has no mistake, and its rules are there."""
        place = Path(self.mktemp())
        shutil.copytree(ROOT / "etc/hoopgw", place)
        self.assertEqual(config.check(place / "hoopgw.toml"), [])
        names = {scoped.guardrail.name for scoped in config.load(place / "hoopgw.toml").policy.guardrails}
        self.assertLessEqual({"no-destructive-ddl", "write-without-where", "no-server-files"}, names)

    def test_reference_agrees(self) -> None:
        """docs/configuration.md is what the schema says, and names every key."""
        written = (ROOT / "docs/configuration.md").read_text()
        self.assertEqual(written, "\n".join(config_reference.reference()) + "\n")
        for keys in SECTIONS.values():
            for name in keys:
                self.assertIn(f"`{name}`", written)
