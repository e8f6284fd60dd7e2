"""What holds of SQL without any rule, and the words of what is refused so."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hoopgw.model.operation import EXECUTE, Operation
from hoopgw.model.verdict import Refusal, Verdict
from hoopgw.policy.facts import Facts
from hoopgw.policy.sql import Unreadable
from hoopgw.relay.postgres_settings import encoding_name

# Effects of what holds another statement: alone, that one is not known
WRAPPERS: Final = frozenset(("explain", "prepare"))
NO_CURSOR, NO_STATEMENT = "34000", "26000"  # invalid_cursor_name, invalid_sql_statement_name
DECLARED_HERE: Final = "PREPARE or DECLARE it in this session: what a function opened by itself is not known here"


def refused(guardrail: str, reason: str, would_pass: str = "") -> Verdict:
    return Verdict(refusals=(Refusal(guardrail, reason, would_pass),), keep=False)


def unseen(name: str) -> str:
    return f"{name!r} names nothing that was prepared or declared in this session"


def no_such(name: str, cursor: bool) -> Verdict:
    """In PostgreSQL's words: clients prepare anew when they read them.  It refuses most of these itself; what is left
    was prepared or declared where nobody looked (in the body of a function): no rule, budget or record would know what
    runs."""
    words = f'{"cursor" if cursor else "prepared statement"} "{name}" does not exist'
    sqlstate = NO_CURSOR if cursor else NO_STATEMENT
    return Verdict(refusals=(Refusal("built-in:names", words, DECLARED_HERE, sqlstate=sqlstate),), keep=False)


def of_names(verdict: Verdict, facts: Facts) -> Verdict:
    """`verdict`; of a text that does nothing but use a name nobody knows, without what rules are in doubt about."""
    (only, *more) = facts.statements or (None,)
    if only is None or more or not only.uses or only.defines:
        return verdict
    return replace(verdict, refusals=no_such(only.uses, "fetch" in only.effects).refusals, holds=())


def unreadable(operation: Operation, error: Unreadable) -> Verdict:
    if operation.text == b"\0":
        return no_such(operation.name.decode("utf-8", "replace"), operation.kind == EXECUTE)
    if error.position:  # the words that PostgreSQL itself would say: whoever reads them knows what to do
        return Verdict(refusals=(Refusal("built-in:grammar", error.words, position=error.position),), keep=False)
    return refused("built-in:grammar", f"it cannot be judged: {error.words}")


def built_in(facts: Facts) -> Verdict:
    """What holds without any rule: what text means must not shift under the judge, the grant's role stays the role, and
    what runs is known."""
    verdict = Verdict()
    for statement in facts.statements:
        reset = "reset" in statement.effects
        for name, value in statement.settings:
            reason = _pin(name, value, reset)
            if reason:
                verdict &= refused("built-in:settings", reason)
        if statement.uses:
            verdict &= no_such(statement.uses, "fetch" in statement.effects)
        if statement.unknown and statement.effects <= WRAPPERS:
            verdict &= refused("built-in:grammar", statement.unknown[0])
    return verdict


def _pin(name: str, value: str | None, reset: bool) -> str:
    if name == "*":
        return "which setting is changed cannot be known"
    if name == "standard_conforming_strings" and (value or "").lower() not in ("on", "true", "1", "yes") and not reset:
        return "standard_conforming_strings stays on: what a text means must not change under the judge"
    if name == "client_encoding" and not reset and (value is None or not encoding_name(value)):
        return "client_encoding cannot be set to that: its texts cannot be judged safely"
    if name in ("role", "session_authorization", "session authorization") and not reset:
        return f"{name} stays as the grant says; ask for another role at login"
    if name == "session_replication_role" and not reset:
        return "session_replication_role would switch off triggers and rules"
    return ""
