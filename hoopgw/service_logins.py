"""Who comes in by what, and what the gateway signs for them: taken up at start and with each reload."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from hoopgw.auth.checker import TokenChecker
from hoopgw.auth.client_certificates import CertificateChecker
from hoopgw.auth.device_grant import DeviceGrant
from hoopgw.auth.fetch import https_fetch, https_post
from hoopgw.auth.local import KEY_FILE, LocalTokens, load_or_make_key
from hoopgw.auth.revocation_lists import RevocationLists
from hoopgw.auth.ssh_keys import SshKeyChecker
from hoopgw.auth.ssh_login_certificates import LoginAuthority
from hoopgw.config import Config
from hoopgw.config_signing import SigningKeys
from hoopgw.model.errors import OperatorError, RevocationsUnavailable
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.model.settings import Settings, SshSettings
from hoopgw.model.target import SecretReference
from hoopgw.relay.ssh_target_login import Signer
from hoopgw.servers.certifying import Certifying
from hoopgw.servers.ssh.hostkeys import by_algorithm, certificate_in, private_key
from hoopgw.session.interfaces import IEvents


class Logins:
    """One for the gateway.  `checkers` are the portal's."""

    def __init__(
        self,
        reactor: Any,
        events: IEvents,
        secret: Callable[[SecretReference], Secret],
        signing: SigningKeys,
        revoked: Callable[[SshSettings], None],
    ) -> None:
        """`revoked` gets the settings of SSH with lists that say something else than before."""
        self._reactor = reactor
        self._events = events
        self._secret = secret
        self._signing = signing
        self._tokens = TokenChecker(reactor, self._issuer_failed)
        self.keys = SshKeyChecker(reactor, RevocationLists(events, revoked, time.time))
        self.certificates = CertificateChecker(reactor)
        self.certifying = Certifying(events, reactor)
        self.checkers = [self._tokens, self.keys, self.certificates]

    def _issuer_failed(self, issuer: str, why: str) -> None:
        self._events.emit(Code.ISSUER_UNAVAILABLE, issuer=issuer, reason=why)

    def configure(self, settings: Settings) -> None:
        """All of it or nothing.  Raises OperatorError."""
        local, authority = self._local(settings), self._authority(settings)
        self._tokens.configure(settings.issuers, lambda issuer: https_fetch(self._reactor, issuer.ca), local)
        self.certifying.authority = authority
        self.keys.configure(settings.ssh, settings.issuers, authority.blob if authority else b"")
        self.certificates.configure(settings.client_authorities, settings.issuers)

    def _local(self, settings: Settings) -> LocalTokens | None:
        if not settings.local:
            return None
        return LocalTokens(settings.name, load_or_make_key(Path(settings.state) / KEY_FILE), settings.local)

    def _authority(self, settings: Settings) -> LoginAuthority | None:
        """What signs `hoopgw ssh-cert`; None where nothing listens for SSH."""
        ssh = settings.ssh
        if not settings.listen.ssh or ssh.login_authority is None:
            return None
        signer = self.ssh_authority(ssh.login_authority)
        if ssh.target_authority is not None and self.ssh_authority(ssh.target_authority).blob == signer.blob:
            words = f"{ssh.login_authority} and {ssh.target_authority} are one key"
            raise OperatorError(f"[ssh]: {words}: what clients are given would open targets")
        return LoginAuthority(signer, ssh.certificates, os.urandom)

    def ssh_authority(self, reference: SecretReference) -> Signer:
        return self._signing.ssh(reference, self._secret)

    def look(self) -> Deferred[None]:
        """At what was revoked; where that cannot be known, an event has said so."""
        return self.keys.look().addErrback(lambda failure: failure.trap(RevocationsUnavailable) and None)

    def people(self, loaded: Config) -> DeviceGrant | None:
        """By the first issuer that has a client for it."""
        for issuer in loaded.settings.issuers:
            if issuer.client_id:
                fetch, post = https_fetch(self._reactor, issuer.ca), https_post(self._reactor, issuer.ca)
                return DeviceGrant(issuer, fetch, post, self._reactor)
        return None

    def host_keys(self, loaded: Config) -> dict[bytes, Any]:
        """Raises OperatorError."""
        ssh = loaded.settings.ssh
        found = [private_key(self._secret(reference), str(reference)) for reference in ssh.host_keys]
        return by_algorithm(found, [certificate_in(path) for path in ssh.host_certificates])
