"""The `hoopgw` command: one group, and the options that its commands share."""

from __future__ import annotations

import importlib
import os
import socket
import tomllib
from pathlib import Path
from typing import Any

import click

from hoopgw import __version__

DEFAULT_CONFIG = "/etc/hoopgw/hoopgw.toml"
DEFAULT_SOCKET = "/run/hoopgw/admin.sock"
DEFAULT_STATE = "/var/lib/hoopgw"
PATIENCE = 5.0  # seconds for a socket of this machine

# name -> (module, attribute): a command's module is imported when it is used, so that `--help` is quick
COMMANDS = {
    "approvals": ("hoopgw.cli.approvals", "approvals"),
    "backup": ("hoopgw.cli.backup.command", "backup"),
    "bypass": ("hoopgw.cli.bypass.command", "bypass"),
    "check": ("hoopgw.cli.check", "check"),
    "demo": ("hoopgw.cli.demo.command", "demo"),
    "doctor": ("hoopgw.cli.doctor", "doctor"),
    "explain": ("hoopgw.cli.explain", "explain"),
    "grants": ("hoopgw.cli.grants", "grants"),
    "reload": ("hoopgw.cli.reload", "reload"),
    "restore": ("hoopgw.cli.backup.command", "restore"),
    "setup": ("hoopgw.cli.setup.command", "setup"),
    "sessions": ("hoopgw.cli.sessions", "sessions"),
    "ssh-cert": ("hoopgw.cli.ssh_cert", "ssh_cert"),
    "targets": ("hoopgw.cli.targets", "targets"),
    "token": ("hoopgw.cli.token", "token"),
}


class _Lazy(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name]
        command: Any = getattr(importlib.import_module(module), attribute)
        return command  # type: ignore[no-any-return]


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(dir_okay=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    envvar="HOOPGW_CONFIG",
    help="The gateway's configuration file.",
)
@click.option(
    "--socket",
    "socket_path",
    type=click.Path(),
    envvar="HOOPGW_SOCKET",
    help="The running gateway's admin socket.  [default: that of the configuration, or where it still is]",
)
@click.version_option(__version__, prog_name="hoopgw")
@click.pass_context
def main(context: click.Context, config: str, socket_path: str | None) -> None:
    """The gateway that knows who acts, decides what may run, and records all of it.

    Exit status: 0 done; 1 no (refused, not verified, mistakes found); 2 wrong use; `bypass probe` has 3 and 4.
    """
    named = socket_path or admin_socket(config)
    # `named` is where it is to be, `socket` where it is
    context.obj = {"config": config, "named": named, "socket": socket_path or running_socket(config, named)}


def admin_socket(config: str) -> str:
    """`[admin] socket` of the file, as far as it can be read: what is wrong in it is for others to name."""
    return _path(config, ("admin", "socket"), DEFAULT_SOCKET)


def running_socket(config: str, named: str) -> str:
    """Where a gateway answers: `named`, or where the one that runs has it, as only a start takes up another name."""
    from hoopgw.store.admin_place import noted

    known = noted(Path(_path(config, ("state",), DEFAULT_STATE)))
    return known if known not in ("", named) and _answers(known) and not _answers(named) else named


def _path(config: str, keys: tuple[str, ...], default: str) -> str:
    """The path that stands there in the file; `default` where none does."""
    try:
        with open(config, "rb") as file:
            found: Any = tomllib.load(file)
        for key in keys:
            found = found[key]
    except (OSError, ValueError, LookupError, TypeError):
        return default
    return os.path.abspath(os.path.join(os.path.dirname(config), found)) if isinstance(found, str) else default


def _answers(path: str) -> bool:
    """Or may not be opened by who asks, which is for the command to say."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(PATIENCE)
        try:
            channel.connect(path)
        except PermissionError:
            return True
        except OSError:
            return False
    return True
