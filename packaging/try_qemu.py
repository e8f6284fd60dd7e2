"""Tries the package on a machine of its own, in qemu: `try_qemu.py PACKAGE.deb`, as root.

What a container does not put in force: limits of memory and tasks, and a power cut while sessions write.  Also start at
boot, setup, sessions, reload, the watchdog.  `--kvm` where that works; without it a boot takes minutes.
Needs debootstrap, qemu-system-x86 and e2fsprogs; 4 GB in .cache, 2 GB of memory.  Only .cache changes.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import try_scenes as scenes
from try_root import CACHE, root_with
from try_virtual import ANSWER, KERNEL, Virtual, disk_of, virtual
from trying import Wrong, contains, expect, say, until

SOCKETS = ("hoopgw-postgresql.socket", "hoopgw-ssh.socket", "hoopgw-https.socket")
CUTS = 3
AS_OPERATOR = "HOOPGW_TOKEN=$(hoopgw token --local ops)"
ENOUGH = 20  # statements that are acknowledged before each power cut,
MOMENT = 1.0  # and up to so many seconds of more: it comes at no particular moment


def up_again(machine: Virtual, before: str) -> float:
    """Seconds until another process than `before` is ready."""
    return until(lambda: scenes.active(machine) and scenes.shown(machine, "MainPID") not in (before, "0"), "up again")


def started_at_boot(machine: Virtual) -> None:
    until(lambda: scenes.active(machine), "hoopgw.service is active")
    for unit in ("hoopgw.service", *SOCKETS, "hoopgw-retention.timer"):
        expect(machine.system("is-enabled", unit), "enabled", unit)
    began, ready = (
        int(scenes.shown(machine, name))
        for name in ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    )
    say(f"first start, at boot: ready {(ready - began) / 1e6:.1f} s after its process began")


def enabled_now(machine: Virtual) -> None:
    machine.inside("systemctl", "disable", "hoopgw.service")
    machine.inside("systemctl", "stop", "hoopgw*")
    expect(machine.system("is-active", "hoopgw-postgresql.socket"), "inactive", "a socket, disabled with its service")
    machine.inside("systemctl", "enable", "--now", "hoopgw.service")
    for unit in ("hoopgw.service", *SOCKETS, "hoopgw-retention.timer"):
        machine.inside("systemctl", "start", unit)
        expect(machine.system("is-active", unit), "active", unit)
    say("disabled and stopped, then enable --now")


def reload(machine: Virtual) -> None:
    before = scenes.shown(machine, "MainPID")
    machine.inside("systemctl", "reload", "hoopgw.service")
    until(
        lambda: len(scenes.events(machine, "configuration.reloaded")) > 1, "the event of the reload"
    )  # setup's is one
    expect(scenes.shown(machine, "MainPID"), before, "the process after a reload")


def watchdog(machine: Virtual) -> None:
    """With the unit's own 30 s."""
    before = scenes.shown(machine, "MainPID")
    machine.inside("kill", "-STOP", before)
    took = up_again(machine, before)
    contains(scenes.journal(machine), "Watchdog timeout", "the journal")
    expect(scenes.psql(machine, "select n from t"), "42", "a session after the watchdog")
    scenes.verified(machine)
    say(f"watchdog: a gateway that stands still is replaced after {took:.0f} s (of 30)")


def memory(machine: Virtual) -> None:
    """Sessions until MemoryMax: the kernel ends the gateway, systemd says so and starts it again, and the recordings
    say which sessions were cut off."""
    machine.inside("systemctl", "restart", "hoopgw.service")
    before, now = scenes.shown(machine, "MainPID"), int(scenes.shown(machine, "MemoryCurrent"))
    recovered = len(scenes.events(machine, "recording.recovered"))
    limit = now + (12 << 20)
    machine.inside("systemctl", "set-property", "--runtime", "hoopgw.service", f"MemoryMax={limit}")
    # one after the other: a machine without KVM takes seconds for a handshake, and memory is what is to run out
    sleeper = f"for i in $(seq 60); do (echo 'select pg_sleep(600)' | {scenes.PSQL} &) ; sleep 1; done"
    machine.inside("systemd-run", "--unit=many", "-p", "RemainAfterExit=yes", "sh", "-c", sleeper)
    took = up_again(machine, before)
    machine.inside("systemctl", "stop", "many.service")
    contains(scenes.journal(machine), "Failed with result 'oom-kill'", "the journal")
    until(lambda: len(scenes.events(machine, "recording.recovered")) > recovered, "the event of what was recovered")
    machine.inside("systemctl", "set-property", "--runtime", "hoopgw.service", "MemoryMax=75%")
    expect(scenes.psql(machine, "select n from t"), "42", "a session afterwards")
    scenes.verified(machine)
    count = len(scenes.events(machine, "recording.recovered")) - recovered
    say(f"MemoryMax ({now >> 20} + 12 MB): oom-kill, said; up again, {took:.0f} s after the first of 60 sessions;")
    say(f"    {count} sessions recovered, and all verify")


