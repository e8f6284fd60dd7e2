"""What has been worked out of one catalogue, so that it is worked out once."""

from __future__ import annotations

from typing import Any

MAX_KEPT = 20_000  # answers of each kind: about a kilobyte each at most; beyond it they are worked out again


class Memo:
    """Belongs to one `Catalogue`, which never changes; a copy in another process begins anew."""

    __slots__ = ("children", "_kept", "_most")

    def __init__(self, most: int = MAX_KEPT) -> None:
        self._most = most
        self.children: dict[int, tuple[int, ...]] | None = None  # by OID: what inherits from it, or is a part of it
        self._kept: dict[Any, Any] = {}

    def get(self, key: Any) -> Any:
        return self._kept.get(key)

    def keep(self, key: Any, value: Any) -> None:
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[key] = value

    def __reduce__(self) -> tuple[type[Memo], tuple[int]]:
        return Memo, (self._most,)
