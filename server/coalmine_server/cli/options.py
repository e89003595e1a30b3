"""Options that commands over measures share, and how they find who answers."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.output import progress_bar
from coalmine_server.cli.quick_end import only_asks
from coalmine_server.moment import MOMENT_HELP

if TYPE_CHECKING:
    from coalmine_server.client import Client

PAGE_ROWS = 1_000
"""Rows asked for at a time."""

PromptOption = Annotated[str | None, typer.Option("--prompt", help="Only this prompt.", show_default=False)]
VersionOption = Annotated[
    str | None, typer.Option("--version", help="Only this version.", show_default=False)
]
EnvironmentOption = Annotated[
    str | None, typer.Option("--environment", help="Only this environment.", show_default=False)
]
AppOption = Annotated[str | None, typer.Option("--app", help="Only this application.", show_default=False)]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Only calls this model answered.", show_default=False)
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since", help=f"Only calls that began at or after this: {MOMENT_HELP}.", show_default=False
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", help=f"Only calls that began before this: {MOMENT_HELP}.", show_default=False),
]


def _no_segments(value: list[str] | None) -> None:
    if value:
        raise typer.BadParameter(
            "measures over time are kept without segments, so no row tells one segment from another; "
            "`coalmine versions --segment KEY=VALUE` counts raw calls, "
            "`coalmine explain PROMPT --a VERSION --b VERSION` shows which segments moved, "
            "`coalmine compare PROMPT A B --segment KEY` adjusts for one, and the raw requests, as Parquet "
            "files that DuckDB and polars read (docs/raw-rows.md), have all of them"
        )


SegmentRefused = Annotated[
    list[str] | None,
    typer.Option("--segment", hidden=True, help="Refused.", callback=_no_segments),
]
"""An option that says why it cannot be."""


_A = "The version to compare with."
_B = "The version in question."
FirstArgument = Annotated[str | None, typer.Argument(metavar="A", help=_A, show_default=False)]
SecondArgument = Annotated[str | None, typer.Argument(metavar="B", help=_B, show_default=False)]
FirstOption = Annotated[str | None, typer.Option("--a", metavar="A", help=_A, show_default=False)]
SecondOption = Annotated[str | None, typer.Option("--b", metavar="B", help=_B, show_default=False)]


def two_versions(
    first: tuple[str | None, str | None], second: tuple[str | None, str | None]
) -> tuple[str | None, str | None]:
    """The versions that a question names, each as an argument or as an option."""
    for name, given in (("A", first), ("B", second)):
        if None not in given:
            raise typer.BadParameter(f"{name} is given twice, {given[0]} and --{name.lower()} {given[1]}")
    return first[0] or first[1], second[0] or second[1]


@contextmanager
def asking(context: typer.Context, *, quiet: bool) -> Iterator["Client"]:
    """A client: of a server, or of the store itself after it has ingested the spool.

    Args:
        context: Of the running command.
        quiet: True to draw no progress bar.
    """
    from coalmine_server.client import open_client

    settings = invocation(context).settings(asks=True)
    only_asks()
    with ExitStack() as stack:
        with progress_bar("ingesting the spool", quiet=quiet) as advance:
            client = stack.enter_context(
                open_client(
                    settings, progress=lambda done: advance(done.consumed, done.consumed + done.waiting)
                )
            )
        yield client


def check_known(client: "Client", chosen: Mapping[str, str | None]) -> None:
    """Refuses filters by what no request has, most often a misspelt name; for answers that are empty.

    Args:
        client: Of whoever answered.
        chosen: Of prompt, version, environment, app and model those that were asked for.

    Raises:
        NotFound: Naming the nearest name there is.
    """
    from coalmine_registry.records import ENVIRONMENTS
    from coalmine_server.errors import NotFound

    facets = client.get("/v1/facets")
    prompt = chosen.get("prompt")
    versions = facets["versions"]
    known = {
        "prompt": facets["prompts"],
        "version": versions.get(prompt, []) if prompt else [each for of in versions.values() for each in of],
        "environment": {*facets["environments"], *ENVIRONMENTS},
        "app": facets["apps"],
        "model": facets["models"],
    }
    for kind, names in known.items():
        name = chosen.get(kind)
        if name is not None and name not in names and facets["complete"]:
            of = f" of {prompt}" if kind == "version" and prompt else ""
            raise NotFound.among(f'no requests recorded for {kind} "{name}"{of}', name, names)


def path_of(*parts: str) -> str:
    """Returns the path of a resource below `/v1`, whatever characters the parts have."""
    # Parts of dots alone would be taken out of the path, with the part before them (RFC 3986, 5.2.4).
    quoted = (quote(part, safe="") if part.strip(".") else part.replace(".", "%2E") for part in parts)
    return "/v1/" + "/".join(quoted)
