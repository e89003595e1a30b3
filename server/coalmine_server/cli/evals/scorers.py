"""`coalmine scorers`: what a suite's metrics can be."""

from typing import Annotated, Final

import typer

from coalmine_server.cli.output import AsJson, note, tabular, write_facts, write_json, write_table
from coalmine_server.errors import ConfigurationError

scorers_app: Final = typer.Typer(help="See which scorers suites can use.", no_args_is_help=True)


@scorers_app.command("list")
@tabular
def list_(*, as_json: AsJson = False) -> None:
    """List the scorers that come with Coalmine and with other installed packages."""
    from dataclasses import asdict

    from coalmine_evals.scorers.registry import known_scorers
    from coalmine_evals.scorers.tools import TOOLS

    scorers = known_scorers()
    if as_json:
        write_json([asdict(each) for each in scorers])
        return
    rows = [(each.name, each.version, each.origin, each.description) for each in scorers]
    write_table(["scorer", "version", "from", "score"], rows, empty="no scorers", wrapped=True)
    note(f"and those of {', '.join(TOOLS)}, where these are installed: `autoevals:Factuality`")


@scorers_app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="SCORER", help="Its name; `coalmine scorers list` has it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a scorer and its settings."""
    from dataclasses import asdict

    from coalmine_evals.scorers.registry import known_scorers
    from coalmine_schemas.errors import nearest

    known = {each.name: each for each in known_scorers()}
    if name not in known:
        near = nearest(name, known)
        remedy = f"did you mean {near}?" if near else "`coalmine scorers list` lists them"
        raise ConfigurationError(f"no scorer {name}: {remedy}")
    scorer = known[name]
    if as_json:
        write_json(asdict(scorer))
        return
    write_facts(
        {"scorer": scorer.name, "version": scorer.version, "from": scorer.origin, "score": scorer.description}
    )
    typer.echo()
    rows = [
        (each.name, "(required)" if each.required else each.default, each.description)
        for each in scorer.settings
    ]
    write_table(["setting", "default", "what it does"], rows, empty="no settings are known", wrapped=True)