def tasks(machine: Virtual) -> None:
    """No task more: what needs the parser's process is refused with a reason, all else goes on."""
    machine.inside("systemctl", "restart", "hoopgw.service")
    expect(scenes.psql(machine, "select n from t"), "42", "a session before")
    now = scenes.shown(machine, "TasksCurrent")
    machine.inside("systemctl", "set-property", "--runtime", "hoopgw.service", f"TasksMax={now}")
    large = "select greatest(42," + ",".join(["0"] * 25_000) + ")"
    refused = scenes.psql(machine, large, good=False)
    expect(scenes.psql(machine, "select n from t"), "42", "an ordinary statement at TasksMax")
    said = scenes.events(machine, "operation.unavailable") + scenes.events(machine, "operation.refused")
    if not said:
        raise Wrong(f"no event tells of the statement that could not be judged: {refused}")
    machine.inside("systemctl", "set-property", "--runtime", "hoopgw.service", "TasksMax=256")
    expect(scenes.psql(machine, large), "42", "the same statement when tasks are to be had again")
    scenes.verified(machine)
    say(f"TasksMax ({now}): a large statement is refused, {said[-1]['code']}: {said[-1]['reason']}; then all is well")


def acknowledged(machine: Virtual, cut: int) -> list[str]:
    """What psql had shown as done when the power went, in the midst of durable statements."""
    acks = machine.port("acks")
    each = "insert into w values (0) returning 'ack-CUT-&';".replace("CUT", str(cut))
    script = f'seq 1000000 | sed "s/.*/{each}/" | {scenes.PSQL} > /dev/virtio-ports/acks'
    machine.inside("systemd-run", "--unit=writing", "sh", "-c", script)
    got = b""
    acks.settimeout(ANSWER)
    while got.count(b"\n") < ENOUGH:
        piece = acks.recv(1 << 16)
        if not piece:
            raise Wrong("the machine went down")
        got += piece
    time.sleep(random.uniform(0, MOMENT))  # noqa: S311 - no secret
    machine.power_cut()
    acks.settimeout(1)
    with suppress(OSError):
        while piece := acks.recv(1 << 16):
            got += piece
    acks.close()
    return re.findall(rf"ack-{cut}-\d+(?=\n)", got.decode())


def power_cuts(machine: Virtual) -> None:
    """A durable target: an operation that was answered is on the disk, whatever happens to the machine."""
    scenes.shell(machine, "sed -i 's/^database = /record = \"durable\"\\ndatabase = /' /etc/hoopgw/targets.d/pay.toml")
    machine.inside("systemctl", "reload", "hoopgw.service")
    scenes.psql(machine, "create table w (n int)")
    for cut in range(1, CUTS + 1):
        done = acknowledged(machine, cut)
        machine.boot()
        until(lambda: scenes.active(machine), "active after the power came back")
        summary = scenes.verified(machine)
        listed = f"{AS_OPERATOR} hoopgw sessions list --json"
        [*ids] = set(re.findall(r"s_[A-Za-z0-9_-]{22}", scenes.shell(machine, listed)))
        recorded: set[str] = set()
        for id in ids:
            text = scenes.shell(
                machine, f"{AS_OPERATOR} hoopgw sessions export {id} --format sql | grep -o 'ack-{cut}-[0-9]*' || true"
            )
            recorded |= set(text.split())
        lost = [each for each in done if each not in recorded]
        expect(lost, [], f"acknowledged and not recorded, of {len(done)}")
        say(f"power cut {cut}: {len(done)} statements acknowledged, {len(recorded)} recorded, none lost; {summary}")


PARTS = (power_cuts, memory, tasks, watchdog, reload, enabled_now, scenes.ssh)


def tried(machine: Virtual, only: list[str]) -> None:
    """Raises Wrong, after it has shown the end of the journal."""
    try:
        for part in (started_at_boot, scenes.target, scenes.first_minute):
            part(machine)
        for part in PARTS:
            if not only or part.__name__ in only:
                part(machine)
    except Wrong:
        with suppress(Wrong, OSError):
            say(scenes.journal(machine)[-4000:])
        raise


def main(words: list[str]) -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("package", type=Path)
    asked.add_argument("--kvm", action="store_true", help="by the processor itself, where that works")
    asked.add_argument("--only", action="append", default=[], choices=[part.__name__ for part in PARTS])
    given = asked.parse_args(words)
    if os.geteuid() != 0:
        say("as root: a root is made, with its owners and devices")
        return 2
    started = time.monotonic()
    try:
        image = disk_of(root_with(given.package, "qemu", KERNEL))
        with virtual(image, given.kvm) as machine:
            tried(machine, given.only)
    except Wrong as error:
        say(f"wrong: {error}")
        return 1
    finally:
        shutil.rmtree(CACHE / "qemu", ignore_errors=True)
    say(f"all of it as it should be, in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
