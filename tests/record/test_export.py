"""Exports and replays for people: nothing in them is obeyed by a terminal, and the script runs what ran."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.coverage import with_coverage
from hoopgw.record.entries import Kind
from hoopgw.record.export import jsonl, sql
from hoopgw.record.sqltext import for_psql, literal
from hoopgw.record.telling import told
from tests.record.recorded import (
    READY,
    SYNC,
    Recorded,
    bind,
    columns,
    done,
    error,
    execute,
    message,
    parse,
    query,
    row,
)

# OSC 52 (clipboard), DCS, title, hyperlink, sixel, 8-bit C1, DEL, bidi override, line separator, carriage return
ATTACKS = (
    "\x1b]52;c;cm0gLXJm\x07", "\x1bP$q\x1b\\", "\x1b]0;root#\x07", "\x1b]8;;http://x\x1b\\click", "\x1bPq#0~\x1b\\",
    "\x9b2J", "\x7f", "\u202egnp.exe", "\u2028", "safe\rrm",
)  # fmt: skip


def hostile(attack: str) -> Recorded:
    record = Recorded()
    raw = attack.encode()
    record.json(Kind.NOTE, code="hold.denied", reason=attack)
    record.ask(query(f"SELECT 1 -- {attack}"))
    record.shown(columns((attack, 25, 0)), row(raw), done(attack), message(b"N", b"M" + raw + b"\0\0"), READY)
    record.ask(parse(attack), bind(raw, name=""), execute(), SYNC)
    record.shown(error("1", attack, D=attack), READY)
    record.shown(message(b"A", bytes(4) + raw + b"\0" + raw + b"\0"))
    record.sent(message(b"d", raw))
    record.json(Kind.CLOSE, reason=attack, coverage={"exact": [attack]})
    return record


class Terminal(SynchronousTestCase):
    """must-survive 63: what a peer sent does nothing to the terminal of who replays or exports it."""

    def inert(self, lines: list[str]) -> None:
        for line in lines:
            self.assertTrue(line.isprintable(), ascii(line))

    def test_attacks(self) -> None:
        """In every field that a peer or an operator can fill, in each of the three forms."""
        for attack in ATTACKS:
            record = hostile(attack)
            self.inert(list(told(with_coverage(record.happenings()), 10)))
            lines = list(jsonl(with_coverage(record.happenings())))
            self.inert(lines)
            self.assertTrue(all(line.isascii() for line in lines))
            self.inert(list(sql(record.happenings())))

    @given(st.text(max_size=40))
    def test_any_text(self, text: str) -> None:
        """Whatever the text."""
        record = hostile(text.replace("\0", ""))
        self.inert(list(told(record.happenings(), 10)))
        self.inert(list(jsonl(record.happenings())))
        for line in sql(record.happenings()):
            self.inert(line.replace("\n", "").replace("\t", "").splitlines())

    def test_json_says_the_same(self) -> None:
        """Escaped is not changed: programs read what was there."""
        record = Recorded()
        record.ask(query("SELECT '\x7f\x9b'"))
        (line,) = [line for line in jsonl(record.happenings()) if '"operation"' in line]
        self.assertEqual(json.loads(line)["text"], "SELECT '\x7f\x9b'")


class Rows(SynchronousTestCase):
    def test_more(self) -> None:
        """So many rows of each result, and how many more there were."""
        record = Recorded()
        for count in (2, 5):
            record.ask(query("SELECT n"))
            rows = [row(b"%d" % number) for number in range(count)]
            record.shown(columns(("n", 25, 0)), *rows, done(f"SELECT {count}"), READY)
        lines = list(told(record.happenings(), 3))
        self.assertEqual(len([line for line in lines if " row  " in line]), 5)
        self.assertEqual([line.strip() for line in lines if "more" in line], ["… 2 more"])


class Script(SynchronousTestCase):
    def test_what_runs(self) -> None:
        """Statements with their parameters as literals; several in one message stay one."""
        record = Recorded()
        record.ask(query("INSERT INTO t VALUES ('a;b'); SELECT 2;"))
        record.ask(parse("SELECT $1, $2"), bind(b"O'Neil\\", None), execute(), SYNC)
        lines = list(sql(record.happenings()))
        self.assertIn("INSERT INTO t VALUES ('a;b')\\; SELECT 2;", lines)
        self.assertIn("PREPARE hoopgw_4 AS SELECT $1, $2;", lines)
        self.assertIn("EXECUTE hoopgw_4(E'O''Neil\\\\', NULL);", lines)

    def test_what_does_not(self) -> None:
        """What was not let through, was redacted or cut, or psql could take for a command, stands in comments only."""
        record = Recorded()
        record.json(Kind.VERDICT, verdict=1, redacted="secrets")
        record.ask(query("DROP TABLE t"), codes=(1,))
        record.ask(query("ALTER ROLE a PASSWORD '…'"), references=(1,))
        for text in ("SELECT 1 \\! touch /tmp/x", "SELECT 'open", "SELECT 1 /* open", "COPY t FROM STDIN", "SELECT :x",
                     "SELECT $a$ open", "SELECT 1 -- end", "", "SELECT \x1b", "SELECT e'\\'", 'SELECT "x'):  # fmt: skip
            record.ask(query(text))
        lines = [line for each in sql(record.happenings()) for line in each.splitlines()]
        running = [line for line in lines[2:] if line and not line.startswith("--")]
        self.assertEqual(running, [])

    def test_function_like_quotes(self) -> None:
        """Dollar quotes, doubled quotes, nested comments, casts and names with a dollar are read as PostgreSQL does."""
        for text in ("SELECT $$a;$$", "SELECT $q$ $$ $q$", "SELECT 'a''b;'", "SELECT /* /* */ ; */ 1::int",
                     'SELECT "a;""b"', "SELECT a$1$ FROM t", "SELECT 1 -- x;\n", "SELECT e'it''s'"):  # fmt: skip
            self.assertEqual(for_psql(text), text)
        self.assertEqual(for_psql("a; b"), "a\\; b")

    @given(st.text(alphabet="'\"$\\;:-/*eEax! \n", max_size=30))
    def test_no_backslash_command(self, text: str) -> None:
        """A statement with a backslash, quoted or not, does not run: psql's idea of quoted may be another one."""
        record = Recorded()
        record.ask(query(text + "\\! touch x"), query(f"SELECT E'a'\n'b\\'' \\! touch x -- {text}'"))
        for each in list(sql(record.happenings()))[2:]:
            for line in each.splitlines():
                self.assertTrue(not line or line.startswith("--"), line)

    @given(st.text(alphabet="'\"$\\;:-/*eEax \n", max_size=30))
    def test_text_stays(self, text: str) -> None:
        """What is let through is the text, with nothing but its semicolons written as psql wants them."""
        sent = for_psql(text)
        if sent is not None:
            self.assertEqual(sent.replace("\\;", ";"), text)
            self.assertNotIn("\\", text)

    @given(st.text(max_size=30))
    def test_literal(self, value: str) -> None:
        """A literal is one quoted string, whose content is the value."""
        quoted = literal(value)
        inside = quoted[2:-1].replace("\\\\", "\\") if quoted.startswith("E") else quoted[1:-1]
        self.assertEqual(inside.replace("''", "'"), value)


