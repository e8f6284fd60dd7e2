"""Whether recordings are as they were sealed; and if not, which chunk is the first that is not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import DATA, NO_DIGEST, SEAL, Chunk, Joined, entries
from hoopgw.record.seals import read_seal


@dataclass(frozen=True, slots=True)
class Result:
    """One session.  `problem` "" is a chain without a fault; then `sealed` says how far signatures cover it.

    `chunk` is the first bad one; `operations` the first and last that it covers, (0, 0) where it covers none.
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
            first, last = self.operations
            covers = f", which covers operations {first} to {last}" if last else ""
            where = f"chunk {self.chunk}{covers}" if self.chunk >= 0 else "the session"
            return f"{where}: {self.problem}"
        if self.final:
            return f"verified: {self.chunks} chunks, closed and sealed"
        return f"verified: {self.chunks} chunks, open; sealed up to chunk {self.sealed}"


class SessionVerifier:
    """Takes one session's chunks in order.  Constant memory."""

    def __init__(self, session: str, raw_session: bytes, key: Ed25519PublicKey) -> None:
        self._session = session
        self._raw_session = raw_session
        self._key = key
        self._number = 0
        self._before = NO_DIGEST
        self._entry = 0
        self._operation = 0
        self._sealed = -1
        self._final = False
        self._bad: Result | None = None
        self._last: Chunk | None = None
        self._after_seal = 0  # the first operation that no seal covers yet

    def take(self, chunk: Chunk) -> None:
        """The next chunk; after the first bad one nothing more is looked at."""
        if self._bad is None:
            problem = self._problem(chunk)
            if self._bad is not None:
                return
            if problem:
                self._bad = self._result(problem, chunk)
            else:
                self._accept(chunk)

    def _problem(self, chunk: Chunk) -> str:
        header = chunk.header
        if not chunk.whole:
            return "was damaged: it is not what its own check says"
        if header.session != self._raw_session:
            return "belongs to another session"
        if header.number != self._number:
            return f"stands where chunk {self._number} must stand"
        if header.before != self._before:
            if self._last is None:
                return "does not begin the chain"
            self._number -= 1
            self._bad = self._result("was replaced: what follows names another chunk in its place", self._last)
            return ""
        if self._final:
            return "stands behind the final seal"
        return self._seal_problem(chunk) if header.kind == SEAL else self._data_problem(chunk)

    def _seal_problem(self, chunk: Chunk) -> str:
        seal = read_seal(chunk.body, self._key)
        if seal is None:
            return "its signature is not that of the key"
        if seal.session != self._session or seal.number != chunk.header.number:
            return "is the seal of something else"
        if seal.digest != self._before.hex():
            first, last = self._after_seal, self._operation
            words = "something from here to the next seal was changed and chained anew"
            self._bad = Result(
                self._session, words, self._sealed + 1, (first, last), self._number, self._sealed, self._final
            )
        return ""

    def _data_problem(self, chunk: Chunk) -> str:
        header = chunk.header
        if header.kind != DATA:
            return "is of a kind that there is none of"
        try:
            found = [sequence for _, _, sequence, _, _ in entries(chunk.raw())]
        except MalformedFrame as error:
            return str(error)
        numbered = self._raw_session != bytes(
            16
        )  # the gateway journal's entries are notes without numbers of their own
        if numbered and found and (found[0] != header.first_entry or found[-1] != header.last_entry):
            return "does not hold the entries that it says"
        if numbered and found and not self._entry <= found[0] <= self._entry + 1:
            return "entries are missing before it"
        return ""

    def _accept(self, chunk: Chunk) -> None:
        header = chunk.header
        self._before = chunk.digest()
        self._number = header.number + 1
        self._entry = max(self._entry, header.last_entry)
        self._operation = max(self._operation, header.last_operation)
        self._last = chunk
        if header.kind == SEAL:
            self._sealed = header.number
            self._after_seal = self._operation + 1
            seal = read_seal(chunk.body, self._key)
            self._final = seal is not None and seal.final

    def _result(self, problem: str, chunk: Chunk | None) -> Result:
        if chunk is None:
            return Result(self._session, problem, self._number, (0, 0), self._number, self._sealed, self._final)
        covers = chunk.header.first_operation, chunk.header.last_operation
        return Result(self._session, problem, self._number, covers, self._number, self._sealed, self._final)

    def broken(self, problem: str) -> None:
        """What should be the next chunk cannot be read as one."""
        if self._bad is None:
            first = self._operation + 1
            self._bad = Result(
                self._session, problem, self._number, (first, first), self._number, self._sealed, self._final
            )

    def result(self) -> Result:
        if self._bad is not None:
            return self._bad
        if self._number == 0:
            return Result(self._session, "there is no chunk")
        return Result(self._session, "", -1, (0, 0), self._number, self._sealed, self._final, self._before.hex())


@dataclass(frozen=True, slots=True)
class Known:
    """What the gateway journal says of one session."""

    closed: bool = False
    retired: bool = False
    chunk: int = -1  # of its last seal
    digest: str = ""


def known_sessions(chunks: Iterable[Chunk]) -> dict[str, Known]:
    """From the gateway journal, whose own chain is verified like any other."""
    found: dict[str, Known] = {}
    joined = Joined()
    for chunk in chunks:
        if chunk.header.kind != DATA:
            continue
        for entry in joined.of(chunk.raw()):
            note = json.loads(entry.payload)
            before = found.get(note["session"], Known())
            if note["event"] == "retired":
                found[note["session"]] = Known(before.closed, True, before.chunk, before.digest)
            elif note["event"] == "opened":
                found[note["session"]] = before
            else:
                closed = note["event"] == "closed"
                found[note["session"]] = Known(closed, before.retired, note["chunk"], note["digest"])
    return found


def against_gateway(result: Result, known: Known | None) -> Result:
    """A chain without a fault may still have been cut after a seal that the gateway journal knows of."""
    if not result.good or known is None or known.retired:
        return result
    if result.sealed < known.chunk:
        problem = (
            f"cut: the gateway journal knows of a seal at chunk {known.chunk}, and the last one here is {result.sealed}"
        )
        return Result(result.session, problem, result.chunks, (0, 0), result.chunks, result.sealed, result.final)
    return result


def missing(known: dict[str, Known], present: set[str]) -> list[Result]:
    """Sessions that the gateway journal knows, that were not retired, and of which there is nothing."""
    return [
        Result(id, "missing: the gateway journal knows it, and it was not retired")
        for id, one in sorted(known.items())
        if id not in present and not one.retired
    ]
