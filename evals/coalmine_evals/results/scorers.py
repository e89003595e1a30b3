"""Scorers that can be used by name."""

from coalmine_schemas.prompts.json_values import JsonValue
from coalmine_schemas.results import result


@result
class Setting:
    """One setting of a scorer."""

    name: str
    """Name of the setting."""
    required: bool
    """True if it has no default."""
    default: JsonValue
    """Its default; null if it has none or is not set."""
    description: str
    """What it does."""


@result
class KnownScorer:
    """A scorer."""

    name: str
    """Name, as a suite has it."""
    version: str | None
    """Name with version: scores of another version are another series. Null if it is not loaded, and
    of judges, which are named after the judge's prompt and model."""
    origin: str
    """`coalmine`, or the package that brought it."""
    description: str
    """What it scores."""
    settings: tuple[Setting, ...]
    """Its settings; empty if it is not loaded."""
