"""Names of programs, options and variables by which something else than the program itself may run."""

from __future__ import annotations

import re

SHELLS = frozenset(
    "sh bash dash ash zsh ksh mksh rbash bash-static ksh93 lksh mksh-static pdksh posh yash zsh-static zsh5".split()
)
# Names that change what other names mean, or run by themselves
DANGEROUS = re.compile(
    r"(\w*PATH|IFS|ENV|SHELLOPTS|BASHOPTS|PS[0-4]|PROMPT_COMMAND|SHELL|\w*EDITOR|VISUAL|BROWSER|LESS(OPEN|CLOSE)?"
    r"|HOME|\w+_HOME|\w+_COMMAND|XDG_\w+|MAKE\w*|MORE|EXINIT|\w*VIMINIT|\w*ASKPASS|\w*RSH|\w+RC|ZDOTDIR|OPENSSL_\w+|SYSTEMD_\w+"
    r"|\w*PAGER|\w+_?OPT(S|IONS)?|(LD|BASH|GIT|TAR|RSYNC|NODE|DYLD|MAN|BUNDLE|npm)_\w+|(PYTHON|PERL|RUBY)\w*)\Z"
)

# They start programs in more ways than are read here
OPAQUE = frozenset(
    (
        "parallel expect script screen tmux at batch crontab systemd-run nsenter unshare strace ltrace gdb docker "
        "podman kubectl machinectl fc enable bind complete compgen history sg newgrp start-stop-daemon daemon runcon "
        "setpriv capsh watchdog entr run-parts cpulimit numactl taskset chrt prlimit torsocks proxychains firejail "
        "coproc setarch linux32 linux64 i386 x86_64 ssh-agent dbus-run-session dbus-launch choom uclampset fakeroot "
        "valgrind catchsegv perf pkexec xterm rlwrap xvfb-run socat npx faketime eatmydata csh tcsh fish pwsh nu xonsh "
        "elvish es rc scsh hush sash ccache distcc tini dumb-init gosu su-exec chpst softlimit dtach bwrap proot "
        "sshpass openvt aa-exec agetty aoss arch-nspawn systemd-nspawn cgexec ksu logsave multitime grc setlock pexec "
        "setuidgid envuidgid envdir run-one run-this-one keep-one-running ifne mispipe pee zrun torify gtester genie "
        "ctr crictl nerdctl lxc lxd incus flatpak snap toolbox distrobox busctl dmsetup dhclient openvpn dnsmasq virsh "
        "rsh remsh dbclient plink daemonize "
        "sshfs sshuttle mosh mosh-server autossh pssh parallel-ssh pdsh clush dsh ansible ansible-console puppet "
        "salt-call bpftrace msgfilter csvtool xdotool xdg-user-dir latex latexmk lualatex pdflatex pdftex tex xelatex "
        "borg hg R rtorrent plymouth tmate x-terminal-emulator gnome-terminal konsole fakechroot "
        # words of zsh, fish and csh, which may be the shell that reads a line
        "- repeat noglob nocorrect emulate zargs sched zmv foreach and or not"
    ).split()
)
# What they read, from a terminal or from a pipe, may be told to start others
ASK = frozenset(
    (
        "ed red ex vi vim nvim view rvim rview vimdiff nvi vigr vipw visudo sudoedit editor sensible-editor "
        "select-editor edquota emacs emacsclient nano pico joe jed mcedit micro ne kak hx psql mysql mariadb sqlite3 "
        "sqlite sqlplus mongo mongosh sftp psftp ftp lftp ncftp tnftp telnet mail mailx mutt smbclient minicom "
        "gnuplot octave octave-cli clisp ghci crash byebug pry bconsole jtag scanmem tig mc ranger nnn lf vifm lynx "
        "w3m fzf zathura vipe runscript"
    ).split()
)
# They show page by page on a terminal, and that program can be told to start others
PAGED = frozenset(
    (
        "less more most man info pinfo pg pager sensible-pager zless zmore bzless xzless bat batcat journalctl "
        "systemctl loginctl timedatectl hostnamectl localectl machinectl coredumpctl resolvectl networkctl bootctl "
        "systemd-analyze git gh aws pydoc pydoc3 ncdu top dmesg apt apt-get aptitude dpkg dnf yum"
    ).split()
)
CODE = {  # the option behind which code stands; a script in a file is a program like any other
    "python": "c", "perl": "eE", "ruby": "e", "node": "ep", "php": "rBRE", "lua": "e", "Rscript": "e", "tclsh": "",
    "osascript": "e", "deno": "", "bun": "e", "nodejs": "e", "pypy": "c", "luajit": "e", "ipython": "c", "irb": "e",
    "jruby": "e", "guile": "c", "julia": "e", "groovy": "e", "wish": "", "ghci": "e",
}  # fmt: skip
OPTIONS_THAT_RUN = {
    "tar": ("--to-command", "--checkpoint-action", "--use-compress-program", "--info-script", "--new-volume-script",
            "--rsh-command", "--rmt-command", "-I", "-F"),
    "rsync": ("-e", "--rsh", "--rsync-path", "--daemon", "--config"),
    "git": ("-c", "--config-env", "--exec-path", "--upload-pack", "--receive-pack", "-u", "--exec", "-O", "--extcmd",
            "--open-files-in-pager", "--ext-diff", "--template", "ext::", "config", "foreach", "filter-branch",
            "difftool", "mergetool", "bisect", "rebase", "send-email", "instaweb", "hook"),
    "scp": ("-S", "-o", "-F", "-D"),
    "ssh-copy-id": ("-o", "-F"),
    "make": ("--eval", "-E", "-f", "--file", "--makefile", "SHELL=", "MAKE"),
    "install": ("--strip-program",),
    "wget": ("--use-askpass", "-e", "--execute", "--config"),
    "curl": ("-K", "--config", "--engine"),
    "openssl": ("-engine", "engine", "-provider", "-config"),
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
    "less": ("+",),
    "systemctl": ("edit", "link", "-H", "--host", "set-environment", "import-environment"),
    "npm": ("exec", "x", "explore", "--script-shell", "-c", "--call", "config"),
    **dict.fromkeys(("yarn", "pnpm"), ("exec", "dlx")),
    **dict.fromkeys(("uv", "poetry", "pipenv", "cabal", "bundle", "composer"), ("run", "exec", "shell", "tool")),
    "cargo": ("--config",),
    "go": ("run", "-exec", "-toolexec", "generate", "tool"),
    "gem": ("open",),
    "pip": ("config", "--editor"),
    **dict.fromkeys(("rpm", "rpmdb", "rpmquery", "rpmverify"), ("--eval", "-E", "--pipe", "-D", "--define")),
    "pidstat": ("-e",),
    "dvips": ("-R",),
    "yt-dlp": ("--exec",),
    "restic": ("--password-command", "-o", "--option"),
    "certbot": ("--pre-hook", "--post-hook", "--deploy-hook", "--renew-hook", "--manual"),
    "aria2c": ("--on-", "--conf-path"),
    "nmap": ("--script",),
    "scrot": ("-e", "--exec"),
    "zic": ("-y",),
}  # fmt: skip
READ_INPUT = frozenset(("bc", "m4", "make", "dc"))
