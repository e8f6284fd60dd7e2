"""`hoopgw setup`: writes what a first connection needs, after it was checked and tried."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hoopgw.cli.output import counted, json_option, print_json
from hoopgw.cli.setup.options import credential_options
from hoopgw.model.escaping import escaped

if TYPE_CHECKING:
    from hoopgw.cli.finding import Finding
    from hoopgw.cli.setup.answers import Answers
    from hoopgw.config import Config


@click.command()
@click.option("--issuer", metavar="URL", help="Who issues the agents' tokens; to the letter as in their `iss`.")
@click.option("--issuer-name", metavar="NAME", help="The NAME of its [oidc.NAME].  [default: corp]")
@click.option("--audience", help="What the tokens' `aud` must name.")
@click.option("--issuer-ca", type=click.Path(dir_okay=False), help="PEM file, where its authority is a private one.")
@click.option("--subject-claim", help="The claim that names who acts.")
@click.option("--groups-claim", help="The claim that lists the groups.")
@click.option("--algorithm", multiple=True, help="A signature algorithm that is accepted; may be given again.")
@click.option("--target", metavar="NAME", help="A target, as clients will call it.")
@click.option("--protocol", type=click.Choice(["postgresql", "ssh", "http"]), help="What is spoken there.")
@click.option("--url", multiple=True, metavar="URL", help="HTTP: where it is, https://HOST:PORT; may be given again.")
@click.option("--address", multiple=True, metavar="HOST:PORT", help="PostgreSQL, SSH: where it is; may be given again.")
@click.option("--database", help="PostgreSQL: its database.")
@click.option(
    "--tls", type=click.Choice(["disable", "require", "verify-ca", "verify-full"]), help="As `tls` of a target."
)
@click.option("--ca", type=click.Path(dir_okay=False), help="PEM file that the target's certificate is verified by.")
@click.option("--host", metavar="NAME", help="HTTP: what it is told as Host.  [default: that of --url]")
@click.option("--try-path", metavar="PATH", help="HTTP: what is asked for to try it.  [default: /]")
@click.option("--host-key", multiple=True, help='SSH: its host key, as "ssh-ed25519 AAAA…"; may be given again.')
@click.option(
    "--host-authority",
    multiple=True,
    help="SSH: the key of an authority whose host certificates are accepted; may be given again.",
)
@click.option("--role", metavar="NAME", help="One of its roles, as clients will call it.")
@credential_options
@click.option("--groups", metavar="A,B", help="Groups of identities that may use the role.")
@click.option("--operator", metavar="NAME", help="A local operator, [local.NAME], for `hoopgw token --local NAME`.")
@click.option("--operator-may", metavar="A,B", help="What the operator may.  [default: list,view,kill]")
@click.option("--untried", is_flag=True, help="Write it even if issuer or target could not be tried with success.")
@click.option("--yes", is_flag=True, help="Ask nothing: write what is new or changed.")
@json_option
@click.pass_obj
def setup(settings: dict[str, str], /, as_json: bool, untried: bool, yes: bool, **given: Any) -> None:
    """Name an issuer, a target with a role, and a local operator; check and try them; take them up.

    Asks at a terminal for what no option says. Each part goes to a file of its own below the directory of the
    configuration; a file that somebody else wrote or changed is never touched. Before anything is written it is
    checked, shown as a difference, and tried: the issuer's keys are fetched, the target is logged in to. Run again with
    the same answers, it changes nothing.

    Exit status 0 when all is in place and in force; 1 when something was wrong: it says whether anything was written.
    """
    from hoopgw.cli.setup.asking import answers

    path = Path(settings["config"]).absolute()
    terminal = sys.stdin.isatty() and not yes and not as_json
    before = _before(path)
    found = answers(given, _known(before), terminal)
    made: list[Path] = []
    try:
        found = _typed(found, path.parent, Path(before.settings.state), made)
        result = _set_up(path, settings["socket"], found, untried, terminal, yes, as_json)
    except BaseException:
        for each in made:  # a password that was typed for nothing
            each.unlink(missing_ok=True)
        raise
    if as_json:
        print_json(result)
    sys.exit(0 if result["good"] else 1)


def _set_up(
    path: Path, admin: str, found: Answers, untried: bool, terminal: bool, yes: bool, quiet: bool
) -> dict[str, Any]:
    from hoopgw.cli.setup.connecting import connecting
    from hoopgw.cli.setup.files import changed, planned
    from hoopgw.cli.setup.reloading import reload_gateway
    from hoopgw.cli.setup.writing import write_all
    from hoopgw.model.errors import HoopgwError

    try:
        files = changed(planned(path.parent, found))
        loaded = _checked(path, files)
        findings = _tried(loaded, found)
        _say(findings, quiet)
        _agreed(files, [each for each in findings if each.fix], untried, terminal, yes, quiet)
        write_all(files)
    except (HoopgwError, OSError) as error:
        raise click.ClickException(f"{error}\nNothing was written.") from error
    if not quiet:
        click.echo(
            f"{counted(len(files), 'file')} written." if files else "Nothing to write: the files say so already."
        )
    reloaded = reload_gateway(admin)
    _say([reloaded], quiet)
    lines = connecting(loaded, found)
    for line in () if quiet else lines:
        click.echo(line)
    return {
        "written": [str(each) for each in files],
        "findings": [_shape(each) for each in (*findings, reloaded)],
        "connect": lines,
        "good": not any(each.fix for each in (*findings, reloaded)),
    }


def _shape(finding: Finding) -> dict[str, Any]:
    return {"what": finding.what, "said": finding.said, "fix": finding.fix, "good": not finding.fix}


def _say(findings: list[Finding], quiet: bool) -> None:
    for each in () if quiet else findings:
        click.echo(f"{'WRONG' if each.fix else 'good '}  {escaped(each.what)}: {escaped(each.said)}")
        if each.fix:
            click.echo(f"       fix: {each.fix}")


# ---- what there is


def _before(path: Path) -> Config:
    """What the files say now.  A mistake there comes first: what setup adds cannot be checked beside it."""
    from hoopgw import config

    if not path.exists():
        raise click.ClickException(
            f"there is no {path}: install the package, which brings it, or name yours by --config before `setup`"
        )
    try:
        return config.load(path)
    except config.ConfigurationMistakes as error:
        raise click.ClickException(f"{error}\nMend that first (hoopgw check). Nothing was written.") from error


def _known(before: Config) -> Any:
    from hoopgw.cli.setup.asking import Known

    return Known(
        frozenset(issuer.name for issuer in before.settings.issuers),
        frozenset(before.targets),
        frozenset(local.name for local in before.settings.local),
    )


def _typed(found: Answers, directory: Path, state: Path, made: list[Path]) -> Answers:
    """A secret that is typed goes to a file of its own, which the gateway may read."""
    from hoopgw.cli.setup.answers import SECRETS
    from hoopgw.cli.setup.asking import TYPED
    from hoopgw.cli.setup.writing import write_secret

    target = found.target
    names = [] if target is None else [name for name in SECRETS if getattr(target.role, name) == TYPED]
    if target is None or not names:
        return found
    path = directory / "secrets" / f"{target.name}_{target.role.name}"
    words = {"password": f"Password of {target.role.user}", "bearer": "The token"}
    value = click.prompt(words.get(names[0], "The secret"), hide_input=True)
    try:
        write_secret(path, value.encode() + b"\n", state)
    except OSError as error:
        why = f"{path} cannot be written: {error.strerror}; name the secret by --role-{names[0]}. Nothing was written."
        raise click.ClickException(why) from error
    made.append(path)
    written: dict[str, Any] = {names[0]: f"file:{path}"}
    return replace(found, target=replace(target, role=replace(target.role, **written)))


# ---- checks


def _checked(path: Path, files: Mapping[Path, bytes]) -> Config:
    from hoopgw import config

    try:
        return config.load_whole(path, files)
    except config.ConfigurationMistakes as error:
        raise click.ClickException(
            f"With these answers there would be mistakes:\n{error}\nNothing was written."
        ) from error


def _tried(loaded: Config, found: Answers) -> list[Finding]:
    from hoopgw.cli.setup.trying import Asked, tried
    from hoopgw.cli.vaults import vault
    from hoopgw.config_signing import SigningKeys

    issuers = [each for each in loaded.settings.issuers if found.issuer and each.name == found.issuer.name]
    target = loaded.targets.get(found.target.name) if found.target is not None else None
    roles = [(target, target.roles[found.target.role.name])] if target is not None and found.target is not None else []
    owner = _unreadable(loaded, found)
    keys = SigningKeys.for_a_look(loaded.settings)
    path = found.target.try_path if found.target is not None else "/"
    asked = Asked(tuple(issuers), tuple(roles), loaded.settings.ssh.target_authority, keys, path, loaded)
    vaults = [vault(each) for each in loaded.settings.vaults if found.vault and each.name == found.vault.name]
    return [*owner, *vaults, *(tried(asked) if issuers or roles else [])]


def _unreadable(loaded: Config, answers: Answers) -> list[Finding]:
    """Root reads every file; who runs the gateway must be able to as well."""
    from hoopgw.cli.finding import Finding
    from hoopgw.cli.setup.answers import references, references_of_vault

    state = Path(loaded.settings.state)
    if os.geteuid() != 0 or not state.exists():
        return []
    named = references(answers.target.role) if answers.target is not None else []
    named += references_of_vault(answers.vault) if answers.vault is not None else []
    owner, found = state.stat().st_uid, []
    for _, reference in named:
        path = Path(reference.removeprefix("file:"))
        if reference.startswith("file:") and path.exists() and path.stat().st_uid != owner:
            words = f"{path} belongs to another user than {state}, and the gateway cannot read it"
            found.append(Finding("secret", words, f"chown --reference={state} {path}"))
    return found


def _agreed(
    files: Mapping[Path, bytes], wrong: list[Finding], untried: bool, terminal: bool, yes: bool, quiet: bool
) -> None:
    """Ends with status 1 where there is no consent."""
    if not quiet:
        _differences(files)
    if wrong and not untried and not (terminal and click.confirm("Write it all the same?")):
        raise click.ClickException(
            "Nothing was written: "
            + "; ".join(f"{each.what}: {each.said}" for each in wrong)
            + ". Mend that, or --untried"
        )
    if files and not yes and not (terminal and click.confirm("Write this?", default=True)):
        raise click.ClickException("Nothing was written: no consent; --yes gives it without a terminal")


def _differences(files: Mapping[Path, bytes]) -> None:
    for path, content in files.items():
        before = path.read_text().splitlines() if path.exists() else []
        for line in difflib.unified_diff(before, content.decode().splitlines(), str(path), str(path), lineterm=""):
            click.echo(escaped(line))
