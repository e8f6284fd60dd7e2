"""Whether recordings are as they were sealed; and if not, which chunk is the first that is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import DATA, NO_DIGEST, SEAL, Chunk, Joined, entries
from hoopgw.record.seals import key_id, read_seal, sealed_by

GATEWAY = bytes(16)  # the gateway journal's session
ON = -1  # as the last of the operations that a result is about: that one, and all behind it


@dataclass(frozen=True, slots=True)
class Result:
    """One session.  `problem` "" is a chain without a fault; then `sealed` says how far signatures cover it.

    `chunk` is the first bad one; `operations` the first and last that it covers: (0, 0) where it covers none, ON as the
    last where the record behind it is missing.
    """

    session: str
    problem: str = ""
    chunk: int = -1
    operations: tuple[int, int] = (0, 0)
    chunks: int = 0
    sealed: int = -1  # number of the last chunk that a seal covers
    final: bool = False
    digest: str = ""  # of the last chunk

    @property
    def good(self) -> bool:
        return not self.problem

    def words(self) -> str:
        """One line for people."""
        if self.problem:
            where = f"chunk {self.chunk}{self._covered()}" if self.chunk >= 0 else "the session"
            return f"{where}: {self.problem}"
        if self.final:
            return f"verified: {self.chunks} chunks, closed and sealed"
        loose = self.chunks - 1 - self.sealed
        behind = f"; {loose} chunks behind that are not sealed yet" if loose else ""
        return f"verified: {self.chunks} chunks, not closed; sealed up to chunk {self.sealed}{behind}"

    def _covered(self) -> str:
        first, last = self.operations
        if not last:
            return ""
        if last == ON:
            return f", which covers operations {first} and on"
        return f", which covers operations {first} to {last}"


@dataclass(frozen=True, slots=True)
class Known:
    """What the gateway journal says of one session."""

    closed: bool = False
    retired: bool = False
    chunk: int = -1  # of its last seal
    digest: str = ""  # of that seal's chunk


class SessionVerifier:
    """Takes one session's chunks in order.  Constant memory.

    `known` is what the gateway journal says of it, where there is one: then a chain that was cut behind a seal, or
    written and sealed anew, is found as well.
    """

    def __init__(self, session: str, raw_session: bytes, key: Ed25519PublicKey, known: Known | None = None) -> None:
        self._session = session
        self._raw_session = raw_session
        self._key = key
        self._known = known or Known()
        self._number = 0  # of the chunk that must come next
        self._before = NO_DIGEST
        self._entry = 0
        self._operation = 0
        self._sealed = -1
        self._final = False
        self._first_loose = 0  # the first operation that no seal covers yet
        self._last: Chunk | None = None
        self._bad: Result | None = None

    def take(self, chunk: Chunk) -> None:
        """The next chunk; after the first bad one nothing more is looked at."""
        if self._bad is not None:
            return
        try:
            self._check(chunk)
        except _Bad as bad:
            self._bad = self._result(*bad.args)
        else:
            self._accept(chunk)

    def broken(self, problem: str) -> None:
        """What should be the next chunk cannot be read as one."""
        if self._bad is None:
            self._bad = self._result(problem, self._number, self._on())

    def result(self) -> Result:
        """After the last chunk."""
        if self._bad is not None:
            return self._bad
        if self._known.retired and self._number == 0:
            return self._result("", -1, (0, 0))
        if self._number == 0:
            return Result(self._session, "there is no chunk")
        if self._sealed < self._known.chunk:
            words = f"cut: the gateway journal knows of a seal at chunk {self._known.chunk}"
            return self._result(f"{words}, and the last one here is {self._sealed}", self._number, self._on())
        return self._result("", -1, (0, 0))

    # ---- one chunk

    def _check(self, chunk: Chunk) -> None:
        """Raises _Bad with the problem, the chunk's number, and the operations."""
        header = chunk.header
        covers = header.first_operation, header.last_operation
        if not chunk.whole:
            raise _Bad("was damaged: it is not what its own check says", self._number, self._guess(chunk))
        if header.session != self._raw_session:
            raise _Bad("belongs to another session", self._number, self._guess())
        if header.number != self._number:
            words = f"is missing, or stands in another place: chunk {header.number} stands here"
            raise _Bad(words, self._number, self._between(header.first_operation))
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
        loose = (self._first_loose, self._operation) if self._operation >= self._first_loose > 0 else (0, 0)
        seal = read_seal(chunk.body, self._key)
        if seal is None:
            signer, ours = sealed_by(chunk.body), key_id(self._key)
            whose = f"that of key {signer}, and not of {ours}" if signer not in ("", ours) else "false"
            raise _Bad(f"its signature is {whose}", number, loose)
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

    def _check_entries(self, chunk: Chunk) -> None:
        header, number = chunk.header, self._number
        covers = header.first_operation, header.last_operation
        before = self._entry
        try:
            for _, _, sequence, _, _ in entries(chunk.raw()):
                if self._raw_session == GATEWAY:  # notes of several threads: the chain alone says their order
                    continue
                if not before <= sequence <= before + 1:  # pieces of one entry share its number
                    raise _Bad("entries are missing in it, or before it", number, covers)
                before = sequence
        except MalformedFrame as error:
            raise _Bad(str(error), number, covers) from error
        if before != header.last_entry and self._raw_session != GATEWAY:
            raise _Bad("does not hold the entries that it says", number, covers)

    def _accept(self, chunk: Chunk) -> None:
        header = chunk.header
        self._before = chunk.digest()
        self._number += 1
        self._entry = max(self._entry, header.last_entry)
        self._operation = max(self._operation, header.last_operation)
        self._last = chunk
        if header.kind == SEAL:
            self._sealed = header.number
            self._first_loose = self._operation + 1
            self._final = b'"final":true' in chunk.body
        elif not self._first_loose:
            self._first_loose = header.first_operation

    # ---- which operations

    def _guess(self, chunk: Chunk | None = None) -> tuple[int, int]:
        """What a damaged chunk covers: its header's word where that can be, else what comes next."""
        if chunk is not None:
            header = chunk.header
            first, last = header.first_operation, header.last_operation
            if (header.session, header.number) == (self._raw_session, self._number) and first <= last:
                return first, last
        return self._operation + 1, self._operation + 1

    def _between(self, first_there: int) -> tuple[int, int]:
        """What the missing chunks cover, by those around them."""
        if first_there > self._operation + 1:
            return self._operation + 1, first_there - 1
        return self._operation, self._operation

    def _on(self) -> tuple[int, int]:
        return self._operation + 1, ON

    def _result(self, problem: str, chunk: int, operations: tuple[int, int]) -> Result:
        digest = "" if problem else self._before.hex()
        return Result(
            self._session, problem, chunk, operations, self._number, self._sealed, self._final and not problem, digest
        )


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


