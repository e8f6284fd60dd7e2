"""What a connection of HTTP/2 has to send: one write for all that came together in a turn of the reactor.

TLS then has one record where each frame would have its own, and the kernel one call.  Compiled in packages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hoopgw.servers.conduit import Unsent


class Outbox(Unsent):
    """`outgoing` gives what is there, b"" for nothing, or where nothing may be sent any more."""

    def __init__(self, clock: Any, transport: Any, outgoing: Callable[[], bytes]) -> None:
        self.transport = transport
        self._outgoing = outgoing
        self._turn: Any = getattr(clock, "unsent", None)  # where a reactor looks at the end of its turn
        self._unsent = False  # it will

    def send(self) -> None:
        """At the end of the turn, where there is one."""
        if self._turn is None:
            self.send_now()
        elif not self._unsent:
            self._unsent = True
            self._turn.append(self)

    def send_now(self) -> None:
        """Before an end; and called by the reactor."""
        self._unsent = False
        data = self._outgoing()
        if data:
            self.transport.write(data)
