"""Who gets in where, and what the others are told."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.cred.portal import IRealm, Portal
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from hoopgw.auth.access import Access, AdminAccess, IAccess, IAdminAccess, Wanted
from hoopgw.auth.credentials import BearerToken
from hoopgw.auth.local import LocalTokens, local_issuer
from hoopgw.auth.realm import GatewayRealm, access, admin_access, reconsidered, shown
from hoopgw.model.destination import read_destination
from hoopgw.model.errors import LoginRefused, NotGranted
from hoopgw.model.grant import Grant, Who
from hoopgw.model.identity import Identity
from hoopgw.model.secret import Secret
from hoopgw.model.settings import LocalIssuer, Settings
from hoopgw.model.target import CONNECT, Address, Role, Selector, Target, TlsMode
from tests.auth.test_local import KEY, OPS
from tests.auth.tokens_for_tests import ISSUER, NOW, SETTINGS, World

PAY = Target(
    "pay",
    "postgresql",
    (Address("db1", 5432),),
    TlsMode.VERIFY_FULL,
    {"reader": Role("reader", "pay_ro"), "writer": Role("writer", "pay_rw")},
    database="paydb",
)
AGENTS = Who(groups=frozenset({"agents"}))
READ = Grant("read", AGENTS, Selector(frozenset({"pay"})), frozenset({"reader"}), databases=frozenset({"history"}))
ALICE = Identity("corp", ISSUER, "alice", frozenset({"agents"}), NOW + 600)


@dataclass
class Rules:
    settings: Settings = Settings(name="gw", issuers=(SETTINGS,), local=(OPS,))
    targets: dict[str, Target] = field(
        default_factory=lambda: {"pay": PAY, "web": replace(PAY, name="web", protocol="ssh")}
    )
    grants: tuple[Grant, ...] = (READ,)


OUT = Target("out", "http", (), TlsMode.DISABLE, {CONNECT: Role(CONNECT, "")}, egress=True)
LISTED = tuple(read_destination(each, several=True) for each in ("pypi.org:443", "*.pypi.org:443"))
TUNNELS = Grant("out", AGENTS, Selector(frozenset({"out"})), frozenset({CONNECT}), destinations=LISTED)


class Tunnels(SynchronousTestCase):
    def access(self, rules: Rules, where: str, who: Identity = ALICE) -> Access:
        wanted = Wanted("http", "", "", destination=read_destination(where))
        return access(rules, who, wanted, NOW)

    def test_security_only_to_what_a_grant_lists(self) -> None:
        """By the first grant that lists it, for whom it is; a grant of something else, or another port, is none."""
        rules = Rules(targets={"pay": PAY, "out": OUT}, grants=(READ, TUNNELS))
        found = self.access(rules, "PyPI.org:443")
        self.assertEqual((found.target, found.grant, str(found.destination)), (OUT, TUNNELS, "pypi.org:443"))
        self.assertEqual(self.access(rules, "a.pypi.org:443").listed, LISTED[1])
        stranger = replace(ALICE, groups=frozenset())
        for where, who in (("pypi.org:80", ALICE), ("example.org:443", ALICE), ("pypi.org:443", stranger)):
            self.assertRaises(NotGranted, self.access, rules, where, who)
        closed = Rules(targets={"out": replace(OUT, egress=False)}, grants=(TUNNELS,))
        self.assertRaises(NotGranted, self.access, closed, "pypi.org:443")
        local = replace(ALICE, issuer=local_issuer("gw"))
        self.assertRaises(NotGranted, self.access, rules, "pypi.org:443", local)

    def test_a_way_out_is_no_service(self) -> None:
        """Nobody reaches it by its name."""
        rules = Rules(targets={"out": OUT}, grants=(TUNNELS,))
        self.assertRaises(LoginRefused, access, rules, ALICE, Wanted("http", "out", CONNECT), NOW)

    def test_a_reload_ends_what_is_not_listed_any_more(self) -> None:
        """The same grant must still lead there."""
        rules = Rules(targets={"out": OUT}, grants=(TUNNELS,))
        granted = self.access(rules, "a.pypi.org:443")
        self.assertIsNotNone(reconsidered(rules, granted, NOW))
        for other in (replace(TUNNELS, destinations=LISTED[:1]), replace(TUNNELS, name="other")):
            self.assertIsNone(reconsidered(replace(rules, grants=(other,)), granted, NOW))


class RealmCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.rules = Rules()
        self.clock = Clock()
        self.clock.advance(NOW)
        self.realm = GatewayRealm(lambda: self.rules, self.clock)

    def access(self, target: str = "pay", role: str = "reader", database: str = "", who: Identity = ALICE) -> Access:
        _, avatar, _ = self.realm.requestAvatar(who, Wanted("postgresql", target, role, database), IAccess)
        verifyObject(IAccess, avatar)
        assert isinstance(avatar, Access)
        return avatar

    def refusal(self, *args: Any, **kwargs: Any) -> str:
        with self.assertRaises(LoginRefused) as caught:
            self.access(*args, **kwargs)
        return str(caught.exception)


class Hosts(RealmCase):
    """The host name has named a target as well."""

    def asked(self, target: str, database: str, host: str) -> str:
        wanted = Wanted("postgresql", target, "reader", database, host)
        return self.realm.requestAvatar(ALICE, wanted, IAccess)[1].database

    def setUp(self) -> None:
        super().setUp()
        self.rules.grants = (replace(READ, databases=frozenset({"history", "web", "pay"})),)

    def test_agree(self) -> None:
        """Host and dbname name one target: the database is the one that is asked for."""
        for database in ("history", "pay"):
            self.assertEqual(self.asked("pay", database, "pay"), database)

    def test_name_different_targets(self) -> None:
        """Refused, though the grant would let in; and so is a database that has the name of another target."""
        self.assertEqual(self.asked("pay", "web", ""), "web")
        self.assertRaises(LoginRefused, self.asked, "pay", "history", "shop")
        self.assertRaises(LoginRefused, self.asked, "pay", "web", "pay")


class Grants(RealmCase):
    def test_realm_is_one(self) -> None:
        """The realm is what twisted.cred expects."""
        verifyObject(IRealm, self.realm)

    def test_access(self) -> None:
        """The grant's target, role and database, until the token expires."""
        granted = self.access()
        self.assertEqual((granted.target, granted.role.user, granted.database), (PAY, "pay_ro", "paydb"))
        self.assertEqual((granted.grant, granted.expires), (READ, NOW + 600))
        self.assertEqual(self.access(database="history").database, "history")

    def test_grant_that_ends_first(self) -> None:
        """The session ends with the grant where that is before the token; a grant that is over lets nobody in."""
        self.rules.grants = (replace(READ, until=NOW + 10),)
        self.assertEqual(self.access().expires, NOW + 10)
        self.clock.advance(10)
        self.refusal()

    def test_first_grant_counts(self) -> None:
        """Of several grants the first in the configuration is the session's."""
        self.rules.grants = (replace(READ, name="first"), READ)
        self.assertEqual(self.access().grant.name, "first")

    def test_words_are_the_same(self) -> None:
        """The refusal for what is not granted and for what does not exist differs in the client's own words only."""
        said = {
            self.refusal(target=target, role=role).replace(f"'{target}'", "T").replace(f"'{role}'", "R")
            for target in ("pay", "nope", "web")
            for role in ("writer", "admin", "postgres")
        }
        self.assertEqual(said, {"no grant lets alice reach T as R"})
        self.assertEqual(self.refusal(target="nope", role=""), "no grant lets alice reach 'nope'")
        said = {self.refusal(database=database).replace(database, "D") for database in ("paydb2", "template1")}
        said |= {self.refusal(target="nope", database="D").replace("nope", "pay")}
        self.assertEqual(len(said), 1)

    def test_protocol_is_part_of_it(self) -> None:
        """must-survive 50: a grant for a target of one protocol is none for the same name in another."""
        self.rules.grants = (replace(READ, target=Selector()),)
        self.refusal(target="web")

    def test_stranger(self) -> None:
        """Nobody without a grant gets in, and a grant without anybody lets nobody in."""
        self.refusal(who=replace(ALICE, groups=frozenset()))
        self.rules.grants = (replace(READ, who=Who()),)
        self.refusal()

    def test_hostile_names(self) -> None:
        """must-survive 36: a target or role with control characters or of great length is shown harmless."""
        said = self.refusal(target="\x1b]52;c;x\x07\n\u202e" + "x" * 10_000, role="$(id)\x00")
        self.assertTrue(said.isprintable())
        self.assertLess(len(said), 250)
        self.assertEqual(shown("a\nb"), "a\ufffdb")


