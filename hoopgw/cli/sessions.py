"""`hoopgw sessions`: list, show, replay, watch, verify, export and end sessions."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from hoopgw.cli import player, verifying, watching
from hoopgw.cli.film import Film
from hoopgw.cli.output import json_option, moment, place, print_fields, print_json, print_table
from hoopgw.cli.searching import Wanted
from hoopgw.cli.socket_client import Gateway, Refused, segment
from hoopgw.model.escaping import escaped
from hoopgw.record import export as exports
from hoopgw.record.chunks import Chunk, Damage
from hoopgw.record.coverage import Coverage, with_coverage
from hoopgw.record.har import har
from hoopgw.record.replay import replayed
from hoopgw.record.telling import told
from hoopgw.record.terminals import Start, asciicast, chosen, moments, starts
from hoopgw.record.transcript import transcript
from hoopgw.store.recordings import SESSION_ID, Recordings, read_chunks

PAGE = 500
PIECE = 1 << 20  # bytes of an export that are copied at a time
MAX_ROWS = 20  # of one statement that a replay shows; `--rows` changes it


@click.group()
def sessions() -> None:
    """Sessions: who did what on which target.

    A session is named by its id, which asks the running gateway (with a token in HOOPGW_TOKEN), or by the path of a
    journal file, which needs no token.
    """


# ---- the index


@sessions.command("list")
@click.option("--subject", default="", help="Whose.")
@click.option("--target", default="", help="On which target.")
@click.option("--since", default="", help="Opened since: 2026-11-21, or 2026-11-21T10:00:00Z.")
@click.option("--until", default="", help="Opened before that.")
@click.option("--verdict", type=click.Choice(["refused", "held", "masked"]), help="With such an operation.")
@click.option("--table", default="", help="That touched this table, as schema.table.")
@click.option(
    "--text",
    default="",
    help="With this text in a statement, command or file's path (reads the recordings).",
)
@click.option("--method", default="", help="HTTP: with such a request; --path, --status, --operation-id: the same one.")
@click.option("--path", default="", help="HTTP: with a request to such a path (a glob).")
@click.option("--status", default="", help="HTTP: with such an answer: 403, or 5??.")
@click.option("--operation-id", default="", help="HTTP: with this operation of the target's OpenAPI documents.")
@click.option("--live", is_flag=True, help="Only those that are open.")
@click.option("--limit", default=50, show_default=True, help="At most so many.")
@json_option
@click.pass_obj
def list_(
    settings: dict[str, str],
    /,
    text: str,
    method: str,
    path: str,
    status: str,
    operation_id: str,
    limit: int,
    live: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Newest first."""
    gateway = Gateway(settings["socket"])
    looked_for = Wanted(text, method, path, status, operation_id)
    wanted = {**filters, "since": _posix(filters["since"]), "until": _posix(filters["until"])}
    found: list[dict[str, Any]] = []
    before: str | None = None
    while len(found) < limit:
        answer = gateway.get(
            "/v1/sessions", **wanted, live="true" if live else None, before=before, limit=min(PAGE, limit)
        )
        page = answer["sessions"]
        if "behind" in answer and before is None:
            click.echo(f"the index is behind, and some may be missing: {escaped(answer['behind'])}", err=True)
        found += [row for row in page if looked_for.everything or _fits(looked_for, gateway, row["id"])]
        if len(page) < min(PAGE, limit):
            break
        before = f"{page[-1]['opened']!r},{page[-1]['id']}"
    if as_json:
        print_json(found[:limit])
    else:
        _print_rows(found[:limit])


def _print_rows(found: list[dict[str, Any]]) -> None:
    print_table(
        ("SESSION", "OPENED", "WHO", "TARGET", "ROLE", "STATE", "OPERATIONS", "REFUSED", "HELD", "MASKED"),
        (
            (
                row["id"],
                moment(row["opened"]),
                row["subject"],
                row["target"],
                row["role"],
                _state(row),
                row["operations"],
                row["refused"],
                row["held"],
                row["masked"],
            )
            for row in found
        ),
    )


def _fits(looked_for: Wanted, gateway: Gateway, id: str) -> bool:
    return looked_for.found(replayed(_streamed(gateway, id), asked_only=looked_for.asked_only))


def _state(row: dict[str, Any]) -> str:
    if row["live"]:
        return "live"
    return "retired" if row["retired"] else "interrupted" if row["interrupted"] else "closed"


