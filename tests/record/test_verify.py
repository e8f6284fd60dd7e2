"""The verifier, over chains made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.record.chunks import DATA, SEAL, Chunk, Damage
from hoopgw.record.entries import Kind
from hoopgw.record.verify import (
    ON,
    Known,
    Result,
    SessionVerifier,
    against_head,
    known_sessions,
    missing,
)
from tests.record.chains_for_tests import Maker, as_read, chained_anew, session

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OLD = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
NAME, RAW = "s_one", b"1" * 16


def verified(chunks: Sequence[Chunk | Damage], known: Known | None = None, key: Ed25519PrivateKey = KEY) -> Result:
    verifier = SessionVerifier(NAME, RAW, key.public_key(), known)
    for chunk in chunks:
        verifier.take(chunk)
    return verifier.result()


class Verifying(SynchronousTestCase):
    """must-survive 61: the verifier names the first bad chunk and the operations it covers, each time."""

    def setUp(self) -> None:
        self.maker = session(KEY, NAME, RAW)
        self.chunks = self.maker.chunks
        last = self.chunks[-1]
        self.known = Known(True, False, last.header.number, last.digest().hex())

    def bad(self, chunks: list[Chunk], known: Known | None = None) -> tuple[int, tuple[int, int]]:
        found = verified(chunks, known)
        self.assertFalse(found.good, found)
        self.assertIn(f"chunk {found.chunk}", found.words())
        return found.chunk, found.operations

    def test_untouched(self) -> None:
        """What was not changed verifies, with and without the gateway journal."""
        for known in (None, self.known):
            found = verified(self.chunks, known)
            self.assertEqual((found.problem, found.final, found.sealed, found.chunks), ("", True, 14, 15))
            self.assertEqual(found.digest, self.known.digest)
            self.assertIn("closed and sealed", found.words())

    def test_flip(self) -> None:
        """Any bit of any chunk, in its body or what stands behind it."""
        for index, chunk in enumerate(self.chunks):
            for at in (0, len(chunk.body) // 2, len(chunk.body) - 1):
                body = bytearray(chunk.body)
                body[at] ^= 1
                flipped = Chunk(chunk.header, bytes(body), chunk.check)
                covers = chunk.header.first_operation, chunk.header.last_operation
                self.assertEqual(self.bad([*self.chunks[:index], flipped, *self.chunks[index + 1 :]]), (index, covers))

    def test_flip_in_header(self) -> None:
        """Every field of the header is covered."""
        for name in ("session", "number", "before", "first_entry", "last_entry", "first_operation", "last_operation",
                     "first_time", "last_time", "raw"):  # fmt: skip
            header = self.chunks[3].header
            value = getattr(header, name)
            other = bytes([value[0] ^ 1]) + value[1:] if isinstance(value, bytes) else value ^ 1
            flipped = Chunk(header._replace(**{name: other}), self.chunks[3].body, self.chunks[3].check)
            self.assertEqual(self.bad([*self.chunks[:3], flipped, *self.chunks[4:]])[0], 3, name)

    def test_changed_and_chained_anew(self) -> None:
        """Somebody without the key puts every digest right again: the next seal tells, with what it covers."""
        header = self.chunks[4].header._replace(last_time=99)
        changed = [*self.chunks[:4], as_read(Chunk(header, self.chunks[4].body)), *self.chunks[5:]]
        self.assertEqual(self.bad(chained_anew(changed, 5)), (3, (3, 4)))

    def test_changed_alone(self) -> None:
        """A chunk made anew with its own check right: what follows names it."""
        header = self.chunks[4].header._replace(last_time=99)
        changed = [*self.chunks[:4], as_read(Chunk(header, self.chunks[4].body)), *self.chunks[5:]]
        self.assertEqual(self.bad(changed), (4, (4, 4)))

    def test_seal_changed(self) -> None:
        """All of a seal's chunk is signed, by itself or by what the chain says."""
        for name in (
            "first_entry",
            "last_entry",
            "first_operation",
            "last_operation",
            "first_time",
            "last_time",
            "raw",
        ):
            header = self.chunks[2].header._replace(**{name: 99})
            changed = as_read(Chunk(header, self.chunks[2].body))
            self.assertEqual(self.bad([*self.chunks[:2], changed, *self.chunks[3:]]), (2, (1, 2)), name)

    def test_order_and_absence(self) -> None:
        """Left out, doubled, swapped: the place where the right one is missing, and the operations that it had."""
        whole = self.chunks
        self.assertEqual(self.bad([*whole[:3], *whole[4:]]), (3, (3, 3)))
        self.assertEqual(self.bad([*whole[:3], *whole[7:]]), (3, (3, 5)))
        self.assertEqual(self.bad([*whole[:4], whole[3], *whole[4:]])[0], 4)
        self.assertEqual(self.bad([*whole[:3], whole[4], whole[3], *whole[5:]]), (3, (3, 3)))
        self.assertEqual(self.bad(whole[1:])[0], 0)

    def test_spliced(self) -> None:
        """A chunk of another session of the same gateway, as it is and made to fit."""
        other = session(KEY, "s_two", b"2" * 16).chunks
        self.assertEqual(self.bad([*self.chunks[:3], other[3], *self.chunks[4:]])[0], 3)
        fitted = as_read(Chunk(other[3].header._replace(session=RAW), other[3].body))
        self.assertEqual(self.bad([*self.chunks[:3], fitted, *self.chunks[4:]])[0], 3)
        sealed = as_read(Chunk(other[2].header._replace(session=RAW, before=self.chunks[1].digest()), other[2].body))
        self.assertEqual(self.bad([*self.chunks[:2], sealed]), (2, (1, 2)))

    def test_cut(self) -> None:
        """The end cut off, at a seal or behind one: the gateway journal tells, and from which operation on."""
        for left in range(1, len(self.chunks)):
            alone = verified(self.chunks[:left])
            self.assertTrue(alone.good)
            self.assertIn("not closed", alone.words())
            chunk, (_, last) = self.bad(self.chunks[:left], self.known)
            self.assertEqual((chunk, last), (left, ON))
            self.assertIn("cut", verified(self.chunks[:left], self.known).problem)

    def test_unsigned_tail(self) -> None:
        """What no seal covers yet is said; a changed one in it is found by the chain all the same."""
        found = verified(self.chunks[:5])
        self.assertEqual((found.sealed, found.chunks), (2, 5))
        self.assertIn("2 chunks behind that are not sealed yet", found.words())

    def test_made_anew_with_the_key(self) -> None:
        """Who has the key seals another story: the gateway journal knows the seal that was."""
        other = Maker(KEY, NAME, RAW)
        for number in range(1, 11):
            other.ask(number)
            if number % 2 == 0:
                other.note(code="never happened") if number == 4 else None
                other.seal(final=number == 10)
        self.assertTrue(verified(other.chunks).good)
        self.assertFalse(verified(other.chunks, replace(self.known, chunk=other.chunks[-1].header.number)).good)

    def test_old_key(self) -> None:
        """Sealed with another key, such as one of before: the first seal names both."""
        found = verified(session(OLD, NAME, RAW).chunks)
        self.assertEqual((found.chunk, found.operations), (2, (1, 2)))
        self.assertIn("its signature is that of key", found.problem)

    def test_behind_the_end(self) -> None:
        """Nothing stands behind the final seal."""
        self.maker.ask(11)
        self.assertEqual(self.bad(self.maker.chunks), (15, (11, 11)))

    def test_entries(self) -> None:
        """A chunk lacks an entry, though its digest and the chain were made to fit: it is no chunk of the gateway's."""
        maker = Maker(KEY, NAME, RAW)
        maker.ask(1)
        maker.entry += 1
        maker.ask(2)
        self.assertEqual(self.bad(maker.chunks), (1, (2, 2)))

    def test_unreadable(self) -> None:
        """Bytes where the next chunk must begin: named by the number it must have."""
        verifier = SessionVerifier(NAME, RAW, KEY.public_key())
        for chunk in self.chunks[:4]:
            verifier.take(chunk)
        verifier.take(Damage(400, 10))
        self.assertEqual((verifier.result().chunk, verifier.result().operations), (4, (4, ON)))
        verifier.take(self.chunks[6])
        self.assertEqual((verifier.result().chunk, verifier.result().operations), (4, (4, 4)))
        self.assertIn("10 bytes at offset 400", verifier.result().problem)

    def test_bytes_between(self) -> None:
        """What was put between two chunks without taking one away."""
        found = verified([*self.chunks[:4], Damage(400, 10), *self.chunks[4:]])
        self.assertEqual((found.chunk, found.operations), (4, (4, 4)))

    def test_torn(self) -> None:
        """A last chunk that is not whole, as a crash leaves it, is said; it is no fault of what is there."""
        found = verified([*self.chunks[:4], Damage(400, 10, torn=True)])
        self.assertTrue(found.good)
        self.assertIn("not whole", found.words())

    def test_missing_before_a_seal(self) -> None:
        """A seal holds no operation: those before it are the missing chunk's."""
        self.assertEqual(self.bad([*self.chunks[:4], *self.chunks[5:]]), (4, (4, 4)))
        self.assertEqual(self.bad([*self.chunks[:3], *self.chunks[5:]]), (3, (3, 4)))

    def test_replaced_key(self) -> None:
        """An earlier key counts up to the first seal of a later one: who has it cannot go on with the chain."""
        keys = KEY.public_key(), OLD.public_key()
        maker = Maker(OLD, NAME, RAW)
        maker.ask(1)
        maker.seal()
        old = SessionVerifier(NAME, RAW, keys)
        for chunk in maker.chunks:
            old.take(chunk)
        self.assertTrue(old.result().good)
        self.assertIn("with the earlier key", old.result().words())
        for key in (KEY, OLD):
            maker.key = key
            maker.ask(maker.operation + 1)
            maker.seal()
        again = SessionVerifier(NAME, RAW, keys)
        for chunk in maker.chunks[:4]:
            again.take(chunk)
        self.assertTrue(again.result().good)
        self.assertNotIn("earlier", again.result().words())
        for chunk in maker.chunks[4:]:
            again.take(chunk)
        self.assertEqual((again.result().chunk, again.result().operations), (5, (3, 3)))
        self.assertIn("was replaced", again.result().problem)

    def test_pieces(self) -> None:
        """A piece of a large entry that is not there is missed, though the others are in order."""
        for numbers, good in (((0, 1, 2), True), ((0, 2, 3), False), ((1, 2, 3), False), ((0, 1, 1), False)):
            maker = Maker(KEY, NAME, RAW)
            maker.pieces(Kind.TO_CLIENT, [(number, b"x") for number in numbers])
            self.assertEqual(verified(maker.chunks).good, good, numbers)

    def test_nothing(self) -> None:
        """No chunk is no recording, but of a session that was retired."""
        self.assertFalse(verified([]).good)
        self.assertTrue(verified([], Known(True, True, 3, "x")).good)


