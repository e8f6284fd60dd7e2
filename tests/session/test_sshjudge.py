"""What one SSH session may do: its grant, its target, the rules."""

from __future__ import annotations

import os
from dataclasses import replace

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from hoopgw.auth.access import Access
from hoopgw.model.bounds import Bounds
from hoopgw.model.grant import Grant, Who
from hoopgw.model.identity import Identity
from hoopgw.model.operation import TERMINAL, Operation
from hoopgw.model.target import Address, Role, Selector, Target, TlsMode
from hoopgw.model.verdict import ALLOW, HoldTerms
from hoopgw.policy.guardrails import Action
from hoopgw.policy.mask_table import MaskRule
from hoopgw.policy.policyset import Selection
from hoopgw.policy.sql import Unreadable
from hoopgw.policy.ssh_forwards import FEATURES
from hoopgw.policy.ssh_rules import SshConditions, SshRule
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.session import parser_process, sshjudge
from hoopgw.session.interfaces import IJudge
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.sshjudge import SshJudge

ROLE = Role("deploy", "www")
TARGET = Target(
    "web1", "ssh", (Address("127.0.0.1", 22),), TlsMode.DISABLE, {"deploy": ROLE}, environment=("LANG", "LC_*")
)
GRANT = Grant("g", Who(anyone=True), features=frozenset(("local-forward",)))
ACCESS = Access(Identity("corp", "https://idp", "ann", frozenset(), 9e9), TARGET, ROLE, "", GRANT, 9e9)
HOLD = SshRule(
    "held", SshConditions(frozenset(("exec", "env", "forward"))), Action(hold=HoldTerms("", "", frozenset(("ops",))))
)


SFTP = Bounds(b"internal-sftp", frozenset())


def judged(operation: Operation, *rules: SshRule, grant: Grant = GRANT) -> list[str]:
    """The names of the rules that refuse."""
    judge = SshJudge(Selection(rules, (), ""), replace(ACCESS, grant=grant), None, None)
    return [refusal.guardrail for refusal in judge.judge(operation).refusals]


def bound(bounds: Bounds, kind: str, text: bytes = b"", name: bytes = b"") -> list[str]:
    """As `judged`, of somebody whose certificate says so, and whose grant has every feature."""
    grant = replace(GRANT, features=frozenset(FEATURES))
    access = replace(ACCESS, grant=grant, identity=replace(ACCESS.identity, bounds=bounds))
    judge = SshJudge(Selection((), (), ""), access, None, None)
    return [refusal.guardrail for refusal in judge.judge(Operation("ssh", kind, text, name)).refusals]


class Approvals(SynchronousTestCase):
    def test_terminal(self) -> None:
        """An approval of a command is none of the same command on a terminal, where a person may tell it more."""
        judge = SshJudge(Selection((), (), ""), ACCESS, None, None)
        bound = [judge.binding(Operation("ssh", "exec", b"less x", name)) for name in (b"", TERMINAL)]
        self.assertEqual(len(set(bound)), 2)

    def test_kinds(self) -> None:
        """What is called alike is not the same: `exec sftp` starts a client, an empty command is no subsystem."""
        judge = SshJudge(Selection((), (), ""), ACCESS, None, None)
        bound = [judge.binding(Operation("ssh", kind, b"sftp")) for kind in ("exec", "subsystem", "shell")]
        self.assertEqual(len(set(bound)), 3)


