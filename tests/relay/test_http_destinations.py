"""hoopgw.relay.http_destinations"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.events import Code
from hoopgw.relay.effects import Observed
from hoopgw.relay.http_destinations import DESTINATION, IF, for_target
from tests.relay.test_http import GET, Course, scope

UNDER = scope(own=frozenset((b"gw", b"gw.example.com")))
NAMED = scope(prefix=b"", scheme=b"https", own=frozenset((b"gw", b"gw.example.com")))
LOCK = b'(<urn:uuid:181d4fae-7d8c> ["a)<b"])'


class Destinations(SynchronousTestCase):
    def test_as_the_target_knows_it(self) -> None:
        """Host and prefix are the gateway's; what is no address of it stays."""
        for value, expected in (
            (b"https://gw/shop/b", b"http://shop.internal/b"),
            (b"https://GW.example.com:443/shop/b?c", b"http://shop.internal/b?c"),
            (b"http://gw/shop", b"http://shop.internal/"),
            (b"http://shop.internal/b", b"http://shop.internal/b"),
            (b"/shop/b", b"/b"),
            (b"/b", b"/b"),
            (b"/shopping", b"/shopping"),
            (b"container/object", b"container/object"),
        ):
            self.assertEqual(for_target(DESTINATION, value, UNDER), expected, value)
        self.assertEqual(for_target(DESTINATION, b"https://gw/shop/b", NAMED), b"https://shop.internal/shop/b")
        self.assertEqual(for_target(DESTINATION, b"/shop/b", NAMED), b"/shop/b")

    def test_nothing_leads_out_of_the_target(self) -> None:
        """Other hosts, other targets of the gateway, and what is read in several ways."""
        for value in (
            b"https://elsewhere.example.com/b",
            b"https://gw/other/b",
            b"https://gw/shopping/b",
            b"https://gw",
            b"https://gw@elsewhere.example.com/shop/b",
            b"//elsewhere/b",
            b"/\\elsewhere/b",
            b"\\\\elsewhere\\b",
            b"https:\\\\gw/shop/b",
            b"https:/gw/shop/b",
            b"ftp://gw/shop/b",
            b"file:/etc/passwd",
            b"https://gw/shop/b#c",
        ):
            self.assertIsNone(for_target(DESTINATION, value, UNDER), value)
        self.assertIsNone(for_target(DESTINATION, b"https://gw.example.com/other/b", NAMED), "another target's address")

    def test_resources_of_an_if(self) -> None:
        """Lists are left as they are, whatever is in their entity tags."""
        for value, expected in (
            (LOCK, LOCK),
            (b"<https://gw/shop/a> " + LOCK, b"<http://shop.internal/a> " + LOCK),
            (b"<https://gw/shop/a>" + LOCK + LOCK + b" </shop/b> (Not <DAV:no-lock>)",
             b"<http://shop.internal/a>" + LOCK + LOCK + b" </b> (Not <DAV:no-lock>)"),
            (b"<https://elsewhere/a> " + LOCK, None),
            (b"<https://gw/shop/a> (<x", None),
        ):  # fmt: skip
            self.assertEqual(for_target(IF, value, UNDER), expected, value)

    def test_in_a_request(self) -> None:
        """What the target reads is what is judged, bound and recorded; what leads elsewhere is answered with 403."""
        course = Course(own=frozenset((b"gw",)))
        move = GET.replace(b"GET", b"MOVE")
        course.send(move[:-2] + b"Destination: https://gw/shop/b\r\nIf: <https://gw/shop/b> (<urn:x>)\r\n\r\n")
        for line in (b"Destination: http://shop.internal/b\r\n", b"If: <http://shop.internal/b> (<urn:x>)\r\n"):
            self.assertIn(line, course.target[0])
            self.assertIn(line, course.journal[0])
            self.assertIn(line, course.asked[0].parameters)
        request = course.asked[0].request
        assert request is not None
        self.assertIn((b"destination", b"http://shop.internal/b"), request.fields)
        other = Course(own=frozenset((b"gw",)))
        other.send(move[:-2] + b"Destination: https://gw/other/b\r\n\r\n")
        self.assertEqual((other.target, other.problem()[0]), ([b""], 403))
        self.assertEqual([each.code for each in other.others if isinstance(each, Observed)], [Code.OPERATION_REFUSED])
