"""What a PostgreSQL client's words for a place mean: TARGET, TARGET/DATABASE, and a host name that is a target's."""

from __future__ import annotations

from typing import Final

from hoopgw.model.errors import LoginRefused

MAX_HOST: Final = 255  # octets of a name (RFC 1035, 2.3.4)


def target_of_host(host: str, domain: str) -> str:
    """The target that `TARGET.DOMAIN` names, which TLS brings as SNI; "" for any other name.  In small letters."""
    if not domain or len(host) > MAX_HOST:
        return ""
    name = host.lower().rstrip(".")
    target = name.removesuffix("." + domain.lower())
    return target if target != name else ""


def places(said: str, host: str) -> tuple[str, str]:
    """(target, database) of a dbname; an empty database is the target's own.  `host` is what `target_of_host` gave.

    `TARGET/DATABASE`, or with `%2F` as JDBC has to write it.  Without: `TARGET`, or a database where the host names the
    target.  A target that is not the host's is given as it is: who may see that is known once the token is.
    """
    for separator in ("/", "%2F", "%2f"):
        target, found, database = said.partition(separator)
        if found:
            if not target or not database:
                raise LoginRefused("a database is named as TARGET/DATABASE", detail="parameter")
            return target, database
    if not host or said == host:
        return said, ""
    return host, said
