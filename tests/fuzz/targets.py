"""Every fuzz target by its name: a function that takes bytes, and raises where a promise is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.fuzz import (
    http_rule_targets,
    http_targets,
    masking_targets,
    policy_targets,
    record_targets,
    relay_targets,
    ssh_targets,
    wire_targets,
)

TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "pg-frames": wire_targets.pg_frames,
    "pg-messages": wire_targets.pg_messages,
    "pg-login": wire_targets.pg_login,
    "scram": wire_targets.scram_exchange,
    "passwords": wire_targets.passwords,
    "ssh-messages": wire_targets.ssh_messages,
    "websocket": http_targets.websocket,
    "websocket-extensions": http_targets.websocket_extensions,
    "http2": http_targets.http2,
    "http-path": http_rule_targets.http_path,
    "http-rules": http_rule_targets.http_rules,
    "http-events": http_rule_targets.http_events,
    "http-codings": http_rule_targets.http_codings,
    "graphql": http_rule_targets.graphql,
    "json-mask": http_rule_targets.json_mask,
    "finders": masking_targets.finders,
    "values": masking_targets.values,
    "streams": masking_targets.streams,
    "rows": masking_targets.rows,
    "copies": masking_targets.copies,
    "pg-relay": relay_targets.pg_relay,
    "pg-client-login": relay_targets.pg_client_login,
    "pg-target-login": relay_targets.pg_target_login,
    "ssh-relay": relay_targets.ssh_relay,
    "ssh-packets": ssh_targets.ssh_packets,
    "ssh-client-login": ssh_targets.ssh_client_login,
    "ssh-target-login": ssh_targets.ssh_target_login,
    "ssh-certificate": ssh_targets.ssh_certificate,
    "ssh-krl": ssh_targets.ssh_krl,
    "ssh-run": relay_targets.ssh_run,
    "sql-shape": policy_targets.sql_shape,
    "sql": policy_targets.sql,
    "configuration": policy_targets.configuration,
    "journal": record_targets.journal,
    "entries": record_targets.entries,
    "terminal": record_targets.terminal,
    "typing": record_targets.typing,
    "segment": record_targets.segment,
    "spool": record_targets.spool,
}
