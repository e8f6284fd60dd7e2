"""Whether a program of which nothing is known gets a word that names another: it may start that one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from hoopgw.policy.shell_facts import Command
from hoopgw.policy.shell_programs import names
from hoopgw.policy.shell_starters import is_read

MAX_PIECES = 2000  # of the words of one command: more are in doubt
_SEPARATES = re.compile(r"[^\w./+~-]+")
_OPTION = re.compile(r"--?[\w-]*[/=]|-\w|--")  # `-xrm`, `--exec=rm`: what stands behind it

# They show, copy, count or change what their words name, and start none of it.  What `shell_starters` reads is not here
_KEEPS = frozenset(
    (
        ": [ addgroup adduser apk apropos ar arp base32 base64 basename bg blkid break brew bunzip2 bzcat bzip2 cal "
        "caller cat cd chage chattr chcon chfn chgrp chkconfig chmod chown chpasswd chsh cksum clear cmp column "
        "comm continue cp csplit cut date debsums defaults delgroup deluser depmod df diff dig dir dircolors "
        "dirname dirs disown dnf dpkg-query dtrx du e2fsck echo egrep eject exit expand expr factor fallocate false "
        "fdisk fg fgrep file findmnt firewall-cmd fmt fold free fsck fstrim fuser gawk gdisk getcap getconf getent "
        "getfacl getfattr getopt getsebool gpasswd grep groupadd groupdel groupmod groups gunzip gzip halt head "
        "help hexdump host hostid hostname hostnamectl id ifconfig ifdown ifup info insmod iostat ipcrm ipcs "
        "iptables iptables-save isql jobs join journalctl jq kill killall last lastb lastlog ldd less line link ln "
        "locale localectl localedef locate logger loginctl logname logout look losetup ls lsattr lsblk lscpu lshw "
        "lsmod lsns lsof lspci lsusb lvs lz4 lzcat lzma man md5 md5sum mdadm mkdir mkfifo mkfs mknod mkswap mktemp "
        "modinfo modprobe more most mount mountpoint mpstat mt mv namei netstat networkctl nft nginx nice nl nm "
        "nmcli nproc nslookup ntpq numfmt objcopy objdump od pacman parted partprobe passwd paste patch pathchk "
        "pgrep pidof ping ping6 pinky pkill pmap popd port poweroff pr printenv printf ps pstree ptx pushd pv pvs "
        "pwd pwdx ranlib rcctl readelf readlink realpath reboot reset resize2fs resolvectl restorecon return rev "
        "rfkill rg rm rmdir rmmod route runlevel sar seq setcap setenforce setfacl setfattr sha1sum sha224sum "
        "sha256sum sha384sum sha512sum shasum shift shred shutdown sleep smartctl sort ss stat strings strip stty "
        "sum supervisorctl suspend swapoff swapon sync sysctl systemctl systemd-analyze systemd-detect-virt "
        "systemd-escape tac tail tee test timedatectl times tldr tmutil top touch tput tr tracepath traceroute true "
        "truncate tsort tty tune2fs type ufw ulimit umask umount uname uncompress unexpand uniq unlink unlzma unxz "
        "unzip unzstd update-alternatives uptime useradd userdel usermod users vdir vgs vmstat w wall wc whatis "
        "whereis which who whoami whois wipefs write xmllint xxd xz xzcat yes yq yum zcat zcmp zdiff zegrep zfgrep "
        "zfs zgrep zpool zstd zstdcat zypper"
    ).split()
)


def may_start(command: Command, match: Callable[[str], object]) -> bool:
    """`match` tells what is looked for.  `frob -- rm x` may start `rm`; `grep rm x` does not."""
    if is_read(command.program) or any(name in _KEEPS for name in names(command.program)):
        return False
    return gets_named(command, match)


def gets_named(command: Command, match: Callable[[str], object]) -> bool:
    """A word of it names what is looked for, or there are too many words to tell."""
    left = MAX_PIECES
    for word in command.arguments:
        for piece in _SEPARATES.split(word or ""):
            left -= 1
            if left < 0 or any(match(name) for name in _named(piece)):
                return True
    return False


def _named(piece: str) -> Iterable[str]:
    bare = _OPTION.sub("", piece, count=1) if piece[:1] == "-" else piece
    return [name for name in (bare, bare.rpartition("/")[2]) if name]
