"""`hoopgw explain`: what the rules say of a statement, command or request, and which line says it.  Nothing runs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from hoopgw.auth.access import Access
from hoopgw.cli.configured import configured
from hoopgw.cli.output import json_option, print_fields, print_json
from hoopgw.model.errors import HoopgwError
from hoopgw.model.escaping import escaped
from hoopgw.model.identity import Identity
from hoopgw.model.verdict import Verdict

if TYPE_CHECKING:
    from hoopgw.config import Config
    from hoopgw.model.target import Target
    from hoopgw.policy.policyset import Selection


@click.command()
@click.option("--as", "subject", required=True, help="The identity's subject.")
@click.option("--groups", default="", help="Its groups, separated by commas.")
@click.option("--target", "target_name", required=True, help="The target's name.")
@click.option("--role", default="", help="One of the target's roles. Default: the first that a grant gives.")
@click.option("--database", default="", help="Default: the target's own.")
@click.option("--offline", is_flag=True, help="Do not read the target's catalogue: names stay unknown.")
@click.option("--shell", is_flag=True, help="SSH: a login shell in place of a command.")
@click.option("--header", "headers", multiple=True, help="HTTP: a header field, as 'X-Env: prod'; may be repeated.")
@click.option("--body", default="", help="HTTP: the request's body, or @FILE.")
@click.argument("sql", metavar="STATEMENT", default="")
@json_option
@click.pass_obj
def explain(
    settings: dict[str, str],
    /,
    subject: str,
    groups: str,
    target_name: str,
    role: str,
    database: str,
    offline: bool,
    shell: bool,
    headers: tuple[str, ...],
    body: str,
    sql: str,
    as_json: bool,
) -> None:
    """Verdict, rules with file and line, and why; what it touches, and through which views, bodies and triggers.

    Of an SQL statement, of a command where the target is an SSH host, or of an HTTP request: "POST /users?x=1".

    Reads the configuration, and the target's catalogue with the role's credential (so it needs to read the secrets of
    the configuration). Exit status 0: it would run as it is; 1: it would be refused or held, or nobody can say; 2:
    wrong use.
    """
    if bool(sql) == shell:
        raise click.UsageError("name a statement, command or request, or --shell")
    loaded = configured(settings)
    target = _target(loaded, target_name, shell, bool(headers or body))
    access = _access(loaded, target, _identity(loaded, subject, groups), role, database)
    if access is None:
        _answer(as_json, "no connection", [], "no grant lets this identity reach the target", {})
        sys.exit(1)
    if target.protocol == "ssh":
        verdict, facts = _judged_ssh(loaded, access, sql, shell)
    elif target.protocol == "http":
        from hoopgw.cli.explain_http import judged_http

        verdict, facts = judged_http(loaded, access, sql, headers, body)
    else:
        verdict, facts = _judged(loaded, access, None if offline else _catalogue(access), sql)
    decision = "refused" if verdict.refusals else "held" if verdict.holds else "allowed"
    rules = [_rule(each) for part in (verdict.refusals, verdict.holds, verdict.limits) for each in part]
    _answer(as_json, decision, rules, f"grant {access.grant.name}, role {access.role.name}", facts)
    sys.exit(0 if decision == "allowed" else 1)


def _target(loaded: Config, name: str, shell: bool, of_http: bool) -> Target:
    """Raises UsageError where there is none, or where it has no shell, or no header and body."""
    target = loaded.targets.get(name)
    if target is None:
        raise click.UsageError(f"there is no target {name!r}")
    if shell and target.protocol != "ssh":
        raise click.UsageError(f"{name} is no SSH host")
    if of_http and target.protocol != "http":
        raise click.UsageError(f"{name} does not speak HTTP")
    return target


def _identity(loaded: Config, subject: str, groups: str) -> Identity:
    """As the first issuer would have it."""
    named = frozenset(part.strip() for part in groups.split(",") if part.strip())
    issuer = loaded.settings.issuers[0] if loaded.settings.issuers else None
    name, address = (issuer.name, issuer.issuer) if issuer else ("", "")
    return Identity(name, address, subject, named, time.time() + 3600)


def _access(loaded: Config, target: Target, identity: Identity, role: str, database: str) -> Access | None:
    """By the first grant that gives any; of its roles the first by name, unless one is asked for."""
    place, now = database or target.database, time.time()
    for grant in loaded.grants:
        for name in [role] if role else sorted(grant.roles):
            if grant.lets_in(identity, target, place, name, now):
                return Access(identity, target, target.roles[name], place, grant, 0.0)
    return None


def _rule(each: Any) -> dict[str, Any]:
    return {
        "guardrail": each.guardrail,
        "file": each.source.file,
        "line": each.source.line,
        "reason": each.reason,
        "would_pass": getattr(each, "would_pass", ""),
    }


def _selection(loaded: Config, access: Access) -> Selection:
    return loaded.policy.select(access.identity, access.target, access.role.name, access.grant.features)


def _judged_ssh(loaded: Config, access: Access, command: str, shell: bool) -> tuple[Verdict, dict[str, Any]]:
    from hoopgw.model.operation import EXEC, SHELL, Operation
    from hoopgw.session.sshjudge import SshJudge

    selection = _selection(loaded, access)
    operation = Operation("ssh", SHELL, b"") if shell else Operation("ssh", EXEC, command.encode())
    verdict = SshJudge(selection, access, None, None).judge(operation)
    assert isinstance(verdict, Verdict)  # all is read here
    shown = {"kind": [operation.kind]}
    if verdict.masks is not None:
        shown["masks"] = sorted(rule.name for rule in selection.masks)
    return verdict, shown


def _judged(loaded: Config, access: Access, catalogue: Any, sql: str) -> tuple[Verdict, dict[str, Any]]:
    from hoopgw.model.grant import COPY_MASKED
    from hoopgw.model.operation import QUERY, Operation
    from hoopgw.model.verdict import Refusal
    from hoopgw.policy.guardrail import judge
    from hoopgw.policy.mask_traces import told
    from hoopgw.policy.masks import MaskGuardrail, resolve
    from hoopgw.policy.sql import Unreadable, analyse
    from hoopgw.policy.sql_names import context_of
    from hoopgw.policy.temporaries import with_temporaries
    from hoopgw.session.sqlbuiltin import built_in

    selection = _selection(loaded, access)
    operation = Operation(access.target.protocol, QUERY, sql.encode())
    try:
        facts = analyse(operation.text, catalogue, context_of(catalogue))
    except Unreadable as error:
        return Verdict(refusals=(Refusal("built-in:grammar", str(error)),)), {}
    guardrails = selection.guardrails
    if selection.masks:
        catalogue = with_temporaries(catalogue, context_of(catalogue).having(facts.statements).temporaries)
        table = resolve(selection.masks, catalogue)
        guardrails = (*guardrails, MaskGuardrail(table, catalogue, None, COPY_MASKED in selection.features))
    statements = facts.statements
    shown = {
        "effects": sorted(facts.effects),
        "reads": sorted({str(name) for each in statements for name in each.reads}),
        "writes": sorted({str(name) for each in statements for name in each.writes}),
        "functions": sorted({str(name) for each in statements for name in each.functions}),
        "through": list(dict.fromkeys(way for each in statements for way in each.ways)),
        "unknown": [why for each in statements for why in _doubts(each)],
    }
    verdict = judge(guardrails, operation, facts) & built_in(facts)
    if verdict.masks is not None and catalogue is not None:
        shown["outputs"] = [line for each in statements for line in told(table, catalogue, each.lineage)]
    if verdict.masks is not None:
        shown["masks"] = sorted(rule.name for rule in selection.masks)
    return verdict, shown


def _doubts(statement: Any) -> list[str]:
    """Why something of it cannot be known; of bodies, which one."""
    bodies = (statement.opaque, statement.inside, statement.beside)
    return [*statement.unknown, *dict.fromkeys(f"{each} cannot be read" for each in bodies if each)]


def _catalogue(access: Access) -> Any:
    """Read once, on a reactor that lives as long as that takes."""
    from twisted.internet import reactor
    from twisted.python.failure import Failure

    from hoopgw.config_secrets import read_for_service
    from hoopgw.policy.catalogue_queries import TooLarge, catalogue
    from hoopgw.servers.catalogue_source import CatalogueSource
    from hoopgw.servers.departures import Departures
    from hoopgw.servers.dial import Dialer
    from hoopgw.session.catalogues import read

    running: Any = reactor
    source = CatalogueSource(Dialer(reactor, Departures(reactor)), read_for_service, running)
    found: list[Any] = []
    target = access.target

    def begin() -> None:
        read(source.run, target, access.role, access.database).addBoth(found.append).addBoth(end)

    def end(_: Any) -> None:
        source.forget()
        running.stop()

    running.callWhenRunning(begin)
    running.run()
    try:
        if isinstance(found[0], Failure):
            found[0].raiseException()
        return catalogue(found[0], 1, target.trusted_extensions)
    except (HoopgwError, TooLarge, ValueError) as error:
        raise click.ClickException(
            f"the catalogue of {target.name} could not be read: {error} (--offline does without)"
        ) from error


def _answer(as_json: bool, decision: str, rules: list[dict[str, Any]], why: str, facts: dict[str, Any]) -> None:
    if as_json:
        print_json({"decision": decision, "rules": rules, "why": why, "facts": facts})
        return
    click.echo(decision)
    for rule in rules:
        place = f" ({rule['file']}:{rule['line']})" if rule["file"] else " (built in)"
        click.echo(escaped(f"  {rule['guardrail']}{place}: {rule['reason']}"))
        if rule["would_pass"]:
            click.echo(escaped(f"    would pass: {rule['would_pass']}"))
    print_fields((("", ""), ("by", why), *((name, ", ".join(values)) for name, values in facts.items())))
