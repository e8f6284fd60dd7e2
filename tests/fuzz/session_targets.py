"""Fuzz target of a PostgreSQL session: a client that asks whatever it likes of a target that keeps to the protocol."""

from __future__ import annotations

from collections.abc import Callable

from hoopgw.model.answer import GO, Allowance, Answer, Decision, Denial, Meter
from hoopgw.model.operation import BIND, Operation
from hoopgw.relay.effects import Ask, Effect, Hangup, ToClient, ToTarget
from hoopgw.relay.postgres_planner import UNSEEN
from hoopgw.wire.pgmessages import message
from tests.fuzz.choices import Choices
from tests.relay import pgbytes
from tests.relay.pgbytes import bind, close, describe, execute, function, known, parse, query, relay
from tests.relay.pgserver import BAD, SECRET, Server
from tests.relay.test_postgres_results import Masks

NO = Answer(Denial(Decision.REFUSED, "not here", ("no-drop",)))
HELD = Denial(Decision.HELD, "a colleague looks at it")
FORBIDDEN = b"drop"
NONCE = b"hoopgw_"
RANDOM = 1598  # the OID of a function without arguments
FEW = 2  # rows of what is limited
MOST = 60  # steps of one session
TEXTS = (
    b"select 1", b"masked 1", b"prepare s as select 3", b"deallocate s", b"begin", b"commit", b"copy t from stdin",
    b"deallocate s; prepare s as select 4", b"declare p select 5", b"close p", b"close p; declare p select 6",
    b"drop t", b"rollback", b"discard all", b"wrong", b"insert", b"", b"copy t to stdout", b"nonsense",
    b"insert; drop t", b"select 1; masked 1", b"insert; wrong; insert", b"begin; insert",
    b"copy t from stdin; select 7", b"prepare r as masked 2", b"deallocate r", b"few 1", b"few 1; few 2",
    b"named x", b"named y; wrong",
)  # fmt: skip
STATEMENTS = (b"s", b"", b"r")
PORTALS = (b"p", b"", b"s")
TYPES = (b"\0\0", b"\0\1\0\0\0\x17")
VALUES: tuple[tuple[bytes | None, ...], ...] = ((), (b"1",), (None, b"22"))
COPIED = (pgbytes.copy_data(b"1\n"), pgbytes.copy_data(BAD), pgbytes.COPY_DONE, message(b"f", b"no\0"))


def a_message(choices: Choices) -> bytes:
    """One message, or a few that belong together."""
    pick = choices.pick
    made: tuple[Callable[[], bytes], ...] = (
        lambda: query(pick(TEXTS)),
        lambda: parse(b"", pick(TEXTS)) + bind(b"", b"") + execute(b""),
        lambda: parse(b"", pick(TEXTS)) + bind(b"", b"") + describe(b"P", b"") + execute(b"") + pgbytes.SYNC,
        lambda: parse(pick(STATEMENTS), pick(TEXTS), pick(TYPES)),
        lambda: bind(pick(PORTALS), pick(STATEMENTS), *pick(VALUES)),
        lambda: bind(b"p", b"s") + execute(b"p", choices.number(5)),
        lambda: execute(pick(PORTALS), choices.number(5)),
        lambda: close(b"S", pick(STATEMENTS)),
        lambda: close(b"P", pick(PORTALS)),
        lambda: describe(b"S", pick(STATEMENTS)),
        lambda: describe(b"P", pick(PORTALS)),
        lambda: pgbytes.FLUSH,
        lambda: pgbytes.SYNC,
        lambda: pgbytes.SYNC,
        lambda: pick(COPIED),
        lambda: function(RANDOM),
    )
    return pick(made)()


