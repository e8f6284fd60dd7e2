"""What a relay wants done, in order.  An edge carries them out; only `Session` records them, before they happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from mypy_extensions import mypyc_attr

from hoopgw.model.answer import Denial
from hoopgw.model.events import Code
from hoopgw.model.operation import Operation

RECORDED: Final = b""  # as `recorded`: the journal has these bytes already (an Ask carried them), or must not have them


@mypyc_attr(acyclic=True)
class Effect:
    """Those that are made for each read hold nothing that could lead back to them: the cyclic collector has no list of
    them, and their room is used again."""

    __slots__ = ()


@mypyc_attr(acyclic=True, free_list_len=1)
@final
class ToClient(Effect):
    """Bytes for the client.  `recorded` is what the journal gets instead; None: the same bytes."""

    __slots__ = ("data", "recorded")

    def __init__(self, data: bytes, recorded: bytes | None = None) -> None:
        self.data = data
        self.recorded = recorded


@mypyc_attr(acyclic=True, free_list_len=1)
@final
class ToTarget(Effect):
    """Bytes for the target.  `recorded` is what the journal gets instead; None: the same bytes."""

    __slots__ = ("data", "recorded")

    def __init__(self, data: bytes, recorded: bytes | None = None) -> None:
        self.data = data
        self.recorded = recorded


@final
class Ask(Effect):
    """These operations need a decision; nothing of their lane moves in that direction until it is there.

    `data` is what the client sent that holds them, as one run of whole messages: the journal gets it, with the answers.
    `redacted(texts)` gives `data` with the text (and parameters) of the operations at those indexes replaced, in valid
    framing; the session calls it when a verdict says redact.
    """

    __slots__ = ("lane", "operations", "data", "redacted")

    def __init__(
        self,
        lane: int,
        operations: tuple[Operation, ...],
        data: bytes,
        redacted: Callable[[dict[int, bytes]], bytes],
    ) -> None:
        self.lane = lane
        self.operations = operations
        self.data = data
        self.redacted = redacted


@final
class Withdraw(Effect):
    """The client has taken back what this lane waits for: nobody is to decide it any more, and no answer comes."""

    __slots__ = ("lane",)

    def __init__(self, lane: int) -> None:
        self.lane = lane


@final
class Completed(Effect):
    """An operation ended as the gateway saw it.  Journal and counters get it; nothing moves.

    Only emitted where the bytes in the journal do not already say it: values were masked, rows were cut, or the
    operation failed by a denial.
    """

    __slots__ = ("number", "rows", "masked", "note")

    def __init__(self, number: int, rows: int, masked: int, note: str = "") -> None:
        self.number = number
        self.rows = rows
        self.masked = masked
        self.note = note


@final
class CancelTarget(Effect):
    """Ask the target, on a connection of its own, to cancel what this session runs.

    The edge forwards nothing of this session to the target until the target has closed that connection.
    """

    __slots__ = ()


@final
class Reach(Effect):
    """Connect to the target now: the edge tells the relay when it is `reached`, or that it is gone."""

    __slots__ = ()


@final
class EndTarget(Effect):
    """Nothing more of the target's connection is of use: close it.  The next ToTarget opens another (HTTP)."""

    __slots__ = ()


@final
class Renew(Effect):
    """The target does not take the credential: get another one, then call the relay's `later(0)` (HTTP)."""

    __slots__ = ()


@final
class Observed(Effect):
    """Something worth a note in the journal and an event; nothing moves.  `fields` never hold a secret.

    `told` is what of them the event has; None: all; {}: there is no event.
    """

    __slots__ = ("code", "fields", "told")

    def __init__(self, code: Code, fields: dict[str, object], told: dict[str, object] | None = None) -> None:
        self.code = code
        self.fields = fields
        self.told = fields if told is None else told


@final
class Typed(Effect):
    """A line was typed on a terminal, and what the target showed up to its end has passed.

    operation       what runs there
    before, after   output: the line up to where the first key was typed, and from there to the end of the line
    keys            how many characters were typed
    text            what they are; b"" where other keys changed the line.  Never recorded: it may be a password
    """

    __slots__ = ("operation", "before", "after", "columns", "keys", "text")

    def __init__(self, operation: int, before: bytes, after: bytes, columns: int, keys: int, text: bytes) -> None:
        self.operation = operation
        self.before = before
        self.after = after
        self.columns = columns
        self.keys = keys
        self.text = text


@final
class CatalogueChanged(Effect):
    """A transaction has ended; what names mean may be something else.

    changed   the target has completed a statement in it that may do that; else one has failed
    settled   nothing that was let through is still to run
    """

    __slots__ = ("changed", "settled")

    def __init__(self, changed: bool, settled: bool) -> None:
        self.changed = changed
        self.settled = settled


@final
class Defined(Effect):
    """The target has carried out a PREPARE or DECLARE of the operation: its name stands for that, and nothing else."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


@final
class Later(Effect):
    """Call the relay's `later(lane)` after so many seconds, once."""

    __slots__ = ("lane", "seconds")

    def __init__(self, lane: int, seconds: float) -> None:
        self.lane = lane
        self.seconds = seconds


@final
class PauseClient(Effect):
    """Read no more from the client until `ResumeClient`: the relay keeps as much as it may (named bound)."""

    __slots__ = ()


@final
class ResumeClient(Effect):
    __slots__ = ()


@final
class End(Effect):
    """The session is to end in its own way: `denial` is what the client reads."""

    __slots__ = ("code", "reason", "denial")

    def __init__(self, code: Code, reason: str, denial: Denial) -> None:
        self.code = code
        self.reason = reason
        self.denial = denial


@final
class Hangup(Effect):
    """End the session, both sides, after what was written before.  `reason` is for journal and event."""

    __slots__ = ("code", "reason")

    def __init__(self, code: Code, reason: str) -> None:
        self.code = code
        self.reason = reason
