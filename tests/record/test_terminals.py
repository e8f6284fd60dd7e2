"""Films and texts of recorded terminals."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.happenings import Happening
from hoopgw.record.terminals import Start, asciicast, chosen, starts
from hoopgw.record.transcript import MAX_RUNS, transcript

SECOND = 1_000_000_000
TERMINAL = {"type": "xterm", "columns": 100, "rows": 30}


def began(number: int, text: str, decision: str = "allowed", kind: str = "exec", **more: Any) -> Happening:
    return Happening(
        "operation", number * SECOND, {"number": number, "kind": kind, "decision": decision, "text": text, **more}
    )


def output(number: int, seconds: float, data: str, stream: str = "stdout") -> Happening:
    return Happening("output", int(seconds * SECOND), {"operation": number, "stream": stream, "data": data})


SESSION = [
    began(1, "rm -rf /", "refused"),
    began(2, "ls"),
    began(3, "", kind="shell", terminal=TERMINAL),
    output(3, 3.5, "$ \x1b]0;title\x07"),
    Happening("input", 4 * SECOND, {"operation": 3, "stream": "stdin", "data": "s3cret\r"}),
    output(2, 4.25, "one\ntw"),
    output(2, 4.25, "bad", "stderr"),
    Happening("resize", int(4.5 * SECOND), {"operation": 3, "columns": 90, "rows": 0}),
    Happening("exit", 5 * SECOND, {"operation": 2, "status": 3}),
    Happening("exit", 5 * SECOND, {"operation": 3, "status": 0}),
    output(3, 6, "bye\r\n"),
]


class Films(SynchronousTestCase):
    def test_asciicast(self) -> None:
        """Header and events as version 3 has them: intervals in seconds, the exit last, nothing typed unasked."""
        start = chosen(starts(SESSION), None)
        assert start is not None
        header, *events = [json.loads(line) for line in asciicast(SESSION, start)]
        self.assertEqual(header, {"version": 3, "term": {"cols": 100, "rows": 30, "type": "xterm"}, "timestamp": 3})
        self.assertEqual(events, [[0.5, "o", "$ "], [1.0, "r", "90x24"], [1.5, "o", "bye\r\n"], [0.0, "x", "0"]])
        self.assertNotIn("s3cret", "".join(asciicast(SESSION, start)))
        self.assertIn('"i", "s3cret\\r"', "".join(asciicast(SESSION, start, typed=True)))

    def test_without_terminal(self) -> None:
        """A command without one is shown in 80 by 24, its lines one under the other."""
        start = chosen(starts(SESSION), 2)
        assert start is not None
        header, first, *_ = [json.loads(line) for line in asciicast(SESSION, start)]
        self.assertEqual((header["term"], header["command"]), ({"cols": 80, "rows": 24}, "ls"))
        self.assertEqual(first, [2.25, "o", "one\r\ntw"])

    def test_choice(self) -> None:
        """What was refused ran on no terminal; without any the first that ran is taken."""
        self.assertIsNone(chosen(starts(SESSION), 1))
        self.assertIsNone(chosen(starts(SESSION[:1]), None))
        self.assertEqual(chosen(starts(SESSION[:2]), None), Start(2, 2 * SECOND, "ls", {}))

    def test_many(self) -> None:
        """Of any number of commands the last ones are followed."""
        count = MAX_RUNS + 2
        ran = [one for at in range(1, count + 1) for one in (began(at, "x"), output(at, at, f"<{at}"))]
        found = [line for line in transcript([*ran, output(1, 9, "late"), output(count, 9, ">\n")]) if line[0] == "<"]
        self.assertEqual((found[0], found[-1], len(found)), ("<1", f"<{count - 1}", count))
        self.assertIn(f"<{count}>", found)

    def test_gap(self) -> None:
        """What is missing has a marker, and a sequence that began before it hides nothing behind it."""
        found = [SESSION[2], output(3, 3, "\x1b]0;"), Happening("gap", 4 * SECOND, {}), output(3, 4, "seen")]
        events = [json.loads(line)[1:] for line in list(asciicast(found, Start(3, 3 * SECOND, "", TERMINAL)))[1:]]
        self.assertEqual(events, [["o", ""], ["m", "the recording is not whole here"], ["o", "seen"]])


class Texts(SynchronousTestCase):
    def test_transcript(self) -> None:
        """Each stream under its name, whole lines, the unended one before the exit; what was typed is left out."""
        found = list(transcript(SESSION))
        self.assertEqual(
            [line for line in found if not line.startswith("# 00:")],
            [
                *("# stdout of #2", "one", "# stdout of #2", "tw", "# stderr of #2", "bad", "# stdout of #3", "$"),
                *("# stdout of #3", "bye"),  # OpenSSH's server may tell the exit before the last output
            ],
        )
        self.assertIn("# 00:00:01.000  exec   #1 refused: rm -rf /", found)
