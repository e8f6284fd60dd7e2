"""Exports and replays for people: nothing in them is obeyed by a terminal, and the script runs what ran."""

from __future__ import annotations

import json
import re

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


FAILS = "SELECT 1/0; -- fails, as this did"


def unescaped(found: str) -> str:
    return {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}.get(found) or chr(int(found[1:], 16))


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


class Notes(SynchronousTestCase):
    def test_for_people(self) -> None:
        """Facts within facts are words, not a program's notation."""
        record = Recorded()
        record.json(Kind.NOTE, code="session.opened", target="db:5432", tls={"version": "TLSv1.3", "alpn": ""})
        record.completed(1, 2, 0, "refused")
        record.completed(2, 3, 1)
        notes = [line.partition("note")[2].strip() for line in told(record.happenings(), 3) if "note" in line]
        opened = "session.opened target db:5432, tls (version=TLSv1.3)"
        refused = "operation 1: 2 rows, 0 values masked, refused"
        self.assertEqual(notes, [opened, refused, "operation 2: 3 rows, 1 values masked"])


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
        self.assertEqual(lines.count("SELECT 1/0; -- fails, as this did"), 1)
        lines.remove("SELECT 1/0; -- fails, as this did")
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
        """A literal is one quoted string on one line, whose content is the value; escaped only where it must be."""
        quoted = literal(value)
        self.assertTrue(quoted.isprintable())
        if value.isprintable() and "\\" not in value:
            self.assertEqual(quoted[1:-1].replace("''", "'"), value)
        else:
            said = re.sub(r"''", "'", quoted[2:-1])
            said = re.sub(r"\\(u....|U........|.)", lambda found: unescaped(found[1]), said)
            self.assertEqual((quoted[:2], said), ("E'", value))


class Copied(SynchronousTestCase):
    """A COPY FROM STDIN is an INSERT of the rows that it brought, and never lines that psql could take for commands."""

    def script(self, text: str, *data: bytes, end: bytes = done("COPY 1")) -> list[str]:
        record = Recorded()
        record.ask(query(text))
        record.shown(message(b"G", b"\0\0\0"))
        record.sent(*(message(b"d", each) for each in data), message(b"c"))
        record.shown(end, READY)
        return list(sql(record.happenings()))[6:]

    def test_text(self) -> None:
        """Escapes, NULL, and rows that are cut anywhere."""
        lines = self.script(
            'COPY s."T" (a, b) FROM STDIN', b"1\tO'Neil\n2\t\\N", b"\n3\ta\\tb\\\\\\x41\\101\n\\.\nrest"
        )
        self.assertEqual(lines, [
            'INSERT INTO "s"."T" ("a", "b") OVERRIDING SYSTEM VALUE VALUES',
            "  ('1', 'O''Neil'),",
            "  ('2', NULL),",
            "  ('3', E'a\\tb\\\\AA');",
        ])  # fmt: skip

    def test_csv(self) -> None:
        """Quotes, newlines in them, an empty string that is not NULL, a header."""
        data = b'a;b\r\n1;"x\n""y"";"\r\n;""\r\n'
        lines = self.script("COPY t FROM STDIN (FORMAT csv, HEADER, DELIMITER ';')", data)
        self.assertEqual(lines[1:], ["  ('1', E'x\\n\"y\";'),", "  (NULL, '');"])

    def test_what_is_left_out(self) -> None:
        """Binary data, bytes that are no UTF-8, a byte by its number: the script says that it lacks them."""
        for text, data in (("COPY t FROM STDIN", b"\xff\n"), ("COPY t FROM STDIN", b"\\xe9\n"),
                           ("COPY t FROM STDIN CSV", b'"open\n'),
                           ("COPY t FROM STDIN (FORMAT csv, ESCAPE '#')", b'"a#",b\n')):  # fmt: skip
            (line,) = self.script(text, data)
            self.assertIn("not in this script", line)
        for text in ("COPY t FROM STDIN (FORMAT binary)", "COPY t FROM STDIN WHERE a > 1",
                     "SELECT 1; COPY t FROM STDIN", "COPY t FROM STDIN (ENCODING 'latin1')"):  # fmt: skip
            self.assertEqual(self.script(text, b"1\n"), [])

    def test_failed(self) -> None:
        """What the target did not take is not inserted; the script fails there as well."""
        self.assertEqual(self.script("COPY t FROM STDIN", b"1\n", end=error("23505", "x")), [FAILS])

    def test_nothing(self) -> None:
        """A COPY of no row is none."""
        self.assertEqual(self.script("COPY t FROM STDIN", end=done("COPY 0")), [])

    def test_holes(self) -> None:
        """Data with a hole in them are not inserted as if they were all."""
        record = Recorded()
        record.ask(query("COPY t FROM STDIN"))
        record.shown(message(b"G", b"\0\0\0"))
        record.sent(message(b"d", b"1\n"))
        record.add(Kind.TO_TARGET, b"junk that is no message")
        record.shown(done("COPY 2"), READY)
        self.assertIn("not in this script", list(sql(record.happenings()))[-1])

    def test_too_large(self) -> None:
        """Beyond a bound the data are left to the recording."""
        (line,) = self.script("COPY t FROM STDIN", *(b"x" * 1_000_000 for _ in range(17)))
        self.assertIn("17000000 characters", line)

    @given(st.text(alphabet="a\t\n\\\"';,\r!N.0", max_size=40), st.booleans())
    def test_any_data(self, data: str, csv: bool) -> None:
        """Whatever the data: no line begins with a backslash, and each is printable."""
        for line in self.script(f"COPY t FROM STDIN {'CSV' if csv else ''}", data.encode()):
            self.assertTrue(line.isprintable() and not line.startswith("\\"), line)


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

    def test_a_gap_without_an_end(self) -> None:
        """What is not recorded, and how much of it nobody could say any more, is told in every form."""
        record = Recorded()
        record.ask(query("SELECT 1"))
        record.shown(READY)
        record.json(Kind.GAP, **{"from": 1_700_000_000 * 10**9})
        record.json(Kind.CLOSE, interrupted=True, reason="interrupted")
        found = self.statement(record)
        self.assertFalse(found["complete"])
        self.assertEqual(found["gaps"], {"count": 0, "entries": 0, "bytes": 0, "since": 1_700_000_000 * 10**9})
        self.assertIn("NOT recorded: what came after 2023-11-14 22:13:20Z", " ".join(found["words"]))  # type: ignore[arg-type]
        (gap,) = record.told("gap")
        self.assertEqual(gap, {"from": 1_700_000_000 * 10**9})
        ended = Recorded()
        ended.json(Kind.GAP, **{"from": 1})
        ended.json(Kind.GAP, **{"from": 1, "to": 2, "entries": 3, "bytes": 4})
        self.assertEqual(self.statement(ended)["gaps"]["count"], 1)  # type: ignore[index]

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
