"""Tries the package on a systemd that was really booted: `try_systemd.py PACKAGE.deb`, as root.

In a clean root of Debian (debootstrap) in a container (systemd-nspawn) with its own network, a PostgreSQL and an
issuer in it: install, first start, `hoopgw setup`, sessions, reload, restart, watchdog, kill, stop, retention,
encrypted credentials, signing keys in a token, backup and restore, upgrade under live sessions, refused downgrade,
boot again, remove, purge.
Needs debootstrap, systemd-container and iproute2.  Only .cache changes.  One at a time: where no systemd gives each
container a control group, units of one name in two of them share one, and a stop waits for the other's processes.
What such a container does not put in force (MemoryMax, TasksMax, a lost machine) is for try_qemu.py.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import try_scenes as scenes
from try_container import Knocking, Machine, Session, machine_of
from try_root import CACHE, root_with
from try_token import keys_in_a_token
from trying import Wrong, contains, expect, run, say, until

PUT_THERE = {"hsm.pin", "pay_rw.cred", "secrets/web1", "secrets/web1.pub", "tls/trial-ca.pem"}


def first_start(machine: Machine) -> None:
    took = until(lambda: scenes.active(machine), "hoopgw.service is active")
    expect(scenes.shown(machine, "NRestarts"), "0", "restarts before the first start succeeded")
    began, ready = (
        int(scenes.shown(machine, name))
        for name in ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    )
    say(f"first start: ready {(ready - began) / 1e6:.2f} s after its process began ({took:.1f} s after the boot)")
    score = re.search(r"exposure level for hoopgw.service: ([0-9.]+)", machine.inside(*ANALYZE))
    if score is None or float(score[1]) >= 1.5:
        raise Wrong(f"systemd-analyze security: {score}")
    say(f"systemd-analyze security: {score[1]}")
    for path, wanted in {"/var/lib/hoopgw": "700 hoopgw", "/run/hoopgw": "750 hoopgw"}.items():
        expect(machine.inside("stat", "-c", "%a %U", path), wanted, path)


ANALYZE = ("systemd-analyze", "security", "--no-pager", "hoopgw.service")


def reload(machine: Machine) -> None:
    before, session = scenes.shown(machine, "MainPID"), Session(machine)
    backend = session.ask("begin; select pg_backend_pid()")
    session.send("select pg_sleep(1), 'slept'")
    machine.inside("systemctl", "reload", "hoopgw.service")
    until(lambda: bool(scenes.events(machine, "configuration.reloaded")), "the event of the reload")
    expect(session.answer(), "|slept", "a statement that ran meanwhile")
    expect(session.ask("select pg_backend_pid()"), backend, "the session's transaction after a reload")
    scenes.shell(machine, "printf '[grant.wrong]\\ngroup = 1\\n' > /etc/hoopgw/grants.d/wrong.toml")
    machine.inside("systemctl", "reload", "hoopgw.service", good=False)
    contains(machine.system("status", "hoopgw.service"), "wrong.toml", "the unit's status after a refused reload")
    contains(scenes.shell(machine, "hoopgw doctor || true"), "wrong.toml", "hoopgw doctor after a refused reload")
    expect(session.ask("select pg_backend_pid()"), backend, "the session's transaction after a refused reload")
    scenes.shell(machine, "rm /etc/hoopgw/grants.d/wrong.toml")
    machine.inside("systemctl", "reload", "hoopgw.service")
    scenes.healthy(machine)
    session.last_words()
    expect(scenes.shown(machine, "MainPID"), before, "the process after a reload")
    say("reload: the same process, the new configuration; an open transaction goes on; a mistake is said")


def stop(machine: Machine) -> None:
    """Who works may finish, who idles goes, and all of it is sealed."""
    idle, busy = Session(machine), Session(machine)
    busy.send("select pg_sleep(2), 'slept'")
    time.sleep(0.5)
    started = time.monotonic()
    machine.inside("systemctl", "stop", "hoopgw.service")
    took = time.monotonic() - started
    expect(busy.answer(), "|slept", "a statement that ran when the gateway was stopped")
    contains(idle.last_words(), "the gateway is stopping", "an idle session")
    busy.last_words()
    scenes.verified(machine)
    machine.inside("systemctl", "start", "hoopgw.service")
    expect(scenes.events(machine, "recording.recovered"), [], "sessions that had to be recovered after a stop")
    say(f"stop: a running statement finished, recordings are sealed; it took {took:.1f} s")


def restart(machine: Machine) -> None:
    with Knocking(5432) as knocking:
        time.sleep(0.5)
        machine.inside("systemctl", "restart", "hoopgw.service")
        until(lambda: scenes.active(machine), "active after the restart")
        time.sleep(0.5)
    expect(knocking.refused, 0, f"refused during a restart, of {knocking.served}")
    say(f"restart: {knocking.served} connections, none refused; the longest waited {knocking.longest:.1f} s")


def watchdog(machine: Machine) -> None:
    drop_in = machine.root / "etc/systemd/system/hoopgw.service.d"
    drop_in.mkdir(parents=True)
    (drop_in / "try.conf").write_text("[Service]\nWatchdogSec=4s\n")
    machine.inside("systemctl", "daemon-reload")
    machine.inside("systemctl", "restart", "hoopgw.service")
    before = scenes.shown(machine, "MainPID")
    time.sleep(6)  # more than the watchdog's time: it is fed
    expect(scenes.shown(machine, "MainPID"), before, "the process while it feeds the watchdog")
    machine.inside("kill", "-STOP", before)
    took = until(
        lambda: scenes.active(machine) and scenes.shown(machine, "MainPID") not in (before, "0"), "started again"
    )
    shutil.rmtree(drop_in)
    machine.inside("systemctl", "daemon-reload")
    say(f"watchdog: a gateway that stands still is replaced after {took:.1f} s (of 4)")


def killed(machine: Machine) -> None:
    before = scenes.shown(machine, "MainPID")
    machine.inside("kill", "-KILL", before)
    took = until(
        lambda: scenes.active(machine) and scenes.shown(machine, "MainPID") not in (before, "0"), "started after a kill"
    )
    say(f"killed: runs again after {took:.1f} s")


def mended(machine: Machine, times: int = 4) -> None:
    """A start that fails is tried again: what was mended comes up by itself, and who connected meanwhile has waited."""
    expect(scenes.shown(machine, "StartLimitIntervalUSec"), "0", "the limit of starts")
    scenes.shell(machine, "printf '[grant.wrong]\\ngroup = 1\\n' > /etc/hoopgw/grants.d/wrong.toml")
    machine.inside("systemctl", "restart", "hoopgw.service", good=False)
    until(lambda: int(scenes.shown(machine, "NRestarts")) >= times, "tried again and again")
    expect(machine.system("is-active", "hoopgw-postgresql.socket"), "active", "the socket meanwhile")
    said = machine.inside("hoopgw", "restore", "/etc/hostname", "--passphrase", "env:NONE", good=False)
    contains(said, "about to start it", "a restore between two tries to start")
    waiting = machine.beginning("sh", "-c", f"{scenes.PSQL} -c 'select 42'")
    time.sleep(2)
    scenes.shell(machine, "rm /etc/hoopgw/grants.d/wrong.toml")
    took = until(lambda: scenes.active(machine), "active once the file is mended")
    expect(waiting.communicate(timeout=120)[0].strip(), "42", "a client that connected before that")
    say(f"a start over a mistake: tried {times} times and more; active {took:.1f} s after it was mended")


def other_version(package: Path, version: str) -> Path:
    place, made = CACHE / "other", CACHE / f"hoopgw_{version}_amd64.deb"
    shutil.rmtree(place, ignore_errors=True)
    run("dpkg-deb", "-R", package, place)
    control = place / "DEBIAN/control"
    control.write_text(re.sub("^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    run("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", place, made)
    shutil.rmtree(place)
    return made


def not_over_mistakes(machine: Machine) -> None:
    """With files on which the gateway would not start again it is not taken away."""
    before = scenes.shown(machine, "MainPID")
    scenes.shell(machine, "printf '[grant.wrong]\\ngroup = 1\\n' > /etc/hoopgw/grants.d/wrong.toml")
    said = machine.inside("dpkg", "-i", "/root/new.deb", good=False)
    contains(said, "grants.d/wrong.toml", "an upgrade over files with a mistake")
    contains(said, "is not upgraded", "an upgrade over files with a mistake")
    expect(scenes.shown(machine, "MainPID"), before, "the gateway that was not upgraded")
    expect(scenes.psql(machine, "select 42"), "42", "a session of it")
    scenes.shell(machine, "rm /etc/hoopgw/grants.d/wrong.toml")
    place = "/etc/hoopgw/targets.d/pay.toml"
    scenes.shell(machine, f"cp -p {place} /root/pay.toml; sed -i s/credential:pay_rw/credential:pay_wr/ {place}")
    said = machine.inside("dpkg", "-i", "/root/new.deb", good=False)
    contains(said, "hands over no credential:pay_wr", "an upgrade over a credential that is not there")
    scenes.shell(machine, f"cp -p /root/pay.toml {place}; chown root /etc/hoopgw/hsm.pin")
    contains(
        machine.inside("dpkg", "-i", "/root/new.deb", good=False), "may not read", "an upgrade over a file of root's"
    )
    scenes.shell(machine, "chown hoopgw /etc/hoopgw/hsm.pin")
    expect(scenes.shown(machine, "MainPID"), before, "the gateway that was not upgraded")
    say("upgrade over a configuration with a mistake: refused in words, and the gateway runs on")


def upgrade(machine: Machine, package: Path) -> None:
    changed = machine.root / "etc/hoopgw/hoopgw.toml"
    changed.write_text(changed.read_text().replace('name = "hoopgw"', 'name = "changed"'))
    key = (machine.root / "etc/hoopgw/tls/gateway.key").read_bytes()
    shutil.copy(other_version(package, "99.0.0"), machine.root / "root/new.deb")
    not_over_mistakes(machine)
    before, open_session = scenes.shown(machine, "MainPID"), Session(machine)
    open_session.send("begin; select pg_sleep(6), 'slept'; commit")
    with Knocking(5432) as knocking:
        machine.inside("dpkg", "-i", "/root/new.deb")
        until(lambda: scenes.active(machine), "active after the upgrade")
        time.sleep(0.5)
    expect(knocking.refused, 0, f"refused during an upgrade, of {knocking.served}")
    if scenes.shown(machine, "MainPID") == before:
        raise Wrong("the old gateway still runs after the upgrade")
    expect(open_session.answer(), "|slept", "a transaction that was open when the upgrade began")
    contains(open_session.last_words(), "connection", "the old gateway's session, afterwards")
    scenes.verified(machine)
    expect('name = "changed"' in changed.read_text(), True, "a changed conffile is kept")
    expect((machine.root / "etc/hoopgw/tls/gateway.key").read_bytes() == key, True, "the key is kept")
    say(f"upgrade: {knocking.served} connections, none refused; the longest waited {knocking.longest:.1f} s")
    shutil.copy(package, machine.root / "root/old.deb")
    before = scenes.shown(machine, "MainPID")
    said = machine.inside("dpkg", "-i", "/root/old.deb", good=False)
    expect("is not replaced by the older" in said, True, f"a downgrade is refused in words: {said}")
    expect(
        (scenes.active(machine), scenes.shown(machine, "MainPID")),
        (True, before),
        "the gateway after a refused downgrade",
    )
    say("downgrade: refused, and the gateway runs on")


def again(machine: Machine) -> None:
    before = scenes.psql(machine, "select count(*) from t")
    machine.off()
    machine.boot()
    until(lambda: scenes.active(machine), "active after the next boot")
    said = scenes.verified(machine)
    expect(scenes.psql(machine, "select count(*) from t"), before, "a session after the next boot")
    expect("Unable to write" in scenes.journal(machine), False, "the plugin cache is up to date")
    say(f"boot again: active; {said}")


def removed(machine: Machine) -> None:
    machine.inside("dpkg", "-r", "hoopgw")
    expect(machine.system("is-active", "hoopgw-postgresql.socket"), "inactive", "the socket after a removal")
    expect((machine.root / "etc/hoopgw/hoopgw.toml").exists(), True, "conffiles after a removal")
    said = machine.inside("dpkg", "-P", "hoopgw")
    contains(said, "/etc/hoopgw/hsm.pin", "what a purge says of files that people have put there")
    stamps = scenes.shell(machine, "ls /var/lib/systemd/timers")
    expect("hoopgw" in stamps, False, f"the timer's stamp after a purge: {stamps}")
    place = machine.root / "etc/hoopgw"
    left = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    expect(left, PUT_THERE, "what a purge leaves: what people have put there")
    expect((machine.root / "usr/lib/hoopgw").exists(), False, "the program after a purge")
    expect((machine.root / "var/lib/hoopgw/recordings").exists(), True, "recordings after a purge")
    say("remove and purge: nothing left but recordings, index, their keys, and what people put in /etc/hoopgw")


def main(package: Path) -> int:
    if os.geteuid() != 0:
        say("as root: a container is booted")
        return 2
    try:
        root = root_with(package, "systemd")
        with machine_of(root) as machine:
            try:
                for part in (
                    first_start,
                    scenes.target,
                    scenes.first_minute,
                    scenes.large_statement,
                    scenes.ssh,
                    scenes.http,
                ):
                    part(machine)
                for part in (reload, restart, watchdog, killed, stop, mended):
                    part(machine)
                for part in (scenes.retention, scenes.backup, scenes.encrypted_credential, keys_in_a_token):
                    part(machine)
                upgrade(machine, package)
                again(machine)
                removed(machine)
            except Wrong:
                with suppress(Wrong):
                    say(scenes.journal(machine)[-4000:])
                raise
    except Wrong as error:
        say(f"wrong: {error}")
        return 1
    finally:
        shutil.rmtree(CACHE / "systemd", ignore_errors=True)
    say("all of it as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
