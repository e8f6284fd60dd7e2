"""What verdicts are kept by, for all sessions; and what an approval in one session is bound to."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import Any, Final

from hoopgw.model.grant import COPY_MASKED
from hoopgw.model.verdict import Verdict
from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.facts import Facts
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.mask_table import MaskTable
from hoopgw.policy.mask_table import with_temporaries as masks_of_temporaries
from hoopgw.policy.masks import MaskGuardrail, SqlMasks, resolve
from hoopgw.policy.policyset import Selection
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_shape import shape
from hoopgw.policy.temporaries import NONE, Temporaries, with_temporaries
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.session.catalogues import Entry

MAX_TOLD: Final = 1024  # names, of 64 bytes and the name each
MAX_TABLES: Final = 64  # sets of rules and catalogue whose masked columns are kept
MAX_SCOPES: Final = 512  # sets of rules, names and catalogue that verdicts are kept for
MAX_VERDICTS: Final = 4096  # texts of one scope
MAX_TEXTS: Final = 8 << 20  # bytes of them
MAX_FACTS: Final = 256  # texts of one scope that are judged each time, and read once
MAX_FACTS_TEXT: Final = 4096  # bytes of each
MAX_KEPT_TEXT: Final = 64 * 1024  # bytes of one text that is kept: longer ones are rarely repeated


class Scope:
    """Everything that a verdict depends on besides the text; and the verdicts."""

    def __init__(
        self, guardrails: tuple[IGuardrail, ...], catalogue: Catalogue | None, temporaries: Temporaries = NONE
    ) -> None:
        """`temporaries` are those of the sessions that are judged by it."""
        self.guardrails = guardrails
        self.read = catalogue  # as it was read
        self.catalogue = with_temporaries(catalogue, temporaries)
        self.follows = any(isinstance(each, MaskGuardrail) and each.follows for each in guardrails)
        # whether a parameter's type may bring calls that its text does not show
        self.casts = catalogue is not None and catalogue.types is not None and bool(catalogue.types.own_casts)
        self.known: dict[bytes, tuple[Verdict, Facts]] = {}
        self.shapes: dict[bytes, tuple[Verdict, Facts]] = {}
        self.facts: dict[bytes, Facts] = {}  # of texts whose verdict hangs on what was said before: FETCH, SET, EXECUTE
        self._size = 0
        self.by_shape = not any(guardrail.reads_text for guardrail in guardrails)

    def keep(self, text: bytes, verdict: Verdict, facts: Facts) -> None:
        if len(text) > MAX_KEPT_TEXT:
            return
        formed = shape(text) if self.by_shape and not by_literal(facts) else None
        if formed is not None:
            if len(self.shapes) >= MAX_VERDICTS:
                self.shapes.clear()
            self.shapes[formed] = verdict, facts
            return
        self._size += len(text)
        if len(self.known) >= MAX_VERDICTS or self._size > MAX_TEXTS:
            self.known.clear()
            self._size = len(text)
        self.known[text] = verdict, facts

    def remember(self, text: bytes, facts: Facts) -> None:
        if len(text) <= MAX_FACTS_TEXT and not by_literal(facts):
            if len(self.facts) >= MAX_FACTS:
                self.facts.clear()
            self.facts[text] = facts

    def of_shape(self, text: bytes) -> tuple[Verdict, Facts] | None:
        """What was decided of a text that differs in literals only."""
        if not self.shapes or len(text) > MAX_KEPT_TEXT:
            return None
        formed = shape(text)
        return self.shapes.get(formed) if formed is not None else None


_COPIES = frozenset(("copy-from", "copy-to"))


def by_literal(facts: Facts) -> bool:
    """Whether a literal decides something: how COPY writes its rows, and of which file (the grammar gives that of
    `FROM ''` as none); and what is kept out of the record."""
    return any(statement.secret or statement.effects & _COPIES for statement in facts.statements)


class Held:
    """A session's hold on its scope, which ends when a later catalogue is judged by: an idle session must not keep all
    of an earlier one, several megabytes, until its next statement."""

    def __init__(self, scope: Scope | None) -> None:
        self.scope = scope


class Scopes:
    """Shared by all sessions of the gateway."""

    def __init__(self, build: MaskBuilder) -> None:
        self._build = build
        self._scopes: OrderedDict[tuple[Any, ...], Held] = OrderedDict()
        self._tables: OrderedDict[tuple[object, int], MaskTable] = OrderedDict()

    def of(self, selection: Selection, place: tuple[str, str, str], entry: Entry, context: NameContext) -> Held:
        """Holds a scope of the entry's catalogue, which is current."""
        catalogue = entry.current
        generation = catalogue.generation if catalogue is not None else -1
        key = (selection.key, place, generation, context)
        held = self._scopes.get(key)
        if held is None:
            self._forget_before(generation, place)
            guardrails = self.guardrails(selection, catalogue, context.temporaries)
            held = self._scopes[key] = Held(Scope(guardrails, catalogue, context.temporaries))
            if len(self._scopes) > MAX_SCOPES:
                self._scopes.popitem(last=False)
        self._scopes.move_to_end(key)
        return held

    def guardrails(
        self, selection: Selection, catalogue: Catalogue | None, temporaries: Temporaries
    ) -> tuple[IGuardrail, ...]:
        """With what masks say of these relations."""
        if not selection.masks:
            return selection.guardrails
        table, seen = self._table(selection, catalogue), with_temporaries(catalogue, temporaries)
        if seen is not None and seen is not catalogue:
            table = masks_of_temporaries(table, selection.masks, seen)
        copies = COPY_MASKED in selection.features
        return (*selection.guardrails, MaskGuardrail(table, seen, self._build, copies))

    def _table(self, selection: Selection, catalogue: Catalogue | None) -> MaskTable:
        """Of all that lasts: whatever a session does to names, it is the same; thousands of tables take a while."""
        key = selection.key, catalogue.generation if catalogue is not None else -1
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = resolve(selection.masks, catalogue)
            if len(self._tables) > MAX_TABLES:
                self._tables.popitem(last=False)
        self._tables.move_to_end(key)
        return table

    def _forget_before(self, generation: int, place: tuple[str, str, str]) -> None:
        """Nobody judges by these again: whoever finds an earlier catalogue in its scope asks for another."""
        for key in [key for key in self._scopes if key[1] == place and key[2] < generation]:
            self._scopes.pop(key).scope = None

    def ambient(self, selection: Selection) -> SqlMasks | None:
        """For notices and notifications of no statement: patterns only."""
        table = resolve(selection.masks, None)
        if not table.patterns and not table.custom:
            return None
        return SqlMasks({}, (), table.patterns, table.custom, build=self._build)


class Told:
    """By name, a digest of all the texts that gave it a meaning in this session, and of the last: what was approved is
    bound to them.  A text said again changes nothing."""

    def __init__(self) -> None:
        self._digests: dict[str, tuple[bytes, bytes]] = {}
        self._forgotten = b""

    def add(self, name: str, text: bytes) -> None:
        before, last = self._digests.get(name, (b"", b""))
        now = sha256(text).digest()
        if now == last:
            return
        if not before and len(self._digests) >= MAX_TOLD:  # one digest of them all stands for what is forgotten
            self._forgotten = sha256(repr((self._forgotten, self.all())).encode()).digest()
            self._digests.clear()
        self._digests[name] = sha256(before + now).digest(), now

    def all(self) -> tuple[object, ...]:
        return self._forgotten, *sorted(self._digests.items())
