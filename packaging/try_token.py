"""Signing keys in a token of SoftHSM, under the unit's own hardening: by the lines of docs/secrets.md."""

from __future__ import annotations

import try_scenes as scenes
from try_scenes import Machine, shell
from trying import contains, expect, say

MODULE, PIN = "/usr/lib/softhsm/libsofthsm2.so", "/etc/hoopgw/hsm.pin"
CONFIG = "/etc/hoopgw/hoopgw.toml"
DROP_IN = "/etc/systemd/system/hoopgw.service.d"
KEYS = {"seal": "01", "login": "02", "target": "03"}
LOGIN = (
    "ssh -p 2222 -i /root/try/agent -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no"
    " -o UserKnownHostsFile=/root/try/known -o LogLevel=ERROR web1@localhost"
)


def uri(name: str) -> str:
    return f"pkcs11:token=bastion;object={name}?module-path={MODULE}&pin-source=file:{PIN}"


def keys_in_a_token(machine: Machine) -> None:
    """Seals and certificates are signed there; what was sealed before still verifies."""
    _token(machine)
    before = shell(machine, "cat /var/lib/hoopgw/recordings/recording.pub")
    _configured(machine)
    machine.inside("systemctl", "restart", "hoopgw.service")
    expect(scenes.psql(machine, "select n from t"), "42", "a session that a token seals")
    after = shell(machine, "cat /var/lib/hoopgw/recordings/recording.pub")
    expect(after.count("BEGIN PUBLIC KEY"), before.count("BEGIN PUBLIC KEY") + 1, "public keys beside the recordings")
    machine.inside("systemctl", "restart", "hoopgw.service")  # all that was open is sealed
    scenes.verified(machine)
    _certified(machine)
    scenes.healthy(machine)
    say("PKCS#11: SoftHSM seals recordings and signs certificates of SSH, under the unit as it is shipped")


def _token(machine: Machine) -> None:
    """Made by the gateway's user, as its files are for their maker alone."""
    shell(machine, "usermod -aG softhsm hoopgw")
    shell(machine, f"install -o hoopgw -g hoopgw -m 600 /dev/stdin {PIN}", given="24681357\n")
    init = "softhsm2-util --init-token --free --label bastion --so-pin 13572468 --pin 24681357"
    shell(machine, f"runuser -u hoopgw -- {init}")
    for name, number in KEYS.items():
        pair = f"--keypairgen --key-type EC:edwards25519 --label {name} --id {number}"
        tool = f"pkcs11-tool --module {MODULE} --token-label bastion --login --pin 24681357 {pair}"
        shell(machine, f"runuser -u hoopgw -- {tool}")


def _configured(machine: Machine) -> None:
    named = uri("seal").replace("&", r"\&")
    shell(machine, f"sed -i 's|^\\[recordings\\]|&\\nsigning_key = \"{named}\"|' {CONFIG}")
    ssh = f'\n[ssh]\nlogin_authority = "{uri("login")}"\ntarget_authority = "{uri("target")}"\n'
    shell(machine, f"cat >> {CONFIG}", given=ssh)
    expect(shell(machine, "hoopgw check"), "No mistakes.", "hoopgw check with keys in a token")
    words = "[Service]\\nReadWritePaths=/var/lib/softhsm/tokens\\n"
    shell(machine, f"mkdir -p {DROP_IN} && printf '{words}' > {DROP_IN}/token.conf")
    machine.inside("systemctl", "daemon-reload")


def _certified(machine: Machine) -> None:
    """A key that the token's authority certifies logs in; the host's line is of the other one."""
    shell(machine, "rm -f /root/try/agent*; ssh-keygen -q -t ed25519 -N '' -f /root/try/agent")
    said = shell(machine, "HOOPGW_TOKEN=file:/root/try/token hoopgw ssh-cert /root/try/agent.pub")
    contains(said, "is good until", "hoopgw ssh-cert")
    expect(shell(machine, f"{LOGIN} 'id -un'"), "deploy", "a login by a certificate that the token signed")
    contains(shell(machine, "hoopgw targets authority"), "ssh-ed25519 ", "hoopgw targets authority")
