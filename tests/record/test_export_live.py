"""The exported script in a real psql on a real server: what ran runs again, and nothing else does."""

from __future__ import annotations

import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from hoopgw.record.export import sql
from tests.programs import SERVER, environment, found
from tests.record.recorded import SYNC, Recorded, bind, execute, parse, query
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
        ran = subprocess.run(command, check=False, input=given, capture_output=True, timeout=20, env=self.environment)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertFalse(there.exists())
        asked = [*command, "-c", "SELECT id, said FROM kept ORDER BY id"]
        rows = subprocess.run(asked, check=False, capture_output=True, timeout=20, env=self.environment).stdout.decode()
        self.assertEqual(rows.splitlines(), ["1|one;", "2|it's", "3|O'Neil\\"])
