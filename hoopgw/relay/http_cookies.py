"""Redirects and cookies of a target -> the same, inside the scope in which its clients see it."""

from __future__ import annotations

import re
from typing import Final

from hoopgw.relay.http_scope import HttpScope

# As browsers read it (HTML, 4.2.4.3): seconds, an address with or without `url=` and quotes
_REFRESH: Final = re.compile(
    rb"""([ \t]*[0-9.]*[ \t]*[;,]?[ \t]*(?:url[ \t]*=[ \t]*)?(["']?))(.+?)\2[ \t]*\Z""", re.IGNORECASE
)


def scoped_location(value: bytes, scope: HttpScope) -> bytes | None:
    """A Location for the client; None: as it is.

    An address of the target's own becomes one of the gateway's; one elsewhere stays, for the client has to see that it
    is elsewhere.
    """
    path = _own_path(value, scope)
    if path is None:
        return None
    found = scope.prefix + path
    # what the target meant as a path must not become a host (RFC 3986, 4.2)
    found = b"/" + found.lstrip(b"/") if found.startswith(b"//") else found
    return None if found == value else found


def scoped_refresh(value: bytes, scope: HttpScope) -> bytes | None:
    """A Refresh (`5; url=/x`) for the client; None: as it is."""
    found = _REFRESH.match(value)
    if found is None:
        return None
    place = scoped_location(found.group(3), scope)
    return None if place is None else found.group(1) + place + found.group(2)


def _own_path(value: bytes, scope: HttpScope) -> bytes | None:
    """The path (with query and fragment) where the address is the target's own; None for others and relative ones."""
    if value.startswith(b"/") and not value.startswith(b"//"):
        return value
    scheme, colon, rest = value.partition(b"://")
    if not colon and value.startswith(b"//"):
        rest = value[2:]
    elif not colon or scheme.lower() not in (b"http", b"https"):
        return None
    ends = [place for place in (rest.find(mark) for mark in (b"/", b"?", b"#")) if place >= 0]
    end = min(ends, default=len(rest))
    host, path = rest[:end].lower(), rest[end:]
    if host not in scope.names:
        return None
    return path if path.startswith(b"/") else b"/" + path


def scoped_cookie(value: bytes, scope: HttpScope) -> bytes | None:
    """A Set-Cookie for the client; None: as it is; b"": it cannot be kept in scope, and is dropped.

    Without Domain a cookie is for the host alone that set it (RFC 6265, 4.1.2.3).  Where targets share a host, Path
    keeps them apart; a name with `__Host-` promises that there is none, so that it could not.
    """
    first, *attributes = value.split(b";")
    kept = [each for each in attributes if not _is(each, b"domain")]
    if scope.prefix:
        if first.lstrip(b" \t").lower().startswith(b"__host-"):
            return b""
        paths = [each.partition(b"=")[2].strip(b" \t") for each in kept if _is(each, b"path")]
        path = paths[-1] if paths and paths[-1].startswith(b"/") else b"/"
        kept = [each for each in kept if not _is(each, b"path")]
        kept.append(b" Path=" + scope.prefix + path)
    found = b";".join([first, *kept])
    return None if found == value else found


def _is(attribute: bytes, name: bytes) -> bool:
    return attribute.partition(b"=")[0].strip(b" \t").lower() == name
