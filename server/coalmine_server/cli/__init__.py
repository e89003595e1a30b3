"""The `coalmine` command."""

from coalmine_server.cli.main import main

__all__ = ["main"]
