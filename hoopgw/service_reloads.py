"""What becomes of reloads: what is read for one, what only a start takes up, and what the last one came to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hoopgw import config
from hoopgw.config_signing import SigningKeys, in_token
from hoopgw.model.answer import rfc3339
from hoopgw.model.settings import Settings
from hoopgw.service_secrets import Known, read_all

# settings that a start takes up
BOUND = ("name", "state", "listen", "store", "recordings", "limits", "mask_key", "identity_key")
MAX_REASON = 16 * 1024  # characters of why one was refused that are kept: some hundred mistakes


class Reloads:
    """Counts them, and knows what is still to be mended.

    loaded   configurations taken up, the start's among them
    kept     reloads that changed nothing
    """

    def __init__(self) -> None:
        self.loaded, self.kept = 1, 0
        self._refused: dict[str, str] | None = None
        self._needing: list[str] = []

    def taken(self, needing: list[str]) -> None:
        """`needing` a restart are these settings: they were changed in vain so far."""
        self.loaded += 1
        self._refused, self._needing = None, needing

    def refused(self, why: str, now: float) -> None:
        """The old configuration stays."""
        self.kept += 1
        self._refused = {"at": rfc3339(now), "reason": why[:MAX_REASON]}

    def shown(self) -> dict[str, Any]:
        """For `/v1/health`: `setup` looks at the counts, `doctor` at the rest."""
        found: dict[str, Any] = {"loaded": self.loaded, "kept": self.kept}
        if self._refused is not None:
            found["refused"] = self._refused
        if self._needing:
            found["restart"] = self._needing
        return found


def bound_at_start(before: Settings, after: Settings) -> tuple[Settings, list[str]]:
    """`after` with what only a start can change as it is in `before`; and the keys where they differ."""
    kept: dict[str, Any] = {name: getattr(before, name) for name in BOUND}
    kept["recordings"] = replace(before.recordings, retention=after.recordings.retention)
    merged = replace(after, **kept)
    needing = [name for name in kept if getattr(after, name) != getattr(merged, name)]
    return merged, [table for name in needing for table in (_tables(before, after) if name == "listen" else [name])]


def _tables(before: Settings, after: Settings) -> list[str]:
    """Of `listen`, which two tables of the file make: those that differ."""
    socket = after.listen.admin != before.listen.admin
    others = replace(after.listen, admin=before.listen.admin, admin_path=before.listen.admin_path) != before.listen
    return [*(["listen"] if others else []), *(["admin"] if socket else [])]


def load(path: str, keys: SigningKeys) -> tuple[config.Config, Known]:
    """What the files say, with its secrets.  Blocks.  Raises ConfigurationMistakes, HoopgwError."""
    loaded = config.load_whole(path)
    _open_tokens(loaded.settings, keys)
    return loaded, read_all(loaded)


def _open_tokens(settings: Settings, keys: SigningKeys) -> None:
    """Of the authorities, so that the reactor waits for none of them.  The other keys change at a start only."""
    for reference in (settings.ssh.login_authority, settings.ssh.target_authority):
        if settings.listen.ssh and reference is not None and in_token(reference):
            keys.token_key(reference)
