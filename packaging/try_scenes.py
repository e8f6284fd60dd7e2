"""What is tried on any booted machine that has the package: from `hoopgw setup` to recordings that verify."""

from __future__ import annotations

import json
from typing import Any, Protocol

from try_root import PACKAGE, TARGET_PORT
from trying import Wrong, contains, expect, say, until

CONNECT = "host=localhost port=5432 user=writer dbname=pay sslmode=verify-full sslrootcert=/etc/hoopgw/tls/gateway.pem"
PSQL = f'PGPASSWORD=$(cat /root/try/token) psql -XAtq -v ON_ERROR_STOP=1 "{CONNECT}"'
RECORDINGS = "/var/lib/hoopgw/recordings"
KEY = "/var/lib/hoopgw/keys/recording.key"
PAY_RW = "trial-password-of-pay"
SETUP = (
    "hoopgw setup --yes --issuer https://127.0.0.1:9443 --audience hoopgw --algorithm ES256 --groups-claim groups"
    " --issuer-ca /etc/hoopgw/tls/trial-ca.pem --target pay --protocol postgresql"
    f" --address localhost:{TARGET_PORT} --database pay --ca /etc/hoopgw/tls/trial-ca.pem --tls verify-full"
    " --role writer --role-user pay_rw --role-password file:/etc/hoopgw/secrets/pay_rw --groups agents --operator ops"
)

SETUP_SSH = (
    "hoopgw setup --yes --target web1 --protocol ssh --address localhost:22 --role deploy --role-user deploy"
    ' --host-key "$(cut -d" " -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)"'
    " --role-key file:/etc/hoopgw/secrets/web1 --groups agents"
)
SSH = (
    "SSH_ASKPASS=/root/try/askpass SSH_ASKPASS_REQUIRE=force ssh -p 2222 -o StrictHostKeyChecking=no"
    " -o UserKnownHostsFile=/root/try/known -o LogLevel=ERROR web1@localhost"
)

PAGE = "/.well-known/openid-configuration"
SETUP_HTTP = (
    "hoopgw setup --yes --target pages --url https://127.0.0.1:9443 --ca /etc/hoopgw/tls/trial-ca.pem"
    f" --role reader --role-open --try-path {PAGE} --groups agents"
)
ASKS = f"""
import ssl, urllib.request
token = open("/root/try/token").read().strip()
asked = urllib.request.Request("https://localhost:8443/pages{PAGE}", headers={{"Authorization": "Bearer " + token}})
trust = ssl.create_default_context(cafile="/etc/hoopgw/tls/gateway.pem")
print(urllib.request.urlopen(asked, context=trust, timeout=60).read().decode())
"""


class Machine(Protocol):
    def inside(self, *words: str, good: bool = True, given: str = "") -> str:
        """What it printed.  Raises Wrong where its status is not as it should be."""

    def system(self, *words: str) -> str:
        """systemctl's answer, whatever its status."""


def shell(machine: Machine, script: str, good: bool = True, given: str = "") -> str:
    return machine.inside("sh", "-c", script, good=good, given=given).strip()


def psql(machine: Machine, statement: str, good: bool = True) -> str:
    """Through the gateway, as the agent."""
    return shell(machine, PSQL, good=good, given=statement)


def active(machine: Machine) -> bool:
    return machine.system("is-active", "hoopgw.service") == "active"


def shown(machine: Machine, name: str, unit: str = "hoopgw.service") -> str:
    return machine.system("show", "--value", "-p", name, unit)


def journal(machine: Machine) -> str:
    return machine.inside("journalctl", "-u", "hoopgw.service", "-o", "cat", "--no-pager")


def events(machine: Machine, code: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in journal(machine).splitlines() if line.startswith("{")]
    return [event for event in found if event["code"] == code]


def target(machine: Machine) -> None:
    """A PostgreSQL of this machine with one role, and its password where the gateway reads it."""
    until(lambda: machine.system("is-active", "postgresql.service") == "active", "PostgreSQL is up")
    sql = f"CREATE ROLE pay_rw LOGIN PASSWORD '{PAY_RW}'; CREATE DATABASE pay OWNER pay_rw"
    for statement in sql.split(";"):
        shell(machine, f"su postgres -c 'psql -Xq -p {TARGET_PORT}'", given=statement + ";")
    install = "install -o hoopgw -g hoopgw -m 600 /dev/stdin /etc/hoopgw/secrets/pay_rw"
    shell(machine, install, given=PAY_RW + "\n")
    until(lambda: machine.system("is-active", "try-issuer.service") == "active", "the issuer is up")
    until(lambda: shell(machine, "ls /root/try").find("token") >= 0, "the issuer has written a token")


