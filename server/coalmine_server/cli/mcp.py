"""`coalmine mcp`: lets an agent read what Coalmine knows, over the Model Context Protocol."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from coalmine_server.cli.prompts.options import TokenOption, registry_client


def mcp(
    context: typer.Context,
    *,
    proposes: Annotated[
        bool,
        typer.Option(
            "--propose",
            help="Also let it register versions and request their promotion. Takes a token of role author, "
            "of its own, so that a person has to approve what it wrote.",
        ),
    ] = False,
    token: TokenOption = None,
) -> None:
    """Let an agent read versions, readouts, rollouts and alerts: a server of the Model Context Protocol.

    Talks over standard input and output, as agents expect of a command they start, and ends with them. It
    only reads unless told otherwise, shows no texts of users, and never approves, serves or rolls back.
    """
    from coalmine_server.cli.mcp_tools import mcp_server

    with registry_client(context, token) as client:
        server = mcp_server(client, proposes=proposes, version=version("coalmine"))
        # The protocol has the streams to itself, bytes as they are.
        sys.stdin, sys.stdout = sys.__stdin__, sys.__stdout__
        server.run("stdio")
