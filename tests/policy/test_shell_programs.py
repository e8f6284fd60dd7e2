"""The lists of programs: by any of their names, and those that people have."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.shell import facts_of_text
from hoopgw.policy.shell_programs import names

# With a terminal, input or words each of them starts what it is told
STARTERS = (
    "nsenter -t 1 rm", "systemd-run rm", "systemd-inhibit rm", "parallel rm ::: x", "sem rm", "script -qc rm",
    "docker exec x rm", "kubectl exec p -- rm", "oc exec p -- rm", "k3s kubectl exec p -- rm", "lxc-attach -n x rm",
    "busybox sh -c rm", "busybox.static xargs rm", "setpriv --reuid 1 rm", "run0 rm", "dzdo rm", "pfexec rm",
    "unshare -r rm", "gdb -ex '!rm'", "lldb -o 'shell rm'", "gdbserver :1 rm", "at now", "crontab -", "gpg-agent rm",
    "vim.basic f", "vim.tiny f", "nvim f", "emacs-nox f", "gxargs rm", "gfind . -exec rm ;", "gtimeout 5 rm", "genv rm",
    "nc.traditional -e rm h 1", "mawk 'BEGIN{system(\"rm\")}'", "original-awk 'BEGIN{system(\"rm\")}'", "gsed 1erm f",
    "perl5.36 -e x", "guile-3.0 -c x", "php8.2 -r x", "jshell", "iex", "raku -e x", "elixir -e x", "jrunscript -e x",
    "sudo.ws rm", "bash5 -c rm", "bash-5.2 -c rm", "zsh-5.9 -c rm", "python3.11 -c x", "mksh-static -c rm",
    "git archive --remote=ext::rm", "git web--browse x", "rsync -M--rsync-path=rm a b:", "conda run rm", "uv run rm",
    "systemctl enable /tmp/x.service", "rename 's/x/`rm`/e' *", "prename x y", "arch -x86_64 rm", "hyperfine rm",
    "watchexec rm", "asciinema rec -c rm", "proxychains4 rm", "qemu-x86_64 /bin/rm", "/lib/ld-musl-x86_64.so.1 /bin/rm",
    "ld.so /bin/rm", "coreutils --coreutils-prog=rm", "pipx run x", "socket -p rm 1", "gosu bob rm", "byobu", "cpan",
    "cmd.exe /c rm", "bfs . -exec rm ;",
)  # fmt: skip
HARMLESS = (
    "script.sh", "./watch.sh", "/opt/find.py", "at.conf", "arch", "gcat f", "gls -l", "ls2", "sshd -t", "conda list",
    "systemctl status nginx.service", "supervisorctl status", "git archive --remote=origin HEAD", "gem list",
    "npm install xml2js executor", "uv sync runner",
)  # fmt: skip


class Programs(SynchronousTestCase):
    def test_starters(self) -> None:
        """None of them is taken for harmless, by whatever name it goes."""
        for text in STARTERS:
            found = facts_of_text(text.encode(), False)[0]
            self.assertTrue(found.unknown or "rm" in {each.program for each in found.commands}, text)

    def test_harmless(self) -> None:
        """Names that look like theirs are others."""
        for text in HARMLESS:
            self.assertEqual(facts_of_text(text.encode(), False)[0].unknown, (), text)

    def test_names(self) -> None:
        """Versions, variants and the G of GNU are left aside."""
        self.assertEqual(names("vim.basic"), ("vim.basic", "vim"))
        self.assertEqual(names("perl5.36-x86_64-linux-gnu"), ("perl5.36-x86_64-linux-gnu", "perl"))
        self.assertEqual(names("gxargs"), ("gxargs", "gxargs", "xargs"))
        self.assertEqual(names("bash.exe")[1], "bash")
        for whole in ("script.sh", "./x", "[", ""):
            self.assertNotIn("script", names(whole), whole)
