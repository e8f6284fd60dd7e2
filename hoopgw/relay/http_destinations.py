"""Addresses of a target that a client of WebDAV sends (RFC 4918, 10.3 and 10.4) -> the same as the target knows them.

The way back of `relay.http_redirects`: what a client has seen of the target are the gateway's addresses.
"""

from __future__ import annotations

import re
from typing import Final

from hoopgw.relay.http_redirects import host_of
from hoopgw.relay.http_scope import HttpScope

DESTINATION: Final = b"destination"
IF: Final = b"if"
LEADING: Final = frozenset((DESTINATION, IF))
ASTRAY: Final = "it names a place outside of this target"

_ABSOLUTE: Final = re.compile(rb"https?://([^/\\?#]+)([^\\#]*)", re.IGNORECASE)
# What stands in an If: the resource that the lists behind it are about, or a list, in whose entity tags anything may be
_PART: Final = re.compile(rb"[ \t]*(?:<([^<>]*)>|\((?:[^()\"]|\"[^\"]*\")*\))[ \t]*")


def for_target(name: bytes, value: bytes, scope: HttpScope) -> bytes | None:
    """The value of such a field for the target; None where it leads elsewhere, or can be read in several ways."""
    if name == DESTINATION:
        return _address(value, scope)
    if b"<" not in value or value[:1] == b"(":  # lists without a resource are about the one that is asked for
        return value
    shown: list[bytes] = []
    here = 0
    while here < len(value):
        part = _PART.match(value, here)
        if part is None:
            return None
        text = part.group()
        if part.group(1) is not None:
            address = _address(part.group(1), scope)
            if address is None:
                return None
            text = text.replace(part.group(1), address)
        shown.append(text)
        here = part.end()
    return b"".join(shown)


def _address(value: bytes, scope: HttpScope) -> bytes | None:
    """An absolute path, or an address with a host; Swift's `container/object` is neither, and no other place."""
    if value[:1] == b"/":
        if value[1:2] in (b"/", b"\\"):
            return None
        return _below(value, scope.prefix) or value
    found = _ABSOLUTE.fullmatch(value)
    if found is None:
        return None if b":" in value.partition(b"/")[0] or value[:1] == b"\\" else value
    host, path = host_of(found.group(1)), found.group(2) or b"/"
    if host == host_of(scope.route[0]) or (scope.prefix and host in scope.own):
        path = _below(path, scope.prefix)
    elif host not in scope.names:
        return None
    return scope.scheme + b"://" + scope.host + path if path else None


def _below(path: bytes, prefix: bytes) -> bytes:
    """Without the prefix that names the target; b"" for a path that does not begin with it."""
    if not path.startswith(prefix) or path[len(prefix) : len(prefix) + 1] not in (b"/", b"?", b""):
        return b""
    return path[len(prefix) :] or b"/"
