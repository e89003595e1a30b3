"""Which server the commands of the registry ask, and with which token."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from coalmine_server.cli.invocation import invocation

if TYPE_CHECKING:
    from coalmine_server.services.http_client import ServerClient

TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        help="Bearer token to ask with; COALMINE_TOKEN, else the one of this machine's own server.",
        show_default=False,
    ),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the prompt.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Semantic version, e.g. 1.2.0.")]
EnvironmentArgument = Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="dev, staging or prod.")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Why; kept in the log.", show_default=False)
]
ExpectOption = Annotated[
    int | None,
    typer.Option(
        "--expect",
        metavar="REVISION",
        min=0,
        help="Refuse if the deployment has another revision than this: somebody changed it meanwhile.",
        show_default=False,
    ),
]


@contextmanager
def registry_server(context: typer.Context, token: str | None) -> Iterator["ServerClient"]:
    """The server to ask, for the length of a block.

    Raises:
        Unavailable: None runs here and none is named.
    """
    from coalmine_schemas.discovery import find_endpoint
    from coalmine_server.errors import Unavailable
    from coalmine_server.services.http_client import ServerClient
    from coalmine_server.services.opening import PATIENCE_S

    settings = invocation(context).settings()
    token = token or (None if settings.token is None else settings.token.get_secret_value())
    endpoint = find_endpoint(settings.home, "registry", url=settings.server.url, token=token)
    if endpoint is None:
        raise Unavailable(
            f"no server runs in {settings.home}",
            "start one with `coalmine serve`, or name one: COALMINE_SERVER_URL",
        )
    client = ServerClient(endpoint.url, endpoint.token, patience_s=PATIENCE_S)
    try:
        yield client
    finally:
        client.close()


def all_prompts(server: "ServerClient") -> list[dict[str, Any]]:
    """Every prompt of the registry, by name, however many pages that takes."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = server.get("/v1/prompts", {"limit": 1000, "cursor": cursor})
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


def path_of(*parts: str) -> str:
    """A path below `/v1`, whatever characters the parts have."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)
