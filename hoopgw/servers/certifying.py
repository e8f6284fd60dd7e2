"""What answers `hoopgw ssh-cert`, on the admin socket and over HTTPS: a key is certified against a token."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime

from hoopgw.auth.ssh_keys import fingerprint
from hoopgw.auth.ssh_login_certificates import LoginAuthority
from hoopgw.auth.ssh_signatures import public_key, public_line
from hoopgw.model.errors import NotAllowed
from hoopgw.model.events import Code
from hoopgw.model.identity import Identity
from hoopgw.session.interfaces import IEvents

WHAT = "an SSH certificate"


class Certifying:
    """One for the gateway.  `authority` is None where nothing listens for SSH."""

    def __init__(self, events: IEvents, clock: IReactorTime) -> None:
        self._events = events
        self._clock = clock
        self.authority: LoginAuthority | None = None

    def certificate(self, identity: Identity, line: str, client: str) -> tuple[str, float]:
        """For the key of `line`, which is as in a `.pub` file: the certificate as such a line, and its end.

        Raises ValueError for what is no key, and NotAllowed, which is an event.  `client` is where it was asked for.
        """
        key = public_key(line)
        who: dict[str, Any] = {"issuer": identity.issuer, "subject": identity.subject}
        try:
            if self.authority is None:
                raise NotAllowed("this gateway does not listen for SSH")
            issued = self.authority.certify(identity, key, self._clock.seconds())
        except NotAllowed:
            self._events.emit(Code.ADMIN_REFUSED, **who, what=WHAT, client=client)
            raise
        said = {"key": fingerprint(key), "serial": issued.serial, "expires": issued.until}
        self._events.emit(Code.CERTIFICATE_ISSUED, **who, client=client, **said)
        return public_line(issued.blob), issued.until
