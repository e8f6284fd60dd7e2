"""Keys of where roles' secrets are: [vault.NAME], [aws.NAME]."""

from __future__ import annotations

from hoopgw import config_values as values
from hoopgw.config_kinds import REQUIRED, Key

VAULT_SECTIONS: dict[str, dict[str, Key]] = {
    "vault": {
        "address": Key(values.text, REQUIRED, 'Of a HashiCorp Vault or OpenBao: "https://vault.internal:8200".'),
        "ca": Key(values.text, "", "PEM file that its certificate is verified by. Default: the system's."),
        "namespace": Key(values.text, "", "Its namespace, where it has some."),
        "token": Key(values.secret, None, "A token for it; a file is read each time, so it may be renewed."),
        "role_id": Key(values.text, "", "Login by AppRole: the role's id."),
        "secret_id": Key(values.secret, None, "Login by AppRole: the secret id, where the role binds one."),
        "role": Key(values.text, "", "Login by `jwt`: the vault's role."),
        "jwt": Key(values.secret, None, "Login by the methods jwt and kubernetes: a file with the machine's token."),
        "mount": Key(values.text, "", "Where the login is mounted. Default: `approle`, or `kubernetes` with `jwt`."),
    },
    "aws": {
        "region": Key(values.aws_name, REQUIRED, 'Of the Secrets Manager: "eu-central-1".'),
        "endpoint": Key(
            values.text,
            "",
            "Its address, as of a VPC endpoint. Default: `https://secretsmanager.REGION.amazonaws.com`.",
        ),
        "ca": Key(values.text, "", "PEM file that its certificate is verified by. Default: the system's."),
        "key_id": Key(values.secret, None, "The id of an access key; a file is read each time, so it may be renewed."),
        "secret": Key(values.secret, None, "Its secret."),
        "session_token": Key(values.secret, None, "Its token, where it is a temporary one."),
        "instance_role": Key(
            values.boolean, False, "In place of a key: the role of the EC2 instance, by its metadata service (IMDSv2)."
        ),
    },
}
