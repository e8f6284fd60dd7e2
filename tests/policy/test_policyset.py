"""Which rules an identity has to pass on a target."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.grant import Who
from hoopgw.model.identity import Identity
from hoopgw.model.target import Address, Role, Selector, Target, TlsMode
from hoopgw.policy.guardrails import Action, Conditions, SqlRule
from hoopgw.policy.masks import MaskRule
from hoopgw.policy.policyset import CONTROLS, PolicySet, Scoped, Selection, unenforceable

ANYONE = Who(anyone=True)
PROD = Selector(labels={"env": "prod"})


def target(name: str = "pay", protocol: str = "postgresql", **labels: str) -> Target:
    roles = {"reader": Role("reader", "ro")}
    return Target(name, protocol, (Address("localhost", 5432),), TlsMode.DISABLE, roles, labels=labels)


def identity(*groups: str, subject: str = "x", **claims: object) -> Identity:
    return Identity("corp", "https://idp.example.com", subject, frozenset(groups), 0.0, claims=claims)


def scoped(
    name: str, who: Who = ANYONE, exempt: Who | None = None, about: Selector = Selector(), *roles: str
) -> Scoped:
    rule = SqlRule(name, Conditions(effects=frozenset(("drop",))), Action(refuse=True))
    return Scoped(rule, "postgresql", who, exempt, about, frozenset(roles))


def mask(name: str, exempt: Who | None = None, about: Selector = Selector()) -> MaskRule:
    return MaskRule(name, "postgresql", about, exempt, ("*.email",), (), (), "none")


def names(selection: Selection) -> list[str]:
    return [each.name for each in (*selection.guardrails, *selection.masks)]


class Select(SynchronousTestCase):
    def chosen(self, *rules: Scoped, who: Identity, on: Target | None = None, role: str = "reader") -> list[str]:
        return names(PolicySet(rules).select(who, on or target(), role))

    def test_who(self) -> None:
        """Groups, subjects, claims and issuer; nothing said is everybody."""
        rules = (
            scoped("all"),
            scoped("interns", Who(groups=frozenset(("interns", "guests")))),
            scoped("ci", Who(subjects=frozenset(("ci@example.com",)))),
            scoped("eu", Who(claims={"region": "eu"})),
            scoped("elsewhere", Who(provider="other")),
        )
        self.assertEqual(self.chosen(*rules, who=identity("agents")), ["all"])
        self.assertEqual(self.chosen(*rules, who=identity("guests")), ["all", "interns"])
        self.assertEqual(self.chosen(*rules, who=identity(subject="ci@example.com")), ["all", "ci"])
        self.assertEqual(self.chosen(*rules, who=identity(region=["us", "eu"])), ["all", "eu"])

    def test_except(self) -> None:
        """Whoever is excepted does not meet the rule or mask; everybody else does."""
        privacy = Who(groups=frozenset(("privacy",)))
        policy = PolicySet((scoped("rule", exempt=privacy),), (mask("mail", privacy),))
        self.assertEqual(names(policy.select(identity("agents"), target(), "reader")), ["rule", "mail"])
        self.assertEqual(names(policy.select(identity("privacy", "agents"), target(), "reader")), [])

    def test_target_and_role(self) -> None:
        """Name, labels, protocol and role narrow a rule."""
        rules = (
            scoped("named", ANYONE, None, Selector(frozenset(("pay",)))),
            scoped("prod", ANYONE, None, PROD),
            scoped("writers", ANYONE, None, Selector(), "writer"),
        )
        who = identity()
        self.assertEqual(self.chosen(*rules, who=who), ["named"])
        self.assertEqual(self.chosen(*rules, who=who, on=target("web", env="prod")), ["prod"])
        self.assertEqual(self.chosen(*rules, who=who, on=target("web"), role="writer"), ["writers"])
        self.assertEqual(self.chosen(*rules, who=who, on=target(protocol="ssh", env="prod"), role="writer"), [])
        self.assertEqual(names(PolicySet((), (mask("m", None, PROD),)).select(who, target(), "reader")), [])

    def test_keys(self) -> None:
        """must-survive 80: equal keys are equal rules of one configuration, whoever asks; anything else differs."""
        interns = scoped("interns", Who(groups=frozenset(("interns",))))
        policy = PolicySet((scoped("all"), interns), (mask("m"),), "sha256:one")
        one, same = (policy.select(identity("agents", subject=name), target(), "reader") for name in ("x", "y"))
        self.assertEqual(one, same)
        other = policy.select(identity("interns"), target(), "reader")
        reloaded = PolicySet((scoped("all"), interns), (mask("m"),), "sha256:two")
        keys = {one.key, other.key, reloaded.select(identity("agents"), target(), "reader").key}
        self.assertEqual(len(keys), 3)

    def test_a_rule_is_not_a_mask_of_its_name(self) -> None:
        """A guardrail and a mask may share a name without sharing a key."""
        rule = PolicySet((scoped("x"),), (), "d").select(identity(), target(), "reader")
        other = PolicySet((), (mask("x"),), "d").select(identity(), target(), "reader")
        self.assertNotEqual(rule.key, other.key)


class Controls(SynchronousTestCase):
    def test_table(self) -> None:
        """What is not in the table of a protocol cannot be enforced for it; an unknown protocol can nothing."""
        self.assertEqual(unenforceable("postgresql", CONTROLS["postgresql"]), frozenset())
        self.assertEqual(unenforceable("postgresql", frozenset(("teleport", "mask"))), {"teleport"})
        self.assertEqual(unenforceable("gopher", frozenset(("refuse",))), {"refuse"})

    def test_actions_are_controls(self) -> None:
        """Every action of a rule is a column of the table."""
        every = Action(True, None, 1, 1, True)
        self.assertLessEqual(every.controls, CONTROLS["postgresql"])
        self.assertEqual(every.controls, {"refuse", "limit", "redact"})
