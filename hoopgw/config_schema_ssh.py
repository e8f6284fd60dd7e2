"""The keys of [ssh], [ssh_key.NAME] and [ssh_ca.NAME]."""

from __future__ import annotations

from hoopgw import config_values as values
from hoopgw.config_kinds import REQUIRED, Key, names, one_of, secrets

SSH_SECTIONS: dict[str, dict[str, Key]] = {
    "ssh": {
        "host_keys": Key(
            secrets, (), "Private keys (OpenSSH or PEM) of the gateway. Default: Ed25519 and RSA, made at first start."
        ),
        "host_certificates": Key(
            values.texts,
            (),
            "Files: certificates of its host keys (`ssh-keygen -h -s CA`), shown while they are valid.",
        ),
        "login_authority": Key(
            values.signing_key,
            None,
            "Private key that signs certificates of `hoopgw ssh-cert`; `pkcs11:…`: one in a token. Default: Ed25519, "
            "made at first start.",
        ),
        "certificates": Key(
            values.duration,
            300.0,
            "How long such a certificate is good for logins, at most a day; never past its token.",
        ),
        "target_authority": Key(
            values.signing_key,
            None,
            "Private key that certifies the gateway's logins to targets, of roles with `certified`; `pkcs11:…`: one in "
            "a token. Default: Ed25519, made at first start.",
        ),
        "rekey": Key(values.size, 1 << 30, "New keys after so many bytes in one direction; in any case each hour."),
        "kex": Key(
            one_of("default", "pq-only"),
            "default",
            "How clients exchange keys: `default` is mlkem768x25519, then curve25519; `pq-only` the first alone.",
        ),
        "compatibility": Key(
            values.boolean,
            False,
            "For old clients: ECDH on NIST curves and AES-CTR with SHA-2 (encrypt, then MAC) too, behind the others.",
        ),
    },
    "ssh_key": {
        "provider": Key(values.text, REQUIRED, "The [oidc.NAME] whose identity logs in by these keys as well."),
        "subject": Key(values.text, REQUIRED, "That identity's subject."),
        "groups": Key(names, frozenset(), "Its groups, where it logs in by key."),
        "keys": Key(values.public_keys, REQUIRED, 'Public keys, as in a `.pub` file: ["ssh-ed25519 AAAA…"].'),
        "session": Key(values.duration, 43200.0, "How long a login by key lasts."),
    },
    "ssh_ca": {
        "provider": Key(values.text, REQUIRED, "The [oidc.NAME] whose identities its certificates name."),
        "keys": Key(
            values.public_keys,
            REQUIRED,
            "The authority's public keys. Of a certificate, key id is the subject, principals are the groups.",
        ),
        "revoked": Key(values.public_keys, (), "Public keys that are good for nothing any more, its own included."),
        "krl": Key(
            values.texts,
            (),
            "Files of what is revoked, looked at by each login: KRLs of `ssh-keygen -k`, or the text that it takes.",
        ),
        "session": Key(values.duration, 43200.0, "How long a login lasts at most; a certificate's end comes first."),
    },
}
