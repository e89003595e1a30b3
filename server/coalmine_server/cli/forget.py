"""`coalmine forget`: takes a user out of everything that a home keeps."""

import os
from typing import Annotated

import typer

from coalmine_server.cli.options import asking
from coalmine_server.cli.output import AsJson, note, write_facts, write_json
from coalmine_server.errors import CheckFailed


def forget(
    context: typer.Context,
    *,
    unit_id: Annotated[
        list[str],
        typer.Option("--unit-id", help="Identifier of a user, or whatever the units are; may be repeated."),
    ],
    as_json: AsJson = False,
) -> None:
    """Forget users: identifiers, texts, comments and dataset cases go, numbers stay. Cannot be undone.

    Prints a report that names nobody, as proof; exits with 1 if something is left. With COALMINE_UNIT_ID_KEY
    set, hashes of the identifiers are looked for, too. docs/operations.md says what is not reached.
    """
    from coalmine.redaction import hashed_unit
    from coalmine_consumers.results import Forgotten
    from coalmine_server.client import read_as

    key = os.environ.get("COALMINE_UNIT_ID_KEY", "")
    wanted = [*unit_id, *(hashed_unit(key, each) for each in unit_id if key)]
    with asking(context, quiet=as_json) as client:
        answer = client.post("/v1/forget", {"unit_ids": wanted}, slow=True)
    found = read_as(Forgotten, answer)
    if as_json:
        write_json(answer)
    else:
        emptied = {f"emptied in {table}": rows for table, rows in found.emptied.items() if rows}
        write_facts(
            {
                "calls": found.requests,
                **emptied,
                "files written anew": found.files_rewritten,
                "old files deleted after": found.old_files_deleted_after,
                "dataset cases": found.dataset_cases,
                "scores of production": found.production_scores,
                "left": sum(found.left.values()),
            }
        )
        for each in found.not_searched:
            note(f"not searched: {each}")
    if not found.complete:
        raise CheckFailed("something is left: see the report, and ask again")
