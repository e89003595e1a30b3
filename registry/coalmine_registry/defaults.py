"""Defaults of the registry. They stand in a module that imports nothing, so that `--help` can show them."""

from typing import Final

KEEP_NEWEST: Final = 5
"""Active versions of each prompt that hygiene leaves out."""
IDLE_DAYS: Final = 30
"""Days without a call after which hygiene lists a version."""
PAGE_SIZE: Final = 100
"""Items in a page."""
LONGEST_PAGE: Final = 500
"""Items in a page at most; a larger limit gives pages of this size."""
