"""What a PostgreSQL client sets as it logs in is judged as the SET that it stands for."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred

from hoopgw.model.errors import LoginRefused
from hoopgw.model.operation import QUERY, Operation
from hoopgw.model.verdict import together
from hoopgw.policy import search_path
from hoopgw.relay.postgres_settings import PASSED, refused
from hoopgw.session.interfaces import IJudge


def judged_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Those of a login's settings that are judged."""
    return {name: value for name, value in settings.items() if name not in PASSED}


async def started(judge: IJudge, settings: Mapping[str, str]) -> dict[str, str]:
    """What the session's names mean by these is known to `judge` from now on.  Gives them as the record may have them.

    Raises LoginRefused for one that a rule refuses, or has somebody asked about: nobody waits at login.
    """
    shown: dict[str, str] = {}
    for name, value in settings.items():
        verdict = judge.judge(Operation("postgresql", QUERY, as_set(name, value)))
        if isinstance(verdict, Deferred):
            verdict = await verdict
        if verdict.refusals:
            raise _refused(name, together(each.reason for each in verdict.refusals))
        if verdict.holds:
            raise _refused(name, "needs an approval: SET it once connected")
        shown[name] = verdict.recorded.decode() if verdict.redact else value
    return shown


def as_set(name: str, value: str) -> bytes:
    """The statement, of a name that is one (`relay.postgres_settings.target_settings`)."""
    values = search_path.schemas(value) or ("",) if name == "search_path" else (value,)
    names = ".".join(f'"{part}"' for part in name.split("."))
    return f"SET {names} TO {', '.join(map(_quoted, values))}".encode()


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _refused(name: str, why: str) -> LoginRefused:
    return refused(name, why if why.startswith("needs") else f"is refused: {why}")
