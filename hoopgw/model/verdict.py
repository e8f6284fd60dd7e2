"""What the guardrails say together.  Verdicts combine with `&`; adding a guardrail can only tighten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hoopgw.model.target import Mode


def together(words: Iterable[str]) -> str:
    """What several rules say, each once, as one text: some of them end in a full stop."""
    text = ""
    for each in dict.fromkeys(filter(None, words)):
        between = "" if not text else " " if text.endswith((".", "!", "?")) else "; "
        text += between + each
    return text


@dataclass(frozen=True, slots=True)
class Source:
    """Where in the configuration a rule stands."""

    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    guardrail: str
    reason: str
    would_pass: str = ""
    source: Source = Source()
    # not 0: the grammar does not accept the text, at this character from 1 on, or -1: in no one place
    position: int = 0
    sqlstate: str = ""  # of a mistake for which PostgreSQL has one, and `reason` its words


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """An approval that is needed.  Seconds; `approvers` are groups, and `count` different identities of them."""

    guardrail: str
    reason: str
    approvers: frozenset[str]
    count: int = 1
    wait: float = 30.0  # how long the client waits at most
    in_transaction: float = 10.0  # the same inside a transaction that has already run something
    expires: float = 900.0  # how long the request can be decided, and an approval be used
    would_pass: str = ""
    source: Source = Source()
    at_once: bool = False  # HTTP: nobody waits on the line, the answer is 202


# The states of a hold (`HoldState`) which say that an approver's word counts; others were there before it
TAKEN: Final = {"approve": ("waiting", "approved", "claimed"), "deny": ("denied",)}


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a rule says of something that has happened already: an event, and where it `ends`, the session's end."""

    guardrail: str
    reason: str
    ends: bool = False


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """A bound of one operation: rows or bytes that may reach the client.  None is no bound."""

    guardrail: str
    rows: int | None = None
    bytes: int | None = None
    reason: str = ""
    source: Source = Source()


class IRowMask(Protocol):
    """Masks runs of whole DataRow messages of one result."""

    masked: int  # values so far

    def apply(self, data: bytes, start: int, end: int) -> bytes | None:
        """`data[start:end]` masked; None where nothing had to be changed."""


class ICopyMask(Protocol):
    """Masks the payloads of CopyData messages of one COPY TO STDOUT."""

    masked: int

    def apply(self, data: bytes, start: int, end: int) -> tuple[bytes | None, int]:
        """What goes on in place of the first of these messages (None: they do), and up to where.

        The next, if there is one, is for `feed`.
        """

    def feed(self, payload: bytes) -> bytes:
        """What may go on now: whole rows."""

    def finish(self) -> bytes:
        """What is left at CopyDone."""


class IStreamMask(Protocol):
    """Masks one stream of bytes that has no messages; nothing gets longer or shorter (wire/streammask.py)."""

    masked: int  # what was found so far

    @property
    def waiting(self) -> int:
        """Bytes that wait for what follows."""

    def feed(self, data: bytes) -> bytes:
        """What may be shown now; the same object where that is all of `data` as it came."""

    def released(self, final: bool) -> bytes:
        """All that waits; not `final`: without what is too much to be shown of something that is not whole."""


class IMasks(Protocol):
    """What of this operation's result must be masked (policy/masks.py has the one that PostgreSQL uses)."""

    @property
    def errors(self) -> bool:
        """The operation reads a masked column: the target's words about it are withheld."""

    def __and__(self, other: "IMasks") -> "IMasks": ...

    def row_mask(self, fields: Sequence[tuple[bytes, int, int, int, int]], max_row: int, place: int) -> IRowMask | None:
        """For a result of these columns (name, table OID, attribute number, type OID, format) of the statement at
        `place` in its text, from 0; None: nothing to do."""

    def copy_mask(self, max_row: int, fields: int) -> ICopyMask | None:
        """For this operation's COPY TO STDOUT, of which the target says that its rows have so many fields."""

    def stream(self) -> IStreamMask:
        """For output without messages: patterns only."""

    def text(self, data: bytes) -> bytes:
        """Free text with what matches a pattern masked, at the same length."""


