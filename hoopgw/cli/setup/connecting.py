"""What setup prints in the end: by what line who may now connects."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from hoopgw.cli.setup.answers import Answers, TargetAnswer
from hoopgw.cli.units import port_of
from hoopgw.config import Config

_LABEL = re.compile(r"[a-z0-9][a-z0-9-]*")  # of a host name


def connecting(loaded: Config, found: Answers) -> list[str]:
    lines = []
    if found.operator is not None:
        lines.append(f"Operator: HOOPGW_TOKEN=$(hoopgw token --local {found.operator.name}) hoopgw sessions list")
    target = found.target
    if target is not None:
        lines += [f"Connect:  {line}" for line in _lines(loaded, target)]
        listener = target.protocol.replace("http", "https")
        if not getattr(loaded.settings.listen, listener):
            lines.append(f"No client gets there yet: `{listener}` of [listen] is not there")
        if target.role.certified:
            lines.append("Its sshd:  TrustedUserCAKeys names a file with the line of `hoopgw targets authority`")
        if not target.groups:
            lines.append("Nobody may use it yet: --groups, or a file in grants.d/")
    return lines


def _lines(loaded: Config, target: TargetAnswer) -> list[str]:
    host, listen = socket.getfqdn(), loaded.settings.listen
    if target.protocol == "ssh":
        port = _port(listen.ssh, "hoopgw-ssh.socket", 2222)
        return [f"ssh -p {port} {target.role.name}@{target.name}@{host}"]
    trust = Path(loaded.settings.tls.certificate).name or "ca.pem"
    if target.protocol == "http":
        port = _port(listen.https, "hoopgw-https.socket", 8443)
        return [_curl(target, trust, where) for where in _places(target.name, host, port, loaded.settings.tls.domain)]
    port = _port(listen.postgresql, "hoopgw-postgresql.socket", 5432)
    where = f"host={host} port={port} user={target.role.name} dbname={target.name}"
    return [f'PGPASSWORD=$TOKEN psql "{where} sslmode=verify-full sslrootcert={trust}"']


def _places(name: str, host: str, port: int, domain: str) -> list[str]:
    """By its path, and by its host name where that is one (`target_of_host` knows small letters only)."""
    found = [f"{host}:{port}/{name}/"]
    if domain and _LABEL.fullmatch(name):
        found.append(f"{name}.{domain}:{port}/")
    return found


def _curl(target: TargetAnswer, trust: str, where: str) -> str:
    """The token by standard input: the words of a command are seen by all users of its machine."""
    role = f'-H "X-Hoopgw-Role: {target.role.name}"'
    return f'echo "Authorization: Bearer $TOKEN" | curl -H @- {role} --cacert {trust} https://{where}'


def _port(endpoints: tuple[str, ...], unit: str, default: int) -> int:
    """Of the first that says one; of a socket of systemd's the unit does, where somebody changed it."""
    for endpoint in endpoints:
        kind, _, rest = endpoint.partition(":")
        port = rest.partition(":")[0].removeprefix("port=")
        if kind in ("tcp", "tcp6") and port.isdigit():
            return int(port)
        if kind == "systemd":
            return port_of(unit) or default
    return default
