"""Who asks in a browser's name: pages of other sites make it send what it sends unasked, a password or a certificate.

A token that a program puts into a field itself is proof that the program knows it.  `Authorization: Basic`, and a
certificate alone, prove only whose browser it is: a form or a WebSocket of any page would act as its user (CSRF).  What
the browser says of the page is then looked at (Fetch Metadata; RFC 6454, 7).
"""

from __future__ import annotations

from typing import Final

from hoopgw.relay.http_scope import Route
from hoopgw.wire.httpfields import Block

OWN: Final = 0  # nobody else: the same host, its user, or no browser at all
LINK: Final = 1  # another site leads its user here
OTHER: Final = 2  # another site asks by itself
REASON: Final = "a page of another site may not ask in its user's name"

_SITE: Final = b"sec-fetch-site"
_ORIGIN: Final = b"origin"
_READS: Final = (b"GET", b"HEAD")


def is_unasked(route: Route) -> bool:
    """A browser sends the proof by itself."""
    name, value = route[2], route[3]
    return not name or value[:6].lower() == b"basic "


def of_page(block: Block) -> bool:
    """Some page has a part in it: whoever types an address, and programs that are no browsers, send neither."""
    return bool(block.values(_ORIGIN) or block.values(_SITE))


def asker(block: Block, route: Route) -> int:
    """OWN, LINK or OTHER."""
    if not is_unasked(route):
        return OWN
    sites = block.values(_SITE)
    if sites:
        if all(each.lower() in (b"same-origin", b"none") for each in sites):
            return OWN
        whole = block.values(b"sec-fetch-mode") == [b"navigate"] and block.values(b"sec-fetch-dest") == [b"document"]
        return LINK if whole else OTHER
    return OWN if all(_is_own(each, route[0]) for each in block.values(_ORIGIN)) else OTHER


def may_ask(method: bytes, who: int) -> bool:
    """To follow a link changes nothing, and the page that it stands on reads nothing of the answer."""
    return who == OWN or (who == LINK and method in _READS)


def _is_own(origin: bytes, host: bytes) -> bool:
    scheme, _, place = origin.strip(b" \t").lower().partition(b"://")
    return scheme in (b"https", b"http") and place == host
