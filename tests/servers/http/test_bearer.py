"""A bearer token that is kept fresh: the line of each request, and another one where it is not taken."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import AwsKey, Role, SecretReference
from hoopgw.servers.http.bearer import kept_bearer
from hoopgw.servers.http.words import words_of

REFERENCE = SecretReference("oauth", "api/user#access_token")


class Keeping:
    def __init__(self) -> None:
        self.value = b"one"
        self.used: list[bytes] = []

    def get(self, reference: SecretReference) -> Secret:
        assert reference == REFERENCE
        return Secret(self.value)

    def keeps(self, reference: SecretReference) -> bool:
        return reference.kind == "oauth"

    def ripe(self, reference: SecretReference) -> bool:
        return self.value != b"young"

    def another(self, reference: SecretReference, used: Secret) -> Deferred[None]:
        self.used.append(used.reveal())
        return succeed(None)


class Lines(SynchronousTestCase):
    def test_what_no_answer_shows(self) -> None:
        """The token of the request that was sent last, and no other."""
        keeping = Keeping()
        role = Role("r", "", bearer=REFERENCE)
        bearer = kept_bearer(keeping, role)
        assert bearer is not None
        words = words_of(role, keeping.get, bearer)
        self.assertEqual(words().each, ())
        for token in (b"the-first-token", b"the-second-token"):
            keeping.value = token
            bearer.line()
            self.assertEqual(words().each, (token,))

    def test_a_session_token_that_is_away(self) -> None:
        """Requests are signed no more then; an answer that is still to come had the last one."""
        given = [Secret(b"the-session-token")]

        def secret(reference: SecretReference) -> Secret:
            if not given:
                raise SecretUnavailable("away")
            return given[0]

        words = words_of(Role("r", "", sigv4=AwsKey("r", "s3", REFERENCE, REFERENCE, REFERENCE)), secret, None)
        self.assertEqual(words().each, (b"the-session-token",))
        given.clear()
        self.assertEqual(words().each, (b"the-session-token",))

    def test_the_one_of_the_moment(self) -> None:
        """Read for each request; what was used last is what another one is looked for of."""
        keeping = Keeping()
        bearer = kept_bearer(keeping, Role("r", "", bearer=REFERENCE))
        assert bearer is not None
        self.assertEqual((bearer.line(), bearer.renewable()), (b"Authorization: Bearer one\r\n", True))
        keeping.value = b"young"
        bearer.renew()
        self.assertEqual((keeping.used, bearer.renewable()), ([b"one"], False))
        self.assertEqual(bearer.line(), b"Authorization: Bearer young\r\n")

    def test_a_token_is_one_line(self) -> None:
        """One with a line's end in it would add fields of its own."""
        keeping = Keeping()
        keeping.value = b"one\r\nX: 1"
        bearer = kept_bearer(keeping, Role("r", "", bearer=REFERENCE))
        assert bearer is not None
        self.assertRaises(SecretUnavailable, bearer.line)

    def test_one_that_stays(self) -> None:
        """It is a line of the login, as every other credential."""
        for role in (Role("r", ""), Role("r", "", bearer=SecretReference("env", "X"))):
            self.assertIsNone(kept_bearer(Keeping(), role))
