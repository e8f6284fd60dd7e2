"""Opens connections to SSH targets and logs in."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.conch.ssh import keys
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.python.failure import Failure

from hoopgw.auth.access import Access
from hoopgw.auth.ssh_host_keys import HostKeys
from hoopgw.auth.ssh_minting import target_certificate
from hoopgw.model.errors import PinRefused, ProtocolViolation, TargetUnavailable, TokenUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import SecretReference, Target
from hoopgw.relay import ssh_target_login as login
from hoopgw.servers.departures import Departures
from hoopgw.servers.reach import Place, reach
from hoopgw.servers.slow_signing import SlowSigning
from hoopgw.servers.ssh.algorithms import chosen
from hoopgw.servers.ssh.ends import ClientLeg
from hoopgw.servers.ssh.hostkeys import algorithms_of, signer
from hoopgw.wire.sshcertificates import certified_name

LOGIN_SECONDS = 15.0  # from connecting to the login's success
MAX_UNSENT = 64 << 20  # bytes that a target does not take: all that has waited for decisions may go to it at once
MAX_EARLY = 256 * 1024  # bytes that a target says before its client is let in: host keys, a keepalive


class SshTarget(ClientLeg):
    """One connection to a target.  `ready` fires when it has let the gateway in; then runs go to `receive`.

    `lost_later` is called once with the reason when the connection ends after that.
    """

    max_unsent = MAX_UNSENT

    def __init__(self, access: Access, place: Place, signing: login.Signer | None, password: Secret | None) -> None:
        super().__init__()
        self.place = place
        target = access.target
        self.known = HostKeys(target.host_keys, target.host_authorities, place.address.host)
        self.signatures = algorithms_of(target.host_keys, bool(target.host_authorities))
        self.algorithms = chosen("default", target.compatibility)
        self._user = access.role.user
        self._signing = signing
        self._password = password
        self._login: login.TargetLogin | None = None
        self._early: list[bytes] = []
        self._early_size = 0
        self._finished = False
        self.lost_later: Callable[[str], None] = lambda reason: None
        self.ready: Deferred[None] = Deferred(lambda _: self.transport and self.transport.abortConnection())

    def secured(self) -> None:
        assert self.sessionID is not None
        self._login = login.TargetLogin(self.sessionID, self._user, self._signing, self._password)
        self._signing = self._password = None
        self._carry_out(self._login.start())

    def told(self, message: bytes) -> None:
        if self._login is None:
            raise ProtocolViolation("a login before there are keys")
        self._carry_out(self._login.from_target(message))

    def _carry_out(self, steps: list[login.Step]) -> None:
        for step in steps:
            if isinstance(step, login.Send):
                self.send(step.message)
            elif isinstance(step, login.Ready):
                self.established = True
                self._finish(None)
            elif isinstance(step, login.Failed):
                self._finish(Failure(TargetUnavailable(step.reason)))
                self.disconnect("bye")

    def received(self, run: bytes) -> None:
        self._early.append(run)
        self._early_size += len(run)
        if self._early_size > MAX_EARLY:
            raise ProtocolViolation("too much before its client is let in")

    def hand_over(self, receive: Callable[[bytes], None]) -> None:
        """From now on runs go to `receive`, those first that came before."""
        self.deliver_to(receive)
        early, self._early = self._early, []
        for run in early:
            receive(run)

    def failed(self, reason: str) -> None:
        self._finish(Failure(TargetUnavailable(f"{self.place.address}: {reason}")))
        self.said = self.said or reason

    def lost(self, reason: str) -> None:
        why = self.said or reason
        self._finish(Failure(TargetUnavailable(f"{self.place.address}: {why}")))
        self.lost_later(why)

    def _finish(self, result: Failure | None) -> None:
        if not self._finished:
            self._finished = True
            self.ready.callback(result)


class SshDialer:
    """Opens connections to targets."""

    def __init__(
        self,
        reactor: Any,
        departures: Departures,
        secret: Callable[[SecretReference], Secret],
        token_bytes: Callable[[int], bytes],
        signer_of: Callable[[SecretReference], login.Signer],
    ) -> None:
        """`authority`, which a reload may replace, certifies the logins of roles that ask for that; `signer_of` gives
        it.  Both may raise OperatorError."""
        self._reactor = reactor
        self._departures = departures
        self._secret = secret
        self._token_bytes = token_bytes
        self._signer_of = signer_of
        self._signing = SlowSigning(reactor)
        self.authority: SecretReference | None = None

    @inlineCallbacks
    def dial(self, access: Access, session: str, rekey: int) -> Generator[Deferred[Any], Any, SshTarget]:
        """A connection that is logged in as the role.  Fails with TargetUnavailable; the words are for events, not for
        clients."""
        role = access.role
        signing: login.Signer | None = None
        if role.certified:
            signing = yield self._certified(access, session)
        if role.key is not None:
            signing = signer(self._secret(role.key), str(role.key))
        password = self._secret(role.password) if role.password is not None else None

        def made(place: Place) -> SshTarget:
            leg = SshTarget(access, place, signing, password)
            leg.clock, leg.rekey_bytes = self._reactor, rekey
            return leg

        target: Target = access.target
        leg: SshTarget = yield reach(self._reactor, self._departures, target, made)
        yield leg.ready.addTimeout(LOGIN_SECONDS, self._reactor, onTimeoutCancel=_too_slow)
        return leg

    @inlineCallbacks
    def _certified(self, access: Access, session: str) -> Generator[Deferred[Any], Any, login.Signer]:
        """A key that nothing but this login has, and its certificate."""
        if self.authority is None:
            raise TargetUnavailable("the gateway has no authority that could certify it")
        authority = self._signer_of(self.authority)
        key = keys.Key(ed25519.Ed25519PrivateKey.generate())
        blob, now = key.public().blob(), self._reactor.seconds()
        about = authority, blob, access.role.user, access.identity, session, now, self._token_bytes
        try:
            certificate = yield self._signing.made(authority.slow, target_certificate, *about)
        except (TokenUnavailable, PinRefused) as error:
            raise TargetUnavailable(f"the gateway's authority does not sign: {error}") from error
        return login.Signer(certified_name(b"ssh-ed25519"), certificate, key.sign)


def _too_slow(result: Any, seconds: float) -> Any:
    raise TargetUnavailable(f"no login within {seconds:g} s")
