"""hoopgw.relay.http_origin"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.http_origin import LINK, OTHER, OWN, asker, may_ask, of_page
from hoopgw.relay.http_scope import route_of
from hoopgw.wire.httpfields import read_block

BASIC = b"Authorization: Basic eDp0b2tlbg==\r\n"
NAVIGATES = b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"


def who(lines: bytes, proof: bytes = BASIC) -> int:
    block = read_block(b"Host: GW.example:8443\r\n" + proof + lines)
    return asker(block, route_of(block))


class Asker(SynchronousTestCase):
    def test_its_own_pages_and_no_page(self) -> None:
        """What its user typed, pages of the same host, programs that are no browsers."""
        for lines in (
            b"",
            b"Sec-Fetch-Site: none\r\n" + NAVIGATES,
            b"Sec-Fetch-Site: same-origin\r\nOrigin: https://gw.example:8443\r\n",
            b"Origin: https://gw.example:8443\r\n",
        ):
            self.assertEqual(who(lines), OWN, lines)

    def test_pages_of_others(self) -> None:
        """Another site, another host of the same one, a frame, a page without an origin, one that says two things."""
        for lines in (
            b"Sec-Fetch-Site: cross-site\r\n",
            b"Sec-Fetch-Site: same-site\r\n",
            b"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
            b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n",
            b"Origin: https://evil.example\r\n",
            b"Origin: https://gw.example:8443.evil.example\r\n",
            b"Origin: https://gw.example\r\n",
            b"Origin: null\r\n",
            b"Origin: https://gw.example:8443\r\nOrigin: https://evil.example\r\n",
        ):
            self.assertEqual(who(lines), OTHER, lines)
            self.assertEqual(who(lines, b""), OTHER, "a certificate alone")
            self.assertTrue(of_page(read_block(b"Host: x\r\n" + lines)))

    def test_links(self) -> None:
        """They may be followed, and not be used to change something."""
        self.assertEqual(who(b"Sec-Fetch-Site: cross-site\r\n" + NAVIGATES), LINK)
        self.assertEqual([may_ask(each, LINK) for each in (b"GET", b"HEAD", b"POST")], [True, True, False])
        self.assertEqual([may_ask(b"GET", each) for each in (OWN, OTHER)], [True, False])

    def test_who_knows_the_token(self) -> None:
        """No browser sends it for a page."""
        for proof in (b"Authorization: Bearer t\r\n", b"X-Hoopgw-Token: t\r\n", b"X-Hoopgw-Token: t\r\n" + BASIC):
            self.assertEqual(who(b"Origin: https://evil.example\r\n", proof), OWN)