def set_up(machine: Machine, command: str) -> str:
    """What it said.  Once more where the machine is so slow that the gateway's answer came too late: it can be run
    again, and changes nothing then."""
    try:
        return shell(machine, command)
    except Wrong as error:
        if not any(words in str(error) for words in ("timed out", "did not take it up")):
            raise
    return shell(machine, command)


def first_minute(machine: Machine) -> None:
    """From a gateway that admits nobody to a session."""
    contains(psql(machine, "select 1", good=False), "the token was not accepted", "before setup nobody is admitted")
    said = set_up(machine, SETUP)
    for words in ("publishes keys", "logged in as pay_rw", "taken it up", "Connect:  PGPASSWORD"):
        contains(said, words, "hoopgw setup")
    contains(set_up(machine, SETUP), "Nothing to write", "hoopgw setup, once more")
    expect(psql(machine, "create table t (n int); insert into t values (42); select n from t"), "42", "a session")
    refused = psql(machine, "drop table t", good=False)
    contains(refused, "Schema changes go through migrations", "a refused statement")
    until(lambda: "closed" in listed(machine), "the index knows the session")
    healthy(machine)
    say("hoopgw setup: an issuer, a target and an operator; psql works through the gateway, DROP is refused")


def large_statement(machine: Machine) -> None:
    """One that the parser's process judges: it starts and answers under the unit's limits."""
    expect(psql(machine, "select greatest(42," + ",".join(["0"] * 25_000) + ")"), "42", "a statement of 50 KB")


def ssh(machine: Machine) -> None:
    """A host of its own user, by a key of the gateway; the agent's token is the password."""
    shell(machine, "useradd -m -s /bin/bash deploy; install -d -o deploy -m 700 /home/deploy/.ssh")
    shell(machine, "ssh-keygen -q -t ed25519 -N '' -f /etc/hoopgw/secrets/web1")
    shell(machine, "install -o deploy -m 600 /etc/hoopgw/secrets/web1.pub /home/deploy/.ssh/authorized_keys")
    shell(machine, "chown hoopgw:hoopgw /etc/hoopgw/secrets/web1")
    said = set_up(machine, SETUP_SSH)
    contains(said, "its host key is the one that is named", "hoopgw setup of an SSH host")
    shell(machine, "printf '#!/bin/sh\\ncat /root/try/token\\n' > /root/try/askpass; chmod 700 /root/try/askpass")
    expect(shell(machine, f"{SSH} 'id -un'"), "deploy", "a command on the host")
    contains(shell(machine, "hoopgw targets authority"), "ssh-ed25519 ", "what root is told of the gateway's authority")
    expect(shell(machine, f"{SSH} 'cat > copy; wc -c < copy'", given="x" * 200_000), "200000", "stdin of a command")
    say("SSH: a host by its pinned key, the token as password")


def http(machine: Machine) -> None:
    """A service that asks for no credential: the issuer, by its public pages."""
    said = set_up(machine, SETUP_HTTP)
    for words in ("answers 200 to GET /.well-known/openid-configuration", "taken it up", "Connect:  echo"):
        contains(said, words, "hoopgw setup of an HTTP target")
    asked = shell(machine, f"/usr/lib/hoopgw/bin/python -I -c '{ASKS}'")
    contains(asked, '"issuer"', "a request through the gateway")
    say("HTTP: a service over verified TLS, tried by setup and asked through the gateway")


def listed(machine: Machine) -> str:
    return shell(machine, "HOOPGW_TOKEN=$(hoopgw token --local ops) hoopgw sessions list")


def healthy(machine: Machine) -> None:
    """`hoopgw doctor` has nothing to mend."""
    said = shell(machine, "hoopgw doctor || true")
    wrong = [line for line in said.splitlines() if line.startswith("WRONG")]
    expect(wrong, [], f"hoopgw doctor:\n{said}")


