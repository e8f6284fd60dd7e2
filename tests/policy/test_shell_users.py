"""Options of what starts programs as others: their values are no commands, and their commands no values."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.shell import ShellFacts, facts_of_text

FOUND = (
    "sudo --preserve-env rm x",
    "sudo --preserve-env=A,B rm x",
    "su -s /bin/rm -c ls",
    "su bob -c ls --shell=/bin/rm",
    "su bob --shell rm -c ls",
    "su -c ls -crm",
    "su -c ls -lcrm bob",
    "su -c ls --session-command=rm",
    "su bob -- -c ls",  # words of its shell
    "su -w -c -c rm bob",
    "su -g -c -c rm bob",
    "su -c ls --comm=rm",
    "runuser -u bob -- rm -c ls",
    "runuser -u bob rm -c ls",
    "runuser -ubob rm",
    "runuser bob -s /bin/rm -c ls",
    "runuser -c ls bob -u bob rm",
    "runuser --user=bob rm",
    "chroot /srv",
    "chroot --userspec=a:b /srv",
    "chroot / rm",
    "ssh host -t rm",
    "ssh host -p 22 rm",
    "ssh -l a host -tt -- rm",
    "ssh host -Z rm",
    "exec -a rm busybox x",
    "exec -cla rm busybox x",
    "exec -arm busybox x",
    "xargs --replace rm ls",
    "xargs --max-lines rm ls",
    "watch -x rm '#'",
    "watch --exec sudo -p '#' rm",
)
KNOWN = {
    "sudo -l": {"sudo"},
    "sudo -n -v": {"sudo"},
    "su - bob -c 'ls x'": {"su", "ls"},
    "su -l bob --command=ls": {"su", "ls"},
    "su -s /bin/sh bob -c ls": {"su", "sh", "ls"},
    "su -lc ls bob": {"su", "ls"},
    "runuser -u bob -g x ls": {"runuser", "ls"},
    "runuser -l bob -c ls": {"runuser", "ls"},
    "ssh -t host -p 22 ls x": {"ssh", "ls"},
    "xargs --replace=% ls %": {"xargs", "ls"},
    "arch": {"arch"},
}


def facts(text: str) -> ShellFacts:
    return facts_of_text(text.encode(), False)[0]


class Users(SynchronousTestCase):
    def test_nothing_hides_behind_options(self) -> None:
        """Each of these started `rm`, or a shell, unseen: the word was taken for an option's, or an option's for it."""
        for text in FOUND:
            found = facts(text)
            self.assertTrue(found.unknown or "rm" in {each.program for each in found.commands}, text)

    def test_what_is_written_every_day(self) -> None:
        """Nothing is in doubt there."""
        for text, programs in KNOWN.items():
            found = facts(text)
            self.assertEqual((found.unknown, {each.program for each in found.commands}), ((), programs), text)

    def test_a_shell_by_its_place(self) -> None:
        """The shell that `su` is given is a program with its directory."""
        self.assertIn("/tmp", {each.place for each in facts("su -s /tmp/sh bob -c ls").commands})
