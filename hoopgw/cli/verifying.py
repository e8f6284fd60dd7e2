"""Holds a directory of recordings, or one journal file, to the public keys of its seals."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import GATEWAY, Chunk, Damage
from hoopgw.record.coverage import Coverage
from hoopgw.record.replay import Replay
from hoopgw.record.verify import Keys, Known, Result, SessionVerifier, against_head, known_sessions, missing, unknown
from hoopgw.store.keys import each_key
from hoopgw.store.recordings import (
    SESSION_ID,
    Recordings,
    chunks,
    damages,
    read_chunks,
    session_bytes,
    session_id,
)

ROUND = 0.5  # seconds: a running gateway has certainly written what it noted before them
Verified = tuple[Result, Coverage | None]  # and what the recording says of itself, where there is one


def public_keys(path: Path, named: str | None) -> Keys:
    """Of the file that is named, else of the `recording.pub` beside `path` or above it: the one in use first."""
    beside = [path / "recording.pub", *(parent / "recording.pub" for parent in path.resolve().parents)]
    found = Path(named) if named else next((each for each in beside if each.is_file()), None)
    if found is None:
        raise click.UsageError("no recording.pub is beside it: name the public key by --key")
    known = tuple(_public_key(pem, found) for pem in each_key(found.read_bytes().replace(b"\r\n", b"\n")))
    if not known:
        raise click.UsageError(f"{found} is empty")
    return known


def _public_key(pem: bytes, path: Path) -> Ed25519PublicKey:
    try:
        public = load_pem_public_key(pem)
    except ValueError:
        public = None
    if not isinstance(public, Ed25519PublicKey):
        raise click.UsageError(f"{path} holds something that is no Ed25519 public key")
    return public


def journal(path: Path, keys: Keys, covered: bool = True) -> Iterator[Verified]:
    """One file.  Nothing is known of it but what it says itself."""
    first = next((chunk for chunk in chunks(path) if chunk.whole), None)
    named = session_bytes(path.stem) if SESSION_ID.fullmatch(path.stem) else GATEWAY
    session = first.header.session if first is not None and named == GATEWAY else named
    with path.open("rb") as file:
        verifier = SessionVerifier(_name(session), session, keys)
        result, coverage = _verified(session, read_chunks(file), verifier, covered)
    if result.good and result.sealed < 0:  # no gateway journal knows of it here: anybody could have written it
        result = replace(result, problem="nothing of it is sealed: no key says whose it is")
    yield result, coverage


def directory(
    recordings: Recordings, keys: Keys, head: tuple[int, str] | None = None, covered: bool = True
) -> Iterator[Verified]:
    """The gateway journal, each session, what is missing, and files that hold what is no chunk.

    `head`: number and digest of a chunk of the gateway journal that were noted elsewhere.  `covered`: each recording is
    decoded for its coverage statement as well.
    """
    gateway = _gateway(recordings, keys)
    if head is not None:
        number, digest = head
        there = (chunk.digest().hex() for chunk in recordings.chunks(GATEWAY) if chunk.header.number == number)
        gateway = against_head(gateway, number, next(there, ""), digest)
    yield gateway, None
    known = _known(recordings, gateway)  # before the sessions are read: what is known then is there then
    present: set[str] = set()
    foreign: set[str] = set()
    for id in recordings.sessions():
        if gateway.good and id not in known:  # or opened since
            foreign.add(id)
        else:
            present.add(id)
            yield _session(recordings, id, keys, known.get(id), covered)
    if foreign or missing(known, present):  # or retired since, or opened just before and not there yet
        time.sleep(ROUND)
        later = set(recordings.sessions()) - present
        gateway = _gateway(recordings, keys)
        now = _known(recordings, gateway)
        for id in sorted(later):
            present.add(id)
            result, coverage = _session(recordings, id, keys, now.get(id), covered)
            yield unknown(result) if gateway.good and id in foreign - now.keys() else result, coverage
        retired = {id for id, one in now.items() if one.retired}
        yield from ((result, None) for result in missing(known, present | retired))
    # a copy may lack the directory: it is empty most of the time
    for path in sorted((recordings.directory / "segments").glob("*")):  # and those that were put aside as damaged
        yield from ((result, None) for result in _stray(path, str(path.relative_to(recordings.directory))))


def _session(recordings: Recordings, id: str, keys: Keys, known: Known | None, covered: bool) -> Verified:
    session = session_bytes(id)
    verifier = SessionVerifier(id, session, keys, known)
    result, coverage = _verified(session, recordings.chunks(session), verifier, covered)
    return _unstrayed(result, recordings.journal(session)), coverage


def _gateway(recordings: Recordings, keys: Keys) -> Result:
    verifier = SessionVerifier("gateway", GATEWAY, keys)
    for chunk in recordings.chunks(GATEWAY):
        verifier.take(chunk)
    return _unstrayed(verifier.result(), recordings.gateway_journal)


def _known(recordings: Recordings, gateway: Result) -> dict[str, Known]:
    """From the gateway journal as far as it is without a fault."""
    sound = takewhile(lambda chunk: gateway.good or chunk.header.number < gateway.chunk, recordings.chunks(GATEWAY))
    try:
        return known_sessions(sound)
    except MalformedFrame:
        return {}


def _verified(session: bytes, found: Iterable[Chunk | Damage], verifier: SessionVerifier, covered: bool) -> Verified:
    if session == GATEWAY or not covered:
        for each in found:
            verifier.take(each)
        return verifier.result(), None
    replay, coverage = Replay(), Coverage()
    for each in found:
        verifier.take(each)
        coverage.take_all(replay.of(each))
    coverage.take_all(replay.end())
    return verifier.result(), coverage


def _unstrayed(result: Result, path: Path) -> Result:
    """A journal without a fault holds nothing else than its chunks."""
    stray = next(_stray(path, result.session), None) if result.good else None
    return replace(stray, chunks=result.chunks, sealed=result.sealed) if stray is not None else result


def _stray(path: Path, name: str) -> Iterator[Result]:
    for damage in damages(path):
        if not damage.torn:
            yield Result(name, f"{path.name} has {damage.size} bytes at offset {damage.offset} that are no chunk")


def _name(session: bytes) -> str:
    return "gateway" if session == GATEWAY else session_id(session)


def shown(result: Result, coverage: Coverage | None) -> dict[str, Any]:
    """For programs."""
    first, last = result.operations
    return {
        "session": result.session,
        "verified": result.good,
        "problem": result.problem,
        "chunk": result.chunk if result.problem and result.chunk >= 0 else None,
        "operations": ([first] if last < first else [first, last]) if last else [],
        "chunks": result.chunks,
        "sealed": result.sealed,
        "final": result.final,
        "torn": result.torn,
        "digest": result.digest,
        "coverage": coverage.statement() if coverage is not None else None,
    }