def verified(machine: Machine) -> str:
    """Its status says whether all of it is as it was recorded."""
    return shell(machine, f"hoopgw sessions verify {RECORDINGS}").splitlines()[-1]


def retention(machine: Machine) -> None:
    """The timer, fired as it fires each night; the oldest recording is made to look its age."""
    expect(machine.system("is-active", "hoopgw-retention.timer"), "active", "the retention timer")
    expect(machine.system("is-enabled", "hoopgw-retention.timer"), "enabled", "the retention timer")
    before = len(events(machine, "recording.retired"))
    old = shell(machine, f"ls -1rt {RECORDINGS}/sessions/*/*.hgj | head -n 1")
    shell(machine, f"touch -d '2 years ago' {old}")
    place = "/run/systemd/system/hoopgw-retention.timer.d"
    shell(
        machine, f"mkdir -p {place} && printf '[Timer]\\nRandomizedDelaySec=0\\nOnActiveSec=1s\\n' > {place}/try.conf"
    )
    machine.inside("systemctl", "daemon-reload")
    machine.inside("systemctl", "restart", "hoopgw-retention.timer")
    until(lambda: len(events(machine, "recording.retired")) == before + 1, "the timer's look deleted it")
    expect(shell(machine, f"ls {old} 2>/dev/null || true"), "", "the recording that was past its age")
    shell(machine, f"rm -r {place}")
    machine.inside("systemctl", "daemon-reload")
    machine.inside("systemctl", "restart", "hoopgw-retention.timer")
    verified(machine)
    say("retention: the timer fired, the old recording is gone, and what is left verifies")


def backup(machine: Machine) -> None:
    """Taken while it runs; the gateway is lost with all it had; restored on one that was just installed."""
    shell(machine, "umask 077; echo correct horse battery staple > /root/phrase; rm -f /root/backup")
    shell(machine, "hoopgw backup /root/backup --passphrase file:/root/phrase --recordings")
    digest = shell(machine, f"cat {KEY} | sha256sum")
    shell(machine, f"dpkg -P hoopgw && rm -rf /etc/hoopgw /var/lib/hoopgw && dpkg -i {PACKAGE}")
    until(lambda: active(machine), "the newly installed gateway is active")
    machine.inside("systemctl", "stop", "hoopgw.service")
    refused = shell(machine, "hoopgw restore /root/backup --passphrase file:/root/phrase", good=False)
    contains(refused, "Nothing was changed", "a restore over files that are there, without --force")
    said = shell(machine, "hoopgw restore /root/backup --passphrase file:/root/phrase --force")
    expect(shell(machine, "hoopgw check"), "No mistakes.", f"check after the restore:\n{said}")
    expect(shell(machine, f"cat {KEY} | sha256sum"), digest, "the signing key")
    machine.inside("systemctl", "start", "hoopgw.service")
    verified(machine)
    expect(psql(machine, "select n from t"), "42", "a session after the restore")
    contains(listed(machine), "closed", "sessions of before the backup")
    say("backup and restore: lost, installed again, restored; keys, index and recordings are back, and verify")


def encrypted_credential(machine: Machine) -> None:
    """The target's password as a credential that is encrypted on the disk, by a drop-in as docs/hardening.md says."""
    encrypt = "systemd-creds encrypt --name=pay_rw - /etc/hoopgw/pay_rw.cred"
    shell(machine, encrypt, given=PAY_RW)
    expect(shell(machine, f"grep -c {PAY_RW} /etc/hoopgw/pay_rw.cred || true"), "0", "the password in the clear")
    place = "/etc/systemd/system/hoopgw.service.d"
    words = "[Service]\\nLoadCredentialEncrypted=pay_rw:/etc/hoopgw/pay_rw.cred\\n"
    shell(machine, f"mkdir -p {place} && printf '{words}' > {place}/credential.conf")
    shell(machine, "sed -i 's|file:/etc/hoopgw/secrets/pay_rw|credential:pay_rw|' /etc/hoopgw/targets.d/pay.toml")
    shell(machine, "rm /etc/hoopgw/secrets/pay_rw")
    machine.inside("systemctl", "daemon-reload")
    machine.inside("systemctl", "restart", "hoopgw.service")
    expect(psql(machine, "select n from t"), "42", "a session by an encrypted credential")
    say("LoadCredentialEncrypted: the password is nowhere in the clear on the disk, and the gateway logs in by it")
