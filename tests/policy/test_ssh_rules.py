"""Rules on SSH operations, by their exact text."""

from __future__ import annotations

import re2
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.operation import Operation
from hoopgw.model.target import Mode
from hoopgw.policy.guardrails import Action
from hoopgw.policy.shell import facts_of
from hoopgw.policy.ssh_forwards import FEATURES, feature
from hoopgw.policy.ssh_rules import SshConditions, SshRule
from hoopgw.relay import ssh_forwards

REFUSE = Action(refuse=True)


def refused(conditions: SshConditions, kind: str, text: bytes = b"", action: Action = REFUSE) -> str:
    """The reason, or ""."""
    operation = Operation("ssh", kind, text)
    verdict = SshRule("rule", conditions, action).judge(operation, facts_of(operation))
    return verdict.refusals[0].reason if verdict.refusals else ""


class FilesOfBoth(SynchronousTestCase):
    def test_both(self) -> None:
        """An open for reading and writing is what a rule about either is about; the unknown may be all."""
        for action in ("read", "write"):
            rule = SshConditions(files=frozenset((action,)), paths=("/etc/*",))
            self.assertTrue(refused(rule, "file", b"read-write /etc/shadow"))
            self.assertFalse(refused(rule, "file", b"read-write /srv/x"))
            self.assertIn("not known", refused(rule, "file", b"unknown"))


class Paths(SynchronousTestCase):
    RULE = SshConditions(
        files=frozenset(("read", "write", "link", "rename")), paths=("/etc/*", "/srv/*/keys/*", "*.key")
    )

    def test_where_it_may_be(self) -> None:
        """Links that every host has lead out of a path's text: nobody knows where `..` behind one is."""
        for path in ("/etc/shadow", "/x/../a.key", "/var/run/../etc/shadow", "/proc/self/root/etc/shadow", "etc/shadow",
                     "/proc/1/root/etc/shadow", "/proc/self/task/7/cwd/x", "/dev/fd/3", "/x/.."):  # fmt: skip
            self.assertTrue(refused(self.RULE, "file", f"read {path}".encode()), path)
        for path in ("/home/a/x", "/home/a/..x", "/proc/meminfo", "/proc/1/status"):
            self.assertEqual(refused(self.RULE, "file", f"read {path}".encode()), "", path)

    def test_letters(self) -> None:
        """Cases, `/` and `\\`, an accent and a letter that has it: some hosts make no difference."""
        for path in ("/ETC/Shadow", "/home/a/X.KEY", "/sRv/b/Keys/c", r"/srv\b\keys\c", r"/srv/x\..\y"):
            self.assertTrue(refused(self.RULE, "file", f"read '{path}'".encode()), path)
        accents = SshConditions(files=frozenset(("read",)), paths=("/srv/caf\xe9/*",))
        self.assertTrue(refused(accents, "file", "read /srv/cafe\u0301/x".encode()))
        self.assertFalse(refused(accents, "file", b"read /srv/cafe/x"))

    def test_directories_above(self) -> None:
        """A link to a directory, or its new name, is another way to all that is in it."""
        for path in ("/etc", "/", "/srv", "/srv/app/keys", "/srv/app", "/srv/a/b", "t"):
            for text in (f"link {path} /home/a/l", f"rename {path} /home/a/l"):
                self.assertTrue(refused(self.RULE, "file", text.encode()), text)
        for text in ("link /home/a/t /home/a/l", "rename /opt/x /opt/y", "write /srv", "read /"):
            self.assertEqual(refused(self.RULE, "file", text.encode()), "", text)