class Covered(SynchronousTestCase):
    def statement(self, record: Recorded) -> dict[str, object]:
        return list(with_coverage(record.happenings()))[-1].fields

    def test_complete(self) -> None:
        """Closed, nothing missing: it says so, and what the relay said was seen."""
        record = Recorded()
        record.ask(query("SELECT 1"))
        record.json(Kind.CLOSE, reason="x", coverage={"exact": ["statements"], "inferred": [], "opaque": []})
        found = self.statement(record)
        self.assertEqual((found["complete"], found["state"], found["exact"]), (True, "closed", ["statements"]))

    def test_what_is_missing(self) -> None:
        """Gaps, unread bytes, redacted texts, masked values, an interrupted end: each is counted and told."""
        record = Recorded()
        record.json(Kind.VERDICT, verdict=1, redacted="secrets")
        record.ask(query("x"), references=(1,))
        record.completed(1, 5, 4)
        record.json(Kind.GAP, **{"from": 1, "to": 2, "entries": 3, "bytes": 400})
        record.shown(b"junk")
        record.json(
            Kind.CLOSE, interrupted=True, missing={"from": 1, "reason": "the machine went down"}, reason="interrupted"
        )
        found = self.statement(record)
        self.assertEqual((found["complete"], found["state"]), (False, "interrupted"))
        self.assertEqual(found["gaps"], {"count": 1, "entries": 3, "bytes": 400,
                                         "first": [{"from": 1, "to": 2, "entries": 3, "bytes": 400}]})  # fmt: skip
        self.assertEqual((found["redacted"], found["masked"]), (1, 4))
        self.assertEqual(found["unread_bytes"], {"to client": 4, "to target": 0})
        words = " ".join(found["words"])  # type: ignore[arg-type]
        for said in ("NOT recorded: 3 entries", "4 bytes to client", "text of 1 operations", "4 values", "went down"):
            self.assertIn(said, words)

    def test_no_word_of_the_peers(self) -> None:
        """must-survive 67: nothing that a client or target sends changes what the statement says."""
        record = Recorded()
        record.ask(query("SELECT 1"))
        plain = self.statement(record)
        record.shown(message(b"S", b"coverage\0complete\0"), message(b"N", b"Mcoverage: complete\0\0"), READY)
        self.assertEqual(self.statement(record), plain)
        self.assertFalse(plain["complete"])

    def test_unknown_protocol(self) -> None:
        """A protocol that this version does not know is replayed as opaque bytes."""
        record = Recorded("gopher")
        record.shown(b"hello")
        self.assertEqual(record.told("opaque")[0]["bytes"], 5)
        self.assertFalse(self.statement(record)["complete"])
