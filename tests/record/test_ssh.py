"""Recordings of SSH sessions, read again."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.model.operation import Operation
from hoopgw.record.chunks import Entry
from hoopgw.record.entries import Kind, asked
from hoopgw.record.happenings import Happening
from hoopgw.record.ssh import SshDecoder
from hoopgw.record.telling import told
from hoopgw.wire import sftp
from hoopgw.wire import sshmessages as wire


def entry(kind: Kind, payload: bytes, missing: int = 0) -> Entry:
    return Entry(kind, 1, 0, payload, missing)


def run(*messages: bytes) -> bytes:
    return b"".join(map(wire.framed, messages))


def operation(kind: str, message: bytes, number: int = 1, decision: int = 0, reference: int = 0) -> Entry:
    return entry(
        Kind.ASKED,
        b"".join(asked((Operation("ssh", kind, b"", number=number),), [decision], [reference], run(message))),
    )


def read(*entries: Entry) -> list[tuple[str, dict[str, Any]]]:
    decoder = SshDecoder()
    return [(each.what, each.fields) for one in entries for each in decoder.of(one)]


class Reading(SynchronousTestCase):
    def test_command(self) -> None:
        """must-survive 66: a command, its input, output and errors, each under its own name, in order, with its number;
        a character that two packets share is one."""
        found = read(
            entry(Kind.TO_CLIENT, run(wire.confirmation(3, 8, 9, 9))),
            operation("exec", wire.request(8, b"exec", True, wire.string(b"id")), 4),
            entry(Kind.TO_TARGET, run(wire.channel_data(8, b"in"))),
            entry(Kind.TO_CLIENT, run(wire.channel_data(3, b"a\xc3"), wire.stderr(3, b"err"))),
            entry(Kind.TO_CLIENT, run(wire.channel_data(3, b"\xa4"), wire.exit_status(3, 2))),
        )
        self.assertEqual(
            found,
            [
                ("operation", {"number": 4, "kind": "exec", "decision": "allowed", "text": "id"}),
                ("input", {"operation": 4, "stream": "stdin", "data": "in"}),
                ("output", {"operation": 4, "stream": "stdout", "data": "a"}),
                ("output", {"operation": 4, "stream": "stderr", "data": "err"}),
                ("output", {"operation": 4, "stream": "stdout", "data": "ä"}),
                ("exit", {"operation": 4, "status": 2}),
            ],
        )

    def test_ends_inside_a_character(self) -> None:
        """Bytes that only began a character are told when their stream ends, by EOF or CLOSE, and counted once."""
        found = read(
            entry(Kind.TO_CLIENT, run(wire.confirmation(3, 8, 9, 9))),
            operation("exec", wire.request(8, b"exec", True, wire.string(b"x")), 4),
            entry(Kind.TO_TARGET, run(wire.channel_data(8, b"in\xf0\x9f"), wire.simple(wire.CHANNEL_EOF, 8))),
            entry(Kind.TO_CLIENT, run(wire.channel_data(3, b"\xff\xe2"), wire.stderr(3, b"\xe2\x82"))),
            entry(Kind.TO_CLIENT, run(wire.simple(wire.CHANNEL_CLOSE, 3), wire.simple(wire.CHANNEL_CLOSE, 3))),
        )
        streams = [(what, each["stream"], each["data"], each.get("bytes")) for what, each in found[1:]]
        self.assertEqual(
            streams,
            [
                ("input", "stdin", "in", None),
                ("input", "stdin", "\\xf0\\x9f", 2),
                ("output", "stdout", "\\xff", 1),
                ("output", "stderr", "", None),
                ("output", "stdout", "\\xe2", 1),
                ("output", "stderr", "\\xe2\\x82", 2),
            ],
        )

    def test_terminal(self) -> None:
        """What starts on a terminal says which; its new sizes are told; a terminal that was refused is none."""
        size = wire.u32(100) + wire.u32(30) + wire.u32(0) + wire.u32(0)
        asking = wire.request(8, b"pty-req", True, wire.string(b"xterm") + size + wire.string(b""))
        for decision, terminal in ((0, {"terminal": {"type": "xterm", "columns": 100, "rows": 30}}), (1, {})):
            found = read(
                entry(Kind.TO_CLIENT, run(wire.confirmation(3, 8, 9, 9))),
                operation("pty", asking, 1, decision),
                operation("shell", wire.request(8, b"shell", True), 2),
                entry(Kind.TO_TARGET, run(wire.request(8, b"window-change", False, wire.u32(90) + size[4:]))),
            )
            started = {"number": 2, "kind": "shell", "decision": "allowed", "text": ""}
            self.assertEqual(found[1], ("operation", started | terminal))
            self.assertEqual(found[2], ("resize", {"operation": 2, "columns": 90, "rows": 30}))

    def test_others(self) -> None:
        """Variables, forwards and refusals say what they were and why."""
        verdict = b'{"verdict":1,"refusals":[{"guardrail":"ssh:forward","reason":"not granted"}]}'
        place = wire.string(b"db") + wire.u32(5432)
        found = read(
            entry(Kind.VERDICT, verdict),
            operation("env", wire.request(8, b"env", False, wire.string(b"LANG") + wire.string(b"C"))),
            operation("forward", wire.ChannelOpen(b"direct-tcpip", 1, 2, 3, place).encoded(), 2, 1, 1),
        )
        self.assertEqual(found[0][1]["text"], "LANG=C")
        self.assertEqual(
            found[1][1],
            {
                "number": 2, "kind": "forward", "decision": "refused", "name": "direct-tcpip", "text": "db:5432",
                "guardrails": ["ssh:forward"], "reason": "not granted",
            },
        )  # fmt: skip

    def test_files(self) -> None:
        """A request of a file says what it asks, and of which paths; the words in a redacted one's place are told."""
        paths = wire.string(b"/srv/a b") + wire.string(b"c")
        renamed = wire.channel_data(8, sftp.packet(sftp.RENAME, 1, paths))
        hidden = wire.channel_data(8, b"(a secret's file)")
        found = read(operation("file", renamed, 1), operation("file", hidden, 2, 1))
        self.assertEqual((found[0][1]["name"], found[0][1]["text"]), ("rename", "rename '/srv/a b' c"))
        self.assertEqual(found[1][1]["text"], "(a secret's file)")

    def test_on_a_terminal(self) -> None:
        """What the target sent moves no cursor of whoever looks at the recording."""
        seen = [
            Happening("output", 0, {"stream": "stdout", "data": "a\x1b[2Jb\n"}),
            Happening("exit", 0, {"status": 0}),
        ]
        lines = list(told(seen, 10))
        self.assertIn("< a\\x1b[2Jb", lines[0])
        self.assertIn("status 0", lines[1])

    @given(st.sampled_from([Kind.ASKED, Kind.TO_CLIENT, Kind.TO_TARGET, Kind.VERDICT]), st.binary(max_size=80))
    def test_junk(self, kind: Kind, payload: bytes) -> None:
        """Junk is told as opaque, or is a MalformedFrame: nothing else is raised."""
        try:
            read(entry(kind, payload))
        except MalformedFrame:
            return

    @given(st.lists(st.tuples(st.integers(80, 100), st.binary(max_size=40)), max_size=5))
    def test_junk_messages(self, messages: list[tuple[int, bytes]]) -> None:
        """Of messages in good framing nothing is raised at all."""
        payload = run(*(bytes((number,)) + rest for number, rest in messages))
        read(entry(Kind.TO_CLIENT, payload), entry(Kind.TO_TARGET, payload))
