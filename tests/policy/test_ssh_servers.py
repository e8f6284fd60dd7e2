"""Commands that are a server of SFTP, and nothing else."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.shell import facts_of_text
from hoopgw.policy.ssh_servers import is_server, names_server, starts_server

ALONE = (
    b"sftp-server",
    b" /usr/lib/openssh/sftp-server  -l INFO -f AUTH ",
    b"internal-sftp -d /srv",
    b"exec /usr/libexec/openssh/sftp-server",
    b"sudo /usr/lib/sftp-server",
    b"sudo -n -H -u www-data -- /usr/lib/sftp-server -e",
    b"doas -u www sftp-server",
    b"exec sudo -u www sftp-server",
    b"C:/Windows/System32/OpenSSH/SFTP-Server.exe",
)
NOT = (
    b"",
    b"exec",
    b"sudo",
    b"sudo -u",
    b"sftp",
    b"/usr/lib/sftp-server/run",
    b"echo sftp-server",
    b"sudo -i sftp-server",
    b"A=b sftp-server",
    b"sftp-server\nid",
    b"sftp-server;id",
    b"sftp-server|id",
    b"sftp-server >x",
    b"sftp-server $X",
    b"'sftp-server'",
    b"~/sftp-server",
    b"sftp-serve[r]",
    b"exec exec sftp-server",
    b"sftp-server\0",
)


class Servers(SynchronousTestCase):
    def test_alone(self) -> None:
        """Plain words, which no shell takes for anything else; what a shell finds there is a server as well."""
        for command in ALONE:
            self.assertTrue(is_server(command), command)
            self.assertTrue(starts_server(facts_of_text(command, False)[0].commands), command)
            self.assertTrue(names_server(command), command)
        for command in NOT:
            self.assertFalse(is_server(command), command)
