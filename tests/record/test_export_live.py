"""The exported script in a real psql on a real server: what ran runs again, and nothing else does."""

from __future__ import annotations

import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from hoopgw.record.export import sql
from tests.programs import SERVER, environment, found
from tests.record.recorded import READY, SYNC, Recorded, bind, done, execute, message, parse, query
from tests.store.cluster import Cluster


class Psql(SynchronousTestCase):
    def setUp(self) -> None:
        programs = found("psql", *SERVER)
        if programs is None:
            raise SkipTest("no PostgreSQL here")
        self.psql, self.environment = str(programs["psql"]), environment(programs, PGCONNECT_TIMEOUT="5")

    def test_hostile_texts(self) -> None:
        """must-survive 44, 63: texts that would make psql start a program or write a file do neither."""
        there = Path(self.mktemp()).absolute()
        record = Recorded()
        record.ask(query("CREATE TABLE kept (id int, said text)"))
        for command in (f"\\! touch {there}", f"\\o {there}", f"\\copy kept to {there}", f"\\g | tee {there}"):
            for text in (command, f"SELECT 1 {command}", f"SELECT 1;\n{command}", f"SELECT 'x\n{command}",
                         f"-- {command}", f"SELECT E'\\'\n{command}\n", f"SELECT E'a'\n'b\\'' {command} --'",
                         f"SELECT $$\n{command}",
                         f"SELECT 1 /* '\n*/ {command}",
                         f"SELECT 'a' \n;{command}", f"COPY kept FROM STDIN\n;{command}"):  # fmt: skip
                record.ask(query(text))
                record.ask(parse("SELECT $1"), bind(text.encode()), execute(), SYNC)
        record.ask(query("INSERT INTO kept VALUES (1, 'one;'); INSERT INTO kept VALUES (2, E'it''s')"))
        record.ask(parse("INSERT INTO kept VALUES ($1, $2)"), bind(b"3", b"O'Neil\\"), execute(), SYNC)
        place = Cluster.running().database("replayed")
        address = "postgresql://{user}@{host}:{port}/{dbname}?sslmode=disable".format(**place)
        script = "\n".join(sql(record.happenings()))
        command = [self.psql, "-X", "-A", "-t", address]
        given = script.encode()
        ran = subprocess.run(command, check=False, input=given, capture_output=True, timeout=60, env=self.environment)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertFalse(there.exists())
        asked = [*command, "-c", "SELECT id, said FROM kept ORDER BY id"]
        rows = subprocess.run(asked, check=False, capture_output=True, timeout=60, env=self.environment).stdout.decode()
        self.assertEqual(rows.splitlines(), ["1|one;", "2|it's", "3|O'Neil\\"])

    def test_copied_rows(self) -> None:
        """The rows of a COPY FROM STDIN come out of the script as they come out of COPY itself."""
        place = Cluster.running().database("copied")
        address = "postgresql://{user}@{host}:{port}/{dbname}?sslmode=disable".format(**place)
        command = [self.psql, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", address]

        def psql(*arguments: str, given: bytes = b"") -> bytes:
            ran = subprocess.run([*command, *arguments], check=True, input=given, capture_output=True, timeout=60,
                                 env=self.environment)  # fmt: skip
            return ran.stdout

        columns = "(n int GENERATED ALWAYS AS IDENTITY, b text, c timestamptz, d bytea, e text[])"
        psql("-c", f'CREATE TABLE "by Copy" {columns}', "-c", f'CREATE TABLE "by Script" {columns}')
        text = b'1\ta\\tb\\\\\\n\t2026-01-02\t\\\\xdead\t{x,"y z"}\n2\t\\N\t\\N\t\\N\t{}\n'
        text += b'3\t\xc3\xa9\'\t\\N\t\\N\t{"\\\\\\\\"}\n'
        csv = b'n,b\r\n4,"a ""b"",\r\nc"\r\n5,\r\n6,""\r\n'
        record = Recorded()
        for how, data in (("", text), (" (n, b) FROM STDIN (FORMAT csv, HEADER)", csv)):
            asked = f'COPY "by Script"{how or " FROM STDIN"}'
            psql("-c", asked.replace("Script", "Copy"), given=data)
            record.ask(query(asked))
            record.shown(message(b"G", b"\0\0\0"))
            record.sent(*(message(b"d", data[at : at + 7]) for at in range(0, len(data), 7)), message(b"c"))
            record.shown(done("COPY 3"), READY)
        psql(given="\n".join(sql(record.happenings())).encode())
        rows = [psql("-c", f'SELECT * FROM "by {name}" ORDER BY n') for name in ("Copy", "Script")]
        self.assertEqual(rows[0], rows[1])
        self.assertEqual(rows[0].count(b"\n"), 8)
