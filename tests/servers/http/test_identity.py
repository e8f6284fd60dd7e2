"""hoopgw.servers.http.identity: who asks is told at once, or by a line that was signed ahead."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from hoopgw.auth.access import Access
from hoopgw.auth.identity_tokens import FRESH, LIFETIME, IdentityTokens, Said
from hoopgw.model.answer import GO, Answer, Decision, Denial
from hoopgw.model.errors import PinRefused, TokenUnavailable
from hoopgw.model.events import Code
from hoopgw.model.operation import MESSAGE, REQUEST, Operation
from hoopgw.relay.effects import Ask
from hoopgw.servers.http.identity import RETRY, USABLE, IdentityLines, Introduced, OwnLine, SharedLine, in_thread
from hoopgw.servers.slow_signing import SECONDS
from hoopgw.session.supervision import Supervision
from tests.auth.test_identity_tokens import NOW, access
from tests.session.fakes import Emitted

KEY = Ed25519PrivateKey.generate()
NO = Answer(Denial(Decision.REFUSED, "no", ("a-rule",), session="s_1", policy="p"))
ADA = access()


def target(name: str) -> Access:
    return replace(ADA, target=replace(ADA.target, name=name))


def told(line: bytes) -> dict[str, Any]:
    """What a target reads, verified by the published key."""
    name, _, token = line.strip().partition(b": ")
    assert name == b"X-Hoopgw-Identity" and line.endswith(b"\r\n"), line
    options = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    key = jwt.PyJWK(IdentityTokens("gw", KEY).keys()["keys"][0])
    found: dict[str, Any] = jwt.decode(token.decode(), key, ["EdDSA"], options=options)
    return found


class Hsm:
    """A thread that takes its time: it signs when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Said, float, Deferred[str]]] = []

    def __call__(self, sign: Any, said: Said, now: float) -> Deferred[str]:
        waiting: Deferred[str] = Deferred()
        self.asked.append((sign, said, now, waiting))
        return waiting

    def signs(self) -> None:
        sign, said, now, waiting = self.asked.pop(0)
        waiting.callback(sign(said, now))

    def fails(self, error: Exception) -> None:
        self.asked.pop(0)[-1].errback(error)


