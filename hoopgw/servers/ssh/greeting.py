"""The first line of an SSH peer: its version, and what a server may say before it (RFC 4253, 4.2)."""

from __future__ import annotations

from hoopgw.model.errors import MalformedFrame

MAX_VERSION = 255  # bytes of a version line, its end included
MAX_GREETING = 8 * 1024  # bytes that a server may say before it


def version(data: bytes, of_client: bool) -> tuple[bytes, int]:
    """(the version, where the packets begin); (b"", 0): the line is not whole.  A client says nothing before it.

    Raises MalformedFrame.
    """
    here = 0
    while True:
        end = data.find(b"\n", here)
        line = data[here : end if end >= 0 else len(data)]
        if len(line) > MAX_VERSION or (of_client and not b"SSH-2.0-".startswith(line[:8])):
            raise MalformedFrame("a first line that is no SSH version")
        if end < 0 or here > MAX_GREETING:
            if len(data) > MAX_GREETING:
                raise MalformedFrame("too many lines before the SSH version")
            return b"", 0
        if line.startswith((b"SSH-2.0-", b"SSH-1.99-")):
            return line.rstrip(b"\r"), end + 1
        if line.startswith(b"SSH-"):
            raise MalformedFrame("an SSH version other than 2.0")
        here = end + 1
