"""What sessions record to: the spool, its writer, and what is told to sessions about both."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from hoopgw.model.errors import OperatorError, RecordingFailed
from hoopgw.model.settings import RecordingSettings
from hoopgw.model.target import Mode
from hoopgw.record.chunks import GATEWAY
from hoopgw.record.entries import Kind
from hoopgw.record.seals import SealKey
from hoopgw.store.ages import Ages
from hoopgw.store.chains import Chains, Sealed
from hoopgw.store.cutting import Cutter
from hoopgw.store.journal import Journal
from hoopgw.store.keys import publish
from hoopgw.store.recordings import Recordings, session_bytes, session_id
from hoopgw.store.recovery import ends, recover
from hoopgw.store.segments import Segments
from hoopgw.store.spool import Spool
from hoopgw.store.writer import Writer

RETIRING = 30.0  # seconds for the gateway journal's note of one retired session
FREE_EVERY = 1.0  # seconds between looks at the disk's free space


class Recorder:
    """One for the gateway.

    `gap(session, gap)` hears of every best-effort gap when it ends; `sealed(session, digest)` of every final seal;
    `failed(why)` when nothing can be written from now on: once, until something could.
    """

    log = Logger()

    def __init__(
        self,
        settings: RecordingSettings,
        gateway: str,
        key: SealKey,
        call_from_thread: Callable[..., Any],
        gap: Callable[[str, dict[str, Any]], None] = lambda session, gap: None,
        sealed: Callable[[str, str], None] = lambda session, digest: None,
        failed: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._key = key
        self._call_from_thread = call_from_thread
        self._gap = gap
        self._sealed = sealed
        self._failed = failed
        self.recordings = Recordings(Path(settings.directory))
        self._waiting: list[tuple[int, Deferred[None]]] = []
        self._free_at = 0.0
        self._free = 0

    @property
    def failure(self) -> str:
        """Why nothing can be written now; "" where all is well."""
        return self.spool.failure

    # ---- life

    def start(self) -> list[str]:
        """Drains what a gateway that died left in the spool, seals those sessions as interrupted, begins to write.

        Gives their ids.  Raises OperatorError where the directories or the spool cannot be used.
        """
        directory = self.recordings.directory
        try:
            for path in (directory, directory / "sessions", directory / "segments"):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            publish(self.recordings.public_key, self._key.public_key())
        except OSError as error:
            raise OperatorError(f"recordings: {directory} cannot be used: {error.strerror}") from error
        self.spool = Spool(self._spool_path(), self._settings.spool)
        chains = Chains(self._key, self._settings.seal_every)
        self.segments = Segments(self.recordings)
        self.ages = Ages(directory / "ages")
        self.cutter = Cutter(self.recordings, self.ages, lambda why: self._call_from_thread(self._cut, why))
        self.cutter.add(self.recordings.segments())
        self.writer = Writer(self.spool, chains, self.segments, self._told, self._rolled)
        interrupted = self._recovered(chains)
        self.cutter.start()
        self.writer.start()
        return interrupted

    def _recovered(self, chains: Chains) -> list[str]:
        try:
            interrupted = recover(self.recordings, self.spool, chains, self.writer)
        except OSError as error:
            raise OperatorError(f"recordings: {error.filename}: {error.strerror}") from error
        if self.writer.failure:
            raise OperatorError(f"recordings: {self.recordings.directory} cannot be written: {self.writer.failure}")
        return interrupted

    def _spool_path(self) -> Path:
        named = self._settings.spool_directory or os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
        place = named or os.environ.get("XDG_RUNTIME_DIR", "") or str(self.recordings.directory.parent)
        return Path(place) / f"{self._gateway}.spool"

    def stop(self) -> None:
        """What is in the spool is written, and cut into journals; where that fails, the next start does it."""
        if self.writer.stop():
            self._rolled()
            self.cutter.stop()
            self.spool.close()

    def _rolled(self) -> None:
        """In the writer's thread: segments to which nothing is written any more."""
        self.cutter.add(self.segments.finished())

    # ---- sessions

    def may_open(self) -> None:
        """Raises RecordingFailed where a new session could not be recorded."""
        if self.failure:
            raise RecordingFailed(f"recordings cannot be written: {self.failure}")
        now = time.monotonic()
        if now - self._free_at > FREE_EVERY:
            self._free_at, self._free = now, shutil.disk_usage(self.recordings.directory).free
        if self._free < self._settings.min_free:
            raise RecordingFailed("there is less free space for recordings than min_free")

    def has_room(self) -> bool:
        """Whether `open` would find room now; True also where it would fail for good."""
        return bool(self.failure) or self.spool.has_room(time.time_ns())

    def open(self, id: str, opening: dict[str, Any], mode: Mode) -> Journal:
        """Its first entry is written when this returns.  Raises RecordingFailed or SpoolFull with nothing of it there:
        a note of a session without a recording would read as one that was taken away."""
        now, first = time.time_ns(), json.dumps(opening, default=str).encode()
        if self.failure and mode is not Mode.BEST_EFFORT:
            raise RecordingFailed(self.failure)
        note = {"event": "opened", "session": id, "time": now}
        if not self.failure:
            self.spool.must_hold(now, (len(_noted(note)), len(first)))
        self._note(note)
        journal = Journal(self, self.spool, session_bytes(id), mode)
        journal.append(Kind.OPEN, first)
        return journal

    def _note(self, fields: dict[str, object]) -> None:
        """For the gateway journal.  Raises SpoolFull."""
        self.spool.append(GATEWAY, 0, Kind.NOTE, time.time_ns(), _noted(fields))

    def gap(self, session: bytes, gap: dict[str, Any]) -> None:
        self._gap(session_id(session), gap)

    @property
    def used(self) -> float:
        """Share of the spool in use."""
        return self.spool.used

    @property
    def backlog(self) -> str:
        """Why segments could not be cut into journals, "" where they could; nothing is lost by that."""
        return self.cutter.failure

    def _cut(self, failure: str) -> None:
        if failure:
            words = "Recordings stay in segments, which take room, until their journals can be written: {why}"
            self.log.warn(words, why=failure)
        else:
            self.log.info("The journals of recordings are written again")

    def when_synced(self) -> Deferred[None]:
        """Fires when everything that is in the spool now is on disk; the next round begins at once."""
        done: Deferred[None] = Deferred()
        self._waiting.append((self.spool.head, done))
        self.writer.hurry()
        return done

    def _told(self, offset: int, failure: str, sealed: list[Sealed]) -> None:
        """In the writer's thread."""
        final = [each for each in sealed if each.final]
        if failure != self.failure or self._waiting or final:
            self._call_from_thread(self._hear, offset, failure, final)
        if self.spool.clears(time.monotonic()):
            self._call_from_thread(self.spool.clear)

    def _hear(self, offset: int, failure: str, final: list[Sealed]) -> None:
        before, self.spool.failure = self.spool.failure, failure
        if failure and not before:
            self._failed(failure)
        for each in final:
            self._sealed(each.session, each.digest)
        waiting, self._waiting = self._waiting, []
        for wanted, done in waiting:
            if done.called:
                continue
            if wanted <= offset:
                done.callback(None)
            elif failure:
                done.errback(RecordingFailed(failure))
            else:
                self._waiting.append((wanted, done))

    # ---- retention

    def retire_before(self, before: float, live: frozenset[str]) -> tuple[list[str], list[str]]:
        """Delete closed journals whose last byte is older than that (POSIX seconds); in a thread.

        Gives their ids, and what could not be deleted and why: one bad file does not keep the others.  The gateway
        journal says first that a recording goes; where that cannot be written, nothing more goes.
        """
        retired: list[str] = []
        failed: list[str] = []
        for path in self.recordings.journals():
            try:
                if path.stem not in live and path.stat().st_mtime < before and self._is_closed(path.stem):
                    self._note_retired(path.stem)
                    path.unlink()
                    retired.append(path.stem)
            except OSError as error:
                failed.append(f"{path.stem}: {error.strerror}")
            except RecordingFailed as error:
                failed.append(f"{path.stem}: {error}")
                break
        return retired, failed

    def _is_closed(self, id: str) -> bool:
        session = session_bytes(id)
        return ends(self.recordings, (session,))[session].chain.closed

    def _note_retired(self, id: str) -> None:
        """In a thread: returns when the gateway journal has it on disk.  Raises RecordingFailed where it has not."""
        noted: Queue[int] = Queue()

        def note() -> None:
            self._note({"event": "retired", "session": id, "time": time.time_ns()})
            noted.put(self.spool.head)

        self._call_from_thread(note)
        try:
            offset = noted.get(timeout=RETIRING)
        except Empty:
            raise RecordingFailed("the gateway journal has no room for a note now") from None
        deadline = time.monotonic() + RETIRING
        while self.spool.tail < offset:
            if time.monotonic() > deadline:
                raise RecordingFailed("the gateway journal could not be written in time")
            time.sleep(0.01)


def _noted(fields: dict[str, object]) -> bytes:
    """An entry of the gateway journal."""
    return json.dumps(fields, sort_keys=True).encode()
