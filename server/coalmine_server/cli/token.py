"""`coalmine token`: bearer tokens of the HTTP API."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.output import AsJson, note, write_json, write_table

if TYPE_CHECKING:
    from coalmine_registry.records import TokenRecord
    from coalmine_registry.tokens import Tokens

app = typer.Typer(help="Make, list and revoke bearer tokens of the HTTP API.", no_args_is_help=True)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="The same as --subject.", metavar="[SUBJECT]", show_default=False)
    ] = None,
    *,
    subject: Annotated[
        str | None,
        typer.Option(help="Person or program that will use it; may have several.", show_default=False),
    ] = None,
    role: Annotated[
        Literal["reader", "author", "approver", "admin"],
        typer.Option(
            help="reader looks; author registers versions and asks for promotions; approver decides about "
            "versions of others; admin makes tokens and policies. Each may do what the ones before it may."
        ),
    ] = "reader",
    as_json: AsJson = False,
) -> None:
    """Make a token and print it. It is kept only as a hash, so it cannot be shown again."""
    from coalmine_registry.roles import Actor

    if (name is None) == (subject is None):
        raise typer.BadParameter(
            "say once who will use it: coalmine token create --role author --subject alice"
        )
    with _tokens(context) as tokens:
        record, token = tokens.create(Actor.of_system(), str(name or subject), role)
    if as_json:
        write_json({**_row(record), "token": token})
    else:
        typer.echo(token)
        note("Keep it now: it cannot be shown again. Send it as `Authorization: Bearer TOKEN`.")


@app.command("list")
def list_(
    context: typer.Context,
    *,
    revoked: Annotated[bool, typer.Option("--revoked", help="Also those that were revoked.")] = False,
    as_json: AsJson = False,
) -> None:
    """List tokens; what they are is not kept."""
    with _tokens(context) as tokens:
        found = [_row(each) for each in tokens.list() if revoked or each.revoked_at is None]
    if as_json:
        write_json(found)
        return
    columns = ["subject", "role", "created_at", "revoked_at", "id"]
    rows = [[each[column] for column in columns] for each in found]
    empty = "no tokens; `coalmine token create SUBJECT` makes one"
    write_table([column.replace("_", " ") for column in columns], rows, empty=empty)


@app.command()
def revoke(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="ID|SUBJECT", help="A token's id, or a subject: then all it has.")
    ],
) -> None:
    """Make tokens worthless, from the next request on."""
    from coalmine_registry.roles import Actor
    from coalmine_server.errors import ConfigurationError

    with _tokens(context) as tokens:
        good = [each for each in tokens.list() if each.revoked_at is None]
        chosen = [each for each in good if each.id == name] or [each for each in good if each.subject == name]
        if not chosen:
            raise ConfigurationError(f"there is no token of {name}", "`coalmine token list` shows all")
        for each in chosen:
            tokens.revoke(Actor.of_system(), each.id)
    note(f"revoked {', '.join(f'{each.id} of {each.subject}' for each in chosen)}")


def _row(record: "TokenRecord") -> dict[str, Any]:
    return {
        "id": record.id,
        "subject": record.subject,
        "role": str(record.role),
        "created_at": record.created_at,
        "revoked_at": record.revoked_at,
    }


@contextmanager
def _tokens(context: typer.Context) -> Iterator["Tokens"]:
    """In the database itself: whoever may write it needs no token."""
    from coalmine_server.services.prompt_registry import open_registry

    with closing(open_registry(invocation(context).settings())) as registry:
        yield registry.tokens
