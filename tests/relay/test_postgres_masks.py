"""A policy's masks on what a target sends, through the relay: plain values, any cut."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.answer import Answer
from hoopgw.policy.facts import Copy, Output
from hoopgw.policy.layouts import Layouts
from hoopgw.policy.mask_traces import Shown
from hoopgw.policy.masks import SqlMasks
from hoopgw.relay.postgres_mask_types import masked_by_column, searched
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.wire.masking import Action, ValueMask
from hoopgw.wire.pgmessages import message
from hoopgw.wire.scanners import Scanner
from hoopgw.wire.showing import Hashes
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


def kind_of(document: bytes) -> type:
    found = type(json.loads(document))
    return int if found is float else found


class Json(SynchronousTestCase):
    def shown(self, action: Action | None, value: bytes) -> bytes:
        assert action is not None
        found = ValueMask(Scanner(31), Hashes(b"key")).of(action, value)
        assert found is not None
        return found

    def test_a_document_that_is_a_number(self) -> None:
        """must-survive 19: a card's number without anything around it, or in a list, stays a number of JSON in every
        format, and is none of a card."""
        for number in (b"4000001234567899", b"-4000001234567899", b"4000001234567899.5", b"4000001234567899e2"):
            for text in (number, b"[%b, 1]" % number, b'{"\\u0061": %b}' % number):
                for kind, binary in ((114, 0), (114, 1), (3802, 0), (3802, 1)):
                    version = b"\x01" if kind == 3802 and binary else b""
                    actions = [
                        masked_by_column(Layouts(None), kind, binary, show) for show in ("none", "last4", "hash")
                    ]
                    for action in (searched(Layouts(None), kind, binary), *actions):
                        found = self.shown(action, version + text)
                        self.assertTrue(found.startswith(version))
                        self.assertIs(kind_of(found[len(version) :]), kind_of(text))
                        self.assertNotIn(b"4567", found)
                        self.assertEqual(Scanner(31).spans(found, 0, len(found)), [])


class Copied(SynchronousTestCase):
    def test_another_count_of_fields(self) -> None:
        """must-survive 19: where the target's rows have other fields than were followed, none is shown: which of them
        is masked is not known."""
        copy = Copy(fields=(Output("id", 7, 1, 23), Output("email", 7, 2, 25)))
        shown = Shown("", "id"), Shown("none", "email")
        chosen = SqlMasks({}, (), frozenset(), frozenset(), False, copy, MaskBuilder(b"key"), shown)
        for fields, line in ((2, b"1\t**\t\\N\n"), (3, b"\\N\t\\N\t\\N\n"), (1, b"\\N\t\\N\t\\N\n")):
            self.assertEqual(chosen.copy_mask(1 << 20, fields).feed(b"1\tKL\tKL\n"), line)


COUNT = message(b"T", b"\0\2" + (b"n\0" + bytes(6) + (20).to_bytes(4, "big") + b"\xff" * 6 + b"\0\0") * 2)


class Followed(SynchronousTestCase):
    """Output columns that are masked by position, because what they depend on was followed."""

    def told(self, sent: bytes, places: dict[int, tuple[Shown, ...]]) -> bytes:
        chosen = SqlMasks({}, (), frozenset(), frozenset(), build=MaskBuilder(b"key"), places=places)
        session = Session(relay(), always(Answer(masks=chosen)))
        session.client(query(b"select 1; select 2; select 3"))
        return to_client(session.target(sent))

    def test_each_statement_has_its_own(self) -> None:
        """Of several statements in one text each has its own columns, whether or not the others show rows."""
        one, done = COUNT + row(b"1", b"2"), complete(b"SELECT 1")
        computed = (Shown("", "n"), Shown("whole", ""))
        masked = COUNT + row(b"1", None)
        for sent, places, wanted in (
            (one + done, {0: computed}, masked + done),
            (one + done + one + done + one + done, {1: computed}, one + done + masked + done + one + done),
            (complete(b"BEGIN") + one + done + complete(b"COMMIT"), {1: computed}, None),
            (complete(b"COPY 3") + complete(b"NOTIFY") + one + done, {2: computed}, None),
        ):
            wanted = wanted or sent.replace(one, masked)
            self.assertEqual(self.told(sent + ready(), places), wanted + ready())

    def test_another_result_than_was_followed(self) -> None:
        """A result with more, fewer or other columns than were followed shows nothing: its table was changed."""
        sent = COUNT + row(b"1", b"2") + complete(b"SELECT 1") + ready()
        nothing = sent.replace(row(b"1", b"2"), row(None, None))
        shown, masked = Shown("", "n"), Shown("whole", "n")
        for followed in ((masked,), (shown, shown, masked), (Shown("", "m"), masked), ()):
            self.assertEqual(self.told(sent, {0: followed}), nothing)
        self.assertEqual(
            self.told(sent, {0: (Shown("", "\u00e9"), masked)}), sent.replace(row(b"1", b"2"), row(b"1", None))
        )

    def test_strictest_of_both(self) -> None:
        """Where the target names a masked column too, the stricter of both is shown."""
        sent = description() + row(b"1", b"a", b"secret", BORN) + complete(b"SELECT 1") + ready()
        for how, followed, wanted in (
            ("last4", "whole", None),
            ("none", "last4", b"******"),
            ("last4", "none", b"******"),
            ("none", "", b"******"),
        ):
            columns = tuple(Shown(followed if name == b"email" else "", name.decode()) for name in COLUMNS)
            chosen = SqlMasks({(7, 3): how}, (), frozenset(), frozenset(), build=MaskBuilder(b"k"), places={0: columns})
            session = Session(relay(), always(Answer(masks=chosen)))
            session.client(query(b"select"))
            told = to_client(session.target(sent))
            self.assertEqual(told, sent.replace(row(b"1", b"a", b"secret", BORN), row(b"1", b"a", wanted, BORN)))
