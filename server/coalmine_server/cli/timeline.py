"""`coalmine timeline`: what happened to a prompt, in one ordered list."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from coalmine_schemas.safe_text import markdown_text
from coalmine_server.cli.options import EnvironmentOption, asking
from coalmine_server.cli.output import AsJson, tabular, write_json, write_table
from coalmine_server.cli.prompts.options import NameArgument
from coalmine_server.errors import ConfigurationError
from coalmine_server.moment import MOMENT_HELP


@tabular
def timeline(
    context: typer.Context,
    name: NameArgument,
    *,
    environment: EnvironmentOption = None,
    since: Annotated[
        str | None,
        typer.Option(
            help=f"What happened at or after this: {MOMENT_HELP}; default: the last seven days.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help=f"What happened before this: {MOMENT_HELP}.", show_default=False)
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--md", help="Write Markdown, e.g. for a post-mortem.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what happened to a prompt, oldest first.

    Versions, changes of what is served, decisions of rollouts, freezes, models that began to answer, losses
    of ingest, and hours with far more thumbs down than usual.
    """
    if as_markdown and as_json:
        raise ConfigurationError("--md and --json exclude each other", "give one of them")
    asked = {"prompt": name, "environment": environment, "since": since, "until": until}
    with asking(context, quiet=as_json) as client:
        rows = client.get("/v1/timeline", asked)["items"]
    if as_json:
        write_json(rows)
    elif as_markdown:
        typer.echo(markdown(name, rows), nl=False)
    else:
        columns = ["time", "kind", "environment", "what", "by", "reason"]
        cells = [
            (f"{_day(row)} {_time(row)}", _kind(row), *(row[name] for name in _SHOWN), row["reason"])
            for row in rows
        ]
        write_table(columns, cells, empty="nothing happened in this period", wrapped=True)


_SHOWN = ("environment", "text", "actor")


def markdown(prompt: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Items of a timeline as Markdown: a heading for each day, and a line for each item."""
    lines = [f"# Timeline of {markdown_text(prompt)}", ""]
    day: str | None = None
    for row in rows:
        if day != (day := _day(row)):
            lines += [*([""] if lines[-1] else []), f"## {day} (UTC)", ""]
        lines.append(_line(row))
    if not rows:
        lines.append("Nothing happened in this period.")
    return "\n".join(lines) + "\n"


def _line(row: Mapping[str, Any]) -> str:
    where, who, why = row["environment"], row["actor"], row["reason"]
    parts = [
        f"- **{_time(row)}** {_kind(row)}",
        "" if where is None else f" in {where}",
        f": {markdown_text(row['text'])}",
    ]
    parts += [
        "" if who is None else f", by {markdown_text(who)}",
        "" if why is None else f" ({markdown_text(why)})",
    ]
    return "".join(parts)


def _kind(row: Mapping[str, Any]) -> str:
    return str(row["kind"]).replace("_", " ")


def _day(row: Mapping[str, Any]) -> str:
    return str(row["at"])[:10]


def _time(row: Mapping[str, Any]) -> str:
    return str(row["at"])[11:19]