class Play:
    """Client, relay, judge and target.  What the judge and the target say waits until it is let through."""

    def __init__(self) -> None:
        self.relay = relay("gateway")
        self.server = Server()
        self.operations: list[Operation] = []
        self.denied: list[bool] = []
        self.asked = b""  # by the client
        self.told = b""
        self.late = b""  # of the target
        self.waits: Ask | None = None
        self.limited = False
        self.end = ""

    def client(self, data: bytes) -> None:
        if self.end or not data:
            return
        self.asked += data
        self._carry_out(self.relay.from_client(data))

    def target(self, size: int) -> None:
        data, self.late = self.late[:size], self.late[size:]
        self._carry_out(self.relay.from_target(data))

    def judge(self, waits: bool = False) -> None:
        """`waits`: the client is told that an approval is waited for, and goes on waiting."""
        ask = self.waits
        if ask is not None and waits:
            self._carry_out(self.relay.holding(ask.lane, HELD))
        elif ask is not None:
            self.waits = None
            self.operations += ask.operations
            self._carry_out(self.relay.decided(ask.lane, [self._decided(each) for each in ask.operations]))

    def _decided(self, operation: Operation) -> Answer:
        denied = FORBIDDEN in operation.text or known(operation) == UNSEEN
        self.denied.append(denied)
        if denied:
            return NO
        if b"few" in operation.text:
            self.limited = True
            return Answer(meter=Meter((Allowance("so many", FEW, None, "few", resets=1e9),)))
        return Answer(masks=Masks(errors=len(self.denied) % 2 == 0)) if b"masked" in operation.text else GO

    def _carry_out(self, effects: list[Effect]) -> None:
        for each in effects:
            assert not self.end, "something comes after the end"
            if isinstance(each, ToTarget):
                self.late += self.server.receive(each.data)
            elif isinstance(each, ToClient):
                self.told += each.data
            elif isinstance(each, Ask):
                assert self.waits is None
                self.waits = each
            elif isinstance(each, Hangup):
                self.end = each.reason

    def come(self) -> None:
        """All that is late."""
        while (self.late or self.waits) and not self.end:
            self.judge() if self.waits else self.target(len(self.late))


def pg_session(data: bytes) -> None:
    """What was judged is what runs, with the parameters that were judged; what is masked is not shown; the target is
    never taken for one that breaks the protocol; every session comes to rest; and the client reads what it would read
    without the relay."""
    choices, play, asked = Choices(data), Play(), b""
    for _ in range(MOST):
        if not choices.more or play.end:
            break
        step = choices.number(4)
        if step == 3:
            play.target(1 + choices.number(256))
        elif step == 2:
            play.judge(waits=choices.number(4) == 3)
        else:
            asked += b"".join(a_message(choices) for _ in range(1 + choices.number(4)))
            size = choices.number(256) if choices.number(4) == 3 else len(asked)
            play.client(asked[:size])
            asked = asked[size:]
    play.client(asked)
    play.come()
    for ending in (pgbytes.COPY_DONE, pgbytes.SYNC, pgbytes.COPY_DONE, pgbytes.SYNC):
        if not play.end and (ending == pgbytes.SYNC or play.server.copying):
            play.client(ending)
            play.come()
    _judged(play)
    assert SECRET not in play.told, "a masked value is shown"
    assert not play.server.interrupted, "a message that has no place in a COPY"
    if play.end:
        assert not play.end.startswith("the target"), play.end
        return
    assert play.relay.idle, "it does not come to rest"
    assert play.relay.transaction_status == play.server.block
    _as_direct(play)


def _judged(play: Play) -> None:
    bound = iter(play.server.bound)
    for (tag, text), operation, denied in zip(play.server.ran, play.operations, play.denied, strict=False):
        if denied:
            assert text is None or text.startswith(NONCE), f"what was refused runs: {tag!r} {text!r}"
        elif text is not None:
            assert text == operation.text, f"{operation.text!r} was judged, {tag!r} {text!r} runs"
            if operation.kind == BIND:
                assert next(bound) == operation.parameters, "other parameters than were judged"


def _as_direct(play: Play) -> None:
    """But for names that SQL has made, which the protocol's own messages may not use here; and where what becomes of a
    Sync hangs on whether the target has read it."""
    direct = Server()
    told = direct.receive(play.asked)
    if direct.torn or play.limited or b"named" in play.asked:
        return
    for (_, text), operation in zip(direct.ran, play.operations, strict=False):
        if text is not None and known(operation) == UNSEEN:
            return
    assert _plain(play.told) == _plain(told), "the client reads something else"


def _plain(told: bytes) -> list[tuple[bytes, bytes]]:
    """Messages, without what errors say and rows show; and without notices."""
    return [(tag, b"" if tag in b"ED" else body) for tag, body in pgbytes.messages(told) if tag != b"N"]
