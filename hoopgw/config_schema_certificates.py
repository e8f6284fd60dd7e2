"""The keys of [client_ca.NAME]."""

from __future__ import annotations

from typing import Any

from hoopgw import config_values as values
from hoopgw.config_kinds import REQUIRED, Key, names, one_of, some_of, table


def members(value: Any) -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((str(glob), names(groups)) for glob, groups in table(value).items())


CERTIFICATE_SECTIONS: dict[str, dict[str, Key]] = {
    "client_ca": {
        "provider": Key(values.text, REQUIRED, "The [oidc.NAME] whose identities its certificates name."),
        "ca": Key(values.text, REQUIRED, "PEM file: the authority's certificates, roots or intermediates."),
        "crl": Key(
            values.texts,
            (),
            "PEM files of its revocation lists, read at start and reload. With one, only certificates whose issuer "
            "has a list that is up to date are good.",
        ),
        "subject": Key(
            one_of("spiffe", "uri", "email", "dns", "cn"),
            "spiffe",
            "Which name is the subject, of which a certificate has just one: `spiffe`, `uri`, `email` or `dns` of the "
            "alternative names, `cn` of the subject.",
        ),
        "trust_domain": Key(values.text, "", 'SPIFFE, needed: the trust domain of its workloads: "example.org".'),
        "groups": Key(one_of("ou", "o"), "", "Which names of the subject are groups: `ou`, `o`. Default: none."),
        "members": Key(
            members, (), 'Groups by globs over subjects: { "spiffe://example.org/ns/ci/*" = ["ci", "agents"] }.'
        ),
        "alone": Key(
            values.boolean,
            False,
            "A certificate logs in without a token. Else it only goes beside one, which may be bound to it (RFC 8705).",
        ),
        "listeners": Key(
            some_of("https", "postgresql"),
            frozenset(("https",)),
            "Whose clients are asked for one: `https`, `postgresql`. There libpq shows what `sslcert` names.",
        ),
        "session": Key(
            values.duration, 43200.0, "How long such a login lasts at most; the certificate's end comes first."
        ),
    },
}