class Reload(RealmCase):
    def test_still_allowed(self) -> None:
        """After a reload without changes nothing changes; a shorter grant ends the session earlier."""
        granted = self.access()
        self.assertEqual(self.realm.still_allowed(granted, NOW), granted)
        self.rules.grants = (replace(READ, until=NOW + 5),)
        again = self.realm.still_allowed(granted, NOW)
        self.assertEqual(again and again.expires, NOW + 5)
        self.assertIsNone(self.realm.still_allowed(granted, NOW + 5))

    def test_lost(self) -> None:
        """must-survive 52: grant, group, role, target, issuer or database gone: the session must end."""
        granted = self.access(database="history")
        other = replace(READ, name="other")
        for rules in (
            Rules(grants=()),
            Rules(grants=(other,)),
            Rules(grants=(replace(READ, roles=frozenset({"writer"})),)),
            Rules(grants=(replace(READ, databases=frozenset()),)),
            Rules(grants=(replace(READ, who=Who(groups=frozenset({"dba"}))),)),
            Rules(targets={}),
            Rules(targets={"pay": replace(PAY, roles={})}),
            Rules(targets={"pay": replace(PAY, protocol="ssh")}),
            Rules(settings=Settings(name="gw")),
        ):
            self.rules = rules
            self.assertIsNone(self.realm.still_allowed(granted, NOW), rules)

    def test_expired(self) -> None:
        """must-survive 9: an identity whose token has expired is not allowed any more."""
        self.assertIsNone(self.realm.still_allowed(self.access(), NOW + 600))


