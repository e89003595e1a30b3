"""`coalmine settings` and `coalmine token`: what is in effect, and who may ask."""

from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_table

if TYPE_CHECKING:
    from coalmine_registry.tokens import Tokens


settings_app = typer.Typer(help="Show which settings are in effect and their origins.", no_args_is_help=True)


@settings_app.command()
def show(
    context: typer.Context,
    as_json: AsJson = False,
    describe: Annotated[bool, typer.Option(help="Add what each setting means.")] = False,
) -> None:
    """Print every setting, its value and its origin. Secrets are masked."""
    from coalmine_server.settings import setting_rows

    loaded = invocation(context).load()
    rows = setting_rows(loaded)
    if as_json:
        write_json(
            {"file": str(loaded.file) if loaded.file else None, "settings": [asdict(row) for row in rows]}
        )
        return
    note(f"settings file: {loaded.file or 'none'}")
    columns = ["setting", "value", "from", *(["meaning"] if describe else [])]
    write_table(
        columns,
        [(row.name, _plain(row.value), row.origin, *([row.description] if describe else [])) for row in rows],
        empty="",
    )


def _plain(value: object) -> str:
    """As one would write it in the file: a port is no quantity and takes no comma."""
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


token_app = typer.Typer(help="Create, list and revoke bearer tokens of the HTTP API.", no_args_is_help=True)


@token_app.command()
def create(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="The same as --subject.", metavar="[SUBJECT]", show_default=False)
    ] = None,
    *,
    subject: Annotated[
        str | None,
        typer.Option(help="Person or program that will use it; may have several tokens.", show_default=False),
    ] = None,
    role: Annotated[
        Literal["ingest", "service", "reader", "author", "approver", "admin"],
        typer.Option(
            help="ingest sends events and reads nothing; service reads what one environment serves; reader "
            "reads; author registers versions and requests promotions; approver decides about versions of "
            "others and reads the audit log; admin creates tokens, sets policies, reads dead letters. Each "
            "role allows what the previous ones do."
        ),
    ] = "reader",
    environment: Annotated[
        str | None,
        typer.Option(help="The environment of a service: dev, staging or prod.", show_default=False),
    ] = None,
    prompts: Annotated[
        list[str] | None,
        typer.Option(
            help="Only prompts that match, e.g. 'support.*': it reads and changes no others. Repeatable.",
            metavar="PATTERN",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a token and print it. Only its hash is stored, so it cannot be shown again."""
    from coalmine_registry.roles import Actor

    if (name is None) == (subject is None):
        raise typer.BadParameter("name the subject once: coalmine token create --role author --subject alice")
    with _tokens(context) as tokens:
        made = tokens.create(
            Actor.of_system(), str(name or subject), role, environment=environment, prompts=prompts or None
        )
    if as_json:
        write_json(asdict(made))
    else:
        typer.echo(made.token)
        note("Store it now: it cannot be shown again. Send it as `Authorization: Bearer TOKEN`.")


@token_app.command("list")
@tabular
def list_(
    context: typer.Context,
    *,
    revoked: Annotated[bool, typer.Option("--revoked", help="Include revoked tokens.")] = False,
    as_json: AsJson = False,
) -> None:
    """List tokens, without their text."""
    with _tokens(context) as tokens:
        found = [asdict(each) for each in tokens.list() if revoked or each.revoked_at is None]
    if as_json:
        write_json(found)
        return
    columns = ["subject", "role", "environment", "prompts", "created_at", "revoked_at", "id"]
    rows = [
        [" ".join(each[column] or ()) if column == "prompts" else each[column] for column in columns]
        for each in found
    ]
    empty = "no tokens; `coalmine token create SUBJECT` creates one"
    write_table([column.replace("_", " ") for column in columns], rows, empty=empty)


@token_app.command()
def revoke(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="ID|SUBJECT", help="Id of a token, or a subject to revoke all its tokens."),
    ],
) -> None:
    """Revoke tokens, from the next request on."""
    from coalmine_registry.roles import Actor
    from coalmine_server.errors import NotFound

    with _tokens(context) as tokens:
        valid = [each for each in tokens.list() if each.revoked_at is None]
        chosen = [each for each in valid if each.id == name] or [
            each for each in valid if each.subject == name
        ]
        if not chosen:
            raise NotFound(f"no valid token of {name!r}", "`coalmine token list` lists all")
        for each in chosen:
            tokens.revoke(Actor.of_system(), each.id)
    note(f"revoked {', '.join(f'{each.id} of {each.subject}' for each in chosen)}")


def _tokens(context: typer.Context) -> AbstractContextManager["Tokens"]:
    from coalmine_server.client import open_tokens

    return open_tokens(invocation(context).settings())
