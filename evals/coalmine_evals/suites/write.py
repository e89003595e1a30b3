"""Writes the file of a suite."""

import re
from pathlib import Path
from typing import Any, Final

from coalmine_evals.suites.suite import Suite
from coalmine_schemas.atomic_file import write_atomically
from coalmine_schemas.prompt_files.front_matter import write_front_matter

_ORDER: Final[tuple[str, ...]] = ("description", "prompt", "dataset", "dataset_digest", "file")
_DIGEST: Final = re.compile(r"^dataset_digest:[^\n]*$", re.MULTILINE)
_DATASET: Final = re.compile(r"^dataset:[^\n]*$", re.MULTILINE)


def write_suite(path: Path, suite: Suite) -> None:
    """Writes a file that `read_suite` reads as the same suite."""
    value: dict[str, Any] = dict(suite.to_json())
    ordered = {name: value.pop(name) for name in _ORDER if name in value}
    metrics = value.pop("metrics")
    text = write_front_matter({**ordered, **value, "metrics": metrics})
    write_atomically(path, text, mode=0o666)


def write_digest(path: Path, digest: str) -> bool:
    """Writes the digest of the cases into the file of a suite, and leaves the rest as people wrote it.

    Returns:
        False if it stands there already.
    """
    text = path.read_text("utf-8")
    # A digest of digits alone would be a number.
    line = f'dataset_digest: "{digest}"'
    if _DIGEST.search(text):
        new = _DIGEST.sub(line, text, count=1)
    else:
        new = _DATASET.sub(lambda found: f"{found[0]}\n{line}", text, count=1)
    if new == text:
        return False
    write_atomically(path, new, mode=0o666)
    return True
