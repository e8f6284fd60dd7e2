"""How a session begins on record: its index row, which the first entry of its recording can give again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from hoopgw import __version__
from hoopgw.auth.access import Access
from hoopgw.model.errors import RecordingFailed
from hoopgw.session.deciding import PATIENCE, ROOM
from hoopgw.store.interface import SessionRow


def new_row(id: str, gateway: str, access: Access, client: str, policy: str, now: float) -> SessionRow:
    """`client` is an address, `policy` a digest, `now` a POSIX time."""
    identity = access.identity
    return SessionRow(
        id=id,
        gateway=gateway,
        protocol=access.target.protocol,
        issuer=identity.issuer,
        subject=identity.subject,
        groups=tuple(sorted(identity.groups)),
        target=access.target.name,
        database=access.database,
        role=access.role.name,
        client=client,
        policy=policy,
        opened=now,
    )


def described(row: SessionRow, access: Access, more: dict[str, Any]) -> dict[str, Any]:
    """What an OPEN entry says; `more` is what the protocol's edge adds."""
    return {
        "session": row.id,
        "gateway": row.gateway,
        "version": __version__,
        "protocol": row.protocol,
        "identity": access.identity.described(),
        "target": row.target,
        "database": row.database,
        "role": row.role,
        "grant": access.grant.name,
        "client": row.client,
        "policy": row.policy,
        "opened": row.opened,
        **more,
    }


def row_of(opening: dict[str, Any]) -> SessionRow | None:
    """The first row again, from an OPEN entry; None where that is no opening."""
    try:
        identity = opening["identity"]
        return SessionRow(
            id=opening["session"],
            gateway=opening["gateway"],
            protocol=opening["protocol"],
            issuer=identity["issuer"],
            subject=identity["subject"],
            groups=tuple(identity["groups"]),
            target=opening["target"],
            database=opening["database"],
            role=opening["role"],
            client=opening["client"],
            policy=opening["policy"],
            opened=opening["opened"],
        )
    except KeyError:
        return None


async def room_for(has_room: Callable[[], bool], clock: IReactorTime) -> None:
    """Returns once there is room: a login waits for it as a statement does.  Raises RecordingFailed after PATIENCE."""
    begun = clock.seconds()
    while not has_room():
        if clock.seconds() - begun > PATIENCE:
            raise RecordingFailed(f"the spool had no room for {PATIENCE:.0f} seconds")
        await deferLater(clock, ROOM, lambda: None)
