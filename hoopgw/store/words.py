"""What one approver's word makes of a hold.  Pure: each provider runs it inside a transaction of its own."""

from __future__ import annotations

from dataclasses import replace

from hoopgw.store.interface import Decided, Hold, HoldState


def with_word(hold: Hold, word: Decided, group_sets: tuple[int, ...], now: float) -> Hold:
    """The hold after `word`; the same object where the word changes nothing.

    One denial denies.  A second word of the same identity changes nothing.  A hold that is not WAITING stays as it is;
    one whose time is up becomes EXPIRED.
    """
    if hold.state is not HoldState.WAITING:
        return hold
    if now >= hold.expires:
        return replace(hold, state=HoldState.EXPIRED)
    if any((word.issuer, word.subject) == (said.issuer, said.subject) for said in hold.decided):
        return hold
    sets = tuple(sorted({number for number in group_sets if 0 <= number < len(hold.approvers)}))
    if not sets:  # a word that belongs to no set decides nothing, whoever let it come this far
        return hold
    decided = (*hold.decided, replace(word, sets=sets))
    if not word.approved:
        return replace(hold, state=HoldState.DENIED, decided=decided)
    state = HoldState.APPROVED if _complete(hold, decided) else HoldState.WAITING
    return replace(hold, state=state, decided=decided)


def _complete(hold: Hold, decided: tuple[Decided, ...]) -> bool:
    """Every set has as many different identities as it needs.  No sets at all is never complete."""
    if not hold.approvers or len(hold.counts) != len(hold.approvers):
        return False
    return all(
        sum(1 for word in decided if word.approved and number in word.sets) >= max(1, needed)
        for number, needed in enumerate(hold.counts)
    )
