"""Options that the commands of the prompt registry share, and the server they ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from coalmine_server.cli.invocation import invocation

if TYPE_CHECKING:
    from coalmine_server.client import Client

TokenOption = Annotated[
    typer.FileText | None,
    typer.Option(
        "--token-file",
        help="File with the bearer token, - for standard input; default: COALMINE_TOKEN, else the token of "
        "this machine's own server.",
        show_default=False,
    ),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the prompt.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Semantic version, e.g. 1.2.0.")]
EnvironmentArgument = Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="dev, staging or prod.")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Reason, for the audit log.", show_default=False)
]
OverrideOption = Annotated[
    bool,
    typer.Option(
        "--override",
        help="Change it although a rollout steers it. Needs an approver and --reason.",
    ),
]
ExpectOption = Annotated[
    int | None,
    typer.Option(
        "--expect",
        metavar="REVISION",
        min=0,
        help="Fail if the deployment has another revision, because it changed in the meantime.",
        show_default=False,
    ),
]


@contextmanager
def registry_client(context: typer.Context, token: TextIO | None) -> Iterator["Client"]:
    """A client of the server that runs the prompt registry, for the length of a block.

    Raises:
        Unavailable: No server runs here and none is named.
    """
    from coalmine_server.client import open_registry_client

    # From a file, because everybody on this machine sees the arguments of a process.
    text = None if token is None else token.read().strip()
    with open_registry_client(invocation(context).settings(token=text)) as client:
        yield client
