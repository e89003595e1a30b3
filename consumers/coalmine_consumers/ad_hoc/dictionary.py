"""The data dictionary: every table and column that analysts see, from Avro schemas and the store's tables.

`python -m coalmine_consumers.ad_hoc.dictionary` prints it; `make dictionary` writes docs/data-dictionary.md.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb

from coalmine_consumers.ad_hoc.meanings import GRAINS, INGEST, MEANINGS
from coalmine_consumers.ad_hoc.tables import TABLES, TEXTS, UNITS
from coalmine_consumers.raw import INGESTED_EVENTS, IngestedEvent
from coalmine_consumers.sql import quote_identifier
from coalmine_consumers.store.migrate import migrate, published_migrations
from coalmine_consumers.store.views import refresh_views
from coalmine_schemas.catalogue import latest

_HEAD = """# Data dictionary

Made by `make dictionary` from the Avro schemas and the tables of the store; do not edit it.

The tables that `coalmine sql` and `coalmine export` know. Money is whole nano-dollars (1e-9 USD), durations
are milliseconds, times UTC; a null is not known, which is never zero. Columns marked *text* hold what people
and models wrote, and are left out unless an admin asks with `--private`; those marked *unit* say who a user
is, and hold pseudonyms otherwise.
"""


def data_dictionary() -> str:
    """Returns the data dictionary as Markdown."""
    parts = [_HEAD]
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        migrate(connection, published_migrations())
        refresh_views(connection, Path())
        for table in TABLES:
            parts += [f"## {table}\n", f"{GRAINS[table]}\n", "| column | type | meaning |", "|---|---|---|"]
            parts += [
                f"| `{name}` | {kind} | {meaning} |" for name, kind, meaning in _columns(connection, table)
            ]
            parts.append("")
    return "\n".join(parts)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[tuple[str, str, str]]:
    raw = next((event for event in INGESTED_EVENTS if event == table), None)
    meanings = MEANINGS[table] if raw is None else {**_documented(raw), **INGEST}
    for name, kind, *_ in connection.execute(f"DESCRIBE {quote_identifier(table)}").fetchall():
        mark = " *text*" if name in TEXTS and raw else " *unit*" if name in UNITS and raw else ""
        yield name, str(kind).replace('"', ""), meanings[name].replace("|", "\\|") + mark


def _documented(event: IngestedEvent) -> Mapping[str, str]:
    """The `doc` of each field of the newest schema of an event."""
    fields = json.loads(latest(event).json)["fields"]
    return {field["name"]: " ".join(field["doc"].split()) for field in fields}


if __name__ == "__main__":
    sys.stdout.write(data_dictionary())
