"""Reads the configuration for a command, or ends it with every mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hoopgw.config import Config


def configured(settings: dict[str, str]) -> Config:
    """The configuration of `--config`; exit status 1 with its mistakes where it has any."""
    from hoopgw import config

    try:
        return config.load(settings["config"])
    except config.ConfigurationMistakes as error:
        raise click.ClickException(f"{error}\nSee `hoopgw check`.") from error
