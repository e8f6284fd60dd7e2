"""What a command line starts, held to what bash does with it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.operation import TERMINAL, Operation
from hoopgw.policy.shell import ShellFacts, facts_of

PROGRAMS = ("rm", "dd", "ls", "id", "mkfs")  # each writes its name into the log, and does nothing else
REAL = (
    "sh",
    "bash",
    "env",
    "xargs",
    "find",
    "nice",
    "nohup",
    "timeout",
    "stdbuf",
    "setsid",
    "cat",
    "sed",
    "awk",
    "tee",
)


READ_OTHERWISE = (
    "cat <<A\n`rm`\nA",
    "cat <<A\n${x:-`rm`}\nA",
    "cat <<-A\n\t$(rm)\nA",
    'echo `echo "\\`rm\\`"`',
    "echo `r\\\\m`",
    "cat <<A\n\t$(rm)\nA",
    "cat <<A\n  $(rm) $(rm)\nA",
    "cat <<A\n\t\\$(ls) $(rm)\nA",
    "! ! rm",
    "time ! rm",
    "time x=1 rm",
    "time -p x+=1 y[0]=2 rm",
    "time { rm; }",
    "time -p { rm; }",
    "time if rm; then :; fi",
    "time while rm; do break; done",
    "bash 3<<'A'\ntrue\nA",
    "bash <<'A' <script\ntrue\nA",
    "bash <<-'A'\n\tr\\\n\tm\n\tA",
    "bash 3<<< true",
    "coproc { rm; }",
    "coproc while rm; do break; done",
    "eval -- rm",
    "jobs -x rm",
    "env bin/r*",
    "timeout 5 bin/r[m]",
    "find . -exec bin/r? \\;",
    "mapfile -tC rm -c1 x",
    "read -aPS4 <<< '$(rm)'; set -x; ls",
    "y='a[$(rm)]'; read 'z[y]' <<< 1",
    "y='a[$(rm)]'; let 1+y",
    "y='a[$(rm)]'; unset 'z[y]'",
    "declare 'x[$(rm)]=1'",
    "declare -a x='(1 $(rm))'",
    "command declare -n r='a[$(rm)]'; echo $r",
    "'export' PS4='$(rm)'; set -x; ls",
    "y='a[$(rm)]'; z=([y]=1)",
    "y='a[$(rm)]'; echo ${PATH:0:y}",
    "y='a[$(rm)]'; echo ${PATH: -y}",
    "y='a[$(rm)]'; echo ${@:y}",
    "y='a[$(rm)]'; echo ${PATH:0:$y}",
    "xargs -rIQ sh -c Q <<< rm",
    "xargs --replace=Q env Q <<< rm",
    "find . -exec env -u + rm \\;",
    "find . -name -exec -o -exec rm \\;",
    "env x/y=1 rm",
    "echo $'\\'; rm #'",
    "[[ a || rm ]]",
    "[[ a | rm ]]",
    "echo a &>/dev/null rm",
    "echo a &>x env rm",
    'echo "${x:-\'}"; rm "\'}"',
    "env >x rm y",
    "env 2>&1 rm",
    "env </dev/null -i A=1 rm",
    "env 2>&- rm",
    "env >x >y rm",
    "env <<A rm\nA",
    "find . 2>&1 -exec rm {} ;",
    "true && exec >x rm",
    "r`:`m x",
    "r`true`m",
    "env r`:`m",
    "echo ${x:-`rm`}",
    'echo "${x:-`rm`}"',
    "echo ${x#$(rm)}",
    "echo ${x##*$(rm)}",
    "echo ${x/$(rm)/b}",
    "echo ${x/`rm`/b}",
    "echo ${x^^$(rm)}",
    "echo ${x#<(rm)}",
    "echo ${x#${y:-`rm`}}",
    "[[ a =~ `rm` ]]",
    "case x in @(`rm`)) ;; esac",
    "cat <<A\n${x#$(rm)}\nA",
    "set -k; ls PATH=bin",
    "exec {PATH}>x; ls",
    "ls {PATH}>x",
    "ls {x[$(rm)]}>x",
    "=rm x",
    "repeat 1 rm x",
    "noglob rm x",
    "- rm x",
    "not rm x",
)
# Where the name of a file that anybody can write becomes an option, an operator, or a text that is read
NAMES_OF_FILES = (
    "eval echo *",
    "test *",
    "[ * ]",
    "[ -f * ]",
    "awk *",
    "sed s,*,, f",
    "sed 1p *",
    "sed -n 1p *.txt",
    "timeout * ls",
    "timeout [0-9]* ls",
    "nice -n * ls",
    "sudo -u a* ls",
    "flock * ls",
    "python3 *",
    "python3 [-]c*",
    "watch ls *",
    "ssh host ls *",
    "su -c ls *",
    "find . -exec ls * ;",
    "bash -c *",
    "export *",
    "export P*",
    "read *",
    "printf * x",
    "trap * EXIT",
    "git grep x *",
    "curl *",
    "service * start",
)


# Programs that start others, by options cut short or bundled, files of the kernel, and the environment
STARTED_OTHERWISE = (
    "tar cf x --checkpoint=1 --checkpoint-act=exec=rm y",
    "tar cIf rm x y",
    "tar -cIrm -f x y",
    "tar -cf x --use-compress=rm y",
    "tar czf x *",
    "sort --compress-prog=rm x",
    "split --filt=rm x",
    "sed -l 1p '1e rm' x",
    "sed -e p -ue '1e rm' x",
    "awk -W exec x",
    "awk --exec x",
    "make --eva='x:;rm' x",
    "make -f- x <<< 'x:;rm'",
    "make x SHELL=rm",
    "MAKEFLAGS='--eval=x:;rm' make x",
    "python3 /dev/stdin <<< x",
    "perl ../dev/fd/0 <<< x",
    "perl5.36-x86_64-linux-gnu -e x",
    "setarch x86_64 rm",
    "linux64 rm",
    "ssh-agent rm",
    "choom -n 0 rm",
    "pkexec rm",
    "fish -c rm",
    "/lib64/ld-linux-x86-64.so.2 /bin/rm",
    "install -s --strip-prog=rm x y",
    "git config alias.x '!rm'; git x",
    "git grep -Orm x",
    "git difftool -x rm",
    "git ls-remote 'ext::rm'",
    "git submodule foreach rm",
    "HOME=. git status",
    "scp -qS rm a b:c",
    "sftp -qSrm b",
    "wget --use-askpass=rm http://x/",
    "dpkg --pre-invoke=rm -i x",
    "apt-get -o APT::Update::Pre-Invoke::=rm update",
    "psql -tAc '\\! rm'",
    "ssh -F x host ls",
    "ip netns exec x rm",
    "nc -e rm host 1",
    "env - rm",
    "env -i - rm",
    "env -- - A=1 rm",
    "fd --exec=rm .",
    "fd -xrm",
    "fdfind -Hx rm",
    "sshpass -p x rm",
    "tar -cf host:x --rmt-command=rm y",
    "tar -cf -oProxyCommand=rm:x y",
    "rsync --daemon --config=x",
    "rsync --server --daemon --config=x",
    "ip netns e x rm",
    "ip net ex x rm",
    "service ../../bin/rm",
    "systemctl edit x",
    "ssh-copy-id -o ProxyCommand=rm host",
    "openvt -- rm",
    "rpm --eval '%(rm)'",
    "mosh --server=rm host",
    "curl --engine ./x.so y",
    "RESTIC_PASSWORD_COMMAND=rm restic backup",
)
# They are told what to start by their input or by a person at a terminal
TOLD = (
    "echo '!rm' | ed f",
    "echo '!rm' | vim -es f",
    "vim f",
    "vim -u x f",
    "sqlite3 x '.shell rm'",
    "echo '\\! rm' | psql -h x",
    "psql -o '|rm' x",
    "echo '!rm' | sftp host",
    "echo '!rm' | ftp",
    "echo 'syscmd(rm)' | m4 -",
    "echo '!rm' | dc -",
    "nano f",
    "emacs --eval x",
)
PAGES = (
    "less f",
    "git log",
    "journalctl -u x",
    "journalctl -u --no-pager",
    "systemctl status x",
    "man ls",
    "cat f | less",
)


def facts(text: str) -> ShellFacts:
    return facts_of(Operation("ssh", "exec", text.encode("utf-8", "surrogateescape")))


def programs(text: str) -> set[str]:
    return {command.program for command in facts(text).commands}


class Known(SynchronousTestCase):
    """Commands that are found, and nothing is in doubt."""

    def known(self, text: str, *expected: str) -> None:
        found = facts(text)
        self.assertEqual(found.unknown, (), text)
        self.assertEqual({command.program for command in found.commands}, set(expected), text)

    def test_lists_and_pipelines(self) -> None:
        """Every command of them."""
        self.known("rm -rf /srv", "rm")
        self.known(
            "ls | sort -u && id || dd if=x; mkfs & uptime\nwho", "ls", "sort", "id", "dd", "mkfs", "uptime", "who"
        )
        self.known("! rm x", "rm")
        self.known("{ rm; }; ( dd )", "rm", "dd")
        self.known("if ls; then rm; elif id; then dd; else mkfs; fi", "ls", "rm", "id", "dd", "mkfs")
        self.known(
            "for i in a b; do rm a; done; while ls; do id; done; until dd; do :; done", "rm", "ls", "id", "dd", ":"
        )
        self.known("case x in x) rm;; *) dd;; esac", "rm", "dd")

    def test_substitutions(self) -> None:
        """Wherever they stand."""
        self.known('echo $(rm x) `dd` "$(ls; id)"', "echo", "rm", "dd", "ls", "id")
        self.known("cat <(rm) > >(dd)", "cat", "rm", "dd")
        self.known("echo ${x:-$(rm)}", "echo", "rm")
        self.known("x=$(rm)", "rm")
        self.known("cat <<END\n$(rm)\nEND\n", "cat", "rm")
        self.known("cat <<'END'\n$(rm)\nEND\n", "cat")

    def test_quotes(self) -> None:
        """A name is what the shell makes of it."""
        for text in (
            "'rm' x",
            '"rm" x',
            "r\\m x",
            "r''m x",
            'r"m" x',
            "$'\\x72m' x",
            "$'r\\155' x",
            "/bin/rm x",
            "FOO=1 rm x",
        ):
            self.known(text, "rm")

    def test_starters(self) -> None:
        """Behind what starts other programs."""
        for text in (
            "sudo rm x", "sudo -u bob -n rm x", "sudo --user=bob -- rm x", "sudo A=b rm", "env -i A=b rm x", "env rm",
            "nice -n 5 rm", "nice -10 rm", "nohup rm", "timeout -k 5 10 rm", "stdbuf -oL rm", "setsid -w rm",
            "time rm",
            "command rm", "builtin rm", "exec rm", "exec -a x rm", "sh -c 'rm x'", 'bash -ec "rm"',
            "bash -euo pipefail -c rm",
            "eval rm x", "eval 'rm x'", "xargs rm", "xargs -0 -n1 rm", "xargs -I{} rm {}",
            "find . -name x -exec rm {} ;",
            "find . -execdir rm {} +", "trap 'rm' EXIT", "sudo sh -c 'env nice rm'", "su -c rm", "su - bob -c 'rm x'",
            "flock /tmp/x rm", "flock /tmp/x -c 'rm'", "watch -n 5 rm", "ssh -p 22 host rm x", "slogin x rm",
            "bash <<< 'rm x'",
            "bash <<'X'\nrm\nX\n", "sh -s <<'X'\nrm\nX\n", "f() { rm; }; f", "busybox rm x",
            "ionice -c3 rm",
            "chroot /x rm", "doas -u bob rm",
        ):  # fmt: skip
            found = facts(text)
            self.assertEqual(found.unknown, (), text)
            self.assertIn("rm", {command.program for command in found.commands}, text)

    def test_words(self) -> None:
        """The words that the program gets; what is computed is not known."""
        (command,) = facts("rm -r 'a b' \"c\" $X d*e {f,g} \"h$Y\" $'i\\tj'").commands
        self.assertEqual(command.arguments, ("-r", "a b", "c", None, "d*e", None, None, "i\tj"))
        found = facts("ls | xargs -I% rm -f %")
        self.assertEqual(found.commands[2].arguments, ("-f", None, None))

    def test_ordinary(self) -> None:
        """What agents write every day is not in doubt."""
        for text in (
            "uptime", "df -h", "ps aux | grep nginx | head -n 5", "systemctl status nginx --no-pager",
            "cat /etc/os-release",
            "journalctl -u nginx --since '1 hour ago' | tail -n 100", "cd /srv && git pull && make install",
            "tail -f /var/log/syslog | grep --line-buffered error", "sed -n '1,20p' /etc/passwd",
            "sed -i 's/a/b/g' file", "awk '{print $1}' file", "find /var/log -name '*.log' -mtime +7",
            "docker-compose ps", "echo \"$HOME\" > /tmp/x 2>&1", "for f in *.txt; do wc -l \"$f\"; done",
            "python3 manage.py migrate",
            "tar czf x.tgz dir", "curl -fsS https://example.com/health | jq .status", "export FOO=bar; printenv FOO",
            "test -f /etc/passwd && echo yes", "printf '%s\\n' a b", "A=1 B=2 make test", "rsync -a a/ b/",
            "apt-get \\\n  install x",
        ):  # fmt: skip
            self.assertEqual(facts(text).unknown, (), text)


class Unknown(SynchronousTestCase):
    def test_unknown(self) -> None:
        """What cannot be known before it runs is said to be unknown."""
        for text in (
            "$X", "\"$X\" a", "$(echo rm)", "r$X", "r?", "/bin/r*", "{rm,-rf}", "${X}m", "~/rm", "X=rm; $X",
            "eval $X", "eval \"rm $X\"",
            "sh -c \"$X\"", "echo rm | sh", "curl x | bash", "bash", "bash -s", "sh script.sh", "bash < x",
            "source x", ". x",
            "python3 -c 'x'", "python -", "perl -e x", "perl -ne x", "alias ls=rm", "shopt -s expand_aliases",
            "PATH=/tmp ls", "export PATH=/tmp", "LD_PRELOAD=x ls", "env PATH=/tmp ls", "BASH_ENV=x sh -c ls", "IFS=x",
            "GIT_SSH_COMMAND=rm git fetch", "PAGER=rm man ls", "env -S 'rm x'", "sudo -i", "sudo -s", "su",
            "su - bob", "ssh host",
            "ssh -o ProxyCommand=rm host ls", "xargs $X", "find . -exec $X ;", "trap \"$X\" EXIT",
            "hash -p /tmp/x ls",
            "tar --to-command=rm xf x", "tar xf x --checkpoint-action=exec=rm", "rsync -e 'sh -c rm' a b",
            "git -c core.pager=rm log",
            "awk 'BEGIN{system(\"rm\")}'", "sed '1e rm'", "sed 's/a/rm/e' x", "sed -f x", "vim -c ':!rm'",
            "x='a[$(rm)]'; ((x))",
            "x='a[$(rm)]'; echo $((x))", "x='a[$(rm)]'; [[ $x -eq 1 ]]", "x='-v a[$(rm)]'; [ $x ]",
            "test -v 'a[$(rm)]'",
            "let 'a[$(rm)]'", "declare -i x='a[$(rm)]'", "echo ${x@P}", "echo ${!x}", "printf -v PATH x", "read PATH",
            "mapfile -C rm x", "r\\\nm x", "ls\x01", "ls \x00", "(ls", "if", "ls )", "docker run x",
            "strace rm", "parallel rm", "rsh host rm", "dbclient host rm", "plink host rm", "daemonize /bin/rm",
            "enable -f x y", "exec $X", "sudo $X", "sudo --frob rm", "command $X",
            "for PATH in /tmp; do ls; done", "echo ${PATH:=/tmp}",
            "bash <<X\n$Y\nX\n", "cat <<'X' | sh\nrm\nX\n", "coproc $X", "time $X",
            "x=rm; f() { \"$@\"; }; f rm", "set -- rm; \"$@\"",
        ):  # fmt: skip
            self.assertTrue(facts(text).unknown, text)

    def test_shells_read_it_otherwise(self) -> None:
        """Where bash, a POSIX shell and the grammar part, each of these started `rm` unseen (must-survive 72)."""
        for text in READ_OTHERWISE:
            found = facts(text)
            self.assertTrue(found.unknown or "rm" in programs(text), text)

    def test_programs_start_others(self) -> None:
        """Each of these started `rm` unseen, or would where the program is there."""
        for text in STARTED_OTHERWISE:
            found = facts(text)
            self.assertTrue(found.unknown or "rm" in programs(text), text)

    def test_names_of_files(self) -> None:
        """What stands for names of files may become any of them."""
        for text in NAMES_OF_FILES:
            self.assertTrue(facts(text).unknown, text)
        for text in ("sed -i s/a/b/ -- *.txt", "sed -n 1p ./*.txt", "find /var/log/*.log -mtime +7", "test -f a*",
                     "env 'A=*' ls", "rm *", "sudo chown bob *", "sed 's/[0-9]*/x/' f", "[ -f '*' ]"):  # fmt: skip
            self.assertEqual(facts(text).unknown, (), text)

    def test_what_is_told_by_input(self) -> None:
        """Editors and clients of databases run what they read."""
        for text in TOLD:
            self.assertTrue(facts(text).unknown, text)

    def test_variables_that_were_sent(self) -> None:
        """One that changes what names mean is as good as one that is set in the text."""
        for name, doubtful in ((b"LD_PRELOAD", True), (b"BASH_ENV", True), (b"LANG", False), (b"LC_PATHS", False)):
            sent = b"".join(len(each).to_bytes(4, "big") + each for each in (b"LANG", b"PATH", name, b"x"))
            self.assertEqual(bool(facts_of(Operation("ssh", "exec", b"ls", b"", sent)).unknown), doubtful, name)

    def test_pages_on_a_terminal(self) -> None:
        """`less` runs what a person asks of it, and so does what starts it: where there is a terminal."""
        for text in PAGES:
            self.assertEqual(facts(text).unknown, (), text)
            self.assertIn("page by page", facts_of(Operation("ssh", "exec", text.encode(), TERMINAL)).unknown[0])
        for text in ("git --no-pager log", "journalctl --no-pager -u x", "uptime"):
            self.assertEqual(facts_of(Operation("ssh", "exec", text.encode(), TERMINAL)).unknown, (), text)

    def test_what_agents_do_stays_known(self) -> None:
        """Doubt is for what may start something."""
        for text in (
            "tar -czf x.tgz dir",
            "tar xzf x.tgz",
            "git status",
            "git log --oneline -5",
            "git clean -xfd",
            "sed -n 1,5p f",
            "sed -i s/a/b/ f",
            "awk -F: '{print $1}' f",
            "rsync -av a b:c",
            "rsync --server -vlogDtpre.iLsfxCIvu . dir",
            "rsync --server --sender -logDtpre.iLsfxCIvu . dir",
            "set -euo pipefail; ls",
            "service nginx status",
            "npm test",
            "sort -u f",
            "scp -rp a b:c",
            "make test",
            "python3 run.py",
            "find . -name '*.py'",
            "ls *.txt",
            ">x cat y",
            "ls >x 2>&1 <y | cat >&2",
            "exec 3>&- <&-",
            "cat <<A >x\ny\nA",
            "xargs",
            "echo 'ab' \"\\$(c) <(d)\" '$(e)' \\$\\(f",
            "echo ${x#*/} ${y%%.txt} ${z//a/b}",
            "grep -r x . &>/dev/null",
            "apt-get update",
            "curl -s http://x",
            "git commit -am fix",
            "ip addr",
        ):
            self.assertEqual(facts(text).unknown, (), text)

    def test_bounds(self) -> None:
        """A text of any depth and length is read in bounded time, or unknown."""
        for text in (
            "(" * 20_000,
            "$(" * 20_000,
            "a;" * 40_000,
            "`" * 9999,
            "if " * 9999,
            "sh -c '" * 200,
            "a|" * 32_000,  # these took the parser minutes
            "x=(" * 20_000,
            "<<a\n" * 16_000,
            "${" * 32_000,
            "x" * (1 << 20),
        ):
            self.assertTrue(facts(text).unknown or facts(text).commands)

    def test_long_documents(self) -> None:
        """A file that is written by a heredoc is long, and costs nothing."""
        found = facts("cat > f <<'END'\n" + "a line with $(x) | y\n" * 3000 + "END\nls")
        self.assertEqual((found.unknown, len(found.commands)), ((), 2))

    @given(st.binary(max_size=80))
    @settings(deadline=None)
    def test_junk(self, data: bytes) -> None:
        """Any bytes have facts, and nothing is raised: words that nobody can read are named."""
        found = facts_of(Operation("ssh", "exec", data))
        self.assertEqual([why for why in found.unknown if not why], [])


WORDS = st.sampled_from(
    (
        *PROGRAMS,
        "'rm'",
        "r''m",
        "r\\m",
        '"rm"',
        "$'\\x72m'",
        "x",
        "-c",
        "$x",
        '"$x"',
        "$(rm)",
        "`dd`",
        "a b",
        "{rm,x}",
        "r?",
        "*",
        "r`:`m",
        "${x#$(rm)}",
        "${x:-`dd`}",
        "${x/$(rm)/$(dd)}",
        ">y rm",
        "2>&1",
    )
)
STARTERS = st.sampled_from(
    ("", "env ", "env - ", "env >y ", "env 2>&1 ", "exec </dev/null ",
    "env A=1 ", "nice ", "nohup ", "timeout 5 ", "xargs ", "command ", "eval ", "exec ", "sh -c ",
    "bash -c ", "x=rm ",
     "time ", "! ", "stdbuf -o0 ", "f() { ", "alias x=", "builtin ", "trap ", "echo ",
     "find . -maxdepth 0 -exec ", "if ", "{ ", "( ")
)  # fmt: skip
JOINS = st.sampled_from(
    (
        ";",
        " | ",
        " && ",
        " || ",
        "\n",
        " ; done",
        " ; fi",
        " }",
        " )",
        " {} ;",
        " \\;",
        " <<< ",
        " | sh",
        " EXIT;",
        "'",
        '"',
        "\\\n",
    )
)
TEXTS = st.lists(
    st.tuples(STARTERS, WORDS, st.just(" ") | JOINS, WORDS | st.just(""), JOINS), min_size=1, max_size=4
).map(lambda parts: "".join("".join(part) for part in parts))


class BesideBash(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp()).resolve()
        self.work, self.bin, self.log = self.place / "work", self.place / "bin", self.place / "log"
        self.work.mkdir(parents=True)
        self.bin.mkdir()
        for name in PROGRAMS:
            (self.bin / name).write_text(f'#!/bin/sh\necho {name} >> "{self.log}"\n')
            (self.bin / name).chmod(0o755)
        for name in REAL:
            for directory in ("/usr/bin", "/bin"):
                if os.path.exists(f"{directory}/{name}") and not (self.bin / name).exists():
                    (self.bin / name).symlink_to(f"{directory}/{name}")

    def ran(self, text: str) -> set[str]:
        """The programs that bash started for it."""
        self.log.write_text("")
        environment = {"PATH": str(self.bin), "HOME": str(self.work)}
        subprocess.run(
            ["/bin/bash", "-c", text], cwd=self.work, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False,
        )  # fmt: skip
        return set(self.log.read_text().split())

    @given(TEXTS)
    @settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
    def test_nothing_runs_that_was_not_found(self, text: str) -> None:
        """must-survive 72: what bash runs was found, or the text is unknown."""
        found = facts(text)
        if not found.unknown:
            self.assertLessEqual(self.ran(text), {command.program for command in found.commands}, text)

    def test_it_can_fail(self) -> None:
        """The programs of the test do run."""
        self.assertEqual(self.ran("rm x; sh -c 'dd'; echo $(ls)"), {"rm", "dd", "ls"})
