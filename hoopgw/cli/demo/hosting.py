"""What an agent does on an SSH host, and what the gateway lets it: steps of the demo where there is an sshd."""

from __future__ import annotations

import json
import re
import shlex
import subprocess

from hoopgw.cli.demo.place import write_secret
from hoopgw.cli.demo.scene import PATIENCE, Ran, Scene, last_line
from hoopgw.cli.demo.surroundings import surroundings


def ssh(scene: Scene, command: str, *options: str, target: str = "web1") -> Ran:
    """`ssh TARGET@gateway COMMAND`, told and shown.  ssh asks a program for the password: the agent's token."""
    place, host = scene.stage.place, scene.stage.host
    assert host is not None
    token = write_secret(place / "ssh.token", scene.stage.agent)
    asking = write_secret(place / "ssh-asking", f"#!/bin/sh\ncat {shlex.quote(str(token))}\n")
    asking.chmod(0o700)
    known = f"UserKnownHostsFile={scene.stage.known_hosts}"
    given = [known, "StrictHostKeyChecking=yes", "PubkeyAuthentication=no", "LogLevel=ERROR"]
    words = ["-F", "none", *(word for option in given for word in ("-o", option)), *options]
    scene.tell.typed("agent", f"ssh {' '.join(options)}{' ' if options else ''}{target}@gateway {shlex.quote(command)}")
    done = subprocess.run(
        [host.programs["ssh"], *words, "-p", str(scene.stage.ssh_port), f"{target}@127.0.0.1", command],
        env=surroundings(
            {"SSH_ASKPASS": str(asking), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none"}
            | dict(host.programs.environment)
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    scene.tell.shows(done.stdout + done.stderr)
    return Ran(done.returncode, done.stdout, done.stderr)


def command_on_a_host(scene: Scene) -> None:
    """A command on an SSH host"""
    ran = ssh(scene, "id -un; exit 3")
    assert scene.stage.host is not None
    good = ran.status == 3 and scene.stage.host.user in ran.out
    scene.tell.expect(good, "the same token, by ssh; the host's key stays with the gateway", f"status {ran.status}")


def refused_command(scene: Scene) -> None:
    """A refused command, and a refused forward"""
    ran = ssh(scene, "rm -rf /")
    try:
        said = json.loads(last_line(ran.err))
    except ValueError:
        said = {}
    good = ran.status == 126 and said.get("decision") == "refused"
    scene.tell.expect(good, "status 126, and a last line that a program can act on", f"status {ran.status}")
    forwarded = ssh(scene, "true", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22")
    scene.tell.expect(forwarded.status == 255, "no grant names it: nothing is forwarded", "it was forwarded")


def masked_output(scene: Scene) -> None:
    """A command's output, masked"""
    ran = ssh(scene, "printf 'paid with 4000 0012 '; sleep 0.01; printf '3456 7899 on Monday\\n'", target="till")
    # where this machine takes long between the two, the part that has stood a while is shown, and no more
    good = re.fullmatch(r"paid with (4000 0012 \*{9}|\*{19}) on Monday\n", ran.out) is not None
    scene.tell.expect(good, "whatever the pieces it comes in, the number is never whole", "the number was shown")


STEPS = (command_on_a_host, refused_command, masked_output)
