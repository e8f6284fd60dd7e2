"""What a certificate forbids that a grant would allow: another command than the forced one, a terminal, a forward."""

from __future__ import annotations

from hoopgw.model.bounds import Bounds
from hoopgw.model.operation import EXEC, FILE, FORWARD, PTY, SHELL, SUBSYSTEM, Operation
from hoopgw.model.verdict import ALLOW, Refusal, Verdict
from hoopgw.policy.ssh_forwards import feature
from hoopgw.policy.ssh_servers import is_server

RULE = "ssh:certificate"
INTERNAL_SFTP = b"internal-sftp"  # sshd's own name for its subsystem
# The extension that each word of a grant needs beside it; what is not named here needs port-forwarding
_PERMITS = {"agent": "permit-agent-forwarding", "x11": "permit-X11-forwarding"}


def bounded(bounds: Bounds, operation: Operation) -> Verdict:
    """ALLOW, or a refusal that says what the certificate lets through.

    A forced command is not put in the place of what was asked for, which would run what nobody sent: it is what may be
    asked for.
    """
    if operation.kind == PTY and "permit-pty" not in bounds.permits:
        return _refused("the certificate permits no terminal (permit-pty)")
    if operation.kind == FORWARD:
        needed = _PERMITS.get(feature(operation.name), "permit-port-forwarding")
        if needed not in bounds.permits:
            return _refused(f"the certificate does not permit this forward ({needed})")
    if bounds.command is None or operation.kind not in (EXEC, SHELL, SUBSYSTEM, FILE):
        return ALLOW
    if bounds.command == INTERNAL_SFTP:
        if operation.kind == FILE or (operation.kind == SUBSYSTEM and operation.text == b"sftp"):
            return ALLOW
        return _refused("the certificate is for SFTP alone", "sftp")
    if operation.kind == EXEC and operation.text == bounds.command:
        return ALLOW
    if operation.kind == FILE and is_server(bounds.command):
        return ALLOW
    only = bounds.command.decode("utf-8", "backslashreplace")
    return _refused("the certificate is for one command alone", f"exactly the command: {only}")


def _refused(reason: str, would_pass: str = "") -> Verdict:
    return Verdict(refusals=(Refusal(RULE, reason, would_pass),))
