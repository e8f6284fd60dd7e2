"""A secret that the gateway holds, with a repr that shows nothing."""

from __future__ import annotations

import hmac
from typing import final


@final
class Secret:
    """Bytes that never reach a log, a recording, a process list or a ``repr``.  ``reveal`` is the only way out."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The secret itself.  Call it only where the bytes go to the wire or into a key derivation."""
        return self._value

    def __repr__(self) -> str:
        return "Secret()"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "Secret()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        raise TypeError("a Secret is not a key of anything")

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret is not written anywhere")
