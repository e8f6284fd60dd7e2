"""How a session begins on record: its index row, which the first entry of its recording can give again."""

from __future__ import annotations

from typing import Any

from hoopgw import __version__
from hoopgw.auth.access import Access
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