def against_gateway(result: Result, known: Known | None) -> Result:
    """A chain without a fault may still have been cut after a seal that the gateway journal knows of."""
    if not result.good or known is None or result.sealed >= known.chunk or (known.retired and not result.chunks):
        return result
    words = f"cut: the gateway journal knows of a seal at chunk {known.chunk}, and the last one here is {result.sealed}"
    return replace(result, problem=words, chunk=result.chunks, operations=(0, 0), final=False, digest="")


def against_head(result: Result, number: int, digest_there: str, digest: str) -> Result:
    """The gateway journal held to a head (number and digest of its last chunk) that was noted elsewhere.

    `digest_there` is that of the journal's own chunk of this number, "" where it has none: the store was rolled back.
    """
    if not result.good or digest_there == digest:
        return result
    words = "rolled back: its" if not digest_there else "is another one than was noted: its"
    return replace(result, problem=f"{words} chunk {number} was noted as {digest[:16]}…", chunk=number, digest="")


def missing(known: dict[str, Known], present: set[str]) -> list[Result]:
    """Sessions that the gateway journal knows, that were not retired, and of which there is nothing."""
    return [
        Result(id, "missing: the gateway journal knows it, and it was not retired")
        for id, one in sorted(known.items())
        if id not in present and not one.retired
    ]
