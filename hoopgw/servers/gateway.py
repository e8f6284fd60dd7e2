"""What every protocol's edge shares: one portal, one policy, one recorder, one table of live sessions.

`service.py` puts it together; the parts that a reload replaces are read through it anew for each login.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred

from hoopgw.auth.access import Access
from hoopgw.auth.client_certificates import CertificateChecker
from hoopgw.auth.penalties import Penalties
from hoopgw.model.secret import Secret
from hoopgw.model.settings import Settings
from hoopgw.model.target import SecretReference
from hoopgw.servers.departures import Departures
from hoopgw.servers.dial import Dialer
from hoopgw.servers.endings import Endings
from hoopgw.session.interfaces import IEdge, IEvents
from hoopgw.session.registry import Registry


class OpenSession(Protocol):
    """Makes the session of an accepted login: its journal is open and its first entry written when this returns.

    Raises RecordingFailed where nothing could be recorded, LoginRefused where the identity has too many sessions.
    """

    def __call__(self, access: Access, edge: IEdge, client: str, opening: dict[str, Any]) -> Any: ...


class IKeeping(Protocol):
    """What keeps secrets fresh."""

    def get(self, reference: SecretReference) -> Secret: ...

    def keeps(self, reference: SecretReference) -> bool:
        """Whether it may change while the gateway runs."""

    def ripe(self, reference: SecretReference) -> bool:
        """Whether it is worth the while to look for another one already."""

    def another(self, reference: SecretReference, used: Secret) -> Deferred[None]:
        """Looks for another one than `used`, unless that is here; fires when it was tried, soon in any case."""


@dataclass(slots=True)
class Gateway:
    """Shared by all edges; its owner is the service."""

    reactor: Any
    settings: Settings
    portal: Portal
    penalties: Penalties
    events: IEvents
    registry: Registry
    dialer: Dialer
    departures: Departures
    endings: Endings
    open_session: OpenSession
    room: Callable[[], Deferred[None]]  # fires when a session's first entries would find room: a spool may be full
    secrets: IKeeping
    certificates: CertificateChecker
    server_tls: ssl.SSLContext | None
    token_bytes: Callable[[int], bytes]
