"""What becomes of rows: whose they are, how they are masked, and where a result is cut."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.answer import Decision, Denial
from hoopgw.model.errors import ProtocolViolation, WireError
from hoopgw.relay.effects import CancelTarget, Effect
from hoopgw.relay.postgres_expect import EXECUTE, FUNCTION, QUERY, Expect
from hoopgw.relay.postgres_hints import COPIES
from hoopgw.wire import pgmessages
from hoopgw.wire.pgframes import HEADER, after_rows

ROW: Final = 68  # D
COPY_DATA: Final = 100  # d
FUNCTION_RESULT: Final = 86  # V


@final
class Rows:
    """Of one session; keeps nothing of them.  `max_masked_row` is in bytes."""

    def __init__(self, session: str, policy: str, max_masked_row: int) -> None:
        self._session = session
        self._policy = policy
        self._max_masked_row = max_masked_row

    def masked(self, tag: int, head: Expect, data: bytes, start: int, end: int, effects: list[Effect]) -> bytes | None:
        """What goes on in place of these rows; None: they do."""
        if tag == ROW and head.row_mask is not None:
            before = head.row_mask.masked
            shown: bytes | None = head.row_mask.apply(data, start, end)
            head.masked += head.row_mask.masked - before
            return shown
        if tag == COPY_DATA and head.copy_mask is not None:
            return self._masked_copy(head, data, start, end, effects)
        if tag == FUNCTION_RESULT and head.answer.masks is not None:
            head.masked += 1  # what a function call gives has no origin: NULL
            return pgmessages.message(b"V", b"\xff\xff\xff\xff")
        return None

    def _masked_copy(self, head: Expect, data: bytes, start: int, end: int, effects: list[Effect]) -> bytes | None:
        before = head.copy_mask.masked
        pieces: list[bytes] = []
        here = start
        while here < end and not head.cut:
            shown, stop = head.copy_mask.apply(data, here, end)
            if shown is not None:
                pieces.append(shown)
            elif here == start and stop == end:
                return None
            elif here < stop:
                pieces.append(data[here:stop])
            here = stop
            if here < end:
                here = self._fed(head, data, here, pieces, effects)
        head.masked += head.copy_mask.masked - before
        return b"".join(pieces)

    def _fed(self, head: Expect, data: bytes, start: int, pieces: list[bytes], effects: list[Effect]) -> int:
        """One message of a COPY by its rows.  Gives where it ends."""
        stop = after_rows(data, start, 1)
        try:
            piece: bytes = head.copy_mask.feed(data[start + HEADER : stop])
        except WireError:  # a row that is longer than may be kept, or cannot be read: nothing of it goes on
            self.cut_unmaskable(head, effects)
            return stop
        if piece:
            pieces.append(pgmessages.message(b"d", piece))
        return stop

    def cut_unmaskable(self, head: Expect, effects: list[Effect]) -> None:
        reason = f"a row that cannot be masked within {self._max_masked_row} bytes; the result ends before it"
        cut(head, effects, Denial(Decision.UNAVAILABLE, reason, session=self._session, policy=self._policy))

    def copy_in_begins(self, head: Expect | None) -> None:
        if head is None or not head.hints & COPIES or head.nonce:
            raise ProtocolViolation("the target asked for data that was not offered")
        head.copying = True

    def copy_out_begins(self, head: Expect | None, response: bytes) -> None:
        """`response`: the payload of CopyOutResponse."""
        if head is None or (head.kind != QUERY and head.kind != EXECUTE) or head.nonce:
            raise ProtocolViolation("the target sends data that was not asked for")
        head.sends = True
        if head.answer.masks is not None:
            if len(response) < 3:
                raise ProtocolViolation("the target begins a COPY without saying of what")
            fields = int.from_bytes(response[1:3], "big")
            head.copy_mask = head.answer.masks.copy_mask(self._max_masked_row, fields)

    def copy_out_ends(self, head: Expect | None, done: bytes, effects: list[Effect]) -> bytes | None:
        """CopyDone of a COPY TO: what goes on in its place; None: it does."""
        if head is None or not head.sends:
            raise ProtocolViolation("the target ended a COPY that there was none of")
        if head.copy_mask is None or head.cut:
            return b"" if head.cut else None
        before = head.copy_mask.masked
        try:
            rest: bytes = head.copy_mask.finish()
        except WireError:
            self.cut_unmaskable(head, effects)
            return b""
        head.masked += head.copy_mask.masked - before
        return pgmessages.message(b"d", rest) + done if rest else None

    def cut_denial(self, head: Expect) -> Denial:
        """Why a result was cut: its own reason, or the limit that ran out."""
        if head.cut_by is not None:
            return head.cut_by
        meter = head.answer.meter
        exceeded = meter.exceeded if meter is not None else None
        name = exceeded.name if exceeded is not None else "its limit"
        return Denial(
            decision=Decision.OVER_BUDGET,
            reason=f"the result was cut after {head.rows} rows: {name}",
            guardrails=(exceeded.guardrail,) if exceeded is not None else (),
            would_pass=f"less of it; the limit begins anew with {exceeded.renews}"
            if exceeded and exceeded.renews
            else "",
            expires=exceeded.resets if exceeded is not None else None,
            session=self._session,
            policy=self._policy,
        )


def cut(head: Expect, effects: list[Effect], by: Denial | None = None) -> None:
    """The client gets no more of this result."""
    head.cut = True
    head.cut_by = by
    effects.append(CancelTarget())


def receives(head: Expect | None, tag: int) -> bool:
    """Whether these rows are an answer to `head`: it asked for such, and its masks could be chosen."""
    if head is None or head.nonce:
        return False
    if tag == ROW and (head.kind == QUERY or head.kind == EXECUTE):
        return head.described or head.answer.masks is None
    return (tag == COPY_DATA and head.sends) or (tag == FUNCTION_RESULT and head.kind == FUNCTION)


def looked_at(head: Expect, tag: int) -> bool:
    """Whether rows have to be looked at, and so must be whole."""
    if tag == ROW:
        return head.row_mask is not None
    if tag == COPY_DATA:
        return head.copy_mask is not None
    return head.answer.masks is not None
