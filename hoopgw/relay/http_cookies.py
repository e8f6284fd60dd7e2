"""Cookies of a target -> the same, inside the scope in which its clients see it."""

from __future__ import annotations

from hoopgw.relay.http_scope import HttpScope


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
