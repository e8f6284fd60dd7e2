"""Secrets for a trial, as the gateway has them: files are read here, vaults and token endpoints are asked once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hoopgw.config import Config
from hoopgw.config_secrets import read_for_service
from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.model.target import Role, SecretReference, Target
from hoopgw.service_secrets import HeldSecrets

Secrets = Callable[[SecretReference], Secret]


class TrialSecrets:
    """Of one role.  `get` raises SecretUnavailable with the words of the vault or the endpoint."""

    def __init__(self, reactor: Any, loaded: Config, target: Target, role: Role) -> None:
        alone = replace(target, roles={role.name: role})
        self._loaded = replace(loaded, targets={target.name: alone})
        self._held = HeldSecrets(reactor, read_for_service)
        self._role = role
        self._whys: list[str] = []

    async def fetch(self) -> None:
        """What is kept by a vault or an endpoint, within their time.  Raises OperatorError, SecretUnavailable."""
        read = {each: read_for_service(each) for each in self._role.secrets if not self._held.keeps(each)}
        self._held.start(self)
        self._held.exchange(read)
        await self._held.keep(self._held.sources(self._loaded), self._loaded)

    def emit(self, code: Code, **fields: object) -> None:
        """Why something could not be read: what the gateway would say by an event."""
        self._whys.append(str(fields.get("reason", "")))

    def get(self, reference: SecretReference) -> Secret:
        try:
            return self._held.get(reference) if self._held.keeps(reference) else read_for_service(reference)
        except SecretUnavailable as error:
            raise SecretUnavailable("; ".join(dict.fromkeys(filter(None, self._whys))) or str(error)) from error

    async def stop(self) -> None:
        """Ends the login of its own; its leases with it."""
        await self._held.stop()
