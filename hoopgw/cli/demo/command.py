"""`hoopgw demo`: everything on loopback, an agent that uses it, and a check of every promise on the way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import psycopg

from hoopgw import __version__
from hoopgw.cli.demo import asking, hosting, looking, serving
from hoopgw.cli.demo.children import ChildFailed
from hoopgw.cli.demo.scene import Scene
from hoopgw.cli.demo.stage import Stage, on_stage
from hoopgw.cli.demo.staying import ToldToEnd, ends_when_told, say_how_to_connect, stay, write_facts
from hoopgw.cli.demo.surroundings import forget_misleading
from hoopgw.cli.demo.telling import Surprise, Teller

# what a step may meet when a promise is broken; anything else is a mistake of the demo's and shows its traceback
BROKEN = (Surprise, ChildFailed, psycopg.Error, subprocess.TimeoutExpired, OSError, KeyError, ValueError)


@click.command()
@click.option(
    "--json",
    "facts",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Stay up, and write here what a program needs to connect; ends on SIGTERM.",
)
def demo(facts: Path | None) -> None:
    """See it work: PostgreSQL, an issuer and the gateway on free ports of this machine, and an agent that uses them.

    Nothing is installed, and nothing is left when it ends.  On a terminal it stays up until Ctrl-C.
    """
    forget_misleading()
    try:
        with ends_when_told():
            status = _for_a_program(facts) if facts else _for_people()
    except ToldToEnd:
        status = 0 if facts else 1
    except (ChildFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(status)


def _for_a_program(facts: Path) -> int:
    with on_stage() as stage:
        try:
            write_facts(facts, stage)
            stay(stage)
        finally:
            facts.unlink(missing_ok=True)  # its secrets open nothing any more
    return 0


def _for_people() -> int:
    tell = Teller()
    tell.title(f"hoopgw {__version__}: an agent, a database, and what stands between them")
    started = time.monotonic()
    with on_stage() as stage:
        _introduce(tell, stage, time.monotonic() - started)
        steps = [*asking.STEPS, *(hosting.STEPS if stage.host is not None else ())]
        steps += [*serving.STEPS, *looking.STEPS]
        failed = [step for step in steps if not _went_right(Scene(stage, tell), step)]
        click.echo()
        if failed:
            tell.wrong(f"{len(failed)} of {len(steps)} steps; the gateway's log ends:")
            tell.shows("\n".join(stage.gateway.log.read_text(errors="replace").splitlines()[-20:]))
        else:
            tell.right(f"all {len(steps)} steps, in {time.monotonic() - started:.0f} s")
        if sys.stdin.isatty() and sys.stdout.isatty():
            _stay_for_people(tell, stage)
    return 1 if failed else 0


def _introduce(tell: Teller, stage: Stage, seconds: float) -> None:
    tell.says(f"PostgreSQL on 127.0.0.1:{stage.cluster.port}, an OIDC issuer at {stage.issuer.url},")
    if stage.host is not None:
        tell.says(f"OpenSSH's sshd on 127.0.0.1:{stage.host.port}, behind the gateway's 127.0.0.1:{stage.ssh_port},")
    else:
        tell.says("no sshd on this machine (apt-get install openssh-server): nothing of SSH is shown,")
    if stage.echo is not None:
        behind = f"behind the gateway's 127.0.0.1:{stage.https_port}"
        tell.says(f"an HTTP service on 127.0.0.1:{stage.echo.port}, {behind},")
    tell.says(f"the gateway on 127.0.0.1:{stage.gateway.port} with its shipped guardrails; up in {seconds:.1f} s")


def _went_right(scene: Scene, step: Callable[[Scene], None]) -> bool:
    scene.tell.step(step.__doc__ or step.__name__)
    try:
        step(scene)
    except BROKEN as error:
        scene.tell.wrong(f"{type(error).__name__}: {error}" if not isinstance(error, Surprise) else str(error))
        return False
    return True


def _stay_for_people(tell: Teller, stage: Stage) -> None:
    click.echo()
    tell.title("It stays up.  In another terminal:")
    say_how_to_connect(tell, stage)
    try:
        stay(stage)
    except ToldToEnd:
        click.echo()
