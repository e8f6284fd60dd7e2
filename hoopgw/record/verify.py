"""Whether recordings are as they were sealed; and if not, which chunk is the first that is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hoopgw.model.errors import MalformedFrame
from hoopgw.record import covering
from hoopgw.record.chunks import DATA, NO_DIGEST, PIECES, SEAL, Chunk, Damage, Joined, entries
from hoopgw.record.covering import NONE, ON, Covered
from hoopgw.record.seals import Seal, key_id, read_seal, sealed_by

Keys = tuple[Ed25519PublicKey, ...]  # the one in use, then earlier ones, newest first
ROUND: Final = 2  # chunks that one round of the writer has of a session at most


@dataclass(frozen=True, slots=True)
class Result:
    """One session.  `problem` "" is a chain without a fault; then `sealed` says how far signatures cover it.

    `chunk` is the first bad one; `operations` the first and last that it covers: NONE where it covers none, ON as the
    last where the record behind it is missing.  `torn`: the last chunk is not whole, as a crash leaves it, or a writer
    that is at it.
    """

    session: str
    problem: str = ""
    chunk: int = -1
    operations: Covered = NONE
    chunks: int = 0
    sealed: int = -1  # number of the last chunk that a seal covers
    final: bool = False
    digest: str = ""  # of the last chunk
    torn: bool = False
    key: str = ""  # id of an earlier key that the last seal is of; "" where it is of the one in use

    @property
    def good(self) -> bool:
        return not self.problem

    def words(self) -> str:
        """One line for people."""
        if self.problem:
            where = f"chunk {self.chunk}{self._covered()}" if self.chunk >= 0 else ""
            return f"{where}: {self.problem}" if where else self.problem
        by = f" with the earlier key {self.key}" if self.key else ""
        behind = "; behind it lies a chunk that is not whole" if self.torn else ""
        if self.final:
            return f"verified: {self.chunks} chunks, closed and sealed{by}{behind}"
        loose = self.chunks - 1 - self.sealed
        if self.sealed < 0:
            return f"verified: {self.chunks} chunks, not closed; none is sealed yet{behind}"
        if loose:
            behind = f"; {loose} chunks behind that are not sealed yet{behind}"
        return f"verified: {self.chunks} chunks, not closed; sealed up to chunk {self.sealed}{by}{behind}"

    def _covered(self) -> str:
        first, last = self.operations
        if not last:
            return ""
        if last == ON:
            return f", which covers operations {first} and on"
        return f", which covers operation {first}" if first == last else f", which covers operations {first} to {last}"


@dataclass(frozen=True, slots=True)
class Known:
    """What the gateway journal says of one session."""

    closed: bool = False
    retired: bool = False
    chunk: int = -1  # of its last seal
    digest: str = ""  # of that seal's chunk


class SessionVerifier:
    """Takes one session's chunks in order.  Constant memory.

    An earlier key counts up to the first seal of a later one: who has it cannot go on with a chain.

    `known` is what the gateway journal says of it, where there is one: then a chain that was cut behind a seal, or
    written and sealed anew, is found as well.
    """

    def __init__(
        self, session: str, raw_session: bytes, keys: Ed25519PublicKey | Keys, known: Known | None = None
    ) -> None:
        self._session = session
        self._raw_session = raw_session
        self._keys = {key_id(key): key for key in (keys if isinstance(keys, tuple) else (keys,))}
        self._key = ""  # id of the last seal's
        self._known = known or Known()
        self._number = 0  # of the chunk that must come next
        self._before = NO_DIGEST
        self._entry = 0
        self._piece = 0  # number of the last piece of that entry
        self._operation = 0
        self._sealed = -1
        self._final = False
        self._first_loose = 0  # the first operation that no seal covers yet
        self._last: Chunk | None = None
        self._damage: Damage | None = None  # that lies before the next chunk
        self._bad: Result | None = None

    def take(self, found: Chunk | Damage) -> None:
        """The next chunk, or what lies in its place; after the first bad one nothing more is looked at."""
        if self._bad is not None:
            return
        if isinstance(found, Damage):
            self._damage = found
            return
        try:
            self._check(found)
        except _Bad as bad:
            self._bad = self._result(*bad.args)
        else:
            self._accept(found)

    def result(self) -> Result:
        """After the last chunk."""
        if self._bad is not None:
            return self._bad
        if self._damage is not None and not self._damage.torn:
            return self._result(f"cannot be read: {_bytes(self._damage)}", self._number, self._on())
        if self._known.retired and self._number == 0:
            return self._result("", -1, NONE)
        if self._number == 0:
            return Result(self._session, "there is no chunk")
        if self._sealed < self._known.chunk:
            words = f"cut: the gateway journal knows of a seal at chunk {self._known.chunk}"
            last = f"the last one here is {self._sealed}" if self._sealed >= 0 else "none is here"
            return self._result(f"{words}, and {last}", self._number, self._on())
        return self._result("", -1, NONE)

    # ---- one chunk

    def _check(self, chunk: Chunk) -> None:
        """Raises _Bad with the problem, the chunk's number, and the operations."""
        header = chunk.header
        covers = header.first_operation, header.last_operation
        if not chunk.whole:
            guessed = covering.damaged(chunk, self._number, self._operation)
            raise _Bad("was damaged: it is not what its own check says", self._number, guessed)
        if header.session != self._raw_session:
            raise _Bad("belongs to another session", self._number, self._on())
        if header.number != self._number:
            raise _Bad(self._absent(header.number), self._number, covering.between(self._operation, chunk))
        if self._damage is not None:
            raise _Bad(f"stands behind {_bytes(self._damage)}", self._number, covers)
        if header.before != self._before:
            self._replaced(covers)
        if self._final:
            raise _Bad("stands behind the final seal", self._number, covers)
        if header.kind == SEAL:
            self._check_seal(chunk)
        elif header.kind == DATA:
            self._check_entries(chunk)
        else:
            raise _Bad("is of a kind that there is none of", self._number, covers)

    def _absent(self, number: int) -> str:
        if self._damage is not None and number > self._number:
            return f"cannot be read: {_bytes(self._damage)}; the next one that can be is chunk {number}"
        return f"is missing, or stands in another place: chunk {number} stands here"

    def _replaced(self, covers: tuple[int, int]) -> None:
        if self._last is None:
            raise _Bad("is not the beginning of a chain", self._number, covers)
        header = self._last.header
        if header.kind == SEAL:  # all of a seal's chunk is signed: it is the one that was there
            raise _Bad("does not go on where the seal before it ends", self._number, covers)
        words = "was replaced: the chunk behind it names another one in its place"
        raise _Bad(words, header.number, (header.first_operation, header.last_operation))

    def _check_seal(self, chunk: Chunk) -> None:
        number = self._number
        loose = (self._first_loose, self._operation) if self._operation >= self._first_loose > 0 else NONE
        seal = self._seal(chunk, loose)
        if seal.session != self._session or seal.number != number:
            raise _Bad("is the seal of something else", number, loose)
        if seal.digest != self._before.hex():
            words = "or one behind it, up to the next seal, was changed and chained anew"
            raise _Bad(words, self._sealed + 1, loose)
        header = chunk.header
        at = header.first_entry, header.last_entry, header.first_operation, header.last_operation
        expected = self._entry, self._entry, self._operation, self._operation
        if at != expected or (header.first_time, header.last_time, header.raw) != (seal.time, seal.time, 0):
            raise _Bad("is a seal whose chunk says something else than it", number, loose)
        if number == self._known.chunk and chunk.digest().hex() != self._known.digest:
            raise _Bad("is not the seal that the gateway journal knows: it was made anew", number, loose)

    def _seal(self, chunk: Chunk, loose: Covered) -> Seal:
        signer, ours = sealed_by(chunk.body), list(self._keys)
        seal = read_seal(chunk.body, self._keys[signer]) if signer in self._keys else None
        if seal is None:
            whose = "false" if signer in ("", *ours) else f"that of key {signer}, and not of {' or '.join(ours)}"
            raise _Bad(f"its signature is {whose}", self._number, loose)
        if self._key and ours.index(signer) > ours.index(self._key):
            words = f"its signature is that of key {signer}, which was replaced by {self._key} before"
            raise _Bad(words, self._number, loose)
        return seal

    def _check_entries(self, chunk: Chunk) -> None:
        header, number = chunk.header, self._number
        covers = header.first_operation, header.last_operation
        last, at = self._entry, self._piece
        try:
            for _, _, piece, sequence, _, _ in entries(chunk.raw()):
                # the next entry's first piece, or the next one of the same
                if (sequence, piece) not in ((last + 1, 0), (last, (at + 1) % PIECES)):
                    raise _Bad("entries are missing in it, or before it", number, covers)
                last, at = sequence, piece
        except MalformedFrame as error:
            raise _Bad(f"cannot be read: {error}", number, covers) from error
        if last != header.last_entry:
            raise _Bad("does not hold the entries that it says", number, covers)
        self._piece = at

    def _accept(self, chunk: Chunk) -> None:
        header = chunk.header
        self._before = chunk.digest()
        self._number += 1
        self._entry = max(self._entry, header.last_entry)
        self._operation = max(self._operation, header.last_operation)
        self._last = chunk
        if header.kind == SEAL:
            self._sealed, self._key = header.number, sealed_by(chunk.body)
            self._first_loose = self._operation + 1
            self._final = b'"final":true' in chunk.body
        elif not self._first_loose:
            self._first_loose = header.first_operation

    # ---- which operations

    def _on(self) -> Covered:
        return self._operation + 1, ON

    def _result(self, problem: str, chunk: int, operations: Covered) -> Result:
        earlier = self._key if self._key and self._key != next(iter(self._keys)) else ""
        return Result(
            self._session,
            problem,
            chunk,
            operations,
            chunks=self._number,
            sealed=self._sealed,
            final=self._final and not problem,
            digest="" if problem else self._before.hex(),
            torn=self._damage is not None,
            key=earlier,
        )


