"""What a Bind's approval means for the Execute that follows it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from hoopgw.model.answer import Denial

MAX_KEPT: Final = 256  # digests; beyond it the oldest is forgotten, and its Execute needs an approval of its own


class BindApprovals:
    """An approved Bind lets one portal of the same digest run.

    The first Execute on a portal takes the pass; further ones on that portal go on with the same run (PostgreSQL never
    starts a portal again).  A new Bind of the digest needs an approval of its own and starts anew.
    """

    def __init__(self) -> None:
        self._left: OrderedDict[str, int] = OrderedDict()
        self._running: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._denied: OrderedDict[str, Denial] = OrderedDict()

    def approved(self, digest: str) -> None:
        self._left[digest] = self._left.pop(digest, 0) + 1
        self._denied.pop(digest, None)
        _trim(self._left)

    def denied(self, digest: str, denial: Denial) -> None:
        self._denied[digest] = denial
        _trim(self._denied)

    def use(self, digest: str, portal: bytes) -> bool:
        """True where this Execute is of an approved Bind."""
        if self._left.get(digest):
            self._left[digest] -= 1
            if not self._left[digest]:
                del self._left[digest]
            self._running[digest, portal] = None
            _trim(self._running)
            return True
        return (digest, portal) in self._running

    def denial(self, digest: str) -> Denial | None:
        """Of the Bind: its Execute fails by the same words and asks nobody again."""
        return self._denied.get(digest)


def _trim(kept: OrderedDict) -> None:  # type: ignore[type-arg]
    while len(kept) > MAX_KEPT:
        kept.popitem(last=False)
