"""Tests of hoopgw.cli.setup."""
