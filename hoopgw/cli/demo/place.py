"""A private directory for one demo or one test; gone when it is left."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LONGEST = 90  # bytes of its path: what lies in it needs the rest of the 107 that a socket's path has
GIVEN_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
_promised: set[int] = set()  # ports that this process was told of, listened on or not yet


@contextmanager
def private_directory(name: str = "hoopgw-demo-") -> Iterator[Path]:
    """Only the caller can list it; where the caller is root, servers that must not be can pass through to their own.

    It lies in the system's temporary directory: a path of a UNIX socket has room for 107 bytes.
    """
    with tempfile.TemporaryDirectory(prefix=name) as path:
        if len(os.fsencode(path)) > LONGEST:
            raise OSError(errno.ENAMETOOLONG, "TMPDIR: too long for the sockets in it; name a shorter one", path)
        os.chmod(path, 0o711 if os.geteuid() == 0 else 0o700)
        yield Path(path)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody had a moment ago, and that no call before gave.

    Where there is room it is below those that the system gives to whoever asks for none (ip(7)): of these any
    connection of the machine may take one before it is listened on.
    """
    below = int(GIVEN_OUT.read_text().split()[0])
    lowest = max(1024, below - 16384)
    for _ in range(1000):
        port = lowest + secrets.randbelow(below - lowest) if below - lowest > 1000 else 0
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            found: int = probe.getsockname()[1]
            if found not in _promised:
                _promised.add(found)
                return found
    raise OSError(errno.EADDRINUSE, "no TCP port of 127.0.0.1 is free")


def write_secret(path: Path, text: str) -> Path:
    """A file that only its owner may read, from the first moment; never one that somebody else put there."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
    return path


def new_password() -> str:
    return secrets.token_urlsafe(24)
