"""What prepared statements and portals of one connection mean, also while it is not known yet whether they exist.

A name means what was sent last, until the target says otherwise: a Parse that failed, or was skipped up to Sync, gives
the name back to what it meant before.  Inside one pipeline up to Sync that is always right, because what follows a
failed Parse is skipped as well, so that the name is given back at that Sync, and not when the error is seen: how reads
are cut does not change what is asked.  Over a Sync the relay waits for the answer (`settled`).
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import mypyc_attr

from hoopgw.model.answer import Meter
from hoopgw.model.errors import ProtocolViolation

MAX_NAMES: Final = 10_000  # of one connection, statements and portals each: drivers keep some hundred
MAX_NAME: Final = 63  # bytes: PostgreSQL tells names apart by that many, and cuts longer ones without a word
MAX_TEXTS: Final = 64 << 20  # bytes of their texts and parameters, and room for two of the largest messages


@mypyc_attr(acyclic=True, free_list_len=1)
@final
class Skipped:
    """What the target does not do, from an error in the extended protocol up to the next Sync; `over`: it was sent."""

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over = False


@mypyc_attr(acyclic=True, free_list_len=1)
@final
class Meaning:
    """A statement's text and parameter types, or a portal's text and parameters; `gone`: a Close of the name.

    `hints` are what the text's words may mean (postgres_hints).
    `bound` is a portal's: the number of its Bind, where that was of a statement that is known by name alone.
    `meter` is a portal's: by which its rows are counted, once it ran under a bound.
    `segment` counts Syncs.  Whoever learns the target's answer calls `settle` or `skip`, once.
    """

    __slots__ = ("before", "bound", "gone", "hints", "meter", "parameters", "segment", "settled", "skipped", "text")

    def __init__(self, text: bytes, parameters: bytes, segment: int, hints: int, gone: bool = False) -> None:
        self.text = text
        self.parameters = parameters
        self.segment = segment
        self.hints = hints
        self.gone = gone
        self.bound = 0
        self.meter: Meter | None = None
        self.settled = False
        self.skipped: Skipped | None = None
        self.before: Meaning | None = None  # what the name goes back to; None once settled

    @property
    def undone(self) -> bool:
        """The name does not mean this any more, and never did at the target."""
        return self.skipped is not None and self.skipped.over

    def count(self, meter: Meter) -> None:
        """A portal runs, or runs on after as many rows as were asked for: that is one statement."""
        if self.meter is None:
            self.meter = meter
        else:
            meter.go_on(self.meter)

    def settle(self) -> None:
        """The target has done it."""
        self.settled = True
        self.before = None

    def skip(self, skipped: Skipped) -> None:
        """The target has not done it, and will not."""
        self.skipped = skipped


@final
class Names:
    """One connection's statements, or its portals.  `max_message` is the size of the largest, in bytes."""

    __slots__ = ("_known", "_most", "_size")

    def __init__(self, max_message: int) -> None:
        self._known: dict[bytes, Meaning] = {}
        self._most = MAX_TEXTS + 2 * max_message
        self._size = 0  # of what was added since it was last counted, and what was there then

    def change(self, name: bytes, after: Meaning) -> Meaning:
        """Let `name` mean `after` from now on.  Raises ProtocolViolation beyond MAX_NAMES or MAX_TEXTS, and for a name
        that may be another's at the target: one that it cuts, or that it writes in another encoding."""
        if name and (len(name) > MAX_NAME or not name.isascii()):
            raise ProtocolViolation(f"the name of a statement or portal is not ASCII of at most {MAX_NAME} bytes")
        known = self._known
        before = known.get(name)
        if before is not None and before.undone:
            before = self.look(name)
        if before is None and len(known) >= MAX_NAMES:
            for each in list(known):
                self.look(each)  # forgets what is no more
            if len(known) >= MAX_NAMES:
                raise ProtocolViolation(f"more than {MAX_NAMES} prepared statements or portals")
        while before is not None and before.skipped is not None:  # nothing goes back to that
            before = before.before
        after.before = before
        known[name] = after
        self._size += len(after.text) + len(after.parameters)
        if self._size > self._most:
            self._size = self._counted()
            if self._size > self._most:
                raise ProtocolViolation(f"prepared statements or portals of more than {self._most} bytes")
        return after

    def _counted(self) -> int:
        size = 0
        for name in list(self._known):
            meaning = self.look(name)
            while meaning is not None:
                size += len(meaning.text) + len(meaning.parameters)
                meaning = meaning.before
        return size

    def look(self, name: bytes) -> Meaning | None:
        """What `name` means; None where nothing of that name is known."""
        first = meaning = self._known.get(name)
        while meaning is not None and meaning.undone:
            meaning = meaning.before
        if meaning is not None and meaning.gone and meaning.settled:
            meaning = None
        if meaning is None:
            self._known.pop(name, None)
        elif meaning is not first:
            self._known[name] = meaning
        return meaning

    def forget(self) -> None:
        """What the target has answered is gone; what is still under way was sent behind that, and stays."""
        if not self._known:
            return
        if len(self._known) == 1:  # the unnamed portal, as a rule
            only = self._known.get(b"")
            if only is not None and only.settled:
                self._known.clear()
                return
        for name in list(self._known):
            meaning = self.look(name)
            if meaning is None:
                continue
            if meaning.settled:
                del self._known[name]
                continue
            while meaning.before is not None:
                if meaning.before.settled:
                    meaning.before = None
                else:
                    meaning = meaning.before
