"""psql of PostgreSQL 15 and 18: what people type and scripts send, with the messages that they see."""

from __future__ import annotations

import json
import re

from hoopgw.cli.demo.stage import Options
from tests.live.clients.course import MASKS
from tests.live.harness import LiveCase
from tests.live.pgprograms import Version, address, eighteen, machines, ran

SESSION = r"""
\set VERBOSITY verbose
\conninfo
select 1 as one, 'one' as word \gx
prepare again (int) as select $1 + 1;
execute again (1);
execute again (2);
select 1 / 0;
select 'after';
begin;
insert into products values (2000000, 'x', 1);
insert into products values (2000000, 'x', 1);
select 'not run';
rollback;
select count(*) as left_over from products where id = 2000000;
begin;
insert into products values (2000000, 'x', 1);
truncate products;
commit;
select count(*) as left_over from products where id = 2000000;
select 'a' \; select 'b' \; select 'c';
select email from customers where id = 1;
copy products (id, name, price) from stdin;
2000001	a\tb	1
2000002	\N.	2
\.
\copy (select id from products where id between 2000001 and 2000002 order by 1) to stdout csv header
\d products
\df lower
\set FETCH_COUNT 2
select id from customers where id < 6 order by id;
\unset FETCH_COUNT
select 'select ' || n from generate_series(10, 11) as n \gexec
select name from products where id = 2000001 \gdesc
delete from products where id in (2000001, 2000002);
"""
LATER = r"""
\bind 41
select $1::int + 1 as bound \g
select $1::int + 2 as named \parse again
\bind_named again 40 \g
\startpipeline
select 1 \bind \sendpipeline
truncate products \bind \sendpipeline
select 2 \bind \sendpipeline
\endpipeline
select 'and on';
"""


class Psql(LiveCase):
    options = Options(more={"guardrails.d/90-test.toml": MASKS})

    def both(self, version: Version, text: str) -> str:
        """Output and messages, one after the other as psql printed them."""
        words = ("-X", "-q", "-P", "pager=off", "-o", "/dev/stdout", "-v", "ON_ERROR_STOP=0")
        done = ran(self.stage, version, "psql", *words, address(self.stage), given=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout + done.stderr

    def test_session(self) -> None:
        """A script of everything that psql has commands for: the same answers with 15 and 18."""
        for version in (machines(), eighteen()):
            shown = self.both(version, SESSION)
            wanted = (
                r"TLSv1\.3",
                r"word \| one",
                r"ERROR:  22012: division by zero",
                r"after",
                r"ERROR:  23505: duplicate key",
                r"ERROR:  25P02: current transaction is aborted",
                r"left_over \n-+\n +0",
                r"ERROR:  ZG001: Schema changes go through migrations",
                r"\*{17}\.com",
                r"id\n2000001\n2000002",
                r'"products_pkey" PRIMARY KEY, btree \(id\)',
                r"pg_catalog \| lower",
                r"\n  5\n\(5 rows\)",
                r"\?column\? \n-+\n +11",
                r" name   \| text",
            )
            for pattern in wanted:
                self.assertRegex(shown, pattern, version.name)
            self.assertNotIn("not run", shown)
            self.assertEqual(len(re.findall("left_over \n-+\n +0", shown)), 2, shown)
            (detail,) = re.findall(r"DETAIL:  (\{.*\})", shown)
            self.assertEqual(json.loads(detail)["decision"], "refused")

    def test_what_18_adds(self) -> None:
        """Bound parameters, named statements, and a pipeline with a refusal in it."""
        shown = self.both(eighteen(), LATER)
        for pattern in (r"bound \n-+\n +42", r"named \n-+\n +42", r"Schema changes go through", r"and on"):
            self.assertRegex(shown, pattern)
