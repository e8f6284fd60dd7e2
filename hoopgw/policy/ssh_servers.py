"""Which commands are a server of SFTP: what is spoken with one is decoded, and its files are judged one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from hoopgw.policy.shell_facts import Command
from hoopgw.policy.shell_named import gets_named, may_start

# The second is sshd's own name for the one inside it; a forced command of a certificate may name it
NAMES: Final = (b"sftp-server", b"internal-sftp")
# Words in which no shell sees more than letters, and blanks between them: one command, and nothing around it
_PLAIN: Final = re.compile(rb"[ \t]*[A-Za-z0-9_./:@%+,-]+(?:[ \t]+[A-Za-z0-9_./:@%+,=-]+)*[ \t]*")
# `sftp-server.log` and `sftp-server_config` are files of another name
_NAMED: Final = re.compile(rb"(?:sftp-server|internal-sftp)(?:\.exe)?(?![\w.-])", re.IGNORECASE)
_OTHERS: Final = (b"sudo", b"doas")  # start it as somebody else
_LONE: Final = (b"-n", b"-H", b"--")


def is_server(command: bytes) -> bool:
    """The whole line is one: `/usr/lib/openssh/sftp-server -l INFO`, or that behind `exec`, or `sudo -u NAME`."""
    if _PLAIN.fullmatch(command) is None:
        return False
    words = command.split()
    here = 1 if words[0] == b"exec" else 0
    if words[here : here + 1] and _name(words[here]) in _OTHERS:
        here += 1
        while here < len(words) and (words[here] in _LONE or words[here] == b"-u"):
            here += 2 if words[here] == b"-u" else 1
    return here < len(words) and _name(words[here]) in NAMES


def starts_server(commands: Iterable[Command]) -> bool:
    """Some of them is one, or gets its name and may start it."""
    return any(_is_name(command.program) or may_start(command, _is_name) for command in commands)


def gets_server(commands: Iterable[Command]) -> bool:
    """Some of them gets its name, whatever it does with it."""
    return any(gets_named(command, _is_name) for command in commands)


def names_server(text: bytes) -> bool:
    """Its name stands somewhere, and is no part of another: all that counts where it is not known what is started."""
    return _NAMED.search(text) is not None


def _is_name(word: str) -> bool:
    return _name(word.encode("utf-8", "surrogateescape")) in NAMES


def _name(word: bytes) -> bytes:
    """Some systems look at no more than the letters, and want an ending."""
    return word.rpartition(b"/")[2].lower().removesuffix(b".exe")
