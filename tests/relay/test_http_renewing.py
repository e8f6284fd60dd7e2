"""Requests whose credential may be another one each time, and targets that do not take it (401)."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import SecretUnavailable, TokenUnavailable
from hoopgw.model.events import Code
from hoopgw.relay.effects import Effect, Hangup, Observed, Renew
from hoopgw.relay.http_outgoing import MAX_REPEATED
from tests.relay.test_http import GET, OK, Course

REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
POST = GET.replace(b"GET ", b"POST ")[:-2] + b"Content-Length: 5\r\n\r\nhello"


class Granted:
    """A token that `value` says."""

    def __init__(self) -> None:
        self.value = b"one"
        self.ripe = True

    def line(self) -> bytes:
        if not self.value:
            raise SecretUnavailable("oauth:shop/user: away")
        return b"Authorization: Bearer " + self.value + b"\r\n"

    def course(self, **more: Any) -> Course:
        return Course(credential=b"", granted=self.line, renewable=lambda: self.ripe, **more)


def renews(effects: list[Effect]) -> int:
    return sum(isinstance(each, Renew) for each in effects)


class Renewing(SynchronousTestCase):
    def setUp(self) -> None:
        self.granted = Granted()

    def test_the_token_of_the_moment(self) -> None:
        """Each request of a session has the one that there is then; the record has none."""
        course = self.granted.course()
        for token in (b"one", b"two"):
            self.granted.value = token
            course.send(GET)
            self.assertEqual(course.target[0].count(b"Authorization: Bearer " + token + b"\r\n"), 1)
            course.reply(OK)
        record = b"".join(course.journal)
        self.assertIn(b"authorization: (redacted)", record)
        self.assertNotIn(b"Bearer", record)

    def test_one_more_try(self) -> None:
        """With another token, on another connection; the client sees that answer alone, the record why."""
        for request in (GET, POST):
            course = self.granted.course()
            self.granted.value = b"one"
            course.send(request)
            course.reply(REFUSED)
            self.assertEqual((course.client, renews(course.others)), (b"", 1))
            [seen] = [each for each in course.others if isinstance(each, Observed)]
            self.assertEqual((seen.code, seen.fields["operation"]), (Code.CREDENTIAL_REFUSED, 1))
            course.send(GET)  # it waits
            self.granted.value = b"two"
            course.do(course.relay.later(0))
            first, second = course.target[:2]
            self.assertEqual(second, first.replace(b"Bearer one", b"Bearer two"))
            course.reply(OK)
            self.assertEqual(course.client, OK)
            self.assertIn(b"Bearer two", course.target[1].removeprefix(second))

    def test_only_one(self) -> None:
        """A second 401 is the client's to read; so is one to a token that is young, or to a body that is not kept."""
        course = self.granted.course()
        course.send(GET)
        course.reply(REFUSED)
        course.do(course.relay.later(0))
        course.reply(REFUSED)
        self.assertEqual(course.client, REFUSED)
        self.granted.ripe = False
        course = self.granted.course()
        course.send(GET)
        course.reply(REFUSED)
        self.assertEqual((course.client, len(course.target)), (REFUSED, 1))

    def test_a_body_that_comes_behind(self) -> None:
        """It is kept as it passes, and sent again whole."""
        course = self.granted.course()
        course.send(POST[:-4])
        for byte in POST[-4:]:
            course.send(bytes((byte,)))
        course.reply(REFUSED)
        self.granted.value = b"two"
        course.do(course.relay.later(0))
        self.assertEqual(course.target[1], course.target[0].replace(b"Bearer one", b"Bearer two"))
        self.assertTrue(course.target[1].endswith(b"hello"))
        course.reply(OK)
        self.assertEqual(course.client, OK)

    def test_a_body_that_is_not_kept(self) -> None:
        """One that is long, or not there yet: its 401 goes on, and another token is there for the next request."""
        long = POST.replace(b": 5\r\n", b": %d\r\n" % (MAX_REPEATED + 5)) + bytes(MAX_REPEATED)
        for sent in (long, POST[:-2]):
            course = self.granted.course()
            course.send(sent[:500])
            course.send(sent[500:])
            course.reply(REFUSED)
            self.assertEqual((course.client, renews(course.others)), (REFUSED, 1))
            course.do(course.relay.later(0))
            self.assertLessEqual(len(course.target[-1]), len(course.target[0]))
            self.assertEqual(b"".join(course.target), course.target[0])

    def test_without_a_token(self) -> None:
        """503, before the target sees anything or after it has refused the last one; never the reason."""
        course = self.granted.course()
        self.granted.value = b""
        course.send(GET)
        self.assertEqual((course.problem()[0], course.target), (503, [b""]))
        self.granted.value = b"one"
        course = self.granted.course()
        course.send(GET)
        course.reply(REFUSED)
        self.granted.value = b""
        course.do(course.relay.later(0))
        self.assertEqual(course.problem()[0], 503)
        self.assertNotIn(b"oauth", course.client)
        self.assertIn(Code.OPERATION_UNAVAILABLE, [each.code for each in course.others if isinstance(each, Observed)])

    def test_who_asks_cannot_be_signed(self) -> None:
        """The key is in a token that is away: 503 in words, the connection goes on, and the target sees nothing."""
        away = [TokenUnavailable("token hsm, key who: DeviceRemoved")]

        def line() -> bytes:
            if away:
                raise away[0]
            return b"X-Hoopgw-Identity: eyJ\r\n"

        course = Course(identity=line)
        course.send(POST)
        status, problem = course.problem()
        self.assertEqual((status, course.target, course.ended), (503, [b""], None))
        self.assertIn("who asks cannot be signed", problem["detail"])
        self.assertNotIn(b"hsm", course.client)
        (seen,) = [each for each in course.others if isinstance(each, Observed)]
        self.assertEqual((seen.code, "hsm" in str(seen.fields["reason"])), (Code.OPERATION_UNAVAILABLE, True))
        away.clear()
        course.send(GET)
        self.assertIn(b"X-Hoopgw-Identity: eyJ\r\n", course.target[0])

    def test_what_ends_meanwhile(self) -> None:
        """A session that has ended sends nothing again."""
        course = self.granted.course()
        course.send(GET)
        course.reply(REFUSED)
        ended = course.relay.ended("killed", Code.SESSION_KILLED, None)
        self.assertIsInstance(ended[-1], Hangup)
        self.assertEqual(course.relay.later(0), [])

    def test_a_credential_that_stays(self) -> None:
        """Nothing is tried again where there is no other one."""
        course = Course()
        course.send(GET)
        course.reply(REFUSED)
        self.assertEqual((course.client, renews(course.others), course.relay.later(0)), (REFUSED, 0, []))
