"""What a file request of SFTP asks: an action, and the paths that it is about."""

from __future__ import annotations

from shlex import quote
from typing import Final, final

from hoopgw.wire import sftp

READ: Final = "read"
WRITE: Final = "write"
READ_WRITE: Final = "read-write"  # an OPEN for both: a rule about either is about it
LIST: Final = "list"
REMOVE: Final = "remove"
RENAME: Final = "rename"
MAKE: Final = "mkdir"
UNMAKE: Final = "rmdir"
LINK: Final = "link"
SET: Final = "setstat"

_ONE: Final = {
    sftp.SETSTAT: SET, sftp.OPENDIR: LIST, sftp.REMOVE: REMOVE, sftp.MKDIR: MAKE, sftp.RMDIR: UNMAKE,
}  # fmt: skip
_EXTENSIONS: Final = {
    b"posix-rename@openssh.com": (RENAME, 2),
    b"hardlink@openssh.com": (LINK, 2),
    b"lsetstat@openssh.com": (SET, 1),
}
# They say something of a file or of the server, and change no name and no content
_QUIET_EXTENSIONS: Final = frozenset(
    (
        b"statvfs@openssh.com", b"fstatvfs@openssh.com", b"fsync@openssh.com", b"limits@openssh.com",
        b"expand-path@openssh.com", b"home-directory", b"users-groups-by-id@openssh.com",
    )
)  # fmt: skip
# What passes without a question: it works on what was opened, or looks at names
QUIET: Final = frozenset(
    (
        sftp.INIT, sftp.CLOSE, sftp.READ, sftp.WRITE, sftp.LSTAT, sftp.FSTAT, sftp.READDIR,
        sftp.REALPATH, sftp.STAT, sftp.READLINK,
    )
)  # fmt: skip


@final
class FileRequest:
    """`paths` are canonical: absolute, without `.` and `..`; one that is relative to a directory that nobody has told,
    or goes up behind what may be a link, is left as it is.  `action` is "" for a request that nobody knows."""

    __slots__ = ("action", "paths")

    def __init__(self, action: str, paths: list[bytes]) -> None:
        self.action = action
        self.paths = paths


def asked(packet: bytes, home: bytes) -> FileRequest | None:
    """What has to be asked about a whole packet; None where it is an extension that passes.  Raises MalformedFrame."""
    request = _asked(packet, home)
    if request is not None and any(b"\0" in path for path in request.paths):  # a target in C may read it up to there
        return FileRequest("", [])
    return request


def _asked(packet: bytes, home: bytes) -> FileRequest | None:
    kind = packet[4]
    if kind == sftp.OPEN:
        path, here = sftp.read_string(packet, sftp.HEADER)
        flags = int.from_bytes(packet[here : here + 4], "big")
        action = READ if not flags & sftp.WRITES else READ_WRITE if flags & sftp.READS else WRITE
        return FileRequest(action, [canonical(path, home)])
    if kind in _ONE:
        return FileRequest(_ONE[kind], _paths(packet, sftp.HEADER, 1, home))
    if kind == sftp.SYMLINK:  # what a link says begins where the link is, and servers differ in which of the two it is
        return FileRequest(LINK, _paths(packet, sftp.HEADER, 2, b""))
    if kind == sftp.RENAME:
        return FileRequest(RENAME, _paths(packet, sftp.HEADER, 2, home))
    if kind == sftp.EXTENDED:
        name, here = sftp.read_string(packet, sftp.HEADER)
        if name in _QUIET_EXTENSIONS:
            return None
        known = _EXTENSIONS.get(name)
        if known is not None:
            return FileRequest(known[0], _paths(packet, here, known[1], home))
    return FileRequest("", [])


def described(request: FileRequest) -> bytes:
    """`rename '/a b' /c`: the action and the paths, quoted as for a shell, so that one text has one meaning."""
    words = [request.action or "unknown"]
    words += [quote(path.decode("utf-8", "surrogateescape")) for path in request.paths]
    return " ".join(words).encode("utf-8", "surrogateescape")


def _paths(packet: bytes, here: int, count: int, home: bytes) -> list[bytes]:
    found: list[bytes] = []
    for _ in range(count):
        path, here = sftp.read_string(packet, here)
        found.append(canonical(path, home))
    return found


def canonical(path: bytes, home: bytes) -> bytes:
    """By the text alone: what is a symbolic link, only the target knows.  `home` is absolute, or b"" where unknown.

    `..` is taken away only behind what no link can be: `home` as the target resolved it, and what is above it.  A path
    in which it stands behind another name is left as it is: /var/run/../etc is /etc wherever /var/run is a link.
    """
    if not path.startswith(b"/"):
        if not home:
            return path
        path = home + b"/" + path
    resolved = [part for part in home.split(b"/") if part]
    parts: list[bytes] = []
    real = 0  # of them are part of `home`
    for part in path.split(b"/"):
        if part == b"..":
            if len(parts) > real:
                return path
            if parts:
                parts.pop()
                real -= 1
        elif part and part != b".":
            if len(parts) == real < len(resolved) and part == resolved[real]:
                real += 1
            parts.append(part)
    return b"/" + b"/".join(parts)
