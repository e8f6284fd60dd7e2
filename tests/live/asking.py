"""Sessions that ask statement after statement, and whether all that was answered is in their recordings."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg

from hoopgw.record.chunks import DATA, Joined
from hoopgw.store.recordings import Recordings, session_bytes
from tests.live.harness import LiveCase, until

STILL = 2.0  # seconds without an answer: it waits.  A gateway gives up after 30
TOLD = "WRONG  gateway: is not well: recordings cannot be written"  # by `hoopgw doctor`


class Asking(threading.Thread):
    """`answered` statements were, `error` is what ended it; `pause` seconds are between two."""

    def __init__(self, connection: psycopg.Connection[Any], name: str, more: str = "", pause: float = 0.0) -> None:
        super().__init__(daemon=True)
        self._connection, self.name, self._more, self._pause = connection, name, more, pause
        self.answered = 0
        self.enough = False
        self.error = ""

    def run(self) -> None:
        while not self.enough:
            try:
                self._connection.execute(f"select '{self.name} {self.answered}.'{self._more}".encode())
            except psycopg.Error as error:
                self.error = str(error) or type(error).__name__
                return
            self.answered += 1
            time.sleep(self._pause)

    def waits(self) -> bool:
        """Soon: no statement is answered any more."""
        last, since = -1, time.monotonic()

        def still() -> bool:
            nonlocal last, since
            if self.answered != last:
                last, since = self.answered, time.monotonic()
            return last > 0 and time.monotonic() - since > STILL

        return bool(until(still))


class AskingCase(LiveCase):
    def opens(self) -> bool:
        """Whether a session begins."""
        try:
            return self.connect().execute("select 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def kept(self, *asking: Asking) -> None:
        """All that was answered is in a recording, and they verify."""

        def lacking() -> list[str]:
            found = self._recorded()
            every = (f"'{each.name} {number}.'" for each in asking for number in range(each.answered))
            return [words for words in every if words.encode() not in found]

        self.assertTrue(until(lambda: not lacking()), lacking()[:3])
        ran = self.hoopgw("sessions", "verify", str(self.stage.state / "recordings"))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def _recorded(self) -> bytes:
        recordings, found = Recordings(self.stage.state / "recordings"), []
        for id in recordings.sessions():
            joined = Joined()
            for chunk in recordings.chunks(session_bytes(id)):
                if chunk.header.kind == DATA:
                    found += [entry.payload for entry in joined.of(chunk.raw())]
        return b"".join(found)
