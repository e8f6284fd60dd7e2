"""hoopgw.relay.http_tunnel"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import GO, Allowance, Answer, Decision, Denial, Meter
from hoopgw.model.events import Code
from hoopgw.relay.effects import Ask, Effect, Hangup, Observed, PauseClient, Reach, ResumeClient, ToClient, ToTarget
from hoopgw.relay.http_tunnel import MAX_KEPT, TunnelRelay

HEAD = b"CONNECT pypi.org:443 HTTP/1.1\r\nHost: pypi.org:443\r\nProxy-Authorization: Bearer hush\r\n\r\n"


def kinds(effects: list[Effect]) -> list[str]:
    return [type(each).__name__ for each in effects]


def to_client(effects: list[Effect]) -> bytes:
    return b"".join(each.data for each in effects if isinstance(each, ToClient))


def to_target(effects: list[Effect]) -> bytes:
    return b"".join(each.data for each in effects if isinstance(each, ToTarget))


def relay() -> TunnelRelay:
    return TunnelRelay("s_1", "sha256:0", "pypi.org:443")


def opened(answer: Answer = GO) -> TunnelRelay:
    found = relay()
    found.from_client(HEAD)
    found.decided(0, [answer])
    found.reached("192.0.2.1")
    return found


class Opening(SynchronousTestCase):
    def test_one_thing_after_the_other(self) -> None:
        """Asked, then reached, then told; what the client sent before waits, and no token is in the record."""
        found = relay()
        (ask,) = found.from_client(HEAD + b"early")
        assert isinstance(ask, Ask)
        self.assertEqual(ask.data, b"CONNECT pypi.org:443 HTTP/1.1\r\nHost: pypi.org:443\r\n\r\n")
        self.assertEqual(ask.operations[0].text, b"CONNECT pypi.org:443")
        self.assertEqual(kinds(found.decided(0, [GO])), ["Reach"])
        self.assertEqual(found.from_client(b" words"), [])
        effects = found.reached("192.0.2.1")
        self.assertEqual(kinds(effects), ["ToClient", "Observed", "ToTarget"])
        self.assertEqual(to_client(effects), b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.assertEqual(to_target(effects), b"early words")
        self.assertTrue(found.open)

    def test_a_client_that_does_not_wait_is_not_read(self) -> None:
        """Beyond a bound; it is read again when the tunnel stands."""
        found = relay()
        found.from_client(HEAD)
        self.assertEqual(found.from_client(b"x" * MAX_KEPT), [])
        self.assertEqual(kinds(found.from_client(b"x")), [PauseClient.__name__])
        found.decided(0, [GO])
        effects = found.reached("192.0.2.1")
        self.assertIn(ResumeClient.__name__, kinds(effects))
        self.assertEqual(len(to_target(effects)), MAX_KEPT + 1)

    def test_security_nothing_moves_before_it_is_allowed(self) -> None:
        """Refused: 403 with the object, and the end; nothing is reached, then or later."""
        found = relay()
        found.from_client(HEAD + b"early")
        effects = found.decided(0, [Answer(Denial(Decision.REFUSED, "no", ("rule",)))])
        self.assertTrue(to_client(effects).startswith(b"HTTP/1.1 403 "))
        self.assertEqual(kinds(effects), ["ToClient", "Completed", "Hangup"])
        later = [
            *found.reached("192.0.2.1"),
            *found.from_client(b"x"),
            *found.from_target(b"y"),
            *found.decided(0, [GO]),
        ]
        self.assertEqual(later, [])

    def test_nobody_is_there(self) -> None:
        """502, or 504 where it took too long; why is for the event."""
        for reason, status in (("a reason", b"502"), ("timed out: a reason", b"504")):
            found = relay()
            found.from_client(HEAD)
            found.decided(0, [GO])
            effects = found.target_gone(reason)
            self.assertTrue(to_client(effects).startswith(b"HTTP/1.1 " + status))
            self.assertNotIn(b"a reason", to_client(effects))
            last = effects[-1]
            assert isinstance(last, Hangup)
            self.assertEqual((last.code, last.reason), (Code.TARGET_UNAVAILABLE, reason))

    def test_junk_is_refused(self) -> None:
        """400, and the end."""
        for data in (b"CONNECT pypi.org:443 HTTP/1.1\r\n", b"CONNECT  x\r\n\r\n", b"\0\r\n\r\n"):
            effects = relay().from_client(data)
            self.assertTrue(to_client(effects).startswith(b"HTTP/1.1 400 "), data)
            self.assertEqual(kinds(effects)[-1], "Hangup")


class Open(SynchronousTestCase):
    @given(st.lists(st.tuples(st.booleans(), st.binary(max_size=20)), max_size=20))
    def test_bytes_pass_as_they_are(self, pieces: list[tuple[bool, bytes]]) -> None:
        """Both ways, counted, and none of them for the record."""
        found = opened()
        up = down = b""
        for from_client, data in pieces:
            effects = found.from_client(data) if from_client else found.from_target(data)
            up, down = up + to_target(effects), down + to_client(effects)
            assert all(each.recorded == b"" for each in effects if isinstance(each, ToClient | ToTarget))
        assert up == b"".join(data for sent, data in pieces if sent)
        assert down == b"".join(data for sent, data in pieces if not sent)
        assert (found.up, found.down) == (len(up), len(down))

    def test_coverage(self) -> None:
        """It says what passed unseen; a tunnel that was not opened has nothing of that kind."""
        found = opened()
        found.from_client(b"123")
        found.from_target(b"45")
        self.assertEqual(found.coverage()["opaque"], ["tunnel to pypi.org:443, 3 bytes up, 2 down"])
        self.assertEqual(relay().coverage()["opaque"], [])

    def test_budget(self) -> None:
        """Of both directions together; what would pass it does not go."""
        meter = Meter((Allowance("10 bytes a session", None, 10, "budget:g"),))
        found = opened(Answer(meter=meter))
        self.assertEqual(to_target(found.from_client(b"123456")), b"123456")
        effects = found.from_target(b"12345")
        self.assertEqual(to_client(effects), b"")
        last = effects[-1]
        assert isinstance(last, Hangup)
        self.assertEqual((last.code, last.reason), (Code.BUDGET_EXCEEDED, "the tunnel has carried 10 bytes a session"))

    def test_ends(self) -> None:
        """The destination's, and the gateway's: nothing is put into the stream of bytes."""
        for effects in (opened().target_gone("x"), opened().ended("killed", Code.SESSION_KILLED, None)):
            self.assertEqual(kinds(effects), ["Hangup"])
        waiting = relay()
        waiting.from_client(HEAD)
        effects = waiting.ended("killed", Code.SESSION_KILLED, None)
        self.assertTrue(to_client(effects).startswith(b"HTTP/1.1 503 "))

    def test_event(self) -> None:
        """It says where the tunnel leads, and at which address."""
        found = relay()
        found.from_client(HEAD)
        self.assertEqual(kinds(found.decided(0, [GO])), [Reach.__name__])
        (told,) = [each for each in found.reached("192.0.2.1") if isinstance(each, Observed)]
        self.assertEqual(told.code, Code.TUNNEL_OPENED)
        self.assertEqual(told.told, {"operation": 1, "destination": "pypi.org:443", "address": "192.0.2.1"})