def _posix(written: str) -> float | None:
    if not written:
        return None
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise click.UsageError(f"{written!r} is no time: 2026-11-21, or 2026-11-21T10:00:00Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@sessions.command()
@click.argument("session")
@click.option("--quick", is_flag=True, help="Without the coverage statement, for which all of the recording is read.")
@json_option
@click.pass_obj
def show(settings: dict[str, str], session: str, quick: bool, as_json: bool) -> None:
    """Who, where, when, what it adds up to, and what of it the recording has."""
    gateway = Gateway(settings["socket"])
    row = gateway.get(f"/v1/sessions/{segment(session)}")
    coverage = Coverage()
    if not quick:
        coverage.take_all(replayed(_streamed(gateway, session)))
    if as_json:
        print_json(row if quick else {**row, "coverage": coverage.statement()})
        return
    print_fields(
        (
            ("session", row["id"]),
            ("state", _state(row) + (f": {row['reason']}" if row["reason"] else "")),
            ("who", f"{row['subject']} ({row['issuer']})"),
            ("groups", ", ".join(row["groups"])),
            ("target", place(row)),
            ("client", row["client"]),
            ("opened", moment(row["opened"])),
            ("closed", moment(row["closed"])),
            ("operations", f"{row['operations']} ({row['refused']} refused, {row['held']} held)"),
            ("rows", f"{row['rows']} ({row['masked']} values masked)"),
            ("bytes", f"{row['bytes_in']} in, {row['bytes_out']} out"),
            ("tables", ", ".join(row["tables"])),
            ("policy", row["policy"]),
            *(("coverage", line) for line in ([] if quick else coverage.words())),
        )
    )


@sessions.command()
@click.argument("session")
@click.option("--reason", default="", help="Kept in the record.")
@json_option
@click.pass_obj
def kill(settings: dict[str, str], session: str, reason: str, as_json: bool) -> None:
    """End a live session now: its client reads why, and what it runs at the target is cancelled or killed."""
    done = Gateway(settings["socket"]).post(f"/v1/sessions/{segment(session)}/kill", {"reason": reason})
    if as_json:
        print_json(done)
    else:
        click.echo(f"{session} was ended.")


# ---- recordings


def _streamed(gateway: Gateway, id: str) -> Iterator[Chunk | Damage]:
    """A session's chunks over the admin socket, through a file that has no name: constant memory."""
    with tempfile.TemporaryFile() as file:
        for piece in gateway.stream(f"/v1/sessions/{segment(id)}/recording"):
            file.write(piece)
        file.flush()
        yield from read_chunks(file)


@contextmanager
def _journal(settings: dict[str, str], named: str) -> Iterator[BinaryIO]:
    """The journal, by id from the gateway or a file, to be read as often as one likes."""
    if not SESSION_ID.fullmatch(named):
        with _file(named).open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as kept:
        for piece in _stored(settings, named):
            kept.write(piece)
        kept.flush()
        yield kept


def _start(file: BinaryIO, number: int | None) -> Start | None:
    """What of an SSH session is to be shown."""
    found = chosen(starts(replayed(read_chunks(file))), number)
    if found is None and number is not None:
        raise click.UsageError(f"no command or shell that ran has the number {number}")
    return found


def _stored(settings: dict[str, str], named: str) -> Iterator[bytes]:
    """The same, byte for byte."""
    if SESSION_ID.fullmatch(named):
        yield from Gateway(settings["socket"]).stream(f"/v1/sessions/{named}/recording")
        return
    with _file(named).open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _file(named: str) -> Path:
    path = Path(named)
    if not path.is_file():
        raise click.UsageError(f"{named!r} is neither a session's id nor a journal file")
    return path


@sessions.command()
@click.argument("session")
@click.option("--rows", default=MAX_ROWS, show_default=True, help="Rows shown of one result.")
@click.option("--lines", is_flag=True, help="As lines, where a terminal would be played.")
@click.option("--operation", type=int, help="Play the terminal of this one; by default of the first that has one.")
@click.option("--speed", type=click.FloatRange(*player.SPEEDS), default=1.0, show_default=True, help="Of the play.")
@click.option("--idle", type=click.FloatRange(min=0), default=3.0, show_default=True, help="Longest pause, in seconds.")
@json_option
@click.pass_obj
def replay(
    settings: dict[str, str],
    session: str,
    rows: int,
    lines: bool,
    operation: int | None,
    speed: float,
    idle: float,
    as_json: bool,
) -> None:
    """What was asked, what was decided, and what was shown, in order.

    On a terminal, what ran on an SSH terminal is played as it was seen: space pauses, the arrow keys seek by 5 and 60
    seconds, `.` steps, + and - change the speed, q ends.  Nothing in it does more to your terminal than to draw.
    """
    with _journal(settings, session) as file:
        on_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not (as_json or lines)
        start = _start(file, operation) if on_terminal else None
        if start is not None and (start.terminal or operation is not None):
            found = moments(replayed(read_chunks(file)), start)
            with closing(Film(found, start.time, idle)) as film:
                player.play(film, speed)
            return
        all = with_coverage(replayed(read_chunks(file)))
        for line in exports.jsonl(all) if as_json else told(all, rows):
            click.echo(line)


@sessions.command()
@click.argument("session")
@click.option("--rows", default=MAX_ROWS, show_default=True, help="Rows shown of one result.")
@click.option("--lines", is_flag=True, help="As lines, where a terminal would be shown.")
@click.option("--operation", type=int, help="The terminal of this one; by default of the one that began last.")
@json_option
@click.pass_obj
def watch(settings: dict[str, str], session: str, rows: int, lines: bool, operation: int | None, as_json: bool) -> None:
    """A live session from its beginning on, and what happens in it until it ends.

    On a terminal, what runs on an SSH terminal is shown as its user sees it, some tenths of a second later.  Nothing in
    it does more to your terminal than to draw.  Ctrl-C ends watching; `kill` ends the session.
    """
    happenings = watching.happening(Gateway(settings["socket"]).follow(f"/v1/sessions/{segment(session)}/watch"))
    if as_json or lines or not (sys.stdin.isatty() and sys.stdout.isatty()):
        for line in exports.jsonl(happenings) if as_json else told(happenings, rows):
            click.echo(line)
        return
    with player.taken():
        for text in watching.shown(happenings, operation, rows):
            player.write(text.encode())


@sessions.command()
@click.argument("session")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "sql", "har", "asciicast", "text", "journal"]),
    default="jsonl",
    show_default=True,
)
@click.option("--operation", type=int, help="asciicast: of this one; by default of the first on a terminal.")
@click.option("--typed", is_flag=True, help="asciicast: with the keys that were typed, by their number.")
@click.option("--output", type=click.File("wb"), default="-", help="Where to; standard output by default.")
@click.pass_obj
def export(settings: dict[str, str], session: str, form: str, operation: int | None, typed: bool, output: Any) -> None:
    """A session as JSON lines, an SQL script, an HTTP archive, a terminal's film, a text, or the journal itself.

    `asciicast` (version 3) is one SSH terminal, for asciinema; what would do more to a terminal than draw is left out.
    `text` is all of an SSH session, as lines.  `journal` is what `verify` reads.
    """
    if form == "journal":
        for piece in _stored(settings, session):
            output.write(piece)
        return
    with _journal(settings, session) as file:
        for line in _exported(file, form, operation, typed):
            output.write(line.encode() + b"\n")


