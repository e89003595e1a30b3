"""A store with requests, a database of evaluations, and what scores one from the other."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.doubles.production import Production


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Production]:
    """See `Production`."""
    with closing(Production(tmp_path)) as made:
        yield made