class Admin(RealmCase):
    def test_rights_add_up(self) -> None:
        """The admin interface gives what all grants with `may` give together, and nothing by access to the socket."""
        seer = Grant("see", AGENTS, may=frozenset({"list"}))
        self.rules.grants += (seer, replace(seer, name="v", may=frozenset({"view"})))
        self.rules.grants += (replace(seer, name="late", may=frozenset({"kill"}), until=NOW),)
        interface, avatar, _ = self.realm.requestAvatar(ALICE, None, IAdminAccess)
        verifyObject(IAdminAccess, avatar)
        self.assertEqual((interface, avatar), (IAdminAccess, AdminAccess(ALICE, frozenset({"list", "view"}), True)))
        bob = replace(ALICE, groups=frozenset({"x"}))
        self.assertEqual(admin_access(self.rules, bob, NOW).rights, frozenset())

    def test_local_token(self) -> None:
        """must-survive 82: a local token has what [local.NAME] says, decides nothing and reaches no target."""
        local = Identity("local", local_issuer("gw"), "ops", frozenset(), NOW + 900)
        self.rules.grants = (replace(READ, who=Who(subjects=frozenset({"ops"})), may=frozenset({"view"})),)
        self.assertEqual(admin_access(self.rules, local, NOW), AdminAccess(local, OPS.may, False))
        self.refusal(who=local)
        self.rules.settings = Settings(name="gw", local=(LocalIssuer("other", frozenset({"kill"})),))
        self.assertEqual(admin_access(self.rules, local, NOW).rights, frozenset())

    def test_admin_is_not_a_target(self) -> None:
        """A login without a wanted target is no access to one."""
        with self.assertRaises(NotImplementedError):
            self.realm.requestAvatar(ALICE, None, IAccess)


class ThroughThePortal(RealmCase):
    def login(self, token: bytes, mind: Wanted | None, interface: Any, world: World) -> Any:
        portal = Portal(self.realm, [world.checker])
        return portal.login(BearerToken(Secret(token), "192.0.2.1"), mind, interface)

    def test_one_pair_for_all(self) -> None:
        """One checker and one realm serve a protocol and the admin interface."""
        world = World(local=LocalTokens("gw", KEY, (OPS,)))
        wanted = Wanted("postgresql", "pay", "reader")
        token = world.mint(groups=["agents"]).encode()
        _, granted, _ = self.successResultOf(self.login(token, wanted, IAccess, world))
        self.assertEqual(granted.identity.subject, "alice")
        local = LocalTokens("gw", KEY, (OPS,)).mint("ops", NOW, os.urandom).reveal()
        _, admin, _ = self.successResultOf(self.login(local, None, IAdminAccess, world))
        self.assertEqual(admin.rights, OPS.may)
        self.failureResultOf(self.login(local, wanted, IAccess, world), LoginRefused)
        self.failureResultOf(self.login(world.mint().encode(), wanted, IAccess, world), LoginRefused)
