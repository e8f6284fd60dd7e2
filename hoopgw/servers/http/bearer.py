"""A bearer token that may be another one for each request: as it is kept, or fetched anew."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred

from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import Role, SecretReference
from hoopgw.servers.gateway import IKeeping

LINE: Final = b"Authorization: Bearer "


class KeptBearer:
    """Of one session."""

    def __init__(self, keeping: IKeeping, reference: SecretReference) -> None:
        self._keeping = keeping
        self._reference = reference
        self.used = Secret(b"")  # by the request that was sent last

    def line(self) -> bytes:
        """As it is now.  Raises SecretUnavailable."""
        self.used = self._keeping.get(self._reference)
        return bearer_line(self.used)

    def renewable(self) -> bool:
        return self._keeping.ripe(self._reference)

    def renew(self) -> Deferred[None]:
        """The target does not take the one that was used last."""
        return self._keeping.another(self._reference, self.used)


def kept_bearer(keeping: IKeeping, role: Role) -> KeptBearer | None:
    """None where the role has no token that may change."""
    reference = role.bearer
    return KeptBearer(keeping, reference) if reference is not None and keeping.keeps(reference) else None


def bearer_line(token: Secret) -> bytes:
    return field_line(LINE, token.reveal())


def field_line(start: bytes, value: bytes) -> bytes:
    """With its CR LF.  Raises SecretUnavailable for a value that is more than one line."""
    if any(code < 0x20 or code == 0x7F for code in value):
        name = start.partition(b":")[0].decode("ascii", "replace")
        raise SecretUnavailable(f"the secret for {name} has characters that no header field holds")
    return start + value + b"\r\n"
