"""The sample of a real trace that comes with the package."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["sample_trace"]


@contextmanager
def sample_trace() -> Iterator[Path]:
    """The path of the sample, for as long as the context lasts (it may be a temporary copy)."""
    sample = files("coalmine_simulator") / "data" / "azure_llm_trace_conv_sample.csv"
    with as_file(sample) as path:
        yield path
