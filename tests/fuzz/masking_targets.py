"""Fuzz targets of masks: rows, COPY, single values, and what the patterns find."""

from __future__ import annotations

import contextlib
import json

from hoopgw.model.errors import WireError
from hoopgw.policy.layouts import Layouts
from hoopgw.relay.postgres_mask_types import JSON, masked_by_column, searched
from hoopgw.wire import masking
from hoopgw.wire.masking import Action, ValueMask
from hoopgw.wire.pgcopy import SIGNATURE, CopyMask
from hoopgw.wire.pgmessages import message
from hoopgw.wire.rowmask import RowMask
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.showing import Hashes
from hoopgw.wire.streammask import MAX_LINE, StreamMask
from tests.fuzz.choices import Choices, cut
from tests.wire.test_pgcopy import payloads
from tests.wire.test_scanners import everywhere
from tests.wire.test_streammask import UNMARKED, whole

SCANNERS = [Scanner(kinds) for kinds in range(32)]
WORDS = (
    b"a@b.example", b"4000 0012 3456 7899", b"4000001234567899", b"AB123456C", b"123-45-6789",
    b"DE89370400440532013000", b"\\N", b"\\.", b"\\t", b"\\", b'"', b'""', b"\r", b"\n", b"\t", b",", b"{", b"}",
    b'"a":', b"\xc3\xa4", b"x", b" ",
)  # fmt: skip
KINDS = range(masking.LAST_KIND + 1)
PARTS = (Action(masking.SCAN), Action(masking.NONE), None, Action(masking.SPOILS))
FORMS = ("text", "csv", "binary")
EVEN = (masking.PASS, masking.NONE, masking.LAST4, masking.SCAN, masking.NULL)
HASHES = Hashes(b"key")
# What becomes of numbers and booleans in JSON is not for any action to say: those that the relay makes
JSON_ACTIONS = (
    searched(Layouts(None), JSON, 0),
    *(masked_by_column(Layouts(None), JSON, 0, show) for show in ("none", "last4", "hash")),
)


def text(choices: Choices) -> bytes:
    """Words with bytes of the fuzzer between them."""
    found: list[bytes] = []
    while choices.more and len(found) < 24:
        found.append(choices.pick(WORDS) if choices.flag() else choices.some())
    return b"".join(found)


def actions(choices: Choices, kinds: tuple[int, ...] | range) -> tuple[Action | None, ...]:
    chosen = [choices.pick(kinds) for _ in range(1 + choices.number(3))]
    return tuple(None if kind == masking.PASS else Action(kind, b"0", parts=PARTS) for kind in chosen)


def finders(data: bytes) -> None:
    """The search in steps finds what a search of every byte finds, and nothing outside of its bounds."""
    choices = Choices(data)
    kinds, before, behind = choices.number(32), choices.number(16), choices.number(16)
    value = text(choices)
    start = min(before, len(value))
    end = max(start, len(value) - behind)
    found = sorted(SCANNERS[kinds].spans(value, start, end))
    assert found == everywhere(value, start, end, kinds), "something was passed over"
    assert all(start <= begin < stop <= end for begin, stop in found)
    alone = [(begin - start, stop - start) for begin, stop in found]
    assert alone == sorted(SCANNERS[kinds].spans(value[start:end], 0, end - start)), "what stands around it counts"


def streams(data: bytes) -> None:
    """A stream cut anywhere is masked as its lines are; cut and asked for at any time, no match is whole."""
    choices = Choices(data)
    scanner, asks = SCANNERS[choices.number(32)], choices.number(4) == 0
    places, value = choices.some(), UNMARKED.sub(b"", text(choices))  # of a terminal's marks a line knows nothing
    flags = Choices(places)
    mask, out = StreamMask(scanner), bytearray()
    for piece in cut(value, places):
        out += mask.feed(piece)
        if asks and flags.flag():
            out += mask.released(False)
        assert mask.waiting <= MAX_LINE and len(out) + mask.waiting <= len(value)
    out += mask.released(True)
    assert asks or bytes(out) == whole(scanner, value), "the cuts show"
    here = 0
    for line in value.splitlines(keepends=True):
        for begin, end in scanner.spans(line, 0, len(line.rstrip(b"\r\n"))):
            assert 42 in out[here + begin : here + end], "a match was shown"
        here += len(line)


def values(data: bytes) -> None:
    """One value: a length that stays where it must, JSON that stays JSON, and nothing found in what is shown."""
    choices = Choices(data)
    scanner = SCANNERS[choices.number(32)]
    kind = choices.pick(KINDS)
    action = (
        choices.pick(JSON_ACTIONS) if kind in (masking.SCAN_JSON, masking.JSON) else Action(kind, b"0", parts=PARTS)
    )
    value = text(choices)
    shown = ValueMask(scanner, HASHES).of(action, value)
    if kind in (masking.NONE, masking.LAST4, masking.SCAN):
        assert shown is not None and len(shown) == len(value)
    if kind == masking.NONE:
        assert shown == b"*" * len(value)
    if kind in (masking.SCAN_JSON, masking.JSON) and shown is not None:
        _stays_json(value, shown)


