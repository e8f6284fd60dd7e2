"""Fuzz targets of record/ and store/: journals, entries, segments and spools that are not as they were written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopgw.model.errors import OperatorError
from hoopgw.record import export, typed
from hoopgw.record.chunks import GATEWAY, Chunk
from hoopgw.record.coverage import with_coverage
from hoopgw.record.entries import Kind, asked
from hoopgw.record.harmless import Harmless
from hoopgw.record.lines import MAX_LINE, Lines
from hoopgw.record.replay import replayed
from hoopgw.record.telling import told
from hoopgw.record.verify import Result, SessionVerifier
from hoopgw.relay.ssh_typing import MAX_BEFORE, MAX_OUT, Typing, hidden
from hoopgw.store.ages import Ages
from hoopgw.store.chains import Chains
from hoopgw.store.cutting import Cutter
from hoopgw.store.recordings import Recordings, read_chunks, session_id
from hoopgw.store.recovery import recover
from hoopgw.store.segments import Segments
from hoopgw.store.spool import Spool
from hoopgw.store.writer import Writer
from tests.fuzz.choices import Choices
from tests.record import chains_for_tests, recorded
from tests.record.chains_for_tests import Maker
from tests.record.test_harmless import LEFT

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
SESSIONS = tuple(bytes([65 + number]) * 16 for number in range(3))
NAMES = tuple(map(session_id, SESSIONS))


def edited(choices: Choices, data: bytes, *, in_place: bool = False) -> bytes:
    """`data` with up to four changes: bytes written over, put in, taken out, or moved."""
    for _ in range(choices.number(5)):
        at = choices.number(len(data) + 1)
        kind = 0 if in_place else choices.number(4)
        if kind == 0:
            piece = choices.some()[: len(data) - at]
            data = data[:at] + piece + data[at + len(piece) :]
        elif kind == 1:
            data = data[:at] + choices.some() + data[at:]
        elif kind == 2:
            data = data[:at] + data[at + choices.number(2048) :]
        else:
            begin, size = choices.number(len(data) + 1), choices.number(2048)
            data = data[:at] + data[begin : begin + size] + data[at:]
    return data


@contextmanager
def held(data: bytes) -> Iterator[BinaryIO]:
    with open(os.memfd_create("journal"), "w+b") as file:
        file.write(data)
        file.flush()
        yield file


# ---- one journal


def _told_whole(chunks: list[Chunk]) -> None:
    """All ways to tell it."""
    for way in (lambda happenings: told(happenings, 10), export.jsonl, export.sql):
        for line in way(with_coverage(replayed(chunks))):
            assert isinstance(line, str)


ORIGINAL = chains_for_tests.session(KEY, NAMES[0], SESSIONS[0]).chunks
JOURNAL = b"".join(chunk.stored() for chunk in ORIGINAL)


def _verified(found: list[object]) -> tuple[Result, list[Chunk]]:
    verifier = SessionVerifier(NAMES[0], SESSIONS[0], KEY.public_key())
    for each in found:
        verifier.take(each)  # type: ignore[arg-type]
    return verifier.result(), [each for each in found if isinstance(each, Chunk)]


def journal(data: bytes) -> None:
    """must-survive 61: what verifies is, up to its last seal, byte for byte what was written; and all of it, changed or
    not, is told without an error."""
    with held(edited(Choices(data), JOURNAL)) as file:
        result, chunks = _verified(list(read_chunks(file)))
    _told_whole(chunks)
    if result.good and result.sealed >= 0:
        stored = b"".join(chunk.stored() for chunk in chunks[: result.sealed + 1])
        assert JOURNAL.startswith(stored), "changed, and it verifies"
        assert not result.final or stored == JOURNAL, "cut, and it is final"


def _payload(choices: Choices, kind: int) -> bytes:
    if kind == Kind.ASKED:
        from tests.fuzz.relay_targets import CLIENT

        data = b"".join(choices.pick(CLIENT) for _ in range(choices.number(4)))
        return b"".join(asked((), [], [], b"")) + data if choices.flag() else choices.some() + data
    if kind in (Kind.TO_CLIENT, Kind.TO_TARGET):
        from tests.fuzz.relay_targets import CLIENT, TARGET

        known = TARGET if kind == Kind.TO_CLIENT else CLIENT
        return b"".join(choices.pick(known) for _ in range(choices.number(6))) + choices.some()
    return (
        choices.pick((b"{}", b'{"verdict":1}', b'{"code":"x","bytes":1}', b"[]", b"")) + choices.some() * choices.flag()
    )


def _operations(choices: Choices, number: int) -> bytes:
    """An ASKED entry of one operation that is what its bytes say."""
    one = recorded.query("select 1") if hasattr(recorded, "query") else b"Q\0\0\0\rselect 1\0"
    return number.to_bytes(8, "little").join(
        [b"\1\0\0\0", bytes([choices.number(24), choices.number(8)]) + bytes(4) + one]
    )


def entries(data: bytes) -> None:
    """Whatever the entries of a session hold, they are told, or what cannot be read is; nothing raises."""
    choices = Choices(data)
    maker = Maker(KEY, NAMES[0], SESSIONS[0])
    maker.data((Kind.OPEN, orjson.dumps({"protocol": choices.pick(("postgresql", "ssh"))})))
    number = 0
    while choices.more and number < 30:
        number += 1
        kind = Kind(1 + choices.number(9))
        plain = kind == Kind.ASKED and choices.flag()
        maker.data((kind, _operations(choices, number) if plain else _payload(choices, kind)))
    _told_whole(maker.chunks)


# ---- what a gateway finds when it starts


def _written(place: Path, rounds: int, left: bool) -> None:
    """Three sessions with `rounds` rounds in one segment; `left`: the last entries stay in the spool."""
    (place / "recordings").mkdir(parents=True)
    spool, writer, _, _ = _opened(place)
    for number in range(1, rounds + 1):
        for session in SESSIONS:
            if number == 1:
                note = {"event": "opened", "session": session_id(session), "time": 5}
                spool.append(GATEWAY, 0, Kind.NOTE, 5, orjson.dumps(note))
            kind = Kind.OPEN if number == 1 else Kind.TO_CLIENT
            spool.append(session, number, kind, 5 + number, b'{"n":%d}' % number * number)
        if number < rounds or not left:
            writer.drain()
    writer._segments.close()
    spool.close()


def _opened(place: Path) -> tuple[Spool, Writer, Chains, Recordings]:
    recordings = Recordings(place / "recordings")
    spool = Spool(place / "gateway.spool", 16384)
    chains = Chains(KEY, 3600.0)
    return spool, Writer(spool, chains, Segments(recordings), lambda *given: None, lambda: None), chains, recordings


_TEMPLATES = tempfile.TemporaryDirectory(prefix="hoopgw-fuzz-")
_SEGMENT, _SPOOL, _PLACE = (Path(_TEMPLATES.name) / name for name in ("segment", "spool", "place"))
_written(_SEGMENT, 5, left=False)
_written(_SPOOL, 3, left=True)
STORED = {
    session: [chunk.stored() for chunk in Recordings(_SEGMENT / "recordings").chunks(session)] for session in SESSIONS
}
SEGMENT = next((_SEGMENT / "recordings/segments").iterdir()).read_bytes()


def segment(data: bytes) -> None:
    """must-survive 60: damage to chunks of one session, wherever it is, hides none of another's, before and after the
    segment is cut into journals."""
    choices = Choices(data)
    damaged = edited(choices, SEGMENT, in_place=True)
    shutil.rmtree(_PLACE, ignore_errors=True)
    (_PLACE / "recordings/segments").mkdir(parents=True)
    (_PLACE / "recordings/segments/00000001.hgs").write_bytes(damaged)
    recordings = Recordings(_PLACE / "recordings")
    _others_are_there(recordings, damaged)
    cutter = Cutter(recordings, Ages(recordings.directory / "ages"))
    cutter.add(recordings.segments())
    cutter.cut()
    assert not cutter.failure, cutter.failure
    _others_are_there(recordings, damaged)


def _others_are_there(recordings: Recordings, damaged: bytes) -> None:
    for session, stored in STORED.items():
        found = [chunk.stored() for chunk in recordings.chunks(session) if chunk.whole]
        wanted = [each for each in stored if each in damaged]
        # found may be more: anybody can make a chunk's own check right; that is what the chain is for
        assert [each for each in found if each in wanted] == wanted, "a whole chunk is not found"


def spool(data: bytes) -> None:
    """must-survive 59: whatever a spool holds, the start says that it is damaged, or drains it; then every session that
    was open is sealed, and verifies."""
    choices = Choices(data)
    shutil.rmtree(_PLACE, ignore_errors=True)
    shutil.copytree(_SPOOL, _PLACE)
    path = _PLACE / "gateway.spool"
    path.write_bytes(edited(choices, path.read_bytes()[: 4096 + choices.number(16385)], in_place=choices.flag()))
    try:
        ring, writer, chains, recordings = _opened(_PLACE)
    except OperatorError:
        return
    try:
        recover(recordings, ring, chains, writer)
        if writer.failure:
            return
        for name, session in zip(NAMES, SESSIONS, strict=True):
            verifier = SessionVerifier(name, session, KEY.public_key())
            for chunk in recordings.chunks(session):
                verifier.take(chunk)
            result = verifier.result()
            assert result.good and result.final, result
    except OperatorError:
        return
    finally:
        writer._segments.close()
        ring.close()


def typing(data: bytes) -> None:
    """Whatever is typed and shown: a line is read only where it was shown, and no more than is bounded is kept."""
    choices = Choices(data)
    terminal, shown = Typing(choices.number(200)), b""
    while choices.more:
        keys, piece = choices.some(), choices.some()
        assert len(hidden(keys)) == len(keys)
        terminal.typed(keys)
        shown += piece
        for each in (*terminal.shown(piece), *(terminal.ended() if not choices.more else ())):
            found = typed.line(each.before, each.after, each.columns, each.keys, each.text)
            assert set(found.text) <= set(shown.decode("utf-8", "replace")) | set(" \n\ufffd"), "what was not shown"
            assert len(each.before) <= MAX_BEFORE and len(each.after) <= MAX_OUT + len(piece)


def terminal(data: bytes) -> None:
    """Whatever a target writes, the viewer's terminal is only drawn on, and no line of text is obeyed."""
    choices = Choices(data)
    drawn, lines, text = Harmless(), Lines(), ""
    while choices.more:
        piece = choices.some().decode("utf-8", "backslashreplace")
        text += drawn.of(piece)
        for line in lines.of(piece):
            assert line.isprintable() and len(line) <= 10 * MAX_LINE, line
    assert LEFT.fullmatch(text), text
