"""Runs the queries of a catalogue on a connection of the gateway's own, in one read-only transaction."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import lru_cache
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from hoopgw.model.errors import MalformedFrame, TargetUnavailable, WireError
from hoopgw.model.secret import Secret
from hoopgw.model.target import Role, SecretReference, Target
from hoopgw.servers.dial import Dialer, TargetConnection, wanted_as
from hoopgw.wire import pgmessages

MAX_RESULT = 256 << 20  # bytes of all results together: a million columns are about 100 MB
MAX_MESSAGE = 1 << 20  # bytes of one message: names are short
NAME = "hoopgw:catalogue"

Row = tuple[bytes | None, ...]


class _Queries:
    """One simple Query of several statements, and its results."""

    def __init__(self, connection: TargetConnection) -> None:
        self._connection = connection
        self._rest = b""
        self._size = 0
        self._rows: list[Row] = []
        self._results: list[tuple[Row, ...]] = []
        self._wanted = 0
        self.done: Deferred[tuple[tuple[Row, ...], ...]] = Deferred(lambda _: connection.transport.abortConnection())
        connection.hand_over(self._received)
        connection.lost = self._lost

    def run(self, queries: tuple[str, ...]) -> None:
        self._wanted = len(queries)
        text = "; ".join(
            (
                "BEGIN READ ONLY",
                "SET LOCAL statement_timeout = '15s'",
                "SET LOCAL lock_timeout = '2s'",
                *queries,
                "COMMIT",
            )
        )
        self._connection.transport.write(pgmessages.query(text.encode()))

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
        elif tag == 69:  # E
            fields = dict(pgmessages.report_fields(body))
            self._fail(f"{fields.get(b'C', b'').decode()} {fields.get(b'M', b'').decode('utf-8', 'replace')}"[:300])
        elif tag == 90 and not self.done.called:  # Z
            self._connection.transport.write(pgmessages.TERMINATE)
            self._connection.transport.loseConnection()
            if len(self._results) == self._wanted:
                self.done.callback(tuple(self._results))
            else:
                self.done.errback(TargetUnavailable("the target answered fewer queries than it was asked"))

    def _fail(self, why: str) -> None:
        if not self.done.called:
            self.done.errback(TargetUnavailable(f"the catalogue could not be read: {why}"))
        self._connection.transport.abortConnection()

    def _lost(self, reason: str) -> None:
        if not self.done.called:
            self.done.errback(TargetUnavailable(f"the target closed while its catalogue was read: {reason}"))


KEPT_ROWS = 16_384  # most are the same at each reading
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


class CatalogueSource:
    """Gives `session.catalogues.CatalogueCache` its `run`."""

    def __init__(self, dialer: Dialer, secret: Callable[[SecretReference], Secret]) -> None:
        self._dialer = dialer
        self._secret = secret

    @inlineCallbacks
    def run(
        self, target: Target, role: Role, database: str, queries: tuple[str, ...]
    ) -> Generator[Deferred[Any], Any, tuple[tuple[Row, ...], ...]]:
        """The rows of each query.  Fails with TargetUnavailable."""
        settings = {"client_encoding": "UTF8"}
        connection, _ = yield self._dialer.dial(wanted_as(target, role, database, settings, NAME, self._secret))
        asked = _Queries(connection)
        asked.run(queries)
        results: tuple[tuple[Row, ...], ...] = yield asked.done
        return results
