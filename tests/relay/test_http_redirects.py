"""hoopgw.relay.http_redirects"""

from __future__ import annotations

from urllib.parse import urljoin

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.http_redirects import own_names, scoped_link, scoped_location, scoped_refresh
from hoopgw.relay.http_scope import HttpScope

NAMES = own_names(frozenset(("shop.internal:8080", "[2001:db8::1]:443")))
OWN = own_names(frozenset(("gw.example.com:443",)))
SHOP = HttpScope("s", "p", (b"gw.example.com",), b"shop.internal", b"/shop", NAMES, OWN)
BY_HOST = HttpScope("s", "p", (b"shop.gw.example.com",), b"shop.internal", b"", NAMES, OWN)
WORDS = ("/", "\\", ".", "..", "%2e", "%2E.", "a", "other", "https:", "http://gw.example.com", "?", "#", "\t", "@")


def location(value: bytes, scope: HttpScope = SHOP, place: bytes = b"/a/b?c") -> bytes:
    found = scoped_location(value, scope, place)
    return value if found is None else found


class Locations(SynchronousTestCase):
    def test_nothing_leads_to_another_target(self) -> None:
        """However the way out of the path is written, and from wherever it begins."""
        for value, expected in (
            (b"/../other/x", b"/shop/other/x"),
            (b"/%2e%2E/other/x?y", b"/shop/other/x?y"),
            (b"/a/../../other", b"/shop/other"),
            (b"/a/.\t./..//other", b"/shop//other"),
            (b"/a/..\\..\\other", b"/shop/other"),
            (b"../../other/x", b"/shop/other/x"),
            (b"../x#y", b"/shop/x#y"),
            (b"..", b"/shop/"),
            (b"c/..", b"/shop/a/"),
            (b"\\other", b"/shop/other"),
            (b"/\\other", b"/shop//other"),
            (b" https:/other/x", b"/shop/other/x"),
            (b"https:other/x", b"other/x"),
            (b"https:https:/..", b"/shop/a/"),
            (b"https:https:other", b"/shop/a/https:other"),
            (b"http:/other/x", b"/shop/other/x"),
            (b"http://shop.internal:8080/../other", b"/shop/other"),
            (b"https://gw.example.com/other/x", b"/shop/other/x"),
            (b"//GW.example.com.:0443/other/x", b"/shop/other/x"),
            (b"https://u:p@gw%2Eexample.com\\other", b"/shop/other"),
            (b"https:///other", b"/shop///other"),
            (b"\\\\other", b"/shop//other"),
            (b"https://gw.example.com/shop/../holds/h_1/approve", b"/shop/holds/h_1/approve"),
        ):
            self.assertEqual(location(value), expected, value)

    def test_a_target_that_knows_its_address(self) -> None:
        """X-Forwarded-Host and X-Forwarded-Prefix said what it is; in others' names the gateway has no say."""
        for value, expected in (
            (b"https://gw.example.com/shop/x", b"/shop/x"),
            (b"https://gw.example.com/shop", b"/shop"),
            (b"https://gw.example.com/shopping", b"/shop/shopping"),
            (b"https://u:p@shop.internal:8080/x", b"/shop/x"),
            (b"https://[2001:DB8::1]/x", b"/shop/x"),
            (b"http://shop.internal/x", b"http://shop.internal/x"),
            (b"https://gw.example.com:8443/x", b"https://gw.example.com:8443/x"),
            (b"https://gw.example.com@elsewhere/x", b"https://gw.example.com@elsewhere/x"),
            (b"mailto:x@gw.example.com", b"mailto:x@gw.example.com"),
            (b"c", b"c"),
            (b"c/d;e?../..", b"c/d;e?../.."),
            (b"?x", b"?x"),
            (b"", b""),
        ):
            self.assertEqual(location(value), expected, value)

    def test_beside_the_root(self) -> None:
        """Who asked for /shop without a slash would look for `login` beside it."""
        self.assertEqual(location(b"login", place=b"/?x=/y"), b"/shop/login")
        self.assertEqual(location(b"login", place=b"/a/"), b"login")

    def test_by_host_name(self) -> None:
        """The whole host is the target's; what it meant as a path becomes no host."""
        for value, expected in (
            (b"../../x", b"../../x"),
            (b"https://shop.internal:8080/\\elsewhere/x", b"/elsewhere/x"),
            (b"https://gw.example.com/x", b"https://gw.example.com/x"),
        ):
            self.assertEqual(location(value, BY_HOST), expected, value)

    def test_refresh(self) -> None:
        """What stands in quotes is the address, whether they end or not."""
        for value, expected in (
            (b'0; url="/other"x', b'0; url="/shop/other"'),
            (b"0;'/other", b"0;'/shop/other'"),
            (b"3 url = ../../other", b"3 url = /shop/other"),
            (b"5", None),
            (b"5; url=", None),
            (b"soon", None),
        ):
            self.assertEqual(scoped_refresh(value, SHOP, b"/a/b"), expected, value)

    def test_links(self) -> None:
        """Each address of one; what stands in quotes is none."""
        for value, expected in (
            (b'</items?page=2>; rel="next"', b'</shop/items?page=2>; rel="next"'),
            (b'<?page=2>; rel="next"', None),
            (b'</a>;rel=x,<https://shop.internal:8080/b>; rel="x, </y>"', b'</shop/a>;rel=x,</shop/b>; rel="x, </y>"'),
            (b"</../other/x>; rel=preload; as=script", b"</shop/other/x>; rel=preload; as=script"),
            (b"<https://cdn.example.org/x.js>; rel=preload", None),
            (b'rel="next"', None),
            (b"", None),
        ):
            self.assertEqual(scoped_link(value, SHOP, b"/a/b"), expected, value)
        link = b'<https://shop.internal:8080/b?page=2>; rel="next"'
        self.assertEqual(scoped_link(link, BY_HOST, b"/a"), b'</b?page=2>; rel="next"')

    @settings(max_examples=300)
    @given(st.lists(st.sampled_from(WORDS), max_size=9).map("".join), st.sampled_from(["/", "/a", "/a/b/", "/a?x=/y"]))
    def test_the_client_stays_inside(self, value: str, place: str) -> None:
        """As browsers and others resolve what it is given: elsewhere altogether, or under the prefix."""
        found = location(value.encode(), place=place.encode()).decode()
        base = "https://gw.example.com/shop" + place
        for text in (found, found.replace("\\", "/").replace("\t", "").replace("%2e", ".").replace("%2E", ".")):
            joined = urljoin(base, text.strip())
            rest = joined.removeprefix("https://gw.example.com")
            inside = rest == joined or rest.startswith("/shop/") or rest in ("/shop", base[22:])
            self.assertTrue(inside or rest[:1] not in ("", "/", "?", "#"), (value, found, joined))
