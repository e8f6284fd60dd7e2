"""What stands around a session in its tests: a judge that knows its texts, an edge and a journal that write lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from hoopgw.auth.access import Access, AdminAccess
from hoopgw.model.answer import Denial
from hoopgw.model.errors import RecordingFailed, SpoolFull
from hoopgw.model.events import Code
from hoopgw.model.grant import Budget, Grant, Who
from hoopgw.model.identity import Actor, Identity
from hoopgw.model.operation import QUERY, Operation
from hoopgw.model.target import Address, Mode, Role, Target, TlsMode
from hoopgw.model.verdict import ALLOW, HoldTerms, Sighting, Verdict
from hoopgw.record.entries import Kind
from hoopgw.relay.effects import Ask
from hoopgw.session import supervision
from hoopgw.session.interfaces import IEdge, IEvents, IJudge
from hoopgw.store.interface import SessionRow
from hoopgw.store.journal import Journal
from tests.documented_events import mistake

ISSUER = "https://idp.example"
TARGET = Target("pay", "postgresql", (Address("127.0.0.1", 5432),), TlsMode.DISABLE, {}, database="pay")
ROLE = Role("writer", "pay_rw")
POLICY = "sha256:one"


def identity(subject: str = "agent", *groups: str, actors: tuple[str, ...] = (), expires: float = 1e12) -> Identity:
    chain = tuple(Actor(ISSUER, actor) for actor in actors)
    return Identity("corp", ISSUER, subject, frozenset(groups), expires, chain)


def access(who: Identity | None = None, budget: Budget = Budget(), expires: float = 1e9) -> Access:
    grant = Grant("agents", Who(anyone=True), budget=budget)
    return Access(who or identity(), TARGET, ROLE, "pay", grant, expires)


def approver(subject: str = "ann", *groups: str, rights: tuple[str, ...] = (), **more: Any) -> AdminAccess:
    return AdminAccess(identity(subject, *(groups or ("dba",)), **more), frozenset(rights), True)


def row(id: str = "s_0000000000000000000000", opened: float = 0.0) -> SessionRow:
    return SessionRow(
        id, "bastion", "postgresql", ISSUER, "agent", (), "pay", "pay", "writer", "127.0.0.1", POLICY, opened
    )


def terms(name: str = "needs-approval", *groups: str, **more: Any) -> HoldTerms:
    return HoldTerms(name, f"{name} says so", frozenset(groups or ("dba",)), **more)


def ask(*texts: bytes, kind: str = QUERY, lane: int = 0, parameters: bytes = b"", name: bytes = b"") -> Ask:
    operations = tuple(
        Operation("postgresql", kind, text, name, parameters, number) for number, text in enumerate(texts, 1)
    )
    return ask_of(*operations, lane=lane)


def ask_of(*operations: Operation, lane: int = 0) -> Ask:
    data = b"|".join(operation.text for operation in operations)

    def redacted(texts: dict[int, bytes]) -> bytes:
        return b"|".join(texts.get(index, operation.text) for index, operation in enumerate(operations))

    return Ask(lane, operations, data, redacted)


@implementer(IJudge)
class Judge(supervision.Judge):
    """Verdicts by text; ALLOW for others.  A Deferred in the table is given as it is."""

    def __init__(self, **verdicts: Verdict | Deferred[Verdict]) -> None:
        self.verdicts: dict[bytes, Any] = {text.encode(): verdict for text, verdict in verdicts.items()}
        self.judged: list[bytes] = []
        self.settings = b"settings"
        self.changes = 0
        self.seen: dict[bytes, tuple[Sighting, ...]] = {}

    def judge(self, operation: Operation) -> Any:
        self.judged.append(operation.text)
        return self.verdicts.get(operation.text, ALLOW)

    def sightings(self, operation: Operation) -> tuple[Sighting, ...]:
        return self.seen.get(operation.text, ())

    def binding(self, operation: Operation) -> bytes:
        return self.settings

    def catalogue_changed(self, changed: bool = True, settled: bool = True) -> None:
        self.changes += 1

    def defined(self, number: int) -> None:
        """Names are no matter here."""


@implementer(IEdge)
class Edge:
    def __init__(self) -> None:
        self.notices: list[tuple[int, Denial]] = []
        self.ends: list[tuple[Code, str, Denial | None]] = []
        self.ran = False
        self.rows = 0

    def holding(self, lane: int, notice: Denial) -> None:
        self.notices.append((lane, notice))

    def transaction_ran(self) -> bool:
        return self.ran

    def rows_passed(self) -> int:
        return self.rows

    def end(self, code: Code, reason: str, denial: Denial | None) -> None:
        self.ends.append((code, reason, denial))


@implementer(IEvents)
class Emitted:
    def __init__(self) -> None:
        self.events: list[tuple[Code, dict[str, object]]] = []

    def emit(self, code: Code, **fields: object) -> None:
        """Whatever a test makes happen: docs/events.md is held to it."""
        wrong = mistake(code.value, fields)
        assert not wrong, wrong
        self.events.append((code, fields))

    def codes(self) -> list[Code]:
        return [code for code, _ in self.events]


class ListJournal(Journal):
    """`full` entries are refused with SpoolFull; `failed` makes everything fail; syncs wait while `syncing` is True."""

    def __init__(self, mode: Mode = Mode.STRICT) -> None:
        self.mode = mode
        self.entries: list[tuple[Kind, bytes]] = []
        self.closing: dict[str, Any] | None = None
        self.full = 0
        self.failed = False
        self.syncing: list[tuple[int, Deferred[None]]] | None = None
        self.told: Callable[[Kind], None] = lambda kind: None

    def append(self, kind: Kind, first: bytes, second: bytes = b"") -> int:
        if self.failed or self.closing is not None:
            raise RecordingFailed("no")
        if self.full:
            self.full -= 1
            raise SpoolFull("no room")
        self.entries.append((Kind(kind), first + second))  # compiled code hands it on as a number
        self.told(Kind(kind))
        return len(self.entries)

    def synced(self, sequence: int) -> Deferred[None]:
        if self.syncing is None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self.syncing.append((sequence, waiting))
        return waiting

    def close(self, closing: dict[str, Any]) -> None:
        if self.failed:
            raise RecordingFailed("no")
        if self.full:
            self.full -= 1
            raise SpoolFull("no room")
        self.closing = closing

    def kinds(self) -> list[Kind]:
        return [kind for kind, _ in self.entries]
