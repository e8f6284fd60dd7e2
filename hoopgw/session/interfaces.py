"""What a session needs from others, and what others are told by it."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import Interface

from hoopgw.model.answer import Denial
from hoopgw.model.events import Code
from hoopgw.model.operation import Operation
from hoopgw.model.verdict import Sighting, Verdict


class IJudge(Interface):
    """The judge of one session's operations in one protocol.  It follows what the session's names and settings mean."""

    def judge(operation: Operation) -> Verdict | Deferred[Verdict]:
        """At once where the answer is known or cheap; later where a child process or the catalogue is needed.

        Operations are judged in the order in which the client sent them; the next one is not asked about before the
        Deferred of the one before has fired.  A Deferred never fails: doubt is a Verdict that refuses.
        """

    def sightings(operation: Operation) -> tuple[Sighting, ...]:
        """What rules say of something that has happened: a line that was typed."""

    def binding(operation: Operation) -> bytes:
        """What else changes the meaning of a statement's bytes now: database, role, the settings in force, what the
        prepared statement stands for that it executes.  A hold is bound to it."""

    def catalogue_changed(changed: bool = True, settled: bool = True) -> None:
        """A transaction has ended in which the target completed something that may have `changed` what names mean, or
        in which something failed.  `settled`: nothing that was let through is still to run."""

    def defined(number: int) -> None:
        """The target has carried out the operation's PREPARE or DECLARE."""


class IEdge(Interface):
    """What a session may ask of the connection that it serves (implemented in servers/)."""

    def holding(lane: int, notice: Denial) -> None:
        """The operation waits for an approval: tell the client now, in its protocol's own terms."""

    def transaction_ran() -> bool:
        """The open transaction has already run something: while it waits, its locks wait."""

    def rows_passed() -> int:
        """Rows that reached the client so far, in all; the relay counts them."""

    def end(code: Code, reason: str, denial: Denial | None) -> None:
        """End the client's session now with a proper error (57P01 in PostgreSQL), and cancel what the target runs."""


class IEvents(Interface):
    """Where events go."""

    def emit(code: Code, **fields: object) -> None:
        """One JSON line.  Fields never hold a secret; control characters are escaped."""
