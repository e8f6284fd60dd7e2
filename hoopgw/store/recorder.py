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

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.defer import Deferred

from hoopgw.model.errors import OperatorError, RecordingFailed, SpoolFull
from hoopgw.model.settings import RecordingSettings
from hoopgw.model.target import Mode
from hoopgw.record.chunks import Joined
from hoopgw.record.entries import Kind
from hoopgw.store.recordings import GATEWAY, Recordings, session_bytes, session_id, synced
from hoopgw.store.spool import RECORD, Spool
from hoopgw.store.writer import Writer

UNSYNCED = 1.0  # seconds after which what is not on disk yet makes sessions wait
RETIRING = 30.0  # seconds for the gateway journal's note of one retired session
FREE_EVERY = 1.0  # seconds between looks at the disk's free space


class Journal:
    """One session's recording."""

    def __init__(self, recorder: Recorder, session: bytes, mode: Mode) -> None:
        self.mode = mode
        self._recorder = recorder
        self._session = session
        self._sequence = 0
        self._lost_since: int | None = None  # best-effort: when the gap began
        self._lost_entries = self._lost_bytes = 0

    def append(self, kind: Kind, *parts: bytes) -> int:
        """The entry's sequence number.  Raises SpoolFull (nothing of it was kept: again when there is room) or
        RecordingFailed; in best-effort mode what cannot be kept is counted as a gap instead."""
        recorder = self._recorder
        now = time.time_ns()
        if recorder.failure or self._lost_since is not None:
            return self._troubled(kind, parts, now)
        recorder.must_be_fresh()
        recorder.spool.append(self._session, self._sequence + 1, kind, now, parts)
        self._sequence += 1
        return self._sequence

    def _troubled(self, kind: Kind, parts: tuple[bytes, ...], now: int) -> int:
        recorder = self._recorder
        if self.mode is not Mode.BEST_EFFORT:
            raise RecordingFailed(recorder.failure or "the recorder failed")
        if recorder.failure:
            if self._lost_since is None:
                self._lost_since = now
            self._lost_entries += 1
            self._lost_bytes += sum(map(len, parts))
            return self._sequence
        gap = {"from": self._lost_since, "to": now, "entries": self._lost_entries, "bytes": self._lost_bytes}
        recorder.spool.append(self._session, self._sequence + 1, Kind.GAP, now, (json.dumps(gap).encode(),))
        self._sequence += 1
        self._lost_since, self._lost_entries, self._lost_bytes = None, 0, 0
        recorder.gap(self._session, gap)
        return self.append(kind, *parts)

    def synced(self, sequence: int) -> Deferred[None]:
        """Fires when that entry, and all before it, are on disk; fails with RecordingFailed."""
        return self._recorder.when_synced()

    def close(self, closing: dict[str, Any]) -> None:
        """The last entry.  Raises as `append` does."""
        self.append(Kind.CLOSE, json.dumps(closing, default=str).encode())
        self._recorder.closed(self._session)


