"""The `coalmine` command itself: the options before a command's name, and the group of all commands."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from coalmine_server.cli.commands import COMMANDS
from coalmine_server.cli.invocation import Invocation
from coalmine_server.cli.lazy_group import MARKUP, lazy_group
from coalmine_server.cli.named_file import named_path

EXIT_CODES = """Exit codes: 0 done; 1 a check failed (for example audit); 2 an option, a name or a setting is
wrong; 3 no server, broker or store could be reached, another process holds it, or the disk is full; 4 what
was waited for ended without an answer."""

app = typer.Typer(
    name="coalmine",
    cls=lazy_group(COMMANDS),
    rich_markup_mode=MARKUP,
    help="Measures every version of your LLM prompts while it runs, and says when one makes things worse.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"coalmine {version('coalmine')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    *,
    home: Annotated[
        Path | None,
        typer.Option(
            help="Where everything lives; COALMINE_HOME, else ~/.coalmine.",
            show_default=False,
            parser=named_path,
            metavar="PATH",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings file; COALMINE_CONFIG, else coalmine.toml here or in the home.",
            show_default=False,
            parser=named_path,
            metavar="PATH",
        ),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="Least important log lines to write; info if not set.", show_default=False),
    ] = None,
    log_format: Annotated[
        Literal["auto", "json", "console"] | None,
        typer.Option(help="Shape of log lines; auto is console on a terminal.", show_default=False),
    ] = None,
    _version_only: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options that all commands share; they stand before the command's name."""
    context.obj = Invocation(home=home, config=config, log_level=log_level, log_format=log_format)
