"""Streams that are no text are told by their size."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.binary import PATIENCE, summed
from hoopgw.record.happenings import Happening
from hoopgw.record.telling import told
from hoopgw.record.transcript import transcript


def passed(data: str, number: int = 1, stream: str = "stdout", time: int = 0, **more: object) -> Happening:
    what = "input" if stream == "stdin" else "output"
    return Happening(what, time, {"operation": number, "stream": stream, "data": data, **more})


def runs(number: int = 1, kind: str = "exec", **more: object) -> Happening:
    fields = {"number": number, "kind": kind, "decision": "allowed", "text": "tar c .", **more}
    return Happening("operation", 0, fields)


TERMINAL = {"type": "xterm", "columns": 80, "rows": 24}
ENDED = Happening("exit", 0, {"operation": 1, "status": 0})


class Streams(SynchronousTestCase):
    def told(self, *happenings: Happening) -> list[tuple[str, object]]:
        return [(each.what, each.fields.get("bytes", each.fields.get("data"))) for each in summed(happenings)]

    def test_binary(self) -> None:
        """From a NUL on, each stream for itself, also where a part of it looks like text; what is no character counts
        as the byte that it was."""
        found = self.told(
            runs(),
            passed("head\n"),
            passed("a\0ä"),
            passed("text\n"),
            passed("\\xff\\xfe", bytes=2),
            passed("tar: x\n", stream="stderr"),
            passed("more"),
            ENDED,
        )
        self.assertEqual(
            found,
            [
                ("operation", None),
                ("output", "head\n"),
                ("bytes", 4 + 5 + 2),
                ("output", "tar: x\n"),
                ("bytes", 4),
                ("exit", None),
            ],
        )

    def test_both_ways(self) -> None:
        """What goes to and fro is one sum each, until something else happens, or the recording ends."""
        talk = [passed("\0\0\0\5", stream=stream) for _ in range(50) for stream in ("stdin", "stdout")]
        self.assertEqual(self.told(*talk), [("bytes", 200), ("bytes", 200)])

    def test_terminals(self) -> None:
        """What a terminal was given is drawn, whatever it was."""
        found = self.told(runs(terminal=TERMINAL), passed("a\0b"), runs(2), passed("a\0b", 2))
        self.assertEqual([what for what, _ in found], ["operation", "output", "operation", "bytes"])

    def test_slow(self) -> None:
        """Who watches hears of a long copy while it goes on."""
        found = self.told(*(passed("\0", time=number * PATIENCE // 4) for number in range(11)))
        self.assertEqual(found, [("bytes", 6), ("bytes", 5)])

    def test_words(self) -> None:
        """In a replay and in a text; a command's terminal and a typed line read as a person would say it."""
        typed = {
            "code": "terminal.typed",
            "operation": 2,
            "exact": False,
            "keys": 3,
            "confidence": "echoed",
            "text": "ls",
        }
        given = (runs(), passed("a\0"), runs(2, "shell", text="", terminal=TERMINAL), Happening("note", 0, typed))
        lines = list(told(given, 10))
        self.assertEqual(lines[1].split(), ["bytes", "<", "2"])
        self.assertEqual(lines[2][12:], "  shell  #2 allowed on xterm, 80x24")
        self.assertEqual(lines[3][12:], "  note   #2 typed (echoed, 3 keys): ls")
        self.assertIn("bytes  < 2", "\n".join(transcript(given)))
