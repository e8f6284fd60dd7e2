"""`hoopgw sessions`: list, show, replay, verify, export and end sessions."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hoopgw.cli.output import json_option, moment, print_fields, print_json, print_table
from hoopgw.cli.socket_client import Gateway, Refused
from hoopgw.model.errors import MalformedFrame
from hoopgw.model.escaping import escaped
from hoopgw.record import export as exports
from hoopgw.record.chunks import Chunk
from hoopgw.record.coverage import with_coverage
from hoopgw.record.happenings import Happening
from hoopgw.record.replay import entries_of, happenings
from hoopgw.record.telling import told
from hoopgw.record.verify import Known, Result, SessionVerifier, known_sessions, missing
from hoopgw.store.recordings import GATEWAY, SESSION_ID, Recordings, chunks, read_chunks, session_bytes, session_id

PAGE = 500
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
@click.option("--text", default="", help="Whose recording has this text in a statement (reads the recordings).")
@click.option("--live", is_flag=True, help="Only those that are open.")
@click.option("--limit", default=50, show_default=True, help="At most so many.")
@json_option
@click.pass_obj
def list_(settings: dict[str, str], /, text: str, limit: int, live: bool, as_json: bool, **filters: Any) -> None:
    """Newest first."""
    gateway = Gateway(settings["socket"])
    wanted = {**filters, "since": _posix(filters["since"]), "until": _posix(filters["until"])}
    found: list[dict[str, Any]] = []
    before: str | None = None
    while len(found) < limit:
        page = gateway.get(
            "/v1/sessions", **wanted, live="true" if live else None, before=before, limit=min(PAGE, limit)
        )["sessions"]
        found += [row for row in page if not text or _has_text(gateway, row["id"], text)]
        if len(page) < min(PAGE, limit):
            break
        before = f"{page[-1]['opened']!r},{page[-1]['id']}"
    found = found[:limit]
    if as_json:
        print_json(found)
        return
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


def _has_text(gateway: Gateway, id: str, text: str) -> bool:
    folded = text.casefold()
    for each in _happenings(_streamed(gateway, id)):
        if each.what == "operation" and folded in each.fields["text"].casefold():
            return True
    return False


@sessions.command()
@click.argument("session")
@json_option
@click.pass_obj
def show(settings: dict[str, str], session: str, as_json: bool) -> None:
    """Who, where, when, and what it adds up to."""
    row = Gateway(settings["socket"]).get(f"/v1/sessions/{session}")
    if as_json:
        print_json(row)
        return
    print_fields(
        (
            ("session", row["id"]),
            ("state", _state(row) + (f": {row['reason']}" if row["reason"] else "")),
            ("who", f"{row['subject']} ({row['issuer']})"),
            ("groups", ", ".join(row["groups"])),
            ("target", f"{row['target']}/{row['database']} as {row['role']}"),
            ("client", row["client"]),
            ("opened", moment(row["opened"])),
            ("closed", moment(row["closed"])),
            ("operations", f"{row['operations']} ({row['refused']} refused, {row['held']} held)"),
            ("rows", f"{row['rows']} ({row['masked']} values masked)"),
            ("bytes", f"{row['bytes_in']} in, {row['bytes_out']} out"),
            ("tables", ", ".join(row["tables"])),
            ("policy", row["policy"]),
        )
    )


@sessions.command()
@click.argument("session")
@click.option("--reason", default="", help="Kept in the record.")
@json_option
@click.pass_obj
def kill(settings: dict[str, str], session: str, reason: str, as_json: bool) -> None:
    """End a live session now: 57P01 to its client, what it runs is cancelled."""
    done = Gateway(settings["socket"]).post(f"/v1/sessions/{session}/kill", {"reason": reason})
    if as_json:
        print_json(done)
    else:
        click.echo(f"{session} was ended.")


# ---- recordings


def _streamed(gateway: Gateway, id: str) -> Iterator[Chunk]:
    """A session's chunks over the admin socket, through a file that has no name: constant memory."""
    with tempfile.TemporaryFile() as file:
        for piece in gateway.stream(f"/v1/sessions/{id}/recording"):
            file.write(piece)
        file.seek(0)
        yield from read_chunks(file.read)


def _chunks_of(settings: dict[str, str], named: str) -> Iterator[Chunk]:
    """By id from the gateway, or of a journal file."""
    if SESSION_ID.fullmatch(named):
        return _streamed(Gateway(settings["socket"]), named)
    path = Path(named)
    if not path.is_file():
        raise click.UsageError(f"{named!r} is neither a session's id nor a journal file")
    return chunks(path)


def _happenings(found: Iterator[Chunk]) -> Iterator[Happening]:
    return happenings(entries_of(found))


