"""`coalmine evals`: its commands are added in `cli/app.py`."""

from typing import Final

import typer

evals_app: Final = typer.Typer(
    help="Try versions of prompts on cases before anybody is served them.", no_args_is_help=True
)


@evals_app.callback()
def evals() -> None:
    """Try versions of prompts on cases before anybody is served them."""
