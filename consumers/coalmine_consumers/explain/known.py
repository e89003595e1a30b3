"""Which metrics there are to ask about."""

from coalmine_consumers.aggregation.cells import BUILT_IN
from coalmine_consumers.store.reader import Reader


def known_cells(reader: Reader, prompt: str) -> list[str]:
    """Metrics that requests of a prompt can have, as experiment cells name them."""
    rows = reader.table("SELECT DISTINCT name FROM rollup_metrics WHERE prompt = $prompt", {"prompt": prompt})
    names = rows["name"].to_pylist()
    return sorted(BUILT_IN | {f"custom.{name}" if name in BUILT_IN else name for name in names})