class Recorder:
    """One for the gateway."""

    def __init__(
        self,
        settings: RecordingSettings,
        gateway: str,
        key: Ed25519PrivateKey,
        call_from_thread: Callable[..., Any],
        gap: Callable[[str, dict[str, Any]], None] = lambda session, gap: None,
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._call_from_thread = call_from_thread
        self._gap = gap
        self._key = key
        self.recordings = Recordings(Path(settings.directory))
        self.failure = ""
        self._waiting: list[tuple[int, Deferred[None]]] = []
        self._open: set[bytes] = set()
        self._free_at = 0.0
        self._free = 0

    @classmethod
    def of(cls, settings: RecordingSettings, gateway: str, reactor: Any, gap: Any = None) -> Recorder:
        """With the key that the settings name, made at first start.  Raises OperatorError."""
        key = signing_key(Path(settings.signing_key.name))
        return cls(settings, gateway, key, reactor.callFromThread, gap or (lambda session, gap: None))

    # ---- life

    def start(self) -> list[str]:
        """Drains what a gateway that died left in the spool, seals those sessions as interrupted, begins to write.

        Gives their ids.  Raises OperatorError where the directories or the spool cannot be used.
        """
        directory = self.recordings.directory
        try:
            for path in (directory, directory / "sessions", directory / "segments"):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_public(self.recordings.public_key, self._key)
        except OSError as error:
            raise OperatorError(f"recordings: {directory} cannot be used: {error.strerror}") from error
        self.spool = Spool(self._spool_path(), self._settings.spool)
        self.writer = Writer(self.spool, self.recordings, self._key, self._settings.seal_every, self._told)
        interrupted = self._recover()
        self.writer.start()
        return interrupted

    def _spool_path(self) -> Path:
        named = self._settings.spool_directory or os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
        place = named or os.environ.get("XDG_RUNTIME_DIR", "") or str(self.recordings.directory.parent)
        return Path(place) / f"{self._gateway}.spool"

    def _recover(self) -> list[str]:
        """Sessions that were open when the gateway ended: by the gateway journal, and by what the spool holds."""
        self._skip_what_was_stored()
        self.writer.drain()
        interrupted = self._unclosed()
        for id in interrupted:
            chain = self.writer.read_chain(session_bytes(id))
            closing = {"reason": "interrupted: the gateway ended while the session was open", "interrupted": True}
            payload = json.dumps(closing).encode()
            self.spool.append(session_bytes(id), chain.entry + 1, Kind.CLOSE, time.time_ns(), (payload,))
        self.writer.drain()
        self.writer.drain()
        return interrupted

    def _skip_what_was_stored(self) -> None:
        """A round that was synced, and whose end the gateway did not live to note, is in the segments already."""
        data = self.spool.peek(self.spool.capacity)
        here = stored = 0
        last: dict[bytes, int] = {}
        while here < len(data):
            length, _, _, _, sequence, _, session = RECORD.unpack_from(data, here)
            if session not in last:
                last[session] = self.writer.read_chain(session).entry
            if sequence > last[session]:
                break
            here += RECORD.size + length
            if session != GATEWAY:  # its entries have no number: twice is better than not at all
                stored = here
        if stored:
            self.spool.drop(stored)

    def _unclosed(self) -> list[str]:
        open_: dict[str, None] = {}
        joined = Joined()
        for chunk in self.recordings.chunks(GATEWAY):
            if chunk.header.kind:
                continue
            for entry in joined.of(chunk.raw()):
                note = json.loads(entry.payload)
                if note["event"] in ("opened", "sealed"):
                    open_[note["session"]] = None
                elif note["event"] in ("closed", "retired"):
                    open_.pop(note["session"], None)
        return [id for id in open_ if not self.writer.read_chain(session_bytes(id)).closed]

    def stop(self) -> None:
        self.writer.stop()
        self.spool.close()

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

    def open(self, id: str, opening: dict[str, Any], mode: Mode) -> Journal:
        """Its first entry is written when this returns.  Raises RecordingFailed or SpoolFull."""
        session = session_bytes(id)
        note = {"event": "opened", "session": id, "time": time.time_ns()}
        journal = Journal(self, session, mode)
        self.spool.append(GATEWAY, 0, Kind.NOTE, time.time_ns(), (json.dumps(note).encode(),))
        journal.append(Kind.OPEN, json.dumps(opening, default=str).encode())
        self._open.add(session)
        return journal

    def closed(self, session: bytes) -> None:
        self._open.discard(session)

    def gap(self, session: bytes, gap: dict[str, Any]) -> None:
        self._gap(session_id(session), gap)

    def must_be_fresh(self) -> None:
        """Raises SpoolFull where what was recorded is not on disk after UNSYNCED seconds: sessions wait."""
        if time.monotonic() - self.writer.rounds_at > UNSYNCED and self.spool.head != self.spool.tail:
            raise SpoolFull("the disk is slow: what was recorded is not synced yet")

    @property
    def used(self) -> float:
        """Share of the spool in use."""
        return self.spool.used

    def when_synced(self) -> Deferred[None]:
        """Fires when everything that is in the spool now is on disk."""
        done: Deferred[None] = Deferred()
        self._waiting.append((self.spool.head, done))
        return done

    def _told(self, offset: int, failure: str) -> None:
        """In the writer's thread."""
        if failure != self.failure or self._waiting:
            self._call_from_thread(self._hear, offset, failure)

    def _hear(self, offset: int, failure: str) -> None:
        self.failure = failure
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

    def retire_before(self, before: float, live: frozenset[str]) -> list[str]:
        """Delete closed journals whose last byte is older than that (POSIX seconds); in a thread.  Gives their ids.

        The gateway journal says so first.
        """
        retired: list[str] = []
        for path in (self.recordings.directory / "sessions").glob("*/s_*.hgj"):
            id = path.stem
            if id in live or path.stat().st_mtime >= before:
                continue
            if not self.writer.read_chain(session_bytes(id)).closed:
                continue
            self._note_retired(id)
            path.unlink()
            retired.append(id)
        return retired

    def _note_retired(self, id: str) -> None:
        """In a thread: returns when the gateway journal has it on disk.  Raises RecordingFailed where it has not."""
        noted: Queue[int] = Queue()
        payload = json.dumps({"event": "retired", "session": id, "time": time.time_ns()}).encode()

        def note() -> None:
            self.spool.append(GATEWAY, 0, Kind.NOTE, time.time_ns(), (payload,))
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


def signing_key(path: Path) -> Ed25519PrivateKey:
    """Ed25519, PKCS 8 in PEM, mode 0600; made where there is none.  Raises OperatorError."""
    from hoopgw.auth.local import load_or_make_key

    return load_or_make_key(path)


def _write_public(path: Path, key: Ed25519PrivateKey) -> None:
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    if not path.exists() or path.read_bytes() != pem:
        path.write_bytes(pem)
        synced(path.parent)