def _exported(file: BinaryIO, form: str, operation: int | None, typed: bool) -> Iterator[str]:
    if form == "asciicast":
        start = _start(file, operation)
        if start is None:
            raise Refused("nothing ran in this session that a terminal could show")
        return asciicast(replayed(read_chunks(file)), start, typed=typed)
    found = replayed(read_chunks(file))
    if form == "sql":
        return exports.sql(found)
    if form == "har":
        return har(found)
    return transcript(with_coverage(found)) if form == "text" else exports.jsonl(with_coverage(found))


# ---- verification


def _head(context: click.Context, parameter: click.Parameter, written: str | None) -> tuple[int, str] | None:
    if written is None:
        return None
    number, _, digest = written.partition(":")
    if not re.fullmatch("[0-9]{1,18}", number) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise click.BadParameter("a chunk's number, a colon, and 64 hex digits")
    return int(number), digest


@sessions.command()
@click.argument("place", type=click.Path(exists=True))
@click.option("--key", type=click.Path(exists=True, dir_okay=False), help="recording.pub; by default the one beside.")
@click.option("--head", metavar="CHUNK:DIGEST", callback=_head, help="Of the gateway journal, as noted elsewhere.")
@click.option("--coverage", is_flag=True, help="Of a directory too: what each recording says that was seen, and how.")
@json_option
def verify(place: str, key: str | None, head: tuple[int, str] | None, coverage: bool, as_json: bool) -> None:
    """Whether a recordings directory, or one journal file, is as it was sealed.  Needs no token and no gateway.

    Names the first bad chunk of a session and the operations that it covers.  A directory is also held to its gateway
    journal: a session that is missing, or was cut after a seal, is named.  All of a directory put back to an earlier
    day is found by --head: the last chunk of the gateway journal, which an earlier run said.
    """
    path = Path(place)
    keys = verifying.public_keys(path, key)
    if head is not None and not path.is_dir():
        raise click.UsageError("--head is for a directory with its gateway journal")
    if path.is_dir():
        found = verifying.directory(Recordings(path), keys, head, coverage)
    else:
        found = verifying.journal(path, keys)
    shown: list[dict[str, Any]] = []
    count = good = 0
    for result, covered in found:
        count, good = count + 1, good + result.good
        if as_json:
            shown.append(verifying.shown(result, covered))
            continue
        click.echo(click.style(escaped(f"{result.session}  {result.words()}"), fg="green" if result.good else "red"))
        for line in covered.words() if covered is not None else ():
            click.echo(f"    {escaped(line)}")
        if result.session == "gateway" and result.good:
            click.echo(f"    head: {result.chunks - 1}:{result.digest}")
    if as_json:
        print_json(shown)
    else:
        click.echo(f"{good} of {count} verified.")
    sys.exit(0 if good == count and count else 1)
