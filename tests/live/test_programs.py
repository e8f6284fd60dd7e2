"""pgbench in all its modes, and dumps and restores: their results are those of a direct connection."""

from __future__ import annotations

import re
from pathlib import Path

from tests.live.owning import OwnerCase
from tests.live.pgprograms import Version, address, eighteen, machines, ran

PIPELINE = """\
\\set id random(1, 8)
\\startpipeline
select price from products where id = :id;
update products set price = price where id = :id;
select 1;
\\endpipeline
"""
OBJECTS = "pg_largeobject_metadata"
# of a dump, what two runs of the program do not share
RUN = re.compile(r"^\\(un)?restrict .*$|^-- (Started|Completed) on .*$", re.MULTILINE)


class Programs(OwnerCase):
    def bench(self, *words: str, database: str) -> str:
        done = ran(self.stage, machines(), "pgbench", *words, address(self.stage, database=database))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_modes(self) -> None:
        """TPC-B by simple, extended and prepared statements, kept and new connections; every transaction counts."""
        database = self.fresh("other")
        self.bench("-i", "-s", "1", "-q", "-I", "dtgvpf", database=database)
        for n, mode in enumerate(("simple", "extended", "prepared"), 1):
            shown = self.bench("-n", "-M", mode, "-c", "4", "-t", "50", database=database)
            self.assertIn("actually processed: 200/200", shown)
            self.assertIn("number of failed transactions: 0", shown)
            ((kept,),) = self.stage.cluster.run("select count(*) from pgbench_history", database="other")
            self.assertEqual(kept, 200 * n)
        shown = self.bench("-n", "-C", "-S", "-c", "2", "-t", "10", database=database)
        self.assertIn("actually processed: 20/20", shown)

    def test_pipeline(self) -> None:
        r"""\startpipeline in both modes that have it."""
        script = self.stage.place / "pipeline.sql"
        script.write_text(PIPELINE)
        script.chmod(0o644)
        for mode in ("extended", "prepared"):
            shown = self.bench("-n", "-M", mode, "-f", str(script), "-c", "2", "-t", "50", database="shop")
            self.assertIn("actually processed: 100/100", shown)

    def dump(self, version: Version, where: str, *words: str, token: str = "") -> str:
        done = ran(self.stage, version, "pg_dump", *words, where, token=token)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return RUN.sub("", done.stdout)

    def test_plain(self) -> None:
        """The text of a dump is the text of a direct dump, by pg_dump 15 and 18; psql restores it."""
        direct = f"host=127.0.0.1 port={self.stage.cluster.port} user=postgres dbname=shop"
        for version in (machines(), eighteen()):
            text = self.dump(version, address(self.stage))
            self.assertEqual(text, self.dump(version, direct, token=self.stage.cluster.password))
        database = self.fresh("restored")
        words = ("-X", "-q", "-v", "ON_ERROR_STOP=1", address(self.stage, database=database))
        done = ran(self.stage, machines(), "psql", *words, given=self.dump(machines(), address(self.stage)))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.same_rows("restored")

    def test_archives(self) -> None:
        """Custom and directory formats, these with four connections at once, restored with four; large objects, small
        and of many pieces, are in them."""
        made = "select lo_from_bytea(0, convert_to(repeat('large ' || n, n * n * 1000), 'UTF8'))"
        self.stage.cluster.run(f"{made} from generate_series(1, 20) n", database="shop")
        self.addCleanup(self.stage.cluster.run, f"select lo_unlink(oid) from {OBJECTS}", database="shop")
        for kind, jobs in (("c", ()), ("d", ("-j", "4"))):
            archive = Path(self.mktemp()).resolve()
            self.dump(machines(), address(self.stage), f"-F{kind}", *jobs, "-f", str(archive))
            where = address(self.stage, database=self.fresh("restored"))
            done = ran(self.stage, machines(), "pg_restore", "-j", "4", "-d", where, str(archive))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.same_rows("restored")

    def same_rows(self, database: str) -> None:
        """Of tables, and large objects."""
        text = f"select count(*), md5(string_agg(md5(lo_get(oid)), '|' order by oid)) from {OBJECTS}"
        self.assertEqual(*(self.stage.cluster.run(text, database=each) for each in (database, "shop")))
        for table in ("customers", "products", "orders"):
            text = f"select count(*), md5(string_agg(t::text, '|' order by id)) from {table} as t"
            self.assertEqual(
                self.stage.cluster.run(text, database=database), self.stage.cluster.run(text, database="shop")
            )
