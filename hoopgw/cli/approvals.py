"""`hoopgw approvals`: see what waits, and decide it."""

from __future__ import annotations

from typing import Any

import click

from hoopgw.cli.output import json_option, moment, place, print_fields, print_json, print_table
from hoopgw.cli.socket_client import Gateway, Refused, segment
from hoopgw.model.escaping import escaped
from hoopgw.model.verdict import TAKEN


@click.group()
@click.pass_obj
def approvals(settings: dict[str, str]) -> None:
    """Operations that wait for a human's approval.

    Each command needs a token (HOOPGW_TOKEN).  Who may decide is what the guardrail's `approvers` say; the requester
    never may.
    """


@approvals.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that were decided or are over.")
@json_option
@click.pass_obj
def list_(settings: dict[str, str], everything: bool, as_json: bool) -> None:
    """Holds that you made or may decide."""
    held = Gateway(settings["socket"]).get("/v1/approvals", state="all" if everything else "waiting")["approvals"]
    if as_json:
        print_json(held)
        return
    if not held:
        click.echo("Nothing waits.")
        return
    print_table(
        ("HOLD", "STATE", "WHO", "TARGET", "EXPIRES", "WHAT", "WHY"),
        ((h["id"], h["state"], h["subject"], h["target"], moment(h["expires"]), _what(h), h["reason"]) for h in held),
    )


@approvals.command()
@click.argument("hold")
@json_option
@click.pass_obj
def show(settings: dict[str, str], hold: str, as_json: bool) -> None:
    """What exactly would run, who asked, and who may decide."""
    found = Gateway(settings["socket"]).get(f"/v1/approvals/{segment(hold)}")
    if as_json:
        print_json(found)
        return
    _print_hold(found)


@approvals.command()
@click.argument("hold")
@click.option("--reason", default="", help="Shown to the requester and kept in the record.")
@json_option
@click.pass_obj
def approve(settings: dict[str, str], hold: str, reason: str, as_json: bool) -> None:
    """Let exactly this operation run, once."""
    _decide(settings, hold, "approve", reason, as_json)


@approvals.command()
@click.argument("hold")
@click.option("--reason", required=True, help="Shown to the requester and kept in the record.")
@json_option
@click.pass_obj
def deny(settings: dict[str, str], hold: str, reason: str, as_json: bool) -> None:
    """Say no."""
    _decide(settings, hold, "deny", reason, as_json)


def _decide(settings: dict[str, str], hold: str, word: str, reason: str, as_json: bool) -> None:
    found = Gateway(settings["socket"]).post(f"/v1/approvals/{segment(hold)}/{word}", {"reason": reason})
    if as_json:
        print_json(found)
    if found["state"] not in TAKEN[word]:
        raise Refused(f"{hold} is {found['state']}: this word came too late, or after another one of yours")
    if as_json:
        return
    if found["state"] == "waiting":
        click.echo(f"Noted. {hold} still needs another approver.")
    else:
        click.echo(f"{hold} is {found['state']}.")


def _what(hold: dict[str, Any]) -> str:
    """One that was made by an earlier version does not say."""
    kind = str(hold["details"].get("kind", ""))
    return f"{kind} on a terminal" if hold["details"].get("terminal") else kind


def _print_hold(hold: dict[str, Any]) -> None:
    print_fields(
        (
            ("hold", hold["id"]),
            ("state", hold["state"]),
            ("asked by", f"{hold['subject']} ({hold['issuer']})"),
            ("target", place(hold)),
            ("session", hold["session"]),
            ("why held", f"{hold['reason']} [{', '.join(hold['guardrails'])}]"),
            ("approvers", " and ".join(" or ".join(groups) for groups in hold["approvers"])),
            ("created", moment(hold["created"])),
            ("expires", moment(hold["expires"])),
            ("note", "it waits inside an open transaction: its locks wait too" if hold["in_transaction"] else ""),
            ("what", _what(hold)),
            ("typing", "whoever asked can type into it" if hold["details"].get("terminal") else ""),
            (
                "data",
                "what follows (COPY, a file, input) is not part of what you approve" if hold["streams"] else "",
            ),
        )
    )
    for word in hold["decided"]:
        said = "approved" if word["approved"] else "denied"
        click.echo(f"{said} by {escaped(word['subject'])} at {moment(word['at'])}: {escaped(word['reason'])}")
    click.echo("\nWhat would run:\n")
    for line in (hold["shown"] or "(a shell: what it will be told is not known)").splitlines():
        click.echo(f"    {escaped(line)}")
