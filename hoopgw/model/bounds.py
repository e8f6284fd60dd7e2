"""What a certificate lets its holder do at most.  A grant is needed beside it: this only takes away."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """`permits` are names of OpenSSH's extensions: "permit-pty", "permit-port-forwarding", …"""

    command: bytes | None = None  # the only thing that may be run
    permits: frozenset[str] = frozenset()

    def described(self) -> dict[str, object]:
        """For events and journals."""
        command = {} if self.command is None else {"command": self.command.decode("utf-8", "backslashreplace")}
        return {**command, "permits": sorted(self.permits)}