def _stays_json(value: bytes, shown: bytes | None) -> None:
    try:
        before = json.loads(value)
    except (ValueError, RecursionError):
        return
    after = json.loads(shown or b"")
    assert _kind(after) is _kind(before), "a document of another kind"


def _kind(document: object) -> type:
    return int if isinstance(document, float) else type(document)


def rows(data: bytes) -> None:
    """A run of DataRows: masked as value by value, in right framing; or, where they are not as described, WireError."""
    choices = Choices(data)
    chosen = actions(choices, KINDS)
    scanner = SCANNERS[choices.number(32)]
    given = [[_value(choices) for _ in chosen] for _ in range(choices.number(5))]
    run = b"".join(map(_row, given))
    if choices.flag():  # other bytes under the same lengths
        at = 5 + choices.number(max(1, len(run)))
        run = run[:at] + choices.piece(4) + run[at + 4 :] if at + 4 <= len(run) else run
        _framed_only(RowMask(chosen, ValueMask(scanner, HASHES)), run)
        return
    value = ValueMask(scanner, HASHES)
    wanted = [
        [
            one if one is None or action is None else value.of(action, one)
            for one, action in zip(row, chosen, strict=True)
        ]
        for row in given
    ]
    masked = RowMask(chosen, value).apply(b"before" + run + b"behind", 6, 6 + len(run))
    assert (run if masked is None else masked) == b"".join(map(_row, wanted)), "not as value by value"


def _value(choices: Choices) -> bytes | None:
    kind = choices.number(4)
    return None if kind == 0 else choices.pick(WORDS) if kind == 1 else choices.some()


def _row(values: list[bytes | None]) -> bytes:
    body = len(values).to_bytes(2, "big")
    for value in values:
        body += b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
    return message(b"D", body)


def _framed_only(mask: RowMask, run: bytes) -> None:
    """As the relay does: whole messages of the tag D."""
    end = 0
    while end + 5 <= len(run) and run[end] == 68:
        length = int.from_bytes(run[end + 1 : end + 5], "big")
        if length < 4 or end + 1 + length > len(run):
            break
        end += 1 + length
    with contextlib.suppress(WireError):
        mask.apply(run, 0, end)


def copies(data: bytes) -> None:
    """A masked COPY: any cut of it, and any way to say it in messages, gives the same; rows stay as many."""
    choices = Choices(data)
    form = choices.pick(FORMS)
    chosen = actions(choices, EVEN if choices.flag() else KINDS)
    whole = chosen[0] if choices.flag() else None
    marks = {
        "delimiter": choices.pick((b"\t", b",", b"|", b"*")),
        "quote": choices.pick((b'"', b"'")),
        "escape": choices.pick((b'"', b"\\", b"'")),
        "null": choices.pick((b"\\N", b"", b"x")),
    }
    header, scanner, places = choices.flag(), SCANNERS[choices.number(32)], choices.some()
    body = text(choices)
    if form == "text":  # PostgreSQL writes these with a backslash, whatever the delimiter is
        body = body.translate(None, b"\b\f\v" if marks["delimiter"] == b"\t" else b"\b\f\v\t")
    if form == "binary":
        body = SIGNATURE + bytes(8) + _tuples(choices) + body

    def copy() -> CopyMask:
        return CopyMask(form, chosen, whole, ValueMask(scanner, HASHES), 4096, header=header, **marks)  # type: ignore[arg-type]

    wanted = _fed(copy(), [body])
    reads = cut(body, places)
    assert _fed(copy(), reads) == wanted, "a cut changes what is shown"
    run = b"".join(message(b"d", read) for read in reads)
    assert _run(copy(), run) == wanted, "a run shows something else than its messages"
    if form == "text" and wanted is not None:
        assert wanted.count(b"\n") == body.count(b"\n"), "other rows"


def _tuples(choices: Choices) -> bytes:
    found = b""
    for _ in range(choices.number(4)):
        count = choices.number(4)
        found += count.to_bytes(2, "big")
        for _ in range(count):
            value = _value(choices)
            found += b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
    return found + b"\xff\xff" * choices.number(2)


def _fed(copy: CopyMask, reads: list[bytes]) -> bytes | None:
    """What is shown of all of them; None where one was refused."""
    try:
        return b"".join([copy.feed(read) for read in reads]) + copy.finish()
    except WireError:
        return None


def _run(copy: CopyMask, run: bytes) -> bytes | None:
    try:
        return payloads(copy, run) + copy.finish()
    except WireError:
        return None