class Masking(SynchronousTestCase):
    RULE = MaskRule("cards", "ssh", Selector(), None, (), ("payment-card",), (), "none")

    def judge(self) -> SshJudge:
        return SshJudge(Selection((), (self.RULE,), ""), ACCESS, MaskBuilder(b"k"), None)

    def test_output(self) -> None:
        """What starts something is masked, and nothing else of the channel."""
        for kind, masked in (("exec", True), ("shell", True), ("subsystem", True), ("pty", False), ("file", False)):
            verdict = self.judge().judge(Operation("ssh", kind, b"list /", b"list"))
            self.assertEqual((verdict.masks is not None, verdict.refusals), (masked, ()), kind)
            if verdict.masks is not None:
                self.assertEqual(verdict.masks.stream().feed(b"4000001234567899\n"), b"*" * 16 + b"\n")

    def test_files(self) -> None:
        """What would be read over SFTP cannot be masked, and so is refused; writing, listing and removing are not."""
        for action, wanted in (("read", ["mask:cards"]), ("read-write", ["mask:cards"]), ("write", []), ("remove", [])):
            verdict = self.judge().judge(Operation("ssh", "file", b"x /f", action.encode()))
            self.assertEqual([refusal.guardrail for refusal in verdict.refusals], wanted, action)


class Seeing(SynchronousTestCase):
    def seen(self, text: bytes, *rules: SshRule) -> list[tuple[str, bool]]:
        judge = SshJudge(Selection(rules, (), ""), ACCESS, None, None)
        return [(each.guardrail, each.ends) for each in judge.sightings(Operation("ssh", "typed", text))]

    def test_lines(self) -> None:
        """Rules on typed lines see what a rule on commands would refuse; in doubt they warn and end nothing; rules on
        what is asked for see no line, and those on lines refuse nothing."""
        root = SshRule("root", SshConditions(frozenset(("typed",)), programs=("su", "sudo")), Action(end=True))
        every = SshRule("every", SshConditions(programs=("su",)), Action(refuse=True))
        for text, wanted in (
            (b"ls", []),
            (b"cd / && sudo -i", [("root", True)]),
            (b"$X", [("root", False)]),
            (b"echo su", []),
        ):
            self.assertEqual(self.seen(text, root, every), wanted, text)
        self.assertEqual(judged(Operation("ssh", "exec", b"sudo -i"), root), [])


