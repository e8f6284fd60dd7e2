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
        # some are words of zsh, fish and csh, which may be the shell that reads a line
        "parallel expect script screen tmux at batch crontab systemd-run nsenter unshare strace ltrace gdb docker "
        "podman kubectl machinectl fc enable bind complete compgen history sg newgrp start-stop-daemon daemon "
        "runcon setpriv capsh watchdog entr run-parts cpulimit numactl taskset chrt prlimit torsocks proxychains "
        "firejail coproc setarch linux32 linux64 i386 x86_64 ssh-agent dbus-run-session dbus-launch choom uclampset "
        "fakeroot valgrind catchsegv perf pkexec xterm rlwrap xvfb-run socat npx faketime eatmydata csh tcsh fish "
        "pwsh nu xonsh elvish es rc scsh hush sash ccache distcc tini dumb-init gosu su-exec chpst softlimit dtach "
        "bwrap proot sshpass openvt aa-exec agetty aoss arch-nspawn systemd-nspawn cgexec ksu logsave multitime grc "
        "setlock pexec setuidgid envuidgid envdir run-one run-this-one keep-one-running ifne mispipe pee zrun "
        "torify gtester genie ctr crictl nerdctl lxc lxd incus flatpak snap toolbox distrobox busctl dmsetup "
        "dhclient openvpn dnsmasq virsh rsh remsh dbclient plink daemonize sshfs sshuttle mosh mosh-server autossh "
        "pssh parallel-ssh pdsh clush dsh ansible ansible-console puppet salt-call bpftrace msgfilter csvtool "
        "xdotool xdg-user-dir latex latexmk lualatex pdflatex pdftex tex xelatex sem env_parallel niceload lldb "
        "cgdb ddd gdbtui gdbserver rr heaptrack uftrace trace-cmd sysdig nq tsp timelimit run0 dzdo pbrun pfexec "
        "ppriv super calife please sux gksu gksudo kdesu kdesudo lxsudo beesu mdo jexec sudo-rs su-rs lxc-attach "
        "lxc-execute lxc-start lxc-unshare lxc-usernsexec pct vzctl prlctl runc crun buildah rootlesskit oc k3s "
        "microk8s minikube k9s limactl multipass envconsul chamber aws-vault op doppler heroku flyctl "
        "systemd-inhibit systemd-cat systemd-socket-activate systemd-vmspawn systemd-notify homectl varlinkctl mise "
        "rvm tox nox rye pipx uvx bunx pnpx nodemon pm2 forever honcho foreman overmind goreman concurrently "
        "cross-env dotenv dockerize wait-for-it s6-setuidgid execlineb foreground background with-contenv runsv "
        "runsvdir switch_root run-init pivot_root cttyhack tcpsvd udpsvd inetd xinetd telnetd login getty crond "
        "cron anacron sulogin autoexpect byobu zellij abduco dvtm ttyd gotty asciinema ttyrec hyperfine schedtool "
        "cset trickle tsocks socksify proxychains4 stunnel websocat socket gpg-agent xinit startx weston cage "
        "alacritty kitty wezterm urxvt rxvt st terminator xfce4-terminal lxterminal uxterm foot inotifyexec "
        "incrontab watchexec watchman reflex chokidar guard lsyncd rename prename file-rename perl-rename "
        "qemu-x86_64 qemu-aarch64 qemu-arm qemu-i386 wine box64 caffeinate launchctl sandbox-exec xcrun lockf "
        "dtrace truss ktrace rtprio idprio cpuset setfib priocntl newtask gs tcc codex cdist task rustup "
        "ansible-test knife rake enscript exiftool sqlmap slsh ghc cpan perlbug run-mailcap vimtutor opencode "
        "bashbug check_by_ssh msh lash pdb pdb3 ipdb coreutils ld.so udhcpc jshell utop iex borg hg R "
        "cmd powershell rtorrent plymouth tmate x-terminal-emulator gnome-terminal konsole fakechroot - repeat "
        "noglob nocorrect emulate zargs sched zmv foreach and or not"
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
        "systemd-analyze systemd-resolve systemd-cgls perldoc ri delta gcloud eb bundle cargo rustc dstat git gh "
        "aws pydoc pydoc3 ncdu top dmesg apt apt-get aptitude dpkg dnf yum"
    ).split()
)
# They run code that an option or their input holds; a script in a file is a program like any other
CODE = frozenset(
    (
        "python perl ruby node php lua Rscript tclsh osascript deno bun nodejs pypy luajit ipython irb jruby guile "
        "julia groovy wish ghci erl elixir scala jrunscript jjs sbcl ecl racket swipl raku perl6 ocaml clojure clj "
        "bb csi gosh ts-node tsx hy gjs janet fennel pwsh crystal micropython qjs mujs d8 rhino escript octave-cli "
        "maxima sage"
    ).split()
)
OPTIONS_THAT_RUN = {
    "tar": ("--to-command", "--checkpoint-action", "--use-compress-program", "--info-script", "--new-volume-script",
            "--rsh-command", "--rmt-command", "-I", "-F"),
    "rsync": ("-e", "--rsh", "--rsync-path", "--daemon", "--config", "-M", "--remote-option"),
    "git": ("-c", "--config-env", "--exec-path", "--upload-pack", "--receive-pack", "-u", "--exec", "-O", "--extcmd",
            "--open-files-in-pager", "--ext-diff", "--template", "ext::", "config", "foreach", "filter-branch",
            "difftool", "mergetool", "bisect", "rebase", "send-email", "instaweb", "hook", "--access-hook",
            "cvsserver", "gui", "web--browse", "shell", "annex"),
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
    **dict.fromkeys(("uv", "poetry", "pipenv", "cabal", "bundle", "composer", "conda", "mamba",
                     "micromamba", "hatch", "pdm", "pixi", "consul", "nomad", "vagrant", "direnv", "asdf", "rbenv",
                     "pyenv", "nodenv", "goenv"), ("run", "exec", "shell", "tool", "ssh", "lock", "watch")),
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
# How one program is called where there are several: by its version, what it was built with, or the G of GNU
_VARIANT = re.compile(
    r"(?P<name>[a-z][A-Za-z_+-]*?)(?:-?\d[\w.+-]*|[-.](?:basic|tiny|nox|gtk\d?|athena|huge|traditional|openbsd|static"
    r"|ws|rs|real|distrib|orig|lucid|x11))?(?:\.exe)?"
)


def names(program: str) -> tuple[str, ...]:
    """By which `program` may be known: `vim` for `vim.basic`, `perl` for `perl5.36`, `xargs` for `gxargs`."""
    found = _VARIANT.fullmatch(program)
    if found is None:
        return (program,)
    name = found["name"]
    return (program, name, name[1:]) if name[:1] == "g" and len(name) > 3 else (program, name)