class Lines(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.events, self.hsm = Clock(), Emitted(), Hsm()
        self.clock.advance(NOW)
        self.lines = IdentityLines(IdentityTokens("gw", KEY, slow=True), self.clock, self.events, self.hsm)

    def shared(self, who: Access = ADA, session: str = "s_1") -> SharedLine:
        line = self.lines.of(who, session)
        assert isinstance(line, SharedLine)
        return line


class Quick(Lines):
    def test_a_key_of_a_file(self) -> None:
        """Each session its own line, with its name; the same for a while, then another.  Nobody waits."""
        self.lines = IdentityLines(IdentityTokens("gw", KEY), self.clock, self.events, self.hsm)
        line = self.lines.of(ADA, "s_1")
        assert isinstance(line, OwnLine)
        first = line()
        self.assertEqual((told(first)["sid"], told(first)["exp"]), ("s_1", NOW + LIFETIME))
        self.clock.advance(FRESH - 1)
        self.assertIs(line(), first)
        self.clock.advance(2)
        self.assertNotEqual(line(), first)
        self.assertEqual(self.hsm.asked, [])


class Slow(Lines):
    def test_signed_ahead(self) -> None:
        """When the session begins, once for all of an identity on a target; another target has another."""
        line = self.shared()
        self.assertIs(self.shared(session="s_2"), line)
        self.assertFalse(line.ready)
        self.assertRaises(TokenUnavailable, line)
        self.assertEqual(len(self.hsm.asked), 1)
        self.hsm.signs()
        self.assertEqual((told(line())["aud"], told(line())["sub"]), ("api", "ada@example.com"))
        self.assertNotIn("sid", told(line()))
        other = self.shared(target("other"))
        self.assertIsNot(other, line)
        self.hsm.signs()
        self.assertEqual(told(other())["aud"], "other")

    def test_kept_for_most_of_its_life(self) -> None:
        """Another one is asked for while it is good; nobody waits for that, and none is used to its end."""
        line = self.shared()
        self.hsm.signs()
        first = line()
        self.clock.advance(FRESH - 1)
        self.assertEqual((line(), self.hsm.asked), (first, []))
        self.clock.advance(2)
        self.assertEqual((line(), line(), len(self.hsm.asked)), (first, first, 1))
        self.clock.advance(USABLE - FRESH - 2)
        self.assertEqual(line(), first)
        self.clock.advance(2)
        self.assertRaises(TokenUnavailable, line)
        self.hsm.signs()
        # its time began when it was asked for: a token that takes long does not make it live longer
        self.assertEqual(told(line())["iat"], NOW + FRESH + 1)
        self.assertLess(USABLE, LIFETIME)

    def test_waited_for(self) -> None:
        """By all who want it; one that leaves takes nothing from the others."""
        line = self.shared()
        first, second, third = line.wait(), line.wait(), line.wait()
        first.addCallback(lambda _: third.cancel())
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.hsm.signs()
        self.assertIsNone(self.successResultOf(first))
        self.failureResultOf(third, CancelledError)
        self.assertTrue(line.ready)
        self.assertIsNone(self.successResultOf(line.wait()))

    def test_one_at_a_time(self) -> None:
        """A token does one thing after the other; a hundred targets do not take a hundred threads."""
        lines = [self.shared(target(f"t{number}")) for number in range(100)]
        for _ in lines:
            self.assertEqual(len(self.hsm.asked), 1)
            self.hsm.signs()
        self.assertTrue(all(line.ready for line in lines))

    def test_away(self) -> None:
        """Everybody is told at once, with one event; a second later it is asked again, and goes on by itself."""
        line, other = self.shared(), self.shared(target("other"))
        waiting = [line.wait(), other.wait()]
        self.hsm.fails(TokenUnavailable("token hsm, key who: DeviceRemoved"))
        for each, of in zip(waiting, (line, other), strict=True):
            self.assertIsNone(self.successResultOf(each))
            self.assertIn("DeviceRemoved", str(self.assertRaises(TokenUnavailable, of)))
        self.assertIsNone(self.successResultOf(line.wait()))
        self.assertEqual((self.events.codes(), self.hsm.asked), ([Code.SIGNING_FAILED], []))
        said = self.events.events[0][1]
        self.assertEqual((said["subject"], said["target"]), ("ada@example.com", "api"))
        self.clock.advance(RETRY)
        again = line.wait()
        self.hsm.signs()
        self.assertIsNone(self.successResultOf(again))
        self.assertTrue(line.ready)

    def test_away_while_the_last_one_is_good(self) -> None:
        """It goes on as long as that is."""
        line = self.shared()
        self.hsm.signs()
        first = line()
        self.clock.advance(FRESH + 1)
        line()
        self.hsm.fails(PinRefused("the PIN is not tried again"))
        self.assertEqual(line(), first)
        self.clock.advance(USABLE)
        self.assertRaises(TokenUnavailable, line)

    def test_too_late(self) -> None:
        """Nobody waits for a token longer than its time; what comes then is used by the next one."""
        line = self.shared()
        waiting = line.wait()
        self.clock.advance(SECONDS)
        self.assertIsNone(self.successResultOf(waiting))
        self.assertIn("within 10 s", str(self.assertRaises(TokenUnavailable, line)))
        self.hsm.signs()
        self.assertTrue(line.ready)


class FakeSession(Supervision):
    """Decides as it is told to."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def decide(self, ask: Ask) -> Any:
        return self.answers.pop(0)


def asking(kind: str = REQUEST) -> Ask:
    return Ask(0, (Operation("http", kind, b"GET /"),), b"", lambda texts: b"")


class Requests(Lines):
    def session(self, *answers: Any) -> tuple[Any, SharedLine]:
        line = self.shared()
        session: Any = FakeSession(*answers)
        return Introduced(session, line), line

    def test_the_first_request_waits(self) -> None:
        """For its line, and the next ones do not; a message of a WebSocket needs none."""
        session, _ = self.session((GO,), (GO,), (GO,))
        self.assertEqual(session.decide(asking(MESSAGE)), (GO,))
        waiting = session.decide(asking())
        self.assertNoResult(waiting)
        self.hsm.signs()
        self.assertEqual(self.successResultOf(waiting), (GO,))
        self.assertEqual(session.decide(asking()), (GO,))

    def test_what_is_refused_does_not(self) -> None:
        session, _ = self.session((NO,))
        self.assertEqual(session.decide(asking()), (NO,))

    def test_after_an_approval(self) -> None:
        """The line may be too old by then: it is the one of now that goes on."""
        deciding: Deferred[Any] = Deferred()
        session, line = self.session(deciding)
        self.hsm.signs()
        waiting = session.decide(asking())
        self.clock.advance(3600)
        deciding.callback((GO,))
        self.assertNoResult(waiting)
        self.hsm.signs()
        self.assertEqual(self.successResultOf(waiting), (GO,))
        self.assertTrue(line.ready)

    def test_a_client_that_leaves(self) -> None:
        """Before the decision, and while only the line is waited for."""
        deciding: Deferred[Any] = Deferred()
        session, _ = self.session(deciding, (GO,))
        for waiting in (session.decide(asking()), session.decide(asking())):
            waiting.cancel()
            self.failureResultOf(waiting, CancelledError)
        self.assertTrue(deciding.called)
        self.hsm.signs()


class InThread(TestCase):
    @inlineCallbacks
    def test_by_another_thread(self) -> Generator[Deferred[Any], Any, None]:
        """As the gateway has it: the reactor goes on meanwhile."""
        clock: Any = reactor
        lines = IdentityLines(IdentityTokens("gw", KEY, slow=True), clock, Emitted(), in_thread(clock))
        line = lines.of(ADA, "s_1")
        assert isinstance(line, SharedLine)
        self.assertFalse(line.ready)
        yield line.wait()
        self.assertEqual(told(line())["sub"], "ada@example.com")