def _bytes(damage: Damage) -> str:
    return f"{damage.size} bytes at offset {damage.offset} that are no chunk"


class _Bad(Exception):
    """Problem, number of the chunk, operations."""


# ---- the gateway journal


def known_sessions(chunks: Iterable[Chunk]) -> dict[str, Known]:
    """From the gateway journal, whose own chain is verified like any other.  Raises MalformedFrame."""
    found: dict[str, Known] = {}
    joined = Joined()
    for chunk in chunks:
        if chunk.header.kind != DATA:
            continue
        for entry in joined.of(chunk.raw()):
            try:
                note = orjson.loads(entry.payload)
                event, session = note["event"], str(note.get("session", ""))
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise MalformedFrame("an entry of the gateway journal that is no note") from error
            before = found.get(session, Known())
            if event == "opened":
                found[session] = before
            elif event == "retired":
                found[session] = replace(before, retired=True)
            elif event in ("sealed", "closed"):
                found[session] = Known(event == "closed", before.retired, note["chunk"], note["digest"])
    return found


def against_head(result: Result, number: int, digest_there: str, digest: str) -> Result:
    """The gateway journal held to a head (number and digest of its last chunk) that was noted elsewhere.

    `digest_there` is that of the journal's own chunk of this number, "" where it has none: the store was rolled back.
    """
    if not result.good or digest_there == digest:
        return result
    words = "rolled back: its" if not digest_there else "is another one than was noted: its"
    return replace(result, problem=f"{words} chunk {number} was noted as {digest[:16]}…", chunk=number, digest="")


def unknown(result: Result) -> Result:
    """Of a session that the gateway journal does not know: its note is written with its first chunk, behind it.

    So a machine that is lost may leave what one round of the writer has of it: a chunk, and a seal.
    """
    if not result.good or result.chunks <= ROUND:
        return result
    words = "not in the gateway journal: that was cut, or this recording comes from elsewhere"
    return replace(result, problem=words, chunk=-1, digest="")


def missing(known: dict[str, Known], present: set[str]) -> list[Result]:
    """Sessions that the gateway journal knows, that were not retired, and of which there is nothing."""
    return [
        Result(id, "missing: the gateway journal knows it, and it was not retired")
        for id, one in sorted(known.items())
        if id not in present and not one.retired
    ]
