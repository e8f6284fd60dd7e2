"""Addresses to which a target leads its clients -> the same, inside the scope in which they see it.

Clients do not agree on what an address means that is not written as RFC 3986 has it: browsers (WHATWG URL) take a
backslash for a slash, `%2e` for a dot, and `https:/x` for a path.  Where one way of reading leads out of the scope,
what the client gets is an address with one reading, inside.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from hoopgw.relay.http_scope import HttpScope

# As browsers read it (HTML, 4.2.4.3): seconds, then an address with or without `url=`
_REFRESH: Final = re.compile(rb"[ \t]*[0-9.]*[ \t]*(?:[;,][ \t]*)?(?:url[ \t]*=[ \t]*)?", re.IGNORECASE)
_SCHEME: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*):")
# Of a Link (RFC 8288, 3): an address, or what stands in quotes, in which anything may be
_LINK: Final = re.compile(rb"<([^<>\"]*)>|\"(?:[^\"\\]|\\.)*\"?")
_HOST_ENDS: Final = re.compile(rb"[/\\?#]")
_PATH_ENDS: Final = re.compile(rb"[?#]")
_SLASHES: Final = b"/\\"
_BLANKS: Final = bytes(range(0x21))  # no part of an address where it begins or ends (WHATWG URL, 4.4)
_QUOTES: Final = (b'"', b"'")


def scoped_location(value: bytes, scope: HttpScope, place: bytes) -> bytes | None:
    """A Location in the answer to a request for `place`, as the target reads that, for the client; None: as it is.

    An address of the target's own becomes one of the gateway's; one elsewhere stays, for the client has to see that it
    is elsewhere.
    """
    text = value.strip(_BLANKS).replace(b"\t", b"")
    host, path = _split(text)
    if host and host not in scope.names and not (scope.prefix and host in scope.own):
        return None
    if not scope.prefix:
        found = b"/" + path.lstrip(_SLASHES) if host else value
    else:
        found = _under(path, scope.prefix, place, host in scope.own)
    return None if found == value else found


def scoped_refresh(value: bytes, scope: HttpScope, place: bytes) -> bytes | None:
    """A Refresh (`5; url=/x`) for the client; None: as it is."""
    begin = _REFRESH.match(value)
    if begin is None or begin.end() == len(value):
        return None
    address, quote = value[begin.end() :], value[begin.end() : begin.end() + 1]
    if quote in _QUOTES:  # what stands behind the second one is nothing
        address = address[1:].partition(quote)[0]
    found = scoped_location(address, scope, place)
    if found is None:
        return None
    return value[: begin.end()] + (quote + found + quote if quote in _QUOTES else found)


def scoped_link(value: bytes, scope: HttpScope, place: bytes) -> bytes | None:
    """A Link (`</x?page=2>; rel="next", …`) for the client; None: as it is."""

    def scoped(found: re.Match[bytes]) -> bytes:
        told = None if found.group(1) is None else scoped_location(found.group(1), scope, place)
        return found.group() if told is None else b"<" + told + b">"

    shown = _LINK.sub(scoped, value)
    return None if shown == value else shown


def _split(text: bytes) -> tuple[bytes, bytes]:
    """(host with its port, the rest); b"" for an address that names none.  One of another scheme has itself as host."""
    scheme = _SCHEME.match(text)
    if scheme is not None and scheme.group(1).lower() not in (b"http", b"https"):
        return text, b""
    rest = text if scheme is None else text[scheme.end() :]
    named = rest[2:]
    if not rest.startswith(b"//") or named[:1] in (b"/", b"\\"):  # `///x` is a host to browsers, a path to Python
        return b"", rest
    end = _HOST_ENDS.search(named)
    place = len(named) if end is None else end.start()
    path = named[place:]
    return host_of(named[:place]), path if path[:1] in (b"/", b"\\") else b"/" + path


def host_of(text: bytes) -> bytes:
    """In lower case, and without what changes nothing: user and password, a dot at its end, its scheme's own port."""
    name, colon, port = unquote_to_bytes(text.rpartition(b"@")[2]).lower().partition(b":")
    if name.startswith(b"["):
        name, _, port = unquote_to_bytes(text.rpartition(b"@")[2]).lower().rpartition(b"]")
        name, colon, port = name + b"]", port[:1], port[1:]
    number = port.lstrip(b"0") if colon else b""
    return name.rstrip(b".") + (b":" + number if number not in (b"", b"80", b"443") else b"")


def own_names(names: frozenset[str]) -> frozenset[bytes]:
    """Host names, with or without port, as they are looked for here."""
    return frozenset(host_of(each.encode()) for each in names)


def _under(text: bytes, prefix: bytes, place: bytes, ours: bool) -> bytes:
    """`ours`: the host was the gateway's, and the path may have the prefix already (X-Forwarded-Prefix says it)."""
    end = _PATH_ENDS.search(text)
    cut = len(text) if end is None else end.start()
    path, tail = text[:cut], text[cut:]
    if not path:  # the place that was asked for
        return text
    base = place.partition(b"?")[0]
    relative = path[:1] not in (b"/", b"\\")
    if relative:
        path = base.rpartition(b"/")[0] + b"/" + path
    parts = re.split(rb"[/\\]", path)[1:]
    if b"\\" in path or any(_dots(part) for part in parts):
        path = _resolved(parts)
    elif relative and base != b"/" and b":" not in path:  # who asked for `/shop` would look beside it
        return text
    if ours and (path + b"/").startswith(prefix + b"/"):
        return path + tail
    return prefix + path + tail


def _dots(part: bytes) -> int:
    """How many a dot segment has, by what browsers take for one; 0 for any other."""
    plain = part.lower().replace(b"%2e", b".")
    return len(plain) if plain in (b".", b"..") else 0


def _resolved(parts: list[bytes]) -> bytes:
    """RFC 3986, 5.2.4: nothing leads above the root."""
    kept: list[bytes] = []
    for part in parts:
        dots = _dots(part)
        if dots == 2:
            del kept[-1:]
        elif not dots:
            kept.append(part)
    last = b"/" if _dots(parts[-1]) and kept else b""
    return b"/" + b"/".join(kept) + last
