"""The tables that analysts see, and what of raw rows is private."""

from collections.abc import Collection
from typing import Final

from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.sql import quote_identifier

TABLES: Final[tuple[str, ...]] = (
    *INGESTED_EVENTS,
    "rollups",
    "rollup_histograms",
    "rollup_metrics",
    "experiment_cells",
    "deployments",
    "batches",
    "gaps",
)
"""Those that a statement may name."""
TEXTS: Final = ("input_text", "output_text", "comment", "correction", "rationale")
"""Columns of raw rows with what people and models wrote."""
UNITS: Final = ("unit_id", "session_id")
"""Columns of raw rows with identifiers of users."""


def public_columns(columns: Collection[str], salt: str) -> str:
    """A select list of raw rows without texts, in which users have pseudonyms.

    A pseudonym is the same wherever a user occurs in one answer, and another one in the next: it can be
    counted and joined, and does not say who it is.

    Args:
        columns: Of the rows.
        salt: SQL of a secret of this one answer.
    """
    texts = ", ".join(quote_identifier(name) for name in TEXTS if name in columns)
    units = ", ".join(f"sha256({salt} || {name})[:16] AS {name}" for name in UNITS if name in columns)
    exclude = f" EXCLUDE ({texts})" if texts else ""
    replace = f" REPLACE ({units})" if units else ""
    return f"*{exclude}{replace}"
