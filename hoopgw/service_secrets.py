"""The secrets of the configuration while the gateway runs: read at start and reload, or kept fresh."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed

from hoopgw import config
from hoopgw.auth.aws_secrets import AwsSecrets
from hoopgw.auth.fetch import https_ask
from hoopgw.auth.kept_secrets import FETCHED, KeptSecrets, is_kept
from hoopgw.auth.oauth_client import OAuthTokens
from hoopgw.auth.secret_source import IEvents, ISource
from hoopgw.auth.vault import Vault
from hoopgw.config_secrets import made_at_start, read_secret, read_secrets
from hoopgw.config_signing import in_token
from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import SecretReference
from hoopgw.servers.ssh.hostkeys import make_host_key

Known = dict[SecretReference, Secret]
Sources = tuple[list[ISource], list[ISource]]  # of secrets, and of tokens that are fetched by such


class HeldSecrets:
    """One for the gateway.  `get` answers at once: no session reads a file, or waits for a vault.  `read` reads what
    the vaults are logged in to by."""

    def __init__(self, reactor: Any, read: Callable[[SecretReference], Secret] = read_secret) -> None:
        self._reactor = reactor
        self._reads = read
        self._read: Known = {}
        self._kept: KeptSecrets | None = None
        self._tokens: KeptSecrets | None = None  # fetched by secrets, which are there before

    def start(self, events: IEvents) -> None:
        self._kept = KeptSecrets(self._reactor, events)
        self._tokens = KeptSecrets(self._reactor, events)

    def exchange(self, read: Known) -> Known:
        """Uses these from now on, beside those that were there; gives what `take_back` takes."""
        before, self._read = self._read, {**self._read, **read}
        return before

    def take_back(self, before: Known) -> None:
        self._read = before

    def sources(self, loaded: config.Config) -> Sources:
        """Raises OperatorError for a CA file that cannot be used."""
        reactor, settings = self._reactor, loaded.settings
        found: list[ISource] = [Vault(each, https_ask(reactor, each.ca), self._reads) for each in settings.vaults]
        for each in settings.aws:
            found.append(AwsSecrets(each, https_ask(reactor, each.ca), self._reads, reactor.seconds))
        tokens: list[ISource] = []
        for target in loaded.targets.values():
            clients = {name: role.oauth for name, role in target.roles.items() if role.oauth is not None}
            asks = {name: https_ask(reactor, client.ca) for name, client in clients.items()}
            if clients:
                tokens.append(OAuthTokens(target.name, clients, asks, self.get))
        return found, tokens

    async def keep(self, sources: Sources, loaded: config.Config) -> None:
        """Until what the roles name of them was read, or a start waits for it no longer."""
        assert self._kept is not None and self._tokens is not None
        references = of_roles(loaded)
        await self._kept.configure(sources[0], [each for each in references if is_kept(each) and not _is_token(each)])
        await self._tokens.configure(sources[1], filter(_is_token, references))

    async def stop(self) -> None:
        for kept in (self._tokens, self._kept):
            if kept is not None:
                await kept.stop()

    # ---- what sessions ask

    def get(self, reference: SecretReference) -> Secret:
        """Raises SecretUnavailable."""
        kept = self._of(reference)
        if kept is not None:
            return kept.get(reference)
        found = self._read.get(reference)
        if found is None:
            raise SecretUnavailable(f"{reference} was not read at start")
        return found

    def keeps(self, reference: SecretReference) -> bool:
        return is_kept(reference)

    def ripe(self, reference: SecretReference) -> bool:
        kept = self._of(reference)
        return kept is not None and kept.ripe(reference)

    def another(self, reference: SecretReference, used: Secret) -> Deferred[None]:
        kept = self._of(reference)
        return succeed(None) if kept is None else kept.another(reference, used)

    def _of(self, reference: SecretReference) -> KeptSecrets | None:
        return None if not is_kept(reference) else self._tokens if _is_token(reference) else self._kept


def _is_token(reference: SecretReference) -> bool:
    return reference.kind == FETCHED


def of_roles(loaded: config.Config) -> list[SecretReference]:
    roles = [role for target in loaded.targets.values() for role in target.roles.values()]
    return [reference for role in roles for reference in role.secrets]


def read_all(loaded: config.Config) -> Known:
    """All that sessions will need, so that none reads a file.  Raises SecretUnavailable."""
    settings = loaded.settings
    wanted = [reference for reference in of_roles(loaded) if not is_kept(reference)]
    of_ssh: list[SecretReference] = []
    if settings.listen.ssh:
        of_ssh = [*settings.ssh.host_keys, *filter(None, (settings.ssh.target_authority, settings.ssh.login_authority))]
        of_ssh = [reference for reference in of_ssh if not in_token(reference)]
        for reference in of_ssh:
            if made_at_start(settings, reference):
                make_host_key(Path(reference.name))
    return read_secrets([*wanted, *of_ssh, settings.tls.key, settings.store.password])
