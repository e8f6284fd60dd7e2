"""What listens for each protocol: made at start, and given what a reload read anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger

from hoopgw.auth.identity_tokens import IdentityTokens
from hoopgw.config import Config
from hoopgw.config_signing import SigningKeys, in_token
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.model.settings import Settings
from hoopgw.model.target import SecretReference
from hoopgw.servers.admin import admin_site, remove_stale_socket
from hoopgw.servers.admin_calls import Admin
from hoopgw.servers.eager import make_eager
from hoopgw.servers.gateway import Gateway
from hoopgw.servers.http.edge import HttpShared
from hoopgw.servers.http.identity import IdentityLines, in_thread
from hoopgw.servers.http.links import Links
from hoopgw.servers.http.own import OwnPages
from hoopgw.servers.http.server import HTTPS_ALPN, HttpFactory
from hoopgw.servers.postgres import PostgresFactory
from hoopgw.servers.ssh.dial import SshDialer
from hoopgw.servers.ssh.server import SshFactory, SshShared
from hoopgw.servers.tls import POSTGRESQL_ALPN, server_context
from hoopgw.service_drain import stopped
from hoopgw.service_logins import Logins
from hoopgw.session.holds import Holds
from hoopgw.store.admin_place import note

_log = Logger("hoopgw.service_edges")


def postgresql_context(loaded: Config, secret: Callable[[SecretReference], Secret]) -> SSLContext | None:
    """None without a certificate in the configuration.  Raises OperatorError."""
    return _context(loaded, secret, (POSTGRESQL_ALPN,), "postgresql")


def https_context(loaded: Config, secret: Callable[[SecretReference], Secret]) -> SSLContext | None:
    """Likewise."""
    return _context(loaded, secret, HTTPS_ALPN, "https")


def _context(
    loaded: Config, secret: Callable[[SecretReference], Secret], alpn: tuple[str, ...], listener: str
) -> SSLContext | None:
    tls = loaded.settings.tls
    if not tls.certificate or tls.key is None:
        return None
    shown = [each for each in loaded.settings.client_authorities if listener in each.listeners]
    anchors = tuple(anchor for each in shown for anchor in each.anchors)
    return server_context(tls.certificate, secret(tls.key), alpn, anchors)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the listeners prove themselves by, of one configuration."""

    postgresql: SSLContext | None
    https: SSLContext | None
    host_keys: dict[bytes, Any]


class Edges:
    """One for the gateway.

    ssh    None where nothing listens for it
    http   likewise
    """

    def __init__(self, gateway: Gateway, logins: Logins, holds: Holds, signing: SigningKeys) -> None:
        self._gateway = gateway
        self._logins = logins
        self._holds = holds
        self._signing = signing
        self._ports: list[Any] = []
        self.ssh: SshShared | None = None
        self.http: HttpShared | None = None

    # ---- start

    async def listen(self, loaded: Config) -> None:
        """For clients.  Raises OperatorError, CannotListenError."""
        for endpoint in loaded.settings.listen.postgresql:
            await self._listen_on(endpoint, PostgresFactory(self._gateway))
        await self._listen_https(loaded)
        await self._listen_ssh(loaded)

    async def _listen_https(self, loaded: Config) -> None:
        settings, gateway = loaded.settings, self._gateway
        if not settings.listen.https:
            return
        reference = settings.identity_key
        tokens = IdentityTokens(settings.name, self._signing.ed25519(reference), in_token(reference))
        pages = OwnPages(
            gateway.portal, self._holds, gateway.events, gateway.penalties, tokens, self._logins.certifying
        )
        links = Links(gateway.reactor, gateway.secrets.get)
        identities = IdentityLines(tokens, gateway.reactor, gateway.events, in_thread(gateway.reactor))
        self.http = HttpShared(links, identities, pages, https_context(loaded, gateway.secrets.get))
        for endpoint in settings.listen.https:
            await self._listen_on(endpoint, HttpFactory(gateway, self.http))

    async def _listen_ssh(self, loaded: Config) -> None:
        settings, gateway, logins = loaded.settings, self._gateway, self._logins
        if not settings.listen.ssh:
            return
        secret = gateway.secrets.get
        dialer = SshDialer(gateway.reactor, gateway.departures, secret, os.urandom, logins.ssh_authority)
        self.ssh = SshShared(dialer, logins.keys)
        self.ssh.configure(settings.ssh, logins.host_keys(loaded), logins.people(loaded))
        for endpoint in settings.listen.ssh:
            await self._listen_on(endpoint, SshFactory(gateway, self.ssh))

    async def listen_admin(self, endpoint: str, admin: Admin) -> None:
        """Raises CannotListenError."""
        remove_stale_socket(endpoint)
        port = await serverFromString(self._gateway.reactor, endpoint).listen(admin_site(admin))
        self._ports.append(port)
        try:
            note(Path(self._gateway.settings.state), os.fsdecode(port.getHost().name))
        except OSError as error:  # a full disk: of use only where the files come to name another socket
            _log.warn("where the admin socket is could not be noted: {error}", error=error)

    async def _listen_on(self, endpoint: str, factory: Any) -> None:
        server = self._server(endpoint)
        if server is None:
            return
        port = await server.listen(factory)
        make_eager(port, self._gateway.departures)
        self._ports.append(port)

    def _server(self, endpoint: str) -> Any:
        """None for a socket that systemd was to pass and did not, as where another service has its port: what listens
        elsewhere, and the admin socket, must not wait for that."""
        try:
            return serverFromString(self._gateway.reactor, endpoint)
        except (KeyError, IndexError):
            if not endpoint.startswith("systemd:"):
                raise
        self._gateway.events.emit(Code.LISTENER_MISSING, endpoint=endpoint, reason="systemd passed no such socket")
        return None

    # ---- reload

    def credentials(self, loaded: Config) -> Credentials:
        """Of what listens.  Raises OperatorError."""
        secret = self._gateway.secrets.get
        return Credentials(
            postgresql=postgresql_context(loaded, secret),
            https=https_context(loaded, secret) if self.http is not None else None,
            host_keys=self._logins.host_keys(loaded) if self.ssh is not None else {},
        )

    def reloaded(self, loaded: Config, bound: Settings, credentials: Credentials) -> None:
        """`bound` are the settings of `loaded` but for those that only a start takes up."""
        self._gateway.server_tls = credentials.postgresql
        self._gateway.settings = bound
        if self.ssh is not None:
            self.ssh.configure(loaded.settings.ssh, credentials.host_keys, self._logins.people(loaded))
        if self.http is not None:
            self.http.context = credentials.https
            self.http.links.reloaded()

    def check(self) -> None:
        """At times: HTTP clients and targets that are silent for too long go."""
        if self.http is not None:
            self.http.check(self._gateway.reactor.seconds())

    # ---- stop

    async def close(self) -> None:
        """Nobody comes in any more; who is in is told, where the protocol has words for it."""
        await gatherResults([Deferred.fromCoroutine(stopped(port)) for port in self._ports])
        if self.http is not None:
            self.http.goodbye()

    def stop(self) -> None:
        """Connections to targets that are kept for the next request end."""
        if self.http is not None:
            self.http.links.stop()
