"""`coalmine token`: bearer tokens of the HTTP API."""

from typing import Annotated

import typer

from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.output import AsJson, note, write_json, write_table

app = typer.Typer(help="Make, list and revoke bearer tokens of the HTTP API.", no_args_is_help=True)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Who or what will use it: letters, digits, dots, dashes.")],
    as_json: AsJson = False,
) -> None:
    """Make a token and print it. It is kept only as a hash, so it cannot be shown again."""
    from coalmine_server.tokens import TokenBook

    token = TokenBook(invocation(context).settings().home).create(name)
    if as_json:
        write_json({"name": name, "token": token})
    else:
        typer.echo(token)
        note("Keep it now: it cannot be shown again. Send it as `Authorization: Bearer TOKEN`.")


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List tokens by name; what they are is not kept."""
    from coalmine_server.tokens import TokenBook

    records = TokenBook(invocation(context).settings().home).records()
    if as_json:
        write_json([{"name": record.name, "created_at": record.created_at} for record in records])
    else:
        rows = [(record.name, record.created_at) for record in records]
        write_table(["name", "created at"], rows, empty="no tokens; `coalmine token create NAME` makes one")


@app.command()
def revoke(context: typer.Context, name: Annotated[str, typer.Argument(help="Name of the token.")]) -> None:
    """Make a token worthless, from the next request on."""
    from coalmine_server.tokens import TokenBook

    TokenBook(invocation(context).settings().home).revoke(name)
    note(f"revoked {name}")
