"""Names of programs, options and variables by which something else than the program itself may run."""

from __future__ import annotations

import re

SHELLS = frozenset(
    "sh bash dash ash zsh ksh mksh rbash bash-static ksh93 lksh mksh-static pdksh posh yash zsh-static zsh5".split()
)
# Names that change what other names mean, or run by themselves
DANGEROUS = re.compile(
    r"(\w*PATH|IFS|ENV|SHELLOPTS|BASHOPTS|PS[0-4]|PROMPT_COMMAND|SHELL|\w*EDITOR|VISUAL|BROWSER|LESS(OPEN|CLOSE)?"
    r"|HOME|\w+_HOME|XDG_\w+|MAKE\w*|EXINIT|\w*VIMINIT|\w*ASKPASS|\w*RSH|\w+RC|ZDOTDIR|OPENSSL_\w+|SYSTEMD_\w+"
    r"|\w*PAGER|\w+_?OPT(S|IONS)?|(LD|BASH|GIT|TAR|RSYNC|NODE|DYLD|MAN)_\w+|(PYTHON|PERL|RUBY)\w*)\Z"
)

# They start programs in more ways than are read here
OPAQUE = frozenset(
    (
        "parallel expect script screen tmux at batch crontab systemd-run nsenter unshare strace ltrace gdb docker "
        "podman kubectl machinectl fc enable bind complete compgen history sg newgrp start-stop-daemon daemon runcon "
        "setpriv capsh watchdog entr run-parts cpulimit numactl taskset chrt prlimit torsocks proxychains firejail "
        "coproc setarch linux32 linux64 i386 x86_64 ssh-agent dbus-run-session dbus-launch choom uclampset fakeroot "
        "valgrind catchsegv perf pkexec xterm rlwrap xvfb-run socat npx faketime eatmydata csh tcsh fish pwsh nu xonsh "
        "elvish es rc scsh hush sash ccache distcc tini dumb-init gosu su-exec chpst softlimit dtach bwrap proot"
    ).split()
)
CODE = {  # the option behind which code stands; a script in a file is a program like any other
    "python": "c", "perl": "eE", "ruby": "e", "node": "ep", "php": "rBRE", "lua": "e", "Rscript": "e", "tclsh": "",
    "osascript": "e", "deno": "", "bun": "e", "nodejs": "e", "pypy": "c", "luajit": "e", "ipython": "c", "irb": "e",
    "jruby": "e", "guile": "c", "julia": "e", "groovy": "e", "wish": "", "ghci": "e",
}  # fmt: skip
OPTIONS_THAT_RUN = {
    "tar": ("--to-command", "--checkpoint-action", "--use-compress-program", "--info-script", "--new-volume-script",
            "--rsh-command", "-I", "-F"),
    "rsync": ("-e", "--rsh", "--rsync-path"),
    "git": ("-c", "--config-env", "--exec-path", "--upload-pack", "--receive-pack", "-u", "--exec", "-O", "--extcmd",
            "--open-files-in-pager", "--ext-diff", "--template", "ext::", "config", "foreach", "filter-branch",
            "difftool", "mergetool", "bisect", "rebase", "send-email", "instaweb", "hook"),
    "scp": ("-S", "-o", "-F", "-D"),
    "sftp": ("-S", "-o", "-D", "-F", "-b"),
    "make": ("--eval", "-E", "-f", "--file", "--makefile", "SHELL=", "MAKE"),
    "install": ("--strip-program",),
    "wget": ("--use-askpass", "-e", "--execute", "--config"),
    "curl": ("-K", "--config"),
    "dpkg": ("--pre-invoke", "--post-invoke", "--status-logger"),
    **dict.fromkeys(("apt", "apt-get", "apt-cache", "aptitude"), ("-o", "--option", "-c", "--config-file")),
    "cpio": ("--rsh-command",),
    **dict.fromkeys(("gcc", "g++", "cc", "c++", "clang"), ("-wrapper", "-B", "-fplugin", "@")),
    "tcpdump": ("-z",),
    **dict.fromkeys(("nc", "ncat", "netcat"), ("-e", "-c", "--exec", "--sh-exec", "--lua-exec")),
    "dc": ("-e", "--expression", "-f", "--file"),
    "ssh-keygen": ("-D", "-w"),
    "ssh-add": ("-s",),
    "rg": ("--pre",),
    "ip": ("exec", "-ba"),
    "zip": ("-TT", "--unzip-command"),
    "sort": ("--compress-program",),
    "split": ("--filter",),
    "man": ("-P", "--pager", "-H"),
    "vi": ("-c", "--cmd", "+", "-S"),
    "vim": ("-c", "--cmd", "+", "-S"),
    "nvim": ("-c", "--cmd", "+", "-S"),
    "less": ("+",),
    "psql": ("-c", "-f", "--command", "--file"),
    "mysql": ("-e", "--execute", "--pager"),
    "sqlite3": ("-cmd",),
}  # fmt: skip
READ_INPUT = frozenset(("psql", "mysql", "sqlite3", "ed", "ex", "vi", "vim", "nvim", "gdb", "bc", "m4", "make", "dc"))
