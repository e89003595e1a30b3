"""What there is to ask about: prompts, their versions, and the names of values their requests have."""

from coalmine_consumers.queries import facets
from coalmine_consumers.store.cells import BUILT_IN
from coalmine_consumers.store.reader import Reader


def known_versions(reader: Reader) -> dict[str, list[str]]:
    """Versions of each prompt that had requests, by precedence."""
    return facets(reader).versions


def known_cells(reader: Reader, prompt: str) -> list[str]:
    """Metrics that requests of a prompt can have, as experiment cells name them."""
    rows = reader.table("SELECT DISTINCT name FROM rollup_metrics WHERE prompt = $prompt", {"prompt": prompt})
    names = rows["name"].to_pylist()
    return sorted(BUILT_IN | {f"custom.{name}" if name in BUILT_IN else name for name in names})
