"""`coalmine settings`: what is in effect, and why."""

from dataclasses import asdict
from typing import Annotated

import typer

from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.output import AsJson, note, write_json, write_table

app = typer.Typer(help="See which settings are in effect and where each comes from.", no_args_is_help=True)


@app.command()
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
