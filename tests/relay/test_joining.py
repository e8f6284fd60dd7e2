"""Runs of bytes that go on as one."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.relay.effects import Effect, PauseClient, ToClient, ToTarget
from hoopgw.relay.joining import MOST, joined

_BYTES = st.binary(max_size=5)
_STEPS = st.lists(st.tuples(st.sampled_from((ToClient, ToTarget, PauseClient)), _BYTES, st.none() | _BYTES))


class Runs(SynchronousTestCase):
    @given(_STEPS)
    def test_nothing_is_another(self, steps: list[tuple[type, bytes, bytes | None]]) -> None:
        """Each side gets the same bytes, so does the journal, and what stands between them stays there."""
        effects: list[Effect] = [kind() if kind is PauseClient else kind(data, kept) for kind, data, kept in steps]
        found = joined(effects)
        self.assertEqual(self.shown(found), self.shown(effects))
        kinds = [type(effect) for effect in found]
        self.assertFalse([1 for one, other in pairwise(kinds) if one is other is not PauseClient])

    def shown(self, effects: list[Effect]) -> list[tuple[type, int]]:
        """Byte by byte."""
        found: list[tuple[type, int]] = []
        for effect in effects:
            if isinstance(effect, ToClient | ToTarget):
                found += [(type(effect), byte) for byte in effect.data]
            else:
                found.append((type(effect), 0))
        for kind in (ToClient, ToTarget):
            sent = [e for e in effects if isinstance(e, kind)]
            kept = b"".join(e.data if e.recorded is None else e.recorded for e in sent)
            found += [(kind, byte) for byte in kept]
        return found

    def test_bound(self) -> None:
        """A run is not longer than a reader of the journal wants to take apart at once."""
        found = joined([ToClient(bytes(MOST // 2), b"a") for _ in range(20)])
        self.assertEqual(max(len(e.data) for e in found if isinstance(e, ToClient)), MOST // 2 * 3)

    def test_alone(self) -> None:
        """One effect is what it was."""
        for effect in (ToClient(b"a"), PauseClient()):
            self.assertIs(joined([effect])[0], effect)
