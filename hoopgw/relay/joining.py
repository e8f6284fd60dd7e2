"""Effects that a read of many small messages makes -> as few: an entry of the journal and a write for a run of them."""

from __future__ import annotations

from typing import Final

from hoopgw.relay.effects import Effect, ToClient, ToTarget

MOST: Final = 16 * 1024  # bytes of one run: whoever replays it takes it apart again, message by message


def joined(effects: list[Effect]) -> list[Effect]:
    """The same bytes in the same order, to the sides and to the journal."""
    if len(effects) < 2:
        return effects
    found: list[Effect] = []
    data: list[bytes] = []  # of the run in hand
    recorded: list[bytes] = []
    size = 0
    to_client = False
    for effect in effects:
        if isinstance(effect, ToClient):
            here, kept, side = effect.data, effect.recorded, True
        elif isinstance(effect, ToTarget):
            here, kept, side = effect.data, effect.recorded, False
        else:
            _end(found, data, recorded, to_client)
            data, recorded, size = [], [], 0
            found.append(effect)
            continue
        if side is not to_client or size > MOST:
            _end(found, data, recorded, to_client)
            data, recorded, size = [], [], 0
        to_client = side
        data.append(here)
        recorded.append(here if kept is None else kept)
        size += len(here)
    _end(found, data, recorded, to_client)
    return found


def _end(found: list[Effect], data: list[bytes], recorded: list[bytes], to_client: bool) -> None:
    if data:
        whole, kept = b"".join(data), b"".join(recorded)
        found.append(ToClient(whole, kept) if to_client else ToTarget(whole, kept))
