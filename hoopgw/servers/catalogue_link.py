"""One connection of the gateway's own to a database: asked for a catalogue's queries, one reading after another."""

from __future__ import annotations

from functools import lru_cache

from twisted.internet.defer import Deferred

from hoopgw.model.errors import MalformedFrame, TargetUnavailable, WireError
from hoopgw.policy.catalogue_queries import KEPT_ROWS, Row
from hoopgw.servers.dial import TargetConnection
from hoopgw.wire import pgmessages

MAX_RESULT = 256 << 20  # bytes of all results together: a million columns are about 100 MB
MAX_MESSAGE = 1 << 20  # bytes of one message: names are short
# Bodies of views are shown under locks of what they read.  A client that waits for one of these while it holds another
# would be the one that PostgreSQL ends, after deadlock_timeout, a second: the gateway gives up long before.
LOCK_TIMEOUT = "400ms"
LOCKED = (b"55P03", b"40P01")  # lock_not_available, deadlock_detected

Results = tuple[tuple[Row, ...], ...]


class LocksHeld(TargetUnavailable):
    """Somebody holds a lock for longer than LOCK_TIMEOUT: the reading may be tried again."""


class Link:
    """Asked by `run`, once at a time; `usable` until it is lost or something went wrong."""

    def __init__(self, connection: TargetConnection) -> None:
        self._connection = connection
        self.usable = True
        self._forget()
        self._done: Deferred[Results] | None = None
        connection.hand_over(self._received)
        connection.lost = self._lost

    def run(self, queries: tuple[str, ...]) -> Deferred[Results]:
        """The rows of each, all in one read-only transaction.  Fails with TargetUnavailable, or with LocksHeld.  The
        connection ends where it is cancelled."""
        self._forget()
        self._wanted = len(queries)
        done = self._done = Deferred(lambda _: self._abort())
        text = "; ".join(
            (
                "BEGIN READ ONLY",
                "SET LOCAL statement_timeout = '15s'",
                f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'",
                *queries,
                "COMMIT",
            )
        )
        self._connection.transport.write(pgmessages.query(text.encode()))
        return done

    def leave(self) -> None:
        if self.usable:
            self.usable = False
            self._connection.leave()

    def _forget(self) -> None:
        self._rest = b""
        self._size = 0
        self._wanted = 0
        self._rows: list[Row] = []
        self._results: list[tuple[Row, ...]] = []

    def _received(self, data: bytes) -> None:
        try:
            self._take(self._rest + data)
        except WireError as error:
            self._fail(str(error))

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_RESULT:
            raise MalformedFrame(f"a catalogue of more than {MAX_RESULT} bytes")
        here = 0
        while here + 5 <= len(data):
            length = int.from_bytes(data[here + 1 : here + 5], "big")
            if not 4 <= length <= MAX_MESSAGE:
                raise MalformedFrame(f"a message of {length} bytes")
            end = here + 1 + length
            if end > len(data):
                break
            self._message(data[here], data[here + 5 : end])
            here = end
        self._rest = data[here:]

    def _message(self, tag: int, body: bytes) -> None:
        if tag == 68:  # D
            self._rows.append(_row(body))
        elif tag == 67:  # C
            if body.startswith(b"SELECT"):
                self._results.append(tuple(self._rows))
                self._rows = []
        elif tag == 69:  # E: also of a connection that was idle, as at the target's shutdown
            fields = dict(pgmessages.report_fields(body))
            code = fields.get(b"C", b"")
            why = f"{code.decode()} {fields.get(b'M', b'').decode('utf-8', 'replace')}"[:300]
            self._fail(why, LocksHeld if code in LOCKED else TargetUnavailable)
        elif tag == 90:  # Z
            self._ready(body)

    def _ready(self, status: bytes) -> None:
        if status != b"I" or len(self._results) != self._wanted:
            self._fail("the target answered fewer queries than it was asked")
            return
        done, self._done = self._done, None
        results = tuple(self._results)
        self._forget()  # an idle connection keeps none of its megabytes
        if done is not None:
            done.callback(results)

    def _fail(self, why: str, kind: type[TargetUnavailable] = TargetUnavailable) -> None:
        self.usable = False
        self._end(kind(f"the catalogue could not be read: {why}"))
        self._abort()

    def _abort(self) -> None:
        self.usable = False
        self._connection.transport.abortConnection()

    def _lost(self, reason: str) -> None:
        self.usable = False
        self._end(TargetUnavailable(f"the target closed while its catalogue was read: {reason}"))

    def _end(self, error: TargetUnavailable) -> None:
        done, self._done = self._done, None
        if done is not None and not done.called:  # it is where it was cancelled
            done.errback(error)


KEPT_ROW = 512  # bytes: longer ones hold texts


def _row(body: bytes) -> Row:
    return _short_row(body) if len(body) <= KEPT_ROW else _any_row(body)


@lru_cache(maxsize=KEPT_ROWS)
def _short_row(body: bytes) -> Row:
    return _any_row(body)


def _any_row(body: bytes) -> Row:
    values: list[bytes | None] = []
    here = 2
    for _ in range(int.from_bytes(body[:2], "big")):
        length = int.from_bytes(body[here : here + 4], "big", signed=True)
        here += 4
        if length < 0:
            values.append(None)
        else:
            values.append(body[here : here + length])
            here += length
    if here != len(body):
        raise MalformedFrame("a row that is not as long as it says")
    return tuple(values)
