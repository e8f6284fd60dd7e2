"""A policy's masks on what a target sends, through the relay: plain values, any cut."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import Answer
from hoopgw.policy.masks import SqlMasks
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.wire.pgmessages import message
from tests.relay.pgbytes import Session, always, complete, query, ready, relay, row, to_client

COLUMNS = (b"id", b"name", b"email", b"born")
DATE = 1082
BORN = b"1999-12-31"


def description() -> bytes:
    """Four columns of table 7, text but for the last, a date."""
    fields = b""
    for number, name in enumerate(COLUMNS, 1):
        kind = DATE if name == b"born" else 25
        fields += name + b"\0\0\0\0\7" + number.to_bytes(2, "big") + kind.to_bytes(4, "big") + b"\xff" * 6 + b"\0\0"
    return message(b"T", len(COLUMNS).to_bytes(2, "big") + fields)


def masks(patterns: frozenset[str], **show: str) -> SqlMasks:
    columns = {(7, COLUMNS.index(name.encode()) + 1): how for name, how in show.items()}
    return SqlMasks(columns, (), patterns, frozenset(), build=MaskBuilder(b"key"))


ROWS = [
    (b"%d" % n, b"card 4000 0012 3456 7899 of %d" % n, b"secret%d@example.org" % n, b"1999-12-31") for n in range(9)
]
SENT = description() + b"".join(row(*each) for each in ROWS) + complete(b"SELECT 9") + ready()


class Masks(SynchronousTestCase):
    def told(self, chosen: SqlMasks, places: list[int]) -> bytes:
        session = Session(relay(), always(Answer(masks=chosen)))
        session.client(query(b"select"))
        edges = [0, *sorted({place % len(SENT) for place in places} - {0}), len(SENT)]
        return b"".join([to_client(session.target(SENT[a:b])) for a, b in pairwise(edges)])

    def expected(self, email: bytes | None, born: bytes) -> bytes:
        rows = [
            row(one, b"card ******************* of " + one, b"*" * len(mail) if email is None else email, born)
            for one, _, mail, _ in ROWS
        ]
        return description() + b"".join(rows) + complete(b"SELECT 9") + ready()

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.integers(0, 2000)))
    def test_any_cut(self, places: list[int]) -> None:
        """must-survive 19: at the same length and at another, cut anywhere: the same rows, no byte of a value."""
        searched = frozenset(("email", "payment-card", "us-ssn", "iban", "uk-nino"))
        for chosen, wanted in (
            (masks(searched), self.expected(None, BORN)),
            (masks(searched, email="none"), self.expected(None, BORN)),
            (masks(searched, email="none", born="none"), self.expected(None, b"2000-01-01")),
        ):
            self.assertEqual(self.told(chosen, places), wanted)
        hashed = self.told(masks(searched, email="hash"), places)
        self.assertEqual(hashed, self.told(masks(searched, email="hash"), []))
        self.assertNotIn(b"secret", hashed)
        self.assertEqual(hashed.count(b"\0\0\0\x10"), len(ROWS))