class IMaskedBody(Protocol):
    """The body of one HTTP response on its way to the client, masked as it comes."""

    masked: int  # values so far

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """The response's fields as they must be with the body masked: what no longer fits it (ETag, digests, ranges,
        Content-Encoding) is left out or right.  Content-Length and Transfer-Encoding are the caller's: the body goes on
        in chunks."""

    def feed(self, data: bytes) -> bytes:
        """What may go on now of the body, whose chunks are taken off.  Raises Unmaskable: the rest must not pass."""

    def chunk(self, data: bytes) -> bytes:
        """The same as one chunk (RFC 9112, 7.1); nothing where nothing may go on."""

    def finish(self) -> bytes:
        """What is left at the body's end.  Raises Unmaskable."""


class IBodyMasks(Protocol):
    """What of an HTTP response must be masked."""

    def __and__(self, other: "IBodyMasks") -> "IBodyMasks": ...

    def response(self, status: int, fields: tuple[tuple[bytes, bytes], ...]) -> IMaskedBody | None:
        """For a response with these fields (names in lower case); None: nothing of it is to be masked.

        Raises Unmaskable for a body that cannot be read (an unknown coding, a charset, a range): it must not pass.
        """

    def trailers(self, fields: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
        """The fields behind the body, masked."""

    def message(self, data: bytes) -> bytes:
        """One whole message of a WebSocket, masked.  Raises Unmaskable: it must not pass."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Refusals, approvals needed, masks and limits.  Without any of them: allowed.

    bodies     what of the answer's body is masked, in HTTP
    resumes    the hold that its sender names: it lets the operation run, or nothing does
    keep       the verdict depends on nothing but scope and text, so it may be cached
    redact     a guardrail's name: text, parameters and error text of this operation are kept out of the record
    recorded   for a redacted operation: what record, holds, index and log get in place of the text
    tables     qualified names read or written, for the index ("pay.accounts"); at most 32
    mode       the strictest recording mode that a matching rule asks for, or None
    """

    refusals: tuple[Refusal, ...] = ()
    holds: tuple[HoldTerms, ...] = ()
    limits: tuple[LimitTerms, ...] = ()
    masks: IMasks | None = None
    bodies: IBodyMasks | None = None
    redact: str = ""
    recorded: bytes = b""
    mode: Mode | None = None
    tables: frozenset[str] = frozenset()
    keep: bool = True
    resumes: str = ""

    def __and__(self, other: "Verdict") -> "Verdict":
        if self is ALLOW:
            return other
        if other is ALLOW:
            return self
        return Verdict(
            refusals=self.refusals + other.refusals,
            holds=self.holds + other.holds,
            limits=self.limits + other.limits,
            masks=_both_masks(self.masks, other.masks),
            bodies=_both_bodies(self.bodies, other.bodies),
            redact=self.redact or other.redact,
            recorded=self.recorded or other.recorded,
            mode=_stricter(self.mode, other.mode),
            tables=self.tables | other.tables,
            keep=self.keep and other.keep,
            resumes=self.resumes or other.resumes,
        )

    @property
    def plain(self) -> bool:
        """Nothing to do but count it and let it pass."""
        terms = self.refusals or self.holds or self.limits or self.masks or self.bodies
        return not (terms or self.redact or self.mode or self.resumes)


ALLOW: Final = Verdict()


def _both_masks(one: IMasks | None, other: IMasks | None) -> IMasks | None:
    if one is None or other is None:
        return one or other
    return one & other


def _both_bodies(one: IBodyMasks | None, other: IBodyMasks | None) -> IBodyMasks | None:
    if one is None or other is None:
        return one or other
    return one & other


def _stricter(one: Mode | None, other: Mode | None) -> Mode | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda mode: mode.rank)
