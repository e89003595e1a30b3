"""The `coalmine` command."""

from coalmine_server.cli.main import main, program

__all__ = ["main", "program"]
