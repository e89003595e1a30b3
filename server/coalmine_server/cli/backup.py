"""`coalmine backup` and `coalmine restore`: everything that a home keeps, and back."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.ad_hoc import check_new, take
from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.options import asking
from coalmine_server.cli.output import AsJson, note, write_facts, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coalmine_server.settings import Settings


def backup(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to make for the backup.", parser=named_path)
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Back up store, registry, alerts, evaluations, spool and settings, while the server runs.

    Run it on the server's machine. The backup has tokens' hashes and the secrets of the settings files in it:
    keep it as you keep these. What is in environment variables is not in it.
    """
    from coalmine_server.client import read_as
    from coalmine_server.results import Backup

    check_new(directory)
    with asking(context, quiet=as_json) as client:
        answer = client.post("/v1/backups", {}, slow=True)
    take(Path(answer["directory"]), directory)
    answer["directory"] = str(directory.absolute())
    if as_json:
        write_json(answer)
        return
    found = read_as(Backup, answer)
    size_bytes = sum(each.size_bytes for each in found.files)
    write_facts(
        {
            "backup": found.directory,
            "files": len(found.files),
            "size": f"{size_bytes / 1e6:,.1f} MB",
            **_rows(found.counts),
        }
    )


def restore(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of the backup.", parser=named_path)
    ],
    *,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Open what was restored, too, compare every count and run the audit."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty home, with no server running there.

    Digests of all files are checked first. Settings files that are there are left as they are.
    """
    from dataclasses import asdict

    from coalmine_server.services.backup import restore as restore_backup

    before = invocation(context).settings()
    done = restore_backup(before, directory, verify=verify)
    settings = invocation(context).load().settings  # as the restored files have them
    _note_registry(before)
    own = settings.home / "spool"
    if settings.spool_dir != own:
        note(
            f"spool.dir: this home reads events from {settings.spool_dir}, and takes them from a home that "
            f"does so now; to try a copy beside that, set COALMINE_SPOOL_DIR={own}"
        )
        if own.exists():
            note(f"events that waited are in {own}: if the copy takes over, move them there")
    if settings.kafka.bootstrap_servers is not None:
        note(
            "kafka.group_id: a server of this home takes partitions from any other in "
            f"{settings.kafka.group_id}; to try a copy beside that, set COALMINE_KAFKA_GROUP_ID=coalmine-try"
        )
    if as_json:
        write_json(asdict(done))
        return
    write_facts(
        {"home": done.home, "files": done.files, "checked": ", ".join(done.checks), **_rows(done.counts)}
    )


def _note_registry(restored: "Settings") -> None:
    """Says when the restored settings name another registry's database than the one that was filled."""
    from coalmine_server.settings import load_settings
    from coalmine_server.settings.load import FILE_NAME

    file, variable = restored.home / FILE_NAME, "COALMINE_REGISTRY_URL"
    if restored.registry.url is None or not file.is_file():
        return
    environ = {name: value for name, value in os.environ.items() if name.upper() != variable}
    named = load_settings({"home": restored.home}, config=file, environ=environ).settings.registry.url
    if named not in (None, restored.registry.url):
        note(
            f"registry.url: {file} names another database than the one that was filled, and what runs in "
            f"this home without {variable} changes that one: name the filled one in the file first"
        )


def _rows(counts: "Mapping[str, Mapping[str, int]]") -> dict[str, object]:
    return {f"rows of {name}": sum(tables.values()) for name, tables in counts.items()}