class Rules(SynchronousTestCase):
    def test_scp(self) -> None:
        """`scp -O` names files by a command: it is about them as SFTP is, and about all that a directory may hold."""
        etc = SshConditions(files=frozenset(("write",)), paths=("/etc/*",))
        for text in (
            "scp -t /etc/passwd", "scp -v -r -d -t -- /etc", "sudo /usr/bin/scp -tr /etc/ssh", "scp -t /",
            "scp -qt etc", "scp -l 9 -t /ETC/x", "cd /; SCP -t ./x", 'scp -t "$X"', 'scp "$X" y', "scp -t /srv/*",
            "scp /etc/x -t", "sh -c 'scp -pt /etc/x'", "scp -t /srv/../etc/x", "scp -lt -t /etc/x",
        ):  # fmt: skip
            self.assertTrue(refused(etc, "exec", text.encode()), text)
        for text in ("scp -f /etc/passwd", "scp -t /srv/x", "scp -r -t /srv/app", "scp /etc/x host:", "scp -lt /etc/x"):
            self.assertFalse(refused(etc, "exec", text.encode()), text)
        read = SshConditions(files=frozenset(("read",)), paths=("/etc/*", "*.key"))
        for text in ("scp -f /etc/passwd", "scp -r -f /srv", "scp -f /srv/a.key", "scp -f '/srv/'*"):
            self.assertTrue(refused(read, "exec", text.encode()), text)
        for text in ("scp -f /srv/a", "scp -t /etc/x"):
            self.assertFalse(refused(read, "exec", text.encode()), text)
        named = SshConditions(operations=frozenset(("exec",)), files=frozenset(("read",)))
        self.assertFalse(refused(named, "exec", b"scp -f /srv/a"))
        self.assertIn("scp", refused(etc, "exec", b"scp -t /etc"))

    def test_exact(self) -> None:
        """`command` is the whole line, and nothing that begins like it."""
        rule = SshConditions(commands=frozenset((b"reboot",)))
        self.assertEqual(refused(rule, "exec", b"reboot"), "exec reboot")
        for other in (b"reboot ", b"reboot; id", b"Reboot"):
            self.assertEqual(refused(rule, "exec", other), "", other)

    def test_only(self) -> None:
        """`command_not` refuses every other line, however it is made to look."""
        rule = SshConditions(commands_not=frozenset((b"uptime", b"df -h")))
        for good in (b"uptime", b"df -h"):
            self.assertEqual(refused(rule, "exec", good), "")
        for bad in (b"uptime;id", b"uptime\n", b"df  -h", b"", b"\\uptime", b"$(uptime)"):
            self.assertTrue(refused(rule, "exec", bad), bad)

    def test_pattern(self) -> None:
        """`regex` searches the text as it is."""
        rule = SshConditions(pattern=re2.compile(rb"\brm\s+-rf\b"))
        self.assertTrue(refused(rule, "exec", b"cd / && rm  -rf srv"))
        self.assertFalse(refused(rule, "exec", b"ls -rf"))

    def test_programs(self) -> None:
        """`program` finds it wherever it stands, and refuses where it cannot be known."""
        rule = SshConditions(programs=("rm", "mkfs*"))
        for bad in (b"rm x", b"ls; sudo /bin/rm x", b"find . -exec rm {} +", b"sh -c 'mkfs.ext4 x'"):
            self.assertTrue(refused(rule, "exec", bad).startswith("exec "), bad)
        for good in (b"ls rm", b"echo 'rm x'", b"rmdir x"):
            self.assertEqual(refused(rule, "exec", good), "", good)
        self.assertIn("the name of a program is computed", refused(rule, "exec", b"$X x"))
        for bad in (b"RM x", b"/bin/Rm x"):  # one file, to the file systems of some hosts
            self.assertTrue(refused(rule, "exec", bad), bad)
        for bad in (b"frob -- rm x", b"./deploy.sh 'cd /; rm x'", b"/opt/x --run=/sbin/mkfs.ext4"):
            self.assertIn("starts is not known", refused(rule, "exec", bad), bad)
        self.assertIn("what sh reads is not known", refused(rule, "exec", b"echo rm | sh"))
        self.assertIn("reads from its input", refused(rule, "shell"))

    def test_only_programs(self) -> None:
        """`program_not` refuses every text that starts another one."""
        rule = SshConditions(programs_not=("uptime", "df", "grep"))
        for good in (b"uptime", b"df -h | grep /srv", b"/usr/bin/uptime"):
            self.assertEqual(refused(rule, "exec", good), "", good)
        for bad in (b"uptime; id", b"df $(id)", b"$X", b"uptime > >(id)", b"sh -c uptime"):
            self.assertTrue(refused(rule, "exec", bad), bad)

    def test_only_programs_of_the_system(self) -> None:
        """A file that somebody put somewhere under the name of a program that may run is not that program."""
        rule = SshConditions(programs_not=("uptime", "/opt/tool/bin/*"))
        for good in (b"uptime", b"/usr/bin/uptime", b"/opt/tool/bin/look"):
            self.assertEqual(refused(rule, "exec", good), "", good)
        for bad in (b"/tmp/uptime", b"./uptime", b"bin/uptime", b"/uptime", b"~/uptime", b"/usr/bin/../../tmp/uptime"):
            self.assertTrue(refused(rule, "exec", bad), bad)
        rule = SshConditions(programs=("rm", "/opt/*"))
        for bad in (b"/tmp/rm", b"./rm", b"/opt/x"):
            self.assertTrue(refused(rule, "exec", bad).startswith("exec "), bad)

    def test_arguments(self) -> None:
        """`argument` looks at the words of the program itself."""
        rule = SshConditions(programs=("rm",), arguments=("-*r*", "--recursive"))
        for bad in (b"rm -rf x", b"sudo rm x '-r'", b"rm --recursive x"):
            self.assertTrue(refused(rule, "exec", bad).startswith("exec "), bad)
        for good in (b"rm x", b"ls -r; rm x", b"$X; rm"[4:]):
            self.assertEqual(refused(rule, "exec", good), "", good)
        self.assertIn("an argument is computed", refused(rule, "exec", b'rm "$X"'))

    def test_shell_is_doubt(self) -> None:
        """What a shell will read is not known: a rule about commands refuses it, and an empty command as well; one that
        names `exec` alone, or asks for a recording mode only, does not."""
        for rule in (SshConditions(commands=frozenset((b"x",))), SshConditions(pattern=re2.compile(b"x"))):
            for kind, text in (("shell", b""), ("exec", b" ")):
                self.assertIn("it cannot be known whether this is what rule is about", refused(rule, kind, text))
                self.assertEqual(refused(rule, kind, text, Action(mode=Mode.DURABLE)), "")
        only = SshConditions(frozenset(("exec",)), frozenset((b"x",)))
        self.assertEqual(refused(only, "shell"), "")

    def test_operations(self) -> None:
        """A rule without a condition on the text is about all operations that it names."""
        rule = SshConditions(frozenset(("shell", "pty", "subsystem")))
        for kind in ("shell", "pty", "subsystem"):
            self.assertTrue(refused(rule, kind))
        for kind in ("exec", "env", "forward"):
            self.assertFalse(refused(rule, kind))

    def test_texts_are_of_commands(self) -> None:
        """A rule on commands says nothing about a subsystem, variable or forward unless it names them."""
        rule = SshConditions(pattern=re2.compile(b"sftp"))
        self.assertFalse(refused(rule, "subsystem", b"sftp"))
        self.assertTrue(refused(SshConditions(frozenset(("subsystem",)), pattern=rule.pattern), "subsystem", b"sftp"))


class Forwards(SynchronousTestCase):
    def test_each_has_one_word(self) -> None:
        """must-survive 41: every forward that the relay asks about needs one feature; what is unknown needs none, and
        gets none."""
        known = ssh_forwards.CHANNELS | ssh_forwards.TARGET_CHANNELS | ssh_forwards.REQUESTS | ssh_forwards.GLOBALS
        self.assertEqual(frozenset().union(*FEATURES.values()), known)
        self.assertEqual(sum(map(len, FEATURES.values())), len(known))
        self.assertEqual((feature(b"direct-tcpip"), feature(b"x@y")), ("local-forward", ""))
