"""What happened in an SSH session -> a text: what was asked, and the lines that stood on its terminals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hoopgw.record.binary import summed
from hoopgw.record.happenings import Happening
from hoopgw.record.lines import Lines
from hoopgw.record.telling import told
from hoopgw.record.terminals import RUNS

MAX_RUNS = 1024  # commands and shells whose lines are followed: a relay has 256 channels open
_PASSED = ("input", "resize", "row", "copy")  # a terminal shows what was typed; the other exports have it all
_Place = tuple[int, str]


def transcript(happenings: Iterable[Happening]) -> Iterator[str]:
    """Lines of the session's own begin with `# `, lines of output do not; control sequences are in neither."""
    texts: dict[_Place, Lines] = {}
    last: _Place | None = None
    for each in summed(happenings):
        number = each.fields.get("operation", 0)
        if each.what == "output":
            if not (lines := texts.get((number, each.fields["stream"]))):
                continue  # a forward, or a subsystem: no text for people
            for line in lines.of(each.fields["data"]):
                yield from _under(number, each.fields["stream"], last)
                last = number, each.fields["stream"]
                yield line
            continue
        if each.what in _PASSED:
            continue
        if each.what == "exit":
            yield from _rests(texts, number)
        elif each.what == "operation" and each.fields["kind"] in RUNS:
            for stream in ("stdout", "stderr"):
                texts[each.fields["number"], stream] = Lines()
            if len(texts) > 2 * MAX_RUNS:
                yield from _rests(texts, oldest := next(iter(texts))[0])
                del texts[oldest, "stdout"], texts[oldest, "stderr"]
        elif each.what == "close":
            for other in {place[0] for place in texts}:
                yield from _rests(texts, other)
        last = None
        yield from _said(each)
    for other in sorted({place[0] for place in texts}):
        yield from _rests(texts, other)


def _said(each: Happening) -> Iterator[str]:
    for line in told((each,), 0):
        yield f"# {line}"


def _under(number: int, stream: str, last: _Place | None) -> Iterator[str]:
    if last != (number, stream):
        yield f"# {stream} of #{number}"


def _rests(texts: dict[_Place, Lines], number: int) -> Iterator[str]:
    """What operation `number` has left without an end of line so far: output may come behind an exit status."""
    for stream in ("stdout", "stderr"):
        lines = texts.get((number, stream))
        for line in lines.rest() if lines is not None else ():
            yield from _under(number, stream, None)
            yield line
