"""The stable codes of events: one structured JSON line each, and what a SIEM rule can rely on.

A code is never reused for something else.
"""

from __future__ import annotations

from enum import Enum


class Code(Enum):
    """The value is the stable code; the comment says when it is emitted."""

    GATEWAY_STARTED = "gateway.started"
    GATEWAY_STOPPED = "gateway.stopped"
    LISTENER_MISSING = "listener.missing"  # systemd was to pass a socket, and did not: nothing listens there
    CONFIGURATION_RELOADED = "configuration.reloaded"
    CONFIGURATION_KEPT = "configuration.kept"  # a reload found mistakes: the old one stays
    LOGIN_ACCEPTED = "login.accepted"
    LOGIN_REFUSED = "login.refused"
    ISSUER_UNAVAILABLE = "issuer.unavailable"
    SESSION_OPENED = "session.opened"
    SESSION_CLOSED = "session.closed"
    SESSION_KILLED = "session.killed"
    SESSION_STOPPED = "session.stopped"  # by a rule on what was seen in it
    SESSION_EXPIRED = "session.expired"  # the token's time is up
    SESSION_REVOKED = "session.revoked"  # the identity lost its grant on reload
    OPERATION_REFUSED = "operation.refused"
    OPERATION_UNAVAILABLE = "operation.unavailable"
    REQUEST_SENT = "request.sent"  # HTTP: otherwise than it was asked, or again; a note, and no event
    HOLD_CREATED = "hold.created"
    HOLD_JOINED = "hold.joined"  # the same operation was sent again while undecided
    HOLD_APPROVED = "hold.approved"
    HOLD_DENIED = "hold.denied"
    HOLD_EXPIRED = "hold.expired"
    HOLD_WITHDRAWN = "hold.withdrawn"  # cancelled, or the client left while it waited
    HOLD_CLAIMED = "hold.claimed"  # the approved operation runs now, once
    DECISION_REFUSED = "decision.refused"  # somebody who may not decide tried to
    BUDGET_EXCEEDED = "budget.exceeded"
    BUDGET_WARNED = "budget.warned"
    CANCEL_ACCEPTED = "cancel.accepted"
    CANCEL_REFUSED = "cancel.refused"  # no such key, too late, or too many from that source
    BYPASS_OPEN = "bypass.open"  # somebody's host reaches a target past the gateway (`hoopgw bypass probe --report`)
    BYPASS_CLOSED = "bypass.closed"  # from there none of the targets that were tried can be reached
    BYPASS_UNKNOWN = "bypass.unknown"  # none was found open, and of one nobody can say: its name is not known there
    VAULT_UNAVAILABLE = "vault.unavailable"  # a vault does not give it; what was read goes on until its lease ends
    VAULT_CHANGED = "vault.changed"  # a vault has another value now: logins from now on use it
    REVOCATIONS_CHANGED = "revocations.changed"  # a file of `krl` says something else than before
    REVOCATIONS_UNAVAILABLE = "revocations.unavailable"  # one cannot be read: nobody logs in by an SSH key meanwhile
    SIGNING_FAILED = "signing.failed"  # a signing key in a token (PKCS#11) was asked for, and did not sign
    CREDENTIAL_UNAVAILABLE = "credential.unavailable"  # a token endpoint gives none for a role
    CREDENTIAL_REFUSED = "credential.refused"  # a target answered 401: another token is looked for
    CREDENTIAL_ECHOED = "credential.echoed"  # a target showed its own credential in an answer: it was taken out
    CERTIFICATE_ISSUED = "certificate.issued"  # `hoopgw ssh-cert`: a key logs in for some minutes as its token's owner
    ADMIN_REFUSED = "admin.refused"
    RECORDING_VIEWED = "recording.viewed"
    RECORDING_RETIRED = "recording.retired"
    RETENTION_FAILED = "retention.failed"  # a recording past its age could not be deleted; the next look tries again
    RETENTION_DOUBTED = "retention.doubted"  # the machine's clock is days apart from what ages are judged by
    RECORDING_GAP = "recording.gap"
    RECORDING_FAILED = "recording.failed"
    RECORDING_RECOVERED = "recording.recovered"  # the spool of a gateway that died was drained
    SETTING_CHANGED = "setting.changed"  # the target says that who acts there, or as what, is another now
    PROTOCOL_VIOLATED = "protocol.violated"
    FILE_TOUCHED = "file.touched"  # SFTP: read or written and closed, renamed, removed, made
    TERMINAL_TYPED = "terminal.typed"  # a rule watches for the line that was typed; a note of every one
    FORWARD_GRANTED = "forward.granted"  # SSH: what passes through is opaque
    AGENT_SIGNS = "agent.signs"  # SSH: a forwarded agent is asked to sign a login elsewhere
    AGENT_REFUSED = "agent.refused"  # and what else it is asked for ends its channel
    TUNNEL_OPENED = "tunnel.opened"  # CONNECT: what passes through is opaque
    TUNNEL_CLOSED = "tunnel.closed"  # and so much did
    TARGET_UNAVAILABLE = "target.unavailable"
    TARGET_POOLED = "target.pooled"  # a pooler stands before it
    CATALOGUE_REFRESHED = "catalogue.refreshed"
    CATALOGUE_UNAVAILABLE = "catalogue.unavailable"