class GatewayJournal(SynchronousTestCase):
    def journal(self) -> Maker:
        maker = Maker(KEY, "gateway", bytes(16))
        maker.note(event="opened", session="s_one", time=1)
        maker.note(event="opened", session="s_two", time=1)
        maker.note(event="sealed", session="s_one", chunk=2, digest="aa", time=2)
        maker.note(event="open", sessions=["s_one", "s_two"], time=3)
        maker.note(event="closed", session="s_two", chunk=5, digest="bb", time=4)
        maker.note(event="retired", session="s_two", time=5)
        maker.seal()
        return maker

    def test_known(self) -> None:
        """What it says of each session; events that are about none are stepped over."""
        known = known_sessions(self.journal().chunks)
        self.assertEqual(known, {"s_one": Known(False, False, 2, "aa"), "s_two": Known(True, True, 5, "bb")})

    def test_missing(self) -> None:
        """must-survive 61: a session of which nothing is there is missing, unless it was retired."""
        known = known_sessions(self.journal().chunks)
        self.assertEqual([result.session for result in missing(known, set())], ["s_one"])
        self.assertEqual(missing(known, {"s_one"}), [])

    def test_rolled_back(self) -> None:
        """must-survive 61: a store put back to an earlier day, all of it: the head that was noted elsewhere tells."""
        maker = self.journal()
        head = maker.chunks[-1]
        verifier = SessionVerifier("gateway", bytes(16), KEY.public_key())
        for chunk in maker.chunks[:3]:
            verifier.take(chunk)
        earlier = verifier.result()
        self.assertTrue(earlier.good)
        self.assertIn("rolled back", against_head(earlier, head.header.number, "", head.digest().hex()).problem)
        self.assertIn("another", against_head(earlier, 6, "00", head.digest().hex()).problem)
        self.assertTrue(against_head(earlier, 6, head.digest().hex(), head.digest().hex()).good)

    def test_junk(self) -> None:
        """A note that is none is an error of the journal, not a crash."""
        maker = Maker(KEY, "gateway", bytes(16))
        for payload in (b"[]", b"{", b"1", b"{}"):
            chunk = maker.data((Kind.NOTE, payload))
            self.assertRaises(MalformedFrame, known_sessions, [chunk])


class Kinds(SynchronousTestCase):
    def test_unknown_kind(self) -> None:
        """A chunk of a kind that there is none of is bad, not skipped."""
        maker = session(KEY, NAME, RAW)
        odd = as_read(Chunk(maker.chunks[3].header._replace(kind=9), maker.chunks[3].body))
        self.assertEqual(verified([*maker.chunks[:3], odd]).chunk, 3)
        self.assertEqual({chunk.header.kind for chunk in maker.chunks}, {DATA, SEAL})