class Judging(SynchronousTestCase):
    def test_interface(self) -> None:
        verifyObject(IJudge, SshJudge(Selection((), (), ""), ACCESS, None, None))

    def test_forwards(self) -> None:
        """must-survive 41: refused unless the grant names it; what nobody knows is refused whatever it names."""
        everything = replace(GRANT, features=frozenset(("local-forward", "agent", "x11", "tun", "remote-forward")))
        for name, grant, wanted in (
            (b"direct-tcpip", GRANT, []),
            (b"tcpip-forward", GRANT, ["ssh:forward"]),
            (b"auth-agent-req@openssh.com", GRANT, ["ssh:forward"]),
            (b"something@example.com", everything, ["ssh:forward"]),
        ):
            self.assertEqual(judged(Operation("ssh", "forward", b"", name), grant=grant), wanted, name)

    def test_features_in_use(self) -> None:
        """Those by which something was let through, also behind a reload; what was refused uses none."""
        judge = SshJudge(Selection((), (), ""), ACCESS, None, None)
        for name in (b"direct-tcpip", b"tcpip-forward"):
            judge.judge(Operation("ssh", "forward", b"", name))
        self.assertEqual(judge.used, {"local-forward"})
        self.assertEqual(judge.successor(Selection((), (), ""), ACCESS).used, {"local-forward"})

    def test_environment(self) -> None:
        """Only the variables that the target's configuration names."""
        for name, wanted in ((b"LANG", []), (b"LC_ALL", []), (b"LD_PRELOAD", ["ssh:environment"])):
            self.assertEqual(judged(Operation("ssh", "env", name + b"=x", name)), wanted)

    def test_texts_that_are_cut_short(self) -> None:
        """Behind a NUL some servers read nothing, and OpenSSH's ends the connection with all its channels."""
        for kind, text, name in (
            ("exec", b"uptime\0; x", b""),
            ("subsystem", b"x\0", b""),
            ("env", b"LANG=a\0", b"LANG"),
        ):
            self.assertEqual(judged(Operation("ssh", kind, text, name)), ["ssh:text"], text)

    def test_servers_of_sftp(self) -> None:
        """One that is started alone is decoded (relay/ssh_starts); one among other things is refused."""
        for text in (b"sftp-server", b"sudo -n /usr/lib/openssh/sftp-server", b"pgrep sftp-server", b"sftp -b x host",
                     b"vim /var/log/sftp-server.log", b"$X sftp-server_config"):  # fmt: skip
            self.assertEqual(judged(Operation("ssh", "exec", text)), [], text)
        for text in (
            b"cd /srv; sftp-server",
            b"'/usr/lib/openssh/sftp-server'",
            b"nice sftp-server 2>/dev/null",
            b"sh -c 'sudo SFTP-Server'",
            b"tee x | /usr/libexec/sftp-server",
            # What starts it is not read, or not known
            b"nsenter -t 1 -m sftp-server",
            b"script -qc 'exec sftp-server' /dev/null",
            b'strace sftp"-"server',
            b"python3 -c 'import os; os.system(\"sftp-server\")'",
            b"sftp-serve[r] $X; $Y internal-sftp",
            b"frob --run /usr/lib/sftp-server",
            # Texts that are not read, or not whole
            b": " + b"a" * 70_000 + b"; sftp-server",
            b"true;" * 1100 + b"sftp-server",
            b"cd /srv/\xfc; sftp-server",
            b"sftp-server #\x01",
            b"true )\nsftp-server",
            b"$A; sudo -x; env -x; sh -c $D; nice -x; time -x; eval $E; . x; python3 -c x; sh -c $'sftp-server #\\1'",
        ):
            self.assertEqual(judged(Operation("ssh", "exec", text)), ["ssh:sftp-server"], text)

    def test_bounds(self) -> None:
        """must-survive 28: what a certificate does not permit is refused, whatever the grant says."""
        forced, nothing = Bounds(b"uptime", frozenset(("permit-pty",))), Bounds()
        permits = ("pty", "port-forwarding", "agent-forwarding", "X11-forwarding")
        everything = Bounds(None, frozenset(f"permit-{what}" for what in permits))
        agent = Bounds(None, frozenset(("permit-agent-forwarding",)))
        server = Bounds(b"/usr/lib/openssh/sftp-server -R")
        for bounds, kind, text, name, refused in (
            (forced, "exec", b"uptime", b"", False),
            (forced, "exec", b"uptime ", b"", True),
            (forced, "shell", b"", b"", True),
            (forced, "subsystem", b"sftp", b"", True),
            (forced, "pty", b"xterm", b"", False),
            (forced, "forward", b"", b"direct-tcpip", True),
            (SFTP, "subsystem", b"sftp", b"", False),
            (SFTP, "subsystem", b"netconf", b"", True),
            (SFTP, "file", b"read x", b"read", False),
            (SFTP, "exec", b"internal-sftp", b"", True),
            (server, "exec", server.command, b"", False),
            (server, "file", b"read x", b"read", False),
            (server, "subsystem", b"sftp", b"", True),
            (forced, "file", b"read x", b"read", True),
            (nothing, "exec", b"id", b"", False),
            (nothing, "shell", b"", b"", False),
            (nothing, "pty", b"xterm", b"", True),
            (everything, "pty", b"xterm", b"", False),
            (agent, "forward", b"", b"auth-agent-req@openssh.com", False),
            (agent, "forward", b"", b"x11-req", True),
            (agent, "forward", b"", b"tun@openssh.com", True),
            *((nothing, "forward", b"", name, True) for names in FEATURES.values() for name in names),
            *((everything, "forward", b"", name, False) for names in FEATURES.values() for name in names),
        ):
            self.assertEqual(bound(bounds, kind, text, name), ["ssh:certificate"] * refused, (bounds, kind, text, name))

    def test_unknown(self) -> None:
        """A kind of operation that SSH has not, or another protocol's, is refused."""
        for operation in (Operation("ssh", "query", b"x"), Operation("postgresql", "exec", b"x")):
            self.assertEqual(judged(operation), ["ssh:unknown"])

    def test_what_waits(self) -> None:
        """A hold on what cannot wait is a refusal; on a command it is a hold."""
        judge = SshJudge(Selection((HOLD,), (), ""), ACCESS, None, None)
        self.assertEqual(len(judge.judge(Operation("ssh", "exec", b"x")).holds), 1)
        for kind, name in (("env", b"LANG"), ("forward", b"direct-tcpip")):
            verdict = judge.judge(Operation("ssh", kind, b"x", name))
            self.assertEqual(([each.guardrail for each in verdict.refusals], verdict.holds), (["held"], ()))


