"""What every statement asks of its database's catalogue.  Compiled in packages."""

from __future__ import annotations

from hoopgw.policy.catalogue import Catalogue


class CatalogueState:
    """Of one database as one role sees it.

    current  what was read last; None: what names mean is not known
    behind   somebody changed the schema since the last reading that has ended began
    """

    __slots__ = ("behind", "current")

    def __init__(self) -> None:
        self.current: Catalogue | None = None
        self.behind = False
