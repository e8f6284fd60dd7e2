"""Global requests of an SSH connection: passed, answered by the gateway, or asked about; one after the other."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.answer import Answer
from hoopgw.model.errors import ProtocolViolation
from hoopgw.model.operation import FORWARD
from hoopgw.relay import ssh_forwards as forwards
from hoopgw.relay.effects import RECORDED, Effect, ToClient, ToTarget
from hoopgw.relay.ssh_asking import Asking
from hoopgw.relay.ssh_replies import Replies
from hoopgw.wire import sshmessages as wire

MAX_GLOBALS: Final = 64  # global requests that wait behind a decision
CLIENT_GLOBALS: Final = frozenset((b"keepalive@openssh.com", b"no-more-sessions@openssh.com"))
TARGET_GLOBALS: Final = frozenset((b"keepalive@openssh.com",))


@final
class Globals:
    """`client` and `target` are the replies that each of them waits for; `forwarded` what was let through."""

    __slots__ = ("client", "target", "forwarded", "_asked", "_operation", "_waiting", "_asking", "_out")

    def __init__(self, out: list[Effect], asking: Asking, forwarded: set[str]) -> None:
        self.client = Replies()
        self.target = Replies()
        self.forwarded = forwarded
        self._asked = b""
        self._operation = 0  # its number
        self._waiting: list[bytes] = []  # behind it
        self._asking = asking
        self._out = out

    def from_client(self, message: bytes) -> bool:
        """True: it may pass as it is."""
        if self._asked:
            if len(self._waiting) >= MAX_GLOBALS:
                raise ProtocolViolation(f"more than {MAX_GLOBALS} global requests wait")
            self._waiting.append(message)
            return False
        asked = wire.read_request(message)
        if asked.name in CLIENT_GLOBALS:
            if asked.wants_reply:
                self.client.expect()
            return True
        if asked.name in forwards.GLOBALS:
            self._asked = message
            text = forwards.described(asked.name, asked.body)
            operation = self._asking.numbered(FORWARD, text, asked.name)
            self._operation = operation.number
            self._asking.ask_globally(operation, message)
            return False
        if asked.wants_reply:
            self._to_client(self.client.own(wire.framed(bytes((wire.REQUEST_FAILURE,)))))
        return False

    def decided(self, answer: Answer) -> None:
        """And what waited behind it, up to the next that is asked about."""
        message, self._asked = self._asked, b""
        asked = wire.read_request(message)
        if answer.denial is None:
            self.forwarded.add(asked.name.decode())
            self._out.extend(forwards.granted(self._operation, asked.name, asked.body))
            if asked.wants_reply:
                self.client.expect()
            self._out.append(ToTarget(wire.framed(message), RECORDED))
        elif asked.wants_reply:
            self._to_client(self.client.own(wire.framed(bytes((wire.REQUEST_FAILURE,)))))
        waiting, self._waiting = self._waiting, []
        for index, later in enumerate(waiting):
            if self.from_client(later):
                self._out.append(ToTarget(wire.framed(later)))
            if self._asked:
                self._waiting = waiting[index + 1 :]
                return

    def from_target(self, message: bytes) -> bool:
        """The target's host keys are none of the gateway's: a client would take them for its own (hostkeys-00)."""
        asked = wire.read_request(message)
        if asked.name in TARGET_GLOBALS:
            if asked.wants_reply:
                self.target.expect()
            return True
        if asked.wants_reply:
            run = self.target.own(wire.framed(bytes((wire.REQUEST_FAILURE,))))
            if run:
                self._out.append(ToTarget(run))
        return False

    def answered(self, replies: Replies, message: bytes, *, to_client: bool) -> bool:
        """The peer's reply, and what of the gateway's own was waiting behind it."""
        own = replies.answered()
        if not own:
            return True
        run = wire.framed(message) + own
        self._out.append(ToClient(run) if to_client else ToTarget(run))
        return False

    def _to_client(self, run: bytes) -> None:
        if run:
            self._out.append(ToClient(run))
