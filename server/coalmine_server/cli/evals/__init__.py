"""Commands of evaluations."""

from coalmine_server.cli.evals.group import evals_app

__all__ = ["evals_app"]
