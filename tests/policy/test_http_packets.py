"""hoopgw.policy.http_packets"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.http import HttpRequest
from hoopgw.policy.guardrails import Match
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_json import pointer
from hoopgw.policy.http_packets import MOST, has_packets
from hoopgw.policy.http_rules import HttpConditions
from hoopgw.policy.http_values import ValueTest

EVENT = b'42["do",{"op":"delete"}]'


class Packets(SynchronousTestCase):
    def test_what_socket_io_sends(self) -> None:
        """Events with a namespace, an acknowledgement, binary parts; several packets in one body; both versions."""
        for body in (
            EVENT,
            b'42/admin,["do"]',
            b'42/admin?a={,12["do"]',
            b'4212["do"]',
            b'42 ["do"]',
            b'451-["do",{"_placeholder":true,"num":0}]\x1ebAAEC',
            b'4{"op":"delete"}',
            b"3\x1e" + EVENT,
            b"bAAEC\x1e" + EVENT,
            b"24:" + EVENT,
            b"1:2" + b"24:" + EVENT + b"and more",
            '3:4\U0001f60024:42["do"]'.encode(),
            b'9:42["do"]',
            '4\u00a02["do"]'.encode(),  # a digit, to JavaScript
            b"1:2" * (MOST + 1) + b"24:" + EVENT,  # behind more than are followed
        ):
            self.assertTrue(has_packets(body), body[:80])

    def test_what_is_none(self) -> None:
        """Numbers, times and other texts, also such as have JSON in them."""
        for body in (
            b"",
            b"42",
            b"3",
            b"40",
            b"4/5 [rated]",
            b"2026-11-23 10:42 [info] started",
            b"12:30:01 [info] 0:42 [warning]",
            b"card 42[1]",
            b"3probe",
            b"\xff\xfe42",
            b"1:2" * MOST,
        ):
            self.assertFalse(has_packets(body), body[:80])

    def test_rules_doubt_them(self) -> None:
        """A rule with `json` holds however a client of Socket.IO sends: its packets in WebSocket messages are in doubt
        as well."""
        rule = HttpConditions(json=((pointer("op"), ValueTest(("delete",))),))
        form = b"application/x-www-form-urlencoded"
        for kind, body in (
            (b"text/plain;charset=UTF-8", EVENT),
            (form, b"d=" + EVENT),
            (b"text/plain", b"24:" + EVENT),
        ):
            request = HttpRequest(b"POST", b"/x", b"h", ((b"content-type", kind),), body, len(body))
            self.assertIs(rule.match(HttpFacts(request)), Match.DOUBT, body)
