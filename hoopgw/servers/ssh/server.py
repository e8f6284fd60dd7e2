"""The SSH edge: one client connection from its first byte to its end.  Decides nothing.

A connection is first a login (`relay.ssh_client_login`), then a session whose runs a `Pump` moves.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgw.auth.access import Access, IAccess, Wanted
from hoopgw.auth.credentials import BearerToken, SshSignature
from hoopgw.auth.device_grant import Begun, DeviceGrant
from hoopgw.auth.ssh_keys import SshKeyChecker
from hoopgw.model.answer import Denial
from hoopgw.model.errors import (
    HoopgwError,
    LoginRefused,
    OperatorError,
    ProtocolViolation,
    TargetUnavailable,
    WireError,
)
from hoopgw.model.events import Code
from hoopgw.model.settings import SshSettings
from hoopgw.relay import ssh_client_login as login
from hoopgw.relay.ssh import SshRelay
from hoopgw.servers.entrance import Entrance, code_of
from hoopgw.servers.gateway import Gateway
from hoopgw.servers.pump import Pump
from hoopgw.servers.ssh.algorithms import Algorithms, chosen
from hoopgw.servers.ssh.dial import SshDialer, SshTarget
from hoopgw.servers.ssh.ends import ServerLeg
from hoopgw.servers.ssh.hostkeys import HostKey
from hoopgw.servers.ssh.leg import Leg
from hoopgw.servers.ssh.reading import LOGIN
from hoopgw.session.interfaces import IEdge

PROTOCOL = "ssh"
MAX_UNWANTED = 4  # reasons of one event: a certificate comes before its plain key, and those of an agent before both


class _State(Enum):
    LOGIN = 0
    DECIDING = 1  # token or key, grant, target: the client must wait
    OPEN = 2
    ENDED = 3


class SshShared:
    """What of SSH all connections share; a reload `configure`s it anew for later ones."""

    host_keys: dict[bytes, HostKey]
    algorithms: Algorithms
    rekey: int  # bytes
    people: DeviceGrant | None  # how people log in with a browser

    def __init__(self, dialer: SshDialer, checker: SshKeyChecker) -> None:
        self.dialer = dialer
        self.checker = checker

    def configure(
        self, settings: SshSettings, host_keys: dict[bytes, HostKey], people: DeviceGrant | None = None
    ) -> None:
        """`host_keys` are those of `settings`, by the algorithms of their signatures."""
        self.people = people
        self.host_keys = host_keys
        self.algorithms = chosen(settings.kex, settings.compatibility)
        self.rekey = settings.rekey
        self.dialer.authority = settings.target_authority


@implementer(IEdge)
class SshServer(ServerLeg):
    """One client."""

    _log = Logger()

    def __init__(self, gateway: Gateway, shared: SshShared, address: str) -> None:
        super().__init__()
        self.clock = gateway.reactor
        self.host_keys = shared.host_keys
        now = self.clock.seconds()
        self.signatures = tuple(name for name, key in shared.host_keys.items() if key.good(now))
        self.algorithms = shared.algorithms
        self.rekey_bytes = shared.rekey
        self._gateway = gateway
        self._shared = shared
        self._address = address
        self._state = _State.LOGIN
        self._login: login.ClientLogin | None = None
        self._entrance = Entrance(gateway, PROTOCOL, address)
        self._session: Any = None
        self._target: SshTarget | None = None
        self._pump: Pump | None = None
        self._deciding: Deferred[Any] | None = None
        self._leg = Leg(self)
        self._user = ""
        self._way = ""
        self._begun: Begun | None = None
        self._unwanted: list[str] = []  # why keys that were offered are no way in

    # ---- the connection

    def connectionMade(self) -> None:
        barred = self._entrance.enter(self._refuse)
        if barred is not None:
            self._entrance.told(barred)
            self.closing = True
            self.transport.write(f"hoopgw: {barred}\r\n".encode())  # in place of a version (RFC 4253, 4.2)
            self.transport.loseConnection()
            return
        super().connectionMade()

    def lost(self, reason: str) -> None:
        if self._state is _State.LOGIN and self._unwanted:  # it went as none of its keys would do: no failed login
            self._entrance.told(LoginRefused("no key that was offered is accepted", detail="; ".join(self._unwanted)))
        if self._begun is not None:  # a code was shown and nobody waits for it: each costs the issuer something
            self._gateway.penalties.failed(self._address)
        self._entrance.leave()
        if self._pump is not None:
            self._pump.client_gone()
        elif self._session is not None:
            self._entrance.close(self._session, Code.SESSION_CLOSED, "the client left before its session was open")
        self._state = _State.ENDED
        if self._deciding is not None:
            self._deciding.cancel()
        if self._target is not None and self._pump is None:
            self._target.transport.abortConnection()

    def failed(self, reason: str) -> None:
        """The client broke the protocol: of SSH's transport, or of the login."""
        if self._pump is not None:
            self._leg.farewell = reason
            self._pump.end(Code.PROTOCOL_VIOLATED, reason, None)
        else:
            self._refused(ProtocolViolation(reason))

    # ---- the login

    def secured(self) -> None:
        assert self.sessionID is not None
        interactive = self._shared.people is not None
        self._login = login.ClientLogin(self.sessionID, self._gateway.settings.limits.max_token, interactive)

    def told(self, message: bytes) -> None:
        if self._login is None or self._state is not _State.LOGIN:
            raise ProtocolViolation("a login where there can be none")
        self._carry_out(self._login, self._login.from_client(message))

    def _carry_out(self, machine: login.ClientLogin, steps: list[login.Step]) -> None:
        for step in steps:
            if isinstance(step, login.Reply):
                self.send(step.message)
            elif isinstance(step, login.KeyOffered):
                refusal = self._shared.checker.refusal(step.algorithm, step.blob, self._address)
                if refusal is not None and len(self._unwanted) < MAX_UNWANTED:
                    self._unwanted.append(refusal.detail)
                self._carry_out(machine, machine.offer_judged(refusal is None))
            elif isinstance(step, login.TokenGiven):
                self._way = f"password ({len(step.token.reveal())} bytes)"
                self._decide(machine, step.user, BearerToken(step.token, self._address))
            elif isinstance(step, login.PersonAsked):
                self._ask_person(machine, step.user)
            elif isinstance(step, login.PersonWaits):
                self._wait_for_person(machine, step.user)
            else:
                self._way = f"publickey ({step.algorithm.decode('ascii', 'backslashreplace')})"
                signature = SshSignature(step.algorithm, step.blob, step.signed, step.signature, self._address)
                self._decide(machine, step.user, signature)

    def _ask_person(self, machine: login.ClientLogin, user: str) -> None:
        """Somebody wants to log in with a browser: the issuer says where and by which code."""
        self._state, self._user, self._way = _State.DECIDING, user, "keyboard-interactive"
        deciding = self._deciding = self._shown(machine)
        deciding.addErrback(self._login_failed, machine)

    @inlineCallbacks
    def _shown(self, machine: login.ClientLogin) -> Generator[Deferred[Any], Any, None]:
        begun: Begun = yield self._people().begin()
        self._state, self._deciding, self._begun = _State.LOGIN, None, begun
        limit = self._gateway.settings.limits.login_seconds + begun.until - self._gateway.reactor.seconds()
        self._entrance.has(limit)
        self._carry_out(machine, machine.show(f"Open {begun.address} and confirm the code {begun.code}"))

    def _wait_for_person(self, machine: login.ClientLogin, user: str) -> None:
        self._state = _State.DECIDING
        deciding = self._deciding = self._confirmed(machine, user)
        deciding.addErrback(self._login_failed, machine)

    @inlineCallbacks
    def _confirmed(self, machine: login.ClientLogin, user: str) -> Generator[Deferred[Any], Any, None]:
        begun, self._begun = self._begun, None
        if begun is None:
            raise ProtocolViolation("an answer to what was not asked")
        try:
            token = yield self._people().token(begun)
        except CancelledError:  # as above
            self._gateway.penalties.failed(self._address)
            raise
        yield self._log_in(machine, _wanted(user), BearerToken(token, self._address))

    def _people(self) -> DeviceGrant:
        if self._shared.people is None:  # a reload took it away
            raise LoginRefused("nobody logs in with a browser here any more", detail="device grant")
        return self._shared.people

    def _decide(self, machine: login.ClientLogin, user: str, credentials: Any) -> None:
        self._state, self._user = _State.DECIDING, user
        deciding = self._deciding = self._log_in(machine, _wanted(user), credentials)
        deciding.addErrback(self._login_failed, machine)

    @inlineCallbacks
    def _log_in(
        self, machine: login.ClientLogin, wanted: Wanted, credentials: Any
    ) -> Generator[Deferred[Any], Any, None]:
        _, access, _ = yield self._gateway.portal.login(credentials, wanted, IAccess)
        self._gateway.penalties.succeeded(self._address)
        opening = {"ssh": self.described, "user": self._user, "login": [self._way]}
        yield self._gateway.room()
        self._session = session = self._gateway.open_session(access, self, self._address, opening)
        session.accepted(PROTOCOL)
        self._target = target = yield self._shared.dialer.dial(access, session.id, self.rekey_bytes)
        target.reading.stop(LOGIN)  # until there is somebody to hand its messages to
        yield session.ready()
        yield session.judge.ready()
        yield self._gateway.room()
        taken = self._shared.checker.takes_back(access.identity)
        if taken is not None:
            raise taken
        self._open(machine, access, target)

    def _login_failed(self, failure: Failure, machine: login.ClientLogin) -> None:
        self._deciding = None
        if self._state is _State.ENDED:
            return
        error = failure.value
        if isinstance(error, LoginRefused) and self._session is None:
            self._try_again(machine, error)
        elif isinstance(error, HoopgwError):
            self._refuse(error)
        else:
            self._log.failure("a login failed", failure=failure)
            self._refuse(OperatorError("the gateway failed"))

    def _try_again(self, machine: login.ClientLogin, error: LoginRefused) -> None:
        """The event and the penalty of this attempt; another one may follow."""
        self._state = _State.LOGIN
        self._refused(error)
        try:
            self._carry_out(machine, machine.refused(str(error)))
        except WireError as violation:
            self._state = _State.ENDED
            self._entrance.leave()
            self.disconnect(str(violation), 14)  # SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE

    def _refuse(self, error: HoopgwError) -> None:
        """Tell the client, write the event, close."""
        if self._state is _State.ENDED:
            return
        self._refused(error)
        self._state = _State.ENDED
        if self._session is not None:
            self._entrance.close(self._session, code_of(error), str(error))
        self._entrance.abort_later(self.transport)
        self.disconnect(_for_client(error))

    def _refused(self, error: HoopgwError) -> None:
        self._entrance.failed(error)
        self._entrance.told(error)
        if not isinstance(error, LoginRefused):
            self._entrance.leave()

    # ---- the session

    def _open(self, machine: login.ClientLogin, access: Access, target: SshTarget) -> None:
        gateway, session = self._gateway, self._session
        self._state, self._deciding = _State.OPEN, None
        self._entrance.leave()
        relay = SshRelay(session=session.id, policy=session.policy, subject=access.identity.subject)
        leg, self._leg.words = Leg(target), relay.last_words
        pump = self._pump = Pump(
            session,
            relay,
            self._leg,
            leg,
            lambda: succeed(None),
            gateway.registry.remove,
            gateway.reactor,
            gateway.endings,
        )
        session.opened({"target": str(target.place.address), "ssh": target.described})
        self.deliver_to(pump.client_bytes)
        self.established = True
        for step in machine.accepted():
            if isinstance(step, login.Reply):
                self.send(step.message)
        self.beside, target.beside = target, self
        target.lost_later = pump.target_gone
        target.hand_over(pump.target_bytes)
        target.reading.go_on(LOGIN)

    # ---- IEdge

    def holding(self, lane: int, notice: Denial) -> None:
        if self._pump is not None:
            self._pump.holding(lane, notice)

    def end(self, code: Code, reason: str, denial: Denial | None) -> None:
        self._leg.farewell = reason
        if self._pump is not None:
            self._pump.end(code, reason, denial)
        else:
            self._refuse(LoginRefused(reason, detail=code.value))

    def transaction_ran(self) -> bool:
        return False

    def rows_passed(self) -> int:
        return 0


def _wanted(user: str) -> Wanted:
    role, _, target = user.rpartition("@")
    return Wanted(PROTOCOL, target, role)


def _for_client(error: HoopgwError) -> str:
    """Where a target is, and what it says to the gateway's credential, is nothing for its clients."""
    return "the target cannot be reached" if isinstance(error, TargetUnavailable) else str(error)


class SshFactory(Factory):
    """Accepts SSH clients."""

    noisy = False

    def __init__(self, gateway: Gateway, shared: SshShared) -> None:
        self.gateway = gateway
        self.shared = shared

    def buildProtocol(self, address: IAddress | None) -> SshServer:
        return SshServer(self.gateway, self.shared, getattr(address, "host", "local"))