HOSTILE = (b"a|" * 32_000, b"x=(" * 20_000, b"eval " * 90, b"<<a\n" * 16_000)  # each held the reactor: up to 0.4 s
NO_SU = SshRule("no-su", SshConditions(programs=("su",)), Action(refuse=True))
LONG = b"cat > /tmp/f <<'END'\n" + b"a line of a file\n" * 100 + b"END\n"


def _dies(text: bytes, terminal: bool) -> None:
    os._exit(1)


class Elsewhere(TestCase):
    """What takes long to read is read by another process, and nobody else waits."""

    def setUp(self) -> None:
        self.patch(parser_process, "DEADLINE", 100.0)  # a slow machine is no hostile text
        self.patch(parser_process, "PATIENCE", 100.0)
        self.parser = ParserProcess(reactor)
        self.addCleanup(self.parser.stop)

    def judge(self, *rules: SshRule) -> SshJudge:
        return SshJudge(Selection(rules, (), ""), ACCESS, None, self.parser)

    async def refused(self, text: bytes, *rules: SshRule) -> list[str]:
        judged = self.judge(*rules).judge(Operation("ssh", "exec", text))
        self.assertIsInstance(judged, Deferred, text[:20])
        return [refusal.guardrail for refusal in (await judged).refusals]

    async def test_hostile(self) -> None:
        """Each is refused by a rule on programs; meanwhile another session's commands are judged at once."""
        for text in HOSTILE:
            waits = Deferred.fromCoroutine(self.refused(text, NO_SU))
            other = self.judge(NO_SU).judge(Operation("ssh", "exec", b"uptime"))
            self.assertFalse(waits.called)
            self.assertEqual(other, ALLOW)
            self.assertEqual(await waits, ["no-su"], text[:20])

    async def test_known(self) -> None:
        """What it finds is what a rule sees, and is known the next time."""
        for text, wanted in ((LONG + b"su bob", ["no-su"]), (LONG + b"ls", [])):
            self.assertEqual(await self.refused(text, NO_SU), wanted)
            again = self.judge(NO_SU).judge(Operation("ssh", "exec", text))
            self.assertEqual([refusal.guardrail for refusal in again.refusals], wanted)

    async def test_death(self) -> None:
        """A child that dies over a text leaves that in doubt: refused where a rule reads it, and the next is read."""
        dies = self.parser.run(ACCESS.identity.key, os._exit, 1)
        waits = Deferred.fromCoroutine(self.refused(LONG + b"id"))
        with self.assertRaises(Unreadable):
            await dies
        self.assertEqual(await waits, [])
        self.patch(sshjudge, "facts_of_text", _dies)
        self.assertEqual(await self.refused(LONG + b"w", NO_SU), ["no-su"])
        self.assertEqual(await self.refused(LONG + b"w"), [])

    def test_lines_that_were_typed(self) -> None:
        """They are seen after the fact, and a long one is in doubt: no session ends for it."""
        rule = SshRule("root", SshConditions(frozenset(("typed",)), programs=("su",)), Action(end=True))
        seen = self.judge(rule).sightings(Operation("ssh", "typed", b"eval " * 90 + b"ls"))
        self.assertEqual([(each.guardrail, each.ends) for each in seen], [("root", False)])
