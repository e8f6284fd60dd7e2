"""What a place of secrets is asked, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hoopgw.model.events import Code
from hoopgw.model.secret import Secret

MAX_FIELDS = 256  # under one path


@dataclass(frozen=True, slots=True)
class Leased:
    """`lease` is "" and `seconds` 0 for what does not end, as in KV."""

    fields: Mapping[str, Secret]
    lease: str = field(default="", repr=False)
    seconds: float = 0.0
    renewable: bool = False


class ISource(Protocol):
    """Where secrets are.  Everything that is asked fails with SecretUnavailable, whose words hold no secret."""

    @property
    def name(self) -> str:
        """As references and events have it: `vault:corp`."""

    @property
    def settings(self) -> object:
        """Of the configuration: a source whose settings are others is another one."""

    @property
    def unavailable(self) -> Code:
        """The event that it does not give something."""

    @property
    def changed(self) -> Code | None:
        """The event that something has another value; None: it always has."""

    async def read(self, path: str) -> Leased: ...

    async def renewed(self, leased: Leased) -> float:
        """Seconds that the lease lasts from now on."""

    async def leave(self) -> None:
        """The gateway stops."""


class IEvents(Protocol):
    def emit(self, code: Code, **fields: object) -> None: ...
