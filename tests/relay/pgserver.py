"""A PostgreSQL of a few statements that keeps to the protocol (documentation, 55.2): what it runs, and what it says.

It knows `select …`, `masked …` and `few …` (three rows each), `insert`, `wrong` (fails as it runs), `begin`, `commit`,
`rollback`, `prepare N as …`, `deallocate N`, `discard all`, `declare N …`, `close N`, `copy t from stdin`, `copy t to
stdout` and `named N` (sets application_name); anything else is a syntax error.  Answers are kept until Flush, Sync, an
error or the end of a Query.
"""

from __future__ import annotations

from dataclasses import dataclass

from hoopgw.wire.pgmessages import Parse, message, read_bind, read_name, read_parse
from tests.relay import pgbytes

NAME = 63  # bytes of a name that it looks at
ROWS = 3
SECRET = b"secret"  # what `masked …` shows
BAD = b"bad"  # a line of COPY with this fails
SELECTS = (b"select", b"masked", b"few")
EXITS = (b"commit", b"rollback")
OWN = b"hoopgw_name_"  # statement and portal of the relay's
WORDS = frozenset(
    b"select masked few insert wrong begin commit rollback prepare deallocate discard declare close copy named "
    b"SET".split()
)
OPERATIONS = b"PBEQF"  # messages that a relay asks about


class Failed(Exception):
    """The statement does, and what it stands in."""


@dataclass
class Portal:
    text: bytes
    shown: int = 0
    done: bool = False


