"""Tests of hoopgw.cli.backup."""
