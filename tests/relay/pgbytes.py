"""Messages of clients and targets, and a relay with what stands around it, for the relay's tests."""

from __future__ import annotations

from collections.abc import Callable

from hoopgw.model.answer import GO, Answer, Decision, Denial
from hoopgw.model.operation import Operation
from hoopgw.relay.effects import Ask, Completed, Effect, Hangup, Observed, ToClient, ToTarget
from hoopgw.relay.postgres import PostgresRelay
from hoopgw.relay.postgres_planner import EXECUTES, FETCHES, UNSEEN
from hoopgw.wire.pgmessages import message

SYNC = message(b"S", b"")
FLUSH = message(b"H", b"")
TERMINATE = message(b"X", b"")
COPY_DONE = message(b"c", b"")


def query(text: bytes) -> bytes:
    return message(b"Q", text + b"\0")


def parse(name: bytes, text: bytes, types: bytes = b"\0\0") -> bytes:
    return message(b"P", name + b"\0" + text + b"\0" + types)


def bind(portal: bytes, statement: bytes, *values: bytes | None) -> bytes:
    body = portal + b"\0" + statement + b"\0\0\0" + len(values).to_bytes(2, "big")
    for value in values:
        body += b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
    return message(b"B", body + b"\0\0")


def describe(kind: bytes, name: bytes) -> bytes:
    return message(b"D", kind + name + b"\0")


def execute(portal: bytes, rows: int = 0) -> bytes:
    return message(b"E", portal + b"\0" + rows.to_bytes(4, "big"))


def close(kind: bytes, name: bytes) -> bytes:
    return message(b"C", kind + name + b"\0")


def function(oid: int) -> bytes:
    return message(b"F", oid.to_bytes(4, "big") + b"\0\0\0\0\0\0")


def copy_data(data: bytes) -> bytes:
    return message(b"d", data)


# ---- of the target

PARSED = message(b"1", b"")
BOUND = message(b"2", b"")
CLOSED = message(b"3", b"")
NO_DATA = message(b"n", b"")
SUSPENDED = message(b"s", b"")
NO_PARAMETERS = message(b"t", b"\0\0")
COPY_IN = message(b"G", b"\0\0\0")
COPY_OUT = message(b"H", b"\0\0\0")


def ready(status: bytes = b"I") -> bytes:
    return message(b"Z", status)


def columns(*names: bytes) -> bytes:
    fields = b"".join([name + b"\0" + bytes(6) + b"\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0" for name in names])
    return message(b"T", len(names).to_bytes(2, "big") + fields)


def row(*values: bytes | None) -> bytes:
    """None is NULL."""
    body = len(values).to_bytes(2, "big")
    fields = [b"\xff" * 4 if value is None else len(value).to_bytes(4, "big") + value for value in values]
    return message(b"D", body + b"".join(fields))


def complete(tag: bytes) -> bytes:
    return message(b"C", tag + b"\0")


def failed(sqlstate: bytes, text: bytes, severity: bytes = b"ERROR", **more: bytes) -> bytes:
    body = b"S" + severity + b"\0V" + severity + b"\0C" + sqlstate + b"\0M" + text + b"\0"
    for name, value in more.items():
        body += name.encode() + value + b"\0"
    return message(b"E", body + b"\0")


def notice(text: bytes) -> bytes:
    return message(b"N", b"SNOTICE\0VNOTICE\0C00000\0M" + text + b"\0\0")


def parameter(name: bytes, value: bytes) -> bytes:
    return message(b"S", name + b"\0" + value + b"\0")


def refused(reason: str = "no", decision: Decision = Decision.REFUSED) -> Answer:
    return Answer(Denial(decision, reason, ("rule",), "do something else", session="s_1", policy="p_1"))


NONCE = b"hoopgw_" + b"07" * 12
SUBSTITUTE_QUERY = query(NONCE)
RENAMED = PARSED + BOUND + complete(b"SET") + CLOSED + CLOSED  # and, before 14, ParameterStatus among them


def renaming(quoted: bytes) -> bytes:
    """What gives the gateway's name back, without a client's unnamed statement or portal being touched."""
    own = b"hoopgw_name_" + b"07" * 12
    runs = parse(own, b"SET application_name = '" + quoted + b"'") + bind(own, own) + execute(own)
    return runs + close(b"P", own) + close(b"S", own) + SYNC


SYNTAX_ERROR = failed(b"42601", b'syntax error at or near "' + NONCE + b'"')


def relay(
    name: str = "", max_statement: int = 1 << 20, max_masked_row: int = 1000, server_encoding: str = "UTF8"
) -> PostgresRelay:
    return PostgresRelay(
        session="s_1",
        policy="p_1",
        parameters={
            "client_encoding": "UTF8",
            "server_encoding": server_encoding,
            "standard_conforming_strings": "on",
        },
        application_name=name,
        max_statement=max_statement,
        max_masked_row=max_masked_row,
        token_bytes=lambda size: bytes([7]) * size,
    )


FIELDS: dict[type[Effect], tuple[str, ...]] = {
    Completed: ("number", "rows", "masked", "note"),
    Observed: ("code", "fields"),
    Hangup: ("code", "reason"),
}


def shown(effects: list[Effect]) -> list[object]:
    """Effects as plain values: what they do, and their bytes or fields."""
    found: list[object] = []
    for effect in effects:
        if isinstance(effect, Ask):
            found.append(("Ask", [(each.kind, each.text) for each in effect.operations], effect.data))
        elif isinstance(effect, ToClient | ToTarget):
            found.append((type(effect).__name__, effect.data))
        else:
            fields = FIELDS.get(type(effect), ())
            found.append((type(effect).__name__, *[getattr(effect, name) for name in fields]))
    return found


def messages(data: bytes) -> list[tuple[bytes, bytes]]:
    """(tag, body) of each; all of them are whole."""
    found: list[tuple[bytes, bytes]] = []
    while data:
        end = 1 + int.from_bytes(data[1:5], "big")
        found.append((data[:1], data[5:end]))
        data = data[end:]
    return found


def to_client(effects: list[Effect]) -> bytes:
    return b"".join([effect.data for effect in effects if isinstance(effect, ToClient)])


def to_target(effects: list[Effect]) -> bytes:
    return b"".join([effect.data for effect in effects if isinstance(effect, ToTarget)])


def of(effects: list[Effect], kind: type[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


def known(operation: Operation) -> bytes:
    """Its text; UNSEEN where that only says the name of what the relay has not seen."""
    return UNSEEN if operation.text.startswith((EXECUTES + b'"', FETCHES + b'"')) else operation.text


def always(answer: Answer) -> Callable[[Operation], Answer]:
    return lambda operation: answer


class Session:
    """A relay with somebody who decides at once; keeps what went where."""

    def __init__(self, relay: PostgresRelay, decide: Callable[[Operation], Answer] = always(GO)) -> None:
        self.relay = relay
        self.decide = decide
        self.effects: list[Effect] = []
        self.operations: list[Operation] = []

    def client(self, data: bytes) -> list[Effect]:
        return self._carry_out(self.relay.from_client(data))

    def target(self, data: bytes) -> list[Effect]:
        return self._carry_out(self.relay.from_target(data))

    def _carry_out(self, effects: list[Effect]) -> list[Effect]:
        done: list[Effect] = []
        while effects:
            done += effects
            asked = [effect for effect in effects if isinstance(effect, Ask)]
            assert len(asked) <= 1
            effects = []
            for ask in asked:
                self.operations += ask.operations
                effects = self.relay.decided(ask.lane, [self.decide(each) for each in ask.operations])
        self.effects += done
        return done