@sessions.command()
@click.argument("session")
@click.option("--rows", default=MAX_ROWS, show_default=True, help="Rows shown of one result.")
@json_option
@click.pass_obj
def replay(settings: dict[str, str], session: str, rows: int, as_json: bool) -> None:
    """What was asked, what was decided, and what was shown, in order."""
    try:
        found = with_coverage(_happenings(_chunks_of(settings, session)))
        if as_json:
            for line in exports.jsonl(found):
                click.echo(line)
            return
        for line in told(found, rows):
            click.echo(line)
    except MalformedFrame as error:
        raise Refused(f"the recording cannot be read: {error}; see `hoopgw sessions verify`") from error


@sessions.command()
@click.argument("session")
@click.option("--format", "form", type=click.Choice(["jsonl", "sql", "journal"]), default="jsonl", show_default=True)
@click.option("--output", type=click.File("wb"), default="-", help="Where to; standard output by default.")
@click.pass_obj
def export(settings: dict[str, str], session: str, form: str, output: Any) -> None:
    """A session as JSON lines, as an SQL script, or as the journal itself (which `verify` reads)."""
    found = _chunks_of(settings, session)
    try:
        if form == "journal":
            for chunk in found:
                output.write(chunk.stored())
            return
        lines = exports.jsonl(with_coverage(_happenings(found))) if form == "jsonl" else exports.sql(_happenings(found))
        for line in lines:
            output.write(line.encode() + b"\n")
    except MalformedFrame as error:
        raise Refused(f"the recording cannot be read: {error}; see `hoopgw sessions verify`") from error


# ---- verification


@sessions.command()
@click.argument("place", type=click.Path(exists=True))
@click.option("--key", type=click.Path(exists=True, dir_okay=False), help="recording.pub; by default the one beside.")
@json_option
@click.pass_obj
def verify(settings: dict[str, str], place: str, key: str | None, as_json: bool) -> None:
    """Whether a recordings directory, or one journal file, is as it was sealed.  Needs no token and no gateway.

    Names the first bad chunk of a session and the operations that it covers.  A directory is also held to its gateway
    journal: a session that is missing, or was cut after a seal, is named.
    """
    path = Path(place)
    public = _public_key(path, key)
    results = _directory(Recordings(path), public) if path.is_dir() else [_journal(path, public)]
    bad = [result for result in results if not result.good]
    if as_json:
        print_json([_shown(result) for result in results])
    else:
        for result in results:
            colour = "green" if result.good else "red"
            click.echo(click.style(escaped(f"{result.session}  {result.words()}"), fg=colour))
        click.echo(f"{len(results) - len(bad)} of {len(results)} verified.")
    sys.exit(1 if bad or not results else 0)


def _shown(result: Result) -> dict[str, Any]:
    first, last = result.operations
    return {
        "session": result.session,
        "verified": result.good,
        "problem": result.problem,
        "chunk": result.chunk if result.problem else None,
        "operations": [first, last] if last else [],
        "chunks": result.chunks,
        "sealed": result.sealed,
        "final": result.final,
        "digest": result.digest,
    }


def _public_key(path: Path, key: str | None) -> Ed25519PublicKey:
    beside = [path / "recording.pub", *(parent / "recording.pub" for parent in path.parents)]
    found = Path(key) if key else next((each for each in beside if each.is_file()), None)
    if found is None:
        raise click.UsageError("no recording.pub is beside it: name the public key by --key")
    public = load_pem_public_key(found.read_bytes())
    if not isinstance(public, Ed25519PublicKey):
        raise click.UsageError(f"{found} is not an Ed25519 public key")
    return public


def _directory(recordings: Recordings, key: Ed25519PublicKey) -> list[Result]:
    gateway = _verified("gateway", GATEWAY, recordings.chunks(GATEWAY), key)
    known: dict[str, Known] = {}
    if gateway.good:
        known = known_sessions(recordings.chunks(GATEWAY))
    results = [gateway]
    present: set[str] = set()
    for id in recordings.sessions():
        present.add(id)
        raw = session_bytes(id)
        results.append(_verified(id, raw, recordings.chunks(raw), key, known.get(id)))
    return results + missing(known, present)


def _journal(path: Path, key: Ed25519PublicKey) -> Result:
    try:
        first = next(chunks(path), None)
    except MalformedFrame as error:
        return Result(path.name, str(error), 0)
    raw = first.header.session if first is not None else GATEWAY
    return _verified("gateway" if raw == GATEWAY else session_id(raw), raw, chunks(path), key)


def _verified(id: str, raw: bytes, found: Iterator[Chunk], key: Ed25519PublicKey, known: Known | None = None) -> Result:
    verifier = SessionVerifier(id, raw, key, known)
    try:
        for chunk in found:
            verifier.take(chunk)
    except MalformedFrame as error:
        verifier.broken(str(error))
    return verifier.result()
