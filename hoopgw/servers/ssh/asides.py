"""Messages that a peer of SSH may send beside the login, and how many."""

from __future__ import annotations

from hoopgw.model.errors import ProtocolViolation

MAX_EARLY = 64  # messages that say nothing (IGNORE, DEBUG) before the login is done


class Asides:
    """Of one connection.  `of_client`: the peer is the client."""

    def __init__(self, of_client: bool) -> None:
        self._of_client = of_client
        self._idle = 0
        self._extensions = 0

    def idle(self, established: bool) -> None:
        """It says nothing: IGNORE, DEBUG, UNIMPLEMENTED.  Raises ProtocolViolation where one more is too many."""
        self._idle += 1
        if not established and self._idle > MAX_EARLY:
            raise ProtocolViolation("too many messages that say nothing")

    def extensions(self, established: bool, after_newkeys: bool) -> None:
        """RFC 8308, 2.4: behind the first NEWKEYS, and a server's once more before it says that the login is good.
        Raises ProtocolViolation elsewhere.

        Nothing in them is needed: what is offered to a server does not depend on what it would take.
        """
        self._extensions += 1
        first = self._extensions == 1 and after_newkeys
        if established or not (first or (not self._of_client and self._extensions <= 2)):
            raise ProtocolViolation("extensions where there can be none")
