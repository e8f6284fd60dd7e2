"""What COPY shows of masked columns can be read back as the column's own type, in each format."""

from __future__ import annotations

from typing import ClassVar

import psycopg

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase

MASKS = """
[mask.people]
columns = ["customers.email", "orders.placed", "orders.pieces"]
show = "none"
"""


class Copied(LiveCase):
    options: ClassVar[Options] = Options(more={"guardrails.d/90-test.toml": MASKS})

    def copied(self, text: str) -> bytes:
        with self.connect().cursor() as cursor, cursor.copy(text) as copy:
            return b"".join(bytes(piece) for piece in copy)

    def test_every_format(self) -> None:
        """Text keeps its length in binary too; a date and a number are constants of their types, not stars."""
        select = (
            "(SELECT email, placed, pieces FROM orders JOIN customers ON customers.id = customer WHERE orders.id = 1)"
        )
        with psycopg.connect(self.stage.cluster.url("postgres", self.stage.cluster.password, "shop")) as connection:
            found = connection.execute(select[1:-1]).fetchone()
            assert found is not None
            stars = b"*" * len(found[0])
        for options, begin in (("", stars + b"\t"), (" WITH (FORMAT csv)", stars + b",")):
            line = self.copied(f"COPY {select} TO STDOUT{options}")
            self.assertTrue(line.startswith(begin + b"2000-01-01"), line)
            self.assertTrue(line.endswith(begin[-1:] + b"0\n"), line)
            self.assertNotIn(found[0].encode(), line)
        binary = self.copied(f"COPY {select} TO STDOUT WITH (FORMAT binary)")
        self.assertEqual(binary[19:21], b"\0\3")
        self.assertEqual(binary[21:].find(len(stars).to_bytes(4, "big") + stars), 0)
        self.assertNotIn(found[0].encode(), binary)
        self.assertTrue(binary.endswith(b"\0\0\0\4\0\0\0\0" + b"\xff\xff"), binary)
