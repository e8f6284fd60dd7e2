"""What answers `hoopgw ssh-cert`, on the admin socket and over HTTPS: a key is certified against a token."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime

from hoopgw.auth.ssh_keys import fingerprint
from hoopgw.auth.ssh_login_certificates import LoginAuthority
from hoopgw.auth.ssh_signatures import public_key, public_line
from hoopgw.model.errors import NotAllowed, OperatorError
from hoopgw.model.events import Code
from hoopgw.model.identity import Identity
from hoopgw.servers.slow_signing import SlowSigning
from hoopgw.session.interfaces import IEvents

WHAT = "an SSH certificate"


class Certifying:
    """One for the gateway.  `authority` is None where nothing listens for SSH."""

    def __init__(self, events: IEvents, clock: IReactorTime) -> None:
        self._events = events
        self._clock = clock
        self._signing = SlowSigning(clock)
        self.authority: LoginAuthority | None = None

    async def certificate(self, identity: Identity, line: str, client: str) -> tuple[str, float]:
        """For the key of `line`, which is as in a `.pub` file: the certificate as such a line, and its end.

        Raises ValueError for what is no key, NotAllowed, which is an event, and OperatorError where the authority does
        not sign now.  `client` is where it was asked for.
        """
        key, now = public_key(line), self._clock.seconds()
        who: dict[str, Any] = {"issuer": identity.issuer, "subject": identity.subject}
        try:
            if self.authority is None:
                raise NotAllowed("this gateway does not listen for SSH")
            issued = await self._signing.made(self.authority.slow, self.authority.certify, identity, key, now)
        except NotAllowed:
            self._events.emit(Code.ADMIN_REFUSED, **who, what=WHAT, client=client)
            raise
        except OperatorError as error:  # which token, and what it said, is nothing for who asked
            self._events.emit(Code.SIGNING_FAILED, **who, client=client, what=WHAT, reason=str(error))
            raise OperatorError("certificates cannot be signed now: try again later") from error
        said = {"key": fingerprint(key), "serial": issued.serial, "expires": issued.until}
        self._events.emit(Code.CERTIFICATE_ISSUED, **who, client=client, **said)
        return public_line(issued.blob), issued.until