class Server:
    """One connection.  `ran`: for each message of OPERATIONS the text that it was about; None: it had no effect."""

    def __init__(self) -> None:
        self.block = "I"  # I: in no block, T: in one, E: in one that failed
        self.statements: dict[bytes, tuple[bytes, bytes]] = {}  # text, types
        self.portals: dict[bytes, Portal] = {}
        self.ran: list[tuple[bytes, bytes | None]] = []
        self.bound: list[bytes] = []  # types, formats and values of each Bind that had an effect
        self.copying = False
        self.interrupted = False  # a COPY, by a message that has no place in it
        self.torn = False  # a Sync came behind data, and no end of it between: it counts if that data has failed
        self._data = False
        self._named = self._told = b""  # application_name, and what it was when it was last said
        self.over = False
        self._extended = False  # what copies is an Execute
        self._piped = False  # an Execute has run since the last Sync
        self._rest: list[bytes] = []  # of a Query, behind a COPY
        self._skips = False
        self._own = False  # the message is the relay's own
        self._in = b""
        self._kept = b""
        self._out = b""

    def receive(self, data: bytes) -> bytes:
        """What it sends now."""
        self._in += data
        while len(self._in) >= 5 and not self.over:
            end = 1 + int.from_bytes(self._in[1:5], "big")
            if end > len(self._in):
                break
            tag, body, self._in = self._in[:1], self._in[5:end], self._in[end:]
            self._take(tag, body)
        out, self._out = self._out, b""
        return out

    # ---- messages

    def _take(self, tag: bytes, body: bytes) -> None:
        self.torn = self.torn or (tag == b"S" and self._data)
        self._data = (self._data and tag not in b"cf") or (self.copying and tag == b"d")
        if self.copying:
            self._copied(tag, body)
            return
        self._own = body.startswith(OWN)
        if tag in OPERATIONS and not self._own:
            self.ran.append((tag, None))
        if tag == b"X":
            self.over = True
        elif tag == b"S":
            self._skips = False
            self._ready()
        elif not self._skips:
            try:
                self._asked(tag, body)
            except Failed:
                self._fail()
                if tag in b"QF":
                    self._ready()
                else:
                    self._skips = True

    def _asked(self, tag: bytes, body: bytes) -> None:
        end = len(body)
        if tag == b"Q":
            self._query(body[:-1])
        elif tag == b"F":
            self._is_about(str(int.from_bytes(body[:4], "big")).encode())
            self._in_block(b"select")
            self._say(message(b"V", b"\0\0\0\1x"))
            self._ready()
        elif tag == b"P":
            self._parse(read_parse(body, 0, end))
        elif tag == b"B":
            self._bind(body)
        elif tag == b"D":
            self._describe(body[:1], read_name(body, 1, end)[:NAME])
        elif tag == b"E":
            name = read_name(body, 0, end)
            self._execute(name[:NAME], int.from_bytes(body[len(name) + 1 :], "big"))
        elif tag == b"C":
            (self.statements if body[:1] == b"S" else self.portals).pop(read_name(body, 1, end)[:NAME], None)
            self._say(pgbytes.CLOSED)
        elif tag == b"H":
            self._flush()

    def _query(self, text: bytes) -> None:
        self.statements.pop(b"", None)
        self._is_about(text)
        self._rest = [each.strip() for each in text.split(b";")]
        for each in self._rest:
            _read(each)
        self._go_on()

    def _go_on(self) -> None:
        """With the statements of a Query that are left."""
        while self._rest:
            self.portals.pop(b"", None)
            text = self._rest.pop(0)
            if text.split()[:1] and text.split()[0] in SELECTS:
                self._in_block(text)
                self._say(pgbytes.columns(b"a"))
            self._run(text, Portal(text), 0)
            if self.copying:
                self._extended = False
                return
        self._ready()

    def _parse(self, parse: Parse) -> None:
        name, text = parse.name[:NAME], parse.text
        if not name:
            self.statements.pop(b"", None)
        self._is_about(text)
        _read(text)
        self._in_block(text)
        if b";" in text or name in self.statements:
            raise Failed
        self.statements[name] = text, parse.types
        self._say(pgbytes.PARSED)

    def _bind(self, body: bytes) -> None:
        bind = read_bind(body, 0, len(body))
        known = self.statements.get(bind.statement[:NAME])
        if known is None:
            raise Failed
        self._is_about(known[0])
        if not self._own:
            self.bound.append(known[1] + bind.parameters)
        self._in_block(known[0])
        if bind.parameters[2:4] != known[1][:2]:  # behind no formats: how many values there are
            raise Failed
        portal = bind.portal[:NAME]
        if portal and portal in self.portals:
            raise Failed
        self.portals[portal] = Portal(known[0])
        self._say(pgbytes.BOUND)

    def _describe(self, kind: bytes, name: bytes) -> None:
        statement, portal = self.statements.get(name), self.portals.get(name)
        text = statement[0] if kind == b"S" and statement else portal.text if kind == b"P" and portal else None
        if text is None:
            raise Failed
        shows = text.startswith(SELECTS)
        if shows:
            self._in_block(text)
        if kind == b"S":
            self._say(pgbytes.NO_PARAMETERS)
        self._say(pgbytes.columns(b"a") if shows else pgbytes.NO_DATA)

    def _execute(self, name: bytes, limit: int) -> None:
        portal = self.portals.get(name)
        if portal is None:
            raise Failed
        self._is_about(portal.text)
        self._in_block(portal.text)
        self._run(portal.text, portal, limit)
        self._extended = self._piped = True

    def _copied(self, tag: bytes, body: bytes) -> None:
        """Sync and Flush are ignored while data comes."""
        self.interrupted = self.interrupted or tag not in b"dcfHSX"
        if tag == b"X":
            self.over = True
        elif tag not in b"dcHS" or (tag == b"d" and BAD in body):
            self.copying, self._rest = False, []
            self._fail()
            if self._extended:
                self._skips = True
            else:
                self._ready()
        elif tag == b"c":
            self.copying = False
            self._say(pgbytes.complete(b"COPY 1"))
            if not self._extended:
                try:
                    self._go_on()
                except Failed:
                    self._fail()
                    self._ready()

    # ---- statements

    def _run(self, text: bytes, portal: Portal, limit: int) -> None:
        self._in_block(text)
        if not text:
            self._say(message(b"I", b""))
            return
        word, *more = text.split()
        if word in SELECTS:
            self._rows(portal, limit)
            return
        if portal.done or word == b"wrong":
            raise Failed
        portal.done = True
        if word == b"copy":
            self._copy(more)
            return
        tag = word.upper()
        if word == b"begin":
            self.block = "T"
        elif word in EXITS:
            tag = b"ROLLBACK" if self.block == "E" else tag
            self.block = "I"
            self.portals.clear()
        elif word == b"insert":
            tag = b"INSERT 0 1"
        elif word in (b"named", b"SET"):
            tag, self._named = b"SET", more[-1].strip(b"'")
        else:
            tag = self._names(word, more, tag)
        self._say(pgbytes.complete(tag))

    def _names(self, word: bytes, more: list[bytes], tag: bytes) -> bytes:
        """Statements and portals of SQL."""
        name = more[0][:NAME]
        if word == b"discard":
            if self.block != "I" or self._piped:
                raise Failed
            self.statements = {name: each for name, each in self.statements.items() if not name}
            self.portals.clear()
            return b"DISCARD ALL"
        if word == b"prepare":
            if name in self.statements:
                raise Failed
            self.statements[name] = b" ".join(more[2:]), b"\0\0"
        elif word == b"deallocate":
            if self.statements.pop(name, None) is None:
                raise Failed
        elif word == b"declare":
            if name in self.portals or self.block != "T":
                raise Failed
            self.portals[name] = Portal(b" ".join(more[1:]))
            return b"DECLARE CURSOR"
        elif self.portals.pop(name, None) is None:
            raise Failed
        else:
            return b"CLOSE CURSOR"
        return tag

    def _rows(self, portal: Portal, limit: int) -> None:
        left = ROWS - portal.shown
        count = min(left, limit) if limit else left
        value = SECRET if portal.text.startswith(b"masked") else portal.text
        self._say(pgbytes.row(value) * count)
        portal.shown += count
        suspended = limit and count == limit
        self._say(pgbytes.SUSPENDED if suspended else pgbytes.complete(b"SELECT %d" % count))

    def _copy(self, more: list[bytes]) -> None:
        if more[-1] == b"stdin":
            self.copying = True
            self._say(pgbytes.COPY_IN)
            self._flush()
        else:
            self._say(pgbytes.COPY_OUT + pgbytes.copy_data(b"1\n") * 2 + pgbytes.COPY_DONE)
            self._say(pgbytes.complete(b"COPY 2"))

    # ---- what it says

    def _is_about(self, text: bytes) -> None:
        if not self._own:
            self.ran[-1] = self.ran[-1][0], text

    def _in_block(self, text: bytes) -> None:
        """In a block that failed only its end is done."""
        if self.block == "E" and text.split()[:1] != [EXITS[0]] and text.split()[:1] != [EXITS[1]]:
            raise Failed

    def _fail(self) -> None:
        self._rest = []
        if self.block == "I":
            self.portals.clear()
        else:
            self.block = "E"
        self._say(pgbytes.failed(b"42000", b"no"))
        self._flush()

    def _ready(self) -> None:
        self._piped = False
        if self._named != self._told:
            self._told = self._named
            self._say(pgbytes.parameter(b"application_name", self._told))
        if self.block == "I":
            self.portals.clear()
        self._say(pgbytes.ready(self.block.encode()))
        self._flush()

    def _say(self, words: bytes) -> None:
        self._kept += words

    def _flush(self) -> None:
        self._out += self._kept
        self._kept = b""


def _read(text: bytes) -> None:
    """Raises Failed for a syntax error."""
    if text and text.split()[0] not in WORDS:
        raise Failed
