"""SFTP packets of version 3 <-> their fields (draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL, section 4).

A **packet** is its u32 length, its type, and what follows; every one but INIT and VERSION has an id next.
"""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire import sshmessages as ssh

INIT: Final = 1
VERSION: Final = 2
OPEN: Final = 3
CLOSE: Final = 4
READ: Final = 5
WRITE: Final = 6
LSTAT: Final = 7
FSTAT: Final = 8
SETSTAT: Final = 9
FSETSTAT: Final = 10
OPENDIR: Final = 11
READDIR: Final = 12
REMOVE: Final = 13
MKDIR: Final = 14
RMDIR: Final = 15
REALPATH: Final = 16
STAT: Final = 17
RENAME: Final = 18
READLINK: Final = 19
SYMLINK: Final = 20
STATUS: Final = 101
HANDLE: Final = 102
DATA: Final = 103
NAME: Final = 104
ATTRS: Final = 105
EXTENDED: Final = 200
EXTENDED_REPLY: Final = 201

OK: Final = 0
PERMISSION_DENIED: Final = 3
# Flags of OPEN
READS: Final = 0x01
WRITES: Final = 0x02 | 0x04 | 0x08 | 0x10  # WRITE, APPEND, CREAT, TRUNC

HEADER: Final = 9  # bytes: length, type, id
MAX_PACKET: Final = 256 * 1024  # OpenSSH's own bound (SFTP_MAX_MSG_LENGTH)
MAX_HANDLE: Final = 256  # bytes of a handle (draft, section 6.2)


@final
class Header:
    """Of the packet that begins at an offset: `size` is that of all of it, `id` 0 for INIT and VERSION."""

    __slots__ = ("size", "kind", "id")

    def __init__(self, size: int, kind: int, id: int) -> None:
        self.size = size
        self.kind = kind
        self.id = id


def read_header(data: bytes) -> Header:
    """`data` begins with a packet and has HEADER bytes of it.  Raises MalformedFrame."""
    length = ssh.read_u32(data, 0)
    if not 5 <= length <= MAX_PACKET:
        raise MalformedFrame(f"an SFTP packet of {length} bytes is not in 5..{MAX_PACKET}")
    kind = data[4]
    return Header(4 + length, kind, 0 if kind in (INIT, VERSION) else ssh.read_u32(data, 5))


def read_string(packet: bytes, start: int) -> tuple[bytes, int]:
    """A string of the packet, and where the next field begins.  Raises MalformedFrame."""
    return ssh.read_string(packet, start, MAX_PACKET)


def packet(kind: int, id: int, body: bytes) -> bytes:
    return (5 + len(body)).to_bytes(4, "big") + bytes((kind,)) + id.to_bytes(4, "big") + body


def status(id: int, code: int, words: bytes) -> bytes:
    return packet(STATUS, id, ssh.u32(code) + ssh.string(words) + ssh.string(b"en"))


def nothing(id: int) -> bytes:
    """What every target answers with a STATUS: an extension without a name.  No request of a file is shorter."""
    return packet(EXTENDED, id, ssh.string(b""))
